//! Two folders with files of the same names → pairs of paths: pictures and what is to be learnt of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::data::parts::Parts;
use crate::data::sources::folder::{below, part_called};
use crate::data::sources::idx::fault;
use crate::data::sources::listed::by_file_name;
use crate::diag::Fault;

/// Pairs, part by part, each in the order of the pictures' names: see [`by_file_name`].
pub struct Pairs {
    /// Below their folder: of the picture, and of what is to be learnt.
    pub paths: Vec<[Box<Path>; 2]>,
    pub parts: Parts,
}

/// The pairs of two folders: files with the same path but for the ending. Where the first folders in both are parts (`train`, `val`,
/// `test` as `folder` spells them), so are the pairs. `what` is what a file of the second folder is called, `argument` names that
/// folder.
pub fn pairs([images, targets]: [&Path; 2], what: &str, argument: &'static str) -> Result<Pairs, Fault> {
    for (folder, argument) in [(images, "path"), (targets, argument)] {
        if !folder.is_dir() {
            let message = if folder.exists() { "is not a folder" } else { "does not exist" };
            return Err(fault(folder, message)
                .at(argument)
                .note("the path is relative to the experiment's file")
                .advise(format!("a folder of pictures, and one with a {what} of the same name for each")));
        }
    }
    let own = by_name(images)?;
    let mut others = by_name(targets)?;
    if own.is_empty() {
        return Err(fault(images, "has no pictures").advise("a folder of pictures"));
    }
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    let in_parts = own.keys().all(|name| part(name).is_some());
    for (name, path) in own {
        match others.remove(&name) {
            Some(other) => found.push((part(&name).filter(|_| in_parts).unwrap_or(0), path, other)),
            None => missing.push(path.display().to_string()),
        }
    }
    let (lonely, folder, lacks) = match (missing.as_slice(), others.first_key_value()) {
        ([first, ..], _) => (first.clone(), images, format!("no {what} in {}", targets.display())),
        ([], Some((_, path))) => {
            (path.display().to_string(), targets, format!("no picture in {}", images.display()))
        }
        ([], None) => {
            return Ok(in_order(found));
        }
    };
    let n = missing.len().max(others.len());
    let more = if n > 1 { format!(" ({n} files in all)") } else { String::new() };
    Err(fault(&folder.join(lonely), &format!("has {lacks}{more}"))
        .note("the two have the same path below their folders, but for the ending")
        .advise(format!("a {what} of the same name for each picture, and no others")))
}

/// Pairs with their parts → the same, part by part.
fn in_order(mut found: Vec<(usize, PathBuf, PathBuf)>) -> Pairs {
    found.sort_by(|(part, path, _), (other_part, other, _)| {
        part.cmp(other_part).then_with(|| by_file_name((0, path), (0, other)))
    });
    let (mut paths, mut parts) = (Vec::with_capacity(found.len()), [const { Vec::new() }; 3]);
    for (index, (part, path, other)) in found.into_iter().enumerate() {
        parts[part].push(index as u32);
        paths.push([path.into_boxed_path(), other.into_boxed_path()]);
    }
    let [train, validation, test] = parts;
    Pairs { paths, parts: Parts { train, validation, test } }
}

/// Files by their paths without the ending.
fn by_name(folder: &Path) -> Result<BTreeMap<PathBuf, PathBuf>, Fault> {
    let mut found = BTreeMap::new();
    for path in below(folder)? {
        let path = path.strip_prefix(folder).map(Path::to_owned).unwrap_or(path);
        if let Some(other) = found.insert(path.with_extension(""), path.clone()) {
            let message = format!("has the same name as {}", other.display());
            return Err(fault(&folder.join(path), &message).advise("one file of each name"));
        }
    }
    Ok(found)
}

/// The part that a path's first folder names.
fn part(path: &Path) -> Option<usize> {
    part_called(path.parent()?.components().next()?.as_os_str().to_str()?)
}
