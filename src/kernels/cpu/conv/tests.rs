//! Every algorithm against a plain loop nest, over odd shapes.

use super::*;
use crate::kernels::cpu::simd::{Level, limit_level};

/// Numbers in -1..1 that depend on the seed only.
pub(crate) fn random(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Calls `f(x index, weight index, y index)` for every product of one image's convolution.
fn products(s: &Shape, mut f: impl FnMut(usize, usize, usize)) {
    let (inputs, outputs) = (s.inputs / s.groups, s.outputs / s.groups);
    let [out_h, out_w] = s.output();
    for o in 0..s.outputs {
        for oh in 0..out_h {
            for ow in 0..out_w {
                for c in 0..inputs {
                    for i in 0..s.kernel[0] {
                        for j in 0..s.kernel[1] {
                            let h = (oh * s.stride[0] + i * s.dilation[0]).wrapping_sub(s.padding[0]);
                            let w = (ow * s.stride[1] + j * s.dilation[1]).wrapping_sub(s.padding[1]);
                            if h < s.size[0] && w < s.size[1] {
                                let x = ((o / outputs * inputs + c) * s.size[0] + h) * s.size[1] + w;
                                let weight = ((o * inputs + c) * s.kernel[0] + i) * s.kernel[1] + j;
                                f(x, weight, (o * out_h + oh) * out_w + ow);
                            }
                        }
                    }
                }
            }
        }
    }
}

struct Case {
    x: Vec<f32>,
    w: Vec<f32>,
    bias: Vec<f32>,
    dy: Vec<f32>,
    y: Vec<f32>,
    dx: Vec<f32>,
    dw: Vec<f32>,
}

fn case(s: &Shape, n: usize) -> Case {
    let (x, w) = (random(n * s.input_len(), 1), random(s.weights_len(), 2));
    let (bias, dy) = (random(s.outputs, 3), random(n * s.output_len(), 4));
    let (il, ol) = (s.input_len(), s.output_len());
    let plane = ol / s.outputs;
    let mut y: Vec<f64> = (0..n * ol).map(|i| f64::from(bias[i % ol / plane])).collect();
    let (mut dx, mut dw) = (vec![0.0f64; n * il], vec![0.0f64; w.len()]);
    for image in 0..n {
        products(s, |xi, wi, yi| {
            let (xi, yi) = (xi + image * il, yi + image * ol);
            y[yi] += f64::from(x[xi]) * f64::from(w[wi]);
            dx[xi] += f64::from(dy[yi]) * f64::from(w[wi]);
            dw[wi] += f64::from(dy[yi]) * f64::from(x[xi]);
        });
    }
    let single = |v: Vec<f64>| v.into_iter().map(|v| v as f32).collect();
    Case { x, w, bias, dy, y: single(y), dx: single(dx), dw: single(dw) }
}

pub(crate) fn close(what: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{what}");
    let most = want.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * most, "{what}: value {i} is {g}, wants {w} (largest {most})");
    }
}

fn shapes() -> Vec<Shape> {
    let mut shapes = vec![
        Shape::new(1, 1, [1, 1], 1, 0),
        Shape::new(1, 32, [28, 28], 3, 0),
        Shape::new(3, 5, [9, 7], 3, 1),
        Shape::new(32, 20, [13, 13], 3, 0),
        Shape::new(6, 16, [14, 14], 5, 0),
        Shape::new(1, 6, [28, 28], 5, 2),
        Shape::new(8, 9, [4, 4], 3, 1),
        Shape::new(17, 11, [2, 2], 3, 1),
        Shape::new(5, 7, [6, 11], 1, 0),
        Shape::new(4, 4, [5, 3], 1, 2),
        Shape::new(16, 8, [1, 9], 1, 0),
        Shape::new(4, 6, [32, 32], 3, 1).stride(2),
        Shape::new(3, 4, [15, 10], 1, 0).stride(2),
        Shape::new(2, 3, [13, 17], 3, 1).stride(3),
        Shape::new(2, 3, [13, 17], 5, 2).stride(4),
        Shape::new(12, 18, [7, 8], 3, 1).groups(3),
        Shape::new(6, 6, [9, 9], 3, 1).groups(6),
        Shape::new(6, 6, [9, 10], 3, 1).groups(6).stride(2),
        Shape::new(6, 12, [9, 9], 3, 1).groups(6),
    ];
    let base = Shape::new(3, 4, [11, 9], 3, 1);
    shapes.extend([
        Shape { dilation: [2, 3], ..base },
        Shape { dilation: [2, 2], stride: [2, 3], ..base },
        Shape { dilation: [3, 1], stride: [2, 1], padding: [3, 0, 2, 1], ..base },
        Shape { padding: [1, 0, 0, 0], ..base },
        Shape { padding: [0, 2, 0, 0], ..base },
        Shape { padding: [0, 0, 3, 0], ..base },
        Shape { padding: [0, 0, 0, 1], stride: [1, 2], ..base },
        Shape { padding: [5, 4, 3, 6], ..base },
        Shape { kernel: [1, 4], ..base },
        Shape { kernel: [3, 2], padding: [1, 1, 0, 0], ..base },
        Shape { kernel: [11, 9], padding: [0; 4], ..base },
        Shape { kernel: [2, 2], stride: [3, 3], padding: [0; 4], ..base },
    ]);
    shapes
}

/// Serialises tests that change the level.
pub(crate) fn level_lock() -> std::sync::MutexGuard<'static, ()> {
    static LOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) fn levels() -> [Level; 3] {
    [Level::Portable, Level::Avx2, Level::Avx512]
}

/// A guard against writes past the end: a buffer of NaN, longer than asked.
fn scratch(len: usize) -> Vec<f32> {
    vec![f32::NAN; len]
}

#[test]
fn direct_agrees_with_the_loop_nest() {
    let _lock = level_lock();
    for s in shapes() {
        for n in [1, 3, 17] {
            let want = case(&s, n);
            for level in levels() {
                limit_level(level);
                let what = format!("{s:?} × {n} {level:?}");
                let conv = Direct::new(&s);
                let mut packed = scratch(conv.packed_forward_len());
                conv.pack_forward(&want.w, &mut packed);
                let mut y = scratch(want.y.len());
                let mut buffer = scratch(conv.forward_scratch_len(n));
                let bias = Some(want.bias.as_slice());
                conv.forward(n, &want.x, &packed, bias, Activation::Identity, &mut y, &mut buffer);
                close(&format!("y {what}"), &y, &want.y, 1e-5);
                conv.forward(n, &want.x, &packed, bias, Activation::Relu, &mut y, &mut buffer);
                let relu: Vec<f32> = want.y.iter().map(|v| v.max(0.0)).collect();
                close(&format!("relu {what}"), &y, &relu, 1e-5);
                let mut packed = scratch(conv.packed_input_len());
                conv.pack_input(&want.w, &mut packed);
                let mut dx = scratch(want.dx.len());
                let mut buffer = scratch(conv.input_gradient_scratch_len(n));
                conv.input_gradient(n, &want.dy, &packed, &mut dx, &mut buffer);
                close(&format!("dx {what}"), &dx, &want.dx, 1e-5);
                let mut dw = vec![1.0; want.dw.len()];
                let mut buffer = scratch(conv.weight_gradient_scratch_len(n));
                let mut sums = vec![0.0; conv.weight_sums_len()];
                // In two calls, as the images of a part come.
                for part in [0..n / 2, n / 2..n] {
                    let x = &want.x[part.start * want.x.len() / n..part.end * want.x.len() / n];
                    let dy = &want.dy[part.start * want.dy.len() / n..part.end * want.dy.len() / n];
                    conv.weight_gradient(part.len(), x, dy, &mut sums, &mut buffer);
                }
                conv.add_weight_sums(&sums, &mut dw);
                let plus: Vec<f32> = want.dw.iter().map(|v| v + 1.0).collect();
                close(&format!("dw {what}"), &dw, &plus, 1e-5);
            }
        }
    }
}

#[test]
fn winograd_agrees_with_the_loop_nest() {
    let _lock = level_lock();
    let base = Shape::new(3, 4, [11, 9], 3, 1);
    let more = [
        Shape { padding: [4, 3, 2, 5], ..base },
        Shape { padding: [2, 0, 1, 2], size: [1, 5], ..base },
        Shape::new(16, 16, [32, 32], 3, 1),
        Shape::new(10, 21, [5, 19], 3, 0),
        Shape::new(24, 8, [14, 8], 3, 2),
        Shape::new(64, 72, [4, 4], 3, 1),
        Shape::new(128, 32, [2, 2], 3, 1),
    ];
    for s in shapes().into_iter().chain(more).filter(Winograd::supports) {
        for n in [1, 3, 17] {
            let want = case(&s, n);
            for (tile, tolerance) in [(Tile::Two, 1e-5), (Tile::Four, 5e-5)] {
                for level in levels() {
                    limit_level(level);
                    let what = format!("{s:?} × {n} {tile:?} {level:?}");
                    let conv = Winograd::new(&s, tile);
                    let mut packed = scratch(conv.packed_forward_len());
                    conv.pack_forward(&want.w, &mut packed);
                    let mut y = scratch(want.y.len());
                    let mut buffer = scratch(conv.forward_scratch_len(n));
                    let bias = Some(want.bias.as_slice());
                    conv.forward(n, &want.x, &packed, bias, Activation::Relu, &mut y, &mut buffer);
                    let relu: Vec<f32> = want.y.iter().map(|v| v.max(0.0)).collect();
                    close(&format!("y {what}"), &y, &relu, tolerance);
                    let mut packed = scratch(conv.packed_input_len());
                    conv.pack_input(&want.w, &mut packed);
                    let (mut dx, mut dw) = (scratch(want.dx.len()), vec![1.0; want.dw.len()]);
                    let plus: Vec<f32> = want.dw.iter().map(|v| v + 1.0).collect();
                    let mut buffer = scratch(conv.backward_scratch_len(n, true));
                    let weights = Some((want.x.as_slice(), dw.as_mut_slice()));
                    let input = Some((packed.as_slice(), dx.as_mut_slice()));
                    conv.backward(n, &want.dy, input, weights, &mut buffer);
                    close(&format!("dx {what}"), &dx, &want.dx, tolerance);
                    close(&format!("dw {what}"), &dw, &plus, tolerance);
                }
            }
        }
    }
}

#[test]
fn depthwise_agrees_with_the_loop_nest() {
    let _lock = level_lock();
    let base = Shape::new(6, 6, [9, 10], 3, 1).groups(6);
    let mut all = vec![
        base,
        base.stride(2),
        Shape::new(3, 3, [32, 32], 3, 1).groups(3),
        Shape::new(3, 3, [33, 31], 3, 1).groups(3).stride(2),
        Shape::new(2, 2, [12, 20], 5, 2).groups(2),
        Shape::new(2, 2, [12, 20], 5, 2).groups(2).stride(3),
        Shape::new(5, 5, [1, 1], 1, 0).groups(5),
        Shape { dilation: [2, 1], padding: [0, 1, 2, 0], ..base },
    ];
    all.push(Shape { padding: [0, 1, 0, 1], ..base.stride(2) });
    for s in all {
        for n in [1, 17] {
            let want = case(&s, n);
            for level in levels() {
                limit_level(level);
                let what = format!("{s:?} × {n} {level:?}");
                let conv = Depthwise::new(&s);
                let (mut y, mut dx, mut dw) =
                    (scratch(want.y.len()), scratch(want.dx.len()), vec![1.0; want.dw.len()]);
                let bias = Some(want.bias.as_slice());
                let mut buffer = scratch(conv.scratch_len());
                conv.forward(n, &want.x, &want.w, bias, Activation::Identity, &mut y, &mut buffer);
                close(&format!("y {what}"), &y, &want.y, 1e-5);
                let mut buffer = scratch(conv.scratch_len());
                conv.input_gradient(n, &want.dy, &want.w, &mut dx, &mut buffer);
                close(&format!("dx {what}"), &dx, &want.dx, 1e-5);
                let mut buffer = scratch(conv.scratch_len());
                conv.weight_gradient(n, &want.x, &want.dy, &mut dw, &mut buffer);
                let plus: Vec<f32> = want.dw.iter().map(|v| v + 1.0).collect();
                close(&format!("dw {what}"), &dw, &plus, 1e-5);
            }
        }
    }
}

#[test]
fn every_plan_agrees_with_the_loop_nest() {
    let _lock = level_lock();
    let more = [
        Shape::new(16, 16, [32, 32], 3, 1),
        Shape::new(32, 64, [13, 13], 3, 0),
        Shape::new(64, 64, [2, 2], 3, 1),
        Shape::new(8, 8, [12, 12], 3, 1).groups(8),
    ];
    let depthwise = |size| Shape::new(3, 3, size, 3, 1).groups(3);
    // One band and several, rows shorter and longer than a vector and than two.
    let rows = [[1, 1], [8, 8], [2, 3], [7, 7], [16, 16], [9, 33], [5, 17], [60, 64], [200, 5], [40, 120]]
        .into_iter()
        .flat_map(|size| [depthwise(size), depthwise(size).stride(2)]);
    let margins = [[0, 0, 0, 0], [2, 2, 2, 2], [0, 1, 2, 0], [2, 0, 0, 1], [0, 2, 1, 2]]
        .into_iter()
        .flat_map(|padding| {
            [[10, 11], [19, 34]]
                .map(|size| Shape { padding, ..depthwise(size) })
                .into_iter()
                .flat_map(|s| [s, s.stride(2)])
        });
    // Pixels that fill panels, that do not, and maps of one pixel.
    let pointwise =
        [(7, 13, [4, 4]), (32, 6, [8, 8]), (5, 1, [7, 7]), (1, 8, [1, 1]), (65, 12, [3, 1]), (3, 70, [5, 9])]
            .map(|(inputs, outputs, size)| Shape::new(inputs, outputs, size, 1, 0));
    let all = shapes().into_iter().chain(more).chain(rows).chain(margins).chain(pointwise);
    for s in all {
        for n in [1, 5, 17] {
            let want = case(&s, n);
            for level in levels() {
                limit_level(level);
                let what = format!("{s:?} × {n} {:?} {level:?}", plan(&s, n, Purpose::Training));
                let conv = Conv::new(&s, n, Purpose::Training);
                let mut packed = scratch(conv.packed_forward_len());
                conv.pack_forward(&want.w, &mut packed);
                let mut y = scratch(want.y.len());
                let mut buffer = scratch(conv.forward_scratch_len(n));
                conv.forward(
                    n,
                    &want.x,
                    &packed,
                    Some(&want.bias),
                    Activation::Identity,
                    &mut y,
                    &mut buffer,
                );
                close(&format!("y {what}"), &y, &want.y, 5e-5);
                let mut packed = scratch(conv.packed_input_len());
                conv.pack_input(&want.w, &mut packed);
                let (mut dx, mut dw) = (scratch(want.dx.len()), vec![0.0; want.dw.len()]);
                let mut buffer = scratch(conv.backward_scratch_len(n));
                let mut sums = vec![0.0; conv.weight_sums_len()];
                let weights = Some((want.x.as_slice(), sums.as_mut_slice()));
                conv.backward(n, &want.dy, Some((&packed, &mut dx)), weights, &mut buffer);
                conv.add_weight_sums(&sums, &mut dw);
                close(&format!("dx {what}"), &dx, &want.dx, 5e-5);
                close(&format!("dw {what}"), &dw, &want.dw, 5e-5);
            }
        }
    }
}

#[test]
fn plans_are_what_was_measured() {
    use Purpose::{Inference, Training};
    let plan_of = |i, o, size: usize, n, purpose| plan(&Shape::new(i, o, [size; 2], 3, 1), n, purpose);
    assert_eq!(plan_of(1, 32, 28, 16, Training), Algorithm::Direct);
    assert_eq!(plan_of(3, 64, 32, 16, Training), Algorithm::Direct);
    assert_eq!(plan_of(16, 16, 32, 16, Training), Algorithm::Winograd(Tile::Four));
    assert_eq!(plan_of(512, 512, 4, 64, Training), Algorithm::Winograd(Tile::Four));
    assert_eq!(plan_of(512, 512, 2, 64, Training), Algorithm::Winograd(Tile::Two));
    assert_eq!(plan_of(512, 512, 4, 1, Inference), Algorithm::Winograd(Tile::Two));
    assert_eq!(plan(&Shape::new(8, 8, [12, 12], 3, 1).groups(8), 1, Training), Algorithm::Depthwise);
}
