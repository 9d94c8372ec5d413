//! A path → the file of weights that it names, by what the file begins with, whatever it is called.

use std::collections::HashMap;
use std::fs::File as Disk;
use std::io::{Read, Seek};
use std::path::Path;

use crate::diag::{Fault, has_errors};
use crate::experiment;
use crate::experiment::imports::Project;
use crate::graph::AVERAGE;
use crate::model::Model;
use crate::runs::folder::{BEST, LAST};
use crate::source::Sources;
use crate::weights::keras::store::is_keras;
use crate::weights::matching::targets;
use crate::weights::tensors::{File, Sequence, fault};
use crate::weights::{keras, npz, safe, torch};

/// What is read, in words.
const KINDS: &str =
    "a run's folder, or a file of safetensors, PyTorch (.pth, .pt), Keras (.keras, .h5) or NumPy (.npz)";

/// Reads what a file declares: a run's folder (its best weights), safetensors, PyTorch's and Keras' files, NumPy's archives. `key` names the
/// dictionary of a PyTorch checkpoint that is meant, where there are several.
pub fn open(path: &Path, key: Option<&str>) -> Result<File, Fault> {
    let unreadable = |e: std::io::Error| fault(path, format!("cannot be read: {e}"));
    let metadata = std::fs::metadata(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => fault(path, "does not exist").advise(KINDS),
        _ => unreadable(e),
    })?;
    if metadata.is_dir() {
        let found = [BEST, LAST].iter().map(|name| path.join(name)).find(|file| file.exists());
        let none = || fault(path, format!("contains no weights ({BEST} or {LAST})")).advise(KINDS);
        return open(&found.ok_or_else(none)?, key);
    }
    // Opening a pipe would wait for its writer.
    if !metadata.is_file() {
        return Err(fault(path, "is not a regular file").advise(KINDS));
    }
    let mut disk = Disk::open(path).map_err(unreadable)?;
    let mut begin = [0; 16];
    let n = disk.read(&mut begin).map_err(unreadable)?;
    disk.rewind().map_err(unreadable)?;
    let begin = &begin[..n];
    let file = match begin {
        // First, since its length may begin as the others do: a header of 640 bytes is 80 02.
        [_, _, _, _, _, _, _, _, b'{', ..] => own(safe::open(path, disk)?),
        _ if is_keras(&mut disk, begin) => keras::open(path, disk)?,
        [b'P', b'K', ..] if is_npz(path) => npz::open(path)?,
        [b'P', b'K', ..] => torch::zipped(path, disk, key)?,
        [0x80, 2..=5, ..] => torch::legacy(path, disk, key)?,
        _ if metadata.len() == 0 => return Err(fault(path, "is empty").advise(KINDS)),
        _ => {
            let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
            let fault = fault(path, "is no file of weights that dslc knows");
            return Err(match ending.as_deref() {
                Some("tar") => fault.advise("save it again with a PyTorch of this decade"),
                _ => fault.advise(KINDS),
            });
        }
    };
    match key {
        Some(key) if file.within.is_none() => {
            Err(fault(path, format!("has no dictionaries, so there is no `{key}`")).advise("no `--key`"))
        }
        _ => Ok(file),
    }
}

/// An archive whose files are NumPy's, by the ending or by what is in it.
fn is_npz(path: &Path) -> bool {
    let named = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz"));
    named || npz::open(path).is_ok()
}

/// A file that dslc wrote, with its tensors in the order of its model, and without what is of the optimizer.
fn own(file: File) -> File {
    let model = file.card.as_ref().and_then(|card| described(&card.source));
    match model {
        Some(model) => ordered(file, &model),
        None => file,
    }
}

fn described(source: &str) -> Option<Model> {
    let mut sources = Sources::default();
    // A resolved file holds all it needs.
    let alone = |_: &Path| Err("a weights file uses no others".to_owned());
    let project = Project { root: Path::new(""), read: &alone };
    let checked = experiment::check(&mut sources, Path::new("weights"), source.to_owned(), &[], &project);
    checked.experiment.model.filter(|_| !has_errors(&checked.diagnostics))
}

fn ordered(mut file: File, model: &Model) -> File {
    let at: HashMap<String, usize> =
        file.tensors.iter().enumerate().map(|(i, tensor)| (tensor.name.clone(), i)).collect();
    let mut order = Vec::new();
    for target in targets(model) {
        let mean = format!("{}{AVERAGE}", target.name);
        let found = [&mean, &target.name, &target.stream].into_iter().find_map(|name| at.get(name.as_str()));
        if let Some(&place) = found {
            // What was written under an older name has its name of today.
            order.push((place, target.name));
        }
    }
    let tensors = order.iter().map(|(place, name)| {
        let mut tensor = file.tensors[*place].clone();
        tensor.name.clone_from(name);
        tensor
    });
    file.tensors = tensors.collect();
    file.numbers = Box::new(crate::weights::tensors::Chosen {
        places: order.into_iter().map(|(place, _)| place).collect(),
        numbers: file.numbers,
    });
    file.sequence = Sequence::Kept;
    file
}
