//! A network that Keras saved, `.keras` or `.h5` → layers of ours. The network's description is data: no code of it is run, and a
//! layer that is code is refused.

mod activations;
mod config;
mod layers;
mod merges;
mod wiring;

use std::fs::File;

use crate::diag::{Fault, codes};
use crate::exchange::import::line::{Found, Pixels, Sums};
use crate::exchange::keras::wiring::Network;
use crate::exchange::onnx::file::Beside;
use crate::exchange::{Arriving, Incoming, Take, named};
use crate::shape::Shape;
use crate::weights::keras::store::{self, Store};

pub static KERAS: Keras = Keras;

pub struct Keras;

impl Incoming for Keras {
    fn kind(&self) -> &'static str {
        "Keras"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["keras", "h5", "hdf5"]
    }

    fn read(&self, arriving: &Arriving<'_>, take: &mut Take<'_>) -> Result<(), Fault> {
        let path = arriving.path;
        let refuse = |what: String| {
            Fault::new(codes::EXCHANGE_IN, format!("{} {what}", path.display())).advise(store::AGAIN)
        };
        let facts = std::fs::metadata(path).map_err(|e| refuse(format!("cannot be read: {e}")))?;
        // Opening a pipe would wait for its writer.
        if !facts.is_file() {
            return Err(refuse("is not a regular file".to_owned()));
        }
        let disk = File::open(path).map_err(|e| refuse(format!("cannot be read: {e}")))?;
        let store = store::open(disk).map_err(refuse)?;
        let found = found(&store, arriving.input).map_err(|fault| named(path, fault))?;
        take(found, &Beside::new(path))
    }
}

/// The complaint about a file that is not as Keras writes it.
fn wrong(what: impl std::fmt::Display) -> Fault {
    Fault::new(codes::EXCHANGE_IN, format!("the file {what}")).advise(store::AGAIN)
}

fn found<'a>(store: &'a Store, input: Option<&Shape>) -> Result<Found<'a>, Fault> {
    let Some(text) = &store.config else {
        return Err(Fault::new(codes::EXCHANGE_IN, "the file holds weights, but no network")
            .advise("`dslc import WEIGHTS --into FILE` with a `.model` or `.net` file")
            .advise("`model.save(\"model.keras\")`, which saves the network, too"));
    };
    let description = config::parse(text)?;
    let version: String =
        store.version.iter().flat_map(|own| own.chars()).filter(|c| !c.is_control()).take(40).collect();
    let (network, output) = Network::read(&description, store, &version, input)?;
    let Network { building, mut remarks, .. } = network;
    if building.shape(output).len() > 1 && building.shape(output)[1..].iter().any(|&extent| extent > 1) {
        remarks.push("the output's channels stand last there; here they are first".to_owned());
    }
    let class =
        config::class(&description).chars().filter(|c| c.is_alphanumeric()).take(40).collect::<String>();
    let space = if version.is_empty() { "" } else { " " };
    Ok(Found {
        name: config::name(&description),
        input: building.input.dims().to_vec(),
        lines: building.lines,
        output,
        classes: Vec::new(),
        remarks,
        origin: format!("A network from Keras{space}{version} ({class})"),
        pixels: Pixels::ChannelsLast,
        given: Pixels::ChannelsLast,
        sums: Sums::Readable,
    })
}
