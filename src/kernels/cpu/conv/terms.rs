//! The terms of a sum of shifted planes: their order, and which of them a run of outputs needs.
//!
//! A tap reads rows of padding for the outputs near an edge, and adds zeros there. Where that is much of the sum, as
//! in the input gradient of a large kernel on a small map, terms are ordered by the rows they meet, so that those
//! which a run needs lie together and the others are left out.

use std::ops::Range;

use super::planes::{Planes, Runs, Tap};

/// Terms are left out where at least one of so many would be.
const WORTH: usize = 16;

/// Every channel's taps.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// Where each reads, relative to an output's position.
    pub(super) offsets: Vec<u32>,
    /// Channel and kernel entry of each one's weight.
    pub(super) weights: Vec<(usize, usize)>,
    /// The terms that each run needs.
    pub(super) spans: Vec<Range<u32>>,
}

impl Terms {
    /// The terms of `channels` for `runs` over outputs of `columns`.
    pub(super) fn new(channels: usize, planes: &Planes, taps: &[Tap], runs: &Runs, columns: usize) -> Terms {
        let mut by_rows = taps.to_vec();
        by_rows.sort_by_key(|tap| tap.rows.start);
        let parts: Vec<&[Tap]> = by_rows.chunk_by(|a, b| a.rows == b.rows).collect();
        let spans: Vec<Range<u32>> = (0..runs.len())
            .map(|run| {
                let (first, last) = runs.rows(run, columns);
                let needed = |part: &&[Tap]| part[0].rows.start <= last && first < part[0].rows.end;
                let from = parts.iter().position(needed).unwrap_or(0);
                let to = parts.iter().rposition(needed).map_or(from, |last| last + 1);
                let terms = |parts: &[&[Tap]]| (channels * parts.concat().len()) as u32;
                terms(&parts[..from])..terms(&parts[..to])
            })
            .collect();
        let needed: usize = spans.iter().map(|span| span.len()).sum();
        let all = channels * taps.len();
        match (all * runs.len() - needed) * WORTH >= all * runs.len() {
            true => Terms::of(channels, planes, &parts, spans),
            false => Terms::of(channels, planes, &[taps], vec![0..all as u32; runs.len()]),
        }
    }

    fn of(channels: usize, planes: &Planes, parts: &[&[Tap]], spans: Vec<Range<u32>>) -> Terms {
        let terms =
            parts.iter().flat_map(|taps| (0..channels).flat_map(|c| taps.iter().map(move |tap| (c, tap))));
        let (offsets, weights) = terms
            .map(|(channel, tap)| ((channel * planes.channel + tap.offset) as u32, (channel, tap.kernel)))
            .unzip();
        Terms { offsets, weights, spans }
    }

    /// Number of terms.
    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }
}
