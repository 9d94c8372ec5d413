//! `random_flip`: the image mirrored left to right, or not.

use crate::data::transforms::{Planes, Transform, extents};
use crate::diag::Fault;
use crate::kernels::cuda::gather::Draw;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};
use crate::tensor::random::Random;

pub struct RandomFlip;

static SPEC: Spec = Spec {
    name: "random_flip",
    summary: "Mirrors the image left to right, with a probability",
    docs: "Not for digits and letters, whose mirror images are others.",
    params: &[positional(
        "probability",
        Kind::Number { min: 0.0, max: 1.0 },
        Preset::Number(0.5),
        "how often it is mirrored",
    )],
    example: "augment { random_flip }",
    elsewhere: &["RandomHorizontalFlip", "RandomFlip", "horizontal_flip", "mirror", "fliplr"],
};

impl Transform for RandomFlip {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn shape(&self, _args: &Args, input: &Shape) -> Result<Shape, Fault> {
        extents(input).map(|_| input.clone())
    }

    fn apply(&self, args: &Args, image: &mut Planes, random: &mut Random) -> Result<(), Fault> {
        if f64::from(random.uniform()) < args.number("probability")? {
            image.values.chunks_exact_mut(image.width.max(1)).for_each(<[f32]>::reverse);
        }
        Ok(())
    }

    /// A uniform number is a whole number of 24 bits over 2²⁴, and below the probability where that whole number is below
    /// the probability times 2²⁴, rounded up.
    fn draw(&self, args: &Args, input: &Shape) -> Option<Result<Draw, Fault>> {
        let own = || {
            let [_, _, width] = extents(input)?;
            let below = (args.number("probability")? * f64::from(1 << 24)).ceil() as u32;
            Ok(Draw::Flip { width, below })
        };
        Some(own())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::section;

    #[test]
    fn rows_are_reversed_as_often_as_asked() {
        let flips = |line: &str| {
            let section = section(&format!("source mnist \"m\"\naugment {{ {line} }}")).unwrap();
            let step = &section.augment[0];
            (0..1000)
                .filter(|&seed| {
                    let mut image =
                        Planes { channels: 1, height: 2, width: 2, values: vec![1.0, 2.0, 3.0, 4.0] };
                    step.transform.apply(&step.args, &mut image, &mut Random::new(seed, "flip", 0)).unwrap();
                    image.values == [2.0, 1.0, 4.0, 3.0]
                })
                .count()
        };
        assert_eq!((flips("random_flip 0"), flips("random_flip 1")), (0, 1000));
        assert!((450..550).contains(&flips("random_flip")));
    }
}
