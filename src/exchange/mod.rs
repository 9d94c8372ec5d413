//! Networks out to other programs and in from them. Out: a checked model with its numbers ([`network::Network`]) → each
//! layer in words that every framework has ([`portable::Operation`]) → a format's files. In: another program's file → a text in
//! our language and its weights. A format is a file or folder here and its line in [`OUT`] or [`IN`].

pub mod c;
pub mod caffe;
pub mod compare;
pub mod darknet;
pub mod import;
pub mod keras;
pub mod network;
pub mod onnx;
pub mod portable;
pub mod pytorch;
pub mod safetensors;

use std::path::{Path, PathBuf};

use crate::diag::{Fault, codes};
use crate::exchange::import::line::Found;
use crate::exchange::network::{Network, Peculiarity};
use crate::exchange::onnx::file::Beside;
use crate::shape::Shape;

/// Every format that networks are written in.
pub static OUT: &[&dyn Outgoing] = &[&onnx::ONNX, &pytorch::PYTORCH, &safetensors::SAFETENSORS, &c::C];

/// A format that networks are written in.
pub trait Outgoing: Sync {
    /// What `--to` calls it.
    fn name(&self) -> &'static str;

    /// One line, without a full stop.
    fn summary(&self) -> &'static str;

    /// The ending of its file; `None` where it is a folder.
    fn ending(&self) -> Option<&'static str>;

    /// Whether it knows networks of several inputs or outputs, or with weights that are used twice.
    fn knows(&self, _what: Peculiarity) -> bool {
        false
    }

    /// Whether it knows what an option of [`Wishes`] asks for.
    fn grants(&self, _wish: Wish) -> bool {
        false
    }

    /// Writes the network to a place that does not exist or may be replaced, whole or not at all, and says what was done.
    fn write(&self, network: &mut Network<'_>, wishes: &Wishes, place: &Path) -> Result<Vec<String>, Fault>;
}

/// Every kind of file that networks are read from.
pub static IN: &[&dyn Incoming] = &[&onnx::ONNX, &keras::KERAS, &darknet::DARKNET, &caffe::CAFFE];

/// A kind of file that networks are read from.
pub trait Incoming: Sync {
    /// What it is called: `ONNX`.
    fn kind(&self) -> &'static str;

    /// The endings of its files.
    fn endings(&self) -> &'static [&'static str];

    /// The ending of the file that has the weights, where they are in another.
    fn weights_ending(&self) -> Option<&'static str> {
        None
    }

    /// Reads the network and hands it on, with the place of files beside it.
    fn read(&self, arriving: &Arriving<'_>, take: &mut Take<'_>) -> Result<(), Fault>;
}

/// A file that a network is read from.
pub struct Arriving<'a> {
    pub path: &'a Path,
    /// The file of its weights, where they are in another.
    pub weights: Option<&'a Path>,
    /// The shape of one image, where the file leaves it open.
    pub input: Option<&'a Shape>,
}

impl Arriving<'_> {
    /// The file as a text; `None` where it is none, or has more bytes.
    fn text(&self, most: usize) -> Result<Option<String>, Fault> {
        Ok(String::from_utf8(import::bytes(self.path)?).ok().filter(|text| text.len() <= most))
    }

    /// Where the weights are: at the place that was given, or beside the file with this ending.
    fn place_of_weights(&self, ending: &str) -> Result<PathBuf, Fault> {
        let place = self.weights.map_or_else(|| self.path.with_extension(ending), Path::to_owned);
        if place.exists() {
            return Ok(place);
        }
        let message = format!("{} is not there, so the network has no weights", place.display());
        Err(Fault::new(codes::EXCHANGE_IN, message)
            .advise(format!("`--weights FILE` with the `.{ending}` file that belongs to it")))
    }

    /// The file's name without its ending.
    fn stem(&self) -> String {
        self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// A fault that says which file it is about.
fn named(path: &Path, fault: Fault) -> Fault {
    Fault { message: format!("{}: {}", path.display(), fault.message), ..fault }
}

/// What is done with a network that was read.
pub type Take<'t> = dyn FnMut(Found<'_>, &Beside) -> Result<(), Fault> + 't;

/// The kind of file that this is by its ending; `None` of one that no network is read from.
pub fn incoming(path: &Path) -> Option<&'static dyn Incoming> {
    let ending = path.extension()?.to_string_lossy().to_lowercase();
    IN.iter().copied().find(|kind| kind.endings().contains(&ending.as_str()))
}

/// What not every format can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The preparation of pictures is part of the network: bytes in, probabilities out.
    Preparation,
    /// Batch norms become part of the convolutions before them.
    Fold,
}

impl Wish {
    /// The option that asks for it.
    pub fn option(self) -> &'static str {
        match self {
            Wish::Preparation => "--with-preparation",
            Wish::Fold => "--fold",
        }
    }
}

/// What was asked for beside the format.
#[derive(Clone, Debug, Default)]
pub struct Wishes(pub Vec<Wish>);

impl Wishes {
    pub fn has(&self, wish: Wish) -> bool {
        self.0.contains(&wish)
    }
}

/// The format of that name.
pub fn format(name: &str) -> Result<&'static dyn Outgoing, Fault> {
    let known = || OUT.iter().map(|format| format!("`--to {}`: {}", format.name(), format.summary()));
    OUT.iter().copied().find(|format| format.name() == name).ok_or_else(|| {
        let fault = Fault::new(codes::EXCHANGE_OUT, format!("networks are not written as `{name}`"));
        known().fold(fault, |fault, line| fault.advise(line))
    })
}

/// Writes a network in a format, after its layers and what is asked for were looked at.
pub fn write(
    format: &dyn Outgoing,
    network: &mut Network<'_>,
    wishes: &Wishes,
    place: &Path,
) -> Result<Vec<String>, Fault> {
    if let Some(wish) = wishes.0.iter().find(|wish| !format.grants(**wish)) {
        let others: Vec<&str> =
            OUT.iter().filter(|other| other.grants(*wish)).map(|other| other.name()).collect();
        let message = format!("`{}` is not for `--to {}`", wish.option(), format.name());
        return Err(
            Fault::new(codes::EXCHANGE_OUT, message).advise(format!("`--to {}`", others.join("` or `--to ")))
        );
    }
    if let Some((what, fault)) = network.peculiar().filter(|(what, _)| !format.knows(*what)) {
        let others = OUT.iter().filter(|other| other.knows(what));
        let mut fault = Fault {
            message: format!("{}, which `--to {}` does not support", fault.message, format.name()),
            ..fault
        };
        for other in others {
            fault = fault.advise(format!("`--to {}`", other.name()));
        }
        return Err(fault);
    }
    format.write(network, wishes, place)
}

/// Writes a folder that is there whole or not at all. One that was there before is replaced file by file.
pub(crate) fn folder(place: &Path, write: impl FnOnce(&Path) -> Result<(), Fault>) -> Result<(), Fault> {
    let part = beside(place);
    let refuse = |e: std::io::Error| {
        Fault::new(codes::UNWRITTEN, format!("{} cannot be written: {e}", place.display()))
            .advise("`-o FOLDER` where you may write")
    };
    let moved = || -> std::io::Result<()> {
        std::fs::create_dir_all(place)?;
        for entry in std::fs::read_dir(&part)? {
            let entry = entry?;
            std::fs::rename(entry.path(), place.join(entry.file_name()))?;
        }
        Ok(())
    };
    let written = std::fs::create_dir_all(&part)
        .map_err(refuse)
        .and_then(|()| write(&part))
        .and_then(|()| moved().map_err(refuse));
    // Whether it was moved or has failed, nothing stays beside.
    let _ = std::fs::remove_dir_all(&part);
    written
}

/// A place beside this one where nothing is, and where something is written before it is whole.
pub(crate) fn beside(place: &Path) -> PathBuf {
    let named = |n: usize| {
        let mut name = place.as_os_str().to_owned();
        name.push(if n == 1 { ".part".to_owned() } else { format!(".part{n}") });
        PathBuf::from(name)
    };
    let is_free = |part: &PathBuf| part.symlink_metadata().is_err();
    // Where nothing can be looked at, writing says why.
    (1..).map(named).find(is_free).unwrap_or_else(|| named(1))
}
