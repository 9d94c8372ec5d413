//! `mix mixup`: each image and another one, laid over each other.

use crate::diag::Fault;
use crate::spec::{Args, Spec};
use crate::tensor::random::Random;
use crate::train::mixes::{ALPHA, Mix, share, with_the_one_before};

pub struct Mixup;

static SPEC: Spec = Spec {
    name: "mixup",
    summary: "each image and the one in front of it, laid over each other",
    docs: "With one share for the whole batch. The loss is that of both targets, weighed by their shares, which for `cross_entropy` is \
           that of the mixed target; the training accuracy counts the target with the larger share. `MixUp` of torchvision (Zhang et \
           al., arXiv:1710.09412).",
    params: &[ALPHA],
    example: "mix mixup alpha=0.2",
    elsewhere: &["MixUp", "RandomMixup", "mixup_alpha"],
};

impl Mix for Mixup {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn apply(
        &self,
        args: &Args,
        images: &mut [f32],
        shape: [usize; 3],
        random: &mut Random,
    ) -> Result<f64, Fault> {
        let share = share(args, random)?;
        let (own, rest) = (share as f32, (1.0 - share) as f32);
        with_the_one_before(images, shape.iter().product(), |image, other| {
            image.iter_mut().zip(other).for_each(|(x, other)| *x = other * rest + *x * own);
        });
        Ok(share)
    }
}
