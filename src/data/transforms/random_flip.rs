//! `random_flip`: the image mirrored left to right, or not.

use crate::data::recipe::Draw;
use crate::data::sample::{Form, Sample, Values};
use crate::data::transforms::Transform;
use crate::diag::Fault;
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

    fn form(&self, _args: &Args, input: Form) -> Result<Form, Fault> {
        Ok(input)
    }

    fn suits_signals(&self) -> bool {
        true
    }

    fn apply(&self, args: &Args, sample: &mut Sample, random: &mut Random) -> Result<(), Fault> {
        if f64::from(random.uniform()) < args.number("probability")? {
            let width = sample.image.width.max(1);
            sample.each(|image, _| {
                match &mut image.values {
                    Values::Bytes(bytes) => bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse),
                    Values::Numbers(numbers) => numbers.chunks_exact_mut(width).for_each(<[f32]>::reverse),
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// A uniform number is a whole number of 24 bits over 2²⁴, and below the probability where that whole number is below
    /// the probability times 2²⁴, rounded up.
    fn draw(&self, args: &Args, [_, _, width]: [usize; 3]) -> Option<Result<Draw, Fault>> {
        let own = || {
            let below = (args.number("probability")? * f64::from(1 << 24)).ceil() as u32;
            Ok(Draw::Flip { width, below })
        };
        Some(own())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{bytes, section};

    #[test]
    fn rows_are_reversed_as_often_as_asked() {
        let flips = |line: &str| {
            let section = section(&format!("source mnist \"m\"\naugment {{ {line} }}")).unwrap();
            let step = &section.augment[0];
            (0..1000)
                .filter(|&seed| {
                    let mut sample = bytes([1, 2, 2], &[1, 2, 3, 4]);
                    step.transform.apply(&step.args, &mut sample, &mut Random::new(seed, "flip", 0)).unwrap();
                    sample == bytes([1, 2, 2], &[2, 1, 4, 3])
                })
                .count()
        };
        assert_eq!((flips("random_flip 0"), flips("random_flip 1")), (0, 1000));
        assert!((450..550).contains(&flips("random_flip")));
    }
}
