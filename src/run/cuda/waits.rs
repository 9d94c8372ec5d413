//! What each command of a sequence reads and writes → which earlier commands it waits for. Commands that do not meet in memory
//! may run at the same time, and give the same numbers as in their order.

use std::ops::Range;

/// The memory that a command may read and write, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    pub reads: Vec<Range<usize>>,
    pub writes: Vec<Range<usize>>,
}

impl Touched {
    /// What several commands touch together.
    pub fn of_all(all: impl IntoIterator<Item = Touched>) -> Touched {
        let mut whole = Touched::default();
        for Touched { reads, writes } in all {
            whole.reads.extend(reads);
            whole.writes.extend(writes);
        }
        whole
    }

    /// Whether one of both writes what the other touches.
    fn meets(&self, other: &Touched) -> bool {
        let meet = |some: &[Range<usize>], others: &[Range<usize>]| {
            some.iter().any(|a| others.iter().any(|b| a.start.max(b.start) < a.end.min(b.end)))
        };
        meet(&self.writes, &other.writes)
            || meet(&self.writes, &other.reads)
            || meet(&self.reads, &other.writes)
    }
}

/// For each command the numbers of the earlier ones that it waits for, the latest first, without those for which one of these
/// waits already.
pub fn waits(touched: &[Touched]) -> Vec<Vec<usize>> {
    let words = touched.len().div_ceil(64);
    // What is done when a command is, a bit each.
    let mut done: Vec<Vec<u64>> = Vec::with_capacity(touched.len());
    let mut waits = Vec::with_capacity(touched.len());
    for (number, own) in touched.iter().enumerate() {
        let mut before = vec![0u64; words];
        let mut direct = Vec::new();
        for earlier in (0..number).rev() {
            if before[earlier / 64] >> (earlier % 64) & 1 == 0 && own.meets(&touched[earlier]) {
                direct.push(earlier);
                before.iter_mut().zip(&done[earlier]).for_each(|(to, from)| *to |= from);
            }
        }
        before[number / 64] |= 1 << (number % 64);
        done.push(before);
        waits.push(direct);
    }
    waits
}

#[cfg(test)]
mod tests {
    use super::{Touched, waits};

    fn touched(reads: &[(usize, usize)], writes: &[(usize, usize)]) -> Touched {
        let ranges = |all: &[(usize, usize)]| all.iter().map(|&(from, to)| from..to).collect();
        Touched { reads: ranges(reads), writes: ranges(writes) }
    }

    #[test]
    fn a_command_waits_for_those_that_it_meets_and_for_none_twice() {
        let all = [
            touched(&[], &[(0, 10)]),          // a
            touched(&[(0, 10)], &[(10, 20)]),  // b, of a
            touched(&[(0, 5)], &[(20, 30)]),   // c, of a
            touched(&[(15, 25)], &[(30, 40)]), // d, of b and c, which have waited for a
            touched(&[], &[(4, 6)]),           // over a part of a: after b and c, which read it
            touched(&[(50, 60)], &[(60, 70)]), // alone
            touched(&[(5, 6)], &[(50, 51)]),   // reads the part, and writes what the last one reads
        ];
        let expected: [&[usize]; 7] = [&[], &[0], &[0], &[2, 1], &[2, 1], &[], &[5, 4]];
        assert_eq!(waits(&all), expected);
        assert_eq!(waits(&[]), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn a_long_sequence_waits_for_the_one_before_alone() {
        let all: Vec<Touched> = (0..200).map(|i| touched(&[(0, 1)], &[(i, i + 1), (0, 1)])).collect();
        let found = waits(&all);
        assert!(found[0].is_empty());
        assert!(found[1..].iter().enumerate().all(|(i, own)| own == &[i]));
    }
}
