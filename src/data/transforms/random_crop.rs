//! `random_crop`: a window at a random place of the padded image.

use crate::data::transforms::{Planes, Transform, bounded, extents};
use crate::diag::{Fault, codes};
use crate::kernels::cuda::gather::Draw;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Padding, Preset, Spec, keyword, positional};
use crate::tensor::random::Random;

pub struct RandomCrop;

static SPEC: Spec = Spec {
    name: "random_crop",
    summary: "Cuts a window at a random place out of the padded image",
    docs: "Every place of the window in the image with `padding` black pixels around it is equally likely. \
           The window must have the image's own size, so it needs padding to change anything.",
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

    fn shape(&self, args: &Args, input: &Shape) -> Result<Shape, Fault> {
        let [channels, height, width] = extents(input)?;
        let [top, bottom, left, right] = sides(args)?;
        let size = args.pair("size")?;
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
        bounded(Shape::from([channels, size[0], size[1]]))
    }

    fn apply(&self, args: &Args, image: &mut Planes, random: &mut Random) -> Result<(), Fault> {
        let [top, bottom, left, right] = sides(args)?;
        let size = args.pair("size")?;
        let (height, width) = (image.height, image.width);
        let y0 = random.below(places(height + top + bottom, size[0])?) as usize;
        let x0 = random.below(places(width + left + right, size[1])?) as usize;
        image.redraw(size[0], size[1], |plane, y, x| {
            let inside =
                |at: usize, before: usize, extent: usize| at.checked_sub(before).filter(|at| *at < extent);
            match (inside(y0 + y, top, height), inside(x0 + x, left, width)) {
                (Some(y), Some(x)) => plane[y * width + x],
                (None, _) | (_, None) => 0.0,
            }
        });
        Ok(())
    }

    fn draw(&self, args: &Args, input: &Shape) -> Option<Result<Draw, Fault>> {
        let own = || {
            let [_, height, width] = extents(input)?;
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
        Padding::Sides(_) => Err(Fault::new(codes::BAD_VALUE, "`padding` is at most 65535").at("padding")),
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
    use crate::data::testing::section;

    #[test]
    fn every_place_is_reached_and_the_rest_is_black() {
        let section =
            section("source mnist \"m\"\nresize 2x2\naugment { random_crop 2x2 padding=1 }").unwrap();
        let step = &section.augment[0];
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut image = Planes { channels: 1, height: 2, width: 2, values: vec![1.0, 2.0, 3.0, 4.0] };
            step.transform.apply(&step.args, &mut image, &mut Random::new(seed, "crop", 0)).unwrap();
            seen.insert(image.values.iter().map(|x| *x as u8).collect::<Vec<_>>());
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
