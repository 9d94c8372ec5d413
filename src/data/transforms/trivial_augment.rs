//! `trivial_augment`: one change of many, at a random strength.

use crate::data::sample::{Form, Sample};
use crate::data::transforms::policy::{self, BINS, Space};
use crate::data::transforms::{Transform, filter};
use crate::diag::Fault;
use crate::spec::{Args, Spec};
use crate::tensor::random::Random;

pub struct TrivialAugment;

static SPEC: Spec = Spec {
    name: "trivial_augment",
    summary: "Applies one of fourteen changes, at a random strength",
    docs: "All are equally likely: none, a shear along x or y (at most 0.99), a shift along x or y (at most 32 pixels), a \
           rotation (at most 135 degrees); brightness, colour, contrast or sharpness (a factor of 0.01 to 1.99); fewer bits (at \
           least 2), bright pixels inverted, contrast stretched, brightness equalised. The strength is one of 31 levels. There is \
           nothing to tune. Same as `TrivialAugmentWide` in torchvision (Müller and Hutter, arXiv:2103.10158).",
    params: &[filter::PARAM],
    example: "augment { trivial_augment }",
    elsewhere: &["TrivialAugmentWide", "TrivialAugment", "AutoAugment"],
};

const WIDE: Space = Space { shear: 0.99, translate: |_| 32.0, degrees: 135.0, colour: 0.99, bits: 6.0 };

impl Transform for TrivialAugment {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, _args: &Args, input: Form) -> Result<Form, Fault> {
        policy::form(input, SPEC.name)
    }

    fn apply(&self, args: &Args, sample: &mut Sample, random: &mut Random) -> Result<(), Fault> {
        WIDE.apply(sample, filter::sampling(args)?, random, |random| random.below(BINS as u32) as usize)
    }
}
