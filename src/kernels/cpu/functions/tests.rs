//! Every vector form against the function computed in double precision, and at the ends of the numbers.

use super::*;
use crate::kernels::cpu::simd::Portable;
use crate::kernels::cpu::sweep::{Code, code, sweep};

/// From -110 to 110, finer around 0, and the numbers about which a function changes its form.
fn arguments() -> Vec<f32> {
    let coarse = (-1100..=1100).map(|i| i as f32 * 0.1);
    let fine = (-4000..=4000).map(|i| i as f32 * 2.1e-3);
    let tiny = (0..60).flat_map(|i| [2.0f32.powi(-i), -(2.0f32.powi(-i))]);
    coarse.chain(fine).chain(tiny).chain([0.624_99, 0.625_01, 20.0, -3.0, 3.0, -0.0]).collect()
}

fn logistic64(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `1 - erf` by its continued fraction, or the series of `erf` near 0.
fn erfc64(x: f64) -> f64 {
    let z = x.abs();
    let tail = match z < 2.0 {
        true => {
            let (mut term, mut sum) = (z, z);
            for n in 1..60 {
                term *= -z * z / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            1.0 - sum * std::f64::consts::FRAC_2_SQRT_PI
        }
        false => {
            let fraction = (1..80).rev().fold(z, |below, k| z + f64::from(k) / 2.0 / below);
            (-z * z).exp() / fraction * std::f64::consts::FRAC_2_SQRT_PI / 2.0
        }
    };
    if x < 0.0 { 2.0 - tail } else { tail }
}

fn normal64(x: f64) -> f64 {
    0.5 * erfc64(-x * std::f64::consts::FRAC_1_SQRT_2)
}

fn mish_slope64(x: f64) -> f64 {
    let t = x.exp().ln_1p().tanh();
    t + x * (1.0 - t * t) * logistic64(x)
}

/// Units in the last place between a result and the truth, with numbers too small for `f32` taken as 0 and
/// with differences below `floor` passed over.
fn worst(name: &str, floor: f64, truth: impl Fn(f64) -> f64) -> f64 {
    let arguments = arguments();
    let grads = vec![1.0; arguments.len()];
    let mut results = vec![f32::NAN; arguments.len()];
    sweep(code(name).unwrap(), 0.7, &arguments, &grads, &mut results);
    let mut worst = (0.0, 0.0);
    for (&x, &result) in arguments.iter().zip(&results) {
        let truth = truth(f64::from(x));
        let gap = (f64::from(result) - truth).abs();
        let unit = (truth.abs() * f64::from(f32::EPSILON)).max(1e-37);
        if gap > floor && gap / unit > worst.0 {
            worst = (gap / unit, x);
        }
    }
    assert!(worst.0.is_finite(), "{name} at {}", worst.1);
    worst.0
}

/// Name, units in the last place, floor, truth.
type Case = (&'static str, f64, f64, fn(f64) -> f64);

#[test]
fn functions_are_within_a_few_units_of_the_truth() {
    let cases: [Case; 12] = [
        ("tanh", 3.0, 0.0, f64::tanh),
        ("sigmoid", 4.0, 0.0, logistic64),
        ("silu", 5.0, 0.0, |x| x * logistic64(x)),
        ("elu", 4.0, 0.0, |x| if x > 0.0 { x } else { f64::from(0.7f32) * x.exp_m1() }),
        ("elu_grad", 4.0, 0.0, |x| if x > 0.0 { 1.0 } else { f64::from(0.7f32) * x.exp() }),
        ("selu", 4.0, 0.0, |x| f64::from(SCALE) * if x > 0.0 { x } else { f64::from(ALPHA) * x.exp_m1() }),
        ("softplus", 5.0, 0.0, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        ("softplus_grad", 4.0, 0.0, logistic64),
        // `e^x` of -87.34 and below counts as 0.
        ("mish", 6.0, 2e-36, |x| x * x.exp().ln_1p().tanh()),
        // Where the sum cancels the error is that of its parts.
        ("silu_grad", 6.0, 1e-7, |x| logistic64(x) * (1.0 + x * (1.0 - logistic64(x)))),
        ("mish_grad", 6.0, 3e-7, mish_slope64),
        ("gelu", 8.0, 4e-7, |x| x * normal64(x)),
    ];
    for (name, units, floor, truth) in cases {
        let worst = worst(name, floor, truth);
        assert!(worst <= units, "{name} is {worst} units off");
    }
    // The fit of the normal distribution is good to 1.2e-7 of itself; in the tail the exponent is rounded.
    let gap = worst("gelu", 2e-36, |x| x * normal64(x));
    assert!(gap < 200.0, "gelu is {gap} units off");
    let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let gap = worst("gelu_grad", 5e-7, |x| normal64(x) + x * density(x));
    assert!(gap <= 8.0, "gelu_grad is {gap} units off");
}

#[test]
fn the_ends_of_the_numbers_are_right() {
    let apply = |name: &str, x: f32| {
        let mut out = [0.0];
        sweep(code(name).unwrap(), 0.7, &[x], &[1.0], &mut out);
        out[0]
    };
    let infinity = f32::INFINITY;
    for (name, below, above) in [
        ("tanh", -1.0, 1.0),
        ("sigmoid", 0.0, 1.0),
        ("softplus", 0.0, infinity),
        ("softplus_grad", 0.0, 1.0),
        ("elu", -0.7, infinity),
        ("elu_grad", 0.0, 1.0),
        ("selu", -SCALE * ALPHA, infinity),
        ("relu", 0.0, infinity),
        ("relu6", 0.0, 6.0),
        ("hardsigmoid", 0.0, 1.0),
    ] {
        assert_eq!((apply(name, -infinity), apply(name, infinity)), (below, above), "{name}");
    }
    for name in ["silu", "gelu", "mish"] {
        assert_eq!((apply(name, -1e30).abs(), apply(name, 1e30)), (0.0, 1e30), "{name}");
    }
    assert_eq!(apply("mish_grad", 1e30), 1.0);
    for name in ["tanh", "sigmoid", "silu", "gelu", "mish", "elu", "selu", "softplus", "relu", "relu6", "log"]
    {
        assert!(apply(name, f32::NAN).is_nan(), "{name}");
        assert!(matches!(code(name), Some(Code::Value(_))));
    }
}

#[test]
fn exp_is_right_up_to_the_last_number() {
    let mut x = -87.33f32;
    while x < 88.72 {
        // SAFETY: the portable vectors need no feature.
        let lanes = unsafe { exp::<Portable>([x; 8]) };
        let truth = f64::from(x).exp();
        assert!((f64::from(lanes[0]) - truth).abs() < 3e-7 * truth, "{x}: {} {truth}", lanes[0]);
        x += 0.0137;
    }
    // SAFETY: as above.
    let ends =
        unsafe { exp::<Portable>([-88.0, 88.8, 0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, 1e9, -1e9]) };
    let infinity = f32::INFINITY;
    assert_eq!(ends, [0.0, infinity, 1.0, 1.0, infinity, 0.0, infinity, 0.0]);
}
