//! `grayscale`: colour images → one channel of brightness.

use crate::data::transforms::{Planes, Transform, extents};
use crate::diag::{Fault, codes};
use crate::shape::Shape;
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

    fn shape(&self, _args: &Args, input: &Shape) -> Result<Shape, Fault> {
        match extents(input)? {
            [1 | 3, height, width] => Ok(Shape::from([1, height, width])),
            [channels, _, _] => {
                let message = format!("`grayscale` needs 1 or 3 channels, but {channels} arrive ({input})");
                Err(Fault::new(codes::DATA_SHAPE, message))
            }
        }
    }

    fn apply(&self, _args: &Args, image: &mut Planes, _random: &mut Random) -> Result<(), Fault> {
        if image.channels == 3 {
            let size = image.height * image.width;
            let (red, rest) = image.values.split_at(size);
            let (green, blue) = rest.split_at(size);
            let grey = red.iter().zip(green).zip(blue).map(|((r, g), b)| brightness([*r, *g, *b])).collect();
            image.values = grey;
            image.channels = 1;
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
    use crate::spec::Args;

    #[test]
    fn colours_weigh_as_bt601_says() {
        let mut image =
            Planes { channels: 3, height: 1, width: 2, values: vec![1.0, 0.0, 0.0, 1.0, 0.0, 1.0] };
        Grayscale.apply(&Args::default(), &mut image, &mut Random::new(0, "", 0)).unwrap();
        assert_eq!(image, Planes { channels: 1, height: 1, width: 2, values: vec![0.299, 0.587 + 0.114] });
        let fault = Grayscale.shape(&Args::default(), &Shape::from([4, 2, 2])).unwrap_err();
        assert_eq!(fault.message, "`grayscale` needs 1 or 3 channels, but 4 arrive (4x2x2)");
    }
}
