//! A network of Caffe, the text of a `.prototxt` and the numbers of a `.caffemodel` → layers of ours (caffe.proto, and the sources of
//! its layers). Older forms of layers are read as those of today.

mod blobs;
mod forms;
mod layers;
mod text;

use std::path::{Path, PathBuf};

use crate::diag::{Fault, codes};
use crate::exchange::caffe::layers::Network;
use crate::exchange::import::line::{Found, Pixels};
use crate::exchange::onnx::file::Beside;
use crate::exchange::{Arriving, Incoming, Take, import};

pub static CAFFE: Caffe = Caffe;

pub struct Caffe;

/// The most bytes of a description.
const MAX_TEXT: usize = 1 << 26;

impl Incoming for Caffe {
    fn kind(&self) -> &'static str {
        "Caffe"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["prototxt"]
    }

    fn weights_ending(&self) -> Option<&'static str> {
        Some("caffemodel")
    }

    fn read(&self, arriving: &Arriving<'_>, take: &mut Take<'_>) -> Result<(), Fault> {
        let path = arriving.path;
        let named = |path: &Path, fault: Fault| Fault {
            message: format!("{}: {}", path.display(), fault.message),
            ..fault
        };
        let text = String::from_utf8(import::bytes(path)?)
            .ok()
            .filter(|text| text.len() <= MAX_TEXT)
            .ok_or_else(|| named(path, wrong("the file is no text of Caffe")))?;
        let net = text::parse(&text).map_err(|fault| named(path, fault))?;
        let weights: PathBuf =
            arriving.weights.map_or_else(|| path.with_extension("caffemodel"), Path::to_owned);
        if !weights.exists() {
            let message = format!("{} is not there, so the network has no weights", weights.display());
            return Err(Fault::new(codes::EXCHANGE_IN, message)
                .advise("`--weights FILE` with the `.caffemodel` file that belongs to it"));
        }
        let bytes = import::bytes(&weights)?;
        let blobs = blobs::blobs(&bytes).map_err(|fault| named(&weights, fault))?;
        let (network, output) =
            Network::read(&net, &blobs, arriving.input).map_err(|fault| named(path, fault))?;
        let Network { building, remarks, .. } = network;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let found = Found {
            name: net.word("name").map_or(stem, str::to_owned),
            input: building.input.dims().to_vec(),
            lines: building.lines,
            output,
            classes: Vec::new(),
            remarks,
            origin: "A network out of Caffe".to_owned(),
            pixels: Pixels::ChannelsFirst,
        };
        take(found, &Beside::new(path))
    }
}

/// The complaint about a file that is not as Caffe has it.
fn wrong(what: impl std::fmt::Display) -> Fault {
    Fault::new(codes::EXCHANGE_IN, what.to_string())
        .advise("the `deploy.prototxt` of the network, and the whole `.caffemodel` file")
}
