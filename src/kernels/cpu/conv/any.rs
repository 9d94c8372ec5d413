//! One convolution behind one interface, whatever algorithm suits its shape.

use super::{Activation, Depthwise, Depthwise3, Direct, Placed, Pointwise, Shape, Tile, Winograd};

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Sums of shifted planes; any shape.
    Direct,
    /// Channel by channel; every channel a group of its own.
    Depthwise,
    /// A matrix product; 1×1 at stride 1.
    Pointwise,
    /// Winograd's minimal filtering; 3×3 at stride 1.
    Winograd(Tile),
}

/// What calls of a convolution are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Forward only.
    Inference,
    /// Forward and both gradients.
    Training,
}

/// Multiply-adds that the transforms of a tile cost for each of its channels, as measured.
const TRANSFORM: [(Tile, usize); 2] = [(Tile::Two, 180), (Tile::Four, 550)];
/// Pixels of a call that a panel of a pointwise convolution is worth filling with.
const LEAST_PIXELS: usize = 12;
/// Weights, transformed or not, that stay in L2.
const NEAR_WEIGHTS: usize = 96 << 10;

/// The fastest algorithm for calls with `n` images, by a cost model fitted to measurements: multiply-adds,
/// and once a call the time to move weights that do not stay in cache.
pub fn plan(shape: &Shape, n: usize, purpose: Purpose) -> Algorithm {
    if Depthwise::supports(shape) {
        return Algorithm::Depthwise;
    }
    if Pointwise::supports(shape) && n * shape.size[0] * shape.size[1] >= LEAST_PIXELS {
        return Algorithm::Pointwise;
    }
    // In multiply-adds: reading a weight; reading it for two passes and adding a gradient to it.
    let (passes, far_weight) = match purpose {
        Purpose::Inference => (1, 3),
        Purpose::Training => (3, 45),
    };
    let far = |weights: usize| if weights > NEAR_WEIGHTS { weights * far_weight } else { 0 };
    let n = n.max(1) * passes;
    let [out_h, out_w] = shape.output();
    let positions =
        if out_w.is_multiple_of(8) { out_h * out_w } else { (out_h * (out_w + 1)).next_multiple_of(8) };
    let mut best = (n * positions * shape.weights_len() + far(shape.weights_len()), Algorithm::Direct);
    if Winograd::supports(shape) {
        for (tile, transform) in TRANSFORM {
            let points = (tile.outputs() + 2).pow(2);
            let [down, across] = shape.output().map(|len| len.div_ceil(tile.outputs()));
            let products = points * shape.inputs * shape.outputs;
            let each = products + transform * (shape.inputs + shape.outputs);
            let cost = n * down * across * each + far(products);
            if cost < best.0 {
                best = (cost, Algorithm::Winograd(tile));
            }
        }
    }
    best.1
}

/// A convolution of one shape by one algorithm.
#[derive(Clone, Debug)]
pub struct Conv {
    shape: Shape,
    kernel: Kernel,
}

#[derive(Clone, Debug)]
enum Kernel {
    Direct(Direct),
    Depthwise(Depthwise),
    Depthwise3(Depthwise3),
    /// With the direct one for the weight gradient.
    Pointwise(Pointwise, Direct),
    Winograd(Winograd),
}

impl Conv {
    /// With the algorithm that [`plan`] chooses for calls with `n` images.
    pub fn new(shape: &Shape, n: usize, purpose: Purpose) -> Conv {
        Conv::with(shape, plan(shape, n, purpose))
    }

    /// With an algorithm that exists for the shape.
    pub fn with(shape: &Shape, algorithm: Algorithm) -> Conv {
        let kernel = match algorithm {
            Algorithm::Direct => Kernel::Direct(Direct::new(shape)),
            Algorithm::Depthwise if Depthwise3::supports(shape) => Kernel::Depthwise3(Depthwise3::new(shape)),
            Algorithm::Depthwise => Kernel::Depthwise(Depthwise::new(shape)),
            Algorithm::Pointwise => Kernel::Pointwise(Pointwise::new(shape), Direct::new(shape)),
            Algorithm::Winograd(tile) => Kernel::Winograd(Winograd::new(shape, tile)),
        };
        Conv { shape: *shape, kernel }
    }

    /// The shape this was made for.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Values that [`Conv::pack_forward`] writes.
    pub fn packed_forward_len(&self) -> usize {
        match &self.kernel {
            Kernel::Direct(conv) => conv.packed_forward_len(),
            Kernel::Depthwise(_) | Kernel::Depthwise3(_) | Kernel::Pointwise(..) => self.shape.weights_len(),
            Kernel::Winograd(conv) => conv.packed_forward_len(),
        }
    }

    /// Arranges OIHW weights for [`Conv::forward`]; once after each change of the weights.
    pub fn pack_forward(&self, weights: &[f32], packed: &mut [f32]) {
        match &self.kernel {
            Kernel::Direct(conv) => conv.pack_forward(weights, packed),
            Kernel::Depthwise(_) | Kernel::Depthwise3(_) => packed[..weights.len()].copy_from_slice(weights),
            Kernel::Pointwise(conv, _) => conv.pack_forward(weights, packed),
            Kernel::Winograd(conv) => conv.pack_forward(weights, packed),
        }
    }

    /// Values that [`Conv::pack_input`] writes.
    pub fn packed_input_len(&self) -> usize {
        match &self.kernel {
            Kernel::Direct(conv) => conv.packed_input_len(),
            Kernel::Depthwise(_) | Kernel::Depthwise3(_) | Kernel::Pointwise(..) => self.shape.weights_len(),
            Kernel::Winograd(conv) => conv.packed_input_len(),
        }
    }

    /// Arranges OIHW weights for the input gradient; once after each change of the weights.
    pub fn pack_input(&self, weights: &[f32], packed: &mut [f32]) {
        match &self.kernel {
            Kernel::Direct(conv) => conv.pack_input(weights, packed),
            Kernel::Depthwise(_) | Kernel::Depthwise3(_) => packed[..weights.len()].copy_from_slice(weights),
            Kernel::Pointwise(conv, _) => conv.pack_input(weights, packed),
            Kernel::Winograd(conv) => conv.pack_input(weights, packed),
        }
    }

    /// Scratch values that [`Conv::forward`] needs for `n` images.
    pub fn forward_scratch_len(&self, n: usize) -> usize {
        match &self.kernel {
            Kernel::Direct(conv) => conv.forward_scratch_len(n),
            Kernel::Depthwise(conv) => conv.scratch_len(),
            Kernel::Depthwise3(conv) => conv.scratch_len(),
            Kernel::Pointwise(conv, _) => conv.scratch_len(),
            Kernel::Winograd(conv) => conv.forward_scratch_len(n),
        }
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
        match &self.kernel {
            Kernel::Direct(conv) => conv.forward(n, x, packed, bias, activation, y, scratch),
            Kernel::Depthwise(conv) => conv.forward(n, x, packed, bias, activation, y, scratch),
            Kernel::Depthwise3(conv) => conv.forward(n, x, packed, bias, activation, y, scratch),
            Kernel::Pointwise(conv, _) => conv.forward(n, x, packed, bias, activation, y, scratch),
            Kernel::Winograd(conv) => conv.forward(n, x, packed, bias, activation, y, scratch),
        }
    }

    /// The kernel, if it can read and write planes that lie anywhere.
    pub fn placed(self) -> Option<Box<dyn Placed>> {
        match self.kernel {
            Kernel::Direct(conv) => Some(Box::new(conv)),
            Kernel::Pointwise(conv, _) => Some(Box::new(conv)),
            Kernel::Depthwise(_) | Kernel::Depthwise3(_) | Kernel::Winograd(_) => None,
        }
    }

    /// Scratch values that [`Conv::backward`] needs for `n` images, whichever gradients are asked for.
    pub fn backward_scratch_len(&self, n: usize) -> usize {
        match &self.kernel {
            Kernel::Direct(conv) => {
                conv.input_gradient_scratch_len(n).max(conv.weight_gradient_scratch_len(n))
            }
            Kernel::Depthwise(conv) => conv.scratch_len(),
            Kernel::Depthwise3(conv) => conv.scratch_len(),
            Kernel::Pointwise(conv, sums) => conv.scratch_len().max(sums.weight_gradient_scratch_len(n)),
            Kernel::Winograd(conv) => conv.backward_scratch_len(n, true),
        }
    }

    /// Values of the sums that a weight gradient is added up in; the algorithm's own order, so that they are brought
    /// into that of the weights once for many calls.
    pub fn weight_sums_len(&self) -> usize {
        match &self.kernel {
            Kernel::Direct(conv) | Kernel::Pointwise(_, conv) => conv.weight_sums_len(),
            Kernel::Depthwise(_) | Kernel::Depthwise3(_) | Kernel::Winograd(_) => self.shape.weights_len(),
        }
    }

    /// Adds such sums to the weight gradient.
    pub fn add_weight_sums(&self, sums: &[f32], dw: &mut [f32]) {
        match &self.kernel {
            Kernel::Direct(conv) | Kernel::Pointwise(_, conv) => conv.add_weight_sums(sums, dw),
            Kernel::Depthwise(_) | Kernel::Depthwise3(_) | Kernel::Winograd(_) => {
                dw.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
            }
        }
    }

    /// The input gradient `dx = dy ⋆ᵀ w` (with the weights of [`Conv::pack_input`]; overwritten) and, added to the
    /// sums of [`Conv::weight_sums_len`], the weight gradient `Σ_images x ⋆ dy` of `n` images, either or both. A
    /// bias's gradient is the sum of its planes.
    pub fn backward(
        &self,
        n: usize,
        dy: &[f32],
        input: Option<(&[f32], &mut [f32])>,
        weights: Option<(&[f32], &mut [f32])>,
        scratch: &mut [f32],
    ) {
        match &self.kernel {
            Kernel::Direct(conv) => {
                if let Some((packed, dx)) = input {
                    conv.input_gradient(n, dy, packed, dx, scratch);
                }
                if let Some((x, sums)) = weights {
                    conv.weight_gradient(n, x, dy, sums, scratch);
                }
            }
            Kernel::Depthwise(conv) => {
                if let Some((packed, dx)) = input {
                    conv.input_gradient(n, dy, packed, dx, scratch);
                }
                if let Some((x, sums)) = weights {
                    conv.weight_gradient(n, x, dy, sums, scratch);
                }
            }
            Kernel::Depthwise3(conv) => {
                if let Some((packed, dx)) = input {
                    conv.input_gradient(n, dy, packed, dx, scratch);
                }
                if let Some((x, sums)) = weights {
                    conv.weight_gradient(n, x, dy, sums, scratch);
                }
            }
            Kernel::Pointwise(conv, direct) => {
                if let Some((packed, dx)) = input {
                    conv.input_gradient(n, dy, packed, dx, scratch);
                }
                if let Some((x, sums)) = weights {
                    direct.weight_gradient(n, x, dy, sums, scratch);
                }
            }
            Kernel::Winograd(conv) => conv.backward(n, dy, input, weights, scratch),
        }
    }
}
