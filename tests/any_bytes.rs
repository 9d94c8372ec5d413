//! What holds for any bytes that are called a network or weights of another program: they are read or refused in the words of a
//! user's fault. Fuzzing (`fuzz/fuzz_targets`) and damaged fixtures ask the same.

use std::path::Path;

use dslc::diag::Fault;
use dslc::exchange::{Arriving, import, incoming};
use dslc::train::checkpoint::States;
use dslc::weights::open::open;

fn answered(found: Result<(), Fault>) {
    if let Err(fault) = found {
        assert!(!fault.message.contains("internal error"), "{fault:?}");
    }
}

/// Numbers of a state that are read here at most: what is one number many times may be many.
const MOST: usize = 1 << 20;

/// A network in a file of this ending in the folder, as a text of ours and its numbers.
pub fn network(folder: &Path, ending: &str, bytes: &[u8]) {
    let path = folder.join(format!("x.{ending}"));
    if std::fs::write(&path, bytes).is_err() {
        return;
    }
    let Some(kind) = incoming(&path) else { panic!("no network is read from .{ending}") };
    answered(kind.read(&Arriving { path: &path, weights: None, input: None }, &mut |found, beside| {
        let imported = import::written(found, beside, Path::new("x.model"))?;
        for state in imported.states().iter().filter(|state| state.shape.elements() <= MOST) {
            imported.read_state(&state.name)?;
        }
        imported.model().map(drop)
    }));
}

/// The same of a text and the weights beside it, with a byte 0 between them.
pub fn network_of_two(folder: &Path, [text, weights]: [&str; 2], bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |&byte| byte == 0);
    let (front, back) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if std::fs::write(folder.join(format!("x.{weights}")), back).is_ok() {
        network(folder, text, front);
    }
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
