//! `grayscale`: colour images → one channel of brightness.

use crate::data::sample::{Form, Image, Sample, Values};
use crate::data::transforms::Transform;
use crate::diag::{Fault, codes};
use crate::spec::{Args, Spec};
use crate::tensor::random::Random;

pub struct Grayscale;

/// Weights of red, green and blue: ITU-R BT.601.
pub const WEIGHTS: [f32; 3] = [0.299, 0.587, 0.114];

static SPEC: Spec = Spec {
    name: "grayscale",
    summary: "Turns colour images into grey ones",
    docs: "3xHxW to 1xHxW: `0.299 red + 0.587 green + 0.114 blue` (ITU-R BT.601). An image of one channel stays \
           as it is.",
    params: &[],
    example: "grayscale",
    elsewhere: &["Grayscale", "greyscale", "RGBToGray", "rgb_to_grayscale", "to_gray"],
};

impl Transform for Grayscale {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, _args: &Args, input: Form) -> Result<Form, Fault> {
        match input.channels {
            Some(1 | 3) | None => Ok(Form { channels: Some(1), ..input }),
            Some(channels) => {
                let message = format!("`grayscale` needs 1 or 3 channels, but {channels} arrive ({input})");
                Err(Fault::new(codes::DATA_SHAPE, message))
            }
        }
    }

    fn apply(&self, _args: &Args, sample: &mut Sample, _random: &mut Random) -> Result<(), Fault> {
        if sample.image.channels == 3 {
            let Image { height, width, .. } = sample.image;
            let values = sample.image.clone().into_numbers();
            let (red, rest) = values.split_at(height * width);
            let (green, blue) = rest.split_at(height * width);
            let grey = red.iter().zip(green).zip(blue).map(|((r, g), b)| brightness([*r, *g, *b])).collect();
            let was_bytes = matches!(sample.image.values, Values::Bytes(_));
            sample.image = Image::of_numbers([1, height, width], grey);
            if was_bytes {
                sample.image.round();
            }
        }
        Ok(())
    }
}

/// The brightness of a colour.
pub fn brightness(colour: [f32; 3]) -> f32 {
    WEIGHTS[0] * colour[0] + WEIGHTS[1] * colour[1] + WEIGHTS[2] * colour[2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::numbers;
    use crate::spec::Args;

    #[test]
    fn colours_weigh_as_bt601_says() {
        let mut sample = numbers([3, 1, 2], &[1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
        Grayscale.apply(&Args::default(), &mut sample, &mut Random::new(0, "", 0)).unwrap();
        assert_eq!(sample, numbers([1, 1, 2], &[0.299, 0.587 + 0.114]));
        let fault = Grayscale.form(&Args::default(), Form::of([4, 2, 2])).unwrap_err();
        assert_eq!(fault.message, "`grayscale` needs 1 or 3 channels, but 4 arrive (4x2x2)");
    }
}
