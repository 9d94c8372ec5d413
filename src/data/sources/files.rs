//! Picture files → images, one at a time, by whatever thread asks; and the bytes of a file, never more than a picture may have.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::Crc;

use crate::data::decode::{MAX_FILE, decode};
use crate::data::picture::pixels;
use crate::data::sample::{Form, Image, Size, Task};
use crate::data::samples::Pictures;
use crate::data::sources::Facts;
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Param, Preset, keyword};

/// Endings of the files that are read as pictures, in small letters.
pub const ENDINGS: [&str; 13] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff", "pnm", "pgm", "ppm"];

/// The argument of sources of picture files that tells their channels.
pub const CHANNELS: Param = keyword("channels", Kind::Count, Preset::Count(3), "3 for colour, 1 for grey");

/// The argument that tells their classes,
pub const CLASSES: Param = keyword(
    "classes",
    Kind::Count,
    Preset::Absent,
    "how many classes there are, so that the file can be checked without the pictures",
);

/// and the one that tells their size.
pub const SIZE: Param =
    keyword("size", Kind::Pair, Preset::Absent, "height x width, where all pictures have one size");

/// The size of pictures, as far as the arguments tell.
pub fn size(args: &Args) -> Result<Size, Fault> {
    Ok(if args.has("size") { Size::Fixed(args.pair("size")?) } else { Size::Varied })
}

/// The channels that pictures are read with.
pub fn channels(args: &Args) -> Result<usize, Fault> {
    match args.whole("channels")? {
        channels @ (1 | 3) => Ok(channels),
        _ => Err(Fault::new(codes::BAD_VALUE, "`channels` is 3 for colour or 1 for grey")
            .at("channels")
            .set("channels", 3)),
    }
}

/// What the arguments of pictures with one class each tell.
pub fn facts(args: &Args) -> Result<Facts, Fault> {
    Ok(Facts {
        form: Form { channels: Some(channels(args)?), size: size(args)? },
        task: Task::Classes,
        classes: args.whole_if_given("classes")?,
        parts: None,
        watched: None,
    })
}

/// Picture files, each of its own size or all of one.
#[derive(Debug)]
pub struct Files {
    pub root: PathBuf,
    /// Below the root.
    pub paths: Vec<Box<Path>>,
    /// Bytes of each file.
    pub lengths: Vec<u64>,
    pub form: Form,
}

/// The bytes of each file below a folder.
pub fn lengths(root: &Path, paths: &[Box<Path>]) -> Result<Vec<u64>, Fault> {
    let length = |path: &Path| {
        let path = root.join(path);
        let unreadable = |e: std::io::Error| {
            Fault::new(codes::DATA_FILE, format!("{} cannot be read: {e}", path.display()))
                .at("path")
                .advise("copy it there, or remove its name")
        };
        std::fs::metadata(&path).map(|metadata| metadata.len()).map_err(unreadable)
    };
    paths.iter().map(|path| length(path)).collect()
}

/// A number for something in a file: of what tells it from the rest, of the file's length and of the time of its last change.
pub fn stamp(file: &Path, of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    std::fs::metadata(file).map(|own| (own.len(), own.modified().ok())).ok().hash(&mut hasher);
    hasher.finish()
}

/// Whether a file is a picture by its name.
pub fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// The bytes of a regular file, of a byte more than a picture may have at most.
pub fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let fault = |what: &str| Fault::new(codes::DATA_FILE, format!("{} {what}", path.display()));
    let unreadable = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound => fault("does not exist"),
        _ => fault(&format!("cannot be read: {e}")),
    };
    // Opening a pipe would wait for its writer.
    match std::fs::metadata(path).map_err(unreadable)? {
        metadata if metadata.is_file() => {}
        metadata if metadata.is_dir() => return Err(fault("is a folder").advise("name the pictures in it")),
        _ => return Err(fault("is not a regular file").advise("a picture file")),
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(unreadable)
}

/// The image in a picture's bytes, in this form. `path` is what faults call it.
pub fn image(bytes: &[u8], path: &Path, form: Form) -> Result<Image, Fault> {
    let named = |fault: Fault| Fault { message: format!("{}: {}", path.display(), fault.message), ..fault };
    let image = pixels(&decode(bytes).map_err(named)?, form.channels.unwrap_or(3));
    match form.size {
        Size::Fixed([height, width]) if [image.height, image.width] != [height, width] => {
            let own = format!("{}x{}", image.height, image.width);
            let message =
                format!("{} is {own} (height x width), but `size` says {height}x{width}", path.display());
            Err(Fault::new(codes::DATA_SHAPE, message)
                .at("size")
                .advise("leave `size` out and bring all to one size: `resize 64x64`"))
        }
        Size::Fixed(_) | Size::Length(_) | Size::Deep(_) | Size::Varied | Size::Unknown => Ok(image),
    }
}

impl Pictures for Files {
    fn len(&self) -> usize {
        self.paths.len()
    }

    fn form(&self) -> Form {
        self.form
    }

    fn read(&self, index: usize) -> Result<Image, Fault> {
        let path = self.root.join(&self.paths[index]);
        image(&read(&path)?, &path, self.form)
    }

    fn name(&self, index: usize) -> String {
        self.paths[index].to_string_lossy().into_owned()
    }

    fn path(&self, index: usize) -> PathBuf {
        self.root.join(&self.paths[index])
    }

    fn bytes(&self, index: usize) -> Result<Option<Vec<u8>>, Fault> {
        read(&self.root.join(&self.paths[index])).map(Some)
    }

    fn n_bytes(&self) -> u64 {
        self.lengths.iter().sum()
    }

    fn digest(&self, index: usize, sum: &mut Crc) {
        sum.update(self.name(index).as_bytes());
        sum.update(&self.lengths[index].to_le_bytes());
    }

    fn stamp(&self, index: usize) -> u64 {
        stamp(&self.root.join(&self.paths[index]), &self.paths[index])
    }
}
