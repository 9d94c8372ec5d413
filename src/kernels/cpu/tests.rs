//! Kernels written over [`Simd`](super::simd::Simd): the same numbers at every level and from slices of a batch, and
//! what a NaN does to a pooling.

use crate::graph::attrs::Attrs;
use crate::kernels::cpu::conv::tests::{level_lock, levels, random};
use crate::kernels::cpu::simd::{Level, limit_level};
use crate::kernels::cpu::team::Team;
use crate::kernels::cpu::{Call, Prepared, find};
use crate::ops::{OPS, matmul};
use crate::shape::Shape;

/// A value's shape and numbers.
type Filled = (Shape, Vec<f32>);

/// Runs a kernel on whole values; what memory held before is NaN.
fn run(op: &str, attrs: &Attrs, inputs: &[Filled]) -> Vec<f32> {
    let shapes: Vec<&Shape> = inputs.iter().map(|(shape, _)| shape).collect();
    let output = OPS.iter().find(|own| own.name() == op).unwrap().shape(attrs, &shapes).unwrap();
    let kernel = find(op).unwrap()(attrs, &shapes, &output).unwrap();
    let (mut numbers, mut memory) = (vec![f32::NAN; output.elements()], vec![f32::NAN; kernel.memory()]);
    let inputs: Vec<&[f32]> = inputs.iter().map(|(_, numbers)| numbers.as_slice()).collect();
    let mut packed = Vec::new();
    if let Some(pack) = &kernel.pack {
        packed.resize(pack.len, f32::NAN);
        (pack.run)(inputs[pack.operand], &mut packed);
    }
    kernel.call(&inputs, &packed, &mut numbers, &mut memory, &Team::ALONE);
    numbers
}

fn drawn(dims: &[usize], seed: u64) -> Filled {
    let shape = Shape::new(dims);
    let numbers = random(shape.elements(), seed);
    (shape, numbers)
}

fn window(kernel: usize, stride: usize, padding: usize) -> Attrs {
    Attrs::new().ints("kernel", [kernel; 2]).ints("stride", [stride; 2]).ints("padding", [padding; 4])
}

#[test]
fn every_level_computes_the_same() {
    let _lock = level_lock();
    let mut cases: Vec<(&str, Attrs, Vec<Filled>)> = Vec::new();
    for [m, k, n] in [[2, 70, 37], [8, 300, 33], [13, 9, 130]] {
        cases.push((
            "matmul",
            matmul::attrs(0, 1),
            vec![drawn(&[m, k], 1), drawn(&[n, k], 2), drawn(&[n], 3)],
        ));
        cases.push(("matmul", matmul::attrs(0, 0), vec![drawn(&[m, k], 1), drawn(&[k, n], 2)]));
        cases.push(("matmul", matmul::attrs(1, 0), vec![drawn(&[k, m], 1), drawn(&[k, n], 2)]));
    }
    for (size, attrs, out) in [
        ([9, 11], window(2, 2, 0), [4, 5]),
        ([20, 38], window(2, 2, 0), [10, 19]),
        ([20, 38], window(3, 2, 1), [10, 19]),
        ([7, 19], window(3, 1, 1), [7, 19]),
        ([10, 10], window(4, 3, 0), [3, 3]),
    ] {
        let (x, dy) = (drawn(&[2, 3, size[0], size[1]], 4), drawn(&[2, 3, out[0], out[1]], 5));
        let input = attrs.clone().ints("input", x.0.dims());
        cases.push(("max_pool2d", attrs.clone(), vec![x.clone()]));
        cases.push(("max_pool2d_grad", attrs.clone(), vec![x.clone(), dy.clone()]));
        cases.push(("avg_pool2d", attrs, vec![x]));
        cases.push(("avg_pool2d_grad", input, vec![dy]));
    }
    for axes in [&[0][..], &[0, 2, 3], &[2, 3]] {
        cases.push(("reduce_sum", Attrs::new().ints("axes", axes), vec![drawn(&[3, 5, 9, 11], 6)]));
    }
    let label = (Shape::from([3]), vec![0.0, 4.0, 36.0]);
    let logits = || drawn(&[3, 37], 7);
    cases.push(("softmax", Attrs::new(), vec![logits()]));
    cases.push(("log_softmax", Attrs::new(), vec![logits()]));
    cases.push(("cross_entropy", Attrs::new(), vec![logits(), label.clone()]));
    cases.push(("cross_entropy_grad", Attrs::new(), vec![logits(), label, drawn(&[3], 8)]));
    for (op, attrs, inputs) in &cases {
        limit_level(Level::Portable);
        let expected = run(op, attrs, inputs);
        for level in levels() {
            limit_level(level);
            let actual = run(op, attrs, inputs);
            let gap = expected.iter().zip(&actual).fold(0.0, |gap: f32, (a, b)| {
                let gap_here = (a - b).abs();
                if gap_here > gap || gap_here.is_nan() { gap_here } else { gap }
            });
            assert!(gap < 2e-5, "{op} {attrs} of {} at {level:?}: {gap}", inputs[0].0);
        }
    }
}

/// Prepares a kernel for the first `n` images of values that all begin with the batch, and gives the output's length.
fn prepare(op: &str, attrs: &Attrs, inputs: &[Filled], batched: &[bool], n: usize) -> (Prepared, usize) {
    let slice = |((shape, _), batched): (&Filled, &bool)| {
        let mut shape = shape.clone();
        if *batched {
            shape.0[0] = n;
        }
        shape
    };
    let shapes: Vec<Shape> = inputs.iter().zip(batched).map(slice).collect();
    let shapes: Vec<&Shape> = shapes.iter().collect();
    let output = OPS.iter().find(|own| own.name() == op).unwrap().shape(attrs, &shapes).unwrap();
    (find(op).unwrap()(attrs, &shapes, &output).unwrap(), output.elements())
}

#[test]
fn slices_of_a_batch_give_what_the_whole_gives() {
    let _lock = level_lock();
    let axes = |axes: &[usize]| Attrs::new().ints("axes", axes);
    let (x, dy, image) = (drawn(&[13, 40], 1), drawn(&[13, 21], 2), drawn(&[13, 3, 8, 6], 3));
    let cases = [
        (
            "matmul",
            matmul::attrs(0, 1),
            vec![x.clone(), drawn(&[21, 40], 4), drawn(&[21], 5)],
            [true, false, false],
        ),
        ("matmul", matmul::attrs(0, 0), vec![dy.clone(), drawn(&[21, 40], 4)], [true, false, false]),
        ("matmul", matmul::attrs(1, 0), vec![dy, x], [true, true, false]),
        ("reduce_sum", axes(&[0, 2, 3]), vec![image.clone()], [true, false, false]),
        ("reduce_sum", axes(&[2, 3]), vec![image.clone()], [true, false, false]),
        ("max_pool2d", window(2, 2, 0), vec![image], [true, false, false]),
    ];
    for (op, attrs, inputs, batched) in &cases {
        let whole = run(op, attrs, inputs);
        let (mut sliced, mut partials, mut finish) = (Vec::new(), Vec::new(), None);
        for (first, n) in [(0, 6), (6, 6), (12, 1)] {
            let (kernel, len) = prepare(op, attrs, inputs, batched, n);
            let operands: Vec<&[f32]> = inputs
                .iter()
                .zip(batched)
                .map(|((shape, numbers), batched)| {
                    let row = numbers.len() / shape.dims()[0];
                    if *batched { &numbers[first * row..][..n * row] } else { &numbers[..] }
                })
                .collect();
            let mut packed = vec![f32::NAN; kernel.pack.as_ref().map_or(0, |pack| pack.len)];
            if let Some(pack) = &kernel.pack {
                (pack.run)(operands[pack.operand], &mut packed);
            }
            let mut scratch = vec![f32::NAN; kernel.scratch];
            let mut output = match &kernel.sum {
                Some(sum) => vec![0.0; sum.len],
                None => vec![f32::NAN; len],
            };
            let call = Call {
                inputs: &operands,
                output: &mut output,
                scratch: &mut scratch,
                packed: &packed,
                first,
                team: &Team::ALONE,
            };
            (kernel.run)(call);
            match kernel.sum {
                Some(sum) => {
                    partials.extend(output);
                    finish = Some(sum.finish);
                }
                None => sliced.extend(output),
            }
        }
        if let Some(finish) = finish {
            sliced = vec![f32::NAN; whole.len()];
            finish(&partials, &mut sliced);
        }
        assert_eq!(whole.len(), sliced.len());
        let is_near = whole.iter().zip(&sliced).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(is_near, "{op} {attrs}");
    }
}

#[test]
fn a_nan_is_the_largest_number_of_its_window() {
    let _lock = level_lock();
    for level in levels() {
        limit_level(level);
        for attrs in [window(2, 2, 0), window(3, 3, 0)] {
            let stride = attrs.get_ints("stride")[0];
            for place in 0..stride * stride {
                let (shape, mut x) = drawn(&[1, 1, 18, 18], 9);
                // In the second window of the second row.
                let at = (stride + place / stride) * 18 + stride + place % stride;
                x[at] = f32::NAN;
                let n = 18 / stride;
                let y = run("max_pool2d", &attrs, &[(shape.clone(), x.clone())]);
                assert!(
                    y.iter().enumerate().all(|(i, y)| y.is_nan() == (i == n + 1)),
                    "{attrs} {place} {level:?}"
                );
                let dy = (Shape::from([1, 1, n, n]), vec![1.0; n * n]);
                let dx = run("max_pool2d_grad", &attrs, &[(shape, x), dy]);
                assert_eq!(
                    (dx[at], dx.iter().sum::<f32>()),
                    (1.0, (n * n) as f32),
                    "{attrs} {place} {level:?}"
                );
            }
        }
    }
}
