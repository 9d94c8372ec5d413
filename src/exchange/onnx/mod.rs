//! ONNX: a network → a `.onnx` file, read back by our own importer before it has its name.

pub mod file;
pub mod fold;
pub mod function;
pub mod graph;
pub mod layer;
mod learned;
pub mod pools;
pub mod preparation;
pub mod read;
mod reduce;
pub mod resample;
pub mod skim;
pub mod wire;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::diag::{Fault, codes};
use crate::exchange::network::{Network, Peculiarity};
use crate::exchange::onnx::graph::{Element, Graph, batched};
use crate::exchange::onnx::layer::Layer;
use crate::exchange::onnx::skim::skim;
use crate::exchange::portable::Operation;
use crate::exchange::{Arriving, Incoming, Outgoing, Take, Wish, Wishes, beside, compare, import, named};
use crate::layers::Inferred;
use crate::shape::Shape;

pub static ONNX: Onnx = Onnx;

pub struct Onnx;

/// The names of the graph's ends.
const INPUT: &str = "input";
const OUTPUT: &str = "output";
const PROBABILITIES: &str = "probabilities";

impl Outgoing for Onnx {
    fn name(&self) -> &'static str {
        "onnx"
    }

    fn summary(&self) -> &'static str {
        "a file for ONNX Runtime, OpenVINO, TensorRT and others"
    }

    fn ending(&self) -> Option<&'static str> {
        Some("onnx")
    }

    fn knows(&self, what: Peculiarity) -> bool {
        match what {
            Peculiarity::Inputs | Peculiarity::Outputs | Peculiarity::SharedWeights => true,
        }
    }

    fn grants(&self, wish: Wish) -> bool {
        match wish {
            Wish::Preparation | Wish::Fold => true,
        }
    }

    fn write(&self, network: &mut Network<'_>, wishes: &Wishes, place: &Path) -> Result<Vec<String>, Fault> {
        if let Some((what, fault)) = network.peculiar() {
            wishes.0.iter().try_for_each(|wish| refuse(what, *wish, fault.clone()))?;
        }
        // The importer reads numbers, not pictures.
        let plain = graph(network, wishes, With::Numbers)?;
        let whole =
            wishes.has(Wish::Preparation).then(|| graph(network, wishes, With::Pictures)).transpose()?;
        let mut parts = Parts(Vec::new());
        let verified = parts.save(network, &plain, place)?;
        // The importer reads networks of one input and one output.
        if !(network.model.inputs.is_empty() && network.model.outputs.is_empty()) {
            network.close();
            std::fs::rename(&verified, place).map_err(|e| unwritten(place, &e))?;
            return Ok(vec![
                "not verified: dslc reads only ONNX files with one input and one output".to_owned(),
            ]);
        }
        let wanted =
            whole.map_or_else(|| Ok(verified.clone()), |whole| parts.save(network, &whole, place))?;
        let mut cases = Vec::new();
        for n in 0..N_IMAGES {
            let given = network.random_image(n)?;
            let outputs = network.run(&given)?;
            cases.extend(given.into_iter().zip(outputs));
        }
        // Two networks at the same time would take twice the memory.
        network.close();
        let worst = import::verify(&verified, &cases, &|expected, found| {
            compare::same(expected, found, "the ONNX file, read back, computes something else")
        })?;
        std::fs::rename(&wanted, place).map_err(|e| unwritten(place, &e))?;
        let worst = if worst == 0.0 { "0".to_owned() } else { format!("{worst:.0e}") };
        Ok(vec![format!(
            "read back and run on {N_IMAGES} random images: the outputs differ by {worst} at most"
        )])
    }
}

impl Incoming for Onnx {
    fn kind(&self) -> &'static str {
        "ONNX"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["onnx"]
    }

    fn read(&self, arriving: &Arriving<'_>, take: &mut Take<'_>) -> Result<(), Fault> {
        let named = |fault: Fault| named(arriving.path, fault);
        let (messages, beside) = skim(arriving.path).map_err(named)?;
        let model = file::model(&messages).map_err(named)?;
        take(read::found(&model, &beside, arriving.input).map_err(named)?, &beside)
    }
}

/// Refuses an option for networks that it is not for.
fn refuse(what: Peculiarity, wish: Wish, fault: Fault) -> Result<(), Fault> {
    let shares = match what {
        Peculiarity::Inputs | Peculiarity::Outputs => false,
        Peculiarity::SharedWeights => true,
    };
    match wish {
        Wish::Preparation if shares => Ok(()),
        Wish::Preparation | Wish::Fold => {
            let message = format!("{}, which `{}` does not support", fault.message, wish.option());
            Err(Fault { message, ..fault }.advise(format!("no `{}`", wish.option())))
        }
    }
}

/// How many images a file is verified with.
const N_IMAGES: u32 = 2;

/// Files that have no name of their own yet. What still lies there in the end was not verified, and goes.
struct Parts(Vec<PathBuf>);

impl Parts {
    fn save(&mut self, network: &Network<'_>, graph: &Graph, place: &Path) -> Result<PathBuf, Fault> {
        let part = beside(place);
        self.0.push(part.clone());
        save(network, graph, &part)?;
        Ok(part)
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        for part in &self.0 {
            let _ = std::fs::remove_file(part);
        }
    }
}

fn save(network: &Network<'_>, graph: &Graph, place: &Path) -> Result<(), Fault> {
    let refuse = |e: std::io::Error| unwritten(place, &e);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(place).map_err(refuse)?);
    graph.write(network, &mut file, &refuse)?;
    file.flush().map_err(refuse)
}

fn unwritten(place: &Path, e: &std::io::Error) -> Fault {
    Fault::new(codes::UNWRITTEN, format!("{} cannot be written: {e}", place.display()))
        .advise("`-o FILE` in a folder that you may write to")
}

/// What a graph takes and gives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum With {
    /// What the model takes and gives.
    Numbers,
    /// Pictures in, probabilities out.
    Pictures,
}

fn graph(network: &Network<'_>, wishes: &Wishes, with: With) -> Result<Graph, Fault> {
    let operations = network.operations()?;
    let model = network.model;
    let mut graph = Graph::default();
    graph.name = model.name.clone();
    let first = match with {
        With::Numbers => {
            graph.input(INPUT, Element::Float, &batched(network.input()?.dims()));
            INPUT.to_owned()
        }
        With::Pictures => preparation::add(&mut graph, network)?,
    };
    let gives_probabilities = with == With::Pictures && is_scores(network.output()?, &operations);
    let end = if gives_probabilities { "scores" } else { OUTPUT };
    let folds = match wishes.has(Wish::Fold) {
        true => fold::folds(model, &operations),
        false => vec![None; model.layers.len()],
    };
    let mut names = vec![first];
    let mut labels = BTreeSet::new();
    for (at, (instance, operation)) in model.layers.iter().zip(&operations).enumerate() {
        let value = crate::model::Wire::of_layer(at);
        if let Some(input) = network.given(value) {
            let name = outside(&input.name);
            graph.input(&name, Element::Float, &batched(network.shape(value)?.dims()));
            names.push(name);
            continue;
        }
        if folds.iter().flatten().any(|norm| *norm == at) {
            // It is in the layer before it.
            let inside = names[instance.inputs[0].index()].clone();
            names.push(inside);
            continue;
        }
        let norm = folds[at];
        let is_end = value == model.output
            || norm.is_some_and(|norm| crate::model::Wire::of_layer(norm) == model.output);
        // Layers that are used twice have one name, and their values two.
        let label = match labels.insert(instance.name.as_str()) {
            true => instance.name.clone(),
            false => format!("{}@{at}", instance.name),
        };
        let result = if is_end { end.to_owned() } else { format!("{label}.output") };
        let inputs = instance.inputs.iter().map(|wire| names[wire.index()].clone()).collect();
        let shapes = instance.inputs.iter().map(|wire| network.shape(*wire)).collect::<Result<_, Fault>>()?;
        let output = network.shape(value)?;
        let doc = network.line(instance).map_or(String::new(), |(line, text)| format!("line {line}: {text}"));
        if !is_end {
            graph.value(&result, &batched(output.dims()));
        }
        let folded = norm.map(|norm| fold::folded(network, at, norm, operation)).transpose()?;
        let whole = network.whole(instance);
        let parameters: Vec<_> = parameters(whole.inferred.as_ref());
        let mut layer = Layer::new(&mut graph, &label, inputs, shapes, output, &doc).of(&instance.name);
        layer::add(&mut layer, operation, &parameters, folded)
            .map_err(|fault| network.located(fault, instance))?;
        layer.finish(result.clone());
        names.push(result);
    }
    close(&mut graph, network, &names[model.output.index()], end, gives_probabilities)?;
    for own in &model.outputs {
        let (name, value) = (&names[own.head.wire.index()], network.shape(own.head.wire)?);
        let called = outside(&own.name.text);
        let mut layer = Layer::new(&mut graph, &called, vec![name.clone()], vec![value], value, "");
        layer.node("Identity", &[name], Vec::new());
        layer.finish(called.clone());
        graph.output(&called, &batched(value.dims()));
    }
    describe(&mut graph, network);
    Ok(graph)
}

/// What a further input or output is called in the file, which needs some names itself.
fn outside(name: &str) -> String {
    let taken = [INPUT, OUTPUT, PROBABILITIES, "scores"];
    if taken.contains(&name) { format!("{name}_2") } else { name.to_owned() }
}

fn parameters(inferred: Option<&Inferred>) -> Vec<(&'static str, &Shape)> {
    inferred.iter().flat_map(|inferred| &inferred.parameters).map(|p| (p.name, &p.shape)).collect()
}

/// Whether the output is the scores of classes, which a softmax makes probabilities of.
fn is_scores(output: &Shape, operations: &[Operation]) -> bool {
    output.rank() == 1
        && output.elements() > 1
        && !matches!(operations.last(), Some(Operation::Softmax | Operation::LogSoftmax))
}

/// The graph's end: what the model gives under the name that it has outside.
fn close(
    graph: &mut Graph,
    network: &Network<'_>,
    last: &str,
    end: &str,
    gives_probabilities: bool,
) -> Result<(), Fault> {
    let output = network.output()?;
    if last != end {
        // A model without layers gives what it takes.
        let mut layer = Layer::new(graph, "same", vec![last.to_owned()], vec![output], output, "");
        layer.node("Identity", &[last], Vec::new());
        layer.finish(end.to_owned());
    }
    if gives_probabilities {
        let mut layer = Layer::new(graph, "softmax", vec![end.to_owned()], vec![output], output, "");
        layer.node("Softmax", &[end], vec![graph::int("axis", 1)]);
        layer.finish(PROBABILITIES.to_owned());
    }
    graph.output(if gives_probabilities { PROBABILITIES } else { OUTPUT }, &batched(output.dims()));
    Ok(())
}

/// What other programs and people should know, in the forms in which they look for it.
fn describe(graph: &mut Graph, network: &Network<'_>) {
    graph.doc = format!("{}, written by dslc {}", network.model.name, env!("CARGO_PKG_VERSION"));
    let classes = &network.classes;
    if !classes.is_empty() {
        graph.metadata("labels", serde_json::to_string(classes).unwrap_or_default());
        let quoted = |name: &String| format!("'{}'", name.replace('\\', "\\\\").replace('\'', "\\'"));
        let names: Vec<String> =
            classes.iter().enumerate().map(|(i, name)| format!("{i}: {}", quoted(name))).collect();
        graph.metadata("names", format!("{{{}}}", names.join(", ")));
        graph.metadata("task", "classify");
    }
    if let Some(data) = network.data {
        let steps: Vec<String> = data.preprocess.iter().map(preparation::line).collect();
        graph.metadata("preparation", steps.join("; "));
    }
    graph.metadata("dslc", network.source.clone());
}
