//! `upsample`: an image or a sequence made larger by a whole factor.

use crate::diag::{Fault, Remedy, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, as_arriving, extents_of, image_or_row};
use crate::ops::resample::RESAMPLE;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Upsample;

static SPEC: Spec = Spec {
    name: "upsample",
    summary: "an image or a sequence made larger by a whole factor",
    docs: "`C x H x W` becomes `C x (SCALE·H) x (SCALE·W)`, and `C x L` becomes `C x (SCALE·L)`. `nearest` repeats pixels; \
           `bilinear` takes weighted means of the pixels around, which lie at the middle of their squares, or, with \
           `align_corners=true`, so that the image's corner pixels stay its corners. As in PyTorch.",
    params: &[
        positional(
            "scale",
            Kind::Pair,
            Preset::Required,
            "the factors of height x width; one number for both",
        ),
        keyword(
            "mode",
            Kind::Choice(&["nearest", "bilinear"]),
            Preset::Word("nearest"),
            "how the new pixels come about",
        ),
        keyword(
            "align_corners",
            Kind::Bool,
            Preset::Bool(false),
            "whether the corner pixels stay the corners, with `mode=bilinear`",
        ),
    ],
    example: "upsample 2 mode=bilinear",
    elsewhere: &["Upsample", "UpSampling2D", "nn.Upsample", "interpolate", "up_sampling2d", "Resize"],
};

/// What the op calls it.
fn method(args: &Args) -> Result<&'static str, Fault> {
    match (args.word("mode")?, args.bool("align_corners")?) {
        ("bilinear", false) => Ok("bilinear"),
        ("bilinear", true) => Ok("bilinear_corners"),
        (_, false) => Ok("nearest"),
        (_, true) => Err(Fault::new(codes::BAD_VALUE, "`align_corners` applies to `mode=bilinear` only")
            .at("align_corners")
            .label("`nearest` has no corners to align")
            .set("mode", "bilinear")
            .remedy(Remedy::Unset { name: "align_corners" })),
    }
}

fn output([rows, columns]: [usize; 2], [height, width]: [usize; 2]) -> Result<[usize; 2], Fault> {
    let (height, width) = (height.checked_mul(rows), width.checked_mul(columns));
    height.zip(width).map(|(height, width)| [height, width]).ok_or_else(|| {
        Fault::new(codes::TOO_BIG, "`upsample` would make an image that is too large").at("scale")
    })
}

impl Layer for Upsample {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let [channels, height, width] = image_or_row(SPEC.name, input)?;
        let [rows, columns] = extents_of(SPEC.name, args, "scale", input)?;
        method(args)?;
        let [out_height, out_width] = output([rows, columns], [height, width])?;
        let arithmetic = match input.rank() == 2 || (height, rows) == (width, columns) {
            true => format!("{columns}·{width} = {out_width}"),
            false => format!("height {rows}·{height} = {out_height}, width {columns}·{width} = {out_width}"),
        };
        let output = as_arriving(input, [channels, out_height, out_width]);
        Ok(Inferred { arithmetic, ..Inferred::shape(output) })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Rescaled
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let arriving = lowering.shape(input);
        let scale = extents_of(SPEC.name, args, "scale", &arriving.unbatched())?;
        let image = lowering.as_image(input)?;
        let shape = lowering.shape(image);
        let from = [shape.dims()[2], shape.dims()[3]];
        let to = output(scale, from)?;
        let attrs = Attrs::new().ints("from", from).ints("to", to).text("method", method(args)?);
        let larger = lowering.apply(&RESAMPLE, attrs, &[image])?;
        lowering.as_arriving(larger, &arriving)
    }
}
