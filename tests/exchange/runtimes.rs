//! What ONNX Runtime and OpenVINO made of files that were exported here (`tests/fixtures/runtimes.py`), held against what dslc
//! computes. The runtimes ran these very graphs: a digest of their nodes says so. Where the export changes, the fixture is made anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dslc::exchange::import;
use dslc::exchange::onnx::file;
use serde::Deserialize;

use crate::support::distance;

use super::{answer, export};

/// Models that are small enough to run here.
const MODELS: &[&str] = &[
    "denoise.net",
    "edges.model",
    "labels.net",
    "lenet5.net",
    "mnist.net",
    "mobile.model",
    "resnet20.model",
    "segment.net",
    "textures.net",
];

/// Of one file: its nodes' digest, and some of the numbers that each runtime gave.
#[derive(Deserialize)]
struct Ran {
    nodes: String,
    outputs: BTreeMap<String, Vec<f32>>,
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/exchange/runtimes.json")
}

/// Every layer and the small models, by name; a model without the sections of its experiment.
fn cases() -> Vec<(String, String)> {
    let layers = super::layers::texts().into_iter().map(|text| {
        let lines = text.trim_start_matches("model T { input ").trim_end_matches(" }").to_owned();
        (lines.split_whitespace().collect::<Vec<_>>().join(" "), text)
    });
    let models = MODELS.iter().map(|name| {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
        let text = std::fs::read_to_string(place).unwrap();
        let end = ["\ndata {", "\nexpect"].iter().filter_map(|head| text.find(head)).min();
        let text = text[..end.unwrap_or(text.len())].replace("input 1x256x256", "input 1x32x32");
        ((*name).to_owned(), text)
    });
    layers.chain(models).collect()
}

/// FNV-1a of the nodes and of the tensors' names and extents, whose numbers are the network's own.
fn digest(bytes: &[u8]) -> String {
    let model = file::model(bytes).unwrap();
    let tensors: Vec<_> = model.graph.tensors.iter().map(|tensor| (tensor.name, &tensor.dims)).collect();
    let text = format!("{:?} {tensors:?}", model.graph.nodes);
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// Up to 16 numbers, evenly from a list.
fn some(numbers: &[f32]) -> Vec<f32> {
    let n = numbers.len().min(16);
    (0..n).map(|i| numbers[i * numbers.len() / n]).collect()
}

#[test]
fn other_runtimes_computed_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let known: BTreeMap<String, Ran> =
        serde_json::from_str(&std::fs::read_to_string(fixture()).unwrap()).unwrap();
    for (name, text) in cases() {
        let ran =
            known.get(&name).unwrap_or_else(|| panic!("no runtime ran `{name}`: tests/fixtures/runtimes.py"));
        let place = folder.path().join("x.onnx");
        export(&text, "onnx", &[], folder.path(), &place).unwrap();
        let nodes = digest(&import::bytes(&place).unwrap());
        assert_eq!(nodes, ran.nodes, "`{name}` is exported otherwise: run tests/fixtures/runtimes.py again");
        let (_, output) = answer(&text, folder.path());
        assert!(ran.outputs.len() >= 2);
        for (runtime, expected) in &ran.outputs {
            let apart = distance(expected, &some(&output));
            assert!(apart < 1e-5, "{runtime} differs by {apart:e} on `{name}`");
        }
    }
}

/// Writes what `tests/fixtures/runtimes.py` runs to the folder in `DSLC_EXPORTED`: files, images, and what they are.
#[test]
#[ignore = "writes files for other runtimes"]
fn write() {
    let folder = PathBuf::from(std::env::var("DSLC_EXPORTED").unwrap());
    let mut list = Vec::new();
    for (at, (name, text)) in cases().into_iter().enumerate() {
        let place = folder.join(format!("{at}.onnx"));
        export(&text, "onnx", &[], &folder, &place).unwrap();
        let (image, _) = answer(&text, &folder);
        let bytes: Vec<u8> = image.iter().flat_map(|number| number.to_le_bytes()).collect();
        std::fs::write(folder.join(format!("{at}.f32")), bytes).unwrap();
        let nodes = digest(&import::bytes(&place).unwrap());
        list.push(serde_json::json!({ "name": name, "nodes": nodes }));
    }
    std::fs::write(folder.join("list.json"), serde_json::to_string(&list).unwrap()).unwrap();
}
