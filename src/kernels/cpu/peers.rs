//! Processes that share the work of a step: each computes its own parts of a batch, and they exchange what the others need.

use std::ops::Range;

use crate::diag::Fault;
use crate::kernels::cpu::N_TILES;

/// Ranges of a memory that each process has filled, by its number.
pub type Filled = Vec<Vec<Range<usize>>>;

/// The processes of a run, as one of them sees them.
pub trait Peers: Send + Sync {
    fn rank(&self) -> Rank;

    /// Each process has filled its own ranges of `memory`; after this call, which all make in the same order and with the same
    /// ranges, each has those of all.
    ///
    /// # Errors
    /// Others that do not answer any more.
    fn exchange(&self, memory: &mut [f32], filled: &Filled) -> Result<(), Fault>;
}

impl dyn Peers {
    /// Whether one of the processes says so; all ask at the same point.
    pub fn any(&self, flag: bool) -> Result<bool, Fault> {
        let Rank { number, n } = self.rank();
        let mut flags = vec![0.0; n];
        flags[number] = f32::from(u8::from(flag));
        self.exchange(&mut flags, &one_after_another(&vec![1; n]))?;
        Ok(flags.iter().any(|&flag| flag > 0.0))
    }

    /// The texts that the processes give, by their numbers.
    pub fn texts(&self, own: &str) -> Result<Vec<String>, Fault> {
        let Rank { number, n } = self.rank();
        // Exact in an f32, and no text of a run is longer.
        let len = own.len().min((1 << f32::MANTISSA_DIGITS) - 1);
        let mut lens = vec![0.0; n];
        lens[number] = len as f32;
        self.exchange(&mut lens, &one_after_another(&vec![1; n]))?;
        let filled = one_after_another(&lens.iter().map(|&len| len as usize).collect::<Vec<_>>());
        let range = |number: usize| filled[number].iter().fold(0..0, |_, range| range.clone());
        let mut all = vec![0.0; filled.iter().flatten().map(Range::len).sum()];
        all[range(number)].iter_mut().zip(own.bytes()).for_each(|(out, byte)| *out = f32::from(byte));
        self.exchange(&mut all, &filled)?;
        let bytes = |number: usize| all[range(number)].iter().map(|&byte| byte as u8).collect::<Vec<u8>>();
        Ok((0..n).map(|number| String::from_utf8_lossy(&bytes(number)).into_owned()).collect())
    }
}

/// A range of each of these lengths.
fn one_after_another(lens: &[usize]) -> Filled {
    let mut end = 0;
    let mut next = |len: usize| {
        end += len;
        end - len..end
    };
    lens.iter().map(|&len| vec![next(len)]).collect()
}

/// Which of how many processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    pub number: usize,
    pub n: usize,
}

impl Rank {
    /// The only process.
    pub const ALONE: Rank = Rank { number: 0, n: 1 };

    /// The parts of a batch that process `number` works on: neighbours, so that sums of groups are made where their parts are.
    pub fn parts(self, number: usize) -> Range<usize> {
        let first = |number: usize| number * N_TILES / self.n;
        first(number)..first(number + 1)
    }

    /// The process that works on a part.
    pub fn of(self, part: usize) -> usize {
        (0..self.n).find(|&number| self.parts(number).contains(&part)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Rank;
    use crate::kernels::cpu::N_TILES;

    #[test]
    fn every_part_is_worked_on_once() {
        for n in 1..=N_TILES {
            let rank = Rank { number: 0, n };
            let parts: Vec<usize> = (0..n).flat_map(|number| rank.parts(number)).collect();
            assert_eq!(parts, (0..N_TILES).collect::<Vec<_>>());
            assert!((0..n).all(|number| rank.parts(number).all(|part| rank.of(part) == number)));
        }
    }
}
