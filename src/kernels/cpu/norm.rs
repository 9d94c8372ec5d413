//! What normalisations do to memory, as sweeps over planes (one channel of one image): moments, application,
//! and both halves of the gradient. The moments of a whole batch stand between two sweeps, so each direction is
//! cut in two: sums over the images of a tile, which are merged in a fixed order, and an application.
#![allow(unsafe_code, clippy::needless_range_loop)]

use crate::kernels::cpu::simd::sweep::{load, store, sweep, sweep_sums};
use crate::kernels::cpu::simd::{Simd, dispatch};

/// How many values are summed in f32 before the sum goes on in f64.
const CHUNK: usize = 4096;

/// Planes from this many values on are taken in the order of memory, which `x` comes from in the backward pass;
/// of smaller ones a channel's are summed together.
const LARGE: usize = 256;

/// Images, channels, and values of a plane, which lie in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planes {
    pub images: usize,
    pub channels: usize,
    pub plane: usize,
}

impl Planes {
    pub fn len(self) -> usize {
        self.images * self.channels * self.plane
    }
}

/// Mean and sum of squared distances from it of `count` values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Moments {
    count: f64,
    mean: f64,
    /// `Σ (x - mean)²`
    squares: f64,
}

impl Moments {
    /// The moments of both sets of values (Chan, Golub and LeVeque, 1979).
    fn merge(self, other: Moments) -> Moments {
        if self.count == 0.0 {
            return other;
        }
        if other.count == 0.0 {
            return self;
        }
        let count = self.count + other.count;
        let (delta, share) = (other.mean - self.mean, other.count / count);
        let mean = self.mean + delta * share;
        let squares = self.squares + other.squares + delta * delta * self.count * share;
        Moments { count, mean, squares }
    }
}

/// An f64 as the sum of two f32: 48 bits of it, in memory that holds f32.
fn split(number: f64) -> [f32; 2] {
    let high = number as f32;
    [high, (number - f64::from(high)) as f32]
}

fn join(parts: &[f32]) -> f64 {
    f64::from(parts[0]) + f64::from(parts[1])
}

/// The numbers of partial moments: the count, then mean and squares of each channel, all split.
pub fn partial_len(channels: usize) -> usize {
    2 + 4 * channels
}

/// Merges the moments of each channel of `x` into `partial`, all zeros before the first call.
pub fn moments(planes: Planes, x: &[f32], partial: &mut [f32]) {
    assert!(x.len() >= planes.len() && partial.len() == partial_len(planes.channels));
    // SAFETY: the lengths were checked.
    unsafe { moments_raw(planes, x.as_ptr(), partial) }
}

/// Partial moments, in order → the mean of each channel, then the variance of each.
pub fn finish_moments(channels: usize, partials: &[f32], output: &mut [f32]) {
    let (mean, variance) = output.split_at_mut(channels);
    for channel in 0..channels {
        let mut all = Moments::default();
        for partial in partials.chunks_exact(partial_len(channels)) {
            all = all.merge(stored(partial, channel));
        }
        mean[channel] = all.mean as f32;
        variance[channel] = (all.squares / all.count.max(1.0)) as f32;
    }
}

fn stored(partial: &[f32], channel: usize) -> Moments {
    let own = &partial[2 + 4 * channel..][..4];
    Moments { count: join(&partial[..2]), mean: join(&own[..2]), squares: join(&own[2..]) }
}

dispatch!(unsafe fn moments_raw(planes: Planes, x: *const f32, partial: &mut [f32]) = moments_body);

#[inline(always)]
unsafe fn moments_body<S: Simd>(planes: Planes, x: *const f32, partial: &mut [f32]) {
    let Planes { images, channels, plane } = planes;
    let at_once = (CHUNK / plane.max(1)).max(1);
    let mut count = 0.0;
    for channel in 0..channels {
        let mut all = Moments::default();
        for first in (0..images).step_by(at_once) {
            let n = at_once.min(images - first);
            for from in (0..plane).step_by(CHUNK) {
                let start = (first * channels + channel) * plane + from;
                // SAFETY: the caller checked that all planes exist.
                let chunk = unsafe { chunk::<S>(x.add(start), n, channels * plane, CHUNK.min(plane - from)) };
                all = all.merge(chunk);
            }
        }
        count = all.count;
        let all = stored(partial, channel).merge(all);
        let own = &mut partial[2 + 4 * channel..][..4];
        own[..2].copy_from_slice(&split(all.mean));
        own[2..].copy_from_slice(&split(all.squares));
    }
    let count = split(join(&partial[..2]) + count);
    partial[..2].copy_from_slice(&count);
}

/// The moments of `rows` rows of `len` values. One sweep of sums around a center `k` near the mean:
/// `Σ (x - mean)² = Σ (x - k)² - (Σ (x - k))² / n`. As `k` is the mean of the first `m` of the `n` values,
/// `(k - mean)²` is at most `n / m` variances, so the difference cannot lose more than these digits.
#[inline(always)]
unsafe fn chunk<S: Simd>(x: *const f32, rows: usize, stride: usize, len: usize) -> Moments {
    // SAFETY: the caller checked that all rows exist.
    unsafe {
        let first = len.min(S::LANES);
        let center = S::sum(load::<S>(x, first)) / first as f32;
        let (k, ones) = (S::splat(center), [1.0; 16]);
        let (mut sums, mut squares) = ([S::zero(); 4], [S::zero(); 4]);
        for row in 0..rows {
            let x = x.add(row * stride);
            sweep_sums!(S, len, |at, n, slot| {
                let mut distance = S::sub(load::<S>(x.add(at), n), k);
                if n < S::LANES {
                    distance = S::mul(distance, load::<S>(ones.as_ptr(), n));
                }
                sums[slot] = S::add(sums[slot], distance);
                squares[slot] = S::fma(distance, distance, squares[slot]);
            });
        }
        let (sum, squares) = (f64::from(total::<S>(sums)), f64::from(total::<S>(squares)));
        let count = (rows * len) as f64;
        let beside = sum / count;
        Moments { count, mean: f64::from(center) + beside, squares: (squares - sum * beside).max(0.0) }
    }
}

#[inline(always)]
unsafe fn total<S: Simd>(v: [S::V; 4]) -> f32 {
    // SAFETY: the caller has `S`.
    unsafe { S::sum(S::add(S::add(v[0], v[1]), S::add(v[2], v[3]))) }
}

/// `y = min(ceiling, max(floor, x · scale[c] + shift[c] (+ residual)))`; a floor of 0 is relu, -∞ and ∞ are
/// none. With `scale = γ / √(variance + ε)` and `shift = β - mean · scale` it normalises.
pub fn apply(
    planes: Planes,
    x: &[f32],
    [scale, shift]: [&[f32]; 2],
    residual: Option<&[f32]>,
    bounds: [f32; 2],
    y: &mut [f32],
) {
    let len = planes.len();
    assert!(x.len() >= len && y.len() >= len && residual.is_none_or(|r| r.len() >= len));
    assert!(scale.len() >= planes.channels && shift.len() >= planes.channels);
    let residual = residual.map_or(std::ptr::null(), <[f32]>::as_ptr);
    // SAFETY: the lengths were checked.
    unsafe { apply_raw(planes, x.as_ptr(), scale, shift, residual, bounds, y.as_mut_ptr()) }
}

dispatch!(unsafe fn apply_raw(
    planes: Planes, x: *const f32, scale: &[f32], shift: &[f32], residual: *const f32, bounds: [f32; 2], y: *mut f32,
) = apply_body);

#[inline(always)]
unsafe fn apply_body<S: Simd>(
    planes: Planes,
    x: *const f32,
    scale: &[f32],
    shift: &[f32],
    residual: *const f32,
    [floor, ceiling]: [f32; 2],
    y: *mut f32,
) {
    let Planes { images, channels, plane } = planes;
    // SAFETY: the caller checked that all planes exist.
    unsafe {
        let (floor, ceiling) = (S::splat(floor), S::splat(ceiling));
        for image in 0..images {
            for channel in 0..channels {
                let (scale, shift) = (S::splat(scale[channel]), S::splat(shift[channel]));
                let start = (image * channels + channel) * plane;
                let (x, y) = (x.add(start), y.add(start));
                if residual.is_null() {
                    sweep!(S, plane, |at, n| {
                        let value = S::fma(load::<S>(x.add(at), n), scale, shift);
                        store::<S>(y.add(at), S::min(ceiling, S::max(floor, value)), n);
                    });
                } else {
                    let residual = residual.add(start);
                    sweep!(S, plane, |at, n| {
                        let value = S::fma(load::<S>(x.add(at), n), scale, shift);
                        let value = S::add(value, load::<S>(residual.add(at), n));
                        store::<S>(y.add(at), S::min(ceiling, S::max(floor, value)), n);
                    });
                }
            }
        }
    }
}

/// What an activation behind the normalisation lets through: gradients where its result is above 0 and below its
/// ceiling.
#[derive(Clone, Copy, Debug)]
pub struct Passed<'a> {
    pub by: By<'a>,
    /// ∞ where there is none.
    pub ceiling: f32,
}

/// How the result is known.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    Result(&'a [f32]),
    /// It is `x · slope[c] + offset[c]`, as [`apply`] computed it.
    Line([&'a [f32]; 2]),
}

/// How a gradient is masked: not at all; by a stored result, above 0 or between 0 and a ceiling; by a line.
const ALL: u8 = 0;
const ABOVE: u8 = 1;
const BETWEEN: u8 = 2;
const LINE_ABOVE: u8 = 3;
const LINE_BETWEEN: u8 = 4;

/// [`Passed`] as the kernels take it.
#[derive(Clone, Copy)]
struct Mask<'a> {
    kind: u8,
    y: *const f32,
    line: [&'a [f32]; 2],
    ceiling: f32,
}

impl<'a> Mask<'a> {
    fn new(passed: Option<Passed<'a>>, planes: Planes) -> Mask<'a> {
        let Some(Passed { by, ceiling }) = passed else {
            return Mask { kind: ALL, y: std::ptr::null(), line: [&[]; 2], ceiling: f32::INFINITY };
        };
        let open = ceiling == f32::INFINITY;
        match by {
            By::Result(y) => {
                assert!(y.len() >= planes.len());
                Mask { kind: if open { ABOVE } else { BETWEEN }, y: y.as_ptr(), line: [&[]; 2], ceiling }
            }
            By::Line(line) => {
                assert!(line.iter().all(|part| part.len() >= planes.channels));
                let kind = if open { LINE_ABOVE } else { LINE_BETWEEN };
                Mask { kind, y: std::ptr::null(), line, ceiling }
            }
        }
    }

    /// The mask of one plane, which begins at `start`.
    #[inline(always)]
    unsafe fn of<S: Simd, const KIND: u8>(&self, channel: usize, start: usize) -> PlaneMask<S> {
        // SAFETY: the caller has `S`; `new` checked the lengths.
        unsafe {
            let line = match KIND {
                LINE_ABOVE | LINE_BETWEEN => self.line.map(|part| S::splat(part[channel])),
                _ => [S::zero(); 2],
            };
            PlaneMask { y: self.y.wrapping_add(start), line, ceiling: S::splat(self.ceiling) }
        }
    }
}

struct PlaneMask<S: Simd> {
    y: *const f32,
    line: [S::V; 2],
    ceiling: S::V,
}

impl<S: Simd> PlaneMask<S> {
    /// What is let through of a gradient whose `n` inputs at `at` are `x`.
    #[inline(always)]
    unsafe fn pass<const KIND: u8>(&self, gradient: S::V, x: S::V, at: usize, n: usize) -> S::V {
        // SAFETY: the caller has `S`; `n` values exist at `at`, and `y` is read only where there is one.
        unsafe {
            let result = match KIND {
                ALL => return gradient,
                ABOVE | BETWEEN => load::<S>(self.y.add(at), n),
                _ => S::fma(x, self.line[0], self.line[1]),
            };
            let above = S::where_positive(result, gradient);
            match KIND {
                ABOVE | LINE_ABOVE => above,
                _ => S::select_greater(self.ceiling, result, above, S::zero()),
            }
        }
    }
}

/// Calls a function of a kind of mask.
macro_rules! of_kind {
    ($kind:expr, $S:ty, $function:ident($($arg:expr),* $(,)?)) => {
        match $kind {
            ALL => $function::<$S, ALL>($($arg),*),
            ABOVE => $function::<$S, ABOVE>($($arg),*),
            BETWEEN => $function::<$S, BETWEEN>($($arg),*),
            LINE_ABOVE => $function::<$S, LINE_ABOVE>($($arg),*),
            _ => $function::<$S, LINE_BETWEEN>($($arg),*),
        }
    };
}

/// `product[c] += inverse[c] · Σ dy (x - mean[c])` and `sum[c] += Σ dy`.
pub fn backward_sums(
    planes: Planes,
    x: &[f32],
    dy: &[f32],
    passed: Option<Passed<'_>>,
    [mean, inverse]: [&[f32]; 2],
    [product, sum]: [&mut [f32]; 2],
) {
    let (len, channels) = (planes.len(), planes.channels);
    assert!(x.len() >= len && dy.len() >= len && mean.len() >= channels && inverse.len() >= channels);
    assert!(sum.len() >= channels && product.len() >= channels);
    let mask = Mask::new(passed, planes);
    // SAFETY: the lengths were checked.
    unsafe { backward_sums_raw(planes, x.as_ptr(), dy.as_ptr(), mask, mean, inverse, product, sum) }
}

dispatch!(unsafe fn backward_sums_raw(
    planes: Planes, x: *const f32, dy: *const f32, mask: Mask<'_>, mean: &[f32], inverse: &[f32],
    product: &mut [f32], sum: &mut [f32],
) = backward_sums_body);

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn backward_sums_body<S: Simd>(
    planes: Planes,
    x: *const f32,
    dy: *const f32,
    mask: Mask<'_>,
    mean: &[f32],
    inverse: &[f32],
    product: &mut [f32],
    sum: &mut [f32],
) {
    let Planes { images, channels, plane } = planes;
    let at_once = if plane < LARGE { images.max(1) } else { 1 };
    for first in (0..images).step_by(at_once) {
        for channel in 0..channels {
            // SAFETY: the caller checked that all planes exist.
            let [to_scale, to_shift] = unsafe {
                let start = (first * channels + channel) * plane;
                let (x, dy, center) = (x.add(start), dy.add(start), S::splat(mean[channel]));
                let rows = [at_once, channels * plane, plane];
                of_kind!(mask.kind, S, channel_sums(rows, x, dy, &mask, channel, start, center))
            };
            product[channel] += inverse[channel] * to_scale;
            sum[channel] += to_shift;
        }
    }
}

/// `Σ dy (x - center)` and `Σ dy` over rows of one channel: their number, distance and length.
#[inline(always)]
unsafe fn channel_sums<S: Simd, const KIND: u8>(
    [rows, stride, len]: [usize; 3],
    x: *const f32,
    dy: *const f32,
    mask: &Mask<'_>,
    channel: usize,
    first: usize,
    center: S::V,
) -> [f32; 2] {
    // SAFETY: the caller checked that all planes exist.
    unsafe {
        let mask = mask.of::<S, KIND>(channel, first);
        let (mut sums, mut products) = ([S::zero(); 4], [S::zero(); 4]);
        for row in 0..rows {
            let start = row * stride;
            sweep_sums!(S, len, |at, n, slot| {
                let x = load::<S>(x.add(start + at), n);
                let gradient = mask.pass::<KIND>(load::<S>(dy.add(start + at), n), x, start + at, n);
                let distance = S::sub(x, center);
                sums[slot] = S::add(sums[slot], gradient);
                products[slot] = S::fma(distance, gradient, products[slot]);
            });
        }
        [total::<S>(products), total::<S>(sums)]
    }
}

/// `dx = a[c] · dy + b[c] · x + c[c]`, with `dy` masked as in [`backward_sums`].
///
/// With `r = 1 / √(variance + ε)`, `N` values a channel, `s = Σ dy` and `p = r Σ dy (x - mean)`:
/// `a = γ r`, `b = -a r p / N`, `c = -a s / N - b mean`.
pub fn backward_apply(
    planes: Planes,
    x: &[f32],
    dy: &[f32],
    passed: Option<Passed<'_>>,
    factors: [&[f32]; 3],
    dx: &mut [f32],
) {
    let len = planes.len();
    assert!(x.len() >= len && dy.len() >= len && dx.len() >= len);
    assert!(factors.iter().all(|factor| factor.len() >= planes.channels));
    let mask = Mask::new(passed, planes);
    // SAFETY: the lengths were checked.
    unsafe { backward_apply_raw(planes, x.as_ptr(), dy.as_ptr(), mask, factors, dx.as_mut_ptr()) }
}

dispatch!(unsafe fn backward_apply_raw(
    planes: Planes, x: *const f32, dy: *const f32, mask: Mask<'_>, factors: [&[f32]; 3], dx: *mut f32,
) = backward_apply_body);

#[inline(always)]
unsafe fn backward_apply_body<S: Simd>(
    planes: Planes,
    x: *const f32,
    dy: *const f32,
    mask: Mask<'_>,
    factors: [&[f32]; 3],
    dx: *mut f32,
) {
    // SAFETY: the caller checked that all planes exist.
    unsafe { of_kind!(mask.kind, S, apply_planes(planes, x, dy, &mask, factors, dx)) }
}

#[inline(always)]
unsafe fn apply_planes<S: Simd, const KIND: u8>(
    planes: Planes,
    x: *const f32,
    dy: *const f32,
    mask: &Mask<'_>,
    [a, b, c]: [&[f32]; 3],
    dx: *mut f32,
) {
    let Planes { images, channels, plane } = planes;
    for image in 0..images {
        for channel in 0..channels {
            // SAFETY: the caller checked that all planes exist.
            unsafe {
                let (a, b, c) = (S::splat(a[channel]), S::splat(b[channel]), S::splat(c[channel]));
                let start = (image * channels + channel) * plane;
                let (x, dy, dx) = (x.add(start), dy.add(start), dx.add(start));
                let mask = mask.of::<S, KIND>(channel, start);
                sweep!(S, plane, |at, n| {
                    let x = load::<S>(x.add(at), n);
                    let gradient = mask.pass::<KIND>(load::<S>(dy.add(at), n), x, at, n);
                    store::<S>(dx.add(at), S::fma(a, gradient, S::fma(b, x, c)), n);
                });
            }
        }
    }
}
