//! What holds for any bytes that are called a network or weights of another program: they are read or refused in the words of a
//! user's fault. Fuzzing (`fuzz/fuzz_targets`) and damaged fixtures ask the same.

use std::path::Path;

use dslc::diag::Fault;
use dslc::exchange::import;
use dslc::exchange::onnx::file::{self, Beside};
use dslc::weights::open::open;

fn answered(found: Result<(), Fault>) {
    if let Err(fault) = found {
        assert!(!fault.message.contains("internal error"), "{fault:?}");
    }
}

/// An ONNX file as a network in a text of ours.
pub fn onnx(bytes: &[u8]) {
    let place = Path::new("nowhere/x.onnx");
    let read = || -> Result<(), Fault> {
        let (model, beside) = (file::model(bytes)?, Beside::new(place));
        let imported = import::imported(&model, &beside, Path::new("x.model"), None)?;
        imported.model().map(drop)
    };
    answered(read());
}

/// A file of weights: safetensors, a checkpoint of PyTorch, a file of Keras, an archive of NumPy, by what it begins with.
pub fn weights(place: &Path, bytes: &[u8]) {
    if std::fs::write(place, bytes).is_err() {
        return;
    }
    let read = || -> Result<(), Fault> {
        let mut file = open(place, None)?;
        for at in 0..file.tensors.len() {
            let n = file.tensors[at].elements().filter(|&n| n <= bytes.len());
            if let (Some(n), None) = (n, &file.tensors[at].trouble) {
                file.read(at, n)?;
            }
        }
        Ok(())
    };
    answered(read());
}
