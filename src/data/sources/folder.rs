//! A folder of pictures whose subfolders are classes → samples: `PATH/CLASS/picture.jpg`, or `PATH/PART/CLASS/picture.jpg` with
//! the parts `train`, `val` and `test`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::parts::Dataset;
use crate::data::sources::files::{self, CHANNELS, CLASSES, Files, SIZE, is_picture, lengths};
use crate::data::sources::listed::Listed;
use crate::data::sources::{Facts, Source, Wanted};
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct Folder;

static SPEC: Spec = Spec {
    name: "folder",
    summary: "A folder of pictures, a subfolder for each class",
    docs: "The classes are the subfolders' names, sorted by their bytes, or numerically if all are whole numbers. Where the \
           subfolders are `train`, `val` and `test` (also `training`; `valid`, `validation`, `dev`; `testing`, `eval`, \
           `evaluation`), the classes lie in them, and each is a part of its own; otherwise `split` sets a part aside. Pictures \
           may be in deeper subfolders, too. They are ordered by their file names, in which whole numbers count as such, and only \
           then by class. dslc reads PNG, JPEG, WebP, BMP, GIF and TIFF (the first picture) and PNM, and turns \
           them upright by their EXIF orientation. It ignores files with other extensions, and files and folders whose names \
           begin with a dot. Transparent parts become white, and 16 bits per channel become 8. Pictures of different sizes need a \
           `resize`.",
    params: &[
        positional("path", Kind::Text, Preset::Required, "the folder, relative to the experiment's file"),
        CLASSES,
        CHANNELS,
        SIZE,
    ],
    example: "source folder \"photos\"",
    elsewhere: &[
        "ImageFolder",
        "imagefolder",
        "image_dataset_from_directory",
        "flow_from_directory",
        "DatasetFolder",
    ],
};

/// Folders below this depth are not looked into.
const MAX_DEPTH: usize = 16;
/// More pictures than this are not what anybody means.
const MAX_PICTURES: usize = 50_000_000;

/// The names of the parts.
const PARTS: [&[&str]; 3] = [
    &["train", "training"],
    &["val", "valid", "validation", "dev"],
    &["test", "testing", "eval", "evaluation"],
];

/// The part that a word names in small or capital letters: training, validation, test.
pub(super) fn part_called(word: &str) -> Option<usize> {
    let word = word.to_lowercase();
    PARTS.iter().position(|spellings| spellings.contains(&word.as_str()))
}

impl Source for Folder {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn facts(&self, args: &Args) -> Result<Facts, Fault> {
        files::facts(args)
    }

    fn look(&self, args: &Args, base: &Path) -> Result<Option<Facts>, Fault> {
        let root = base.join(args.word("path")?);
        if !root.exists() {
            return Ok(None);
        }
        let listing = Listing::of(&root, Wanted::All)?;
        let parts: [usize; 3] =
            listing.parts.each_ref().map(|part| part.iter().map(|(_, files)| files.len()).sum());
        let facts = Facts { classes: Some(listing.classes.len()), ..self.facts(args)? };
        Ok(Some(facts.with_parts(parts)))
    }

    fn load(&self, args: &Args, base: &Path, wanted: Wanted) -> Result<Dataset, Fault> {
        let root = base.join(args.word("path")?);
        let Listing { classes, parts } = Listing::of(&root, wanted)?;
        let form = self.facts(args)?.form;
        let mut listed = Listed::of_classes(classes.clone());
        for (part, own) in parts.into_iter().enumerate() {
            for (class, files) in own {
                // The classes are those of the list.
                files.into_iter().for_each(|path| _ = listed.push(part, &classes[class], path, ()));
            }
        }
        listed.dataset(wanted, None, |paths, _| {
            let lengths = lengths(&root, &paths)?;
            Ok(Arc::new(Files { root, paths, lengths, form }))
        })
    }
}

/// The names of classes, and the pictures of each.
type Classes = (Vec<String>, Vec<Vec<Box<Path>>>);

/// The pictures of a folder, below it, by their class.
struct Listing {
    classes: Vec<String>,
    /// To train on, to watch the training, to test on; all are in the first where the folder has no parts.
    parts: [Vec<(usize, Vec<Box<Path>>)>; 3],
}

/// What is below a folder, by name; hidden files and folders are passed over.
#[derive(Default)]
struct Below {
    folders: BTreeMap<OsString, PathBuf>,
    pictures: Vec<OsString>,
}

impl Listing {
    fn of(root: &Path, wanted: Wanted) -> Result<Listing, Fault> {
        if !root.is_dir() {
            let what = if root.exists() { "is not a folder" } else { "does not exist" };
            return Err(fault(root, what)
                .note("the path is relative to the experiment's file")
                .advise("a folder with a subfolder of pictures for each class"));
        }
        let top = contents(root)?;
        let mut places: [Option<(&OsString, &PathBuf)>; 3] = [None; 3];
        let mut others = Vec::new();
        for (name, path) in &top.folders {
            match part_called(&name.to_string_lossy()) {
                Some(part) => {
                    if let Some((first, _)) = places[part].replace((name, path)) {
                        let [first, second] = [first, name].map(|name| name.to_string_lossy());
                        return Err(fault(
                            root,
                            &format!("has both `{first}` and `{second}`, which name the same part"),
                        )
                        .advise("put the pictures of one into the other"));
                    }
                }
                None => others.push(name.to_string_lossy().into_owned()),
            }
        }
        if places.iter().all(Option::is_none) {
            let (classes, train) = classes(root, Path::new(""), &top)?;
            return Listing::merged([(classes, train), Default::default(), Default::default()], root);
        }
        if let Some(other) = others.first() {
            let part = places
                .iter()
                .flatten()
                .next()
                .map_or_else(String::new, |(name, _)| name.to_string_lossy().into_owned());
            return Err(fault(
                root,
                &format!("has the part `{part}` next to `{other}`, which is not a part"),
            )
            .note("the parts are called train, val and test")
            .advise("move it, or rename the class that has the name of a part"));
        }
        let mut parts = <[Classes; 3]>::default();
        for (part, place) in places.iter().enumerate() {
            let Some((name, path)) = place else { continue };
            if wanted == Wanted::Test && part < 2 {
                // The classes are those that were trained on, also where a part lacks one.
                let names =
                    contents(path)?.folders.into_keys().map(|name| name.to_string_lossy().into_owned());
                parts[part].0 = names.collect();
                parts[part].1 = vec![Vec::new(); parts[part].0.len()];
                continue;
            }
            parts[part] = classes(path, Path::new(name), &contents(path)?)?;
        }
        if wanted == Wanted::All && places[0].is_none() {
            return Err(
                fault(root, "has no part `train`").advise("put the pictures to train on into `train`")
            );
        }
        Listing::merged(parts, root)
    }

    /// The classes of all parts in one order. Every class must be one that can be learnt.
    fn merged(parts: [Classes; 3], root: &Path) -> Result<Listing, Fault> {
        let names = class_order(parts.iter().flat_map(|(names, _)| names.iter().cloned()).collect());
        if names.is_empty() {
            return Err(fault(root, "has no subfolders: each class needs one with its pictures")
                .advise("a folder with a subfolder of pictures for each class"));
        }
        let [train, validation, test] = &parts;
        if !train.0.is_empty()
            && let Some(missing) = validation.0.iter().chain(&test.0).find(|name| !train.0.contains(name))
        {
            return Err(fault(
                root,
                &format!("has the class `{missing}` in another part, but not in `train`"),
            )
            .advise("add training pictures of it, or remove the class"));
        }
        let n: usize = parts.iter().flat_map(|(_, files)| files).map(Vec::len).sum();
        if n > MAX_PICTURES {
            return Err(fault(root, &format!("has {n} pictures; at most {MAX_PICTURES} are read"))
                .advise("a part of them"));
        }
        let place = |name: &String| names.iter().position(|own| own == name).unwrap_or(0);
        let parts = parts.map(|(own, files)| {
            let mut part: Vec<_> = own.iter().map(place).zip(files).collect();
            part.sort_by_key(|(class, _)| *class);
            part
        });
        Ok(Listing { classes: names, parts })
    }
}

/// The different names in the order of their bytes, or of their numbers where all are whole numbers.
pub(super) fn class_order(mut names: Vec<String>) -> Vec<String> {
    let number = |name: &String| name.parse::<u64>();
    match names.iter().all(|name| number(name).is_ok()) {
        true => names.sort_by_key(|name| (number(name).unwrap_or(0), name.clone())),
        false => names.sort(),
    }
    names.dedup();
    names
}

/// The classes below a folder with their pictures, sorted. `inner` is the folder as seen from the root.
fn classes(folder: &Path, inner: &Path, found: &Below) -> Result<Classes, Fault> {
    if let Some(loose) = found.pictures.first() {
        let loose = folder.join(loose);
        return Err(fault(&loose, "is outside the class folders, so it has no class")
            .advise("move it into the folder of its class"));
    }
    let (mut names, mut all) = (Vec::new(), Vec::new());
    for (name, path) in &found.folders {
        let Some(text) = name.to_str() else {
            return Err(fault(path, "has a name that is not valid UTF-8").advise("rename the folder"));
        };
        let mut files = Vec::new();
        pictures(path, &inner.join(name), 0, &mut files)?;
        if files.is_empty() {
            return Err(fault(path, "is a class folder without pictures")
                .note(format!("dslc reads files that end in .{}", files::ENDINGS.join(", .")))
                .advise("add pictures, or remove the folder"));
        }
        names.push(text.to_owned());
        all.push(files);
    }
    Ok((names, all))
}

/// The paths of the pictures in a folder and below, sorted.
pub fn below(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let mut files = Vec::new();
    pictures(folder, folder, 0, &mut files)?;
    Ok(files.into_iter().map(Path::into_path_buf).collect())
}

/// The pictures below a folder, sorted by their paths.
fn pictures(folder: &Path, inner: &Path, depth: usize, files: &mut Vec<Box<Path>>) -> Result<(), Fault> {
    let found = contents(folder)?;
    files.extend(found.pictures.iter().map(|name| inner.join(name).into_boxed_path()));
    for (name, path) in &found.folders {
        if depth == MAX_DEPTH {
            return Err(fault(path, &format!("lies more than {MAX_DEPTH} folders deep"))
                .advise("fewer levels of folders, and no links in circles"));
        }
        pictures(path, &inner.join(name), depth + 1, files)?;
    }
    Ok(())
}

fn contents(folder: &Path) -> Result<Below, Fault> {
    let unreadable = |e: std::io::Error| fault(folder, &format!("cannot be read: {e}"));
    let mut below = Below::default();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (name, path) = (entry.file_name(), entry.path());
        // The second is what macOS adds to archives.
        if name.to_string_lossy().starts_with('.') || name == "__MACOSX" {
            continue;
        }
        let kind = entry.file_type().map_err(unreadable)?;
        let is_folder = if kind.is_symlink() { path.is_dir() } else { kind.is_dir() };
        if is_folder {
            below.folders.insert(name, path);
        } else if is_picture(&path) {
            below.pictures.push(name);
        }
    }
    below.pictures.sort();
    Ok(below)
}

fn fault(path: &Path, message: &str) -> Fault {
    Fault::new(codes::DATA_FILE, format!("{} {message}", path.display())).at("path")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::{GrayImage, Luma, Rgb, RgbImage};

    use super::*;
    use crate::data::sample::Values;
    use crate::data::section::DataSection;
    use crate::data::testing::section;
    use crate::data::{self};

    /// Pictures of 3x2 pixels of one colour at these paths.
    fn folder(paths: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (i, path) in paths.iter().enumerate() {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if is_picture(&path) {
                RgbImage::from_pixel(3, 2, Rgb([i as u8; 3])).save(path).unwrap();
            } else {
                fs::write(path, "text").unwrap();
            }
        }
        folder
    }

    fn read(folder: &Path, lines: &str) -> DataSection {
        section(&format!("source folder \"{}\" {lines}", folder.display())).unwrap()
    }

    fn load(folder: &Path, wanted: Wanted) -> Result<Dataset, Fault> {
        let section = read(folder, "");
        section.source.load(&section.args, Path::new(""), wanted)
    }

    fn message(folder: &Path) -> String {
        let fault = load(folder, Wanted::All).unwrap_err();
        assert!(!fault.remedies.is_empty(), "{fault}");
        fault.message.replace(&folder.display().to_string(), "ROOT")
    }

    fn names(dataset: &Dataset, indices: &[u32]) -> Vec<String> {
        indices.iter().map(|&index| dataset.samples.key(index)).collect()
    }

    #[test]
    fn parts_and_classes_are_told_by_their_names() {
        let paths = [
            "train/b/2.png",
            "train/b/10.png",
            "train/B/in/x.bmp",
            "train/.hidden/x.png",
            "train/b/.x.png",
            "train/b/notes.txt",
            "Valid/b/v.png",
            "test/B/t.png",
            ".git/x.png",
            "__MACOSX/train/x.png",
            "readme.md",
        ];
        let folder = folder(&paths);
        let dataset = load(folder.path(), Wanted::All).unwrap();
        assert_eq!(dataset.classes(), ["B", "b"]);
        assert_eq!(
            names(&dataset, &dataset.parts.train),
            ["train/b/2.png", "train/b/10.png", "train/B/in/x.bmp"]
        );
        assert_eq!(names(&dataset, &dataset.parts.validation), ["Valid/b/v.png"]);
        assert_eq!(names(&dataset, &dataset.parts.test), ["test/B/t.png"]);
        assert_eq!([0, 2, 4].map(|index| dataset.samples.class(index)), [1, 0, 0]);
        let image = dataset.samples.read(2).unwrap().image;
        assert_eq!((image.extents(), image.values), ([3, 2, 3], Values::Bytes(vec![2; 18])));
        // The test part alone has the classes of all.
        let tested = load(folder.path(), Wanted::Test).unwrap();
        assert_eq!(
            (tested.classes(), names(&tested, &tested.parts.test)),
            (dataset.classes(), vec!["test/B/t.png".to_owned()])
        );
        let section = read(folder.path(), "");
        let facts = section.source.look(&section.args, Path::new("")).unwrap().unwrap();
        assert_eq!((facts.classes, facts.parts, facts.watched), (Some(2), Some([3, 1, 1]), Some(true)));
    }

    #[test]
    fn whole_numbers_are_ordered_as_such() {
        let folder = folder(&["10/a.png", "2/a.png", "1/a.png"]);
        assert_eq!(load(folder.path(), Wanted::All).unwrap().classes(), ["1", "2", "10"]);
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        assert_eq!(
            message(folder(&["x.png"]).path()),
            "ROOT/x.png is outside the class folders, so it has no class"
        );
        assert_eq!(
            message(folder(&["readme.md"]).path()),
            "ROOT has no subfolders: each class needs one with its pictures"
        );
        assert_eq!(
            message(folder(&["a/x.png", "b/x.txt"]).path()),
            "ROOT/b is a class folder without pictures"
        );
        assert_eq!(
            message(folder(&["train/a/x.png", "cars/x.png"]).path()),
            "ROOT has the part `train` next to `cars`, which is not a part"
        );
        assert_eq!(
            message(folder(&["val/a/x.png", "valid/a/x.png"]).path()),
            "ROOT has both `val` and `valid`, which name the same part"
        );
        assert_eq!(message(folder(&["test/a/x.png"]).path()), "ROOT has no part `train`");
        let other = folder(&["train/a/x.png", "test/b/x.png"]);
        assert_eq!(message(other.path()), "ROOT has the class `b` in another part, but not in `train`");
        assert_eq!(message(Path::new("no/such/folder")), "ROOT does not exist");
    }

    #[test]
    fn pictures_of_every_mode_become_the_channels_that_are_asked_for() {
        let folder = folder(&["a/x.png"]);
        let path = folder.path().join("a/x.png");
        let first = |lines: &str| {
            let section = read(folder.path(), lines);
            let dataset = section.source.load(&section.args, Path::new(""), Wanted::All).unwrap();
            match dataset.samples.read(0).unwrap().image.values {
                Values::Bytes(bytes) => bytes,
                Values::Numbers(_) => panic!("bytes are read"),
            }
        };
        GrayImage::from_pixel(1, 1, Luma([7])).save(&path).unwrap();
        assert_eq!((first(""), first("channels=1")), (vec![7; 3], vec![7]));
        image::ImageBuffer::from_pixel(1, 1, Luma([0x0203u16])).save(&path).unwrap();
        assert_eq!(first("channels=1"), [2]);
        image::RgbaImage::from_pixel(1, 1, image::Rgba([200, 0, 0, 0])).save(&path).unwrap();
        assert_eq!(first(""), [255; 3]);
        RgbImage::from_pixel(1, 1, Rgb([200, 10, 0])).save(&path).unwrap();
        assert_eq!(first("channels=1"), [66]);
    }

    /// A split takes its share of each class, and adding pictures moves few of the others.
    #[test]
    fn a_split_is_by_class_and_holds_when_pictures_come() {
        let mut paths: Vec<String> =
            (0..40).map(|i| format!("{}/{i}.png", if i < 30 { "a" } else { "b" })).collect();
        let opened = |paths: &[String], seed: u64| {
            let folder = folder(&paths.iter().map(String::as_str).collect::<Vec<_>>());
            let lines = "\nsplit test=20% validation=10%\ncache none";
            let mut section = read(folder.path(), &format!("size=2x3{lines}"));
            let dataset = data::open(&mut section, Path::new(""), seed, Wanted::All).unwrap();
            (names(&dataset, &dataset.parts.test), dataset.parts)
        };
        let (tested, parts) = opened(&paths, 1);
        assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (28, 4, 8));
        assert_eq!(tested.iter().filter(|name| name.starts_with('b')).count(), 2);
        assert_ne!(opened(&paths, 2).0, tested);
        paths.extend((40..44).map(|i| format!("a/{i}.png")));
        let (more, _) = opened(&paths, 1);
        assert!(tested.iter().filter(|name| more.contains(name)).count() >= 6, "{tested:?} {more:?}");
    }

    /// Whether images are kept in memory changes nothing; and all that cannot be read are named before the first step.
    #[test]
    fn a_cache_changes_no_number_and_finds_what_is_damaged() {
        let paths: Vec<String> =
            (0..12).map(|i| format!("{}/{i}.png", if i % 2 == 0 { "a" } else { "b" })).collect();
        let folder = folder(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        let batch = |lines: &str| {
            let mut section = read(folder.path(), &format!("\nsplit test=20%\n{lines}\nnormalize auto"));
            let dataset = data::open(&mut section, Path::new(""), 3, Wanted::All)?;
            let loader = data::loader::Loader::new(&section, &dataset.samples)?;
            let mut images = vec![0.0; 2 * loader.fields()[0].shape.elements()];
            for mode in [data::loader::Mode::Train, data::loader::Mode::Eval] {
                loader.fill(&[3, 9], 4, mode, 5, &mut images, &mut [Vec::new()])?;
            }
            Ok::<_, Fault>((images, dataset.samples.prepared))
        };
        for lines in
            ["resize 4x5", "resize short=3\ncenter_crop 3x3\naugment { random_crop 3x3 -> random_flip }"]
        {
            let (kept, steps) = batch(&format!("{lines}\ncache ram")).unwrap();
            let (read, none) = batch(&format!("{lines}\ncache none")).unwrap();
            assert_eq!((steps, none), (1, 0), "{lines}");
            assert_eq!(kept, read, "{lines}");
        }
        for path in ["a/4.png", "b/5.png"] {
            let bytes = fs::read(folder.path().join(path)).unwrap();
            fs::write(folder.path().join(path), &bytes[..bytes.len() - 9]).unwrap();
        }
        let fault = batch("resize 4x5").unwrap_err();
        assert!(fault.message.contains("a/4.png") && fault.message.contains("ends early"), "{fault}");
        assert_eq!(fault.notes[0], "2 files cannot be used");
        assert!(fault.notes[1].contains("b/5.png"), "{fault}");
    }
}
