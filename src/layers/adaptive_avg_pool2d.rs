//! `adaptive_avg_pool2d`: the mean of each of a given number of windows.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, image};
use crate::ops::avg_pool2d::AVG_POOL2D;
use crate::ops::resample::RESAMPLE;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct AdaptiveAvgPool2d;

static SPEC: Spec = Spec {
    name: "adaptive_avg_pool2d",
    summary: "the mean of each of a given number of windows",
    docs: "`C x H x W` becomes `C x SIZE`: output row `i` is the mean of rows `floor(i H / H')` to \
           `ceil((i + 1) H / H')`, as in PyTorch. An image of that size passes unchanged.",
    params: &[positional(
        "size",
        Kind::Pair,
        Preset::Required,
        "the output's height x width; one number for both",
    )],
    example: "adaptive_avg_pool2d 5x4",
    elsewhere: &["AdaptiveAvgPool2d", "nn.AdaptiveAvgPool2d", "AdaptiveAveragePooling2D"],
};

impl Layer for AdaptiveAvgPool2d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let [channels, height, width] = image(SPEC.name, input)?;
        let [out_height, out_width] = args.pair("size")?;
        let arithmetic = adaptive_arithmetic([height, width], [out_height, out_width]);
        Ok(Inferred {
            arithmetic: arithmetic.into(),
            ..Inferred::shape(Shape::from([channels, out_height, out_width]))
        })
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
        Some(window) => lowering.apply(&AVG_POOL2D, even_attrs(window).int("count_padding", 1), &[input]),
        None => {
            let attrs = Attrs::new().ints("from", from).ints("to", to).text("method", "area");
            lowering.apply(&RESAMPLE, attrs, &[input])
        }
    }
}

/// The window of a plain pool that does the same, where the extents divide.
pub(crate) fn even_window(from: &[usize], to: [usize; 2]) -> Option<[usize; 2]> {
    let divides = (0..2).all(|i| from[i].is_multiple_of(to[i]));
    divides.then(|| [from[0] / to[0], from[1] / to[1]])
}

/// The attributes of such a pool, as the plain layer has them.
pub(crate) fn even_attrs(window: [usize; 2]) -> Attrs {
    Attrs::new().ints("stride", window).ints("padding", [0; 4]).ints("kernel", window).int("ceil", 0)
}

/// How an adaptive pool comes by its windows, in words.
pub(crate) fn adaptive_arithmetic(from: [usize; 2], to: [usize; 2]) -> String {
    match from[0] == from[1] && to[0] == to[1] {
        true => windows(from[0], to[0]),
        false => format!("height {}, width {}", windows(from[0], to[0]), windows(from[1], to[1])),
    }
}

/// The same along one axis.
pub(crate) fn windows(from: usize, to: usize) -> String {
    match from.is_multiple_of(to) {
        true => format!("{from} = {to}·{}", from / to),
        false => format!("{to} windows of up to {} over {from}", (from + to - 1).div_ceil(to)),
    }
}
