//! `crop`: a rectangle out of an image, a box out of a volume, or a part of a sequence.

use crate::diag::{Fault, Remedy, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, extents_of, volume_extents, with_extents, with_places};
use crate::ops::slice::SLICE;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Crop;

static SPEC: Spec = Spec {
    name: "crop",
    summary: "a rectangle out of an image",
    docs: "`C x H x W` becomes `C x SIZE`: the rectangle whose first row is `top` and whose first column is `left`, counted \
           from 0; in the middle of the image, rounded towards its start, where they are not given. Of a sequence, `C x L`, it \
           keeps SIZE places from `left`; of a volume, planes from `front` as well.",
    params: &[
        positional(
            "size",
            Kind::PairOrTriple,
            Preset::Required,
            "the output's height x width, or depth x height x width; one number for all",
        ),
        keyword("front", Kind::Whole, Preset::Absent, "the first plane of a volume"),
        keyword("top", Kind::Whole, Preset::Absent, "the first row"),
        keyword("left", Kind::Whole, Preset::Absent, "the first column"),
    ],
    example: "crop 8x10",
    elsewhere: &["CenterCrop", "Crop", "Cropping2D", "Cropping3D", "center_crop", "cropping2d"],
};

/// The first plane, row and column, after every check.
pub(crate) fn start(args: &Args, input: &Shape) -> Result<[usize; 3], Fault> {
    let (extents, size) = (volume_extents(input), extents_of(SPEC.name, args, "size", input)?);
    let mut start = [0; 3];
    for (i, offset) in ["front", "top", "left"].into_iter().enumerate() {
        let extent = extents[i];
        let what = if input.rank() == 2 { "places" } else { ["planes", "rows", "columns"][i] };
        let Some(room) = extent.checked_sub(size[i]) else {
            let smaller: Vec<usize> = size.iter().zip(extents).map(|(&a, b)| a.min(b)).collect();
            return Err(Fault::new(
                codes::WINDOW_TOO_LARGE,
                format!("`crop` wants {} {what}, but {extent} arrive", size[i]),
            )
            .at("size")
            .label(format!("{input} arrives"))
            .set("size", Shape::new(&smaller[4 - input.rank()..])));
        };
        start[i] = match args.whole_if_given(offset)? {
            Some(_) if i + input.rank() < 4 && offset == "front" => {
                let message = format!("`crop` has no `front` here: {input} has no depth");
                return Err(Fault::new(codes::BAD_VALUE, message)
                    .at(offset)
                    .label(format!("{input} arrives"))
                    .remedy(Remedy::Unset { name: offset }));
            }
            Some(first) => first,
            None => room / 2,
        };
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
        with_places(SPEC.name, input)?;
        let size = extents_of(SPEC.name, args, "size", input)?;
        let output = with_extents(input, size);
        let start = start(args, input).map_err(|fault| fault.assume(output.clone()))?;
        let kept = |i: usize| format!("{} to {}", start[i], start[i] + size[i] - 1);
        let arithmetic = match input.rank() {
            2 => format!("places {}", kept(2)),
            rank => {
                let axes = (4 - rank..3).map(|i| format!("{} {}", ["planes", "rows", "columns"][i], kept(i)));
                axes.collect::<Vec<_>>().join(", ")
            }
        };
        Ok(Inferred { arithmetic: arithmetic.into(), ..Inferred::shape(output) })
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let arriving = lowering.shape(input).unbatched();
        let own = 4 - arriving.rank();
        let first = start(args, &arriving)?;
        let size = with_extents(&arriving, extents_of(SPEC.name, args, "size", &arriving)?);
        let shape = size.batched(lowering.shape(input).dims()[0]);
        let begin: Vec<usize> = [0, 0].into_iter().chain(first.into_iter().skip(own)).collect();
        lowering.apply(&SLICE, Attrs::new().ints("start", begin).ints("shape", shape.dims()), &[input])
    }
}
