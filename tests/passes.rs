//! Each pass, and all of them, keep what a graph computes: on the training graphs of models and on random graphs
//! with duplicates and dead code. And each does what it is for.

use std::collections::BTreeSet;

use dslc::graph::attrs::Attrs;
use dslc::graph::builder::Builder;
use dslc::graph::op::Op;
use dslc::graph::print;
use dslc::graph::verify::verify;
use dslc::graph::{Graph, Init, StateKind, Update, Value};
use dslc::ops::{OPS, matmul};
use dslc::passes::{PASSES, Pass, optimize};
use dslc::run::{Cpu, Interpreter};
use dslc::shape::Shape;
use dslc::tensor::Device;
use dslc::tensor::random::Random;
use dslc::train::program::inference_graph;

use crate::support::{MODELS, TARGETS, bits, distance, experiment, run, training, window};

const N_RANDOM: u64 = 60;

/// The passes that keep every bit. The others change how sums and products are rounded, which shows most in what
/// would be 0 without rounding: the gradient of a bias in front of a batch norm.
const EXACT: &[&str] = &["cse", "dce", "fuse_pointwise"];

/// Every graph that the passes are tried on, with a name for failures.
fn graphs() -> Vec<(String, Graph)> {
    let models = MODELS.iter().flat_map(|(layers, optimizer)| {
        let experiment = experiment(layers, optimizer);
        let inference = inference_graph(experiment.model.as_ref().unwrap(), 3).unwrap();
        [
            (format!("training of {layers}"), training(&experiment, 3)),
            (format!("inference of {layers}"), inference),
        ]
    });
    models.chain((0..N_RANDOM).map(|seed| (format!("random graph {seed}"), random_graph(seed)))).collect()
}

fn op(name: &str) -> &'static dyn Op {
    OPS.iter().copied().find(|op| op.name() == name).unwrap()
}

/// A graph under construction, of values that later nodes may read.
struct Garden {
    builder: Builder,
    random: Random,
    values: Vec<Value>,
}

/// A graph of pointwise ops, reductions, products and views, in which some nodes occur twice and some are dead.
fn random_graph(seed: u64) -> Graph {
    let mut garden =
        Garden { builder: Builder::new(), random: Random::new(seed, "graph", 0), values: Vec::new() };
    let shapes = [Shape::from([2, 3, 4]), Shape::from([4, 6]), Shape::from([3, 1]), Shape::default()];
    let mut states = Vec::new();
    for (i, shape) in shapes.iter().enumerate() {
        let init = Init::Uniform { bound: 1.0 };
        let state = garden.builder.state(&format!("state{i}"), StateKind::Parameter, shape, init).unwrap();
        let input = garden.builder.input(&format!("input{i}"), shape);
        let constant = garden.builder.constant(0.5, shape);
        garden.values.extend([state, input, constant]);
        states.push(state);
    }
    (0..30).for_each(|_| garden.grow());
    for state in states {
        // A new value of the state's own shape that depends on another one.
        let other = garden.pick();
        let axes: Vec<usize> = (0..garden.builder.shape(other).rank()).collect();
        let mean = garden.add("reduce_mean", Attrs::new().ints("axes", axes), &[other]);
        let mean = garden.add("reshape", Attrs::new().ints("shape", []), &[mean]);
        let next = garden.add("subtract", Attrs::new(), &[state, mean]);
        garden.builder.update(state, next).unwrap();
    }
    for i in 0..4 {
        let value = garden.pick();
        let result = garden.add("tanh", Attrs::new(), &[value]);
        garden.builder.output(&format!("output{i}"), result);
    }
    garden.builder.finish()
}

impl Garden {
    fn below(&mut self, n: usize) -> usize {
        self.random.below(n as u32) as usize
    }

    fn pick(&mut self) -> Value {
        let i = self.below(self.values.len());
        self.values[i]
    }

    fn add(&mut self, name: &str, attrs: Attrs, inputs: &[Value]) -> Value {
        let value = self.builder.apply(op(name), attrs, inputs).unwrap();
        self.values.push(value);
        value
    }

    /// Adds one random node, or a few that belong together.
    fn grow(&mut self) {
        const UNARY: [&str; 6] = ["relu", "leaky_relu", "tanh", "sigmoid", "gelu", "square"];
        const BINARY: [&str; 3] = ["add", "subtract", "multiply"];
        let x = self.pick();
        let shape = self.builder.shape(x).clone();
        let n = shape.elements();
        match self.below(8) {
            0 | 1 => {
                let name = UNARY[self.below(UNARY.len())];
                self.add(name, Attrs::new().float("alpha", 0.25), &[x]);
            }
            2 => {
                let y = self.pick();
                let name = BINARY[self.below(BINARY.len())];
                let value = self.builder.apply(op(name), Attrs::new(), &[x, y]);
                self.values.extend(value);
            }
            3 => {
                let axes: Vec<usize> = (0..shape.rank()).filter(|_| self.below(2) == 0).collect();
                let name = ["reduce_sum", "reduce_mean"][self.below(2)];
                self.add(name, Attrs::new().ints("axes", axes), &[x]);
            }
            4 => {
                // `x xᵀ`, brought back to small numbers.
                let flat = if n.is_multiple_of(2) { [2, n / 2] } else { [1, n] };
                let flat = self.add("reshape", Attrs::new().ints("shape", flat), &[x]);
                let product = self.add("matmul", matmul::attrs(0, 1), &[flat, flat]);
                self.add("softmax", Attrs::new(), &[product]);
            }
            5 => {
                self.add("reshape", Attrs::new().ints("shape", [n]), &[x]);
            }
            6 => {
                let wide: Vec<usize> = shape.dims().iter().map(|&d| if d == 1 { 3 } else { d }).collect();
                self.add("expand", Attrs::new().ints("shape", wide), &[x]);
            }
            _ => {
                // The same node once more.
                let node = self.builder.graph().node(x).clone();
                if !node.inputs.is_empty() {
                    self.add(node.op.name(), node.attrs, &node.inputs);
                }
            }
        }
    }
}

/// The nodes that are not part of the graph's interface.
fn inner(graph: &Graph) -> impl Iterator<Item = Value> + '_ {
    graph.values().filter(|&value| graph.node(value).name.is_none())
}

fn dead(graph: &Graph) -> usize {
    let mut live = graph.roots();
    for value in graph.values().rev() {
        if live.contains(&value) {
            live.extend(graph.node(value).inputs.iter().copied());
        }
    }
    inner(graph).filter(|value| !live.contains(value)).count()
}

fn duplicates(graph: &Graph) -> usize {
    let mut seen = BTreeSet::new();
    let key = |value: &Value| {
        let node = graph.node(*value);
        (node.op.name(), node.attrs.clone(), node.inputs.clone())
    };
    inner(graph).filter(|value| !seen.insert(key(value))).count()
}

/// Names and shapes of everything that a session reads or writes.
fn interface(graph: &Graph) -> Vec<(String, Shape)> {
    let leaf = |value: Value| (graph.node(value).name.clone().unwrap(), graph.shape(value).clone());
    let inputs = graph.inputs.iter().map(|&value| leaf(value));
    let states = graph.states.iter().map(|state| leaf(state.value));
    let outputs = graph.outputs.iter().map(|output| (output.name.clone(), graph.shape(output.value).clone()));
    inputs.chain(states).chain(outputs).collect()
}

/// The reference evaluates a fused op as the ops that it stands for: no bit may change. A kernel may add up in another
/// order.
#[test]
fn passes_keep_what_a_graph_computes() {
    for (name, graph) in graphs() {
        let passed = PASSES.iter().map(|pass| (pass.name(), pass.run(&graph).unwrap()));
        let variants: Vec<(&str, Graph)> =
            passed.chain([("all passes", optimize(graph.clone()).unwrap())]).collect();
        for (target_name, target) in TARGETS {
            let expected = run(graph.clone(), &*target(), 2);
            for (pass, variant) in &variants {
                verify(variant).unwrap_or_else(|fault| panic!("{name} after {pass}: {fault}"));
                assert_eq!(interface(&graph), interface(variant), "{name} after {pass}");
                let actual = run(variant.clone(), &*target(), 2);
                if EXACT.contains(pass) {
                    assert_eq!(bits(&expected), bits(&actual), "{name} after {pass} on {target_name}");
                }
                for ((what, a), (_, b)) in expected.iter().zip(&actual) {
                    let gap = distance(a, b);
                    assert!(gap < 1e-3, "{what} of {name} after {pass} on {target_name}: {gap}");
                }
            }
        }
    }
}

/// The plan's memory is shared between values; the reference's is not.
#[test]
fn both_targets_compute_the_same() {
    for (name, graph) in graphs() {
        let graph = optimize(graph).unwrap();
        let [cpu, reference] = TARGETS.map(|(_, target)| run(graph.clone(), &*target(), 2));
        for ((what, a), (_, b)) in reference.iter().zip(&cpu) {
            assert!(distance(a, b) < 1e-3, "{what} of {name}: {}", distance(a, b));
        }
    }
}

#[test]
fn dead_nodes_and_duplicates_go() {
    let (mut n_dead, mut n_duplicates) = (0, 0);
    for (name, graph) in graphs() {
        n_dead += dead(&graph);
        n_duplicates += duplicates(&graph);
        let alive = pass("dce").run(&graph).unwrap();
        assert_eq!((dead(&alive), graph.len() - alive.len()), (0, dead(&graph)), "{name}");
        assert_eq!(duplicates(&pass("cse").run(&graph).unwrap()), 0, "{name}");
        let done = optimize(graph).unwrap();
        assert_eq!((dead(&done), duplicates(&done)), (0, 0), "{name}");
        assert_eq!(optimize(done.clone()).unwrap().len(), done.len(), "{name}: a second round finds nothing");
    }
    assert!(n_dead > 100 && n_duplicates > 100, "the graphs try the passes: {n_dead}, {n_duplicates}");
}

/// Nodes that differ in an attribute, an input or the order of inputs are not the same node.
#[test]
fn what_only_looks_alike_is_not_merged() {
    let mut builder = Builder::new();
    let x = builder.input("x", &Shape::from([2, 2]));
    let y = builder.input("y", &Shape::from([2, 2]));
    let step = builder.input("step", &Shape::default());
    let masks = [(1, 1), (1, 2), (2, 1)].map(|(seed, stream)| {
        let attrs =
            Attrs::new().ints("shape", [2, 2]).float("p", 0.5).int("seed", seed).int("stream", stream);
        builder.apply(op("dropout_mask"), attrs, &[step]).unwrap()
    });
    let binary = [[x, y], [y, x], [x, x]].map(|inputs| builder.apply(op("subtract"), Attrs::new(), &inputs));
    let zeros = [0.0, -0.0].map(|number| builder.constant(number, &Shape::default()));
    for (i, value) in masks.into_iter().chain(binary.map(Result::unwrap)).chain(zeros).enumerate() {
        builder.output(&i.to_string(), value);
    }
    let graph = builder.finish();
    assert_eq!(optimize(graph.clone()).unwrap().len(), graph.len());
}

/// The nodes behind the inputs of a small graph after all passes, a line each; `x` and `y` are its inputs.
fn optimized(shape: &[usize], build: impl Fn(&mut Builder, Value, Value) -> Value) -> String {
    let mut builder = Builder::new();
    let shape = Shape::new(shape);
    let (x, y) = (builder.input("x", &shape), builder.input("y", &shape));
    let result = build(&mut builder, x, y);
    builder.output("result", result);
    let text = print::text(&optimize(builder.finish()).unwrap(), &|_| None);
    let lines = text.lines().filter(|line| !line.contains("= input"));
    lines.map(|line| line.replace("%0", "x").replace("%1", "y") + "\n").collect()
}

/// Applies an op in a test's graph.
fn make(builder: &mut Builder, name: &str, attrs: Attrs, inputs: &[Value]) -> Value {
    builder.apply(op(name), attrs, inputs).unwrap()
}

#[test]
fn each_rewriting_does_what_it_is_for() {
    let none = Attrs::new;
    let axes = |axes: &[usize]| Attrs::new().ints("axes", axes);
    let shape = |shape: &[usize]| Attrs::new().ints("shape", shape);

    // Constants, also those of many elements, are computed at once and merged.
    insta::assert_snapshot!(optimized(&[2, 3], |b, x, _| {
        let one = b.scalar(1.0);
        let wide = make(b, "expand", shape(&[2, 3]), &[one]);
        let six = make(b, "reduce_sum", axes(&[0, 1]), &[wide]);
        let half = b.scalar(0.5);
        let three = make(b, "multiply", none(), &[six, half]);
        let x = make(b, "multiply", none(), &[x, three]);
        let x = make(b, "multiply", none(), &[half, x]);
        let x = make(b, "add", none(), &[x, three]);
        let x = make(b, "multiply", none(), &[x, wide]);
        let two = b.scalar(2.0);
        make(b, "divide", none(), &[x, two])
    }), @r"
    %2 = pointwise x {program=[(a * 1.5 + 3) * 0.5]} : 2x3
    output result = %2
    ");
    // What only moves numbers is moved once, or not at all.
    insta::assert_snapshot!(optimized(&[2, 3], |b, x, y| {
        let x = make(b, "reshape", shape(&[3, 2]), &[x]);
        let x = make(b, "reshape", shape(&[2, 3]), &[x]);
        let y = make(b, "transpose", axes(&[1, 0]), &[y]);
        let y = make(b, "transpose", axes(&[1, 0]), &[y]);
        make(b, "matmul", matmul::attrs(0, 1), &[x, y])
    }), @r"
    %2 = matmul x, y {transpose_a=0 transpose_b=1} : 2x2
    output result = %2
    ");
    insta::assert_snapshot!(optimized(&[4, 1, 5], |b, x, _| {
        let x = make(b, "transpose", axes(&[1, 0, 2]), &[x]);
        let x = make(b, "slice", shape(&[1, 3, 4]).ints("start", [0, 1, 1]), &[x]);
        make(b, "slice", shape(&[1, 2, 3]).ints("start", [0, 1, 0]), &[x])
    }), @r"
    %2 = reshape x : 1x4x5
    %3 = slice %2 {start=[0,2,1]} : 1x2x3
    output result = %3
    ");
    // Sums: over the batch, over nothing, of a multiple.
    insta::assert_snapshot!(optimized(&[4, 1, 5], |b, x, _| {
        let half = b.scalar(0.5);
        let x = make(b, "multiply", none(), &[x, half]);
        make(b, "reduce_mean", axes(&[0, 1]), &[x])
    }), @r"
    %2 = reduce_sum x {axes=[0]} : 1x1x5
    %3 = constant {value=0.125} : scalar
    %4 = multiply %2, %3 : 1x1x5
    output result = %4
    ");
    insta::assert_snapshot!(optimized(&[4, 1], |b, x, y| {
        let sum = make(b, "add", none(), &[x, y]);
        make(b, "reduce_mean", axes(&[1]), &[sum])
    }), @r"
    %2 = add x, y : 4x1
    output result = %2
    ");
    // Work is done before repetition, and gradients read what was repeated.
    insta::assert_snapshot!(optimized(&[4, 1], |b, x, y| {
        let wide = make(b, "expand", shape(&[4, 3]), &[x]);
        let other = make(b, "expand", shape(&[4, 3]), &[y]);
        let wide = make(b, "multiply", none(), &[wide, other]);
        make(b, "tanh", none(), &[wide])
    }), @r"
    %2 = pointwise x, y {program=[tanh(a * b)]} : 4x1
    %3 = expand %2 : 4x3
    output result = %3
    ");
    insta::assert_snapshot!(optimized(&[4, 3], |b, x, y| {
        let y = make(b, "reduce_sum", axes(&[1]), &[y]);
        let wide = make(b, "expand", shape(&[4, 3]), &[y]);
        make(b, "relu_grad", none(), &[x, wide])
    }), @r"
    %2 = reduce_sum y {axes=[1]} : 4x1
    %3 = pointwise x, %2 {program=[relu_grad(a, b)]} : 4x3
    output result = %3
    ");
    // Minus times minus.
    insta::assert_snapshot!(optimized(&[4, 2], |b, x, y| {
        let minus = b.scalar(-1.0);
        let y = make(b, "multiply", none(), &[y, minus]);
        let sum = make(b, "add", none(), &[x, y]);
        let difference = make(b, "subtract", none(), &[x, y]);
        make(b, "matmul", matmul::attrs(0, 1), &[sum, difference])
    }), @r"
    %2 = subtract x, y : 4x2
    %3 = add x, y : 4x2
    %4 = matmul %2, %3 {transpose_a=0 transpose_b=1} : 4x4
    output result = %4
    ");
}

/// A group takes in what nothing else reads, whatever is read twice inside it included.
#[test]
fn element_wise_ops_become_one_node() {
    insta::assert_snapshot!(optimized(&[2, 3], |b, x, y| {
        let s = make(b, "sigmoid", Attrs::new(), &[x]);
        let one = b.scalar(1.0);
        let rest = make(b, "subtract", Attrs::new(), &[one, s]);
        let x = make(b, "multiply", Attrs::new(), &[s, rest]);
        let row = make(b, "reduce_sum", Attrs::new().ints("axes", [0]), &[y]);
        let x = make(b, "divide", Attrs::new(), &[x, row]);
        let x = make(b, "leaky_relu", Attrs::new().float("alpha", 0.1), &[x]);
        let both = make(b, "add", Attrs::new(), &[x, y]);
        make(b, "subtract", Attrs::new(), &[y, both])
    }), @r"
    %2 = reduce_sum y {axes=[0]} : 1x3
    %3 = pointwise x, %2, y {program=[t0 = sigmoid(a); c - (leaky_relu(t0 * (1 - t0) / b, alpha=0.1) + c)]} : 2x3
    output result = %3
    ");
    // Read by a product and an activation: a result of its own.
    insta::assert_snapshot!(optimized(&[3, 3], |b, x, y| {
        let sum = make(b, "add", Attrs::new(), &[x, y]);
        let product = make(b, "matmul", matmul::attrs(0, 0), &[sum, y]);
        let t = make(b, "tanh", Attrs::new(), &[sum]);
        make(b, "add", Attrs::new(), &[product, t])
    }), @r"
    %2 = add x, y : 3x3
    %3 = matmul %2, y {transpose_a=0 transpose_b=0} : 3x3
    %4 = pointwise %2, %3 {program=[b + tanh(a)]} : 3x3
    output result = %4
    ");
}

/// An update that is another state, and an output that is one, would change before they are read.
#[test]
fn results_are_not_simplified_to_states() {
    let mut builder = Builder::new();
    let [a, b] = ["a", "b"].map(|name| {
        builder.state(name, StateKind::Buffer, &Shape::from([4]), Init::Uniform { bound: 1.0 }).unwrap()
    });
    let one = builder.scalar(1.0);
    let [next_a, next_b] = [b, a].map(|state| make(&mut builder, "multiply", Attrs::new(), &[state, one]));
    builder.update(a, next_a).unwrap();
    builder.update(b, next_b).unwrap();
    let before = make(&mut builder, "reshape", Attrs::new().ints("shape", [2, 2]), &[next_b]);
    let before = make(&mut builder, "reshape", Attrs::new().ints("shape", [4]), &[before]);
    builder.output("before", before);
    let graph = builder.finish();
    let expected = run(graph.clone(), &Interpreter(Device::Cpu), 3);
    assert_eq!(bits(&expected), bits(&run(optimize(graph).unwrap(), &Cpu, 3)));
}

#[test]
fn an_optimizer_step_is_a_node_for_each_state() {
    let layers = "flatten -> linear 10 bias=false";
    for (optimizer, n_nodes) in [
        ("sgd lr=0.1", 1),
        ("sgd lr=0.1 momentum=0.9 weight_decay=1e-4", 2),
        ("sgd lr=0.1 momentum=0.9 nesterov=true", 2),
        ("adam lr=1e-3", 3),
        // The decayed gradient goes into both moments.
        ("adam lr=1e-3 weight_decay=1e-4", 4),
        ("adamw lr=1e-3", 3),
    ] {
        let graph = optimize(training(&experiment(layers, optimizer), 4)).unwrap();
        let of_state = |value: &Value| graph.shape(*value).dims() == [10, 432];
        let made = inner(&graph).filter(of_state).map(|value| graph.node(value).op.name());
        let made: Vec<&str> = made.filter(|name| *name != "matmul").collect();
        assert_eq!(made, vec!["pointwise"; n_nodes], "{optimizer}");
    }
}

fn pass(name: &str) -> &'static dyn Pass {
    PASSES.iter().copied().find(|pass| pass.name() == name).unwrap()
}

/// The ops of a graph that are neither leaves nor views, in order.
fn ops(graph: &Graph) -> Vec<&'static str> {
    let inner = inner(graph).map(|value| graph.node(value).op);
    inner.filter(|op| !op.is_view() && op.name() != "constant").map(Op::name).collect()
}

fn fused_biases(graph: &Graph) -> Graph {
    pass("dce").run(&pass("fuse_bias").run(graph).unwrap()).unwrap()
}

/// The bias and the relu of a layer go into its product; nothing goes that is read elsewhere.
#[test]
fn products_take_a_bias_and_a_relu() {
    let plain = window([3, 3], [1, 1], [0; 4]);
    let build = |keep: &str| {
        let mut builder = Builder::new();
        let mut leaf = |name: &str, dims: &[usize]| builder.input(name, &Shape::new(dims));
        let (x, weight, bias) = (leaf("x", &[2, 3, 5, 5]), leaf("weight", &[4, 3, 3, 3]), leaf("bias", &[4]));
        let product = builder.apply(op("conv2d"), plain.clone(), &[x, weight]).unwrap();
        let shaped = Attrs::new().ints("shape", [1, 4, 1, 1]);
        let shaped = builder.apply(op("reshape"), shaped, &[bias]).unwrap();
        let sum = builder.apply(op("add"), Attrs::new(), &[product, shaped]).unwrap();
        let relu = builder.apply(op("relu"), Attrs::new(), &[sum]).unwrap();
        builder.output("result", relu);
        match keep {
            "product" => builder.output(keep, product),
            "sum" => builder.output(keep, sum),
            _ => {}
        }
        ops(&fused_biases(&builder.finish()))
    };
    assert_eq!(build("nothing"), ["conv2d"]);
    assert_eq!(build("sum"), ["conv2d", "relu"]);
    assert_eq!(build("product"), ["conv2d", "add", "relu"]);
    // What is added is no bias: one number a column, or a bias that widens the product.
    let mut builder = Builder::new();
    let mut leaf = |name: &str, dims: &[usize]| builder.input(name, &Shape::new(dims));
    let (a, b, column, wide) = (leaf("a", &[2, 3]), leaf("b", &[3, 1]), leaf("c", &[2]), leaf("d", &[4]));
    for (i, (dims, added)) in [([2, 1], column), ([1, 4], wide)].into_iter().enumerate() {
        let attrs = matmul::attrs(0, 0).int("number", i as i64);
        let product = builder.apply(op("matmul"), attrs, &[a, b]).unwrap();
        let shaped = builder.apply(op("reshape"), Attrs::new().ints("shape", dims), &[added]).unwrap();
        let sum = builder.apply(op("add"), Attrs::new(), &[product, shaped]).unwrap();
        builder.output(&i.to_string(), sum);
    }
    assert_eq!(ops(&fused_biases(&builder.finish())), ["matmul", "add", "matmul", "add"]);
}

/// In training, too: a relu's gradient reads its result, and joins that of a pooling behind it.
#[test]
fn training_graphs_fuse_biases_and_relus() {
    let count = |graph: &Graph, name: &str| ops(graph).iter().filter(|op| **op == name).count();
    let graph = training(&experiment(MODELS[0].0, MODELS[0].1), 3);
    assert_eq!(["relu", "relu_grad"].map(|op| count(&graph, op)), [1, 1]);
    let fused = pass("fuse_pool").run(&pass("fuse_bias").run(&graph).unwrap()).unwrap();
    let fused = pass("dce").run(&fused).unwrap();
    assert_eq!(["relu", "relu_grad"].map(|op| count(&fused, op)), [0, 0]);
    let with_bias = inner(&fused).filter(|&value| fused.node(value).inputs.len() == 3);
    let with_bias: Vec<&str> = with_bias.map(|value| fused.node(value).op.name()).collect();
    assert_eq!(with_bias, ["conv2d", "matmul", "cross_entropy_grad"]);
    let pools = inner(&fused).filter(|&value| fused.node(value).op.name() == "max_pool2d_grad");
    assert!(pools.map(|value| fused.node(value).attrs.get_int("relu")).eq([1]));
}

#[test]
fn broken_graphs_are_refused() {
    let small = Shape::from([2]);
    let start = || {
        let mut builder = Builder::new();
        let state = builder.state("state", StateKind::Buffer, &small, Init::Constant(0.0)).unwrap();
        let input = builder.input("input", &small);
        (builder, state, input)
    };
    let refused = |graph: Graph, why: &str| {
        let fault = verify(&graph).unwrap_err();
        assert!(fault.message.contains(why), "{fault}");
        assert!(optimize(graph).is_err());
    };
    let (builder, ..) = start();
    assert_eq!(verify(&builder.finish()), Ok(()));

    let (mut builder, _, input) = start();
    builder.update(input, input).unwrap();
    refused(builder.finish(), "is updated but is no state");

    let (mut builder, state, input) = start();
    builder.update(state, input).unwrap();
    builder.update(state, input).unwrap();
    refused(builder.finish(), "is updated twice");

    let (mut builder, state, _) = start();
    let scalar = builder.scalar(1.0);
    assert!(builder.update(state, scalar).is_err());
    let mut graph = builder.finish();
    graph.updates.push(Update { state, value: scalar });
    refused(graph, "is updated by another shape");

    // A value of a longer graph.
    let (mut longer, ..) = start();
    let foreign = longer.scalar(1.0);
    let (mut builder, ..) = start();
    builder.output("result", foreign);
    refused(builder.finish(), "is not in the graph");

    // A node taken over with inputs of another shape.
    let (mut source, _, input) = start();
    let sum = source.apply(op("add"), Attrs::new(), &[input, input]).unwrap();
    let (mut builder, ..) = start();
    let wide = builder.input("wide", &Shape::from([3]));
    builder.copy(&source.finish(), sum, &[wide, wide]);
    refused(builder.finish(), "its rule says 3");
}
