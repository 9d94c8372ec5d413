//! An ONNX graph → layers of ours. Nodes are read in the order of their dependencies; what depends on no image is worked out
//! ([`numbers`]), what does becomes a step: a layer, or a part of one that later nodes complete (the error function of a GELU).
//! A step that nobody completed and that has no word in the language is a fault, with its node.
//!
//! Images of ours are channels x height x width. A value whose channels stand last, as TensorFlow's converters leave them
//! between two `Transpose`, has the same numbers here under `Layout::Last`.

mod arrange;
mod attention;
mod constants;
mod joins;
mod norms;
pub mod numbers;
mod order;
mod pointwise;
mod prepared;
mod products;
mod reductions;
mod settle;
mod turned;
mod windows;

use std::cell::Cell;
use std::collections::HashMap;

use crate::diag::{Fault, codes};
use crate::exchange::import::line::{Found, Origin, Pixels, Sums, Weight};
use crate::exchange::onnx::file::{Beside, MAX_AXES, Model, Node, Tensor};
use crate::exchange::onnx::graph::PRODUCER;
use crate::exchange::onnx::read::numbers::Numbers;
use crate::exchange::onnx::read::order::{order, takes_channels_last};
use crate::exchange::onnx::wire::damaged;
use crate::shape::Shape;

/// The oldest opset whose operators are read as they are meant.
const OLDEST: i64 = 7;
/// The most numbers that all constants together may become: a small file can say a lot of them.
const MAX_CONSTANTS: usize = 1 << 29;
/// What is kept of what a layer was called: letters of a name, and modules around the layer.
const LONGEST_NAME: usize = 256;
const MAX_CLASSES: usize = 64;

/// How the axes of a value stand.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Layout {
    /// As ours: channels first.
    First,
    /// Channels last.
    Last,
    /// Flat, of channels that stood last: these extents.
    FlatLast(Vec<usize>),
}

/// A value that depends on the image.
#[derive(Clone, Debug)]
struct Flow {
    /// 0 is the input, `i + 1` what step `i` gives.
    at: usize,
    /// Its extents as the graph has them, without the batch.
    dims: Vec<usize>,
    layout: Layout,
}

impl Flow {
    /// Its shape in our order.
    fn ours(&self) -> Vec<usize> {
        match self.layout {
            Layout::First | Layout::FlatLast(_) => self.dims.clone(),
            Layout::Last => {
                let (channels, rest) =
                    self.dims.split_last().map_or((1, [].as_slice()), |(c, rest)| (*c, rest));
                std::iter::once(channels).chain(rest.iter().copied()).collect()
            }
        }
    }

    fn channels(&self) -> usize {
        self.ours().first().copied().unwrap_or(1)
    }

    /// Axis `axis` of the graph, batch counted, as one of ours, batch not counted.
    fn axis(&self, axis: i64) -> Option<usize> {
        let rank = self.dims.len() + 1;
        let axis = numbers::axis_of(axis, rank)?.checked_sub(1)?;
        Some(match self.layout {
            Layout::Last if axis + 1 == self.dims.len() => 0,
            Layout::Last => axis + 1,
            Layout::First | Layout::FlatLast(_) => axis,
        })
    }

    /// Whether the order of the axes is of no matter: one pixel, or flat.
    fn is_point(&self) -> bool {
        self.dims.iter().filter(|&&dim| dim > 1).count() <= 1
    }
}

#[derive(Clone)]
enum Value<'a> {
    Stored(&'a Tensor<'a>),
    Known(Numbers),
    Flow(Flow),
}

/// What a step does.
#[derive(Clone, Debug)]
enum Act<'a> {
    Layer(&'static str),
    /// Adds a number.
    Shift(f32),
    Factor(f32),
    /// The same, a number for each channel.
    Shifts(Weight<'a>),
    Factors(Weight<'a>),
    Power(f32),
    Erf,
    /// Not below this number.
    AtLeast(f32),
    /// The root of the sum of the channels' squares.
    Length,
    /// Over another axis of ours than the channels.
    Softmax(usize),
    /// Repeated along axes of extent 1.
    Expand,
    /// Whether a number is above this one.
    Above(f32),
    /// Within these bounds.
    Clip([f32; 2]),
    Transpose(Vec<usize>),
    /// Each of so many parts brought to mean 0 and variance 1.
    Normal {
        groups: usize,
        epsilon: f32,
    },
    Pad {
        sides: Vec<[usize; 2]>,
        mode: &'static str,
        value: f32,
    },
    /// The rectangle that begins here.
    Cut(Vec<usize>),
    /// The largest along an axis, which stays with extent 1.
    Largest(usize),
    /// The rows, or the last axis, pooled to so many uneven windows.
    Rows {
        is_mean: bool,
        to: usize,
    },
}

/// A layer, or a part of one.
#[derive(Clone, Debug)]
struct Step<'a> {
    act: Act<'a>,
    args: Vec<(&'static str, String)>,
    inputs: Vec<usize>,
    /// In our order.
    shape: Vec<usize>,
    weights: Vec<(&'static str, Weight<'a>)>,
    origin: Origin,
    op: &'a str,
}

struct Reader<'a, 'b> {
    beside: &'b Beside,
    opset: i64,
    values: HashMap<&'a str, Value<'a>>,
    /// The extents of the input, in our order.
    image: Vec<usize>,
    steps: Vec<Step<'a>>,
    /// Of numbers that were made of a value's extents: that value.
    batches: HashMap<&'a str, usize>,
    remarks: Vec<String>,
    /// How many numbers constants may still become.
    left: Cell<usize>,
}

/// Reads a graph; `input` is the shape of one image where the file leaves it open.
pub fn found<'a>(model: &'a Model<'a>, beside: &Beside, input: Option<&Shape>) -> Result<Found<'a>, Fault> {
    if model.opset < OLDEST {
        let message = format!("the ONNX file is of opset {}: older than {OLDEST} are not read", model.opset);
        return Err(Fault::new(codes::EXCHANGE_IN, message)
            .advise("`onnx.version_converter.convert_version(model, 13)`"));
    }
    let mut reader = Reader {
        beside,
        opset: model.opset,
        values: HashMap::new(),
        image: Vec::new(),
        steps: Vec::new(),
        batches: HashMap::new(),
        remarks: Vec::new(),
        left: Cell::new(MAX_CONSTANTS),
    };
    for tensor in &model.graph.tensors {
        reader.values.insert(tensor.name, Value::Stored(tensor));
    }
    let (image, layout) = reader.open(model, input)?;
    for at in order(model, &reader.values)? {
        reader.node(&model.graph.nodes[at])?;
    }
    let outputs: Vec<&str> = model.graph.outputs.iter().map(|output| output.name).collect();
    let &[name] = outputs.as_slice() else {
        return Err(Fault::new(
            codes::EXCHANGE_IN,
            format!(
                "the network gives {} values ({}); a model of ours gives one",
                outputs.len(),
                outputs.join(", ")
            ),
        )
        .advise("export it without the others, such as auxiliary classifiers: `model.eval()` in PyTorch"));
    };
    let Some(Value::Flow(output)) = reader.values.get(name).cloned() else {
        return Err(damaged(format!("its output `{name}` does not depend on its input")));
    };
    // Whoever gives images with the channels first gets what the graph gives.
    let output =
        if layout == Layout::Last { output } else { reader.given_first(&model.graph.nodes, name, output) };
    let given = pixels(&output.layout);
    if given == Pixels::ChannelsLast && !output.is_point() {
        reader.remarks.push("the output's channels stood last there; here they are first".to_owned());
    }
    let classes = classes(model);
    let name = if model.graph.name.is_empty() { "Imported".to_owned() } else { model.graph.name.to_owned() };
    let Reader { steps, mut remarks, .. } = reader;
    let (lines, output) = settle::settle(steps, &image, output.at, beside)?;
    remarks.extend(prepared::remark(&lines));
    if model.n_functions > 0 {
        remarks.push("the file's own functions were not needed".to_owned());
    }
    let producer = if model.producer.is_empty() { "another program" } else { model.producer };
    let producer: String = producer.chars().filter(|c| !c.is_control()).take(60).collect();
    let origin = format!("A network from {producer} (ONNX, opset {})", model.opset);
    let pixels = pixels(&layout);
    let sums = if model.producer == PRODUCER { Sums::AsGiven } else { Sums::Readable };
    Ok(Found { name, input: image, lines, output, classes, remarks, origin, pixels, given, sums })
}

fn pixels(layout: &Layout) -> Pixels {
    match layout {
        Layout::Last => Pixels::ChannelsLast,
        Layout::First | Layout::FlatLast(_) => Pixels::ChannelsFirst,
    }
}

/// The names of the classes, where the file says them as we do.
fn classes(model: &Model<'_>) -> Vec<String> {
    let find = |key: &str| model.metadata.iter().find(|(own, _)| *own == key).map(|(_, value)| *value);
    find("labels").and_then(|text| serde_json::from_str::<Vec<String>>(text).ok()).unwrap_or_default()
}

/// What a node is called in a fault.
fn called(node: &Node<'_>) -> String {
    let name =
        if node.name.is_empty() { node.outputs.first().copied().unwrap_or_default() } else { node.name };
    format!("the node `{name}` ({})", node.op)
}

/// That a node does what the language has no words for.
fn cannot(node: &Node<'_>, why: impl std::fmt::Display) -> Fault {
    Fault::new(codes::EXCHANGE_IN, format!("{} cannot be said in the language: {why}", called(node)))
}

impl<'a> Reader<'a, '_> {
    /// The graph's input: its extents with the channels first, and where they stand there.
    fn open(&mut self, model: &'a Model<'a>, input: Option<&Shape>) -> Result<(Vec<usize>, Layout), Fault> {
        let open: Vec<_> =
            model.graph.inputs.iter().filter(|input| !self.values.contains_key(input.name)).collect();
        let &[image] = open.as_slice() else {
            let names: Vec<&str> = open.iter().map(|input| input.name).collect();
            let message = format!(
                "the network takes {} values ({}); a model of ours takes one",
                open.len(),
                names.join(", ")
            );
            return Err(Fault::new(codes::EXCHANGE_IN, message));
        };
        let known: Option<Vec<usize>> = image.dims.as_ref().and_then(|dims| {
            dims.iter().skip(1).map(|dim| dim.and_then(|n| usize::try_from(n).ok())).collect()
        });
        let layout = if takes_channels_last(model, image.name) { Layout::Last } else { Layout::First };
        let given = input.map(|shape| {
            let mut dims = shape.dims().to_vec();
            if layout == Layout::Last {
                dims.rotate_left(1);
            }
            dims
        });
        let dims = given.or(known).ok_or_else(|| {
            Fault::new(
                codes::EXCHANGE_IN,
                format!("the file leaves the extents of its input `{}` open", image.name),
            )
            .advise("`--input 3x224x224` with the channels, height and width of one image")
        })?;
        if !is_image(&dims) {
            return Err(damaged(format!("its input `{}` has no shape that an image could have", image.name)));
        }
        if layout == Layout::Last {
            self.remarks.push("the input's channels stand last there; here they are first".to_owned());
        }
        let flow = Flow { at: 0, dims, layout: layout.clone() };
        let ours = flow.ours();
        self.values.insert(image.name, Value::Flow(flow));
        self.image.clone_from(&ours);
        Ok((ours, layout))
    }

    fn node(&mut self, node: &'a Node<'a>) -> Result<(), Fault> {
        if !["", "ai.onnx"].contains(&node.domain) {
            return Err(cannot(node, format!("it is of the operators of `{}`", node.domain)));
        }
        if node.attributes.iter().any(|attribute| attribute.has_graph) {
            return Err(cannot(node, "what it does depends on the image"));
        }
        let output = node.outputs.first().copied().unwrap_or_default();
        if let Some(value) = self.constant(node)? {
            self.values.insert(output, value);
            return Ok(());
        }
        if node.op == "Split" {
            return self.split(node);
        }
        let value = self.flow(node)?;
        if !is_image(&value.dims) {
            return Err(cannot(node, format!("it gives the shape {:?}", value.dims)));
        }
        let outputs: Vec<_> = node.outputs.iter().skip(1).filter(|name| !name.is_empty()).collect();
        if !outputs.is_empty() && !["Dropout", "BatchNormalization", "MaxPool"].contains(&node.op) {
            return Err(cannot(node, format!("it gives {} values", outputs.len() + 1)));
        }
        self.values.insert(output, Value::Flow(value));
        Ok(())
    }

    /// The step that gives a value.
    fn step(&self, flow: &Flow) -> Option<&Step<'a>> {
        self.at(flow.at)
    }

    /// The step that gives the value of this number; `None` of the input.
    fn at(&self, at: usize) -> Option<&Step<'a>> {
        self.steps.get(at.checked_sub(1)?)
    }

    /// The step of that value, where it is this layer.
    fn layer(&self, at: usize, word: &str) -> Option<&Step<'a>> {
        let step = self.at(at)?;
        matches!(step.act, Act::Layer(own) if own == word).then_some(step)
    }

    /// Adds a step that gives a value of these extents.
    fn push(
        &mut self,
        node: &'a Node<'a>,
        act: Act<'a>,
        inputs: Vec<usize>,
        dims: Vec<usize>,
        layout: Layout,
    ) -> Flow {
        let flow = Flow { at: self.steps.len() + 1, dims, layout };
        let shape = flow.ours();
        let origin = origin(node);
        self.steps.push(Step {
            act,
            args: Vec::new(),
            inputs,
            shape,
            weights: Vec::new(),
            origin,
            op: node.op,
        });
        flow
    }

    /// The same of one image that keeps its extents.
    fn keep(&mut self, node: &'a Node<'a>, act: Act<'a>, x: &Flow) -> Flow {
        self.push(node, act, vec![x.at], x.dims.clone(), x.layout.clone())
    }

    /// A copy of a step, to be changed; the first one falls away if nobody else needs it.
    fn again(&mut self, flow: &Flow, change: impl FnOnce(&mut Step<'a>)) -> Option<Flow> {
        let mut step = self.step(flow)?.clone();
        change(&mut step);
        self.steps.push(step);
        Some(Flow { at: self.steps.len(), ..flow.clone() })
    }

    /// The last step, to be completed.
    fn last(&mut self) -> Option<&mut Step<'a>> {
        self.steps.last_mut()
    }

    fn flow(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        match node.op {
            "Identity" | "Dropout" => self.image(node, 0),
            "Cast" if [1, 10, 11, 16].contains(&node.int("to", 1)) => self.image(node, 0),
            "Conv" => self.conv(node),
            "ConvTranspose" => self.conv_transpose(node),
            "Gemm" => self.gemm(node),
            "MatMul" => self.matmul(node),
            "MaxPool" | "AveragePool" => self.pool(node),
            "GlobalAveragePool" | "GlobalMaxPool" => self.whole_pool(node),
            "ReduceMean" | "ReduceMax" | "ReduceSum" | "ReduceL2" => self.reduced(node),
            "Pad" => self.pad(node),
            "Resize" | "Upsample" => self.resize(node),
            "BatchNormalization" => self.batch_norm(node),
            "InstanceNormalization" => self.instance_norm(node),
            "LayerNormalization" => self.layer_norm(node),
            "GroupNormalization" => self.group_norm(node),
            "LRN" => self.response_norm(node),
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => self.reshape(node),
            "Transpose" => self.transpose(node),
            "Slice" => self.slice(node),
            "Gather" => self.gather(node),
            "Expand" => self.expand(node),
            "DepthToSpace" => self.depth_to_space(node),
            "Concat" => self.concat(node),
            "Add" | "Sub" | "Sum" => self.sum(node),
            "Mul" | "Div" => self.product(node),
            "Softmax" | "LogSoftmax" => self.softmax(node),
            "Where" => self.chosen(node),
            _ => self.function(node),
        }
    }
}

/// Whether a value may have these extents.
fn is_image(dims: &[usize]) -> bool {
    (1..=MAX_AXES).contains(&dims.len()) && Shape::new(dims).checked_elements().is_some_and(|n| n > 0)
}

/// What a node was called, and the modules around it.
fn origin(node: &Node<'_>) -> Origin {
    let name =
        if node.name.is_empty() { node.outputs.first().copied().unwrap_or_default() } else { node.name };
    let find = |key: &str| node.metadata.iter().find(|(own, _)| *own == key).map(|(_, value)| *value);
    let classes = find("pkg.torch.onnx.class_hierarchy").map(|text| {
        let words = text.split(['[', ']', ',', '\'', '"', ' ']).filter(|word| !word.is_empty());
        let last = |word: &str| {
            word.rsplit('.').next().unwrap_or(word).chars().take(LONGEST_NAME).collect::<String>()
        };
        words.take(MAX_CLASSES).map(last).collect()
    });
    Origin { name: name.chars().take(LONGEST_NAME).collect(), classes: classes.unwrap_or_default() }
}

/// Whether all numbers are this one.
fn all(numbers: &Numbers, number: f64) -> bool {
    numbers.values.iter().all(|own| *own == number)
}

/// A number as the language has it.
fn shown(number: f32) -> String {
    let (plain, short) = (format!("{number}"), format!("{number:e}"));
    if short.len() + 2 < plain.len() { short } else { plain }
}

/// `3`, or `3x5`
fn pair(extents: &[usize]) -> String {
    match extents {
        [a, b] if a == b => a.to_string(),
        [a, b, c] if a == b && b == c => a.to_string(),
        _ => Shape::new(extents).to_string(),
    }
}

/// Padding before and behind each axis, as it is written.
fn sides(ends: &[[usize; 2]]) -> String {
    match ends {
        [[all, _], ..] if ends.iter().flatten().all(|end| end == all) => all.to_string(),
        [[before, after]] => format!("[{before}, {after}]"),
        [_, _, ..] if ends.iter().all(|[before, after]| before == after) => {
            ends.iter().map(|[before, _]| before.to_string()).collect::<Vec<_>>().join("x")
        }
        _ => {
            let all: Vec<String> = ends.iter().flatten().map(usize::to_string).collect();
            format!("[{}]", all.join(", "))
        }
    }
}
