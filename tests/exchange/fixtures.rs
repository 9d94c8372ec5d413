//! Networks as PyTorch's two exporters write them (`tests/fixtures/exchange.py`): their outputs, and the text that they become.

use std::path::{Path, PathBuf};

use dslc::exchange::import::{self, run};
use dslc::exchange::onnx::file::{self, Beside};

use crate::support::distance;

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/exchange").join(name)
}

/// Imports a network, holds its outputs against PyTorch's, and gives its text.
fn imported(name: &str, exporter: &str) -> String {
    let path = place(&format!("{name}_{exporter}.onnx"));
    let (bytes, beside) = (import::bytes(&path).unwrap(), Beside::new(&path));
    let model = file::model(&bytes).unwrap();
    let imported = import::imported(&model, &beside, Path::new("x.model"), None)
        .unwrap_or_else(|fault| panic!("{name} {exporter}: {fault:#?}"));
    let mut session = imported.session().unwrap();
    let ((n, inputs), (_, outputs)) = super::arrays(&place(&format!("{name}.npz")));
    for (input, output) in inputs.chunks_exact(inputs.len() / n).zip(outputs.chunks_exact(outputs.len() / n))
    {
        let found = run(&mut session, input).unwrap();
        assert!(distance(output, &found) < 1e-5, "{name} {exporter}: {output:?} {found:?}");
    }
    // What is written is in the one style and can be read again with its weights.
    let folder = tempfile::tempdir().unwrap();
    imported.save(&folder.path().join("x.safetensors")).unwrap();
    let weights = dslc::train::checkpoint::Weights::open(&folder.path().join("x.safetensors")).unwrap();
    let predictor = dslc::Predictor::of_weights(&weights, &dslc::tensor::Device::Cpu).unwrap();
    assert_eq!(predictor.output().elements(), outputs.len() / n);
    imported.text
}

#[test]
fn networks_of_pytorch_compute_the_same_and_are_readable() {
    for name in ["residual", "words", "dense"] {
        for exporter in ["script", "dynamo"] {
            insta::assert_snapshot!(format!("{name}_{exporter}"), imported(name, exporter));
        }
    }
}
