//! `crop`: a rectangle out of an image, or a part of a sequence.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, as_arriving, extents_of, image_or_row};
use crate::ops::slice::SLICE;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Crop;

static SPEC: Spec = Spec {
    name: "crop",
    summary: "a rectangle out of an image",
    docs: "`C x H x W` becomes `C x SIZE`: the rectangle whose first row is `top` and whose first column is `left`, counted \
           from 0; in the middle of the image, rounded towards its start, where they are not given. Of a sequence, `C x L`, it \
           keeps SIZE places from `left`.",
    params: &[
        positional("size", Kind::Pair, Preset::Required, "the output's height x width; one number for both"),
        keyword("top", Kind::Whole, Preset::Absent, "the first row"),
        keyword("left", Kind::Whole, Preset::Absent, "the first column"),
    ],
    example: "crop 8x10",
    elsewhere: &["CenterCrop", "Crop", "Cropping2D", "center_crop", "cropping2d"],
};

/// The first row and column, after every check.
pub(crate) fn start(args: &Args, input: &Shape) -> Result<[usize; 2], Fault> {
    let [_, height, width] = image_or_row(SPEC.name, input)?;
    let size = extents_of(SPEC.name, args, "size", input)?;
    let mut start = [0; 2];
    for (i, (extent, offset)) in [(height, "top"), (width, "left")].into_iter().enumerate() {
        let what = if input.rank() == 2 { "places" } else { ["rows", "columns"][i] };
        let Some(room) = extent.checked_sub(size[i]) else {
            return Err(Fault::new(
                codes::WINDOW_TOO_LARGE,
                format!("`crop` wants {} {what}, but {extent} arrive", size[i]),
            )
            .at("size")
            .label(format!("{input} arrives"))
            .set(
                "size",
                match input.rank() {
                    2 => width.to_string(),
                    _ => format!("{}x{}", size[0].min(height), size[1].min(width)),
                },
            ));
        };
        start[i] = if args.has(offset) { args.whole(offset)? } else { room / 2 };
        if start[i] > room {
            return Err(Fault::new(
                codes::WINDOW_TOO_LARGE,
                format!("`crop` reaches to {what} {}, but {extent} arrive", start[i] + size[i]),
            )
            .at(offset)
            .label(format!("at most {room}"))
            .set(offset, room));
        }
    }
    Ok(start)
}

impl Layer for Crop {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let [channels, _, _] = image_or_row(SPEC.name, input)?;
        let [rows, columns] = extents_of(SPEC.name, args, "size", input)?;
        let output = as_arriving(input, [channels, rows, columns]);
        let [top, left] = start(args, input).map_err(|fault| fault.assume(output.clone()))?;
        let arithmetic = match input.rank() {
            2 => format!("places {left} to {}", left + columns - 1),
            _ => format!("rows {top} to {}, columns {left} to {}", top + rows - 1, left + columns - 1),
        };
        Ok(Inferred { arithmetic, ..Inferred::shape(output) })
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let arriving = lowering.shape(input);
        let [top, left] = start(args, &arriving.unbatched())?;
        let image = lowering.as_image(input)?;
        let mut shape = lowering.shape(image);
        [shape.0[2], shape.0[3]] = extents_of(SPEC.name, args, "size", &arriving.unbatched())?;
        let attrs = Attrs::new().ints("start", [0, 0, top, left]).ints("shape", shape.dims());
        let part = lowering.apply(&SLICE, attrs, &[image])?;
        lowering.as_arriving(part, &arriving)
    }
}
