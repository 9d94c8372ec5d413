//! Local rewritings that save work: each of `RULES` sees one node whose inputs are simple already, and gives a
//! cheaper value of the same meaning. What a rule makes is simplified in turn, so one sweep is enough.
//!
//! A rule may change rounding only where it says so.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::op::Op;
use crate::graph::{Graph, Node, Value};
use crate::ops::binary::{ADD, MULTIPLY, SUBTRACT, broadcast};
use crate::ops::expand::EXPAND;
use crate::ops::reduce::REDUCE_SUM;
use crate::ops::reshape::RESHAPE;
use crate::ops::slice::SLICE;
use crate::ops::transpose::TRANSPOSE;
use crate::passes::fold::number;
use crate::passes::{Pass, rebuild};
use crate::shape::Shape;

pub struct Simplify;

/// A node that is about to be made.
struct Candidate {
    op: &'static dyn Op,
    attrs: Attrs,
    inputs: Vec<Value>,
    shape: Shape,
}

/// The value that can stand for a node, or `None`.
type Rule = fn(&mut Builder, &Candidate) -> Result<Option<Value>, Fault>;

static RULES: &[Rule] = &[
    nothing_moved,
    reshaped_again,
    transposed_again,
    transposed_in_place,
    repeated_again,
    cut_again,
    neutral_number,
    one_number_for_all,
    division_by_a_number,
    numbers_in_a_row,
    minus_once,
    arithmetic_before_repetition,
    function_before_repetition,
    single_summands,
    mean_over_the_batch,
    scaled_sum,
];

impl Pass for Simplify {
    fn name(&self) -> &'static str {
        "simplify"
    }

    fn run(&self, graph: &Graph) -> Result<Graph, Fault> {
        let roots = graph.roots();
        rebuild(graph, |builder, value, node, inputs| {
            if node.inputs.is_empty() {
                return Ok(Some(builder.copy(graph, value, inputs)));
            }
            let simple = make(builder, node.op, node.attrs.clone(), inputs.to_vec())?;
            if builder.shape(simple) != &node.shape {
                return Err(Fault::internal(format!("`{}` lost its shape {}", node.op.name(), node.shape)));
            }
            // A result that is a state's own memory would change with the state.
            match roots.contains(&value) && is_leaf(builder, simple) {
                true => Ok(Some(builder.copy(graph, value, inputs))),
                false => Ok(Some(simple)),
            }
        })
    }
}

fn is_leaf(builder: &Builder, value: Value) -> bool {
    let node = builder.graph().node(value);
    node.name.is_some() || (node.op.is_view() && is_leaf(builder, node.inputs[0]))
}

fn make(
    builder: &mut Builder,
    op: &'static dyn Op,
    attrs: Attrs,
    inputs: Vec<Value>,
) -> Result<Value, Fault> {
    let shapes: Vec<&Shape> = inputs.iter().map(|&input| builder.shape(input)).collect();
    let shape = op.shape(&attrs, &shapes)?;
    let candidate = Candidate { op, attrs, inputs, shape };
    for rule in RULES {
        if let Some(value) = rule(builder, &candidate)? {
            return Ok(value);
        }
    }
    builder.apply(op, candidate.attrs, &candidate.inputs)
}

impl Candidate {
    fn is(&self, op: &str) -> bool {
        self.op.name() == op
    }

    fn is_arithmetic(&self) -> bool {
        ["add", "subtract", "multiply", "divide"].contains(&self.op.name())
    }

    /// Each operand of the output's shape with the number that the other one is, for an arithmetic op; the
    /// first operand first.
    fn with_number(&self, builder: &Builder) -> Vec<(usize, Value, f32)> {
        if !self.is_arithmetic() {
            return Vec::new();
        }
        let pair = |place: usize| {
            let (own, other) = (self.inputs[place], self.inputs[1 - place]);
            let kept = *builder.shape(own) == self.shape;
            number(builder, other).filter(|_| kept).map(|number| (place, own, number))
        };
        [0, 1].into_iter().filter_map(pair).collect()
    }
}

/// The node behind a value, if it is one of this op.
fn behind<'a>(builder: &'a Builder, value: Value, op: &str) -> Option<&'a Node> {
    Some(builder.graph().node(value)).filter(|node| node.op.name() == op)
}

fn shaped(shape: &Shape) -> Attrs {
    Attrs::new().ints("shape", shape.dims())
}

/// Ops that move numbers, to the same place: the value itself.
fn nothing_moved(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    let moves = ["reshape", "expand", "slice", "pad", "concat"].contains(&node.op.name())
        || node.is("transpose") && node.attrs.get_ints("axes").is_sorted();
    Ok((moves && *builder.shape(node.inputs[0]) == node.shape).then_some(node.inputs[0]))
}

/// A reshape of a reshape.
fn reshaped_again(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    if !node.is("reshape") {
        return Ok(None);
    }
    let Some(inner) = behind(builder, node.inputs[0], "reshape") else { return Ok(None) };
    let from = inner.inputs[0];
    make(builder, &RESHAPE, shaped(&node.shape), vec![from]).map(Some)
}

/// A transpose of a transpose.
fn transposed_again(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    if !node.is("transpose") {
        return Ok(None);
    }
    let Some(inner) = behind(builder, node.inputs[0], "transpose") else { return Ok(None) };
    let first = inner.attrs.get_ints("axes");
    let axes: Vec<usize> = node.attrs.get_ints("axes").iter().map(|&axis| first[axis]).collect();
    let from = inner.inputs[0];
    make(builder, &TRANSPOSE, Attrs::new().ints("axes", axes), vec![from]).map(Some)
}

/// A transpose that moves axes of extent 1 alone: a reshape.
fn transposed_in_place(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    if !node.is("transpose") {
        return Ok(None);
    }
    let from = builder.shape(node.inputs[0]);
    let wide = node.attrs.get_ints("axes").iter().filter(|&&axis| from.dims()[axis] != 1);
    match wide.is_sorted() {
        true => make(builder, &RESHAPE, shaped(&node.shape), node.inputs.clone()).map(Some),
        false => Ok(None),
    }
}

/// An expand of an expand.
fn repeated_again(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    if !node.is("expand") {
        return Ok(None);
    }
    let Some(inner) = behind(builder, node.inputs[0], "expand") else { return Ok(None) };
    let from = inner.inputs[0];
    make(builder, &EXPAND, shaped(&node.shape), vec![from]).map(Some)
}

/// A slice of a slice.
fn cut_again(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    if !node.is("slice") {
        return Ok(None);
    }
    let Some(inner) = behind(builder, node.inputs[0], "slice") else { return Ok(None) };
    let starts = inner.attrs.get_ints("start").iter().zip(node.attrs.get_ints("start"));
    let start: Vec<usize> = starts.map(|(a, b)| a + b).collect();
    let from = inner.inputs[0];
    let attrs = Attrs::new().ints("start", start).ints("shape", node.shape.dims());
    make(builder, &SLICE, attrs, vec![from]).map(Some)
}

/// `x + 0`, `x - 0`, `x * 1`, `x / 1`. Where `x` is -0, the sum would be +0.
fn neutral_number(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    let neutral = |place: usize, number: f32| match node.op.name() {
        "add" => number == 0.0,
        "subtract" => place == 0 && number == 0.0,
        "multiply" => number == 1.0,
        _ => place == 0 && number == 1.0,
    };
    let found = node.with_number(builder);
    Ok(found.into_iter().find(|&(place, _, number)| neutral(place, number)).map(|(_, value, _)| value))
}

/// A constant of many elements where one that is repeated will do: it needs no memory of its own.
fn one_number_for_all(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    for (place, _, number) in node.with_number(builder) {
        if builder.shape(node.inputs[1 - place]).rank() > 0 {
            let mut inputs = node.inputs.clone();
            inputs[1 - place] = builder.scalar(number);
            return make(builder, node.op, node.attrs.clone(), inputs).map(Some);
        }
    }
    Ok(None)
}

/// `x / c` as `x * (1 / c)`. Changes rounding: by up to one unit in the last place, where `c` is no power of 2.
fn division_by_a_number(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    match node.with_number(builder)[..] {
        [(0, value, number), ..] if node.is("divide") && (1.0 / number).is_normal() => {
            let factor = builder.scalar(1.0 / number);
            make(builder, &MULTIPLY, Attrs::new(), vec![value, factor]).map(Some)
        }
        _ => Ok(None),
    }
}

/// `(x * a) * b` as `x * (a * b)`, and the same of sums. Changes rounding: once instead of twice.
fn numbers_in_a_row(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    for (_, value, outer) in node.with_number(builder) {
        let Some(inner) = behind(builder, value, node.op.name()) else { continue };
        let inner = Candidate {
            op: inner.op,
            attrs: Attrs::new(),
            inputs: inner.inputs.clone(),
            shape: inner.shape.clone(),
        };
        let Some(&(_, from, number)) = inner.with_number(builder).first() else { continue };
        let both = match node.op.name() {
            "add" => number + outer,
            "multiply" => number * outer,
            _ => continue,
        };
        if both.is_normal() {
            let both = builder.scalar(both);
            return make(builder, node.op, Attrs::new(), vec![from, both]).map(Some);
        }
    }
    Ok(None)
}

/// `x + (y * -1)` as `x - y`, and `x - (y * -1)` as `x + y`.
fn minus_once(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    let opposite = |value: Value| {
        let product = behind(builder, value, "multiply")?;
        let (own, other) = (product.inputs[0], product.inputs[1]);
        let kept = number(builder, other) == Some(-1.0) && *builder.shape(own) == product.shape;
        kept.then_some(own)
    };
    let (op, inputs): (&'static dyn Op, Vec<Value>) = match node.op.name() {
        "add" => match (opposite(node.inputs[1]), opposite(node.inputs[0])) {
            (Some(y), _) => (&SUBTRACT, vec![node.inputs[0], y]),
            (None, Some(y)) => (&SUBTRACT, vec![node.inputs[1], y]),
            (None, None) => return Ok(None),
        },
        "subtract" => match opposite(node.inputs[1]) {
            Some(y) => (&ADD, vec![node.inputs[0], y]),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    make(builder, op, Attrs::new(), inputs).map(Some)
}

/// What an expand repeats, or the value itself.
fn before_repetition(builder: &Builder, value: Value) -> Value {
    behind(builder, value, "expand").map_or(value, |node| node.inputs[0])
}

/// Arithmetic repeats its operands itself; if all are repeated, the result may be instead.
fn arithmetic_before_repetition(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    if !node.is_arithmetic() {
        return Ok(None);
    }
    let narrow: Vec<Value> = node.inputs.iter().map(|&input| before_repetition(builder, input)).collect();
    if narrow == node.inputs {
        return Ok(None);
    }
    let value = match broadcast(builder.shape(narrow[0]), builder.shape(narrow[1])) {
        Some(shape) if shape == node.shape || shape.elements() < node.shape.elements() => {
            make(builder, node.op, node.attrs.clone(), narrow)?
        }
        _ => return Ok(None),
    };
    make(builder, &EXPAND, shaped(&node.shape), vec![value]).map(Some)
}

/// A function of a repeated value is the repeated function of the value.
fn function_before_repetition(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    let [input] = node.inputs[..] else { return Ok(None) };
    let narrow = before_repetition(builder, input);
    if !node.op.is_elementwise() || narrow == input {
        return Ok(None);
    }
    let value = make(builder, node.op, node.attrs.clone(), vec![narrow])?;
    make(builder, &EXPAND, shaped(&node.shape), vec![value]).map(Some)
}

/// The axes of a sum or mean.
fn reduced(node: &Candidate) -> Option<&[usize]> {
    (node.is("reduce_sum") || node.is("reduce_mean")).then(|| node.attrs.get_ints("axes"))
}

/// Sums and means along axes of extent 1 do nothing.
fn single_summands(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    let Some(axes) = reduced(node) else { return Ok(None) };
    let from = builder.shape(node.inputs[0]);
    let wide: Vec<usize> = axes.iter().copied().filter(|&axis| from.dims()[axis] != 1).collect();
    match (wide.len(), axes.len()) {
        (0, _) => Ok(Some(node.inputs[0])),
        (some, all) if some == all => Ok(None),
        _ => make(builder, node.op, Attrs::new().ints("axes", wide), node.inputs.clone()).map(Some),
    }
}

/// A mean over the first axis is a sum and a product, so that parts of a batch can be summed by themselves.
/// Changes rounding: a product with the inverse count stands for a division.
fn mean_over_the_batch(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    let axes = match reduced(node) {
        Some(axes) if node.is("reduce_mean") && axes.contains(&0) => axes.to_vec(),
        _ => return Ok(None),
    };
    let share = node.shape.elements() as f32 / builder.shape(node.inputs[0]).elements() as f32;
    let sum = make(builder, &REDUCE_SUM, Attrs::new().ints("axes", axes), node.inputs.clone())?;
    let share = builder.scalar(share);
    make(builder, &MULTIPLY, Attrs::new(), vec![sum, share]).map(Some)
}

/// The sum of `x * c` is the sum of `x`, times `c`. Changes rounding: once for the sum instead of once for each
/// summand.
fn scaled_sum(builder: &mut Builder, node: &Candidate) -> Result<Option<Value>, Fault> {
    let Some(product) = behind(builder, node.inputs[0], "multiply").filter(|_| reduced(node).is_some())
    else {
        return Ok(None);
    };
    let (from, other) = (product.inputs[0], product.inputs[1]);
    let kept = *builder.shape(from) == product.shape;
    let Some(factor) = number(builder, other).filter(|_| kept) else { return Ok(None) };
    let sum = make(builder, node.op, node.attrs.clone(), vec![from])?;
    let factor = builder.scalar(factor);
    make(builder, &MULTIPLY, Attrs::new(), vec![sum, factor]).map(Some)
}
