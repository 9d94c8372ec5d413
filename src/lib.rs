//! `dslc`: describe a convolutional network and its whole experiment in one checked text file, and run it.
//!
//! ```text
//! text ──syntax──▶ Ast ──model──▶ Model ──model::lower──▶ Graph ──passes──▶ Graph ──compile──▶ Compiled ──start──▶ Session
//! ```
//!
//! A program calls [`check`], [`compile`], [`train`], [`resume`], [`evaluate`] and [`Predictor`]; `examples/` has one for each
//! use. The modules below them stand in the order of the data, and each uses only what stands above it
//! (`tests/architecture.rs`); they are the compiler's own, hidden here, and change without notice.
//!
//! ```no_run
//! let file = dslc::check("models/mnist.net", &["train.epochs=1".to_owned()])?;
//! let trained = dslc::train(&file, &dslc::Options::default(), &mut ())?;
//! assert!(trained.test.loss < 0.1 && trained.folder.join("best.safetensors").exists());
//! # Ok::<(), dslc::Fault>(())
//! ```

#[doc(hidden)]
pub mod source;
#[doc(hidden)]
pub mod numbers;
#[doc(hidden)]
pub mod protobuf;
#[doc(hidden)]
pub mod shape;
#[doc(hidden)]
pub mod pickle;
#[doc(hidden)]
pub mod diag;
#[doc(hidden)]
pub mod diagram;
#[doc(hidden)]
pub mod syntax;
#[doc(hidden)]
pub mod format;
#[doc(hidden)]
pub mod spec;
#[doc(hidden)]
pub mod tensor;
#[doc(hidden)]
pub mod graph;
#[doc(hidden)]
pub mod ops;
#[doc(hidden)]
pub mod layers;
#[doc(hidden)]
pub mod passes;
#[doc(hidden)]
pub mod kernels;
#[doc(hidden)]
pub mod plan;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod data;
#[doc(hidden)]
pub mod run;
#[doc(hidden)]
pub mod train;
#[doc(hidden)]
pub mod experiment;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod runs;
#[doc(hidden)]
pub mod weights;
#[doc(hidden)]
pub mod predict;
#[doc(hidden)]
pub mod exchange;
mod door;
#[doc(hidden)]
pub mod search;
#[doc(hidden)]
pub mod reference;
#[doc(hidden)]
pub mod editor;
#[doc(hidden)]
pub mod lsp;
#[doc(hidden)]
pub mod cli;

pub use crate::data::picture::Remark;
pub use crate::diag::{Diagnostic, Fault, Fix, Label, Remedy, Severity};
pub use crate::door::{
    Checked, Compiled, Follow, Options, Trained, check, check_text, compile, resume, train,
};
pub use crate::experiment::figures::{Figures, LayerFigures};
pub use crate::predict::evaluate::{Evaluated, evaluate};
pub use crate::predict::{Answer, Class, Predictor};
pub use crate::runs::train::Signals;
pub use crate::shape::Shape;
pub use crate::tensor::device::Choice as Device;
pub use crate::train::metrics::{ClassScore, Classes, Confusion, Evaluation, Score};
pub use crate::train::trainer::{Epoch, StepDone};
