//! Sliding windows as index tables: which input element each position of each window reads. The reference
//! evaluations of convolution and pooling gather by such a table, so every stride, padding and dilation is one
//! case on every device.

use crate::diag::{Fault, codes};
use crate::graph::attrs::Attrs;
use crate::ops::extents;
use crate::shape::{Shape, Window};
use crate::tensor::{self, Tensor};

/// The windows of an op over images of `height x width`, read from its attributes `stride`, `padding` (top,
/// bottom, left, right), `dilation` (1 where absent) and `ceil`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    pub rows: Window,
    pub columns: Window,
    pub height: usize,
    pub width: usize,
    pub out_height: usize,
    pub out_width: usize,
}

impl Windows {
    pub fn new(
        op: &str,
        attrs: &Attrs,
        kernel: [usize; 2],
        [height, width]: [usize; 2],
    ) -> Result<Windows, Fault> {
        let pair = |name: &str, preset: usize| match attrs.get_ints(name) {
            &[a, b] => [a, b],
            _ => [preset, preset],
        };
        let (stride, dilation) = (pair("stride", 1), pair("dilation", 1));
        let padding: [usize; 4] = attrs.get_ints("padding").try_into().unwrap_or([0; 4]);
        let ceil = attrs.get_int("ceil") == 1;
        let axis = |i: usize| Window {
            kernel: kernel[i],
            stride: stride[i],
            before: padding[2 * i],
            after: padding[2 * i + 1],
            dilation: dilation[i],
            ceil,
        };
        let (rows, columns) = (axis(0), axis(1));
        if kernel.contains(&0) || stride.contains(&0) || dilation.contains(&0) {
            return Err(Fault::internal(format!("`{op}` has an extent of 0 in its window")));
        }
        match (rows.output(height), columns.output(width)) {
            (Some(out_height), Some(out_width)) => {
                Ok(Windows { rows, columns, height, width, out_height, out_width })
            }
            _ => Err(Fault::new(
                codes::WINDOW_TOO_LARGE,
                format!("the window of `{op}` does not fit into {height}x{width}"),
            )),
        }
    }

    /// The windows of a pooling op: its kernel is an attribute.
    pub fn of_pool(op: &str, attrs: &Attrs, input: &Shape) -> Result<Windows, Fault> {
        let [_, _, height, width] = extents(op, input)?;
        let kernel: [usize; 2] = attrs
            .get_ints("kernel")
            .try_into()
            .map_err(|_| Fault::internal(format!("`{op}` needs a kernel of two extents")))?;
        Windows::new(op, attrs, kernel, [height, width])
    }

    pub fn n_outputs(&self) -> usize {
        self.out_height * self.out_width
    }

    pub fn n_taps(&self) -> usize {
        self.rows.kernel * self.columns.kernel
    }

    /// The input row and column that tap `(ky, kx)` of window `(oy, ox)` reads; `None` in the padding.
    #[inline]
    pub fn source(&self, oy: usize, ox: usize, ky: usize, kx: usize) -> Option<(usize, usize)> {
        let y = (oy * self.rows.stride + ky * self.rows.dilation).checked_sub(self.rows.before)?;
        let x = (ox * self.columns.stride + kx * self.columns.dilation).checked_sub(self.columns.before)?;
        (y < self.height && x < self.width).then_some((y, x))
    }

    /// For one plane, `taps x outputs` positions; the padding is position `height * width`.
    fn plane_table(&self) -> Vec<u32> {
        let outside = (self.height * self.width) as u32;
        let mut table = Vec::with_capacity(self.n_taps() * self.n_outputs());
        for ky in 0..self.rows.kernel {
            for kx in 0..self.columns.kernel {
                for oy in 0..self.out_height {
                    for ox in 0..self.out_width {
                        let source = self.source(oy, ox, ky, kx);
                        table.push(source.map_or(outside, |(y, x)| (y * self.width + x) as u32));
                    }
                }
            }
        }
        table
    }

    /// `N x C x H x W` → `N x C x taps x outputs`; taps in the padding read `outside`.
    pub fn gather(&self, input: &Tensor, outside: f32) -> Result<Tensor, Fault> {
        let (n, c, h, w) = input.dims4()?;
        let planes = input.reshape((n * c, h * w))?;
        let edge = Tensor::full(outside, (n * c, 1), input.device())?;
        let planes = Tensor::cat(&[&planes, &edge], 1)?;
        let table = tensor::indices(self.plane_table(), input.device())?;
        Ok(planes.index_select(&table, 1)?.reshape((n, c, self.n_taps(), self.n_outputs()))?)
    }

    /// The adjoint of [`Windows::gather`]: sums `N x C x taps x outputs` into `N x C x H x W`.
    pub fn scatter(&self, taps: &Tensor) -> Result<Tensor, Fault> {
        let (n, c, k, l) = taps.dims4()?;
        let n_pixels = self.height * self.width;
        let planes = Tensor::zeros((n * c, n_pixels + 1), taps.dtype(), taps.device())?;
        let table = tensor::indices(self.plane_table(), taps.device())?;
        let summed = planes.index_add(&table, &taps.contiguous()?.reshape((n * c, k * l))?, 1)?;
        Ok(summed.narrow(1, 0, n_pixels)?.contiguous()?.reshape((n, c, self.height, self.width))?)
    }
}
