//! Two lists of numbers that should be the same but for rounding → how far they are apart.

use crate::diag::{Fault, codes};

/// Rounding at most, in parts of the largest number: a sum in another order, or folded factors.
pub const ROUNDING: f32 = 1e-4;

/// The largest difference in parts of the largest number that is expected; infinite where one is no number.
pub fn distance(expected: &[f32], found: &[f32]) -> f32 {
    if expected.len() != found.len() {
        return f32::INFINITY;
    }
    let scale = expected.iter().fold(1e-6f32, |scale, number| scale.max(number.abs()));
    let worst = expected.iter().zip(found).map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() / scale });
    worst.fold(0.0, |worst, gap| if gap.is_nan() { f32::INFINITY } else { f32::max(worst, gap) })
}

/// Refuses what is further apart than rounding explains. `what` says who computes otherwise.
pub fn same(expected: &[f32], found: &[f32], what: &str) -> Result<f32, Fault> {
    let distance = distance(expected, found);
    if distance <= ROUNDING {
        return Ok(distance);
    }
    Err(Fault::new(
        codes::EXCHANGE_OUT,
        format!("{what}: the outputs differ by {distance:.1e} of the largest number"),
    )
    .note(format!("rounding explains {ROUNDING:.0e} at most")))
}
