//! A `batch_norm` with running statistics behind a convolution or a product becomes part of their weights, and a
//! bias: `scale (w x + b - mean) / deviation + shift = (f w) x + (f (b - mean) + shift)`, `f = scale / deviation`.
//! The new nodes depend on states alone, so they run once for many steps.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::leaf;
use crate::graph::op::Op;
use crate::graph::{Graph, Node, Value};
use crate::ops::activation::sqrt::SQRT;
use crate::ops::batch_norm::{BATCH_NORM, matrix_row};
use crate::ops::binary::{ADD, DIVIDE, MULTIPLY, SUBTRACT};
use crate::ops::conv2d::{CONV2D, CONV2D_GRAD_INPUT};
use crate::ops::matmul::MATMUL;
use crate::ops::reshape::RESHAPE;
use crate::passes::{Pass, Places, Readers, rewrite};

pub struct FoldBatchNorm;

/// What stands before a batch norm.
#[derive(Clone, Copy)]
struct Linear {
    /// The convolution or the product, whose output channels lie on axis 1.
    product: Value,
    /// Which of its inputs the weights are.
    weight: usize,
    /// The axis of the weights that holds the output channels.
    axis: usize,
    /// A sum behind it, and the bias that it adds.
    bias: Option<(Value, Value)>,
}

impl Pass for FoldBatchNorm {
    fn name(&self) -> &'static str {
        "fold_batch_norm"
    }

    fn run(&self, graph: &Graph) -> Result<Graph, Fault> {
        let readers = Readers::new(graph);
        let constant = constants(graph);
        let mut folded: BTreeMap<Value, Linear> = BTreeMap::new();
        let mut swallowed: BTreeSet<Value> = BTreeSet::new();
        for value in graph.values() {
            let Some(linear) = find(graph, &readers, &constant, value) else { continue };
            swallowed.insert(linear.product);
            swallowed.extend(linear.bias.map(|(sum, _)| sum));
            folded.insert(value, linear);
        }
        rewrite(graph, |builder, places, value, node| {
            if swallowed.contains(&value) {
                return Ok(None);
            }
            match folded.get(&value) {
                Some(linear) => fold(graph, builder, places, node, *linear).map(Some),
                None => Ok(Some(builder.copy(graph, value, &places.all(&node.inputs)?))),
            }
        })
    }
}

/// The values that depend on states and constants alone.
fn constants(graph: &Graph) -> BTreeSet<Value> {
    let mut constant = BTreeSet::new();
    for value in graph.values() {
        let node = graph.node(value);
        let is_leaf = [leaf::STATE.name(), leaf::CONSTANT.name()].contains(&node.op.name());
        if is_leaf || (!node.inputs.is_empty() && node.inputs.iter().all(|input| constant.contains(input))) {
            constant.insert(value);
        }
    }
    constant
}

/// What a batch norm can be folded into.
fn find(graph: &Graph, readers: &Readers<'_>, constant: &BTreeSet<Value>, norm: Value) -> Option<Linear> {
    let node = graph.node(norm);
    let is_running = node.op.name() == BATCH_NORM.name() && node.attrs.get_text("statistics") == "running";
    if !is_running || node.inputs.len() != 4 || !node.inputs[1..].iter().all(|input| constant.contains(input))
    {
        return None;
    }
    let before = node.inputs[0];
    if !readers.only(before, norm) {
        return None;
    }
    if let Some(linear) = linear(graph, constant, before) {
        return Some(linear);
    }
    let sum = graph.node(before);
    let &[product, bias] = sum.inputs.as_slice() else { return None };
    let channels = graph.shape(before).dims()[1];
    let fits = sum.op.name() == ADD.name()
        && constant.contains(&bias)
        && graph.shape(product) == graph.shape(before)
        && is_per_channel(graph, bias, channels, graph.shape(before).rank())
        && readers.only(product, before);
    let linear = linear(graph, constant, product).filter(|_| fits)?;
    Some(Linear { bias: Some((before, bias)), ..linear })
}

/// Whether `bias` has one number a channel and is aligned to axis 1 of a value of `rank` axes.
fn is_per_channel(graph: &Graph, bias: Value, channels: usize, rank: usize) -> bool {
    let dims = graph.shape(bias).dims();
    let axis = (dims.len() + 1).checked_sub(rank);
    graph.shape(bias).elements() == channels && axis.is_some_and(|axis| dims.get(axis) == Some(&channels))
}

/// A convolution or product with constant weights.
fn linear(graph: &Graph, constant: &BTreeSet<Value>, product: Value) -> Option<Linear> {
    let node = graph.node(product);
    let is_grouped = node.attrs.get_int("groups") > 1;
    let (weight, axis) = match node.op.name() {
        name if name == CONV2D.name() => (1, 0),
        // The output channels of a transposed convolution in groups lie on two axes of its weights.
        name if name == CONV2D_GRAD_INPUT.name() && !is_grouped => (0, 1),
        name if name == MATMUL.name() => (1, if node.attrs.get_int("transpose_b") == 1 { 0 } else { 1 }),
        _ => return None,
    };
    constant.contains(&node.inputs[weight]).then_some(Linear { product, weight, axis, bias: None })
}

fn fold(
    graph: &Graph,
    builder: &mut Builder,
    places: &Places,
    norm: &Node,
    Linear { product, weight, axis, bias }: Linear,
) -> Result<Value, Fault> {
    let [moments, scale, shift] = [1, 2, 3].map(|i| places.get(norm.inputs[i]));
    let (moments, scale, shift) = (moments?, scale?, shift?);
    let channels = builder.shape(scale).elements();
    let [mean, variance] = [0, 1].map(|row| matrix_row(builder, moments, row));
    let epsilon = builder.scalar(norm.attrs.get_float("epsilon"));
    let variance = builder.apply(&ADD, Attrs::new(), &[variance?, epsilon])?;
    let deviation = builder.apply(&SQRT, Attrs::new(), &[variance])?;
    let factor = builder.apply(&DIVIDE, Attrs::new(), &[scale, deviation])?;

    let (node, origin) = (graph.node(product), builder.origin);
    builder.origin = node.origin;
    let mut inputs = places.all(&node.inputs)?;
    let along = per_channel(builder, factor, channels, builder.shape(inputs[weight]).rank(), axis)?;
    inputs[weight] = builder.apply(&MULTIPLY, Attrs::new(), &[inputs[weight], along])?;
    let product = builder.apply(node.op, node.attrs.clone(), &inputs)?;
    builder.origin = origin;

    let mut offset = mean?;
    if let Some((_, bias)) = bias {
        let flat = Attrs::new().ints("shape", [channels]);
        let bias = builder.apply(&RESHAPE, flat, &[places.get(bias)?])?;
        offset = builder.apply(&SUBTRACT, Attrs::new(), &[offset, bias])?;
    }
    let offset = builder.apply(&MULTIPLY, Attrs::new(), &[offset, factor])?;
    let offset = builder.apply(&SUBTRACT, Attrs::new(), &[shift, offset])?;
    let offset = per_channel(builder, offset, channels, builder.shape(product).rank(), 1)?;
    builder.apply(&ADD, Attrs::new(), &[product, offset])
}

/// `C` numbers shaped to align with `axis` of a value of `rank` axes.
fn per_channel(
    builder: &mut Builder,
    numbers: Value,
    channels: usize,
    rank: usize,
    axis: usize,
) -> Result<Value, Fault> {
    let dims: Vec<usize> = (0..rank).map(|own| if own == axis { channels } else { 1 }).collect();
    builder.apply(&RESHAPE, Attrs::new().ints("shape", dims), &[numbers])
}
