//! The gradient rule of every op against central finite differences, on the reference and on the kernels.

use std::collections::{BTreeMap, BTreeSet};

use dslc::diag::Fault;
use dslc::graph::attrs::Attrs;
use dslc::graph::builder::Builder;
use dslc::graph::op::{Backward, Op};
use dslc::graph::{Graph, Init, StateKind, Value};
use dslc::ops::OPS;
use dslc::ops::activation::FUNCTIONS;
use dslc::ops::binary::MULTIPLY;
use dslc::ops::conv2d::CONV2D;
use dslc::ops::matmul;
use dslc::ops::moments::MOMENTS;
use dslc::ops::reduce::REDUCE_SUM;
use dslc::passes::gradient::gradient;
use dslc::run::{Backend, Session};
use dslc::shape::Shape;

use crate::op_cases::{self, takes_all_numbers};
use crate::support::Numbers::{Between, Distinct, Fixed, Fractional, Whole};
use crate::support::{Case, Numbers, TARGETS, distance, window};

/// The ops that nothing flows back through, and why.
const NOT_DIFFERENTIABLE: &[(&str, &str)] = &[
    ("input", "a leaf"),
    ("state", "a leaf"),
    ("constant", "a leaf"),
    ("top1_correct", "a count"),
    ("argmax", "a position"),
    ("one_hot", "labels are whole numbers"),
    ("dropout_mask", "the step is a whole number"),
    ("moments", "within `batch_norm`: see its case"),
    ("running_moment", "behind the loss"),
    ("pointwise", "made after differentiation"),
];

const WIDE: Numbers = Between(-1.5, 1.5);
const POSITIVE: Numbers = Between(0.5, 2.0);

/// The cases here; an op without one is held to its three smallest of `tests/op_cases.rs`.
fn cases() -> Vec<Case> {
    let mut cases = own();
    let known: BTreeSet<&str> =
        cases.iter().map(|case| case.op.name()).chain(NOT_DIFFERENTIABLE.iter().map(|(op, _)| *op)).collect();
    let mut others: Vec<Case> = op_cases::cases();
    others.retain(|case| !known.contains(case.op.name()) && elements(case) > 1);
    others.sort_by_key(elements);
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    for case in others {
        // What belongs to another op's gradient may refuse one of its own.
        if build(&case).and_then(differentiate).is_err() {
            continue;
        }
        let n = taken.entry(case.op.name()).or_default();
        *n += 1;
        if *n <= 3 {
            cases.push(case);
        }
    }
    cases
}

/// Numbers that a case goes in with.
fn elements(case: &Case) -> usize {
    case.inputs.iter().map(|(shape, _)| shape.elements()).sum()
}

/// Where the numbers matter (kinks, divisors, ties), or the smallest shapes leave a rule out.
fn own() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |op: &str, attrs: Attrs, inputs: &[(&[usize], Numbers)]| {
        cases.push(Case::new(op, attrs, inputs.iter().map(|(dims, numbers)| (Shape::new(*dims), *numbers))));
    };
    for function in FUNCTIONS {
        let (alpha, numbers) =
            if takes_all_numbers(*function) { (0.3, Fractional) } else { (-0.75, POSITIVE) };
        add(function.name(), Attrs::new().float("alpha", alpha), &[(&[2, 3, 4], numbers)]);
    }
    let pairs: &[(&[usize], &[usize])] = &[
        (&[3, 4], &[3, 4]),
        (&[2, 3, 2, 2], &[1, 3, 1, 1]),
        (&[3, 1], &[2, 3, 4]),
        (&[], &[2, 3]),
        (&[2, 1, 3], &[1, 4, 1]),
        (&[1, 1], &[3]),
    ];
    for op in ["add", "subtract", "multiply", "divide"] {
        for (a, b) in pairs {
            add(op, Attrs::new(), &[(a, WIDE), (b, POSITIVE)]);
        }
    }
    // Input, weight, stride, padding, dilation, groups.
    type Convolution = ([usize; 4], [usize; 4], [usize; 2], [usize; 4], [usize; 2], i64);
    let convolutions: [Convolution; 6] = [
        ([2, 2, 5, 4], [3, 2, 3, 2], [2, 1], [0; 4], [1, 1], 1),
        ([1, 1, 4, 4], [2, 1, 3, 3], [1, 1], [1, 2, 0, 3], [1, 1], 1),
        ([2, 1, 7, 6], [1, 1, 3, 2], [1, 2], [2, 2, 1, 1], [2, 3], 1),
        ([1, 4, 3, 3], [6, 2, 2, 2], [1, 1], [1; 4], [1, 1], 2),
        ([3, 3, 2, 3], [2, 3, 1, 1], [1, 1], [0; 4], [1, 1], 1),
        ([2, 3, 6, 5], [3, 1, 3, 3], [3, 3], [0, 1, 1, 0], [1, 1], 3),
    ];
    for (input, weight, stride, padding, dilation, groups) in convolutions {
        let attrs = Attrs::new().ints("stride", stride).ints("padding", padding);
        let attrs = attrs.ints("dilation", dilation).int("groups", groups);
        let output = CONV2D.shape(&attrs, &[&Shape::from(input), &Shape::from(weight)]).unwrap();
        add("conv2d", attrs.clone(), &[(&input, WIDE), (&weight, WIDE)]);
        let attrs = attrs.ints("input", &input[2..]);
        add("conv2d_grad_input", attrs, &[(&weight, WIDE), (output.dims(), WIDE)]);
    }
    // Weight, gradient of the output, extents of the input, stride, padding, dilation, groups.
    type Adjoint = ([usize; 4], [usize; 4], [usize; 2], [usize; 2], [usize; 4], [usize; 2], i64);
    let adjoints: [Adjoint; 3] = [
        ([3, 2, 3, 2], [2, 3, 2, 5], [6, 5], [2, 1], [0, 0, 1, 0], [1, 1], 1),
        ([4, 1, 2, 2], [1, 4, 3, 2], [5, 6], [2, 3], [1, 1, 0, 0], [1, 2], 2),
        ([2, 1, 1, 2], [1, 2, 2, 2], [3, 3], [2, 1], [0; 4], [1, 1], 2),
    ];
    for (weight, grad, extents, stride, padding, dilation, groups) in adjoints {
        let attrs = Attrs::new().ints("stride", stride).ints("padding", padding).ints("input", extents);
        let attrs = attrs.ints("dilation", dilation).int("groups", groups);
        add("conv2d_grad_input", attrs, &[(&weight, WIDE), (&grad, WIDE)]);
    }
    for (input, attrs) in [
        ([2, 2, 4, 6], window([2, 3], [2, 3], [0; 4])),
        ([1, 2, 5, 5], window([3, 3], [1, 2], [1; 4])),
        ([1, 1, 6, 7], window([3, 2], [2, 2], [1, 0, 0, 1])),
        ([2, 1, 5, 6], window([2, 2], [2, 2], [0; 4]).int("ceil", 1)),
        ([1, 2, 7, 5], window([3, 3], [2, 2], [1; 4]).int("ceil", 1)),
    ] {
        add("max_pool2d", attrs.clone(), &[(&input, Distinct)]);
        add("avg_pool2d", attrs.clone(), &[(&input, WIDE)]);
        add("avg_pool2d", attrs.int("count_padding", 1), &[(&input, WIDE)]);
    }
    let axes: [&[usize]; 4] = [&[0], &[1, 2], &[0, 2], &[0, 1, 2]];
    for axes in axes {
        add("reduce_sum", Attrs::new().ints("axes", axes), &[(&[3, 2, 4], WIDE)]);
        add("reduce_mean", Attrs::new().ints("axes", axes), &[(&[3, 2, 4], WIDE)]);
    }
    add("reshape", Attrs::new().ints("shape", [4, 3]), &[(&[2, 3, 2], WIDE)]);
    add("reshape", Attrs::new().ints("shape", []), &[(&[1, 1], WIDE)]);
    add("transpose", Attrs::new().ints("axes", [2, 0, 3, 1]), &[(&[2, 3, 1, 4], WIDE)]);
    for (method, from, to) in [
        ("nearest", [2, 3], [4, 9]),
        ("bilinear", [2, 3], [6, 4]),
        ("area", [5, 4], [3, 4]),
        ("bilinear_corners", [2, 3], [4, 5]),
        ("reflect", [3, 4], [6, 8]),
        ("replicate", [1, 3], [4, 6]),
    ] {
        // Padding begins where it is told; the other methods do not ask.
        let begin = [from[0] - 1, 1];
        let attrs = Attrs::new().ints("from", from).ints("to", to).text("method", method);
        let attrs = if method.starts_with("re") { attrs.ints("begin", begin) } else { attrs };
        add("resample", attrs.clone(), &[(&[2, 1, from[0], from[1]], WIDE)]);
        add("resample_adjoint", attrs, &[(&[2, 1, to[0], to[1]], WIDE)]);
    }
    for op in ["softmax", "log_softmax"] {
        add(op, Attrs::new(), &[(&[3, 5], WIDE)]);
        add(op, Attrs::new(), &[(&[2, 3, 2, 2], WIDE)]);
    }
    add("log_softmax", Attrs::new(), &[(&[3, 5], WIDE)]);
    add("log_softmax", Attrs::new(), &[(&[2, 3, 2, 2], WIDE)]);
    add("transpose", Attrs::new().ints("axes", [2, 0, 1]), &[(&[2, 3, 4], WIDE)]);
    for method in ["nearest", "bilinear", "area"] {
        for (from, to) in [([2, 3], [5, 3]), ([5, 4], [2, 3]), ([1, 2], [3, 4])] {
            let attrs = Attrs::new().ints("from", from).ints("to", to).text("method", method);
            add("resample", attrs.clone(), &[(&[2, 1, from[0], from[1]], WIDE)]);
            add("resample_adjoint", attrs, &[(&[2, 1, to[0], to[1]], WIDE)]);
        }
    }
    for smoothing in [0.0, 0.1] {
        let attrs = Attrs::new().float("smoothing", smoothing);
        add("cross_entropy", attrs, &[(&[4, 5], WIDE), (&[4], Whole(5))]);
    }
    for (ta, tb) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let a = if ta == 0 { [2, 3] } else { [3, 2] };
        let b = if tb == 0 { [3, 4] } else { [4, 3] };
        add("matmul", matmul::attrs(ta, tb), &[(&a, WIDE), (&b, WIDE)]);
    }
    let attrs = Attrs::new().float("epsilon", 1e-3);
    let (channels, moments) = ((&[3][..], WIDE), (&[2, 3][..], Fixed(0.5, 2.0)));
    let running = [(&[2, 3, 2, 2][..], WIDE), moments, channels, channels];
    add("batch_norm", attrs.clone().text("statistics", "running"), &running);
    let attrs = attrs.text("statistics", "batch");
    add("batch_norm", attrs.clone(), &[(&[2, 3, 2, 2], WIDE), channels, channels]);
    add("batch_norm", attrs, &[(&[5, 3], WIDE), channels, channels]);
    for (dims, parts) in [(&[2, 4, 3, 2][..], 2), (&[3, 5], 1), (&[1, 3, 4, 1], 3)] {
        add("standardize", Attrs::new().int("parts", parts).float("epsilon", 1e-3), &[(dims, WIDE)]);
    }
    cases
}

/// Ops that nothing flows back through, applied.
fn constants() -> Vec<Case> {
    let labels = (Shape::from([4]), WIDE);
    let mask = Attrs::new().ints("shape", [3]).float("p", 0.5);
    vec![
        Case::new("top1_correct", Attrs::new(), [(Shape::from([4, 5]), WIDE), labels.clone()]),
        Case::new("argmax", Attrs::new(), [(Shape::from([4, 5]), WIDE)]),
        Case::new("one_hot", Attrs::new().int("classes", 5), [labels]),
        Case::new("dropout_mask", mask, [(Shape::default(), WIDE)]),
    ]
}

/// A case under construction.
struct Built {
    builder: Builder,
    /// The states, by the number of their input.
    parameters: Vec<(usize, Value)>,
    /// The op's result, each element with a weight of its own.
    result: Value,
}

fn build(case: &Case) -> Result<Built, Fault> {
    let mut builder = Builder::new();
    let (mut inputs, mut parameters) = (Vec::new(), Vec::new());
    for (i, (shape, numbers)) in case.inputs.iter().enumerate() {
        let value = match numbers.varies() {
            true => builder.state(&name(i), StateKind::Parameter, shape, Init::Constant(0.0))?,
            false => builder.input(&name(i), shape),
        };
        if numbers.varies() {
            parameters.push((i, value));
        }
        inputs.push(value);
    }
    if case.attrs.get_text("statistics") == "batch" {
        let moments = builder.apply(&MOMENTS, Attrs::new(), &inputs[..1])?;
        inputs.insert(1, moments);
    }
    let value = builder.apply(case.op, case.attrs.clone(), &inputs)?;
    let shape = builder.shape(value).clone();
    let weight = builder.input("weight", &shape);
    let result = builder.apply(&MULTIPLY, Attrs::new(), &[value, weight])?;
    builder.output("result", result);
    Ok(Built { builder, parameters, result })
}

fn name(input: usize) -> String {
    format!("input{input}")
}

/// Adds the gradient of the result's sum with respect to every parameter, as outputs of their names.
fn differentiate(built: Built) -> Result<Graph, Fault> {
    let Built { mut builder, parameters, result } = built;
    let axes: Vec<usize> = (0..builder.shape(result).rank()).collect();
    let sum = builder.apply(&REDUCE_SUM, Attrs::new().ints("axes", axes), &[result])?;
    let targets: Vec<Value> = parameters.iter().map(|(_, value)| *value).collect();
    for ((i, _), grad) in parameters.iter().zip(gradient(&mut builder, sum, &targets)?) {
        builder.output(&name(*i), grad.ok_or_else(|| Fault::internal("no gradient"))?);
    }
    Ok(builder.finish())
}

/// The numbers of one input of a case.
fn draw(case: &Case, i: usize) -> Vec<f32> {
    let (shape, numbers) = &case.inputs[i];
    numbers.draw(&name(i), shape.elements())
}

/// Writes the inputs of one graph, which last for one step, and makes that step.
fn step(session: &mut Session, graph: usize, case: &Case) -> Result<(), Fault> {
    session
        .write(graph, "weight", |out| out.copy_from_slice(&Between(-1.0, 1.0).draw("weight", out.len())))?;
    for i in (0..case.inputs.len()).filter(|&i| !case.inputs[i].1.varies()) {
        session.write(graph, &name(i), |out| out.copy_from_slice(&draw(case, i)))?;
    }
    session.step(graph)
}

/// How far the gradients are from central differences, by the largest entry of each.
fn error(case: &Case, target: &dyn Backend) -> Result<f32, Fault> {
    const STEP: f32 = 1e-2;
    let graphs = vec![build(case)?.builder.finish(), differentiate(build(case)?)?];
    let mut session = target.compile(graphs)?.start(0)?;
    let varying: Vec<usize> = (0..case.inputs.len()).filter(|&i| case.inputs[i].1.varies()).collect();
    for &i in &varying {
        session.write_state(&name(i), &draw(case, i))?;
    }
    step(&mut session, 1, case)?;
    let gradients = varying.iter().map(|&i| session.read(1, &name(i)));
    let gradients: Vec<Vec<f32>> = gradients.collect::<Result<_, _>>()?;
    let mut worst = 0.0f32;
    for (&i, gradient) in varying.iter().zip(&gradients) {
        let numbers = draw(case, i);
        let mut differences = Vec::with_capacity(numbers.len());
        for at in 0..numbers.len() {
            let mut sums = [0.0f64; 2];
            for (sum, by) in sums.iter_mut().zip([STEP, -STEP]) {
                let mut moved = numbers.clone();
                moved[at] += by;
                session.write_state(&name(i), &moved)?;
                step(&mut session, 0, case)?;
                *sum = session.read(0, "result")?.iter().map(|&x| f64::from(x)).sum();
            }
            differences.push(((sums[0] - sums[1]) / f64::from(2.0 * STEP)) as f32);
        }
        session.write_state(&name(i), &numbers)?;
        worst = worst.max(distance(&differences, gradient));
    }
    Ok(worst)
}

#[test]
fn every_gradient_is_the_finite_difference() {
    for case in cases() {
        for (target_name, target) in TARGETS {
            let error = error(&case, &*target()).unwrap_or_else(|fault| panic!("{}: {fault}", case.title()));
            assert!(error < 5e-3, "{} on {target_name}: {error}", case.title());
        }
    }
}

#[test]
fn nothing_flows_back_through_a_constant() {
    for case in constants() {
        let fault = differentiate(build(&case).unwrap()).map(|_| ()).unwrap_err();
        assert!(fault.message.ends_with("no gradient"), "{}: {fault}", case.title());
    }
}

/// A new op needs a case in `tests/op_cases.rs`, a reason in [`NOT_DIFFERENTIABLE`], or to be part of another op's gradient and to
/// refuse a gradient of its own.
#[test]
fn every_op_has_a_case() {
    let mut known: BTreeSet<&str> = NOT_DIFFERENTIABLE.iter().map(|(op, _)| *op).collect();
    known.extend(cases().iter().map(|case| case.op.name()));
    let named = known.clone();
    assert!(named.iter().all(|name| OPS.iter().any(|op| op.name() == *name)), "{named:?}");
    for case in cases() {
        let graph = differentiate(build(&case).unwrap()).unwrap();
        for value in graph.values().filter(|&value| !named.contains(graph.node(value).op.name())) {
            let node = graph.node(value);
            let backward = Backward { attrs: &node.attrs, inputs: &node.inputs, output: value, grad: value };
            let mut builder = Builder::extend(graph.clone());
            let found = node.op.gradient(&backward, &mut builder);
            let refused = found.is_err_and(|fault| fault.message.ends_with("is not differentiated again"));
            assert!(refused, "{} has no case", node.op.name());
            known.insert(node.op.name());
        }
    }
    let missing: Vec<&str> = OPS.iter().map(|op| op.name()).filter(|name| !known.contains(name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
