//! One test binary, so that the dependencies are linked once. Each module is a theme.
#![allow(clippy::unwrap_used)]

mod any_text;
mod auto_batch;
mod architecture;
mod batch_norm;
mod cli;
mod device_memory;
mod dropping;
mod editor;
mod exchange;
mod explain;
mod formats;
mod formatting;
mod front_end;
mod gradients;
mod images;
mod kernels;
mod language;
mod learning;
mod lsp;
mod mending;
mod mixed;
mod op_cases;
mod passes;
mod pytorch;
mod recipes;
mod reference;
mod registry;
mod reliability;
mod sections;
mod seeds;
mod snapshots;
mod support;
mod training;
mod worked_example;
mod wrong;
