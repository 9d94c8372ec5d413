//! Depthwise convolution with a 3×3 kernel at stride 1 or 2, row by row.
//!
//! A band of one channel's rows is copied into a frame of zeros that stays in L1, at stride 2 with even and odd
//! columns apart. Forward, a tile is a vector of columns of four rows, so that a row of the frame is loaded once for
//! all outputs that it belongs to and the nine weights stay in registers. The input gradient at stride 1 is the
//! same with the kernel turned; at stride 2 even and odd columns are two sums that are interleaved when stored.

use super::planes::{SLACK, copy_row};
use super::{Activation, Depthwise, Shape};
use crate::kernels::cpu::simd::{Level, Simd, dispatch, level_of_rows, sweep};

/// Rows of a forward tile.
const ROWS: usize = 4;
/// Numbers of a band of frames; half of a core's L1.
const BAND: usize = 4 << 10;

/// Rows of a source in a frame of zeros.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Of vectors that a row of the output fills.
    level: Level,
    source: [usize; 2],
    target: [usize; 2],
    /// Zeros above and left of the source.
    before: [usize; 2],
    stride: usize,
    /// Columns of a row, at stride 2 of its even and of its odd columns each.
    pitch: usize,
    /// Target rows whose source rows are in the frame at once.
    band: usize,
}

impl Frame {
    fn new(source: [usize; 2], target: [usize; 2], before: [usize; 2], stride: usize, level: Level) -> Frame {
        let lanes = level.lanes();
        let pitch = (target[1].next_multiple_of(lanes) + 3 - stride).next_multiple_of(8);
        let band = (BAND / (pitch * stride)).saturating_sub(2) / stride / ROWS * ROWS;
        Frame { level, source, target, before, stride, pitch, band: band.clamp(ROWS, target[0].max(ROWS)) }
    }

    /// Distance between the rows of a frame.
    fn row(&self) -> usize {
        self.pitch * self.stride
    }

    /// Numbers of a frame.
    fn len(&self) -> usize {
        ((self.band.min(self.target[0]) - 1) * self.stride + 3) * self.row() + SLACK
    }

    /// Where the three taps of a row lie.
    fn taps(&self) -> [usize; 3] {
        if self.stride == 1 { [0, 1, 2] } else { [0, self.pitch, 1] }
    }

    /// The bands: first target row and number of rows.
    fn bands(&self) -> impl Iterator<Item = (usize, usize)> {
        let (rows, band) = (self.target[0], self.band);
        (0..rows).step_by(band).map(move |first| (first, band.min(rows - first)))
    }

    /// Copies the source rows of a band of target rows; zeros left and right of them are there already.
    #[inline(always)]
    unsafe fn copy<S: Simd>(&self, (first, n): (usize, usize), from: *const f32, to: *mut f32) {
        let width = self.source[1];
        for i in 0..(n - 1) * self.stride + 3 {
            let row = (first * self.stride + i).wrapping_sub(self.before[0]);
            // SAFETY: `row` is a row of the source; the frame is as wide as the source and its margins.
            unsafe {
                let to = to.add(i * self.row());
                if row >= self.source[0] {
                    // A single band finds them as they were at the beginning.
                    if self.band < self.target[0] {
                        std::slice::from_raw_parts_mut(to, self.row()).fill(0.0);
                    }
                    continue;
                }
                let from = from.add(row * width);
                if self.stride == 1 {
                    copy_row::<S>(from, to.add(self.before[1]), width);
                    continue;
                }
                let (shift, odd) = (self.before[1] / 2, self.before[1] % 2);
                let (even, other) =
                    (to.add(odd * self.pitch + shift), to.add((1 - odd) * self.pitch + shift + odd));
                let mut at = 0;
                while at + 2 * S::LANES <= width {
                    let parts = S::deinterleave(S::load(from.add(at)), S::load(from.add(at + S::LANES)));
                    S::store(even.add(at / 2), parts.0);
                    S::store(other.add(at / 2), parts.1);
                    at += 2 * S::LANES;
                }
                for at in at..width {
                    *(if at % 2 == 0 { even } else { other }).add(at / 2) = *from.add(at);
                }
            }
        }
    }
}

/// A depthwise convolution of one shape.
#[derive(Clone, Copy, Debug)]
pub struct Depthwise3 {
    shape: Shape,
    /// The input, for the outputs.
    forward: Frame,
    /// The output gradient, for the inputs.
    backward: Frame,
}

impl Depthwise3 {
    /// Whether every channel is a group of its own, with one output, and the kernel 3×3 at stride 1 or 2.
    pub fn supports(shape: &Shape) -> bool {
        Depthwise::supports(shape)
            && shape.kernel == [3; 2]
            && shape.dilation == [1; 2]
            && (shape.stride == [1; 2] || shape.stride == [2; 2])
            && shape.padding.iter().all(|&zeros| zeros <= 2)
    }

    /// For a supported `shape`, bound to the CPU's current vector width.
    pub fn new(shape: &Shape) -> Depthwise3 {
        assert!(Depthwise3::supports(shape));
        let ([top, left, ..], stride) = (shape.padding, shape.stride[0]);
        let level = level_of_rows(shape.output()[1]);
        let forward = Frame::new(shape.size, shape.output(), [top, left], stride, level);
        let backward = match stride {
            1 => Frame::new(shape.output(), shape.size, [2 - top, 2 - left], 1, level),
            // In pairs of rows and columns; a row and a column of zeros before, as the first pair reaches back.
            _ => Frame::new(shape.output(), shape.size.map(|size| size / 2 + 2), [1, 1], 1, level),
        };
        Depthwise3 { shape: *shape, forward, backward }
    }

    /// Scratch values that each direction needs, whatever the number of images.
    pub fn scratch_len(&self) -> usize {
        self.forward.len().max(self.backward.len()) + 2 * self.forward.level.lanes()
    }

    fn fits(&self, n: usize, x: &[f32], w: &[f32], y: &[f32], scratch: &[f32]) -> bool {
        x.len() >= n * self.shape.input_len()
            && y.len() >= n * self.shape.output_len()
            && w.len() >= self.shape.weights_len()
            && scratch.len() >= self.scratch_len()
    }

    /// `y = activation(x ⋆ w + bias)` for `n` images, `w` as `[channels, 1, 3, 3]`; overwrites `y`.
    #[allow(clippy::too_many_arguments)]
    pub fn forward(
        &self,
        n: usize,
        x: &[f32],
        w: &[f32],
        bias: Option<&[f32]>,
        activation: Activation,
        y: &mut [f32],
        scratch: &mut [f32],
    ) {
        assert!(self.fits(n, x, w, y, scratch));
        assert!(bias.is_none_or(|bias| bias.len() >= self.shape.outputs));
        // SAFETY: all lengths were checked above.
        unsafe { sums(&self.forward, self.planes(n), x, w, false, bias, activation.floor(), y, scratch) }
    }

    /// `dx = dy ⋆ᵀ w` for `n` images; overwrites `dx`.
    pub fn input_gradient(&self, n: usize, dy: &[f32], w: &[f32], dx: &mut [f32], scratch: &mut [f32]) {
        assert!(self.fits(n, dx, w, dy, scratch));
        // SAFETY: all lengths were checked above.
        unsafe {
            match self.shape.stride[0] {
                1 => {
                    let lowest = f32::NEG_INFINITY;
                    sums(&self.backward, self.planes(n), dy, w, true, None, lowest, dx, scratch);
                }
                _ => spread_sums(self, self.planes(n), dy, w, dx, scratch),
            }
        }
    }

    /// `dw += Σ_images x ⋆ dy`.
    pub fn weight_gradient(&self, n: usize, x: &[f32], dy: &[f32], dw: &mut [f32], scratch: &mut [f32]) {
        assert!(self.fits(n, x, dw, dy, scratch));
        // SAFETY: all lengths were checked above.
        unsafe { weight_gradient(self, n, x, dy, dw, scratch) }
    }

    fn planes(&self, n: usize) -> [usize; 2] {
        [n, self.shape.inputs]
    }
}

dispatch!(at(frame.level) unsafe fn sums(
    frame: &Frame, planes: [usize; 2], x: &[f32], w: &[f32], turned: bool, bias: Option<&[f32]>, floor: f32,
    y: &mut [f32], scratch: &mut [f32],
) = sums_body);

/// `y = max(floor, bias + x ⋆ w)` for planes `[images, channels]`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn sums_body<S: Simd>(
    frame: &Frame,
    planes: [usize; 2],
    x: &[f32],
    w: &[f32],
    turned: bool,
    bias: Option<&[f32]>,
    floor: f32,
    y: &mut [f32],
    scratch: &mut [f32],
) {
    // SAFETY: the caller checked all lengths.
    unsafe {
        match frame.stride {
            1 => strided_sums::<S, 1>(frame, planes, x, w, turned, bias, floor, y, scratch),
            _ => strided_sums::<S, 2>(frame, planes, x, w, turned, bias, floor, y, scratch),
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn strided_sums<S: Simd, const STRIDE: usize>(
    frame: &Frame,
    [images, channels]: [usize; 2],
    x: &[f32],
    w: &[f32],
    turned: bool,
    bias: Option<&[f32]>,
    floor: f32,
    y: &mut [f32],
    scratch: &mut [f32],
) {
    let ([height, width], end, y) = (frame.target, y.len(), y.as_mut_ptr());
    let source = frame.source[0] * frame.source[1];
    scratch[..frame.len()].fill(0.0);
    for plane in 0..images * channels {
        let channel = plane % channels;
        // SAFETY: the caller checked all lengths.
        unsafe {
            let floor = S::splat(floor);
            let start = S::splat(bias.map_or(0.0, |bias| bias[channel]));
            let mut weights = [S::zero(); 9];
            for (tap, weight) in weights.iter_mut().enumerate() {
                *weight = S::splat(w[channel * 9 + if turned { 8 - tap } else { tap }]);
            }
            for (first, n) in frame.bands() {
                frame.copy::<S>((first, n), x.as_ptr().add(plane * source), scratch.as_mut_ptr());
                let mut row = 0;
                while row < n {
                    let rows = if n - row >= ROWS { ROWS } else { 1 };
                    let mut column = 0;
                    while column < width {
                        // The last vector is moved back onto the row.
                        column =
                            if column + S::LANES > width { width.saturating_sub(S::LANES) } else { column };
                        let from = scratch.as_ptr().add(row * STRIDE * frame.row() + column);
                        let to = plane * height * width + (first + row) * width + column;
                        let store = |row: usize, sum: S::V| {
                            // Of a row shorter than a vector, what is too much is overwritten by the next rows.
                            let to = to + row * width;
                            let value = S::max(floor, sum);
                            let n = if to + S::LANES <= end { S::LANES } else { width };
                            sweep::store::<S>(y.add(to), value, n);
                        };
                        if rows == ROWS {
                            let sums = tile::<S, ROWS, STRIDE>(frame, from, &weights, start);
                            for i in 0..ROWS {
                                store(i, sums[i]);
                            }
                        } else {
                            store(0, tile::<S, 1, STRIDE>(frame, from, &weights, start)[0]);
                        }
                        column += S::LANES;
                    }
                    row += rows;
                }
            }
        }
    }
}

/// `R` vectors below one another.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const STRIDE: usize>(
    frame: &Frame,
    x: *const f32,
    weights: &[S::V; 9],
    start: S::V,
) -> [S::V; R] {
    let (taps, distance) = (frame.taps(), frame.row());
    let mut sums = [start; R];
    for q in 0..(R - 1) * STRIDE + 3 {
        // SAFETY: the frame holds the rows that the tile reads, with room for a vector behind the last output.
        unsafe {
            let at = x.add(q * distance);
            let values = [S::load(at), S::load(at.add(taps[1])), S::load(at.add(taps[2]))];
            for r in 0..R {
                if q >= r * STRIDE && q < r * STRIDE + 3 {
                    for j in 0..3 {
                        sums[r] = S::fma(values[j], weights[(q - r * STRIDE) * 3 + j], sums[r]);
                    }
                }
            }
        }
    }
    sums
}

dispatch!(at(conv.backward.level) unsafe fn spread_sums(
    conv: &Depthwise3, planes: [usize; 2], dy: &[f32], w: &[f32], dx: &mut [f32], scratch: &mut [f32],
) = spread_sums_body);

/// The input gradient at stride 2. With `u = row + padding`, an even `u` takes kernel row 0 of output row `u / 2` and
/// kernel row 2 of the one before, an odd `u` kernel row 1 of output row `(u - 1) / 2`; columns alike.
#[inline(always)]
unsafe fn spread_sums_body<S: Simd>(
    conv: &Depthwise3,
    [images, channels]: [usize; 2],
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
    scratch: &mut [f32],
) {
    let (frame, [height, width]) = (&conv.backward, conv.shape.size);
    let [top, left, ..] = conv.shape.padding;
    let (source, end) = (frame.source[0] * frame.source[1], dx.len());
    let (frames, beside) = scratch.split_at_mut(frame.len());
    frames.fill(0.0);
    for plane in 0..images * channels {
        let w = &w[plane % channels * 9..][..9];
        // SAFETY: the caller checked all lengths.
        unsafe {
            let splat =
                |row: usize| [S::splat(w[row * 3]), S::splat(w[row * 3 + 1]), S::splat(w[row * 3 + 2])];
            let weights = [splat(0), splat(1), splat(2)];
            for (first, n) in frame.bands() {
                frame.copy::<S>((first, n), dy.as_ptr().add(plane * source), frames.as_mut_ptr());
                // Frame row i holds output row `first + i - 1`.
                for u in 2 * first..2 * (first + n) {
                    let row = u.wrapping_sub(top);
                    if row >= height {
                        continue;
                    }
                    let after = frames.as_ptr().add((u / 2 - first + 1) * frame.row());
                    let before = frames.as_ptr().add((u / 2 - first) * frame.row());
                    let mut column = 0;
                    while column < width {
                        // The last vectors are moved back onto the row where that keeps even and odd apart.
                        if column + 2 * S::LANES > width && width >= 2 * S::LANES && width % 2 == 0 {
                            column = width - 2 * S::LANES;
                        }
                        let at = (column + left) / 2 + left % 2;
                        let odd = left % 2 == 1;
                        let mut sums = [S::zero(); 2];
                        if u % 2 == 0 {
                            columns::<S>(after.add(at), &weights[0], odd, &mut sums);
                            columns::<S>(before.add(at), &weights[2], odd, &mut sums);
                        } else {
                            columns::<S>(after.add(at), &weights[1], odd, &mut sums);
                        }
                        let parts = if odd {
                            S::interleave(sums[1], sums[0])
                        } else {
                            S::interleave(sums[0], sums[1])
                        };
                        let to = plane * height * width + row * width + column;
                        let left = width - column;
                        if left >= 2 * S::LANES || (column == 0 && to + 2 * S::LANES <= end) {
                            S::store(dx.as_mut_ptr().add(to), parts.0);
                            S::store(dx.as_mut_ptr().add(to + S::LANES), parts.1);
                        } else {
                            S::store(beside.as_mut_ptr(), parts.0);
                            S::store(beside.as_mut_ptr().add(S::LANES), parts.1);
                            dx[to..to + left].copy_from_slice(&beside[..left]);
                        }
                        column += 2 * S::LANES;
                    }
                }
            }
        }
    }
}

/// Adds one kernel row's share of the even and the odd columns, where columns are counted with the padding.
#[inline(always)]
unsafe fn columns<S: Simd>(dy: *const f32, weights: &[S::V; 3], odd: bool, [even, other]: &mut [S::V; 2]) {
    // SAFETY: the frame has room for a vector behind the last output.
    unsafe {
        let (before, after) = (S::load(dy), S::load(dy.add(1)));
        *even = S::fma(weights[0], after, S::fma(weights[2], before, *even));
        *other = S::fma(weights[1], if odd { before } else { after }, *other);
    }
}

dispatch!(at(conv.forward.level) unsafe fn weight_gradient(
    conv: &Depthwise3, n: usize, x: &[f32], dy: &[f32], dw: &mut [f32], scratch: &mut [f32],
) = weight_gradient_body);

#[inline(always)]
unsafe fn weight_gradient_body<S: Simd>(
    conv: &Depthwise3,
    n: usize,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    scratch: &mut [f32],
) {
    let (frame, channels) = (&conv.forward, conv.shape.inputs);
    let [height, width] = frame.target;
    let (source, taps) = (frame.source[0] * frame.source[1], frame.taps());
    scratch[..frame.len()].fill(0.0);
    for channel in 0..channels {
        // SAFETY: the caller checked all lengths.
        unsafe {
            let mut sums = [S::zero(); 9];
            for image in 0..n {
                let plane = image * channels + channel;
                for (first, rows) in frame.bands() {
                    frame.copy::<S>((first, rows), x.as_ptr().add(plane * source), scratch.as_mut_ptr());
                    for column in (0..width).step_by(S::LANES) {
                        let mut dy = dy.as_ptr().add(plane * height * width + first * width + column);
                        let mut x = scratch.as_ptr().add(column);
                        let lanes = S::LANES.min(width - column);
                        let mut here = sums;
                        for _ in 0..rows {
                            let gradient = sweep::load::<S>(dy, lanes);
                            for i in 0..3 {
                                for j in 0..3 {
                                    let value = S::load(x.add(i * frame.row() + taps[j]));
                                    here[i * 3 + j] = S::fma(value, gradient, here[i * 3 + j]);
                                }
                            }
                            (dy, x) = (dy.add(width), x.add(frame.stride * frame.row()));
                        }
                        sums = here;
                    }
                }
            }
            for tap in 0..9 {
                dw[channel * 9 + tap] += S::sum(sums[tap]);
            }
        }
    }
}
