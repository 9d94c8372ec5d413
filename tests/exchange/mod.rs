//! Networks out and in: every layer through our own importer, what PyTorch's exporters write, damaged and hostile files, and
//! what C and Python make of a network. `verify.py` holds the same against other runtimes.

mod c;
mod caffe;
mod damaged;
mod darknet;
mod fixtures;
mod keras;
mod layers;
mod pytorch;
mod runtimes;

use std::path::Path;

use dslc::data::sources::npy::{Numbers, Store};
use dslc::diag::Fault;
use dslc::exchange::network::Network;
use dslc::exchange::{self, Wish, Wishes};
use dslc::experiment::Experiment;
use dslc::graph::StateKind;
use dslc::run::StateInfo;
use dslc::tensor::random::Random;
use dslc::train::checkpoint::{Card, States, Weights, save};
use dslc::train::program::inference_graph;

use crate::support::check;

/// Random numbers for every state, of which none is at what changes nothing.
struct Drawn(Vec<StateInfo>);

impl States for Drawn {
    fn states(&self) -> &[StateInfo] {
        &self.0
    }

    fn read_state(&self, name: &str) -> Result<Vec<f32>, Fault> {
        let state = self.0.iter().find(|state| state.name == name).unwrap();
        let mut random = Random::new(3, name, 0);
        let fan: usize = state.shape.dims().iter().skip(1).product();
        let one = |random: &mut Random| match name.rsplit('.').next() {
            Some("running_var") => 0.5 + random.uniform(),
            _ if state.shape.rank() > 1 => random.normal() / (fan as f32).sqrt(),
            Some("weight") => 0.5 + random.uniform(),
            _ => 0.3 * random.normal(),
        };
        Ok((0..state.shape.elements()).map(|_| one(&mut random)).collect())
    }
}

/// A file of such weights for a model.
fn weights(experiment: &Experiment, folder: &Path) -> Weights {
    let graph = inference_graph(experiment.model.as_ref().unwrap(), 1).unwrap();
    let state = |state: &dslc::graph::State| StateInfo {
        name: state.name.clone(),
        stream: state.stream.clone(),
        kind: state.kind,
        shape: graph.shape(state.value).clone(),
        init: state.init.clone(),
    };
    let states: Vec<StateInfo> = graph.states.iter().map(state).collect();
    assert!(states.iter().all(|state| state.kind != StateKind::Moment));
    let place = folder.join("drawn.safetensors");
    save(&place, &Drawn(states), &Card::default()).unwrap();
    Weights::open(&place).unwrap()
}

/// Writes these lines of a model in a format, with random weights.
fn export(
    text: &str,
    format: &str,
    wishes: &[Wish],
    folder: &Path,
    place: &Path,
) -> Result<Vec<String>, Fault> {
    let (experiment, found) = check(text);
    assert!(!dslc::diag::has_errors(&found), "{text}: {found:#?}");
    let weights = weights(&experiment, folder);
    let mut network = Network::new(&experiment, None, text.to_owned(), Some(&weights))?;
    exchange::write(exchange::format(format)?, &mut network, &Wishes(wishes.to_vec()), place)
}

/// The network's own answers to its first random image, and that image.
fn answer(text: &str, folder: &Path) -> (Vec<f32>, Vec<f32>) {
    let (experiment, _) = check(text);
    let weights = weights(&experiment, folder);
    let mut network = Network::new(&experiment, None, text.to_owned(), Some(&weights)).unwrap();
    let mut given = network.random_image(0).unwrap();
    let mut outputs = network.run(&given).unwrap();
    (given.remove(0), outputs.remove(0))
}

/// The inputs and outputs of a network elsewhere, with how many there are.
fn arrays(path: &Path) -> ((usize, Vec<f32>), (usize, Vec<f32>)) {
    let mut store = Store::open(path).unwrap();
    let mut floats = |name: &str| {
        let array = store.array(name).unwrap();
        match array.values {
            Numbers::Floats(numbers) => (array.shape[0], numbers),
            other => panic!("{other:?}"),
        }
    };
    (floats("inputs"), floats("outputs"))
}
