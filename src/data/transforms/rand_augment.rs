//! `rand_augment`: some changes of many, at one strength.

use crate::data::sample::{Form, Sample};
use crate::data::transforms::policy::{self, BINS, Space};
use crate::data::transforms::{Transform, filter};
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::tensor::random::Random;

pub struct RandAugment;

static SPEC: Spec = Spec {
    name: "rand_augment",
    summary: "Applies several of fourteen changes, at one strength",
    docs: "Applies `changes` of them one after another, all equally likely: none, a shear along x or y (0.3 at strength 30), a \
           shift along x or y (150/331 of the side), a rotation (30 degrees); brightness, colour, contrast or sharpness (a factor \
           of 1 ± 0.9); fewer bits (4 are dropped), bright pixels inverted, contrast stretched, brightness equalised. Same as \
           `RandAugment` in torchvision (Cubuk et al., arXiv:1909.13719).",
    params: &[
        keyword("changes", Kind::Count, Preset::Count(2), "how many"),
        keyword("magnitude", Kind::Whole, Preset::Count(9), "their strength, 0 to 30"),
        filter::PARAM,
    ],
    example: "augment { rand_augment changes=2 magnitude=9 }",
    elsewhere: &["RandAugment", "rand-m9", "auto_augment"],
};

const SPACE: Space = Space {
    shear: 0.3,
    translate: |side| 150.0 / 331.0 * side as f64,
    degrees: 30.0,
    colour: 0.9,
    bits: 4.0,
};
/// More changes than these leave nothing of an image.
const MOST: usize = 20;

impl Transform for RandAugment {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, args: &Args, input: Form) -> Result<Form, Fault> {
        if args.whole("magnitude")? >= BINS {
            let message = format!("`magnitude` is a strength from 0 to {}", BINS - 1);
            return Err(Fault::new(codes::BAD_VALUE, message).at("magnitude").set("magnitude", BINS - 1));
        }
        if args.whole("changes")? > MOST {
            let message = format!("`changes` is at most {MOST}");
            return Err(Fault::new(codes::BAD_VALUE, message).at("changes").set("changes", 2));
        }
        policy::form(input, SPEC.name)
    }

    fn apply(&self, args: &Args, sample: &mut Sample, random: &mut Random) -> Result<(), Fault> {
        let (magnitude, sampling) = (args.whole("magnitude")?, filter::sampling(args)?);
        (0..args.whole("changes")?).try_for_each(|_| SPACE.apply(sample, sampling, random, |_| magnitude))
    }
}

#[cfg(test)]
mod tests {
    use crate::data::testing::section;

    #[test]
    fn strengths_that_are_not_there_are_refused() {
        let errors = |line: &str| {
            section(&format!("source mnist \"m\"\naugment {{ rand_augment {line} }}"))
                .err()
                .unwrap_or_default()
        };
        assert_eq!(errors("magnitude=31"), ["E0205 `magnitude` is a strength from 0 to 30"]);
        assert_eq!(errors("changes=21"), ["E0205 `changes` is at most 20"]);
        assert_eq!(errors("changes=3 magnitude=0"), Vec::<String>::new());
    }
}
