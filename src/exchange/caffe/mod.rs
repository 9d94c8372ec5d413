//! A network of Caffe, the text of a `.prototxt` and the numbers of a `.caffemodel` → layers of ours (caffe.proto, and the sources of
//! its layers). Older forms of layers are read as those of today.

mod blobs;
mod forms;
mod layers;
mod text;

use crate::diag::{Fault, codes};
use crate::exchange::caffe::layers::Network;
use crate::exchange::import::line::{Found, Pixels, Sums};
use crate::exchange::onnx::file::Beside;
use crate::exchange::{Arriving, Incoming, Take, import, named};

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
        let text = arriving.text(MAX_TEXT)?;
        let text = text.ok_or_else(|| named(path, wrong("the file is no text of Caffe")))?;
        let net = text::parse(&text).map_err(|fault| named(path, fault))?;
        let weights = arriving.place_of_weights("caffemodel")?;
        let bytes = import::bytes(&weights)?;
        let blobs = blobs::blobs(&bytes).map_err(|fault| named(&weights, fault))?;
        let (network, output) =
            Network::read(&net, &blobs, arriving.input).map_err(|fault| named(path, fault))?;
        let Network { building, remarks, .. } = network;
        let found = Found {
            name: net.word("name").map_or_else(|| arriving.stem(), str::to_owned),
            input: building.input.dims().to_vec(),
            lines: building.lines,
            output,
            classes: Vec::new(),
            remarks,
            origin: "A network from Caffe".to_owned(),
            pixels: Pixels::ChannelsFirst,
            given: Pixels::ChannelsFirst,
            sums: Sums::Readable,
        };
        take(found, &Beside::new(path))
    }
}

/// The complaint about a file that is not as Caffe has it.
fn wrong(what: impl std::fmt::Display) -> Fault {
    Fault::new(codes::EXCHANGE_IN, what.to_string())
        .advise("the `deploy.prototxt` of the network, and the whole `.caffemodel` file")
}
