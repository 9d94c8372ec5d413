//! `mix cutmix`: each image with a rectangle of another one.

use crate::diag::Fault;
use crate::spec::{Args, Spec};
use crate::tensor::random::Random;
use crate::train::mixes::{ALPHA, Mix, share, with_the_one_before};

pub struct Cutmix;

static SPEC: Spec = Spec {
    name: "cutmix",
    summary: "pastes into each image a rectangle of the one before it in the batch; into a signal, an interval",
    docs: "The rectangle is the same for the whole batch: its centre is anywhere, and its sides are those of the image times the \
           square root of the other image's share, cut off at the border. The shares in the loss are those of the resulting \
           areas. The loss is that of both targets, weighted by their shares, which for `cross_entropy` equals the loss of the \
           mixed target. The training accuracy counts the target with the larger share. Same as `CutMix` in torchvision (Yun et \
           al., arXiv:1905.04899).",
    params: &[ALPHA],
    example: "mix cutmix",
    elsewhere: &["CutMix", "RandomCutmix", "cutmix_alpha"],
};

impl Mix for Cutmix {
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
        let [_, height, width] = shape;
        let drawn = share(args, random)?;
        let [x, y] = [width, height].map(|side| random.below(side.max(1) as u32) as usize);
        let part = rectangle([height, width], [y, x], drawn);
        mix(images, shape, part);
        let [top, left, bottom, right] = part;
        Ok(1.0 - ((bottom - top) * (right - left)) as f64 / (height * width).max(1) as f64)
    }
}

/// Top, left, bottom and right of what is taken of the other image (torchvision: `CutMix.make_params`); of a signal, which has
/// one row, an interval of its length times the other one's share.
fn rectangle([height, width]: [usize; 2], [y, x]: [usize; 2], share: f64) -> [usize; 4] {
    if height == 1 {
        let along = (0.5 * (1.0 - share) * width as f64) as usize;
        return [0, x.saturating_sub(along), 1, (x + along).min(width)];
    }
    let half = 0.5 * (1.0 - share).sqrt();
    let [down, along] = [height, width].map(|side| (half * side as f64) as usize);
    [y.saturating_sub(down), x.saturating_sub(along), (y + down).min(height), (x + along).min(width)]
}

fn mix(images: &mut [f32], [channels, height, width]: [usize; 3], [top, left, bottom, right]: [usize; 4]) {
    with_the_one_before(images, channels * height * width, |image, other| {
        for channel in 0..channels {
            for y in top..bottom {
                let row = (channel * height + y) * width;
                image[row + left..row + right].copy_from_slice(&other[row + left..row + right]);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_have_the_area_of_their_share_as_far_as_they_lie_inside() {
        assert_eq!(rectangle([8, 12], [4, 6], 0.75), [2, 3, 6, 9]);
        assert_eq!(rectangle([8, 12], [0, 11], 0.75), [0, 8, 2, 12]);
        assert_eq!(rectangle([8, 12], [4, 6], 1.0), [4, 6, 4, 6]);
        assert_eq!(rectangle([1, 12], [0, 6], 0.5), [0, 3, 1, 9]);
    }

    #[test]
    fn pixels_of_the_one_in_front_come_in() {
        let mut images: Vec<f32> = [1.0, 2.0, 3.0].iter().flat_map(|&x| [x; 2 * 2 * 3]).collect();
        mix(&mut images, [2, 2, 3], [1, 0, 2, 2]);
        let image = |own: f32, other: f32| [own, own, own, other, other, own].repeat(2);
        assert_eq!(images, [image(1.0, 3.0), image(2.0, 1.0), image(3.0, 2.0)].concat());
    }
}
