//! `random_crop`: a window at a random place of the padded image.

use crate::data::recipe::Draw;
use crate::data::sample::{Form, Sample, Size};
use crate::data::transforms::{Cuts, Transform, bounded};
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Padding, Preset, Spec, keyword, positional};
use crate::tensor::random::Random;

pub struct RandomCrop;

static SPEC: Spec = Spec {
    name: "random_crop",
    summary: "Cuts a window at a random place out of the padded image",
    docs: "Every place of the window in the image with `padding` black pixels around it is equally likely. \
           Where all images have one size, that of the window must be it, so that padding is needed to change anything; or \
           `center_crop` cuts the same window when nothing is random. An image that is smaller than the window gets \
           black around it first.",
    params: &[
        positional("size", Kind::Pair, Preset::Required, "height x width of the window"),
        keyword("padding", Kind::Padding, Preset::Padding(0), "black pixels around the image"),
    ],
    example: "augment { random_crop 28x28 padding=2 }",
    elsewhere: &["RandomCrop", "RandomTranslation", "random_translation", "random_shift"],
};

impl Transform for RandomCrop {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, args: &Args, input: Form) -> Result<Form, Fault> {
        let [top, bottom, left, right] = sides(args)?;
        let size = args.pair("size")?;
        let output = Form { size: Size::Fixed(size), ..input };
        let Size::Fixed([height, width]) = input.size else { return bounded(output) };
        for (axis, window, padded) in
            [("high", size[0], height + top + bottom), ("wide", size[1], width + left + right)]
        {
            if window > padded {
                let message = format!("the window is {window} {axis}, but the padded image only {padded}");
                return Err(Fault::new(codes::WINDOW_TOO_LARGE, message)
                    .at("size")
                    .set("size", format!("{height}x{width}"))
                    .note(format!("the image that arrives is {input}")));
            }
        }
        bounded(output)
    }

    fn cuts(&self) -> Cuts {
        Cuts::ARandomPart
    }

    fn apply(&self, args: &Args, sample: &mut Sample, random: &mut Random) -> Result<(), Fault> {
        let [mut top, mut bottom, mut left, mut right] = sides(args)?;
        let size = args.pair("size")?;
        let (height, width) = (sample.image.height, sample.image.width);
        // Of sizes that differ one may be too small.
        let lacks =
            [size[0].saturating_sub(height + top + bottom), size[1].saturating_sub(width + left + right)];
        (top, bottom) = (top + lacks[0] / 2, bottom + lacks[0].div_ceil(2));
        (left, right) = (left + lacks[1] / 2, right + lacks[1].div_ceil(2));
        let y0 = random.below(places(height + top + bottom, size[0])?) as usize;
        let x0 = random.below(places(width + left + right, size[1])?) as usize;
        sample.moved(size[0], size[1], |y, x| {
            let inside =
                |at: usize, before: usize, extent: usize| at.checked_sub(before).filter(|at| *at < extent);
            match (inside(y0 + y, top, height), inside(x0 + x, left, width)) {
                (Some(y), Some(x)) => Some(y * width + x),
                (None, _) | (_, None) => None,
            }
        });
        Ok(())
    }

    fn draw(&self, args: &Args, [_, height, width]: [usize; 3]) -> Option<Result<Draw, Fault>> {
        let own = || {
            let [top, bottom, left, right] = sides(args)?;
            let size = args.pair("size")?;
            let places = [places(height + top + bottom, size[0])?, places(width + left + right, size[1])?];
            Ok(Draw::Crop { places, before: [top, left], from: [height, width] })
        };
        Some(own())
    }
}

/// How many places a window of `window` has in `padded` positions.
fn places(padded: usize, window: usize) -> Result<u32, Fault> {
    let places = padded.checked_sub(window).and_then(|room| u32::try_from(room + 1).ok());
    places.ok_or_else(|| Fault::internal(format!("a window of {window} in {padded}")))
}

/// Top, bottom, left and right padding; at most 65535 each.
fn sides(args: &Args) -> Result<[usize; 4], Fault> {
    match args.padding("padding")? {
        Padding::Sides(sides) if sides.iter().all(|&side| side <= 0xffff) => Ok(sides),
        Padding::Sides(_) | Padding::Around(_) => {
            Err(Fault::new(codes::BAD_VALUE, "`padding` is at most 65535").at("padding"))
        }
        Padding::Same => {
            Err(Fault::new(codes::BAD_VALUE, "`padding` of `random_crop` is a number of pixels")
                .label("not `same`")
                .at("padding")
                .set("padding", 2))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::sample::Values;
    use crate::data::testing::{bytes, numbers, section};

    #[test]
    fn every_place_is_reached_and_the_rest_is_black() {
        let section =
            section("source mnist \"m\"\nresize 2x2\naugment { random_crop 2x2 padding=1 }").unwrap();
        let step = &section.augment[0];
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let (mut bytes, mut numbers) =
                (bytes([1, 2, 2], &[1, 2, 3, 4]), numbers([1, 2, 2], &[1.0, 2.0, 3.0, 4.0]));
            for sample in [&mut bytes, &mut numbers] {
                step.transform.apply(&step.args, sample, &mut Random::new(seed, "crop", 0)).unwrap();
            }
            let Values::Bytes(bytes) = bytes.image.values else { panic!("bytes stay such") };
            let numbers = numbers.image.into_numbers();
            assert!(bytes.iter().map(|&byte| f32::from(byte)).eq(numbers));
            seen.insert(bytes);
        }
        let expected = [
            [0, 0, 0, 1],
            [0, 0, 1, 2],
            [0, 0, 2, 0],
            [0, 1, 0, 3],
            [0, 3, 0, 0],
            [1, 2, 3, 4],
            [2, 0, 4, 0],
            [3, 4, 0, 0],
            [4, 0, 0, 0],
        ];
        assert!(seen.iter().eq(expected.iter()), "{seen:?}");
    }

    #[test]
    fn windows_that_do_not_fit_are_refused() {
        let errors =
            |line: &str| section(&format!("source mnist \"m\"\naugment {{ {line} }}")).err().unwrap();
        assert_eq!(
            errors("random_crop 40x28 padding=2"),
            ["E0301 the window is 40 high, but the padded image only 32"]
        );
        assert_eq!(
            errors("random_crop 28 padding=same"),
            ["E0205 `padding` of `random_crop` is a number of pixels"]
        );
        assert_eq!(errors("random_crop 28 padding=2000000000"), ["E0205 `padding` is at most 65535"]);
    }
}
