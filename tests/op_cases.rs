//! Every op applied to shapes and attributes that a kernel may get wrong: what is held against the reference on each
//! device.

use dslc::diag::Fault;
use dslc::graph::attrs::Attrs;
use dslc::graph::builder::Builder;
use dslc::graph::op::Backward;
use dslc::graph::program::{Operand, Program, Step};
use dslc::graph::{Graph, Value};
use dslc::ops::activation::{FUNCTIONS, Function};
use dslc::ops::pointwise;
use dslc::ops::{OPS, matmul};
use dslc::shape::Shape;

use crate::support::Numbers::{Between, Ties, Whole};
use crate::support::{Case, Numbers, window};

pub const WIDE: Numbers = Between(-4.0, 4.0);
pub const POSITIVE: Numbers = Between(0.1, 4.0);

/// Whether a function is of positive numbers only is seen at a negative one.
pub fn takes_all_numbers(function: &dyn Function) -> bool {
    function.value(-1.0, -0.75).is_finite()
}

/// Ops applied; their gradient ops follow from them.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |op: &str, attrs: Attrs, inputs: &[(&[usize], Numbers)]| {
        cases.push(Case::new(op, attrs, inputs.iter().map(|(dims, numbers)| (Shape::new(*dims), *numbers))));
    };
    for dims in [&[][..], &[1], &[17], &[2, 3, 5, 7], &[17, 1, 1, 1], &[1, 33, 9]] {
        for function in FUNCTIONS {
            let (op, alpha, numbers): (_, _, &[Numbers]) = match takes_all_numbers(*function) {
                true => (function.name(), 0.2, &[WIDE, Ties, Between(-30.0, 30.0)]),
                false => (function.name(), -0.75, &[POSITIVE]),
            };
            for numbers in numbers {
                add(op, Attrs::new().float("alpha", alpha), &[(dims, *numbers)]);
            }
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
        (&[2, 1, 3, 1, 2, 1, 2, 1], &[1, 2, 1, 3, 1, 2, 1, 2]),
    ];
    for op in ["add", "subtract", "multiply", "divide"] {
        for (a, b) in pairs {
            add(op, Attrs::new(), &[(a, WIDE), (b, POSITIVE)]);
        }
    }
    for (program, inputs) in programs() {
        let inputs: Vec<(&[usize], Numbers)> = inputs.iter().map(|dims| (*dims, POSITIVE)).collect();
        add("pointwise", pointwise::attrs(program), &inputs);
    }
    // Channels, height and width; filters; kernel; stride; padding; dilation; groups.
    type Convolution = ([usize; 3], usize, [usize; 2], [usize; 2], [usize; 4], [usize; 2], i64);
    let convolutions: [Convolution; 24] = [
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
        ([2, 17, 19], 4, [3, 3], [1, 1], [1; 4], [1, 1], 2),
        ([3, 9, 7], 3, [7, 7], [1, 1], [3; 4], [1, 1], 3),
        ([3, 5, 6], 6, [3, 3], [1, 1], [1; 4], [1, 1], 3),
        ([40, 5, 6], 40, [3, 3], [2, 1], [1; 4], [1, 1], 40),
        ([1, 9, 10], 6, [5, 5], [1, 1], [2; 4], [1, 1], 1),
        ([4, 9, 7], 8, [3, 3], [2, 1], [1, 0, 2, 1], [1, 2], 1),
        ([3, 6, 5], 44, [3, 3], [1, 1], [1; 4], [1, 1], 1),
        ([4, 12, 9], 4, [7, 7], [1, 1], [3; 4], [1, 1], 4),
        ([8, 9, 7], 8, [3, 2], [2, 2], [1, 0, 1, 1], [2, 1], 8),
        ([72, 4, 3], 72, [5, 5], [1, 1], [2; 4], [1, 1], 72),
    ];
    for ([channels, height, width], filters, kernel, stride, padding, dilation, groups) in convolutions {
        let attrs = Attrs::new().ints("stride", stride).ints("padding", padding);
        let attrs = attrs.ints("dilation", dilation).int("groups", groups);
        let weight = [filters, channels / groups as usize, kernel[0], kernel[1]];
        for batch in [1, 2, 17] {
            let input = [batch, channels, height, width];
            add("conv2d", attrs.clone(), &[(&input, WIDE), (&weight, WIDE)]);
            let relu = attrs.clone().text("activation", "relu");
            add("conv2d", relu.clone(), &[(&input, WIDE), (&weight, WIDE)]);
            for attrs in [attrs.clone(), relu] {
                add("conv2d", attrs, &[(&input, WIDE), (&weight, WIDE), (&[filters], WIDE)]);
            }
        }
    }
    let windows = [
        window([1, 1], [1, 1], [0; 4]),
        window([3, 3], [2, 2], [1; 4]),
        window([2, 2], [2, 2], [0; 4]),
        window([3, 3], [1, 1], [1; 4]),
        window([3, 2], [3, 3], [0, 1, 1, 0]),
        window([2, 3], [1, 2], [1, 0, 0, 1]),
        window([4, 3], [3, 1], [0, 2, 1, 0]),
    ];
    for attrs in windows.into_iter().flat_map(|attrs| [attrs.clone(), attrs.int("ceil", 1)]) {
        for dims in [[1, 1, 7, 7], [17, 3, 5, 8], [2, 5, 4, 3], [2, 3, 18, 37], [1, 2, 33, 16], [2, 8, 7, 9]]
        {
            for numbers in [WIDE, Ties] {
                add("max_pool2d", attrs.clone(), &[(&dims, numbers)]);
                let grad = OPS.iter().find(|op| op.name() == "max_pool2d").unwrap();
                let grad = grad.shape(&attrs, &[&Shape::from(dims)]).unwrap();
                let relu = attrs.clone().int("relu", 1);
                add("max_pool2d_grad", relu, &[(&dims, numbers), (grad.dims(), WIDE)]);
                add("avg_pool2d", attrs.clone(), &[(&dims, numbers)]);
                add("avg_pool2d", attrs.clone().int("count_padding", 1), &[(&dims, numbers)]);
            }
        }
    }
    for dims in
        [&[17, 3, 5, 4][..], &[1, 1, 1, 1], &[2, 9, 1, 33], &[3, 5, 9, 11], &[70, 2, 17, 15], &[600, 5, 8, 1]]
    {
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
    // The larger ones reach every path: few rows, many blocks in depth and columns, edges of both, all threads.
    let large = [[1, 4099, 259], [9, 4099, 259], [9, 259, 4099], [4099, 9, 259]];
    let sizes = [[1, 1, 1], [17, 3, 5], [2, 65, 1], [1, 9, 33], [5, 1, 4], [3, 70, 41], [4, 1030, 33]];
    for [m, k, n] in sizes.into_iter().chain([[7, 300, 21], [8, 64, 2065], [200, 270, 150]]).chain(large) {
        for (ta, tb) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let a = if ta == 0 { [m, k] } else { [k, m] };
            let b = if tb == 0 { [k, n] } else { [n, k] };
            add("matmul", matmul::attrs(ta, tb), &[(&a, WIDE), (&b, WIDE)]);
            if ta == 0 {
                let relu = matmul::attrs(ta, tb).text("activation", "relu");
                add("matmul", relu.clone(), &[(&a, WIDE), (&b, WIDE)]);
                add("matmul", matmul::attrs(ta, tb), &[(&a, WIDE), (&b, WIDE), (&[n], WIDE)]);
                add("matmul", relu, &[(&a, WIDE), (&b, WIDE), (&[n], WIDE)]);
            }
        }
    }
    for (lead, [m, k, n]) in [
        (&[1][..], [1, 1, 1]),
        (&[17], [3, 5, 2]),
        (&[2, 3], [7, 4, 9]),
        (&[3, 2], [70, 65, 33]),
        (&[1, 2], [2, 300, 5]),
    ] {
        for (ta, tb) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let a = [lead, &(if ta == 0 { [m, k] } else { [k, m] })].concat();
            let b = [lead, &(if tb == 0 { [k, n] } else { [n, k] })].concat();
            add("batch_matmul", matmul::attrs(ta, tb), &[(&a, WIDE), (&b, WIDE)]);
        }
    }
    for (dims, axis) in [(&[17, 3, 5, 4][..], 3), (&[2, 3, 4, 33], 3), (&[2, 5, 3, 4], 2), (&[3, 2, 9], 2)] {
        add("softmax", Attrs::new().int("axis", axis), &[(dims, WIDE)]);
    }
    for dims in [&[1, 1][..], &[17, 10], &[3, 33], &[2, 1000], &[2, 5, 3, 4], &[17, 3, 1, 1], &[2, 4, 5]] {
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
    for (n, classes) in [(1, 1), (1, 10), (17, 10), (5, 33), (2, 1000)] {
        let labels = (&[n][..], Whole(classes as u32));
        for numbers in [WIDE, Ties, Between(-100.0, 100.0)] {
            for smoothing in [0.0, 0.1] {
                let attrs = Attrs::new().float("smoothing", smoothing);
                add("cross_entropy", attrs, &[(&[n, classes], numbers), labels]);
            }
            add("top1_correct", Attrs::new(), &[(&[n, classes], numbers), labels]);
            add("argmax", Attrs::new(), &[(&[n, classes], numbers)]);
        }
        add("one_hot", Attrs::new().int("classes", classes as i64), &[labels]);
        // Classes of pixels, some of which are none.
        add(
            "one_hot",
            Attrs::new().int("classes", classes as i64),
            &[(&[n, 3, 2], Whole(classes as u32 + 1))],
        );
    }
    for dims in [
        &[17, 3, 5, 4][..],
        &[2, 1, 1, 1],
        &[17, 5],
        &[1, 3, 4, 1],
        &[3, 9, 33],
        &[2, 2, 71, 70],
        &[3, 8, 5, 4],
        &[5, 44],
    ] {
        let (input, channels) = ((dims, WIDE), (&dims[1..2], WIDE));
        let pair = [2, dims[1]];
        add("moments", Attrs::new(), &[input]);
        for row in [0, 1] {
            let attrs = Attrs::new().int("row", row).float("keep", 0.9).float("take", 0.2);
            add("running_moment", attrs, &[channels, (&pair, WIDE)]);
        }
        let moments = (&pair[..], POSITIVE);
        for kind in ["batch", "running"] {
            let attrs = Attrs::new().float("epsilon", 1e-5).text("statistics", kind);
            add("batch_norm", attrs.clone(), &[input, moments, channels, channels]);
            add("batch_norm", attrs.clone(), &[input, moments, channels, channels, input]);
            for activation in ["relu", "relu6"] {
                let attrs = attrs.clone().text("activation", activation);
                let result = (dims, Between(-3.0, 9.0));
                add("batch_norm", attrs.clone(), &[input, moments, channels, channels]);
                add("batch_norm", attrs.clone(), &[input, moments, channels, channels, input]);
                add("batch_norm_grad_sums", attrs.clone(), &[input, input, moments, result]);
                let attrs = attrs.int("count", 100);
                let inputs = [input, input, moments, channels, (&pair, WIDE), result];
                add("batch_norm_grad_input", attrs, &inputs);
            }
        }
        let image: usize = dims[1..].iter().product();
        for parts in [1, dims[1]].into_iter().filter(|parts| image > *parts) {
            add("standardize", Attrs::new().int("parts", parts as i64).float("epsilon", 1e-5), &[input]);
        }
    }
    // Sums of so many numbers that they are made of many parts.
    let large = (&[3, 2, 150, 160][..], WIDE);
    let moments = (&[2, 2][..], POSITIVE);
    add("moments", Attrs::new(), &[large]);
    add("batch_norm_grad_sums", Attrs::new().float("epsilon", 1e-5), &[large, large, moments]);
    for (dims, p) in [(&[1][..], 0.5), (&[17, 3, 5], 0.3), (&[2, 2], 0.99), (&[5, 5], 0.0)] {
        let attrs = Attrs::new().ints("shape", dims).float("p", p).int("seed", 1 << 40).int("stream", 7);
        add("dropout_mask", attrs, &[(&[], Whole(1000))]);
    }
    cases
}

/// Ops with cases of their own that have no rule for a gradient.
const NO_GRADIENT: &[&str] =
    &["moments", "running_moment", "batch_norm_grad_sums", "batch_norm_grad_input", "pointwise"];
/// A program of ops on operands: `Ok(i)` is input `i`, `Err(i)` the result of step `i`.
fn program(steps: &[(&str, &[Result<usize, usize>])]) -> Program {
    let operand = |operand: &Result<usize, usize>| match *operand {
        Ok(input) => Operand::Input(input),
        Err(step) => Operand::Step(step),
    };
    let step = |(name, operands): &(&str, &[Result<usize, usize>])| Step {
        op: OPS.iter().copied().find(|op| op.name() == *name).unwrap(),
        attrs: Attrs::new().float("alpha", 0.3),
        operands: operands.iter().map(operand).collect(),
    };
    Program { steps: steps.iter().map(step).collect() }
}

/// Programs and the shapes of their inputs.
pub fn programs() -> Vec<(Program, Vec<&'static [usize]>)> {
    let swish = program(&[("sigmoid", &[Ok(0)]), ("multiply", &[Ok(0), Err(0)])]);
    // Several results live at once, one is read twice and one never.
    let tangle = program(&[
        ("add", &[Ok(0), Ok(1)]),
        ("multiply", &[Ok(0), Ok(2)]),
        ("square", &[Ok(1)]),
        ("subtract", &[Err(0), Err(1)]),
        ("tanh_grad", &[Err(3), Ok(2)]),
        ("divide", &[Err(0), Ok(1)]),
        ("leaky_relu", &[Err(4)]),
        ("add", &[Err(6), Err(5)]),
    ]);
    let mut step = program(&[("multiply", &[Ok(0), Ok(0)]), ("add", &[Ok(1), Err(0)])]);
    step.steps[0].operands[1] = Operand::number(-0.7);
    let wide: &[usize] = &[3, 5, 7, 11];
    let mut programs = vec![(swish.clone(), vec![&[][..]]), (swish.clone(), vec![&[1, 1]])];
    for dims in [&[17][..], wide, &[1030], &[70_000], &[3, 64, 8, 8]] {
        programs.push((swish.clone(), vec![dims]));
        programs.push((tangle.clone(), vec![dims, dims, dims]));
        programs.push((tangle.clone(), vec![dims, &[], &[1]]));
        programs.push((step.clone(), vec![dims, dims]));
    }
    // Runs that are filled, and runs that are read where they lie.
    let runs: [[&[usize]; 3]; 7] = [
        [wide, &[1, 5, 1, 1], &[3, 5, 1, 1]],
        [&[3, 1, 1, 1], wide, &[7, 11]],
        [&[2, 3, 20, 20], &[2, 3, 1, 1], &[1, 3, 1, 1]],
        [&[2, 3, 8, 8], &[1, 3, 1, 1], &[2, 1, 1, 1]],
        [&[5, 700], &[1, 700], &[5, 1]],
        [&[1, 300], &[300, 1], &[]],
        [&[9, 64], &[64], &[1, 64]],
    ];
    programs.extend(runs.map(|inputs| (tangle.clone(), inputs.to_vec())));
    programs
}

/// The op and, where it has a rule for it, the gradient of each input; all leaves are inputs.
pub fn graph(case: &Case) -> Result<(Graph, Vec<Value>, Value), Fault> {
    let mut builder = Builder::new();
    let inputs: Vec<Value> = case.inputs.iter().map(|(shape, _)| builder.input("x", shape)).collect();
    let output = builder.apply(case.op, case.attrs.clone(), &inputs)?;
    let shape = builder.shape(output).clone();
    let grad = builder.input("grad", &shape);
    let backward = Backward { attrs: &case.attrs, inputs: &inputs, output, grad };
    let is_fused = !case.attrs.get_text("activation").is_empty() || inputs.len() == 5;
    match case.op.gradient(&backward, &mut builder) {
        Ok(_) => {}
        Err(_) if is_fused && case.op.name() == "batch_norm" => {}
        Err(fault) if fault.message.contains("not differentiated") => {}
        Err(fault) => assert!(NO_GRADIENT.contains(&case.op.name()), "{}: {fault}", case.title()),
    }
    Ok((builder.finish(), inputs, grad))
}

/// The numbers of a leaf of a case's graph.
pub fn numbers_of(
    case: &Case,
    inputs: &[Value],
    grad: Value,
    value: Value,
    shape: &Shape,
) -> Option<Vec<f32>> {
    let numbers = match inputs.iter().position(|&input| input == value) {
        Some(i) => case.inputs[i].1,
        None if value == grad => WIDE,
        None => return None,
    };
    Some(numbers.draw(&value.index().to_string(), shape.elements()))
}
