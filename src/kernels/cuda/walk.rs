//! Axes of a value and an operand's steps along them → a walk as kernels take it, with axes merged where they can be.

use crate::diag::Fault;
use crate::kernels::cuda::launch::{Argument, Place, int};

/// The most axes of a walk behind merging: `MAX_AXES` of `common.cu`.
const MAX_AXES: usize = 8;

/// One axis: its extent and the steps of `N` operands along it.
pub type Axis<const N: usize> = (usize, [usize; N]);

/// Merges neighbours that all operands pass over as over one axis; axes of extent 1 vanish.
pub fn merged<const N: usize>(axes: impl IntoIterator<Item = Axis<N>>) -> Vec<Axis<N>> {
    let mut merged: Vec<Axis<N>> = Vec::new();
    for (extent, steps) in axes.into_iter().filter(|(extent, _)| *extent != 1) {
        match merged.last_mut() {
            Some((outer, own)) if (0..N).all(|k| own[k] == steps[k] * extent) => {
                *outer *= extent;
                *own = steps;
            }
            _ => merged.push((extent, steps)),
        }
    }
    merged
}

/// `struct Walk` of operand `k`.
pub fn argument<const N: usize>(axes: &[Axis<N>], k: usize) -> Result<Argument<Place>, Fault> {
    if axes.len() > MAX_AXES {
        return Err(Fault::internal(format!(
            "a GPU's kernel walks over {MAX_AXES} axes, not {}",
            axes.len()
        )));
    }
    let mut ints = vec![0; 1 + 4 * MAX_AXES];
    ints[0] = axes.len() as i32;
    for (i, (extent, steps)) in axes.iter().enumerate() {
        ints[1 + 3 * i..][..3].copy_from_slice(&divisor_words(*extent)?);
        ints[1 + 3 * MAX_AXES + i] = int(steps[k])?;
    }
    Ok(Argument::Ints(ints))
}

/// `struct Divisor`: a number to divide by.
pub fn divisor(number: usize) -> Result<Argument<Place>, Fault> {
    divisor_words(number).map(|words| Argument::Ints(words.to_vec()))
}

/// With a shift `s` of ⌈log₂ d⌉ and a factor `f` of ⌊2³² (2ˢ - d) / d⌋ + 1, `n / d` is `(⌊n f / 2³²⌋ + n) >> s` (Granlund and
/// Montgomery, "Division by invariant integers using multiplication", 1994, figure 4.1), which does not overflow for `n`
/// below 2³¹.
fn divisor_words(number: usize) -> Result<[i32; 3], Fault> {
    let d = u64::from(int(number.max(1))?.unsigned_abs());
    let shift = d.next_power_of_two().trailing_zeros();
    let factor = (((1u64 << shift) - d) << 32) / d + 1;
    Ok([d as i32, factor as u32 as i32, shift as i32])
}

/// The step of each axis of a value that lies row by row.
pub fn steps(dims: &[usize]) -> Vec<usize> {
    (0..dims.len()).map(|axis| dims[axis + 1..].iter().product()).collect()
}

#[cfg(test)]
mod tests {
    use super::{divisor_words, merged, steps};

    #[test]
    fn a_product_and_a_shift_divide() {
        let numbers =
            [1, 2, 3, 5, 7, 10, 49, 64, 784, 65_535, 65_537, 1 << 30, (1 << 30) + 1, i32::MAX as usize];
        for d in numbers {
            let [_, factor, shift] = divisor_words(d).unwrap();
            let multiples = numbers.iter().flat_map(|k| [d * k - 1, d * k, d * k + 1]);
            for n in multiples.chain(numbers).filter(|&n| n <= i32::MAX as usize) {
                let high = ((n as u64 * u64::from(factor as u32)) >> 32) as u32;
                let quotient = high.checked_add(n as u32).unwrap() >> shift;
                assert_eq!(quotient as usize, n / d, "{n} / {d}");
            }
        }
    }

    #[test]
    fn axes_that_run_on_are_one() {
        let dims = [2, 3, 1, 4];
        let own = steps(&dims);
        let axes = |other: [usize; 4]| merged((0..4).map(|i| (dims[i], [own[i], other[i]])));
        assert_eq!(steps(&dims), [12, 4, 4, 1]);
        assert_eq!(axes([12, 4, 4, 1]), [(24, [1, 1])]);
        assert_eq!(axes([0, 4, 4, 1]), [(2, [12, 0]), (12, [1, 1])]);
        assert_eq!(axes([0, 1, 0, 0]), [(2, [12, 0]), (3, [4, 1]), (4, [1, 0])]);
        assert_eq!(merged([(1, [5]), (1, [7])]), []);
    }
}
