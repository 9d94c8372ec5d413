//! The terms of a sum of shifted planes: their order, and which of them a run of outputs needs.
//!
//! A tap reads rows of padding for the outputs near an edge, and adds zeros there: much of the sum in the input
//! gradient of a large kernel on a small map. So terms are ordered by the kernel's rows, and those which a run needs lie
//! together. The order is the same for a part of the rows as for all.

use std::ops::Range;

use super::planes::{Planes, Runs, Tap};

/// Runs are ragged where one of so many terms is left out.
const RAGGED: usize = 16;

/// Every channel's taps.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// Where each reads, relative to an output's position.
    pub(super) offsets: Vec<u32>,
    /// Channel and kernel entry of each one's weight.
    pub(super) weights: Vec<(usize, usize)>,
    /// The terms that each run needs.
    pub(super) spans: Vec<Range<u32>>,
    /// Whether runs differ so much that the same run of several images is better computed at once than several of one.
    pub(super) ragged: bool,
}

impl Terms {
    /// The terms of `channels` for `runs` over outputs of `columns`.
    pub(super) fn new(channels: usize, planes: &Planes, taps: &[Tap], runs: &Runs, columns: usize) -> Terms {
        let parts: Vec<&[Tap]> = taps.chunk_by(|a, b| a.row == b.row).collect();
        let spans = (0..runs.len()).map(|run| {
            let (first, last) = runs.rows(run, columns);
            let needed = |part: &&[Tap]| part[0].rows.start <= last && first < part[0].rows.end;
            let from = parts.iter().position(needed).unwrap_or(0);
            let to = parts.iter().rposition(needed).map_or(from, |last| last + 1);
            [from, to]
                .map(|part| (channels * parts[..part].iter().map(|taps| taps.len()).sum::<usize>()) as u32)
        });
        let spans: Vec<Range<u32>> = spans.map(|[from, to]| from..to).collect();
        let all = channels * taps.len() * runs.len();
        let ragged = (all - spans.iter().map(|span| span.len()).sum::<usize>()) * RAGGED >= all;
        let terms =
            parts.iter().flat_map(|taps| (0..channels).flat_map(|c| taps.iter().map(move |tap| (c, tap))));
        let term = |(c, tap): (usize, &Tap)| ((c * planes.channel + tap.offset) as u32, (c, tap.kernel));
        let (offsets, weights) = terms.map(term).unzip();
        Terms { offsets, weights, spans, ragged }
    }

    /// Number of terms.
    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }
}
