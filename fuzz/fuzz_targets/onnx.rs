//! Any bytes as an ONNX file → a network in a text of ours, or a fault.

#![no_main]

#[path = "../../tests/any_bytes.rs"]
mod any_bytes;

#[path = "../folder.rs"]
mod folder;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| any_bytes::network(&folder::own(), "onnx", bytes));
