//! An epoch's batches → the windows whose gradients are added up for one update (`accumulate`). The last window of an epoch
//! has what is left.

/// The batches of an epoch that are trained on.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Images of a batch, and of the epoch.
    pub batch: usize,
    pub images: usize,
    /// Batches of a window.
    pub accumulate: usize,
    /// Batches that are trained on: those of `batch` images, and perhaps the smaller one behind them.
    pub n_batches: usize,
}

impl Windows {
    pub fn n_updates(&self) -> usize {
        self.n_batches.div_ceil(self.accumulate)
    }

    /// The place in its window of the batch that begins with this image of the epoch.
    pub fn place(&self, first: usize) -> usize {
        first / self.batch % self.accumulate
    }

    /// A number that no other batch has, of that batch, whose update is counted from 0.
    pub fn number(&self, update: u64, first: usize) -> u64 {
        update.saturating_mul(self.accumulate as u64).saturating_add(self.place(first) as u64)
    }

    /// Whether the update comes behind that batch.
    pub fn closes(&self, first: usize) -> bool {
        let number = first / self.batch;
        self.place(first) + 1 == self.accumulate || number + 1 >= self.n_batches
    }

    /// Images of that batch's window.
    pub fn images_beside(&self, first: usize) -> usize {
        let number = first / self.batch;
        let begin = number - self.place(first);
        let end = (begin + self.accumulate).min(self.n_batches);
        (end * self.batch).min(self.images) - begin * self.batch
    }
}

#[cfg(test)]
mod tests {
    use super::Windows;

    #[test]
    fn the_last_window_has_what_is_left() {
        let windows = |images, n_batches| Windows { batch: 10, images, accumulate: 3, n_batches };
        let shown = |w: Windows| {
            let of = |i: usize| (w.place(10 * i), w.closes(10 * i), w.images_beside(10 * i));
            (0..w.n_batches).map(of).collect::<Vec<_>>()
        };
        let first = [(0, false, 30), (1, false, 30), (2, true, 30)];
        assert_eq!(shown(windows(45, 5)), [&first[..], &[(0, false, 15), (1, true, 15)]].concat());
        // The one image that is left over is not trained on.
        assert_eq!(shown(windows(41, 4)), [&first[..], &[(0, true, 10)]].concat());
        assert_eq!(shown(windows(30, 3)), first);
        assert_eq!(windows(45, 5).n_updates(), 2);
        let alone = Windows { batch: 10, images: 25, accumulate: 1, n_batches: 3 };
        assert_eq!(shown(alone), [(0, true, 10), (0, true, 10), (0, true, 5)]);
    }
}
