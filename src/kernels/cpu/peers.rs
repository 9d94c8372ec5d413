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

    /// Begins an exchange that goes on while this process computes, until [`Peers::complete`]; others may be made meanwhile.
    ///
    /// # Errors
    /// As [`Peers::exchange`].
    fn begin(&self, memory: &[f32], filled: &Filled) -> Result<(), Fault>;

    /// Waits for the oldest exchange that was begun and is not complete; `filled` are ranges of the same lengths, in which this
    /// process's own numbers are put, too.
    ///
    /// # Errors
    /// As [`Peers::exchange`].
    fn complete(&self, memory: &mut [f32], filled: &Filled) -> Result<(), Fault>;
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
        let all = self.bytes(own.as_bytes())?;
        Ok(all.into_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect())
    }

    /// The bytes that the processes give, by their numbers.
    pub fn bytes(&self, own: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
        let Rank { number, n } = self.rank();
        let mut lens = vec![0.0; 2 * n];
        lens[2 * number] = (own.len() % ONE_NUMBER) as f32;
        lens[2 * number + 1] = (own.len() / ONE_NUMBER) as f32;
        self.exchange(&mut lens, &one_after_another(&vec![2; n]))?;
        let len = |lens: &[f32]| lens[0] as usize + lens[1] as usize * ONE_NUMBER;
        let lens: Vec<usize> = lens.chunks(2).map(len).collect();
        let filled =
            one_after_another(&lens.iter().map(|len| len.div_ceil(BYTES_A_NUMBER)).collect::<Vec<_>>());
        let range = |number: usize| filled[number].iter().fold(0..0, |_, range| range.clone());
        let mut all = vec![0.0; filled.iter().flatten().map(Range::len).sum()];
        for (out, bytes) in all[range(number)].iter_mut().zip(own.chunks(BYTES_A_NUMBER)) {
            *out = bytes.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte)) as f32;
        }
        self.exchange(&mut all, &filled)?;
        let bytes = |number: &f32| (*number as u32).to_le_bytes().into_iter().take(BYTES_A_NUMBER);
        let of = |number: usize| all[range(number)].iter().flat_map(bytes).take(lens[number]).collect();
        Ok((0..n).map(of).collect())
    }

    /// Does `n` pieces of work, each in one process: `work` makes something of a piece, and `take` gets what has become of all
    /// pieces, in their order and in every process.
    pub fn share<E: From<Fault>>(
        &self,
        n: usize,
        mut work: impl FnMut(usize) -> Result<Vec<u8>, E>,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let rank = self.rank();
        let block = n.div_ceil(rank.n).min(MOST_AT_ONCE);
        let mut begin = 0;
        while begin < n {
            let range = |number: usize| {
                let first = |number: usize| (begin + number * block).min(n);
                first(number)..first(number + 1)
            };
            let mut own = Vec::new();
            for piece in range(rank.number) {
                let made = work(piece)?;
                own.extend((made.len() as u64).to_le_bytes());
                own.extend(made);
            }
            for (number, made) in self.bytes(&own)?.iter().enumerate() {
                let mut rest = made.as_slice();
                for _ in range(number) {
                    let cut = || Fault::internal("a piece of work was cut off on its way");
                    let (len, behind) = rest.split_first_chunk().ok_or_else(cut)?;
                    let (piece, behind) =
                        behind.split_at_checked(u64::from_le_bytes(*len) as usize).ok_or_else(cut)?;
                    take(piece)?;
                    rest = behind;
                }
            }
            begin += rank.n * block;
        }
        Ok(())
    }
}

/// All whole numbers below this one are exact in an `f32`,
const ONE_NUMBER: usize = 1 << f32::MANTISSA_DIGITS;
/// so that it holds these bytes.
const BYTES_A_NUMBER: usize = 3;
/// Pieces of work that a process does before it tells the others what has become of them.
const MOST_AT_ONCE: usize = 16;

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
