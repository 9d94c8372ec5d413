//! Keras' networks, sequences and graphs of layers, which may be layers of each other → the order in which layers are read, and the
//! values that each takes.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::diag::{Fault, codes};
use crate::exchange::import::building::Building;
use crate::exchange::keras::config::{self, Config, MAX_DEPTH, MAX_LAYERS};
use crate::exchange::keras::{layers, merges, wrong};
use crate::shape::Shape;
use crate::weights::keras::calls::{Reference, ends, references};
use crate::weights::keras::store::{Place, Store};

/// How often layers of a graph are tried, which are written in no order.
const MAX_TRIES: usize = 4_000_000;
/// The most calls of layers, those inside of networks that are called again and again among them.
const MAX_CALLS: usize = 2 * MAX_LAYERS;

/// A value that depends on the image.
#[derive(Clone, Debug)]
pub struct Flow {
    pub at: usize,
    /// Of a flat value the extents, channels first, of what it was; where its pixels' channels stood together.
    pub flat: Option<Vec<usize>>,
}

/// What a layer is called with.
#[derive(Clone, Debug)]
pub enum Operand {
    Flow(Flow),
    Number(f64),
}

/// A network that is being read.
pub struct Network<'a> {
    pub building: Building<'a>,
    pub store: &'a Store,
    pub remarks: Vec<String>,
    /// Before Keras 3 some functions were others.
    pub is_old: bool,
    n_calls: usize,
}

impl<'a> Network<'a> {
    /// Reads a description with its weights; the network, and the value that it gives.
    pub fn read(
        description: &Value,
        store: &'a Store,
        version: &str,
        input: Option<&Shape>,
    ) -> Result<(Network<'a>, usize), Fault> {
        let Some(own) = config::network(description) else {
            let class: String = config::class(description).chars().take(60).collect();
            let message =
                format!("the network is a `{class}`, which is code: the file does not say what it computes");
            return Err(Fault::new(codes::EXCHANGE_IN, message)
                .advise("a `Sequential` or functional model")
                .advise("`model.export(\"model.onnx\", format=\"onnx\")` in Keras"));
        };
        let layers = config::layers(own).map_err(wrong)?;
        let mut shape = match input {
            Some(shape) => shape.clone(),
            None => image(layers, own)?,
        };
        if input.is_none() {
            shape.0.rotate_right(1);
        }
        let building = Building::new(shape)?;
        let is_old = version.starts_with('2') || version.starts_with('1');
        let mut network = Network { building, store, remarks: Vec::new(), is_old, n_calls: 0 };
        let flow = network.network(description, Flow { at: 0, flat: None }, None, "", 0)?;
        Ok((network, flow.at))
    }

    /// A network, whole or as a layer.
    fn network(
        &mut self,
        layer: &Value,
        input: Flow,
        place: Option<&Place>,
        within: &str,
        depth: usize,
    ) -> Result<Flow, Fault> {
        let own = config::network(layer).ok_or_else(|| Fault::internal("a layer as a network"))?;
        if depth == MAX_DEPTH {
            return Err(wrong(format!("has networks more than {MAX_DEPTH} deep in each other")));
        }
        let layers = config::layers(own).map_err(wrong)?;
        self.count(layers.len() + 1)?;
        let places = config::places(layers, place);
        let is_graph = layers.iter().any(|layer| layer.get("inbound_nodes").is_some());
        match is_graph {
            true => self.graph(own, layers, &places, input, within, depth),
            false => {
                let mut flow = input;
                for (layer, place) in layers.iter().zip(&places) {
                    flow = self.call(layer, place, vec![Operand::Flow(flow)], within, depth)?;
                }
                Ok(flow)
            }
        }
    }

    /// Counts calls: a few networks in each other can call their layers without end.
    fn count(&mut self, n: usize) -> Result<(), Fault> {
        self.n_calls = self.n_calls.saturating_add(n);
        match self.n_calls <= MAX_CALLS {
            true => Ok(()),
            false => Err(wrong(format!("calls its layers more than {MAX_CALLS} times"))),
        }
    }

    /// A layer that is called with values.
    fn call(
        &mut self,
        layer: &Value,
        place: &Place,
        operands: Vec<Operand>,
        within: &str,
        depth: usize,
    ) -> Result<Flow, Fault> {
        if config::network(layer).is_some() {
            let [Operand::Flow(flow)] = operands.as_slice() else {
                return Err(wrong(format!("calls the network `{}` with several values", place.name)));
            };
            let within =
                if within.is_empty() { place.name.clone() } else { format!("{within}/{}", place.name) };
            return self.network(layer, flow.clone(), Some(place), &within, depth + 1);
        }
        let config = Config::of(layer, within);
        match operands.as_slice() {
            [Operand::Flow(flow)] => layers::layer(self, &config, place, flow.clone()),
            _ => merges::merge(self, &config, &operands),
        }
    }

    /// The layers of a graph, each when the values that it takes are there.
    fn graph(
        &mut self,
        own: &Value,
        layers: &[Value],
        places: &[Place],
        input: Flow,
        within: &str,
        depth: usize,
    ) -> Result<Flow, Fault> {
        let inputs = ends(own.get("input_layers"));
        let [(image, _)] = inputs.as_slice() else {
            let message = format!("the network takes {} values; a model of ours takes one", inputs.len());
            return Err(Fault::new(codes::EXCHANGE_IN, message));
        };
        let outputs = ends(own.get("output_layers"));
        let [output] = outputs.as_slice() else {
            let names: Vec<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
            let message = format!(
                "the network gives {} values ({}); a model of ours gives one",
                outputs.len(),
                names.join(", ")
            );
            return Err(Fault::new(codes::EXCHANGE_IN, message)
                .advise("`keras.Model(model.inputs, model.outputs[0]).save(\"model.keras\")`"));
        };
        let mut values: HashMap<(String, u64), Flow> = HashMap::new();
        values.insert((image.clone(), 0), input);
        let mut open: Vec<(usize, u64, Vec<Reference>)> = Vec::new();
        let mut again = HashSet::new();
        for (at, (layer, place)) in layers.iter().zip(places).enumerate() {
            if place.name == *image {
                continue;
            }
            let nodes =
                layer.get("inbound_nodes").and_then(Value::as_array).map_or([].as_slice(), Vec::as_slice);
            self.count(nodes.len())?;
            for (n, node) in nodes.iter().enumerate() {
                if n > 0 {
                    again.insert(place.name.clone());
                }
                open.push((
                    at,
                    n as u64,
                    references(node)
                        .map_err(|why| wrong(format!("calls its layer `{}` {why}", place.name)))?,
                ));
            }
        }
        let mut tries = 0;
        while !open.is_empty() {
            let mut later = Vec::new();
            let n_before = open.len();
            for (at, n, references) in open {
                tries += 1;
                let found = |reference: &Reference| match reference {
                    Reference::Number(number) => Some(Operand::Number(*number)),
                    Reference::Value(name, node) => {
                        values.get(&(name.clone(), *node)).cloned().map(Operand::Flow)
                    }
                };
                match references.iter().map(found).collect::<Option<Vec<_>>>() {
                    Some(operands) => {
                        let flow = self.call(&layers[at], &places[at], operands, within, depth)?;
                        values.insert((places[at].name.clone(), n), flow);
                    }
                    None => later.push((at, n, references)),
                }
            }
            if later.len() == n_before || tries > MAX_TRIES {
                let name = later.first().map_or("", |(at, ..)| places[*at].name.as_str());
                return Err(wrong(format!(
                    "has a layer `{name}` that takes what nothing gives, or what it gives itself"
                )));
            }
            open = later;
        }
        let mut again: Vec<String> = again.into_iter().collect();
        again.sort_unstable();
        for name in again {
            self.remarks.push(format!(
                "`{name}` is called more than once there; here each call has weights of its own"
            ));
        }
        values
            .get(output)
            .cloned()
            .ok_or_else(|| wrong(format!("has no layer `{}`, which it says is its output", output.0)))
    }
}

/// The extents of one image as the description has them, channels last.
fn image(layers: &[Value], own: &Value) -> Result<Shape, Fault> {
    let of = |config: &Value| {
        ["batch_shape", "batch_input_shape", "build_input_shape"]
            .into_iter()
            .find_map(|key| config.get(key).and_then(Value::as_array))
            .cloned()
    };
    let mut found = None;
    let mut at = layers;
    // A sequence may begin with a network that says it.
    for _ in 0..MAX_DEPTH {
        let Some(first) = at.first() else { break };
        let config = first.get("config").unwrap_or(&Value::Null);
        found = of(config);
        match config::network(first) {
            Some(inner) if found.is_none() => at = config::layers(inner).map_err(wrong)?,
            Some(_) | None => break,
        }
    }
    let dims = found.or_else(|| of(own));
    let extent = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
    let known =
        dims.as_deref().and_then(|dims| dims.get(1..)).and_then(|dims| dims.iter().map(extent).collect());
    known.map(|dims: Vec<usize>| Shape::new(dims)).ok_or_else(|| {
        Fault::new(codes::EXCHANGE_IN, "the file leaves the extents of its input open")
            .advise("`--input 3x224x224` with the channels, height and width of one image")
    })
}
