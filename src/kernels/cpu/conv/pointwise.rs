//! Pointwise convolution (1×1, stride 1, no padding): a matrix product of the weights and the image, and the input
//! gradient another with the weights transposed.
//!
//! Two vectors of pixels of all channels are packed into a panel that stays in L1 while all weights pass by; a tile
//! is six output channels by the panel. Pixels of all images of a call are one row of columns, so that small maps
//! fill panels too.

use super::engine::{even_block, pack};
use super::{Activation, Place, Placed, Shape};
use crate::kernels::cpu::simd::{Simd, dispatch, level, sweep};

/// Output channels of a tile.
const ROWS: usize = 6;

/// A pointwise convolution of one shape: forward and input gradient.
#[derive(Clone, Copy, Debug)]
pub struct Pointwise {
    shape: Shape,
}

impl Pointwise {
    /// Whether every output pixel depends on the same pixel of all channels and on nothing else.
    pub fn supports(shape: &Shape) -> bool {
        shape.groups == 1 && shape.kernel == [1; 2] && shape.stride == [1; 2] && shape.padding == [0; 4]
    }

    /// For a supported `shape`.
    pub fn new(shape: &Shape) -> Pointwise {
        assert!(Pointwise::supports(shape));
        Pointwise { shape: *shape }
    }

    /// Arranges OI weights for [`Pointwise::forward`]; as many numbers as there are weights.
    pub fn pack_forward(&self, weights: &[f32], packed: &mut [f32]) {
        let Shape { inputs, outputs, .. } = self.shape;
        pack(outputs, inputs, packed, |output, input| weights[output * inputs + input]);
    }

    /// Arranges OI weights for [`Pointwise::input_gradient`].
    pub fn pack_input(&self, weights: &[f32], packed: &mut [f32]) {
        let Shape { inputs, outputs, .. } = self.shape;
        pack(inputs, outputs, packed, |input, output| weights[output * inputs + input]);
    }

    /// Scratch values that each direction needs, whatever the number of images.
    pub fn scratch_len(&self) -> usize {
        // A panel, room behind it for pixels that are written twice, and a tile beside the output.
        (self.shape.inputs.max(self.shape.outputs) + 1 + ROWS) * 2 * level().lanes()
    }

    /// `y = activation(w x + bias)` for `n` images; overwrites `y`.
    #[allow(clippy::too_many_arguments)]
    pub fn forward(
        &self,
        n: usize,
        x: &[f32],
        packed: &[f32],
        bias: Option<&[f32]>,
        activation: Activation,
        y: &mut [f32],
        scratch: &mut [f32],
    ) {
        assert!(x.len() >= n * self.shape.input_len() && y.len() >= n * self.shape.output_len());
        // SAFETY: lengths were checked above.
        unsafe { self.forward_at(n, Place::dense(&self.shape, x, y), packed, bias, activation, scratch) }
    }

    /// `dx = wᵀ dy` for `n` images; overwrites `dx`.
    pub fn input_gradient(&self, n: usize, dy: &[f32], packed: &[f32], dx: &mut [f32], scratch: &mut [f32]) {
        let Shape { inputs, outputs, .. } = self.shape;
        assert!(dx.len() >= n * self.shape.input_len() && dy.len() >= n * self.shape.output_len());
        let (place, lowest) = (Place::turned(&self.shape, dy, dx), f32::NEG_INFINITY);
        // SAFETY: lengths were checked above.
        unsafe { self.product(n, [outputs, inputs], place, packed, None, lowest, scratch) }
    }

    /// # Safety
    /// `place` holds `images` images of input and output.
    #[allow(clippy::too_many_arguments)]
    unsafe fn product(
        &self,
        images: usize,
        [inputs, outputs]: [usize; 2],
        place: Place,
        packed: &[f32],
        bias: Option<&[f32]>,
        floor: f32,
        scratch: &mut [f32],
    ) {
        assert!(packed.len() >= inputs * outputs && scratch.len() >= self.scratch_len());
        assert!(bias.is_none_or(|bias| bias.len() >= outputs));
        let (panel, beside) = scratch.split_at_mut((inputs + 1) * 2 * level().lanes());
        let job = Job {
            pixels: self.shape.size[0] * self.shape.size[1],
            images,
            inputs,
            outputs,
            place,
            weights: packed.as_ptr(),
            bias: bias.map_or(std::ptr::null(), <[f32]>::as_ptr),
            floor,
            panel: panel.as_mut_ptr(),
            beside: beside.as_mut_ptr(),
        };
        // SAFETY: lengths were checked above, places are the caller's contract.
        unsafe { product(&job) }
    }
}

impl Placed for Pointwise {
    unsafe fn forward_at(
        &self,
        n: usize,
        place: Place,
        packed: &[f32],
        bias: Option<&[f32]>,
        activation: Activation,
        scratch: &mut [f32],
    ) {
        let Shape { inputs, outputs, .. } = self.shape;
        // SAFETY: the caller's contract.
        unsafe { self.product(n, [inputs, outputs], place, packed, bias, activation.floor(), scratch) }
    }
}

/// `y[i][o][p] = max(floor, bias[o] + Σ_k weights[o, k] · x[i][k][p])`.
struct Job {
    /// Of an image.
    pixels: usize,
    images: usize,
    inputs: usize,
    outputs: usize,
    place: Place,
    /// `[block of outputs][k][output in block]`
    weights: *const f32,
    /// One value an output, or null.
    bias: *const f32,
    floor: f32,
    /// `inputs + 1` rows of two vectors.
    panel: *mut f32,
    /// [`ROWS`] rows of two vectors.
    beside: *mut f32,
}

/// Pixels of one image in a panel.
#[derive(Clone, Copy)]
struct Piece {
    image: usize,
    pixel: usize,
    /// The first column of the panel, and how many.
    column: usize,
    n: usize,
}

impl Job {
    /// The pieces of the panel that begins at a column of all images.
    #[inline(always)]
    fn pieces(&self, first: usize, columns: usize) -> impl Iterator<Item = Piece> {
        let (pixels, mut column) = (self.pixels, 0);
        std::iter::from_fn(move || {
            let (image, pixel) = ((first + column) / pixels, (first + column) % pixels);
            let n = (pixels - pixel).min(columns - column);
            (n > 0).then(|| {
                column += n;
                Piece { image, pixel, column: column - n, n }
            })
        })
    }
}

dispatch!(unsafe fn product(job: &Job) = body);

#[inline(always)]
unsafe fn body<S: Simd>(job: &Job) {
    let width = 2 * S::LANES;
    let columns = job.images * job.pixels;
    for first in (0..columns).step_by(width) {
        let columns = width.min(columns - first);
        // SAFETY: the panel's columns are pixels of the images.
        unsafe {
            gather::<S>(job, first, columns);
            let mut output = 0;
            while output < job.outputs {
                let rows = even_block(job.outputs - output, ROWS);
                match rows {
                    1 => tile::<S, 1>(job, first, columns, output),
                    2 => tile::<S, 2>(job, first, columns, output),
                    3 => tile::<S, 3>(job, first, columns, output),
                    4 => tile::<S, 4>(job, first, columns, output),
                    5 => tile::<S, 5>(job, first, columns, output),
                    _ => tile::<S, ROWS>(job, first, columns, output),
                }
                output += rows;
            }
        }
    }
}

/// Copies the pixels of all channels into the panel.
///
/// Two whole vectors are copied where the image has them: what is too much lies in columns of later pieces or in
/// the next row, and is overwritten.
#[inline(always)]
unsafe fn gather<S: Simd>(job: &Job, first: usize, columns: usize) {
    let (width, place) = (2 * S::LANES, &job.place);
    let mut to = job.panel;
    // SAFETY: vectors are loaded only where they end at or before `end`; the panel has a row to spare.
    unsafe {
        for input in 0..job.inputs {
            for piece in job.pieces(first, columns) {
                let from = place.x.add((piece.image * job.inputs + input) * place.planes[0] + piece.pixel);
                let to = to.add(piece.column);
                ahead::<S>(from);
                if place.end.offset_from(from) as usize >= width {
                    S::store(to, S::load(from));
                    S::store(to.add(S::LANES), S::load(from.add(S::LANES)));
                } else {
                    copy::<S>(from, to, piece.n);
                }
            }
            to = to.add(width);
        }
    }
}

/// `M` outputs of a panel, from `output` on.
#[inline(always)]
unsafe fn tile<S: Simd, const M: usize>(job: &Job, first: usize, columns: usize, output: usize) {
    let width = 2 * S::LANES;
    // SAFETY: the panel has `inputs` rows; weights, bias and `y` have `output + M` rows.
    unsafe {
        let mut sums = [[S::zero(); 2]; M];
        if !job.bias.is_null() {
            for i in 0..M {
                sums[i] = [S::splat(*job.bias.add(output + i)); 2];
            }
        }
        let (mut weights, mut x) = (job.weights.add(output * job.inputs), job.panel.cast_const());
        for _ in 0..job.inputs {
            let values = [S::load(x), S::load(x.add(S::LANES))];
            for i in 0..M {
                let weight = S::splat(*weights.add(i));
                for j in 0..2 {
                    sums[i][j] = S::fma(values[j], weight, sums[i][j]);
                }
            }
            (weights, x) = (weights.add(M), x.add(width));
        }
        let floor = S::splat(job.floor);
        let (image, pixel) = (first / job.pixels, first % job.pixels);
        let plane = job.place.planes[1];
        let y = job.place.y.add((image * job.outputs + output) * plane + pixel);
        if columns == width && pixel + width <= job.pixels {
            for i in 0..M {
                ahead::<S>(y.add(i * plane));
                for j in 0..2 {
                    S::store(y.add(i * plane + j * S::LANES), S::max(floor, sums[i][j]));
                }
            }
            return;
        }
        for i in 0..M {
            for j in 0..2 {
                S::store(job.beside.add(i * width + j * S::LANES), S::max(floor, sums[i][j]));
            }
        }
        for piece in job.pieces(first, columns) {
            let y = job.place.y.add((piece.image * job.outputs + output) * plane + piece.pixel);
            for i in 0..M {
                let (from, to) = (job.beside.add(i * width + piece.column), y.add(i * plane));
                copy::<S>(from, to, piece.n);
            }
        }
    }
}

/// Asks for what the next panel reads or writes of a plane: planes are more than the CPU follows by itself.
#[inline(always)]
fn ahead<S: Simd>(at: *const f32) {
    for line in 0..2 * S::LANES / 16 {
        sweep::prefetch(at.wrapping_add(2 * S::LANES + 16 * line));
    }
}

/// Copies up to two vectors.
#[inline(always)]
unsafe fn copy<S: Simd>(from: *const f32, to: *mut f32, n: usize) {
    // SAFETY: the caller's pointers are valid for `n` values.
    unsafe {
        for at in (0..n).step_by(S::LANES) {
            let n = S::LANES.min(n - at);
            sweep::store::<S>(to.add(at), sweep::load::<S>(from.add(at), n), n);
        }
    }
}
