//! Every CPU kernel against its op's reference evaluation, over shapes and attributes that a kernel may get
//! wrong; and that a training step gives the same bits on any number of threads.

use std::collections::{BTreeMap, BTreeSet};

use dslc::diag::Fault;
use dslc::graph::attrs::Attrs;
use dslc::graph::builder::Builder;
use dslc::graph::op::Backward;
use dslc::graph::{Graph, Value};
use dslc::kernels::cpu::{self, KERNELS};
use dslc::ops::{OPS, matmul};
use dslc::run::Target;
use dslc::shape::Shape;
use dslc::tensor::{self, Device, Tensor};

use crate::support::Numbers::{Between, Ties, Whole};
use crate::support::{Case, MODELS, Numbers, bits, distance, experiment, run, training, window};

const WIDE: Numbers = Between(-4.0, 4.0);
const POSITIVE: Numbers = Between(0.1, 4.0);

/// Ops applied; their gradient ops follow from them.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |op: &str, attrs: Attrs, inputs: &[(&[usize], Numbers)]| {
        cases.push(Case::new(op, attrs, inputs.iter().map(|(dims, numbers)| (Shape::new(*dims), *numbers))));
    };
    for dims in [&[][..], &[1], &[17], &[2, 3, 5, 7], &[17, 1, 1, 1], &[1, 33, 9]] {
        for op in [
            "relu",
            "leaky_relu",
            "relu6",
            "hardswish",
            "hardsigmoid",
            "elu",
            "selu",
            "tanh",
            "sigmoid",
            "gelu",
            "silu",
            "mish",
            "softplus",
            "square",
        ] {
            for numbers in [WIDE, Ties, Between(-30.0, 30.0)] {
                add(op, Attrs::new().float("alpha", 0.2), &[(dims, numbers)]);
            }
        }
        for op in ["log", "sqrt", "power"] {
            add(op, Attrs::new().float("alpha", -0.75), &[(dims, POSITIVE)]);
        }
    }
    let pairs: &[(&[usize], &[usize])] = &[
        (&[], &[]),
        (&[17], &[17]),
        (&[1, 1, 1], &[3, 1, 5]),
        (&[17, 3, 5, 2], &[1, 3, 1, 1]),
        (&[3, 5, 2], &[17, 3, 5, 2]),
        (&[17, 1, 5, 1], &[1, 3, 1, 2]),
        (&[4, 1], &[3]),
        (&[2, 3], &[]),
        (&[1, 1], &[5]),
        (&[2, 1, 3, 1, 2, 1], &[1, 2, 1, 3, 1, 2]),
    ];
    for op in ["add", "subtract", "multiply", "divide"] {
        for (a, b) in pairs {
            add(op, Attrs::new(), &[(a, WIDE), (b, POSITIVE)]);
        }
    }
    // Channels, height and width; filters; kernel; stride; padding; dilation; groups.
    type Convolution = ([usize; 3], usize, [usize; 2], [usize; 2], [usize; 4], [usize; 2], i64);
    let convolutions: [Convolution; 14] = [
        ([1, 1, 1], 1, [1, 1], [1, 1], [0; 4], [1, 1], 1),
        ([3, 7, 5], 4, [1, 1], [1, 1], [0; 4], [1, 1], 1),
        ([3, 7, 5], 4, [1, 1], [3, 2], [0; 4], [1, 1], 1),
        ([4, 7, 5], 6, [1, 1], [1, 1], [0; 4], [1, 1], 2),
        ([2, 5, 9], 3, [1, 1], [1, 1], [1, 0, 0, 2], [1, 1], 1),
        ([2, 9, 6], 3, [3, 3], [1, 1], [1; 4], [1, 1], 1),
        ([2, 9, 6], 3, [3, 2], [2, 1], [0; 4], [1, 1], 1),
        ([2, 9, 6], 3, [2, 5], [3, 3], [0, 0, 0, 3], [1, 1], 1),
        ([1, 8, 8], 2, [3, 3], [3, 1], [2, 0, 0, 0], [1, 1], 1),
        ([2, 11, 9], 2, [3, 2], [1, 2], [2, 1, 0, 3], [2, 3], 1),
        ([6, 6, 7], 9, [3, 3], [1, 1], [1; 4], [1, 1], 3),
        ([5, 6, 7], 5, [3, 3], [2, 2], [1; 4], [2, 1], 5),
        ([3, 3, 3], 8, [3, 3], [1, 1], [0; 4], [1, 1], 1),
        ([1, 2, 2], 2, [3, 3], [2, 2], [4; 4], [1, 1], 1),
    ];
    for ([channels, height, width], filters, kernel, stride, padding, dilation, groups) in convolutions {
        let attrs = Attrs::new().ints("stride", stride).ints("padding", padding);
        let attrs = attrs.ints("dilation", dilation).int("groups", groups);
        let weight = [filters, channels / groups as usize, kernel[0], kernel[1]];
        for batch in [1, 2, 17] {
            let input = [batch, channels, height, width];
            add("conv2d", attrs.clone(), &[(&input, WIDE), (&weight, WIDE)]);
        }
    }
    let windows = [
        window([1, 1], [1, 1], [0; 4]),
        window([2, 2], [2, 2], [0; 4]),
        window([3, 3], [1, 1], [1; 4]),
        window([3, 2], [3, 3], [0, 1, 1, 0]),
        window([2, 3], [1, 2], [1, 0, 0, 1]),
        window([4, 3], [3, 1], [0, 2, 1, 0]),
    ];
    for attrs in windows.into_iter().flat_map(|attrs| [attrs.clone(), attrs.int("ceil", 1)]) {
        for dims in [[1, 1, 7, 7], [17, 3, 5, 8], [2, 5, 4, 3]] {
            for numbers in [WIDE, Ties] {
                add("max_pool2d", attrs.clone(), &[(&dims, numbers)]);
                add("avg_pool2d", attrs.clone(), &[(&dims, numbers)]);
                add("avg_pool2d", attrs.clone().int("count_padding", 1), &[(&dims, numbers)]);
            }
        }
    }
    for dims in [&[17, 3, 5, 4][..], &[1, 1, 1, 1], &[2, 9, 1, 33]] {
        let axes: [&[usize]; 8] = [&[], &[0], &[1], &[3], &[0, 2, 3], &[2, 3], &[0, 2], &[0, 1, 2, 3]];
        for axes in axes {
            add("reduce_sum", Attrs::new().ints("axes", axes), &[(dims, WIDE)]);
            add("reduce_mean", Attrs::new().ints("axes", axes), &[(dims, WIDE)]);
        }
    }
    let shapes: &[(&[usize], &[usize])] = &[
        (&[], &[17, 3]),
        (&[17, 1], &[17, 5]),
        (&[3], &[17, 3]),
        (&[1, 4, 1, 1], &[5, 4, 3, 2]),
        (&[2], &[2]),
    ];
    for (from, to) in shapes {
        add("expand", Attrs::new().ints("shape", *to), &[(from, WIDE)]);
    }
    let joined: [&[&[usize]]; 3] =
        [&[&[17, 3, 5, 2]], &[&[2, 3, 5, 2], &[2, 1, 5, 2], &[2, 9, 5, 2]], &[&[1usize, 1][..]; 7]];
    for parts in joined {
        let parts: Vec<(&[usize], Numbers)> = parts.iter().map(|dims| (*dims, WIDE)).collect();
        add("concat", Attrs::new().int("axis", 1), &parts);
    }
    add("concat", Attrs::new().int("axis", 0), &[(&[2, 3], WIDE), (&[17, 3], WIDE)]);
    add("concat", Attrs::new().int("axis", 2), &[(&[2, 3, 1], WIDE), (&[2, 3, 7], WIDE)]);
    let boxes: &[(&[usize], &[usize], &[usize])] = &[
        (&[17, 5, 7, 3], &[0, 0, 0, 0], &[17, 5, 7, 3]),
        (&[17, 5, 7, 3], &[0, 2, 0, 0], &[17, 1, 7, 3]),
        (&[4, 5, 7, 3], &[3, 4, 6, 2], &[1, 1, 1, 1]),
        (&[4, 5, 7, 3], &[1, 0, 2, 1], &[2, 5, 3, 2]),
        (&[9], &[4], &[5]),
    ];
    for (large, start, small) in boxes {
        let attrs = Attrs::new().ints("start", *start);
        add("slice", attrs.clone().ints("shape", *small), &[(large, WIDE)]);
        add("pad", attrs.ints("shape", *large), &[(small, WIDE)]);
    }
    let orders: &[(&[usize], &[usize])] = &[
        (&[7], &[0]),
        (&[3, 5], &[1, 0]),
        (&[2, 3, 5, 4], &[0, 2, 1, 3]),
        (&[2, 3, 2, 5, 4, 1], &[5, 1, 4, 2, 0, 3]),
    ];
    for (dims, axes) in orders {
        add("transpose", Attrs::new().ints("axes", *axes), &[(dims, WIDE)]);
    }
    for (method, from, begin, to) in [
        ("reflect", [3, 5], [2, 0], [7, 9]),
        ("reflect", [9, 4], [0, 3], [9, 10]),
        ("replicate", [1, 1], [2, 3], [4, 4]),
        ("replicate", [3, 5], [0, 7], [5, 12]),
    ] {
        let attrs =
            Attrs::new().ints("from", from).ints("to", to).ints("begin", begin).text("method", method);
        add("resample", attrs.clone(), &[(&[2, 3, from[0], from[1]], WIDE)]);
        add("resample_adjoint", attrs, &[(&[2, 3, to[0], to[1]], WIDE)]);
    }
    for method in ["nearest", "bilinear", "bilinear_corners", "area"] {
        for (from, to) in [([1, 1], [3, 2]), ([3, 5], [6, 15]), ([5, 7], [3, 7]), ([4, 4], [4, 9])] {
            let attrs = Attrs::new().ints("from", from).ints("to", to).text("method", method);
            add("resample", attrs, &[(&[2, 3, from[0], from[1]], WIDE)]);
        }
    }
    for [m, k, n] in [[1, 1, 1], [17, 3, 5], [2, 65, 1], [1, 9, 33], [5, 1, 4]] {
        for (ta, tb) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let a = if ta == 0 { [m, k] } else { [k, m] };
            let b = if tb == 0 { [k, n] } else { [n, k] };
            add("matmul", matmul::attrs(ta, tb), &[(&a, WIDE), (&b, WIDE)]);
        }
    }
    for dims in [&[1, 1][..], &[17, 10], &[3, 33], &[2, 5, 3, 4], &[17, 3, 1, 1], &[2, 4, 5]] {
        for numbers in [WIDE, Ties, Between(-100.0, 100.0)] {
            add("softmax", Attrs::new(), &[(dims, numbers)]);
            add("log_softmax", Attrs::new(), &[(dims, numbers)]);
            add("log_softmax", Attrs::new(), &[(dims, numbers)]);
        }
    }
    for (dims, axes) in [
        (&[17, 3, 5][..], &[2, 0, 1][..]),
        (&[2, 3, 4, 5], &[0, 2, 3, 1]),
        (&[1, 9], &[1, 0]),
        (&[2, 1, 3, 2, 2], &[4, 3, 2, 1, 0]),
        (&[7], &[0]),
    ] {
        add("transpose", Attrs::new().ints("axes", axes), &[(dims, WIDE)]);
    }
    for method in ["nearest", "bilinear", "bilinear_corners", "area"] {
        for (from, to) in
            [([1, 1], [3, 4]), ([5, 7], [1, 1]), ([3, 8], [7, 3]), ([4, 4], [4, 4]), ([2, 9], [5, 9])]
        {
            let attrs = Attrs::new().ints("from", from).ints("to", to).text("method", method);
            for images in [[1, 1], [17, 3]] {
                add("resample", attrs.clone(), &[(&[images[0], images[1], from[0], from[1]], WIDE)]);
            }
        }
    }
    for (n, classes) in [(1, 1), (1, 10), (17, 10), (5, 33)] {
        let labels = (&[n][..], Whole(classes as u32));
        for numbers in [WIDE, Ties, Between(-100.0, 100.0)] {
            for smoothing in [0.0, 0.1] {
                let attrs = Attrs::new().float("smoothing", smoothing);
                add("cross_entropy", attrs, &[(&[n, classes], numbers), labels]);
            }
            add("top1_correct", Attrs::new(), &[(&[n, classes], numbers), labels]);
        }
        add("one_hot", Attrs::new().int("classes", classes as i64), &[labels]);
    }
    for (dims, statistics) in [
        (&[17, 3, 5, 4][..], &[1, 3, 1, 1][..]),
        (&[2, 1, 1, 1], &[1, 1, 1, 1]),
        (&[17, 5], &[1, 5]),
        (&[1, 3, 4, 1], &[1, 3, 1, 1]),
    ] {
        add("variance", Attrs::new(), &[(dims, WIDE), (statistics, WIDE)]);
        let (any, positive) = ((statistics, WIDE), (statistics, POSITIVE));
        for kind in ["batch", "running"] {
            let attrs = Attrs::new().float("epsilon", 1e-5).text("statistics", kind);
            add("batch_norm", attrs, &[(dims, WIDE), any, positive, any, any]);
        }
    }
    for (dims, p) in [(&[1][..], 0.5), (&[17, 3, 5], 0.3), (&[2, 2], 0.99), (&[5, 5], 0.0)] {
        let attrs = Attrs::new().ints("shape", dims).float("p", p).int("seed", 1 << 40).int("stream", 7);
        add("dropout_mask", attrs, &[(&[], Whole(1000))]);
    }
    cases
}

/// The op and, where it has a rule for it, the gradient of each input; all leaves are inputs.
fn graph(case: &Case) -> Result<(Graph, Vec<Value>, Value), Fault> {
    let mut builder = Builder::new();
    let inputs: Vec<Value> = case.inputs.iter().map(|(shape, _)| builder.input("x", shape)).collect();
    let output = builder.apply(case.op, case.attrs.clone(), &inputs)?;
    let shape = builder.shape(output).clone();
    let grad = builder.input("grad", &shape);
    let backward = Backward { attrs: &case.attrs, inputs: &inputs, output, grad };
    if case.op.gradient(&backward, &mut builder).is_err() {
        assert_eq!(case.op.name(), "variance");
    }
    Ok((builder.finish(), inputs, grad))
}

/// Evaluates a case node by node, and for each node with a kernel tells how far the kernel is from it.
fn compare(case: &Case, mut tell: impl FnMut(&'static str, f32)) -> Result<(), Fault> {
    let (graph, inputs, grad) = graph(case)?;
    let mut tensors: BTreeMap<Value, Tensor> = BTreeMap::new();
    for value in graph.values() {
        let node = graph.node(value);
        let leaf = |numbers: Numbers| {
            let numbers = numbers.draw(&value.index().to_string(), node.shape.elements());
            tensor::from_slice(&numbers, &node.shape, &Device::Cpu)
        };
        let reference = match inputs.iter().position(|&input| input == value) {
            Some(i) => leaf(case.inputs[i].1)?,
            None if value == grad => leaf(WIDE)?,
            None => {
                let operands: Vec<Tensor> = node.inputs.iter().map(|input| tensors[input].clone()).collect();
                node.op.eval(&node.attrs, &operands, &node.shape)?
            }
        };
        tensors.insert(value, reference);
        let Some(prepare) = cpu::find(node.op.name()) else { continue };
        let shapes: Vec<&Shape> = node.inputs.iter().map(|&input| graph.shape(input)).collect();
        let kernel = prepare(&node.attrs, &shapes, &node.shape)?;
        let operands = node.inputs.iter().map(|input| tensor::to_vec(&tensors[input]));
        let operands: Vec<Vec<f32>> = operands.collect::<Result<_, _>>()?;
        let operands: Vec<&[f32]> = operands.iter().map(Vec::as_slice).collect();
        // Whatever memory held before must not matter.
        let mut output = vec![f32::NAN; node.shape.elements()];
        let mut scratch = vec![f32::NAN; kernel.scratch];
        (kernel.run)(&operands, &mut output, &mut scratch);
        tell(node.op.name(), distance(&tensor::to_vec(&tensors[&value])?, &output));
    }
    Ok(())
}

#[test]
fn every_kernel_computes_what_its_op_means() {
    for case in cases() {
        let tell = |op: &str, gap: f32| assert!(gap < 5e-5, "{op} within {}: {gap}", case.title());
        compare(&case, tell).unwrap_or_else(|fault| panic!("{}: {fault}", case.title()));
    }
}

#[test]
fn every_kernel_has_a_case_and_every_op_a_kernel() {
    let mut compared: BTreeSet<&str> = BTreeSet::new();
    for case in cases() {
        compare(&case, |op, _| {
            compared.insert(op);
        })
        .unwrap();
    }
    let kernels: BTreeSet<&str> = KERNELS.iter().map(|(name, _)| *name).collect();
    assert_eq!((compared, kernels.len()), (kernels.clone(), KERNELS.len()));
    let leaves = ["input", "state", "constant"];
    let needed = OPS.iter().filter(|op| !op.is_view() && !leaves.contains(&op.name()));
    assert_eq!(needed.map(|op| op.name()).collect::<BTreeSet<&str>>(), kernels);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for (layers, optimizer) in MODELS {
        let graph = training(&experiment(layers, optimizer), 37);
        let results = [1, 2, 5].map(|n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| run(graph.clone(), Target::Cpu, 3))
        });
        assert!(results[0].iter().flat_map(|(_, numbers)| numbers).all(|x| x.is_finite()), "{layers}");
        assert_eq!(bits(&results[0]), bits(&results[1]), "{layers}");
        assert_eq!(bits(&results[0]), bits(&results[2]), "{layers}");
    }
}
