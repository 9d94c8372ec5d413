//! `random_affine`: the image turned, moved, scaled and sheared at random.

use crate::data::sample::{Form, Sample};
use crate::data::transforms::random_resized_crop::between;
use crate::data::transforms::warp::{Change, warp};
use crate::data::transforms::{Transform, filter};
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};
use crate::tensor::random::Random;

pub struct RandomAffine;

static SPEC: Spec = Spec {
    name: "random_affine",
    summary: "Rotates, shifts, scales and shears the image at random",
    docs: "About the centre: a shear along the rows of -SHEAR to SHEAR degrees, a scale within `scale`, a rotation of -DEGREES to \
           DEGREES, and a shift by whole pixels of at most `translate` times each side; each is drawn uniformly. Pixels from \
           outside are black. Same as torchvision's `RandomAffine`, whose filter is `nearest` by default. Masks always take the \
           nearest pixel.",
    params: &[
        positional(
            "degrees",
            Kind::Number { min: 0.0, max: 180.0 },
            Preset::Required,
            "the largest angle, in degrees",
        ),
        keyword(
            "translate",
            Kind::Number { min: 0.0, max: 1.0 },
            Preset::Number(0.0),
            "the largest shift, as a fraction of height and width",
        ),
        keyword(
            "scale",
            Kind::Numbers,
            Preset::Absent,
            "the smallest and the largest scale, such as `[0.8, 1.2]`",
        ),
        keyword(
            "shear",
            Kind::Number { min: 0.0, max: 89.0 },
            Preset::Number(0.0),
            "the largest shear, in degrees",
        ),
        keyword(
            "filter",
            Kind::Choice(&["bilinear", "nearest"]),
            Preset::Word("bilinear"),
            "how pixels are interpolated",
        ),
    ],
    example: "augment { random_affine 10 translate=0.1 scale=[0.9, 1.1] }",
    elsewhere: &["RandomAffine", "ShiftScaleRotate", "Affine", "RandomZoom"],
};

impl Transform for RandomAffine {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, args: &Args, input: Form) -> Result<Form, Fault> {
        scales(args).map(|_| input)
    }

    fn apply(&self, args: &Args, sample: &mut Sample, random: &mut Random) -> Result<(), Fault> {
        let around = |most: f64, random: &mut Random| between([-most, most], random);
        let angle = around(args.number("degrees")?, random);
        let share = args.number("translate")?;
        let sides = [sample.image.width, sample.image.height];
        let translate = sides.map(|side| around(share * side as f64, random).round_ties_even());
        let scale = between(scales(args)?, random);
        let shear = [around(args.number("shear")?, random), 0.0];
        let sampling = filter::sampling(args)?;
        let affine = Change { angle, translate, scale, shear, ..Change::NONE }.affine();
        sample.each(|image, layer| {
            warp(image, layer, &affine, sampling);
            Ok(())
        })
    }
}

fn scales(args: &Args) -> Result<[f64; 2], Fault> {
    if !args.has("scale") {
        return Ok([1.0, 1.0]);
    }
    match *args.numbers("scale")? {
        [least, most] if least > 0.0 && least <= most && most.is_finite() => Ok([least, most]),
        _ => Err(Fault::new(codes::BAD_VALUE, "`scale` is two numbers above 0, the smaller first")
            .at("scale")
            .set("scale", "[0.9, 1.1]")),
    }
}

#[cfg(test)]
mod tests {
    use crate::data::testing::section;

    #[test]
    fn scales_that_cannot_be_meant_are_refused() {
        let errors = |line: &str| {
            section(&format!("source mnist \"m\"\naugment {{ random_affine 5 {line} }}"))
                .err()
                .unwrap_or_default()
        };
        for line in ["scale=[2, 1]", "scale=1", "scale=[0, 1]"] {
            assert_eq!(errors(line), ["E0205 `scale` is two numbers above 0, the smaller first"], "{line}");
        }
        assert_eq!(errors("scale=[0.5, 1] translate=0.1 shear=10 filter=nearest"), Vec::<String>::new());
    }
}
