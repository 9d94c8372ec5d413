//! Any bytes as a file of weights (safetensors, PyTorch's zip and pickle, Keras' HDF5 and archives, NumPy's npz) → tensors, or a fault.

#![no_main]

#[path = "../../tests/any_bytes.rs"]
mod any_bytes;

#[path = "../folder.rs"]
mod folder;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| any_bytes::weights(&folder::own().join("x"), bytes));
