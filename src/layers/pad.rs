//! `pad`: pixels around an image, a sequence or a volume, of one value or like those inside.

use crate::diag::{Fault, Remedy, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::volume::each_way;
use crate::layers::{Inferred, Layer, volume_extents, with_extents, with_places};
use crate::ops::concat::CONCAT;
use crate::ops::resample::RESAMPLE;
use crate::ops::slice::PAD;
use crate::shape::Shape;
use crate::spec::{Arg, Args, Kind, Padding, Preset, Spec, keyword, positional};

pub struct Pad;

static SPEC: Spec = Spec {
    name: "pad",
    summary: "pixels around an image, a sequence or a volume, of one value or like those inside",
    docs: "`C x H x W` becomes `C x (H + top + bottom) x (W + left + right)`. `reflect` mirrors the image at its outer \
           pixels, which are not repeated, so it is padded by less than its size; `replicate` repeats the outer pixels. \
           As in PyTorch. A sequence, `C x L`, takes one number for both ends, or `[0, 0, before, after]`; a \
           volume, `C x D x H x W`, one number for all sides, three, or `[front, back, top, bottom, left, right]`.",
    params: &[
        positional("padding", Kind::PaddingOrAround, Preset::Required, "how many at each side"),
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
        "ConstantPad3d",
        "ReplicationPad3d",
        "ZeroPadding3D",
        "Pad",
        "zero_padding2d",
        "F.pad",
    ],
};

/// What is put before and behind depth, height and width; nothing along what an image or a sequence lacks.
pub(crate) fn ends(args: &Args, input: &Shape) -> Result<[[usize; 2]; 3], Fault> {
    let padding = args.padding("padding")?;
    let (takes, why, written) = match (input.rank(), padding) {
        (_, Padding::Same) => {
            let message = "`pad` has no window to keep the size for with `same`";
            return Err(Fault::new(codes::BAD_VALUE, message)
                .at("padding")
                .label(format!(
                    "a number of {} is needed",
                    if input.rank() == 4 { "voxels" } else { "pixels" }
                ))
                .set("padding", 1));
        }
        (2, Padding::Sides([top, bottom, left, right]))
            if (top, bottom) == (0, 0) || (top, bottom) == (left, right) =>
        {
            return Ok([[0; 2], [0; 2], [left, right]]);
        }
        (3, Padding::Sides([top, bottom, left, right])) => {
            return Ok([[0; 2], [top, bottom], [left, right]]);
        }
        (4, Padding::Sides([all, ..])) if padding == Padding::Sides([all; 4]) => return Ok([[all; 2]; 3]),
        (4, Padding::Around(ends)) => return Ok(ends),
        (2, Padding::Sides([_, _, left, right]) | Padding::Around([_, _, [left, right]])) => (
            "a sequence takes one number, or `[0, 0, before, after]`",
            "a sequence has no height",
            format!("[0, 0, {left}, {right}]"),
        ),
        (4, Padding::Sides([top, bottom, left, right])) => (
            "a volume takes one number, three, or both ends of its three axes",
            "depth comes first",
            format!("[0, 0, {top}, {bottom}, {left}, {right}]"),
        ),
        (_, Padding::Sides(_)) => return Err(Fault::internal("`pad` of something without places")),
        (_, Padding::Around([_, [top, bottom], [left, right]])) => (
            "an image takes one number, two, or `[top, bottom, left, right]`",
            "an image has no depth",
            Arg::Padding(Padding::Sides([top, bottom, left, right])).to_string(),
        ),
    };
    Err(Fault::new(codes::BAD_VALUE, format!("`pad` of {takes}"))
        .at("padding")
        .label(format!("{input} arrives: {why}"))
        .set("padding", written))
}

impl Layer for Pad {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        with_places(SPEC.name, input)?;
        let (ends, extents) = (ends(args, input)?, volume_extents(input));
        let mode = args.word("mode")?;
        // A 0 is what a file says that was written out with every default.
        if mode != "constant" && args.number("value")? != 0.0 {
            return Err(Fault::new(codes::BAD_VALUE, format!("`value` has no effect with `mode={mode}`"))
                .at("value")
                .label("the new pixels are like those inside")
                .remedy(Remedy::Unset { name: "value" })
                .remedy(Remedy::Unset { name: "mode" }));
        }
        let own = 4 - input.rank()..3;
        if mode == "reflect" && own.clone().any(|i| ends[i][0].max(ends[i][1]) >= extents[i]) {
            let size = Shape::new(&extents[own.clone()]);
            let most: Shape = extents[own].iter().map(|extent| extent - 1).collect();
            let (mirrored, most) = match input.rank() {
                2 => (format!("sequence of {size} places"), format!("{most} places")),
                3 => (format!("{size} image"), format!("{most} pixels")),
                _ => (format!("{size} volume"), format!("{most} voxels")),
            };
            return Err(Fault::new(
                codes::WINDOW_TOO_LARGE,
                format!("`pad` cannot mirror a {mirrored} by its whole size or more"),
            )
            .at("padding")
            .label(format!("at most {most}"))
            .set("mode", "replicate"));
        }
        let one = |i: usize| format!("{} + {} + {}", ends[i][0], extents[i], ends[i][1]);
        let alike = own.clone().all(|i| (ends[i], extents[i]) == (ends[2], extents[2]));
        let arithmetic = match alike {
            true => one(2),
            false => {
                let axes = own.map(|i| format!("{} {}", ["depth", "height", "width"][i], one(i)));
                axes.collect::<Vec<_>>().join(", ")
            }
        };
        let larger =
            std::array::from_fn(|i| extents[i].saturating_add(ends[i][0]).saturating_add(ends[i][1]));
        Ok(Inferred { arithmetic: arithmetic.into(), ..Inferred::shape(with_extents(input, larger)) })
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let arriving = lowering.shape(input);
        let [deep, down, across] = ends(args, &arriving.unbatched())?;
        let along = |ends: [[usize; 2]; 2]| {
            move |image: Value, lowering: &mut Lowering<'_>| padded(args, ends, image, lowering)
        };
        if arriving.rank() == 5 {
            return each_way(input, lowering, along([down, across]), along([deep, [0; 2]]));
        }
        let input = lowering.as_image(input)?;
        let padded = along([down, across])(input, lowering)?;
        lowering.as_arriving(padded, &arriving)
    }
}

/// An image with pixels before and behind its rows and columns.
fn padded(
    args: &Args,
    ends: [[usize; 2]; 2],
    input: Value,
    lowering: &mut Lowering<'_>,
) -> Result<Value, Fault> {
    if ends == [[0; 2]; 2] {
        return Ok(input);
    }
    let [[top, bottom], [left, right]] = ends;
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
