//! `dslc`: describe a convolutional network and its whole experiment in one checked text file, and run it.
//!
//! ```text
//! text ──syntax──▶ Ast ──model──▶ Model ──model::lower──▶ Graph ──passes──▶ Graph ──plan──▶ Plan ──run──▶ numbers
//! ```
//!
//! The modules stand in the order of the data; each uses only what stands above it (`tests/architecture.rs`).

pub mod source;
pub mod numbers;
pub mod shape;
pub mod diag;
pub mod diagram;
pub mod syntax;
pub mod format;
pub mod spec;
pub mod tensor;
pub mod graph;
pub mod ops;
pub mod layers;
pub mod passes;
pub mod kernels;
pub mod plan;
pub mod model;
pub mod run;
pub mod data;
pub mod train;
pub mod experiment;
pub mod predict;
pub mod reference;
pub mod editor;
pub mod lsp;
pub mod cli;
