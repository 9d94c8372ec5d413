//! safetensors: a network's numbers under our names, with the network's own text, so that the file explains itself.

use std::path::Path;

use crate::diag::Fault;
use crate::exchange::network::{Network, Peculiarity};
use crate::exchange::{Outgoing, Wishes};
use crate::train::checkpoint::{Card, save};

pub static SAFETENSORS: Safetensors = Safetensors;

pub struct Safetensors;

impl Outgoing for Safetensors {
    fn name(&self) -> &'static str {
        "safetensors"
    }

    fn summary(&self) -> &'static str {
        "the weights alone, for any program that reads safetensors"
    }

    fn ending(&self) -> Option<&'static str> {
        Some("safetensors")
    }

    fn knows(&self, what: Peculiarity) -> bool {
        match what {
            Peculiarity::Inputs | Peculiarity::Outputs | Peculiarity::SharedWeights => true,
        }
    }

    fn write(&self, network: &mut Network<'_>, _wishes: &Wishes, place: &Path) -> Result<Vec<String>, Fault> {
        let card = Card {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            model: network.model.name.clone(),
            source: network.source.clone(),
            classes: network.classes.clone(),
            ..Card::default()
        };
        save(place, network.states()?, &card)?;
        Ok(Vec::new())
    }
}
