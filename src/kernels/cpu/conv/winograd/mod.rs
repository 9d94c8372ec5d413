//! Winograd convolution, `F(2×2, 3×3)` and `F(4×4, 3×3)`: 3×3 kernels at stride 1 with 2.25 and 4 times
//! fewer multiplications than the direct sum, in all three directions.
//!
//! The batch is cut into blocks of tile rows. A block is transformed to `V[ξ][tile][channel]`, multiplied
//! with the transformed weights at each of the 16 or 36 points ξ, and transformed back. The gradients are
//! the adjoints of the forward steps, so that both share the transform of `dy`.

mod backward;
mod forward;
mod strip;
mod transform;
mod weights;

use std::ops::Range;

use super::{Activation, Shape};
use crate::kernels::cpu::simd::level;

/// Values of `V` and `M` in a block that is to stay in L2 beside the weights' panel.
const BLOCK_VALUES: usize = 72 << 10;
/// Transformed weights of more values come from beyond L2, and a block must be large to pay for that.
const WEIGHT_VALUES: usize = 192 << 10;
/// Tiles in a block when the weights are large.
const LARGE_BLOCK: usize = 96;
/// Output channels of a chunk of transformed weight gradients.
const CHUNK: usize = 64;

/// Outputs of a tile along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// `F(2×2, 3×3)`: 16 multiplications for 4 outputs.
    Two,
    /// `F(4×4, 3×3)`: 36 multiplications for 16 outputs.
    Four,
}

impl Tile {
    /// Outputs along one axis.
    pub fn outputs(self) -> usize {
        match self {
            Tile::Two => 2,
            Tile::Four => 4,
        }
    }

    /// Multiplications of a tile.
    fn points(self) -> usize {
        (self.outputs() + 2) * (self.outputs() + 2)
    }
}

/// A Winograd convolution of one shape.
#[derive(Clone, Debug)]
pub struct Winograd {
    shape: Shape,
    tile: Tile,
    /// Tiles down and across an image.
    tiles: [usize; 2],
    /// Tile rows of a block.
    block: usize,
    /// Input and output channels, rounded up to whole vectors.
    inputs: usize,
    outputs: usize,
    lanes: usize,
}

/// A distance of at least `len` that is an odd number of cache lines, so that parallel streams do not
/// fall on the same cache set.
fn odd_lines(len: usize) -> usize {
    (len.div_ceil(16) | 1) * 16
}

impl Winograd {
    /// Whether the algorithm exists for `shape`: one group, 3×3, stride 1, no dilation.
    pub fn supports(shape: &Shape) -> bool {
        shape.groups == 1 && shape.kernel == [3; 2] && shape.stride == [1; 2] && shape.dilation == [1; 2]
    }

    /// For a supported `shape`, bound to the CPU's current vector width.
    pub fn new(shape: &Shape, tile: Tile) -> Winograd {
        assert!(Winograd::supports(shape));
        let lanes = level().lanes();
        let tiles = shape.output().map(|len| len.div_ceil(tile.outputs()));
        let (inputs, outputs) = (shape.inputs.next_multiple_of(lanes), shape.outputs.next_multiple_of(lanes));
        let fitting = BLOCK_VALUES / (tile.points() * (inputs + outputs));
        let large = tile.points() * inputs * outputs > WEIGHT_VALUES;
        let wanted = if large { fitting.max(LARGE_BLOCK) } else { fitting.max(12) };
        let block = (wanted / tiles[1]).max(1);
        Winograd { shape: *shape, tile, tiles, block, inputs, outputs, lanes }
    }

    /// The shape this was made for.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Tile rows of a block among `n` images.
    fn block_rows(&self, n: usize) -> usize {
        self.block.min((n * self.tiles[0]).max(1))
    }

    /// Output channels whose transformed weight gradients are kept at once: where one block holds all tiles,
    /// a few channels can be finished after another, and the transformed gradients stay in cache.
    fn chunk(&self, n: usize) -> usize {
        if n * self.tiles[0] <= self.block { self.outputs.min(CHUNK) } else { self.outputs }
    }

    /// Distance between points in a block of `channels`.
    fn point(&self, n: usize, channels: usize) -> usize {
        odd_lines(self.block_rows(n) * self.tiles[1] * channels)
    }

    /// Values of a strip of input rows: one tile row with its border.
    fn input_strip(&self) -> usize {
        let m = self.tile.outputs();
        (m + 2) * (self.tiles[1] * m + 2) * self.inputs
    }

    /// Values of a strip of output rows, of `channels`.
    fn output_strip(&self, channels: usize) -> usize {
        let m = self.tile.outputs();
        m * self.tiles[1] * m * channels
    }

    /// Distance between points in weights packed for a product of `depth` with `columns` channels.
    fn packed_point(&self, depth: usize, columns: usize) -> usize {
        depth * columns.next_multiple_of(2 * self.lanes)
    }

    /// Values that [`Winograd::pack_forward`] writes.
    pub fn packed_forward_len(&self) -> usize {
        self.tile.points() * self.packed_point(self.shape.inputs, self.shape.outputs)
    }

    /// Values that [`Winograd::pack_input`] writes.
    pub fn packed_input_len(&self) -> usize {
        self.tile.points() * self.packed_point(self.shape.outputs, self.shape.inputs)
    }

    /// Transforms OIHW weights for [`Winograd::forward`].
    pub fn pack_forward(&self, weights: &[f32], packed: &mut [f32]) {
        assert!(weights.len() >= self.shape.weights_len() && packed.len() >= self.packed_forward_len());
        let (inputs, outputs) = (self.shape.inputs, self.shape.outputs);
        // SAFETY: lengths were checked; outputs lie `inputs * 9` apart, inputs 9.
        unsafe {
            weights::pack(self, weights.as_ptr(), [outputs, inputs * 9], [inputs, 9], packed.as_mut_ptr())
        }
    }

    /// Transforms OIHW weights for the input gradient of [`Winograd::backward`].
    pub fn pack_input(&self, weights: &[f32], packed: &mut [f32]) {
        assert!(weights.len() >= self.shape.weights_len() && packed.len() >= self.packed_input_len());
        let (inputs, outputs) = (self.shape.inputs, self.shape.outputs);
        // SAFETY: lengths were checked; outputs lie `inputs * 9` apart, inputs 9.
        unsafe {
            weights::pack(self, weights.as_ptr(), [inputs, 9], [outputs, inputs * 9], packed.as_mut_ptr())
        }
    }

    /// Scratch values that [`Winograd::forward`] needs for `n` images.
    pub fn forward_scratch_len(&self, n: usize) -> usize {
        let block = self.point(n, self.inputs) + self.point(n, self.outputs);
        self.input_strip() + self.tile.points() * block + self.output_strip(self.lanes) + self.outputs
    }

    /// `y = activation(x ⋆ w + bias)` for `n` images; overwrites `y`.
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
        assert!(y.len() >= n * self.shape.output_len());
        let rows = 0..n * self.tiles[0];
        // SAFETY: `y` is exclusive, and its length was checked.
        unsafe { self.forward_rows(n, rows, x, packed, bias, activation, y.as_mut_ptr(), scratch) }
    }

    /// Tile rows of an image.
    pub fn rows(&self) -> usize {
        self.tiles[0]
    }

    /// As [`Winograd::forward`], for some of the tile rows of all images.
    ///
    /// # Safety
    /// `y` is valid for the outputs of `n` images, and nobody else uses those of these rows.
    #[allow(clippy::too_many_arguments)]
    pub unsafe fn forward_rows(
        &self,
        n: usize,
        rows: Range<usize>,
        x: &[f32],
        packed: &[f32],
        bias: Option<&[f32]>,
        activation: Activation,
        y: *mut f32,
        scratch: &mut [f32],
    ) {
        assert!(x.len() >= n * self.shape.input_len() && rows.end <= n * self.tiles[0]);
        assert!(packed.len() >= self.packed_forward_len() && scratch.len() >= self.forward_scratch_len(n));
        assert!(bias.is_none_or(|bias| bias.len() >= self.shape.outputs));
        // SAFETY: all lengths were checked above.
        unsafe { forward::run(self, n, rows, x, packed, bias, activation.floor(), y, scratch) }
    }

    /// Scratch values that [`Winograd::backward`] needs for `n` images, with a weight gradient or without.
    pub fn backward_scratch_len(&self, n: usize, weights: bool) -> usize {
        let block = self.point(n, self.inputs) + self.point(n, self.outputs);
        let points = if weights { odd_lines(self.shape.inputs * self.chunk(n)) } else { 0 };
        let strips = 2 * self.input_strip() + self.output_strip(self.outputs);
        self.tile.points() * (block + points) + strips
    }

    /// The input gradient `dx = dy ⋆ᵀ w` (with the weights of [`Winograd::pack_input`]; overwritten) and
    /// the weight gradient `dw += Σ_images x ⋆ dy` of `n` images, either or both.
    #[allow(clippy::too_many_arguments)]
    pub fn backward(
        &self,
        n: usize,
        dy: &[f32],
        input: Option<(&[f32], &mut [f32])>,
        weights: Option<(&[f32], &mut [f32])>,
        scratch: &mut [f32],
    ) {
        assert!(dy.len() >= n * self.shape.output_len());
        assert!(scratch.len() >= self.backward_scratch_len(n, weights.is_some()));
        if let Some((packed, dx)) = &input {
            assert!(packed.len() >= self.packed_input_len() && dx.len() >= n * self.shape.input_len());
        }
        if let Some((x, dw)) = &weights {
            assert!(x.len() >= n * self.shape.input_len() && dw.len() >= self.shape.weights_len());
        }
        // SAFETY: all lengths were checked above.
        unsafe { backward::run(self, n, dy, input, weights, scratch) }
    }
}
