//! `upsample`: an image made larger by a whole factor.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, image};
use crate::ops::resample::RESAMPLE;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Upsample;

static SPEC: Spec = Spec {
    name: "upsample",
    summary: "an image made larger by a whole factor",
    docs: "`C x H x W` becomes `C x (SCALE·H) x (SCALE·W)`. `nearest` repeats pixels; `bilinear` takes weighted means of \
           the pixels around, which lie at the middle of their squares: PyTorch's `align_corners=False`.",
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
    ],
    example: "upsample 2 mode=bilinear",
    elsewhere: &["Upsample", "UpSampling2D", "nn.Upsample", "interpolate", "up_sampling2d", "Resize"],
};

fn output(args: &Args, [height, width]: [usize; 2]) -> Result<[usize; 2], Fault> {
    let [rows, columns] = args.pair("scale")?;
    let (height, width) = (height.checked_mul(rows), width.checked_mul(columns));
    height.zip(width).map(|(height, width)| [height, width]).ok_or_else(|| {
        Fault::new(codes::TOO_BIG, "`upsample` would make an image beyond all sizes").at("scale")
    })
}

impl Layer for Upsample {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let [channels, height, width] = image(SPEC.name, input)?;
        let [rows, columns] = args.pair("scale")?;
        let [out_height, out_width] = output(args, [height, width])?;
        let arithmetic = match (height, rows) == (width, columns) {
            true => format!("{rows}·{height} = {out_height}"),
            false => format!("height {rows}·{height} = {out_height}, width {columns}·{width} = {out_width}"),
        };
        Ok(Inferred { arithmetic, ..Inferred::shape(Shape::from([channels, out_height, out_width])) })
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shape = lowering.shape(input);
        let from = [shape.dims()[2], shape.dims()[3]];
        let method = if args.word("mode")? == "bilinear" { "bilinear" } else { "nearest" };
        let attrs = Attrs::new().ints("from", from).ints("to", output(args, from)?).text("method", method);
        lowering.apply(&RESAMPLE, attrs, &[input])
    }
}
