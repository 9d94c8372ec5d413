//! `upsample`: an image, a sequence or a volume made larger by a whole factor.

use crate::diag::{Fault, Remedy, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::volume::each_way;
use crate::layers::{Inferred, Layer, Reach, extents_of, volume_extents, with_extents, with_places};
use crate::ops::resample::RESAMPLE;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Upsample;

static SPEC: Spec = Spec {
    name: "upsample",
    summary: "an image, a sequence or a volume made larger by a whole factor",
    docs: "`C x H x W` becomes `C x (SCALE·H) x (SCALE·W)`, and `C x L` becomes `C x (SCALE·L)`; a volume \
           takes one number or depth x height x width. `nearest` repeats pixels; \
           `bilinear` takes weighted means of the pixels around, which lie at the middle of their squares, or, with \
           `align_corners=true`, so that the image's corner pixels stay its corners. As in PyTorch, whose \
           word for it is `linear` for sequences and `trilinear` for volumes.",
    params: &[
        positional(
            "scale",
            Kind::PairOrTriple,
            Preset::Required,
            "the factors of height x width, or of depth x height x width; one number for all",
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
    elsewhere: &[
        "Upsample",
        "UpSampling2D",
        "UpSampling3D",
        "nn.Upsample",
        "interpolate",
        "up_sampling2d",
        "Resize",
    ],
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

fn output(scale: [usize; 3], extents: [usize; 3]) -> Result<[usize; 3], Fault> {
    let larger: Option<Vec<usize>> =
        scale.iter().zip(extents).map(|(factor, extent)| extent.checked_mul(*factor)).collect();
    larger.and_then(|larger| <[usize; 3]>::try_from(larger).ok()).ok_or_else(|| {
        Fault::new(codes::TOO_BIG, "`upsample` would make an image that is too large").at("scale")
    })
}

impl Layer for Upsample {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        with_places(SPEC.name, input)?;
        let scale = extents_of(SPEC.name, args, "scale", input)?;
        method(args)?;
        let extents = volume_extents(input);
        let larger = output(scale, extents)?;
        let one = |i: usize| format!("{}·{} = {}", scale[i], extents[i], larger[i]);
        let own = 4 - input.rank()..3;
        let alike = own.clone().all(|i| (scale[i], extents[i]) == (scale[2], extents[2]));
        let arithmetic = match alike {
            true => one(2),
            false => {
                let axes = own.map(|i| format!("{} {}", ["depth", "height", "width"][i], one(i)));
                axes.collect::<Vec<_>>().join(", ")
            }
        };
        Ok(Inferred { arithmetic: arithmetic.into(), ..Inferred::shape(with_extents(input, larger)) })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Rescaled
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let arriving = lowering.shape(input);
        let [planes, rows, columns] = extents_of(SPEC.name, args, "scale", &arriving.unbatched())?;
        let method = method(args)?;
        let larger = |[rows, columns]: [usize; 2]| {
            move |image: Value, lowering: &mut Lowering<'_>| {
                let shape = lowering.shape(image);
                let from = [shape.dims()[2], shape.dims()[3]];
                let to = [from[0] * rows, from[1] * columns];
                if from == to {
                    return Ok(image);
                }
                let attrs = Attrs::new().ints("from", from).ints("to", to).text("method", method);
                lowering.apply(&RESAMPLE, attrs, &[image])
            }
        };
        if arriving.rank() == 5 {
            return each_way(input, lowering, larger([rows, columns]), larger([planes, 1]));
        }
        let image = lowering.as_image(input)?;
        let image = larger([rows, columns])(image, lowering)?;
        lowering.as_arriving(image, &arriving)
    }
}
