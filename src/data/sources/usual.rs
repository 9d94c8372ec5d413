//! What columns are usually called, and what kind of data set usually lies where: for files that dslc writes itself.

use std::path::Path;

use crate::data::glob;
use crate::data::sources::folder;

/// Names of the columns of pictures, of classes and of parts, the likeliest first.
pub const IMAGE: &[&str] =
    &["image", "img", "file", "filename", "file_name", "path", "filepath", "image_path", "id"];
pub const LABEL: &[&str] =
    &["label", "labels", "class", "category", "kind", "target", "species", "diagnosis", "y", "fine_label"];
pub const PART: &[&str] = &["part", "split", "subset", "set", "fold", "partition"];

/// The endings of tables.
pub const TABLES: &[&str] = &["csv", "tsv", "jsonl", "ndjson"];

/// Names of a folder of pictures, and of the folder beside it with their masks.
const MASKS: [&[&str]; 2] = [
    &["images", "image", "imgs", "img", "JPEGImages"],
    &["masks", "mask", "annotations", "SegmentationClass", "labels"],
];
/// The same with what pictures should become.
const PAIRS: [&[&str]; 2] = [&["inputs", "input", "noisy", "low"], &["targets", "target", "clean", "high"]];

/// The two folders in a folder that belong together, by what they are called: of pictures and of masks or targets.
pub fn two(kind: &str, path: &Path) -> Option<[&'static str; 2]> {
    let names = match kind {
        "masks" => MASKS,
        "pairs" => PAIRS,
        _ => return None,
    };
    let there =
        |name: &&&'static str| folder::below(&path.join(name)).is_ok_and(|pictures| !pictures.is_empty());
    let [first, second] = names.map(|names| names.iter().find(there).copied());
    Some([first?, second?])
}

/// The data set that lies at a path or that a pattern names, by names alone; `None` where none is told.
pub fn kind(path: &Path) -> Option<&'static str> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let cifar = |name: &str| {
        if name.starts_with("cifar-100-") {
            Some("cifar100")
        } else if name.starts_with("cifar-10-") {
            Some("cifar10")
        } else {
            None
        }
    };
    if !path.is_dir() {
        let ending = name.rsplit('.').next().unwrap_or_default();
        return match ending {
            ending if TABLES.contains(&ending) => Some("table"),
            "parquet" => Some("parquet"),
            "npz" | "npy" => Some("arrays"),
            "gz" => cifar(&name),
            "tar" => cifar(&name).or(Some("webdataset")),
            _ => None,
        };
    }
    let below = |pattern: &str| glob::matching(&path.join(pattern)).unwrap_or_default();
    let named = |name: &str| path.join(name).exists();
    if let Some(kind) = cifar(&name) {
        return Some(kind);
    }
    if let Some(own) = below("cifar-10*").iter().find_map(|own| cifar(&own.file_name()?.to_string_lossy())) {
        return Some(own);
    }
    if named("data_batch_1") || named("data_batch_1.bin") {
        return Some("cifar10");
    }
    if below("*-idx3-ubyte*").len() + below("*.idx3-ubyte*").len() > 0 {
        return Some("mnist");
    }
    for (pattern, kind) in [
        ("*.parquet", "parquet"),
        ("data/*.parquet", "parquet"),
        ("*.tar", "webdataset"),
        ("*.npy", "arrays"),
    ] {
        if !below(pattern).is_empty() {
            return Some(kind);
        }
    }
    if let Some(kind) = ["masks", "pairs"].into_iter().find(|kind| two(kind, path).is_some()) {
        return Some(kind);
    }
    folder::below(path).is_ok_and(|pictures| !pictures.is_empty()).then_some("folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "p/train-0.parquet",
            "hub/data/x.parquet",
            "w/0.tar",
            "c/cifar-100-python/train",
            "i/t10k-images-idx3-ubyte",
            "f/a/1.png",
            "n/x.npy",
            "m/images/a.png",
            "m/masks/a.png",
            "q/noisy/train/a.png",
            "q/clean/train/a.png",
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        for (name, expected) in [
            ("p", Some("parquet")),
            ("hub", Some("parquet")),
            ("w", Some("webdataset")),
            ("c", Some("cifar100")),
            ("i", Some("mnist")),
            ("f", Some("folder")),
            ("n", Some("arrays")),
            ("m", Some("masks")),
            ("q", Some("pairs")),
            ("w/*.tar", Some("webdataset")),
            ("x.CSV", Some("table")),
            ("cifar-10-python.tar.gz", Some("cifar10")),
            ("y.txt", None),
        ] {
            assert_eq!(kind(&folder.path().join(name)), expected, "{name}");
        }
    }
}
