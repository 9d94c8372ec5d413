//! Networks as Keras saves them (`tests/fixtures/keras_files.py`): their outputs, the text that they become, and their weights alone
//! in a network of ours; damaged files, and files that are hostile.

use std::fs;
use std::path::{Path, PathBuf};

use dslc::diag::Fault;
use dslc::exchange::import::line::Pixels;
use dslc::exchange::import::{self, Imported};
use dslc::exchange::{Arriving, incoming};
use dslc::run::StateInfo;
use dslc::train::checkpoint::States;
use dslc::weights::carry::carry;
use dslc::weights::matching::{Need, Wishes};
use dslc::weights::open::open;

use super::arrays;
use crate::support::{check, distance};

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keras").join(name)
}

/// Reads a network and does something with it.
fn with(path: &Path, mut then: impl FnMut(Imported<'_>)) -> Result<(), Fault> {
    let arriving = Arriving { path, weights: None, input: None };
    incoming(path).unwrap().read(&arriving, &mut |found, beside| {
        then(import::written(found, beside, Path::new("x.model"))?);
        Ok(())
    })
}

/// Imports a network, holds its outputs against Keras', and gives its text.
fn imported(name: &str, cases: &str) -> String {
    let mut text = String::new();
    with(&place(name), |imported| {
        assert_eq!(imported.pixels, Pixels::ChannelsLast);
        let shape = imported.model().unwrap().input.clone().unwrap();
        let mut session = imported.session().unwrap();
        let ((n, inputs), (_, outputs)) = arrays(&place(cases));
        let (size, n_outputs) = (inputs.len() / n, outputs.len() / n);
        for (input, output) in inputs.chunks_exact(size).zip(outputs.chunks_exact(n_outputs)) {
            let found = import::run(&mut session, &first(input, shape.dims())).unwrap();
            assert!(distance(output, &found) < 1e-5, "{name}: {output:?} {found:?}");
        }
        text = imported.text;
    })
    .unwrap_or_else(|fault| panic!("{name}: {fault:#?}"));
    text
}

/// Pixels with their channels together → each channel together.
fn first(numbers: &[f32], shape: &[usize]) -> Vec<f32> {
    let n: usize = shape[1..].iter().product();
    (0..numbers.len()).map(|i| numbers[i % n * shape[0] + i / n]).collect()
}

#[test]
fn networks_of_keras_compute_the_same_and_are_readable() {
    let sequence = imported("sequence.keras", "sequence.npz");
    insta::assert_snapshot!("keras_sequence", sequence);
    let graph = imported("graph.keras", "graph.npz");
    insta::assert_snapshot!("keras_graph", graph);
    let body = |text: &str| text.split_once("\n\n").unwrap().1.to_owned();
    assert_eq!(body(&imported("keras2.h5", "sequence.npz")), body(&sequence));
    let nested = imported("nested.keras", "nested.npz");
    for name in ["nested.h5", "chunks.h5"] {
        assert_eq!(body(&imported(name, "nested.npz")), body(&nested), "{name}");
    }
}

#[test]
fn weights_of_keras_find_their_places_in_a_network_here() {
    carried(&place("sequence.keras"), &["sequence.keras", "keras2.h5"]);
    // Without a description, layers of a kind are counted.
    let all = ["nested.keras", "nested.h5", "chunks.h5", "nested.weights.h5", "latest.weights.h5"];
    carried(&place("nested.keras"), &all);
    // But nobody knows which of scale and shift a norm is without.
    let mut file = open(&place("sequence.weights.h5"), None).unwrap();
    assert!(file.tensors.iter().any(|tensor| tensor.name == "conv2d/kernel"), "{file:#?}");
    let (experiment, _) = check(&imported("sequence.keras", "sequence.npz"));
    let fault = carry(experiment.model.as_ref().unwrap(), &mut file, &Wishes::new(Need::All)).unwrap_err();
    assert!(fault.notes.iter().any(|note| note.contains("only a `.keras` file says which")), "{fault:#?}");
}

/// Branches in the words of a person, in another order than Keras lists their layers.
const BRANCHES: &str = "model Branches {
    input 3x6x6
    conv2d 4 3x3 padding=same bias=false -> batch_norm epsilon=1e-3
    residual {
        conv2d 4 1x1 bias=false -> batch_norm epsilon=1e-3 -> relu
        conv2d 4 3x3 padding=same bias=false -> batch_norm epsilon=1e-3 -> relu
        conv2d 8 1x1 bias=false -> batch_norm epsilon=1e-3
    } shortcut { conv2d 8 1x1 bias=false -> batch_norm epsilon=1e-3 }
    relu
    concat {
        branch { conv2d 3 1x1 bias=false -> batch_norm epsilon=1e-3 }
        branch {
            conv2d 3 1x1 bias=false -> batch_norm epsilon=1e-3
            conv2d 3 3x3 padding=same bias=false -> batch_norm epsilon=1e-3
        }
        branch {
            conv2d 3 1x1 bias=false -> batch_norm epsilon=1e-3
            conv2d 3 3x3 padding=same bias=false -> batch_norm epsilon=1e-3
            conv2d 3 3x3 padding=same bias=false -> batch_norm epsilon=1e-3
        }
        branch {
            max_pool2d 3 stride=1 padding=same
            conv2d 3 1x1 bias=false -> batch_norm epsilon=1e-3
        }
    }
    global_avg_pool
    linear 2
}
";

#[test]
fn layers_of_parallel_branches_find_their_places() {
    let mut expected = Vec::new();
    with(&place("branches.keras"), |imported| {
        expected = imported.states().iter().map(|state| imported.read_state(&state.name).unwrap()).collect();
    })
    .unwrap();
    let (experiment, found) = check(BRANCHES);
    assert!(!dslc::diag::has_errors(&found), "{found:#?}");
    let mut file = open(&place("branches.keras"), None).unwrap();
    let carried = carry(experiment.model.as_ref().unwrap(), &mut file, &Wishes::new(Need::All)).unwrap();
    let own: Vec<Vec<f32>> = carried.numbers.into_iter().map(|(_, own)| own).collect();
    // Twelve convolutions with their norms, and a layer with a bias.
    assert!(own.len() == 12 * 5 + 2 && own == expected);
}

/// Imports a network and holds the numbers that it takes of these files against its own.
fn carried(whole: &Path, files: &[&str]) {
    let (mut expected, mut text) = (Vec::new(), String::new());
    with(whole, |imported| {
        let own = |state: &StateInfo| (state.name.clone(), imported.read_state(&state.name).unwrap());
        expected = imported.states().iter().map(own).collect();
        text.clone_from(&imported.text);
    })
    .unwrap();
    let (experiment, found) = check(&text);
    assert!(!dslc::diag::has_errors(&found), "{found:#?}");
    let model = experiment.model.as_ref().unwrap();
    for name in files {
        let mut file = open(&place(name), None).unwrap();
        let carried = carry(model, &mut file, &Wishes::new(Need::All))
            .unwrap_or_else(|fault| panic!("{name}: {fault:#?}"));
        assert_eq!(carried.numbers.len(), expected.len(), "{name}");
        for ((state, numbers), (own, wanted)) in carried.numbers.iter().zip(&expected) {
            assert!(state == own && numbers == wanted, "{name}: {state}");
        }
    }
}

#[test]
fn what_is_no_network_of_keras_is_refused() {
    let refused = |path: &Path, words: &str| {
        let fault = with(path, |_| {}).unwrap_err();
        assert!(fault.message.contains(words), "{fault:#?}");
        assert!(!fault.remedies.is_empty(), "{fault:#?}");
    };
    refused(&place("sequence.weights.h5"), "holds weights, but no network");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    fs::write(&path, b"not HDF5").unwrap();
    refused(&path, "is no HDF5 file");
    fs::write(&path, b"").unwrap();
    refused(&path, "is damaged");
    refused(folder.path().join("absent.keras").as_path(), "cannot be read");
}

/// The description of a network in a file whose weights are others.
fn described(folder: &Path, config: &str) -> PathBuf {
    use std::io::Write;
    let path = folder.join("x.keras");
    let whole = fs::File::open(place("sequence.keras")).unwrap();
    let mut old = zip::ZipArchive::new(whole).unwrap();
    let mut weights = Vec::new();
    std::io::Read::read_to_end(&mut old.by_name("model.weights.h5").unwrap(), &mut weights).unwrap();
    let mut new = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("config.json", config.as_bytes()), ("model.weights.h5", &weights)] {
        new.start_file(name, options).unwrap();
        new.write_all(bytes).unwrap();
    }
    new.finish().unwrap();
    path
}

#[test]
fn hostile_descriptions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let layer = |class: &str, name: &str, config: &str, nodes: &str| {
        format!(
            r#"{{"class_name":"{class}","config":{{"name":"{name}"{config}}},"name":"{name}","inbound_nodes":{nodes}}}"#
        )
    };
    let graph = |layers: &[String], output: &str| {
        format!(
            r#"{{"class_name":"Functional","config":{{"name":"x","layers":[{}],"input_layers":[["in",0,0]],"output_layers":[["{output}",0,0]]}}}}"#,
            layers.join(",")
        )
    };
    let image = || layer("InputLayer", "in", r#","batch_shape":[null,4,4,3]"#, "[]");
    let relu = |name: &str, from: &str| layer("ReLU", name, "", &format!(r#"[[["{from}",0,0,{{}}]]]"#));
    let refused = |config: &str, words: &str| {
        let fault = with(&described(folder.path(), config), |_| {}).unwrap_err();
        assert!(fault.message.contains(words), "{fault:#?}");
    };
    refused("{", "JSON that is damaged");
    refused(&"[".repeat(100_000), "JSON that is damaged");
    refused(r#"{"class_name":"MyModel","config":{}}"#, "`MyModel`, which is code");
    refused(&graph(&[image(), relu("a", "b"), relu("b", "a")], "b"), "what it gives itself");
    refused(&graph(&[image(), relu("a", "nothing")], "a"), "what nothing gives");
    refused(&graph(&[image(), relu("a", "in")], "absent"), "no layer `absent`");
    refused(&graph(&[image(), layer("Lambda", "a", "", r#"[[["in",0,0,{}]]]"#)], "a"), "Python code");
    refused(&graph(&[image(), layer("Attention", "a", "", r#"[[["in",0,0,{}]]]"#)], "a"), "no layer for it");
    let huge = r#","target_shape":[4294967296,4294967296,4294967296]"#;
    refused(&graph(&[image(), layer("Reshape", "a", huge, r#"[[["in",0,0,{}]]]"#)], "a"), "of 48 numbers");
    let pad = r#","padding":[[1000000,1000000],[1000000,1000000]]"#;
    assert!(
        with(
            &described(
                folder.path(),
                &graph(&[image(), layer("ZeroPadding2D", "a", pad, r#"[[["in",0,0,{}]]]"#)], "a")
            ),
            |_| {}
        )
        .is_err()
    );
    refused(
        &graph(&[layer("InputLayer", "in", r#","batch_shape":[null,null,4,3]"#, "[]")], "in"),
        "extents of its input open",
    );
    let conv = r#","filters":4,"kernel_size":[3,3],"padding":"same","use_bias":false"#;
    refused(
        &graph(
            &[
                image(),
                layer("Conv2D", "a", conv, r#"[[["in",0,0,{}]]]"#),
                layer("Conv2D", "b", conv, r#"[[["a",0,0,{}]]]"#),
            ],
            "b",
        ),
        "no weights of the layer `b`",
    );
    let other = r#","filters":9,"kernel_size":[3,3],"padding":"same","use_bias":false"#;
    refused(
        &graph(&[image(), layer("Conv2D", "a", other, r#"[[["in",0,0,{}]]]"#)], "a"),
        "has 108 numbers where",
    );
    // Networks in each other without end, and a join of a join of a join.
    let mut nested = r#"{"class_name":"ReLU","config":{"name":"r"}}"#.to_owned();
    for _ in 0..40 {
        nested = format!(
            r#"{{"class_name":"Sequential","config":{{"name":"s","build_input_shape":[null,4,4,3],"layers":[{nested}]}}}}"#
        );
    }
    assert!(with(&described(folder.path(), &nested), |_| {}).is_err());
    // Networks that each call the one inside of them nine times.
    let calls = [r#"[["in",0,0,{}]]"#; 9].join(",");
    let mut inner = r#""class_name":"Sequential","config":{"name":"n","layers":[]}"#.to_owned();
    for _ in 0..14 {
        let called = format!(r#"{{{inner},"inbound_nodes":[{calls}]}}"#);
        let whole = graph(&[image(), called], "n").replace(r#""name":"x""#, r#""name":"n""#);
        inner = whole[1..whole.len() - 1].to_owned();
    }
    refused(&format!("{{{inner}}}"), "calls its layers more than");
    // A name that would end the comment it stands in.
    let random = layer("RandomFlip", r"a\nb", "", r#"[[["in",0,0,{}]]]"#);
    let path = described(folder.path(), &graph(&[image(), random, relu("r", r"a\nb")], "r"));
    with(&path, |imported| assert!(imported.text.contains("`a b`"), "{}", imported.text)).unwrap();
    let mut layers = vec![image()];
    for n in 0..40 {
        let from = if n == 0 { "in".to_owned() } else { format!("c{}", n - 1) };
        layers.push(layer(
            "Concatenate",
            &format!("c{n}"),
            "",
            &format!(r#"[[["{from}",0,0,{{}}],["{from}",0,0,{{}}]]]"#),
        ));
    }
    layers.push(layer("Rescaling", "last", r#","scale":2.0,"offset":1.0"#, r#"[[["c39",0,0,{}]]]"#));
    assert!(with(&described(folder.path(), &graph(&layers, "last")), |_| {}).is_err());
}

#[test]
fn cut_and_changed_files_are_refused_or_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, step) in
        [("keras2.h5", 997), ("chunks.h5", 397), ("latest.weights.h5", 97), ("nested.keras", 797)]
    {
        let whole = fs::read(place(name)).unwrap();
        let path = folder.path().join(name);
        let look = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            if !name.contains("weights") {
                let _ = with(&path, |imported| {
                    for state in imported.states() {
                        let _ = imported.read_state(&state.name);
                    }
                });
            }
            if let Ok(mut file) = open(&path, None) {
                for at in 0..file.tensors.len() {
                    if let Some(n) = file.tensors[at].elements().filter(|&n| n < 1 << 20) {
                        let _ = file.read(at, n);
                    }
                }
            }
        };
        for end in (0..whole.len()).step_by(step * 7) {
            look(&whole[..end]);
        }
        for at in (0..whole.len()).step_by(step) {
            let mut changed = whole.clone();
            changed[at] ^= [0x41, 0xff, 0x01][at % 3];
            look(&changed);
        }
    }
}
