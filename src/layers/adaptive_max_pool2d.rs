//! `adaptive_max_pool2d`: the largest pixel of each of a given number of windows. Where the extents do not divide,
//! rows and then columns are cut into their windows, pooled apart and joined.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::adaptive_avg_pool2d::{adaptive_arithmetic, even_attrs, even_window};
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, image};
use crate::ops::concat::{CONCAT, MAX_INPUTS};
use crate::ops::max_pool2d::MAX_POOL2D;
use crate::ops::resample::adaptive_window;
use crate::ops::slice::SLICE;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct AdaptiveMaxPool2d;

static SPEC: Spec = Spec {
    name: "adaptive_max_pool2d",
    summary: "the largest pixel of each of a given number of windows",
    docs: "`C x H x W` becomes `C x SIZE`: output row `i` looks at rows `floor(i H / H')` to `ceil((i + 1) H / H')`, as in \
           PyTorch. An image of that size passes unchanged. Where SIZE does not divide the image, it is at most 64.",
    params: &[positional(
        "size",
        Kind::Pair,
        Preset::Required,
        "the output's height x width; one number for both",
    )],
    example: "adaptive_max_pool2d 5x4",
    elsewhere: &["AdaptiveMaxPool2d", "nn.AdaptiveMaxPool2d", "AdaptiveMaxPooling2D"],
};

impl Layer for AdaptiveMaxPool2d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let [channels, height, width] = image(SPEC.name, input)?;
        let [out_height, out_width] = args.pair("size")?;
        let output = Shape::from([channels, out_height, out_width]);
        let even = even_window(&[height, width], [out_height, out_width]).is_some();
        if !even && out_height.max(out_width) > MAX_INPUTS {
            return Err(Fault::new(
                codes::WINDOW_TOO_LARGE,
                format!(
                    "`{}` cuts {height}x{width} into at most {MAX_INPUTS} uneven windows, not {out_height}x{out_width}",
                    SPEC.name
                ),
            )
            .at("size")
            .label(format!("{height}x{width} arrives"))
            .set("size", format!("{}x{}", out_height.min(MAX_INPUTS), out_width.min(MAX_INPUTS)))
            .assume(output));
        }
        let arithmetic = adaptive_arithmetic([height, width], [out_height, out_width]);
        Ok(Inferred { arithmetic: arithmetic.into(), ..Inferred::shape(output) })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Everything
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        lower(input, args.pair("size")?, lowering)
    }
}

/// Pools images to this height and width.
pub(crate) fn lower(input: Value, to: [usize; 2], lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
    let [_, from @ ..] = image(SPEC.name, &lowering.shape(input).unbatched())?;
    match even_window(&from, to) {
        Some([1, 1]) => Ok(input),
        Some(window) => pool(lowering, input, window),
        None => {
            let rows = along(lowering, input, 2, to[0])?;
            along(lowering, rows, 3, to[1])
        }
    }
}

fn pool(lowering: &mut Lowering<'_>, input: Value, window: [usize; 2]) -> Result<Value, Fault> {
    lowering.apply(&MAX_POOL2D, even_attrs(window), &[input])
}

/// The largest numbers of `to` windows along one axis.
fn along(lowering: &mut Lowering<'_>, input: Value, axis: usize, to: usize) -> Result<Value, Fault> {
    let shape = lowering.shape(input);
    let from = shape.dims()[axis];
    let mut parts = Vec::with_capacity(to);
    for output in 0..to {
        let range = adaptive_window(output, from, to);
        let (mut start, mut part) = (vec![0; 4], shape.dims().to_vec());
        (start[axis], part[axis]) = (range.start, range.len());
        let attrs = Attrs::new().ints("start", start).ints("shape", part);
        let cut = lowering.apply(&SLICE, attrs, &[input])?;
        let window = if axis == 2 { [range.len(), 1] } else { [1, range.len()] };
        parts.push(pool(lowering, cut, window)?);
    }
    lowering.apply(&CONCAT, Attrs::new().int("axis", axis as i64), &parts)
}
