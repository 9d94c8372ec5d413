//! Networks in Darknet's formats (`tests/fixtures/darknet_files.py`): their outputs, the text that they become, and files that are
//! damaged or do not belong to each other.

use std::fs;
use std::path::{Path, PathBuf};

use dslc::diag::Fault;
use dslc::exchange::import::{self, Imported};
use dslc::exchange::{Arriving, incoming};

use super::arrays;
use crate::support::distance;

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/darknet").join(name)
}

fn with(path: &Path, mut then: impl FnMut(Imported<'_>)) -> Result<(), Fault> {
    let arriving = Arriving { path, weights: None, input: None };
    incoming(path).unwrap().read(&arriving, &mut |found, beside| {
        then(import::written(found, beside, Path::new("x.model"))?);
        Ok(())
    })
}

#[test]
fn networks_of_darknet_compute_the_same_and_are_readable() {
    for name in ["residual", "connected", "transposed"] {
        with(&place(&format!("{name}.cfg")), |imported| {
            let mut session = imported.session().unwrap();
            let ((n, inputs), (_, outputs)) = arrays(&place(&format!("{name}.npz")));
            let (size, n_outputs) = (inputs.len() / n, outputs.len() / n);
            for (input, output) in inputs.chunks_exact(size).zip(outputs.chunks_exact(n_outputs)) {
                let found = import::run(&mut session, input).unwrap();
                assert!(distance(output, &found) < 1e-5, "{name}: {output:?} {found:?}");
            }
            insta::assert_snapshot!(format!("darknet_{name}"), imported.text);
        })
        .unwrap_or_else(|fault| panic!("{name}: {fault:#?}"));
    }
}

/// What is said of this text with these weights.
fn said(folder: &Path, text: &str, weights: &[u8]) -> String {
    let path = folder.join("x.cfg");
    fs::write(&path, text).unwrap();
    fs::write(folder.join("x.weights"), weights).unwrap();
    match with(&path, |imported| {
        for state in dslc::train::checkpoint::States::states(&imported) {
            let _ = dslc::train::checkpoint::States::read_state(&imported, &state.name);
        }
    }) {
        Ok(()) => String::new(),
        Err(fault) => fault.message,
    }
}

#[test]
fn a_route_takes_one_of_several_groups() {
    let folder = tempfile::tempdir().unwrap();
    let text = |group: usize| {
        format!(
            "[net]\nwidth=2\nheight=2\nchannels=4\n[maxpool]\nsize=1\nstride=1\n[route]\nlayers=-1\ngroups=2\ngroup_id={group}\n"
        )
    };
    // Of version 0.2: three whole numbers, and how many images it has seen.
    let head: Vec<u8> = [0, 2, 0, 0, 0].iter().flat_map(|n: &i32| n.to_le_bytes()).collect();
    let path = folder.path().join("x.cfg");
    fs::write(folder.path().join("x.weights"), head).unwrap();
    let image: Vec<f32> = (0..16).map(|n| n as f32).collect();
    for group in [0, 1] {
        fs::write(&path, text(group)).unwrap();
        with(&path, |imported| {
            let found = import::run(&mut imported.session().unwrap(), &image).unwrap();
            assert_eq!(found, image[8 * group..][..8], "{}", imported.text);
        })
        .unwrap();
    }
    fs::write(&path, text(2)).unwrap();
    let fault = with(&path, |_| ()).unwrap_err();
    assert!(fault.message.contains("group 2 of 2"), "{fault:#?}");
}

#[test]
fn files_that_do_not_belong_to_each_other_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(place("residual.cfg")).unwrap();
    let weights = fs::read(place("residual.weights")).unwrap();
    let said = |text: &str, weights: &[u8]| said(folder.path(), text, weights);
    let refused = |text: &str, weights: &[u8], words: &str| {
        let found = said(text, weights);
        assert!(found.contains(words), "{found}");
    };
    assert_eq!(said(&text, &weights), "");
    refused(
        &text,
        &weights[..weights.len() - 4],
        "the weights end too early: `convolutional 13` needs 40 numbers, 39",
    );
    refused(&text, &[weights.as_slice(), &[0; 8]].concat(), "2 numbers more than");
    refused(&text, &weights[..weights.len() - 3], "no whole numbers");
    refused(&text, &[], "end in their header");
    refused(&text, &[0xff; 40], "version makes no sense");
    refused("", &weights, "does not begin with `[net]`");
    refused("[net]\nheight=4\nwidth=4\n", &weights, "has no layers");
    refused("[net]\nheight=0\nwidth=4\n[avgpool]\n", &weights, "`height=0`");
    refused("[net]\nheight=4\nwidth=4\n[yolo]\n", &weights, "finds objects");
    refused("[net]\nheight=4\nwidth=4\n[lstm]\n", &weights, "no layer for `[lstm]`");
    refused("[net]\nheight=4\nwidth=4\n[route]\nlayers=-1\n", &weights, "which does not come before it");
    refused("[net]\nheight=4\nwidth=4\nnonsense\n", &weights, "line 4: `nonsense`");
    refused(
        "[net]\nheight=4\nwidth=4\n[convolutional]\nfilters=16777216\nsize=16777216\n",
        &weights,
        "end too early",
    );
    refused("[net]\nheight=4\nwidth=4\n[convolutional]\nbinary=1\n", &weights, "`binary`");
    refused(
        "[net]\nheight=16777216\nwidth=16777216\nchannels=16777216\n[avgpool]\n",
        &weights,
        "no shape that an image",
    );
    let mut doubled = "[net]\nheight=4\nwidth=4\n[route]\nlayers=-1,-1\n".to_owned();
    doubled = doubled.replace("[route]\nlayers=-1,-1\n", "[activation]\nactivation=relu\n");
    doubled.push_str(&"[route]\nlayers=-1,-1\n".repeat(60));
    assert!(!said(&doubled, &weights).is_empty());
    fs::remove_file(folder.path().join("x.weights")).unwrap();
    let path = folder.path().join("x.cfg");
    assert!(with(&path, |_| {}).unwrap_err().message.contains("x.weights is not there"));
}

#[test]
fn cut_and_changed_files_are_refused_or_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(place("connected.cfg")).unwrap();
    let weights = fs::read(place("connected.weights")).unwrap();
    for end in (0..text.len()).step_by(13) {
        let _ = said(folder.path(), &text[..end], &weights);
        let changed: String = text.char_indices().map(|(at, c)| if at == end { '9' } else { c }).collect();
        let _ = said(folder.path(), &changed, &weights);
    }
    for at in 0..20 {
        let mut changed = weights.clone();
        changed[at] ^= 0x41;
        let _ = said(folder.path(), &text, &changed);
    }
}
