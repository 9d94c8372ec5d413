//! Windows of pools and convolutions → attributes and nodes of ONNX's operators; adaptive pools whose extents do not divide → products
//! and windows cut out.

use crate::exchange::onnx::graph::{int, ints, text};
use crate::exchange::onnx::layer::{Layer, cut};
use crate::ops::resample::adaptive_window;
use crate::protobuf::Message;
use crate::shape::{Shape, Window};

/// Whether an operator that counts windows is told of those that are partly outside.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Ceil {
    /// There is no such attribute.
    No,
    /// Written as padding at the ends: runtimes and shape inference disagree about `ceil_mode`.
    AsPadding,
}

/// Attributes of windows: kernel, strides and pads, which make the output's extents.
pub(super) fn window(windows: &[Window], ceil: Ceil, input: &Shape, output: &Shape) -> Vec<Message> {
    let after = |i: usize| match ceil {
        Ceil::No => windows[i].after,
        Ceil::AsPadding => {
            windows[i].after + overhang(&windows[i], input.dims()[i + 1], output.dims()[i + 1])
        }
    };
    let begins = windows.iter().map(|window| window.before);
    let pads = begins.chain((0..windows.len()).map(after));
    let mut attributes = vec![
        text("auto_pad", "NOTSET"),
        ints("kernel_shape", windows.iter().map(|window| window.kernel)),
        ints("strides", windows.iter().map(|window| window.stride)),
        ints("pads", pads),
    ];
    if ceil == Ceil::AsPadding {
        attributes.push(int("ceil_mode", 0));
    }
    attributes
}

/// How far the last window reaches over the padding.
fn overhang(window: &Window, input: usize, output: usize) -> usize {
    ((output - 1) * window.stride + window.reach()).saturating_sub(window.before + input + window.after)
}

pub(super) fn max_pool(layer: &mut Layer<'_>, x: &str, windows: &[Window]) {
    let mut attributes = window(windows, Ceil::AsPadding, layer.shapes[0], layer.output);
    attributes.push(ints("dilations", windows.iter().map(|window| window.dilation)));
    attributes.push(int("storage_order", 0));
    layer.node("MaxPool", &[x], attributes);
}

pub(super) fn average_pool(layer: &mut Layer<'_>, x: &str, windows: &[Window], count_padding: bool) {
    let over = |i: usize| overhang(&windows[i], layer.shapes[0].dims()[i + 1], layer.output.dims()[i + 1]);
    let overhangs = (0..windows.len()).any(|i| over(i) > 0);
    let pads = windows.iter().any(|window| window.before + window.after > 0);
    if !(count_padding && overhangs && pads) {
        let mut attributes = window(windows, Ceil::AsPadding, layer.shapes[0], layer.output);
        attributes.push(int("count_include_pad", i64::from(count_padding && pads)));
        layer.node("AveragePool", &[x], attributes);
        return;
    }
    // The padding counts, what lies behind it does not.
    let overs: Vec<usize> = (0..windows.len()).map(over).collect();
    let rank = windows.len() + 2;
    let mut amounts = vec![0; 2 * rank];
    for (i, window) in windows.iter().enumerate() {
        (amounts[i + 2], amounts[rank + i + 2]) = (window.before as i64, window.after as i64);
    }
    let amounts = layer.whole("pads", amounts);
    let zero = layer.numbers("zero", &[], vec![0.0]);
    let padded = layer.node("Pad", &[x, &amounts, &zero], vec![text("mode", "constant")]);
    let attributes = vec![
        text("auto_pad", "NOTSET"),
        ints("kernel_shape", windows.iter().map(|window| window.kernel)),
        ints("strides", windows.iter().map(|window| window.stride)),
        ints("pads", windows.iter().map(|_| 0).chain(overs)),
        int("ceil_mode", 0),
        int("count_include_pad", 0),
    ];
    layer.node("AveragePool", &[&padded], attributes);
}

/// The extents behind the channels before and after an adaptive pool, which divide.
fn even(layer: &Layer<'_>) -> Option<Vec<usize>> {
    let pairs = layer.shapes[0].dims()[1..].iter().zip(&layer.output.dims()[1..]);
    pairs.map(|(from, to)| from.is_multiple_of(*to).then(|| from / to)).collect()
}

fn even_pool(layer: &mut Layer<'_>, x: &str, op: &'static str, kernel: &[usize]) {
    let mut attributes = vec![
        text("auto_pad", "NOTSET"),
        ints("kernel_shape", kernel.iter().copied()),
        ints("strides", kernel.iter().copied()),
        ints("pads", vec![0; 2 * kernel.len()]),
        int("ceil_mode", 0),
    ];
    match op {
        "MaxPool" => {
            attributes.extend([ints("dilations", vec![1; kernel.len()]), int("storage_order", 0)]);
        }
        _ => attributes.push(int("count_include_pad", 0)),
    }
    layer.node(op, &[x], attributes);
}

/// Where the extents do not divide: a product with a matrix of shares along each axis.
pub(super) fn adaptive_average(layer: &mut Layer<'_>, x: &str) {
    if let Some(kernel) = even(layer) {
        return match kernel.iter().all(|&extent| extent == 1) {
            true => drop(layer.node("Identity", &[x], Vec::new())),
            false => even_pool(layer, x, "AveragePool", &kernel),
        };
    }
    let (from, to) = (layer.shapes[0].dims().to_vec(), layer.output.dims().to_vec());
    let mut value = x.to_owned();
    if let (&[_, rows, _], &[_, to_rows, _]) = (from.as_slice(), to.as_slice()) {
        let matrix = layer.numbers("rows", &[to_rows, rows], shares(rows, to_rows));
        value = layer.node("MatMul", &[&matrix, &value], Vec::new());
    }
    let (columns, to_columns) = (from[from.len() - 1], to[to.len() - 1]);
    let matrix = shares(columns, to_columns);
    let turned =
        (0..columns * to_columns).map(|i| matrix[i % to_columns * columns + i / to_columns]).collect();
    let matrix = layer.numbers("columns", &[columns, to_columns], turned);
    layer.node("MatMul", &[&value, &matrix], Vec::new());
}

/// `to x from`: the weight of each input in each output of an adaptive mean.
pub fn shares(from: usize, to: usize) -> Vec<f32> {
    let mut matrix = vec![0.0; to * from];
    for output in 0..to {
        let window = adaptive_window(output, from, to);
        let share = 1.0 / window.len() as f32;
        window.for_each(|input| matrix[output * from + input] = share);
    }
    matrix
}

/// Where the extents do not divide: each window cut out, its largest numbers, and those side by side.
pub(super) fn adaptive_max(layer: &mut Layer<'_>, x: &str) {
    if let Some(kernel) = even(layer) {
        return match kernel.iter().all(|&extent| extent == 1) {
            true => drop(layer.node("Identity", &[x], Vec::new())),
            false => even_pool(layer, x, "MaxPool", &kernel),
        };
    }
    let (from, to) = (layer.shapes[0].dims().to_vec(), layer.output.dims().to_vec());
    let mut value = x.to_owned();
    for axis in 1..from.len() {
        let mut parts = Vec::with_capacity(to[axis]);
        let axes = layer.whole(&format!("axis_{axis}"), vec![axis as i64 + 1]);
        for output in 0..to[axis] {
            let window = adaptive_window(output, from[axis], to[axis]);
            let part = cut(layer, &value, &format!("window_{axis}_{output}"), &[axis + 1], &[window]);
            parts.push(layer.node(
                "ReduceMax",
                &[&part, &axes],
                vec![int("keepdims", 1), int("noop_with_empty_axes", 0)],
            ));
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        value = layer.node("Concat", &parts, vec![int("axis", axis as i64 + 1)]);
    }
}
