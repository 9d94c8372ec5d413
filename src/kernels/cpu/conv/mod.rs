//! Convolutions: their shape, and the choice of an algorithm for it.
#![allow(unsafe_code, clippy::needless_range_loop)]

mod any;
mod band;
mod depthwise;
mod depthwise3;
mod direct;
mod engine;
mod outer;
mod planes;
mod pointwise;
mod residue;
mod terms;
#[cfg(test)]
pub(crate) mod tests;
mod winograd;

pub use any::{Algorithm, Conv, Purpose, plan};
pub use band::{Band, Place, Placed};
pub use depthwise::Depthwise;
pub use depthwise3::Depthwise3;
pub use direct::Direct;
pub use pointwise::Pointwise;
pub use winograd::{Tile, Winograd};

/// A two-dimensional convolution of one NCHW image with OIHW weights `[outputs, inputs / groups, kh, kw]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Groups of channels that do not see each other; divides both.
    pub groups: usize,
    /// Input height and width.
    pub size: [usize; 2],
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Step down and right.
    pub stride: [usize; 2],
    /// Distance between kernel taps down and right.
    pub dilation: [usize; 2],
    /// Zeros above, left of, below and right of the input.
    pub padding: [usize; 4],
}

impl Shape {
    /// Stride 1, no dilation, one group, the same padding on all sides.
    pub fn new(inputs: usize, outputs: usize, size: [usize; 2], kernel: usize, padding: usize) -> Shape {
        Shape {
            inputs,
            outputs,
            groups: 1,
            size,
            kernel: [kernel; 2],
            stride: [1; 2],
            dilation: [1; 2],
            padding: [padding; 4],
        }
    }

    /// The same with `stride` down and right.
    pub fn stride(self, stride: usize) -> Shape {
        Shape { stride: [stride; 2], ..self }
    }

    /// The same with `groups`.
    pub fn groups(self, groups: usize) -> Shape {
        Shape { groups, ..self }
    }

    /// Output height and width: `(size + padding - dilation (kernel - 1) - 1) / stride + 1`.
    pub fn output(&self) -> [usize; 2] {
        std::array::from_fn(|axis| {
            let padded = self.size[axis] + self.padding[axis] + self.padding[axis + 2];
            (padded - self.dilation[axis] * (self.kernel[axis] - 1) - 1) / self.stride[axis] + 1
        })
    }

    /// Values in an input image.
    pub fn input_len(&self) -> usize {
        self.inputs * self.size[0] * self.size[1]
    }

    /// Values in an output image.
    pub fn output_len(&self) -> usize {
        self.outputs * self.output()[0] * self.output()[1]
    }

    /// Values in the weights.
    pub fn weights_len(&self) -> usize {
        self.outputs * self.inputs / self.groups * self.kernel[0] * self.kernel[1]
    }

    /// Multiplications and additions for one image in one direction.
    pub fn flops(&self) -> usize {
        2 * self.weights_len() * self.output()[0] * self.output()[1]
    }
}

/// What is applied to the sum of convolution and bias before it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `max(0, x)`.
    Relu,
}

impl Activation {
    /// The least value that passes: `max(floor, x)` is the activation.
    #[inline(always)]
    fn floor(self) -> f32 {
        match self {
            Activation::Identity => f32::NEG_INFINITY,
            Activation::Relu => 0.0,
        }
    }
}
