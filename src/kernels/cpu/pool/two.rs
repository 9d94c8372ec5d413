//! The 2×2 window at step 2, which most networks pool with, in whole vectors.
#![allow(unsafe_code)]

use crate::kernels::cpu::simd::sweep::{load, store};
use crate::kernels::cpu::simd::{Simd, dispatch};

/// Where a row of windows lies, and how many of its outputs a vector takes.
#[derive(Clone, Copy)]
struct Row {
    /// The first number of the upper row, in the input.
    top: usize,
    /// The first output.
    out: usize,
    /// Whether the buffers go on a whole vector behind every output of the row.
    room: bool,
}

/// The shape of the planes.
#[derive(Clone, Copy)]
struct Planes {
    n: usize,
    height: usize,
    width: usize,
}

impl Planes {
    fn new([height, width]: [usize; 2], large: usize, small: usize) -> Planes {
        let n = large / (height * width).max(1);
        assert!(
            n * height * width == large && n * (height / 2) * (width / 2) == small,
            "planes outside their slice"
        );
        Planes { n, height, width }
    }

    #[inline(always)]
    fn rows(&self) -> usize {
        self.n * (self.height / 2)
    }

    #[inline(always)]
    fn row(&self, row: usize, lanes: usize) -> Row {
        let (rows, columns) = (self.height / 2, self.width / 2);
        let top = (row / rows * self.height + row % rows * 2) * self.width;
        let out = row * columns;
        let room = top + self.width + 2 * lanes <= self.n * self.height * self.width
            && out + lanes <= self.rows() * columns;
        Row { top, out, room }
    }
}

/// Runs `$step` for the vectors of a row of `$columns` outputs, `$n` of them from `$at` on. The last vector of a wide
/// row is moved back onto it. A narrow row is one vector; where there is `$room` it is a whole one, whose surplus
/// the next row overwrites.
macro_rules! vectors {
    ($simd:ident, $columns:expr, $room:expr, |$at:ident, $n:ident| $step:block) => {{
        let columns: usize = $columns;
        if columns >= $simd::LANES {
            for at in (0..columns).step_by($simd::LANES) {
                let ($at, $n) = (at.min(columns - $simd::LANES), $simd::LANES);
                $step
            }
        } else {
            let ($at, $n) = (0, if $room { $simd::LANES } else { columns });
            $step
        }
    }};
}

/// What `n` outputs take from a row: `2 n` numbers as even and odd places.
#[inline(always)]
unsafe fn pairs<S: Simd>(from: *const f32, n: usize) -> (S::V, S::V) {
    // SAFETY: the caller's pointer is valid for `2 n` numbers.
    unsafe {
        let low = load::<S>(from, S::LANES.min(2 * n));
        let high = if 2 * n > S::LANES { load::<S>(from.add(S::LANES), 2 * n - S::LANES) } else { S::zero() };
        S::deinterleave(low, high)
    }
}

/// The inverse of [`pairs`].
#[inline(always)]
unsafe fn store_pairs<S: Simd>(to: *mut f32, even: S::V, odd: S::V, n: usize) {
    // SAFETY: the caller's pointer is valid for `2 n` numbers.
    unsafe {
        let (low, high) = S::interleave(even, odd);
        store::<S>(to, low, S::LANES.min(2 * n));
        if 2 * n > S::LANES {
            store::<S>(to.add(S::LANES), high, 2 * n - S::LANES);
        }
    }
}

/// Zeros what no window covers: the last column of an odd width, behind the last windows the last row of an odd height.
#[inline(always)]
unsafe fn zero_border(planes: &Planes, row: usize, top: *mut f32) {
    let Planes { height, width, .. } = *planes;
    // SAFETY: `top` is the upper of two rows of a plane.
    unsafe {
        if !width.is_multiple_of(2) {
            *top.add(width - 1) = 0.0;
            *top.add(2 * width - 1) = 0.0;
        }
        if !height.is_multiple_of(2) && row % (height / 2) == height / 2 - 1 {
            std::ptr::write_bytes(top.add(2 * width), 0, width);
        }
    }
}

/// The largest number of each window; a NaN counts as larger.
pub(super) fn max(size: [usize; 2], x: &[f32], y: &mut [f32]) {
    let planes = Planes::new(size, x.len(), y.len());
    // SAFETY: the lengths were checked.
    unsafe { max_dispatched(&planes, x.as_ptr(), y.as_mut_ptr()) }
}

dispatch!(unsafe fn max_dispatched(planes: &Planes, x: *const f32, y: *mut f32) = max_body);

#[inline(always)]
unsafe fn max_body<S: Simd>(planes: &Planes, x: *const f32, y: *mut f32) {
    for row in 0..planes.rows() {
        let Row { top, out, room } = planes.row(row, S::LANES);
        // SAFETY: two rows of the plane exist from `top` on, and a row of outputs from `out` on.
        unsafe {
            vectors!(S, planes.width / 2, room, |at, n| {
                let (a, b) = pairs::<S>(x.add(top + 2 * at), n);
                let (c, d) = pairs::<S>(x.add(top + planes.width + 2 * at), n);
                store::<S>(y.add(out + at), S::max_or_nan(S::max_or_nan(a, b), S::max_or_nan(c, d)), n);
            });
        }
    }
}

/// The gradient of [`max`]: all of a window's goes to its first largest number, if that is more than `floor`.
pub(super) fn max_grad(size: [usize; 2], floor: f32, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    let planes = Planes::new(size, dx.len(), dy.len());
    assert!(x.len() == dx.len(), "planes outside their slice");
    // SAFETY: the lengths were checked.
    unsafe { max_grad_dispatched(&planes, floor, x.as_ptr(), dy.as_ptr(), dx.as_mut_ptr()) }
}

dispatch!(unsafe fn max_grad_dispatched(
    planes: &Planes, floor: f32, x: *const f32, dy: *const f32, dx: *mut f32,
) = max_grad_body);

#[inline(always)]
unsafe fn max_grad_body<S: Simd>(planes: &Planes, floor: f32, x: *const f32, dy: *const f32, dx: *mut f32) {
    for row in 0..planes.rows() {
        let Row { top, out, room } = planes.row(row, S::LANES);
        let below = top + planes.width;
        // SAFETY: two rows of the plane exist from `top` on, and a row of outputs from `out` on.
        unsafe {
            vectors!(S, planes.width / 2, room, |at, n| {
                let (a, b) = pairs::<S>(x.add(top + 2 * at), n);
                let (c, d) = pairs::<S>(x.add(below + 2 * at), n);
                let most = S::max_or_nan(S::max_or_nan(a, b), S::max_or_nan(c, d));
                // Above every number where the largest is a NaN, which alone is then not below.
                let most = S::min(most, S::splat(f32::INFINITY));
                let grad = load::<S>(dy.add(out + at), n);
                let grad = S::select_greater(most, S::splat(floor), grad, S::zero());
                // What is below the largest number passes the gradient on to the next place.
                let to_a = S::select_greater(most, a, S::zero(), grad);
                let rest = S::select_greater(most, a, grad, S::zero());
                let to_b = S::select_greater(most, b, S::zero(), rest);
                let rest = S::select_greater(most, b, rest, S::zero());
                let to_c = S::select_greater(most, c, S::zero(), rest);
                let to_d = S::select_greater(most, c, rest, S::zero());
                store_pairs::<S>(dx.add(top + 2 * at), to_a, to_b, n);
                store_pairs::<S>(dx.add(below + 2 * at), to_c, to_d, n);
            });
            zero_border(planes, row, dx.add(top));
        }
    }
}

/// The mean of each window.
pub(super) fn avg(size: [usize; 2], x: &[f32], y: &mut [f32]) {
    let planes = Planes::new(size, x.len(), y.len());
    // SAFETY: the lengths were checked.
    unsafe { avg_dispatched(&planes, x.as_ptr(), y.as_mut_ptr()) }
}

dispatch!(unsafe fn avg_dispatched(planes: &Planes, x: *const f32, y: *mut f32) = avg_body);

#[inline(always)]
unsafe fn avg_body<S: Simd>(planes: &Planes, x: *const f32, y: *mut f32) {
    for row in 0..planes.rows() {
        let Row { top, out, room } = planes.row(row, S::LANES);
        // SAFETY: two rows of the plane exist from `top` on, and a row of outputs from `out` on.
        unsafe {
            vectors!(S, planes.width / 2, room, |at, n| {
                let (a, b) = pairs::<S>(x.add(top + 2 * at), n);
                let (c, d) = pairs::<S>(x.add(top + planes.width + 2 * at), n);
                let sum = S::add(S::add(a, b), S::add(c, d));
                store::<S>(y.add(out + at), S::mul(S::splat(0.25), sum), n);
            });
        }
    }
}

/// The gradient of [`avg`].
pub(super) fn avg_grad(size: [usize; 2], dy: &[f32], dx: &mut [f32]) {
    let planes = Planes::new(size, dx.len(), dy.len());
    // SAFETY: the lengths were checked.
    unsafe { avg_grad_dispatched(&planes, dy.as_ptr(), dx.as_mut_ptr()) }
}

dispatch!(unsafe fn avg_grad_dispatched(planes: &Planes, dy: *const f32, dx: *mut f32) = avg_grad_body);

#[inline(always)]
unsafe fn avg_grad_body<S: Simd>(planes: &Planes, dy: *const f32, dx: *mut f32) {
    for row in 0..planes.rows() {
        let Row { top, out, room } = planes.row(row, S::LANES);
        // SAFETY: two rows of the plane exist from `top` on, and a row of outputs from `out` on.
        unsafe {
            vectors!(S, planes.width / 2, room, |at, n| {
                let share = S::mul(S::splat(0.25), load::<S>(dy.add(out + at), n));
                store_pairs::<S>(dx.add(top + 2 * at), share, share, n);
                store_pairs::<S>(dx.add(top + planes.width + 2 * at), share, share, n);
            });
            zero_border(planes, row, dx.add(top));
        }
    }
}
