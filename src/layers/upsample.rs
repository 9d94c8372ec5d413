//! `upsample`: an image made larger by a whole factor.

use crate::diag::{Fault, Remedy, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, image};
use crate::ops::resample::RESAMPLE;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Upsample;

static SPEC: Spec = Spec {
    name: "upsample",
    summary: "an image made larger by a whole factor",
    docs: "`C x H x W` becomes `C x (SCALE·H) x (SCALE·W)`. `nearest` repeats pixels; `bilinear` takes weighted means of \
           the pixels around, which lie at the middle of their squares, or, with `align_corners=true`, so that the \
           image's corner pixels stay its corners. As in PyTorch.",
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

fn output(args: &Args, [height, width]: [usize; 2]) -> Result<[usize; 2], Fault> {
    let [rows, columns] = args.pair("scale")?;
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
        let [channels, height, width] = image(SPEC.name, input)?;
        let [rows, columns] = args.pair("scale")?;
        method(args)?;
        let [out_height, out_width] = output(args, [height, width])?;
        let arithmetic = match (height, rows) == (width, columns) {
            true => format!("{rows}·{height} = {out_height}"),
            false => format!("height {rows}·{height} = {out_height}, width {columns}·{width} = {out_width}"),
        };
        Ok(Inferred { arithmetic, ..Inferred::shape(Shape::from([channels, out_height, out_width])) })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Rescaled
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shape = lowering.shape(input);
        let from = [shape.dims()[2], shape.dims()[3]];
        let to = output(args, from)?;
        let attrs = Attrs::new().ints("from", from).ints("to", to).text("method", method(args)?);
        lowering.apply(&RESAMPLE, attrs, &[input])
    }
}
