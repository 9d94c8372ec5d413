//! `rgb`: images of one channel → three equal ones.

use crate::data::sample::{Form, Sample, Values};
use crate::data::transforms::Transform;
use crate::diag::{Fault, codes};
use crate::spec::{Args, Spec};
use crate::tensor::random::Random;

pub struct Rgb;

static SPEC: Spec = Spec {
    name: "rgb",
    summary: "Gives grey images three channels",
    docs: "1xHxW to 3xHxW: the channel three times. An image of three channels stays as it is.",
    params: &[],
    example: "rgb",
    elsewhere: &["RGB", "GrayscaleToRgb", "grayscale_to_rgb", "to_rgb"],
};

impl Transform for Rgb {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, _args: &Args, input: Form) -> Result<Form, Fault> {
        match input.channels {
            Some(1 | 3) | None => Ok(Form { channels: Some(3), ..input }),
            Some(channels) => {
                let message = format!("`rgb` needs 1 or 3 channels, but {channels} arrive ({input})");
                Err(Fault::new(codes::DATA_SHAPE, message))
            }
        }
    }

    fn apply(&self, _args: &Args, sample: &mut Sample, _random: &mut Random) -> Result<(), Fault> {
        if sample.image.channels == 1 {
            sample.image.channels = 3;
            match &mut sample.image.values {
                Values::Bytes(bytes) => *bytes = bytes.repeat(3),
                Values::Numbers(numbers) => *numbers = numbers.repeat(3),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::bytes;

    #[test]
    fn a_grey_image_is_repeated() {
        let mut sample = bytes([1, 1, 2], &[3, 4]);
        for _ in 0..2 {
            Rgb.apply(&Args::default(), &mut sample, &mut Random::new(0, "", 0)).unwrap();
            assert_eq!(sample, bytes([3, 1, 2], &[3, 4, 3, 4, 3, 4]));
        }
        let fault = Rgb.form(&Args::default(), Form::of([4, 2, 2])).unwrap_err();
        assert_eq!(fault.message, "`rgb` needs 1 or 3 channels, but 4 arrive (4x2x2)");
    }
}
