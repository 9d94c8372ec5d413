//! `center_crop`: the middle of an image.

use crate::data::sample::{Form, Sample, Size};
use crate::data::transforms::{Cuts, Transform, bounded};
use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, positional};
use crate::tensor::random::Random;

pub struct CenterCrop;

static SPEC: Spec = Spec {
    name: "center_crop",
    summary: "Cuts out the middle of every image",
    docs: "The window begins at half of what is left over, rounded to the nearest and from a half to the even number; an image \
           that is smaller gets black around it first. In training a `random_crop` or `random_resized_crop` in `augment` stands \
           in its place. Same as `CenterCrop` in torchvision.",
    params: &[positional("size", Kind::Pair, Preset::Required, "height x width of the window")],
    example: "center_crop 24x24",
    elsewhere: &["CenterCrop", "central_crop", "centre_crop"],
};

impl Transform for CenterCrop {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, args: &Args, input: Form) -> Result<Form, Fault> {
        bounded(Form { size: Size::Fixed(args.pair("size")?), ..input })
    }

    fn cuts(&self) -> Cuts {
        Cuts::TheMiddle
    }

    fn apply(&self, args: &Args, sample: &mut Sample, _random: &mut Random) -> Result<(), Fault> {
        let [height, width] = args.pair("size")?;
        cut(sample, height, width);
        Ok(())
    }
}

fn cut(sample: &mut Sample, height: usize, width: usize) {
    let (own_height, own_width) = (sample.image.height, sample.image.width);
    let ([above, top], [left, first]) = (starts(own_height, height), starts(own_width, width));
    sample.moved(height, width, |y, x| {
        let y = (y + top).checked_sub(above).filter(|y| *y < own_height)?;
        let x = (x + first).checked_sub(left).filter(|x| *x < own_width)?;
        Some(y * own_width + x)
    });
}

/// How many black pixels are put in front, and where the window begins then.
fn starts(own: usize, window: usize) -> [usize; 2] {
    let before = window.saturating_sub(own) / 2;
    let left_over = own.max(window) - window;
    // Half to even.
    let half = left_over / 2;
    [before, if left_over % 2 == 1 && half % 2 == 1 { half + 1 } else { half }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::numbers;

    /// `torchvision.transforms.v2.functional.center_crop` of rows that count from 0.
    #[test]
    fn the_places_are_torchvisions() {
        let row = |own: usize, window: usize| {
            let mut sample = numbers([1, 1, own], &(1..=own).map(|x| x as f32).collect::<Vec<_>>());
            cut(&mut sample, 1, window);
            sample.image.into_numbers()
        };
        assert_eq!(row(6, 3), [3.0, 4.0, 5.0]);
        assert_eq!(row(7, 2), [3.0, 4.0]);
        assert_eq!(row(5, 2), [3.0, 4.0]);
        assert_eq!(row(2, 5), [0.0, 1.0, 2.0, 0.0, 0.0]);
    }
}
