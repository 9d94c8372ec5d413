//! Lifetimes → offsets: blocks whose lifetimes overlap get disjoint memory, the others share it.

use std::ops::Range;

/// A piece of memory that is needed from step `start` to step `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Numbers.
    pub size: usize,
    pub start: usize,
    pub end: usize,
}

/// Numbers in a cache line; every block begins at one.
const LINE: usize = 16;

/// Rounds up to a cache line.
pub fn aligned(size: usize) -> usize {
    size.div_ceil(LINE) * LINE
}

/// Numbers of all blocks that may lie apart though they could share memory; the L2 of two cores.
const NEAR: usize = 2 << 20 >> 2;

/// An offset for each block, and the size of all, one after another; `None` if they would not stay near.
///
/// For threads that share the work on each value: who finds a block as it left it a step ago need not take its cache
/// lines from another core before it writes them.
pub fn place_apart(blocks: &[Block]) -> Option<(Vec<usize>, usize)> {
    let mut total = 0;
    let offsets = blocks.iter().map(|block| {
        total += aligned(block.size);
        total - aligned(block.size)
    });
    let offsets = offsets.collect();
    (total <= NEAR).then_some((offsets, total))
}

/// An offset for each block, and the size of all. Largest first, each at the lowest offset where nothing that
/// lives at the same time is in the way (greedy by size; Pisarchyk and Lee, 2020).
pub fn place(blocks: &[Block]) -> (Vec<usize>, usize) {
    let mut by_size: Vec<usize> = (0..blocks.len()).collect();
    by_size.sort_by_key(|&i| (std::cmp::Reverse(blocks[i].size), blocks[i].start, i));
    let mut offsets = vec![0; blocks.len()];
    let mut placed = Placed::default();
    let mut total = 0;
    for i in by_size {
        let size = aligned(blocks[i].size);
        let at = placed.lowest(blocks[i], size);
        offsets[i] = at;
        total = total.max(at + size);
        placed.add(blocks[i], at..at + size);
    }
    (offsets, total)
}

/// Blocks with a place, in the order of their offsets. They lie beside one another in memory: a block of a long network
/// is held against thousands.
#[derive(Default)]
struct Placed(Vec<(Range<usize>, Block)>);

impl Placed {
    /// The lowest offset where `size` numbers are free while `block` lives.
    fn lowest(&self, block: Block, size: usize) -> usize {
        let mut at = 0;
        for (taken, other) in &self.0 {
            if other.end < block.start || block.end < other.start {
                continue;
            }
            if taken.start >= at + size {
                break;
            }
            at = at.max(taken.end);
        }
        at
    }

    fn add(&mut self, block: Block, taken: Range<usize>) {
        let position = self.0.partition_point(|(other, _)| other.start <= taken.start);
        self.0.insert(position, (taken, block));
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, NEAR, aligned, place, place_apart};
    use crate::tensor::random::Random;

    #[test]
    fn blocks_that_live_together_never_share_memory() {
        for case in 0..200 {
            let mut random = Random::new(case, "blocks", 0);
            let blocks: Vec<Block> = (0..40)
                .map(|_| {
                    let start = random.below(30) as usize;
                    let end = start + random.below(8) as usize;
                    Block { size: 1 + random.below(200) as usize, start, end }
                })
                .collect();
            let (offsets, total) = place(&blocks);
            for i in 0..blocks.len() {
                assert!(offsets[i] + blocks[i].size <= total);
                for j in 0..i {
                    let together = blocks[i].start <= blocks[j].end && blocks[j].start <= blocks[i].end;
                    let apart = offsets[i] + blocks[i].size <= offsets[j]
                        || offsets[j] + blocks[j].size <= offsets[i];
                    assert!(!together || apart, "blocks {i} and {j} of case {case}");
                }
            }
            let busiest = (0..40).map(|step| {
                blocks
                    .iter()
                    .filter(|b| b.start <= step && step <= b.end)
                    .map(|b| aligned(b.size))
                    .sum::<usize>()
            });
            assert!(total >= busiest.max().unwrap_or(0));
        }
    }

    #[test]
    fn blocks_lie_apart_while_they_are_near() {
        let blocks = |size| [Block { size, start: 0, end: 0 }, Block { size: 1, start: 1, end: 1 }];
        assert_eq!(place_apart(&blocks(17)), Some((vec![0, 32], 48)));
        assert_eq!(place_apart(&blocks(NEAR)), None);
        assert_eq!(place(&blocks(17)), (vec![0, 0], 32));
    }
}
