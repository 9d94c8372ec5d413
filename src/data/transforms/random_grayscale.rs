//! `random_grayscale`: the image without its colours, or not.

use crate::data::sample::{Form, Sample};
use crate::data::transforms::Transform;
use crate::data::transforms::grayscale::Grayscale;
use crate::data::transforms::rgb::Rgb;
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Preset, Spec, positional};
use crate::tensor::random::Random;

pub struct RandomGrayscale;

static SPEC: Spec = Spec {
    name: "random_grayscale",
    summary: "Takes the image's colours away, with a probability",
    docs: "The three channels become its brightness (ITU-R BT.601), as in `grayscale`. `RandomGrayscale` of torchvision.",
    params: &[positional(
        "probability",
        Kind::Number { min: 0.0, max: 1.0 },
        Preset::Number(0.1),
        "how often",
    )],
    example: "augment { random_grayscale 0.2 }",
    elsewhere: &["RandomGrayscale", "ToGray", "random_greyscale"],
};

impl Transform for RandomGrayscale {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, _args: &Args, input: Form) -> Result<Form, Fault> {
        match input.channels {
            Some(3) | None => Ok(input),
            Some(channels) => {
                let message = format!("`random_grayscale` needs 3 channels, but {channels} arrive ({input})");
                Err(Fault::new(codes::DATA_SHAPE, message))
            }
        }
    }

    fn apply(&self, args: &Args, sample: &mut Sample, random: &mut Random) -> Result<(), Fault> {
        if f64::from(random.uniform()) < args.number("probability")? {
            Grayscale.apply(&Args::default(), sample, random)?;
            Rgb.apply(&Args::default(), sample, random)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{bytes, section};

    #[test]
    fn colours_go_as_often_as_asked() {
        let grey = |probability: f64| {
            let args = crate::spec::preset(&SPEC, &[Preset::Number(probability)]);
            (0..200)
                .filter(|&seed| {
                    let mut sample = bytes([3, 1, 1], &[200, 10, 0]);
                    RandomGrayscale.apply(&args, &mut sample, &mut Random::new(seed, "grey", 0)).unwrap();
                    sample == bytes([3, 1, 1], &[66, 66, 66])
                })
                .count()
        };
        assert_eq!((grey(0.0), grey(1.0)), (0, 200));
        assert!((30..70).contains(&grey(0.25)));
        let of_grey = section("source mnist \"m\"\naugment { random_grayscale }").err().unwrap();
        assert_eq!(of_grey, ["E0401 `random_grayscale` needs 3 channels, but 1 arrive (1x28x28)"]);
    }
}
