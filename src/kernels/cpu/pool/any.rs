//! Pooling by any window. Each plane passes through a copy with room around it for the padding and for whole vectors,
//! so that a vector of windows runs over its taps in registers, without a test for borders.
#![allow(unsafe_code)]

use crate::kernels::cpu::simd::sweep::{load, store};
use crate::kernels::cpu::simd::{Simd, dispatch, level};
use crate::ops::window::Windows;

/// Windows over planes, and the copy of a plane that they run over.
pub(super) struct Pool {
    windows: Windows,
    /// Height and width of the copy.
    copy: [usize; 2],
}

impl Pool {
    pub(super) fn new(w: &Windows) -> Pool {
        let reach = |window: crate::shape::Window, outputs: usize, extent: usize| {
            let taps = (outputs - 1) * window.stride + (window.kernel - 1) * window.dilation + 1;
            taps.max(window.before + extent)
        };
        let height = reach(w.rows, w.out_height, w.height);
        let width = reach(w.columns, w.out_width.next_multiple_of(level().lanes()), w.width);
        // A vector of windows that lie two apart is taken out of two vectors.
        Pool { windows: *w, copy: [height, width + 1] }
    }

    /// Numbers in the copy of a plane.
    pub(super) fn copy_len(&self) -> usize {
        self.copy[0] * self.copy[1]
    }

    /// The number of planes; checks that the buffers hold no more and no less.
    fn planes(&self, large: &[f32], small: &[f32]) -> usize {
        let (plane, outputs) = (self.windows.height * self.windows.width, self.windows.n_outputs());
        let n = large.len() / plane.max(1);
        assert!(n * plane == large.len() && n * outputs == small.len(), "planes outside their slice");
        n
    }

    /// Copies a plane, with `outside` around it.
    #[inline(always)]
    fn copy_in(&self, plane: &[f32], copy: &mut [f32], outside: f32) {
        let Windows { rows, columns, width, .. } = self.windows;
        copy.fill(outside);
        let inner = copy.chunks_exact_mut(self.copy[1]).skip(rows.before);
        for (row, copy) in plane.chunks_exact(width).zip(inner) {
            copy[columns.before..][..width].copy_from_slice(row);
        }
    }

    /// Copies a plane back.
    #[inline(always)]
    fn copy_out(&self, copy: &[f32], plane: &mut [f32]) {
        let Windows { rows, columns, width, .. } = self.windows;
        let inner = copy.chunks_exact(self.copy[1]).skip(rows.before);
        for (row, copy) in plane.chunks_exact_mut(width).zip(inner) {
            row.copy_from_slice(&copy[columns.before..][..width]);
        }
    }

    /// The vectors of a row of outputs: the first output of each, and how many there are.
    #[inline(always)]
    fn vectors<S: Simd>(&self) -> impl Iterator<Item = (usize, usize)> {
        let width = self.windows.out_width;
        (0..width).step_by(S::LANES).map(move |ox| (ox, S::LANES.min(width - ox)))
    }

    /// Where in the copy the first tap of an output reads.
    #[inline(always)]
    fn first(&self, oy: usize, ox: usize) -> usize {
        oy * self.windows.rows.stride * self.copy[1] + ox * self.windows.columns.stride
    }

    /// Numbers in a row of whole vectors of outputs.
    fn row_len(&self) -> usize {
        self.windows.out_width.next_multiple_of(level().lanes())
    }

    /// Numbers of scratch memory for a gradient.
    pub(super) fn gradient_scratch_len(&self) -> usize {
        2 * (self.copy_len() + self.row_len())
    }

    /// Where a tap reads, from where the first tap does.
    #[inline(always)]
    fn tap(&self, number: usize) -> usize {
        let (row, column) = (number / self.windows.columns.kernel, number % self.windows.columns.kernel);
        row * self.windows.rows.dilation * self.copy[1] + column * self.windows.columns.dilation
    }
}

/// A vector of numbers that are `step` apart.
#[inline(always)]
unsafe fn take<S: Simd>(from: *const f32, step: usize) -> S::V {
    // SAFETY: the caller's pointer is valid for the numbers and, at step 2, for one behind them.
    unsafe {
        match step {
            1 => S::load(from),
            2 => S::deinterleave(S::load(from), S::load(from.add(S::LANES))).0,
            _ => {
                let mut lanes = [0.0f32; 16];
                (0..S::LANES).for_each(|i| lanes[i] = *from.add(i * step));
                S::load(lanes.as_ptr())
            }
        }
    }
}

/// Adds a vector to numbers that are `step` apart.
#[inline(always)]
unsafe fn add<S: Simd>(to: *mut f32, step: usize, v: S::V) {
    // SAFETY: as for `take`.
    unsafe {
        match step {
            1 => S::store(to, S::add(S::load(to), v)),
            2 => {
                let (even, odd) = S::deinterleave(S::load(to), S::load(to.add(S::LANES)));
                let (low, high) = S::interleave(S::add(even, v), odd);
                S::store(to, low);
                S::store(to.add(S::LANES), high);
            }
            _ => {
                let mut lanes = [0.0f32; 16];
                S::store(lanes.as_mut_ptr(), v);
                (0..S::LANES).for_each(|i| *to.add(i * step) += lanes[i]);
            }
        }
    }
}

/// The largest number of each window; a NaN counts as larger. `copy` has the length of a plane's copy.
pub(super) fn max(pool: &Pool, x: &[f32], y: &mut [f32], copy: &mut [f32]) {
    pool.planes(x, y);
    assert!(copy.len() == pool.copy_len());
    // SAFETY: the lengths were checked.
    unsafe { max_dispatched(pool, x, y, copy) }
}

dispatch!(unsafe fn max_dispatched(pool: &Pool, x: &[f32], y: &mut [f32], copy: &mut [f32]) = max_body);

#[inline(always)]
unsafe fn max_body<S: Simd>(pool: &Pool, x: &[f32], y: &mut [f32], copy: &mut [f32]) {
    let w = &pool.windows;
    for (x, y) in x.chunks_exact(w.height * w.width).zip(y.chunks_exact_mut(w.n_outputs())) {
        pool.copy_in(x, copy, f32::NEG_INFINITY);
        for (oy, y) in y.chunks_exact_mut(w.out_width).enumerate() {
            for (ox, n) in pool.vectors::<S>() {
                // SAFETY: the copy has room for what whole vectors of windows read.
                unsafe {
                    let first = copy.as_ptr().add(pool.first(oy, ox));
                    let mut most = S::splat(f32::NEG_INFINITY);
                    for tap in 0..w.n_taps() {
                        most = S::max_or_nan(take::<S>(first.add(pool.tap(tap)), w.columns.stride), most);
                    }
                    store::<S>(y.as_mut_ptr().add(ox), most, n);
                }
            }
        }
    }
}

/// The gradient of [`max`]: all of a window's goes to its first largest number, if that is more than `floor`.
pub(super) fn max_grad(pool: &Pool, floor: f32, x: &[f32], dy: &[f32], dx: &mut [f32], scratch: &mut [f32]) {
    pool.planes(dx, dy);
    assert!(x.len() == dx.len() && scratch.len() == pool.gradient_scratch_len());
    // SAFETY: the lengths were checked.
    unsafe { max_grad_dispatched(pool, floor, x, dy, dx, scratch) }
}

dispatch!(unsafe fn max_grad_dispatched(
    pool: &Pool, floor: f32, x: &[f32], dy: &[f32], dx: &mut [f32], scratch: &mut [f32],
) = max_grad_body);

#[inline(always)]
unsafe fn max_grad_body<S: Simd>(
    pool: &Pool,
    floor: f32,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    scratch: &mut [f32],
) {
    let w = &pool.windows;
    let (copies, rows) = scratch.split_at_mut(2 * pool.copy_len());
    let (copy, sums) = copies.split_at_mut(pool.copy_len());
    let (places, shares) = rows.split_at_mut(pool.row_len());
    let planes = x.chunks_exact(w.height * w.width).zip(dy.chunks_exact(w.n_outputs()));
    for ((x, dy), dx) in planes.zip(dx.chunks_exact_mut(w.height * w.width)) {
        pool.copy_in(x, copy, f32::NEG_INFINITY);
        sums.fill(0.0);
        for (oy, dy) in dy.chunks_exact(w.out_width).enumerate() {
            // SAFETY: both copies have room for what whole vectors of windows read; the surplus adds zeros.
            unsafe {
                let infinity = S::splat(f32::INFINITY);
                for (ox, n) in pool.vectors::<S>() {
                    let first = copy.as_ptr().add(pool.first(oy, ox));
                    let (mut most, mut place) = (S::splat(f32::NEG_INFINITY), S::zero());
                    // From the last tap to the first, which so wins among equals.
                    for tap in (0..w.n_taps()).rev() {
                        let number = take::<S>(first.add(pool.tap(tap)), w.columns.stride);
                        // A NaN is above every number, and nothing but a NaN is not below it.
                        place =
                            S::select_greater(S::min(most, infinity), number, place, S::splat(tap as f32));
                        most = S::max_or_nan(number, most);
                    }
                    let dy = load::<S>(dy.as_ptr().add(ox), n);
                    let share = S::select_greater(S::min(most, infinity), S::splat(floor), dy, S::zero());
                    S::store(places.as_mut_ptr().add(ox), place);
                    S::store(shares.as_mut_ptr().add(ox), share);
                }
                // Tap by tap, because neighbouring taps would wait for each other's stores.
                for tap in 0..w.n_taps() {
                    for (ox, _) in pool.vectors::<S>() {
                        let to = sums.as_mut_ptr().add(pool.first(oy, ox) + pool.tap(tap));
                        let (place, share) =
                            (S::load(places.as_ptr().add(ox)), S::load(shares.as_ptr().add(ox)));
                        add::<S>(to, w.columns.stride, S::where_equal(place, S::splat(tap as f32), share));
                    }
                }
            }
        }
        pool.copy_out(sums, dx);
    }
}

/// The sum of each window times its share. `copy` has the length of a plane's copy.
pub(super) fn avg(pool: &Pool, shares: &[f32], x: &[f32], y: &mut [f32], copy: &mut [f32]) {
    pool.planes(x, y);
    assert!(copy.len() == pool.copy_len() && shares.len() == pool.windows.n_outputs());
    // SAFETY: the lengths were checked.
    unsafe { avg_dispatched(pool, shares, x, y, copy) }
}

dispatch!(unsafe fn avg_dispatched(
    pool: &Pool, shares: &[f32], x: &[f32], y: &mut [f32], copy: &mut [f32],
) = avg_body);

#[inline(always)]
unsafe fn avg_body<S: Simd>(pool: &Pool, shares: &[f32], x: &[f32], y: &mut [f32], copy: &mut [f32]) {
    let w = &pool.windows;
    for (x, y) in x.chunks_exact(w.height * w.width).zip(y.chunks_exact_mut(w.n_outputs())) {
        pool.copy_in(x, copy, 0.0);
        let rows = y.chunks_exact_mut(w.out_width).zip(shares.chunks_exact(w.out_width));
        for (oy, (y, shares)) in rows.enumerate() {
            for (ox, n) in pool.vectors::<S>() {
                // SAFETY: as for `max_body`.
                unsafe {
                    let first = copy.as_ptr().add(pool.first(oy, ox));
                    let mut sum = S::zero();
                    for tap in 0..w.n_taps() {
                        sum = S::add(sum, take::<S>(first.add(pool.tap(tap)), w.columns.stride));
                    }
                    let share = load::<S>(shares.as_ptr().add(ox), n);
                    store::<S>(y.as_mut_ptr().add(ox), S::mul(sum, share), n);
                }
            }
        }
    }
}

/// The gradient of [`avg`].
pub(super) fn avg_grad(pool: &Pool, shares: &[f32], dy: &[f32], dx: &mut [f32], scratch: &mut [f32]) {
    pool.planes(dx, dy);
    assert!(scratch.len() == pool.gradient_scratch_len() && shares.len() == pool.windows.n_outputs());
    // SAFETY: the lengths were checked.
    unsafe { avg_grad_dispatched(pool, shares, dy, dx, scratch) }
}

dispatch!(unsafe fn avg_grad_dispatched(
    pool: &Pool, shares: &[f32], dy: &[f32], dx: &mut [f32], scratch: &mut [f32],
) = avg_grad_body);

#[inline(always)]
unsafe fn avg_grad_body<S: Simd>(
    pool: &Pool,
    shares: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    scratch: &mut [f32],
) {
    let w = &pool.windows;
    let (sums, rest) = scratch.split_at_mut(pool.copy_len());
    let row = &mut rest[..pool.row_len()];
    row.fill(0.0);
    for (dy, dx) in dy.chunks_exact(w.n_outputs()).zip(dx.chunks_exact_mut(w.height * w.width)) {
        sums.fill(0.0);
        let rows = dy.chunks_exact(w.out_width).zip(shares.chunks_exact(w.out_width));
        for (oy, (dy, shares)) in rows.enumerate() {
            row.iter_mut().zip(dy.iter().zip(shares)).for_each(|(row, (dy, share))| *row = dy * share);
            for tap in 0..w.n_taps() {
                for (ox, _) in pool.vectors::<S>() {
                    // SAFETY: as for `max_grad_body`.
                    unsafe {
                        let to = sums.as_mut_ptr().add(pool.first(oy, ox) + pool.tap(tap));
                        add::<S>(to, w.columns.stride, S::load(row.as_ptr().add(ox)));
                    }
                }
            }
        }
        pool.copy_out(sums, dx);
    }
}
