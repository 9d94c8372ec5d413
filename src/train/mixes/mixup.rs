//! `mix mixup`: each image and another one, laid over each other.

use crate::diag::Fault;
use crate::spec::{Args, Spec};
use crate::tensor::random::Random;
use crate::train::mixes::{ALPHA, Mix, share, with_the_one_before};

pub struct Mixup;

static SPEC: Spec = Spec {
    name: "mixup",
    summary: "blends each image with the one before it in the batch",
    docs: "The share of each is the same for the whole batch. The loss is that of both targets, weighted by their shares, which \
           for `cross_entropy` equals the loss of the mixed target. The training accuracy counts the target with the larger \
           share. Same as `MixUp` in torchvision (Zhang et al., arXiv:1710.09412).",
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
