//! Windows and convolutions as kernels see them: structures of 32-bit numbers, laid out as `windows.cu` has them.

use crate::diag::Fault;
use crate::kernels::cuda::launch::{Argument, Place, int};
use crate::ops::conv2d::Geometry;
use crate::ops::window::Windows;

/// `struct Convolution`
pub fn convolution(geometry: &Geometry) -> Result<Argument<Place>, Fault> {
    let Geometry { batch, in_channels, out_channels, groups, windows: own } = *geometry;
    let mut ints = windows(&own)?;
    for extent in [batch, in_channels, out_channels, groups] {
        ints.push(int(extent)?);
    }
    Ok(Argument::Ints(ints))
}

/// `struct Windows`
pub fn windows(windows: &Windows) -> Result<Vec<i32>, Fault> {
    let Windows { rows, columns, height, width, out_height, out_width } = *windows;
    let axis = [
        [rows.kernel, columns.kernel],
        [rows.stride, columns.stride],
        [rows.before, columns.before],
        [rows.after, columns.after],
        [rows.dilation, columns.dilation],
        [height, width],
        [out_height, out_width],
    ];
    axis.into_iter().flatten().map(int).collect()
}
