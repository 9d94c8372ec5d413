//! Convolutions and pools of volumes by the ops, which know images alone.
//!
//! A convolution is one of images whose channels are those of the volume at each of the kernel's depths, `C·kD`, and whose rows
//! are those of all its planes, one plane below the other. Rows of zeros between the planes keep them apart; the windows that
//! lie across two planes are cut away behind. A pool is one of each plane, then one across the planes.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::op::Op;
use crate::layers::lowering::Lowering;
use crate::layers::windowed::{SINGLE, Sliding};
use crate::ops::binary::ADD;
use crate::ops::concat::CONCAT;
use crate::ops::conv2d::{CONV2D, CONV2D_GRAD_INPUT};
use crate::ops::slice::{PAD, SLICE};
use crate::shape::{Shape, Window};
use crate::spec::Args;

/// A convolution of volumes, as one of images.
pub(crate) struct Folded {
    windows: [Window; 3],
    extents: [usize; 3],
    output: [usize; 3],
    /// Planes of the volume with its padding, and rows of a plane with those that keep it apart from the next: whole numbers
    /// of strides.
    planes: usize,
    rows: usize,
}

impl Folded {
    /// Of windows that fit into a volume of these extents.
    pub fn new(windows: [Window; 3], extents: [usize; 3]) -> Result<Folded, Fault> {
        let outside = || Fault::internal(format!("a convolution of a volume that is outside of {extents:?}"));
        let output: Option<Vec<usize>> =
            windows.iter().zip(extents).map(|(window, extent)| window.output(extent)).collect();
        let output = <[usize; 3]>::try_from(output.ok_or_else(outside)?).map_err(|_| outside())?;
        let [deep, down, _] = windows;
        let planes = (extents[0] + deep.before + deep.after).next_multiple_of(deep.stride);
        // What the last window reads behind a plane may be the rows in front of the next.
        let read = (output[1] - 1) * down.stride + down.reach();
        let rows = (extents[1] + down.before).max(read.saturating_sub(down.before));
        Ok(Folded { windows, extents, output, planes, rows: rows.next_multiple_of(down.stride) })
    }

    /// `N x C x D x H x W` with weights `O x C/groups x kD x kH x kW`.
    pub fn convolve(
        &self,
        input: Value,
        weight: Value,
        groups: usize,
        lowering: &mut Lowering<'_>,
    ) -> Result<Value, Fault> {
        let [batch, channels] = leading(input, lowering);
        let [depth, height, width] = self.output;
        let apart = Shape::from([batch, channels, self.planes, self.rows, self.extents[2]]);
        let padded = resized(&PAD, input, self.corner(), &apart, lowering)?;
        let strides = lowering.reshape(padded, &self.strides(batch, channels))?;
        let mut taps = Vec::with_capacity(self.windows[0].kernel);
        for start in self.taps() {
            let planes = Shape::from([batch, channels, depth, self.plane()]);
            let tap = resized(&SLICE, strides, start, &planes, lowering)?;
            taps.push(lowering.reshape(tap, &Shape::from([batch, channels, 1, depth * self.plane()]))?);
        }
        let taps = match taps.as_slice() {
            [only] => *only,
            _ => lowering.apply(&CONCAT, Attrs::new().int("axis", 2), &taps)?,
        };
        let image =
            Shape::from([batch, channels * self.windows[0].kernel, depth * self.rows, self.extents[2]]);
        let (image, weight) = (lowering.reshape(taps, &image)?, folded_weight(weight, lowering)?);
        let value = lowering.apply(&CONV2D, self.attrs(groups), &[image, weight])?;
        let filters = leading(value, lowering)[1];
        let all = Shape::from([batch, filters * depth, self.rows / self.windows[1].stride, width]);
        let all = lowering.reshape(value, &all)?;
        let own = Shape::from([batch, filters * depth, height, width]);
        let own = resized(&SLICE, all, [0; 4], &own, lowering)?;
        lowering.reshape(own, &Shape::from([batch, filters, depth, height, width]))
    }

    /// The adjoint of [`Folded::convolve`]: what it gives, `N x O x D' x H' x W'`, back to `N x C x D x H x W`.
    pub fn spread(
        &self,
        input: Value,
        weight: Value,
        groups: usize,
        lowering: &mut Lowering<'_>,
    ) -> Result<Value, Fault> {
        let [batch, filters] = leading(input, lowering);
        let [depth, height, width] = self.output;
        let own = lowering.reshape(input, &Shape::from([batch, filters * depth, height, width]))?;
        let all = Shape::from([batch, filters * depth, self.rows / self.windows[1].stride, width]);
        let n_rows = depth * all.dims()[2];
        let all = resized(&PAD, own, [0; 4], &all, lowering)?;
        let image = lowering.reshape(all, &Shape::from([batch, filters, n_rows, width]))?;
        let attrs = self.attrs(groups).ints("input", [depth * self.rows, self.extents[2]]);
        let weight = folded_weight(weight, lowering)?;
        let value = lowering.apply(&CONV2D_GRAD_INPUT, attrs, &[weight, image])?;
        let channels = leading(value, lowering)[1] / self.windows[0].kernel;
        let taps = Shape::from([batch, channels, self.windows[0].kernel, depth * self.plane()]);
        let taps = lowering.reshape(value, &taps)?;
        let mut sum: Option<Value> = None;
        for (at, start) in self.taps().into_iter().enumerate() {
            let one = Shape::from([batch, channels, 1, depth * self.plane()]);
            let tap = resized(&SLICE, taps, [0, 0, at, 0], &one, lowering)?;
            let planes = lowering.reshape(tap, &Shape::from([batch, channels, depth, self.plane()]))?;
            let strides = self.strides(batch, channels);
            let laid = resized(&PAD, planes, start, &strides, lowering)?;
            sum = Some(match sum {
                Some(sum) => lowering.apply(&ADD, Attrs::new(), &[sum, laid])?,
                None => laid,
            });
        }
        let sum = sum.ok_or_else(|| Fault::internal("a kernel without depth"))?;
        let apart = Shape::from([batch, channels, self.planes, self.rows, self.extents[2]]);
        let apart = lowering.reshape(sum, &apart)?;
        let own = Shape::new([&[batch, channels], self.extents.as_slice()].concat());
        resized(&SLICE, apart, self.corner(), &own, lowering)
    }

    /// The numbers of a plane with the rows that keep it apart.
    fn plane(&self) -> usize {
        self.rows * self.extents[2]
    }

    /// The volume with its padding, with an axis of whole strides of planes.
    fn strides(&self, batch: usize, channels: usize) -> Shape {
        let stride = self.windows[0].stride;
        Shape::from([batch, channels, self.planes / stride, stride * self.plane()])
    }

    /// Where each tap of the kernel's depth begins in [`Folded::strides`].
    fn taps(&self) -> Vec<[usize; 4]> {
        let Window { kernel, stride, dilation, .. } = self.windows[0];
        let first = |tap: usize| [0, 0, tap * dilation / stride, tap * dilation % stride * self.plane()];
        (0..kernel).map(first).collect()
    }

    /// Where the volume begins in its padding.
    fn corner(&self) -> [usize; 5] {
        [0, 0, self.windows[0].before, self.windows[1].before, 0]
    }

    /// The attributes of the convolution of images. Rows of zeros at the end give the last plane as many windows as the others.
    fn attrs(&self, groups: usize) -> Attrs {
        let [_, down, across] = self.windows;
        let behind = down.reach().saturating_sub(down.stride);
        Attrs::new()
            .ints("stride", [down.stride, across.stride])
            .ints("padding", [0, behind, across.before, across.after])
            .ints("dilation", [down.dilation, across.dilation])
            .int("groups", groups as i64)
            .int("unkept", (self.output[0] * (self.rows / down.stride - self.output[1])) as i64)
    }
}

/// Batch and channels.
fn leading(value: Value, lowering: &Lowering<'_>) -> [usize; 2] {
    let shape = lowering.shape(value);
    [shape.dims()[0], shape.dims()[1]]
}

/// A box cut out, or laid into zeros; the value itself where it is as large.
fn resized<const R: usize>(
    op: &'static dyn Op,
    value: Value,
    start: [usize; R],
    shape: &Shape,
    lowering: &mut Lowering<'_>,
) -> Result<Value, Fault> {
    if lowering.shape(value) == *shape {
        return Ok(value);
    }
    lowering.apply(op, Attrs::new().ints("start", start).ints("shape", shape.dims()), &[value])
}

/// `O x C x kD x kH x kW` as `O x C·kD x kH x kW`.
fn folded_weight(weight: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
    let [filters, channels, depth, height, width] = volume(weight, lowering)?;
    lowering.reshape(weight, &Shape::from([filters, channels * depth, height, width]))
}

/// What works along the rows and columns of images, along those of every plane of `N x C x D x H x W`, and then across the
/// planes, which are rows of an image then.
pub(crate) fn each_way(
    input: Value,
    lowering: &mut Lowering<'_>,
    within: impl FnOnce(Value, &mut Lowering<'_>) -> Result<Value, Fault>,
    across: impl FnOnce(Value, &mut Lowering<'_>) -> Result<Value, Fault>,
) -> Result<Value, Fault> {
    let [batch, channels, depth, height, width] = volume(input, lowering)?;
    let planes = lowering.reshape(input, &Shape::from([batch, channels * depth, height, width]))?;
    let planes = within(planes, lowering)?;
    let shape = lowering.shape(planes);
    let (height, width) = (shape.dims()[2], shape.dims()[3]);
    let rows = lowering.reshape(planes, &Shape::from([batch, channels, depth, height * width]))?;
    let rows = across(rows, lowering)?;
    let depth = lowering.shape(rows).dims()[2];
    lowering.reshape(rows, &Shape::from([batch, channels, depth, height, width]))
}

/// A pool of `N x C x D x H x W`.
pub(crate) fn pool(
    [deep, down, across]: [Window; 3],
    args: &Args,
    input: Value,
    lowering: &mut Lowering<'_>,
    op: &'static dyn Op,
) -> Result<Value, Fault> {
    let along = |axes: [Window; 2]| {
        move |value: Value, lowering: &mut Lowering<'_>| {
            let shape = lowering.shape(value);
            let attrs = Sliding { axes }.pool_attrs(args, [shape.dims()[2], shape.dims()[3]])?;
            lowering.apply(op, attrs, &[value])
        }
    };
    each_way(input, lowering, along([down, across]), along([deep, SINGLE]))
}

/// Batch, channels, depth, height and width.
fn volume(value: Value, lowering: &Lowering<'_>) -> Result<[usize; 5], Fault> {
    let shape = lowering.shape(value);
    <[usize; 5]>::try_from(shape.dims()).map_err(|_| Fault::internal(format!("{shape} is no volume")))
}
