//! Any bytes as a file of weights (safetensors, PyTorch's zip and pickle, Keras' HDF5 and archives, NumPy's npz) → tensors, or a fault.

#![no_main]

#[path = "../../tests/any_bytes.rs"]
mod any_bytes;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let place = std::env::temp_dir().join(format!("dslc-fuzz-{}", std::process::id()));
    any_bytes::weights(&place, bytes);
});
