//! Weights of others, and of models that have changed since → the states of a model here.
//!
//! ```text
//! file ──open──▶ File (names, shapes, elements) ──matching──▶ Plan (what each state takes) ──carry──▶ numbers
//! ```
//!
//! No file is believed: nothing in it is run, nothing is allocated on the word of a size that its bytes do not have, and only
//! tensors that a model takes are read.

pub mod beginning;
pub mod carry;
pub mod elements;
pub mod fitting;
pub mod hdf5;
pub mod keras;
pub mod map;
pub mod matching;
pub mod names;
pub mod npz;
pub mod open;
pub mod safe;
pub mod storages;
pub mod tensors;
pub mod torch;
