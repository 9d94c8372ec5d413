//! Pictures on disk: which are read, and where those that a model gives are written: a PNG for each
//! image, named after it, and never over a picture that is read or a file that is not meant.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::cli::Stop;
use crate::data::glob;
use crate::data::sources::{folder, shards};

/// The longest list of pictures from standard input, in bytes.
const MAX_LIST: u64 = 1 << 28;

/// The kind of files that are looked for in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    Pictures,
    /// NumPy's arrays.
    Signals,
}

/// The files that are meant: each file that is named, of a folder those of this kind in it, of a pattern such as `photos/**/*.jpg` the files of
/// that name, and for `-` the files that standard input names, one a line; those of a folder or pattern sorted.
pub fn named(paths: &[PathBuf], kind: Files) -> Result<Vec<PathBuf>, Stop> {
    let mut all = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            all.extend(listed(&mut std::io::stdin().lock())?);
            continue;
        }
        if glob::is_pattern(path) && !path.exists() {
            let found = glob::matching(path)?;
            if found.is_empty() {
                return refuse(format!(
                    "no file is called {}\n  try: a pattern such as \"photos/**/*.jpg\"",
                    path.display()
                ));
            }
            all.extend(found.into_iter().filter(|path| !path.is_dir()));
            continue;
        }
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let found = match kind {
            Files::Pictures => folder::below(path)?,
            Files::Signals => shards::files(path, "npy")?,
        };
        // A folder without pictures is told of where it is read.
        if found.is_empty() {
            all.push(path.clone());
        }
        all.extend(found);
    }
    Ok(all)
}

/// The files that a list names, one a line; empty lines are passed over.
fn listed(list: &mut dyn Read) -> Result<Vec<PathBuf>, Stop> {
    let mut text = String::new();
    let read = list.take(MAX_LIST + 1).read_to_string(&mut text);
    if let Err(e) = read {
        return refuse(format!(
            "the list on standard input cannot be read: {e}\n  try: a path a line, in UTF-8"
        ));
    }
    if text.len() as u64 > MAX_LIST {
        return refuse(format!(
            "the list on standard input has more than {} MiB\n  try: several shorter ones",
            MAX_LIST >> 20
        ));
    }
    let lines = text.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.trim().is_empty());
    let found: Vec<PathBuf> = lines.map(PathBuf::from).collect();
    match found.is_empty() {
        true => refuse("standard input names no picture\n  try: a path a line".to_owned()),
        false => Ok(found),
    }
}

/// The file for each image: `FOLDER/NAME.png`, and `NAME-2.png` and so on where images of several folders or endings
/// have one name; with `outputs`, there will be a `NAME.OUTPUT.png` for each of them beside it. The folder is made.
///
/// Refuses, before anything is written, a file that is one of `images` by whatever path, and unless `force` any file
/// that exists.
pub fn places(
    folder: &Path,
    images: &[&Path],
    force: bool,
    outputs: &[String],
) -> Result<Vec<PathBuf>, Stop> {
    let own: Vec<PathBuf> = names(images, outputs).into_iter().map(|name| folder.join(name)).collect();
    let beside = |place: &PathBuf| outputs.iter().map(|output| place_of(place, output)).collect::<Vec<_>>();
    let places: Vec<PathBuf> = own.iter().cloned().chain(own.iter().flat_map(beside)).collect();
    let read: BTreeSet<PathBuf> = images.iter().filter_map(|image| image.canonicalize().ok()).collect();
    if let Some(place) =
        places.iter().find(|place| place.canonicalize().is_ok_and(|real| read.contains(&real)))
    {
        return refuse(format!(
            "{} is one of the images themselves and is left as it is\n  try: `--out` with another folder",
            place.display()
        ));
    }
    if force
        && let Some((place, what)) =
            places.iter().find_map(|place| Some((place, kept(&place.symlink_metadata().ok()?)?)))
    {
        return refuse(format!(
            "{} is {what} and is left as it is, also with `--force`\n  try: remove it first, or `--out` with another folder",
            place.display()
        ));
    }
    let taken: Vec<String> = places
        .iter()
        .filter(|place| !force && place.symlink_metadata().is_ok())
        .map(|place| place.display().to_string())
        .collect();
    if let Some((first, others)) = taken.split_first() {
        let others = if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
        return refuse(format!(
            "{first}{others} already exists and is left as it is\n  try: `--out` with another folder, or `--force` to overwrite files"
        ));
    }
    if let Err(e) = std::fs::create_dir_all(folder) {
        return refuse(format!(
            "the folder {} cannot be made: {e}\n  try: `--out` with a folder that you may write to",
            folder.display()
        ));
    }
    Ok(own)
}

/// The file of a further output of an image, beside that of the image.
pub fn place_of(image: &Path, output: &str) -> PathBuf {
    image.with_extension(format!("{output}.png"))
}

/// What no picture is written over.
fn kept(found: &Metadata) -> Option<&'static str> {
    let kind = found.file_type();
    if kind.is_symlink() {
        return Some("a symbolic link");
    }
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => found.permissions().readonly().then_some("write-protected"),
        (_, true) => Some("a folder"),
        _ => Some("not a regular file"),
    }
}

fn refuse<T>(message: String) -> Result<T, Stop> {
    Err(Stop::Environment(format!("error: {message}")))
}

/// A name for each image, no two alike, nor like one of its further outputs, also where upper and lower case count as one.
fn names(images: &[&Path], outputs: &[String]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut free = |name: &str| {
        let beside = outputs.iter().map(|output| format!("{name}.{output}"));
        let all: Vec<String> =
            std::iter::once(name.to_owned()).chain(beside).map(|name| name.to_lowercase()).collect();
        let is_free = all.iter().all(|name| !taken.contains(name));
        is_free.then(|| {
            taken.extend(all);
            format!("{name}.png")
        })
    };
    let name = |image: &&Path| {
        let stem = image.file_stem().map_or_else(|| "image".into(), |stem| stem.to_string_lossy());
        free(&stem).or_else(|| (2..).find_map(|n: u64| free(&format!("{stem}-{n}"))))
    };
    images.iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_a_picture_a_line() {
        let paths = |text: &str| listed(&mut text.as_bytes());
        assert_eq!(paths("a b.png\r\n\nc.png").ok(), Some(["a b.png", "c.png"].map(PathBuf::from).to_vec()));
        assert!(paths(" \n").is_err() && listed(&mut &[0xff, 0xfe][..]).is_err());
    }

    #[test]
    fn each_image_has_a_name_of_its_own() {
        let images = ["a/x.png", "b/x.jpg", "X.png", "a/x-2.png", "y.tar.png", ".."].map(Path::new);
        let expected = ["x.png", "x-2.png", "X-3.png", "x-2-2.png", "y.tar.png", "image.png"];
        assert_eq!(names(&images, &[]), expected);
        let images = ["x.png", "x.mask.png", "x.MASK.jpg"].map(Path::new);
        let named = names(&images, &["mask".to_owned()]);
        assert_eq!(named, ["x.png", "x.mask-2.png", "x.MASK-3.png"]);
        assert_eq!(place_of(Path::new("out/y.tar.png"), "mask"), Path::new("out/y.tar.mask.png"));
    }
}
