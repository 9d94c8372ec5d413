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

/// Units in the last place between a result and the truth.
fn units(result: f32, truth: f64) -> f64 {
    let rounded = (truth as f32).abs();
    let unit = f64::from(rounded.to_bits().max(1)).min(f64::from(f32::MAX.to_bits()));
    let unit = f64::from(f32::from_bits(unit as u32)) - f64::from(f32::from_bits(unit as u32 - 1));
    (f64::from(result) - truth).abs() / unit
}

/// Runs `$check::<S>` for every kind of vector that this CPU has.
macro_rules! on_all_vectors {
    ($check:ident) => {
        // SAFETY: each kind is asked for where it is there.
        unsafe {
            $check::<Portable>();
            #[cfg(target_arch = "x86_64")]
            {
                use crate::kernels::cpu::simd::{Avx2, Avx512};
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    $check::<Avx2>();
                }
                if is_x86_feature_detected!("avx512f") {
                    $check::<Avx512>();
                }
            }
        }
    };
}

/// One number through the vector form.
unsafe fn lane<S: Simd>(x: f32, f: impl Fn(S::V) -> S::V) -> f32 {
    let mut lanes = [f32::NAN; 16];
    // SAFETY: `S` is available, and no vector has more than 16 lanes.
    unsafe { S::store(lanes.as_mut_ptr(), f(S::splat(x))) };
    lanes[S::LANES - 1]
}

/// One of every 29,989 positive numbers, those that are not normal included, and all that are near 1.
fn positive() -> impl Iterator<Item = f32> {
    let near = (1.0f32.to_bits() - 3000)..(1.0f32.to_bits() + 3000);
    (1..f32::INFINITY.to_bits()).step_by(29_989).chain(near).map(f32::from_bits)
}

unsafe fn check_log<S: Simd>() {
    // SAFETY: `S` is available.
    let log = |x: f32| unsafe { lane::<S>(x, |x| Log.values::<S>(x, 0.0)) };
    for x in positive() {
        let (result, truth) = (log(x), f64::from(x).ln());
        assert!(units(result, truth) <= 2.0, "ln {x:e} = {truth}, not {result}");
    }
    assert_eq!(log(1.0).to_bits(), 0.0f32.to_bits());
    assert_eq!(log(f32::INFINITY), f32::INFINITY);
    for zero in [0.0, -0.0] {
        assert_eq!(log(zero), f32::NEG_INFINITY);
    }
    for no_number in [-1e-45, -1.0, f32::MIN, f32::NEG_INFINITY, f32::NAN] {
        assert!(log(no_number).is_nan(), "{no_number}");
    }
    // SAFETY: as above.
    let slope = |x: f32| unsafe { lane::<S>(x, |x| Log.slopes::<S>(x, 0.0)) };
    for x in [3.0, -0.7, 0.0, 1e-42, f32::INFINITY] {
        assert_eq!(slope(x), 1.0 / x);
    }
}

#[test]
fn the_logarithm_is_right_for_all_numbers() {
    on_all_vectors!(check_log);
}

unsafe fn check_power<S: Simd>() {
    // SAFETY: `S` is available.
    let power = |x: f32, a: f32| unsafe { lane::<S>(x, |x| Power.values::<S>(x, a)) };
    let mut n_usual = 0;
    for a in
        [0.75f32, -0.75, 0.5, -0.5, 1.0, -1.0, 2.0, 3.0, 0.1, -5.3, 17.5, 100.0, -99.9, 12345.6, 0.0, 1e-30]
    {
        for x in positive() {
            let (result, truth) = (power(x, a), f64::from(x).powf(f64::from(a)));
            if truth >= f64::from(f32::MAX) {
                assert!(result >= f32::MAX * 0.999_999, "{x:e}^{a} = {truth:e}, not {result:e}");
                continue;
            }
            // SAFETY: as above.
            n_usual += usize::from(unsafe { power::is_usual::<S>(S::splat(x), a) });
            assert!(units(result, truth) <= 3.0, "{x:e}^{a} = {truth:e}, not {result:e}");
        }
    }
    assert!(n_usual > 500_000, "{n_usual} by vectors");
    // What is no usual number is as the standard library has it.
    let odd = [0.0, -0.0, -1.0, -2.5, 1e-42, -1e-42, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1.0, 2.0];
    for x in odd {
        for a in odd.into_iter().chain([3.0, -3.0, 0.5, 1e7, -1e7]) {
            let (result, truth) = (power(x, a), x.powf(a));
            assert!(
                result.to_bits() == truth.to_bits()
                    || result.is_nan() && truth.is_nan()
                    || units(result, f64::from(truth)) <= 1.0,
                "{x}^{a} = {truth}, not {result}"
            );
        }
    }
    // SAFETY: as above.
    let slope = |x: f32, a: f32| unsafe { lane::<S>(x, |x| Power.slopes::<S>(x, a)) };
    for (x, a) in [(3.0f32, 0.75f32), (0.2, -0.75), (7.5, 2.0), (0.0, 2.0), (-2.0, 3.0)] {
        let truth = f64::from(a) * f64::from(x).powf(f64::from(a) - 1.0);
        assert!((f64::from(slope(x, a)) - truth).abs() <= 4e-7 * truth.abs(), "{x}, {a}");
    }
}

#[test]
fn powers_are_right_for_all_numbers() {
    on_all_vectors!(check_power);
}
