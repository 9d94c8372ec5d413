//! `filter2d`: a filter of given numbers slid over each channel, for image processing that nobody trains.

use std::sync::Arc;

use crate::diag::{Fault, Remedy, codes};
use crate::graph::{Init, StateKind, Value};
use crate::layers::lowering::Lowering;
use crate::layers::windowed::Sliding;
use crate::layers::{Inferred, Layer, Parameter, Reach, image, windowed};
use crate::ops::conv2d::CONV2D;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Filter2d;

static SPEC: Spec = Spec {
    name: "filter2d",
    summary: "a filter of given numbers slid over each channel",
    docs: "`C x H x W` becomes `C x H' x W'`, with `H'` as for `conv2d`: every pixel the sum of those under the filter, \
           each times its weight, the filter not turned round (as `filter2D` of OpenCV and the convolutions of PyTorch). \
           The weights are written in the file and never trained. Outside the image are zeros; put `pad 1 mode=replicate` before it for other borders.",
    params: &[
        positional(
            "kernel",
            Kind::Pair,
            Preset::Required,
            "the filter's height x width; one number for both",
        ),
        positional(
            "weights",
            Kind::Numbers,
            Preset::Required,
            "height · width numbers, row by row; one number for all",
        ),
        keyword(
            "divisor",
            Kind::Number { min: -1e9, max: 1e9 },
            Preset::Number(1.0),
            "divides every weight; not 0",
        ),
        keyword("stride", Kind::Pair, Preset::Pair(1, 1), "how far the filter moves"),
        keyword(
            "padding",
            Kind::Padding,
            Preset::Padding(0),
            "zeros around the image; `same` keeps the size at stride 1",
        ),
        keyword("dilation", Kind::Pair, Preset::Pair(1, 1), "the distance between the filter's taps"),
    ],
    example: "filter2d 3x3 [1, 2, 1, 2, 4, 2, 1, 2, 1] divisor=16 padding=same",
    elsewhere: &["filter2D", "Kernel", "convolve2d", "ImageFilter", "blur"],
};

/// The weights divided, as many as the kernel has places or one for all of them.
fn weights(args: &Args) -> Result<Arc<[f32]>, Fault> {
    let ([height, width], divisor) = (args.pair("kernel")?, args.number("divisor")?);
    if divisor == 0.0 {
        return Err(Fault::new(codes::BAD_VALUE, "`filter2d` cannot divide its weights by 0").at("divisor"));
    }
    let given = args.numbers("weights")?;
    if given.len() != 1 && Some(given.len()) != height.checked_mul(width) {
        let side = given.len().isqrt();
        let fault = Fault::new(
            codes::BAD_VALUE,
            format!("`filter2d` has {} weights for a filter of {height}x{width}", given.len()),
        )
        .at("weights")
        .label(format!("{height}·{width} numbers are needed, or one for all"));
        return Err(match side * side == given.len() {
            true => fault.set("kernel", side),
            false => fault,
        });
    }
    let weights: Arc<[f32]> = given.iter().map(|weight| (weight / divisor) as f32).collect();
    match weights.iter().all(|weight| weight.is_finite()) {
        true => Ok(weights),
        false => {
            Err(Fault::new(codes::BAD_VALUE, "a weight of `filter2d` is too large a number").at("weights"))
        }
    }
}

/// Windows, channels and output extents, after every check.
fn checked(args: &Args, input: &Shape) -> Result<(Sliding<2>, [usize; 3], [usize; 2]), Fault> {
    let [channels, height, width] = image(SPEC.name, input)?;
    let sliding = Sliding::new(args, [height, width])?;
    let output = sliding.output(SPEC.name, [height, width]).map_err(|mut fault| {
        // Another kernel would need other weights.
        fault.remedies.retain(|remedy| !matches!(remedy, Remedy::Set { name: "kernel", .. }));
        fault
    })?;
    Ok((sliding, [channels, height, width], output))
}

impl Layer for Filter2d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let init = Init::Repeated(weights(args)?);
        let (sliding, [channels, height, width], output) = checked(args, input)?;
        let [rows, columns] = sliding.axes;
        let shape = Shape::from([channels, 1, rows.kernel, columns.kernel]);
        Ok(Inferred {
            output: Shape::from([channels, output[0], output[1]]),
            arithmetic: sliding.arithmetic([height, width]),
            parameters: vec![Parameter { name: "weight", shape, kind: StateKind::Buffer, init, fans: None }],
            warnings: sliding.dropped(SPEC.name, [height, width]).into_iter().collect(),
        })
    }

    fn reach(&self, args: &Args, input: &Shape) -> Reach {
        windowed::reach::<2>(args, input)
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let (sliding, [channels, ..], _) = checked(args, &lowering.shape(input).unbatched())?;
        let attrs = sliding.attrs().ints("dilation", sliding.dilation()).int("groups", channels as i64);
        let weight = lowering.parameter("weight")?;
        lowering.apply(&CONV2D, attrs, &[input, weight])
    }
}
