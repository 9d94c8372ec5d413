//! Layers that are learned numbers or look from each place to all others → nodes of ONNX's operators.

use crate::exchange::onnx::graph::{int, ints, text};
use crate::exchange::onnx::layer::{Layer, cut};
use crate::layers::attention::Groups;
use crate::shape::Shape;

/// The parameter `weight` under these extents for each image of the batch that `x` has.
pub fn for_each_image(layer: &mut Layer<'_>, x: &str, dims: &[usize]) -> String {
    let one: Vec<usize> = std::iter::once(1).chain(dims.iter().copied()).collect();
    let weight = layer.parameter("weight", &one);
    let batch = layer.node("Shape", &[x], vec![int("start", 0), int("end", 1)]);
    let rest = layer.whole("extents", dims.iter().map(|&dim| dim as i64).collect());
    let target = layer.node("Concat", &[&batch, &rest], vec![int("axis", 0)]);
    layer.node("Expand", &[&weight, &target], Vec::new())
}

/// What arrives plus `weight`, which has its shape.
pub fn positions(layer: &mut Layer<'_>, x: &str) {
    let dims: Vec<usize> = std::iter::once(1).chain(layer.output.dims().iter().copied()).collect();
    let weight = layer.parameter("weight", &dims);
    layer.node("Add", &[x, &weight], Vec::new());
}

/// A sequence after a place of its own.
pub fn class_token(layer: &mut Layer<'_>, x: &str) {
    let channels = layer.output.dims()[0];
    let token = for_each_image(layer, x, &[channels, 1]);
    layer.node("Concat", &[&token, x], vec![int("axis", 2)]);
}

/// Attention over the places of an image or a sequence, with its projections as convolutions of one place.
pub fn attention(
    layer: &mut Layer<'_>,
    x: &str,
    heads: usize,
    groups: Groups,
    parameters: &[(&'static str, &Shape)],
) {
    let dims = layer.output.dims().to_vec();
    let (channels, places) = (dims[0], dims[1..].iter().product::<usize>());
    let size = channels / heads;
    let is_image = dims.len() > 2;
    let row = if is_image { layer.reshaped(x, "row", &[channels, places]) } else { x.to_owned() };
    let projected = projection(layer, &row, ["weight", "bias"], [3 * channels, channels], parameters);
    let mut part = |at: usize, what: &str| {
        let range = at * channels..(at + 1) * channels;
        let mut own = cut(layer, &projected, what, &[1], &[range]);
        if groups.count() > 1 {
            let (extents, axes) = groups.apart(heads, size);
            let apart = layer.reshaped(&own, &format!("{what}.patches"), &extents);
            own = exchanged(layer, &apart, axes);
        }
        let each = [heads * groups.count(), size, groups.places()];
        layer.reshaped(&own, &format!("{what}.heads"), &each)
    };
    let (queries, keys, values) = (part(0, "queries"), part(1, "keys"), part(2, "values"));
    let root = layer.numbers("root", &[], vec![(size as f32).sqrt().recip()]);
    let queries = layer.node("Mul", &[&queries, &root], Vec::new());
    let queries = swapped(layer, &queries);
    let scores = layer.node("MatMul", &[&queries, &keys], Vec::new());
    let weights = layer.node("Softmax", &[&scores], vec![int("axis", 3)]);
    let weights = swapped(layer, &weights);
    let mut found = layer.node("MatMul", &[&values, &weights], Vec::new());
    if groups.count() > 1 {
        let (extents, axes) = groups.together(heads, size);
        let together = layer.reshaped(&found, "patches", &extents);
        found = exchanged(layer, &together, axes);
    }
    let found = layer.reshaped(&found, "found", &[channels, places]);
    let mixed = projection(layer, &found, ["out_weight", "out_bias"], [channels, channels], parameters);
    if is_image {
        layer.reshaped(&mixed, "shape", &dims);
    }
}

/// Rows and columns of each head exchanged.
fn swapped(layer: &mut Layer<'_>, value: &str) -> String {
    layer.node("Transpose", &[value], vec![ints("perm", [0, 1, 3, 2])])
}

/// The axes of one image's value in this order.
fn exchanged(layer: &mut Layer<'_>, value: &str, axes: [usize; 5]) -> String {
    let perm = std::iter::once(0).chain(axes.map(|axis| axis + 1));
    layer.node("Transpose", &[value], vec![ints("perm", perm)])
}

fn projection(
    layer: &mut Layer<'_>,
    value: &str,
    [weight, bias]: [&'static str; 2],
    [outputs, inputs]: [usize; 2],
    parameters: &[(&'static str, &Shape)],
) -> String {
    let weight = layer.parameter(weight, &[outputs, inputs, 1]);
    let has_bias = parameters.iter().any(|(name, _)| *name == bias);
    let bias = has_bias.then(|| layer.parameter(bias, &[outputs]));
    let operands: Vec<&str> = [Some(value), Some(&weight), bias.as_deref()].into_iter().flatten().collect();
    let attributes = vec![
        text("auto_pad", "NOTSET"),
        ints("kernel_shape", [1]),
        ints("strides", [1]),
        ints("pads", [0, 0]),
        ints("dilations", [1]),
        int("group", 1),
    ];
    layer.node("Conv", &operands, attributes)
}
