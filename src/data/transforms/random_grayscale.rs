//! `random_grayscale`: the image without its colours, or not.

use crate::data::sample::{Form, Sample};
use crate::data::transforms::grayscale::Grayscale;
use crate::data::transforms::rgb::Rgb;
use crate::data::transforms::{Transform, policy};
use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, positional};
use crate::tensor::random::Random;

pub struct RandomGrayscale;

static SPEC: Spec = Spec {
    name: "random_grayscale",
    summary: "Turns the image grey, with a probability",
    docs: "All three channels become the image's brightness (ITU-R BT.601), as in `grayscale`. An image of one channel stays as \
           it is. Same as `RandomGrayscale` in torchvision.",
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
        policy::form(input, SPEC.name)
    }

    fn apply(&self, args: &Args, sample: &mut Sample, random: &mut Random) -> Result<(), Fault> {
        let is_drawn = f64::from(random.uniform()) < args.number("probability")?;
        if is_drawn && sample.image.channels == 3 {
            Grayscale.apply(&Args::default(), sample, random)?;
            Rgb.apply(&Args::default(), sample, random)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::bytes;

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
    }
}
