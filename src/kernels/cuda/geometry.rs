//! Windows and convolutions as kernels see them: structures of 32-bit numbers, laid out as `windows.cu` has them; and
//! kernels that are written for one of them. There the compiler knows every extent: divisions become multiplications,
//! and loops over a window's taps are unrolled.

use crate::diag::Fault;
use crate::kernels::cuda::launch::{Argument, Kernel, Place, int};
use crate::ops::conv2d::Geometry;
use crate::ops::window::Windows;

/// `struct Convolution`
pub fn convolution(geometry: &Geometry) -> Result<Argument<Place>, Fault> {
    let Geometry { batch, in_channels, out_channels, groups, windows: own, unkept: _ } = *geometry;
    let mut ints = windows(&own)?;
    for extent in [batch, in_channels, out_channels, groups] {
        ints.push(int(extent)?);
    }
    Ok(Argument::Ints(ints))
}

/// A kernel that calls `function` with its own parameters and these windows behind them.
pub fn of_windows(function: &str, parameters: &str, own: &Windows) -> Result<Kernel, Fault> {
    Ok(written(function, parameters, &format!("Windows known = {}", braces(&windows(own)?))))
}

/// The same with a convolution; of any batch, which is told to no function.
pub fn of_convolution(function: &str, parameters: &str, geometry: &Geometry) -> Result<Kernel, Fault> {
    let Geometry { in_channels, out_channels, groups, windows: own, batch: _, unkept: _ } = *geometry;
    let windows = braces(&windows(&own)?);
    let known = format!("Convolution known = {{{windows}, 0, {in_channels}, {out_channels}, {groups}}}");
    Ok(written(function, parameters, &known))
}

fn written(function: &str, parameters: &str, known: &str) -> Kernel {
    let names = parameters.split(", ").filter_map(|parameter| parameter.rsplit([' ', '*']).next());
    let names: Vec<&str> = names.collect();
    let call = format!("{function}({}, known)", names.join(", "));
    Kernel::Written(format!("({parameters}) {{\n    const {known};\n    {call};\n}}\n"))
}

/// Pairs, one for each array of the structure.
fn braces(ints: &[i32]) -> String {
    let pairs: Vec<String> = ints.chunks(2).map(|pair| format!("{{{}, {}}}", pair[0], pair[1])).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// `struct Windows`
fn windows(windows: &Windows) -> Result<Vec<i32>, Fault> {
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
