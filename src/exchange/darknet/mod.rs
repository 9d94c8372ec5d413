//! A network of Darknet, the text of a `.cfg` and the numbers of a `.weights` → layers of ours (pjreddie/darknet and its forks, whose
//! `parser.c` says what a section means and in which order its numbers lie).

mod cfg;
mod layers;
mod numbers;

use crate::diag::{Fault, codes};
use crate::exchange::darknet::layers::Network;
use crate::exchange::darknet::numbers::Numbers;
use crate::exchange::import::line::{Found, Pixels, Sums};
use crate::exchange::onnx::file::Beside;
use crate::exchange::{Arriving, Incoming, Take, import, named};

pub static DARKNET: Darknet = Darknet;

pub struct Darknet;

/// The most bytes of a description: real ones have some ten thousand.
const MAX_CFG: usize = 1 << 24;

impl Incoming for Darknet {
    fn kind(&self) -> &'static str {
        "Darknet"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["cfg"]
    }

    fn weights_ending(&self) -> Option<&'static str> {
        Some("weights")
    }

    fn read(&self, arriving: &Arriving<'_>, take: &mut Take<'_>) -> Result<(), Fault> {
        let path = arriving.path;
        let text = arriving.text(MAX_CFG)?;
        let text = text.ok_or_else(|| named(path, wrong("the file is no text of Darknet")))?;
        let sections = cfg::sections(&text).map_err(|fault| named(path, fault))?;
        let weights = arriving.place_of_weights("weights")?;
        let bytes = import::bytes(&weights)?;
        let mut numbers = Numbers::open(&bytes).map_err(|fault| named(&weights, fault))?;
        let (network, output) =
            Network::read(&sections, &mut numbers, arriving.input).map_err(|fault| named(path, fault))?;
        numbers.end().map_err(|fault| named(&weights, fault))?;
        let Network { building, mut remarks, .. } = network;
        let shape = &building.input;
        remarks.insert(
            0,
            format!(
                "Darknet gives it pixels of 0 to 1, red first, in {shape}; `darknet classifier predict` fits a picture in \
                 with grey bars"
            ),
        );
        let found = Found {
            name: arriving.stem(),
            input: shape.dims().to_vec(),
            lines: building.lines,
            output,
            classes: Vec::new(),
            remarks,
            origin: "A network from Darknet".to_owned(),
            pixels: Pixels::ChannelsFirst,
            given: Pixels::ChannelsFirst,
            sums: Sums::Readable,
        };
        take(found, &Beside::new(path))
    }
}

/// The complaint about a file that is not as Darknet has it.
fn wrong(what: impl std::fmt::Display) -> Fault {
    Fault::new(codes::EXCHANGE_IN, what.to_string())
        .advise("the `.cfg` that the weights were trained with, and the whole `.weights` file")
}
