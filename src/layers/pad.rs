//! `pad`: pixels around an image or a sequence, of one value or like those inside.

use crate::diag::{Fault, Remedy, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, as_arriving, image_or_row};
use crate::ops::concat::CONCAT;
use crate::ops::resample::RESAMPLE;
use crate::ops::slice::PAD;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Padding, Preset, Spec, keyword, positional};

pub struct Pad;

static SPEC: Spec = Spec {
    name: "pad",
    summary: "pixels around an image or a sequence, of one value or like those inside",
    docs: "`C x H x W` becomes `C x (H + top + bottom) x (W + left + right)`. `reflect` mirrors the image at its outer \
           pixels, which are not repeated, so it is padded by less than its size; `replicate` repeats the outer pixels. \
           As in PyTorch. A sequence, `C x L`, takes one number for both ends, or `[0, 0, before, after]`.",
    params: &[
        positional(
            "padding",
            Kind::Padding,
            Preset::Required,
            "`1`, `1x2` (rows x columns) or `[top, bottom, left, right]`",
        ),
        keyword(
            "mode",
            Kind::Choice(&["constant", "reflect", "replicate"]),
            Preset::Word("constant"),
            "what the new pixels are like",
        ),
        keyword(
            "value",
            Kind::Number { min: -1e6, max: 1e6 },
            Preset::Number(0.0),
            "what the new pixels hold with `mode=constant`",
        ),
    ],
    example: "pad [0, 1, 0, 1]",
    elsewhere: &[
        "ZeroPad2d",
        "ZeroPadding2D",
        "ConstantPad2d",
        "ReflectionPad2d",
        "ReplicationPad2d",
        "Pad",
        "zero_padding2d",
        "F.pad",
    ],
};

/// Top, bottom, left, right.
pub(crate) fn sides(args: &Args, input: &Shape) -> Result<[usize; 4], Fault> {
    match args.padding("padding")? {
        Padding::Sides([top, bottom, left, right]) if input.rank() == 2 => {
            match (top, bottom) == (0, 0) || (top, bottom) == (left, right) {
                true => Ok([0, 0, left, right]),
                false => {
                    let message = "`pad` of a sequence takes one number, or `[0, 0, before, after]`";
                    Err(Fault::new(codes::BAD_VALUE, message)
                        .at("padding")
                        .label(format!("{input} arrives: a sequence has no height"))
                        .set("padding", format!("[0, 0, {left}, {right}]")))
                }
            }
        }
        Padding::Sides(sides) => Ok(sides),
        Padding::Same => {
            Err(Fault::new(codes::BAD_VALUE, "`pad` has no window to keep the size for with `same`")
                .at("padding")
                .label("a number of pixels is needed")
                .set("padding", 1))
        }
    }
}

impl Layer for Pad {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let [channels, height, width] = image_or_row(SPEC.name, input)?;
        let [top, bottom, left, right] = sides(args, input)?;
        let mode = args.word("mode")?;
        // A 0 is what a file says that was written out with every default.
        if mode != "constant" && args.number("value")? != 0.0 {
            return Err(Fault::new(codes::BAD_VALUE, format!("`value` has no effect with `mode={mode}`"))
                .at("value")
                .label("the new pixels are like those inside")
                .remedy(Remedy::Unset { name: "value" })
                .remedy(Remedy::Unset { name: "mode" }));
        }
        if mode == "reflect" && (top.max(bottom) >= height || left.max(right) >= width) {
            let (mirrored, most) = match input.rank() {
                2 => (format!("sequence of {width} places"), format!("{} places", width - 1)),
                _ => (format!("{height}x{width} image"), format!("{}x{} pixels", height - 1, width - 1)),
            };
            return Err(Fault::new(
                codes::WINDOW_TOO_LARGE,
                format!("`pad` cannot mirror a {mirrored} by its whole size or more"),
            )
            .at("padding")
            .label(format!("at most {most}"))
            .set("mode", "replicate"));
        }
        let arithmetic = match input.rank() == 2 || top == left && bottom == right && height == width {
            true => format!("{left} + {width} + {right}"),
            false => format!("height {top} + {height} + {bottom}, width {left} + {width} + {right}"),
        };
        let output = as_arriving(input, [channels, height + top + bottom, width + left + right]);
        Ok(Inferred { arithmetic, ..Inferred::shape(output) })
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let arriving = lowering.shape(input);
        let sides = sides(args, &arriving.unbatched())?;
        let input = lowering.as_image(input)?;
        let padded = padded(args, sides, input, lowering)?;
        lowering.as_arriving(padded, &arriving)
    }
}

/// An image with pixels around it: top, bottom, left, right.
fn padded(
    args: &Args,
    [top, bottom, left, right]: [usize; 4],
    input: Value,
    lowering: &mut Lowering<'_>,
) -> Result<Value, Fault> {
    let mode = args.word("mode")?;
    if mode != "constant" {
        let method = if mode == "reflect" { "reflect" } else { "replicate" };
        let shape = lowering.shape(input);
        let from = [shape.dims()[2], shape.dims()[3]];
        let to = [from[0] + top + bottom, from[1] + left + right];
        let attrs = Attrs::new().ints("from", from).ints("to", to).ints("begin", [top, left]);
        return lowering.apply(&RESAMPLE, attrs.text("method", method), &[input]);
    }
    let number = args.number("value")? as f32;
    if number == 0.0 {
        let mut shape = lowering.shape(input);
        shape.0[2] += top + bottom;
        shape.0[3] += left + right;
        let attrs = Attrs::new().ints("start", [0, 0, top, left]).ints("shape", shape.dims());
        return lowering.apply(&PAD, attrs, &[input]);
    }
    let rows = framed(lowering, input, 2, [top, bottom], number)?;
    framed(lowering, rows, 3, [left, right], number)
}

/// Puts constants before and after a value along one axis.
fn framed(
    lowering: &mut Lowering<'_>,
    input: Value,
    axis: usize,
    extents: [usize; 2],
    number: f32,
) -> Result<Value, Fault> {
    let mut parts = vec![input];
    for (extent, at) in extents.into_iter().zip([0, 1]).filter(|(extent, _)| *extent > 0) {
        let mut shape = lowering.shape(input);
        shape.0[axis] = extent;
        let edge = lowering.builder.constant(number, &shape);
        parts.insert(if at == 0 { 0 } else { parts.len() }, edge);
    }
    match parts.len() {
        1 => Ok(input),
        _ => lowering.apply(&CONCAT, Attrs::new().int("axis", axis as i64), &parts),
    }
}
