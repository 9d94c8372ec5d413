//! `resize`: an image of another height and width, bilinear.

use crate::data::sample::{Form, Sample, Size};
use crate::data::transforms::{Transform, bounded};
use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, positional};
use crate::tensor::random::Random;

pub struct Resize;

static SPEC: Spec = Spec {
    name: "resize",
    summary: "Scales every image to one size",
    docs: "CxHxW to CxSIZE, bilinear between pixel centres at half integers, edges repeated, without \
           antialiasing: `interpolate(mode=\"bilinear\", align_corners=False)` in PyTorch.",
    params: &[positional("size", Kind::Pair, Preset::Required, "height x width in pixels")],
    example: "resize 32x32",
    elsewhere: &["Resize", "Resizing", "imresize", "Rescale"],
};

impl Transform for Resize {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, args: &Args, input: Form) -> Result<Form, Fault> {
        bounded(Form { size: Size::Fixed(args.pair("size")?), ..input })
    }

    fn apply(&self, args: &Args, sample: &mut Sample, _random: &mut Random) -> Result<(), Fault> {
        let image = &mut sample.image;
        let [height, width] = args.pair("size")?;
        let rows = taps(image.height, height);
        let columns = taps(image.width, width);
        let stride = image.width;
        image.redrawn(height, width, |plane, y, x| {
            let ([top, bottom], down) = rows[y];
            let ([left, right], along) = columns[x];
            let upper = mix(plane[top * stride + left], plane[top * stride + right], along);
            let lower = mix(plane[bottom * stride + left], plane[bottom * stride + right], along);
            mix(upper, lower, down)
        });
        Ok(())
    }
}

/// For every output position the two input positions around it and the weight of the second.
fn taps(input: usize, output: usize) -> Vec<([usize; 2], f32)> {
    let scale = input as f64 / output as f64;
    let at = |i: usize| {
        let centre = ((i as f64 + 0.5) * scale - 0.5).max(0.0);
        let first = (centre as usize).min(input - 1);
        ([first, (first + 1).min(input - 1)], (centre - first as f64) as f32)
    };
    (0..output).map(at).collect()
}

fn mix(a: f32, b: f32, weight: f32) -> f32 {
    a + (b - a) * weight
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{numbers, section};

    fn resized(values: &[f32], input: [usize; 2], size: &str) -> Vec<f32> {
        let section = section(&format!("source mnist \"m\"\nresize {size}")).unwrap();
        let mut sample = numbers([1, input[0], input[1]], values);
        let step = &section.preprocess[0];
        step.transform.apply(&step.args, &mut sample, &mut Random::new(0, "", 0)).unwrap();
        sample.image.into_numbers()
    }

    /// The numbers of `torch.nn.functional.interpolate(x, size, mode="bilinear", align_corners=False)`.
    #[test]
    fn the_numbers_are_pytorchs() {
        assert_eq!(resized(&[0.0, 1.0], [1, 2], "1x4"), [0.0, 0.25, 0.75, 1.0]);
        assert_eq!(resized(&[0.0, 1.0, 2.0, 3.0], [1, 4], "1x2"), [0.5, 2.5]);
        assert_eq!(resized(&[0.0, 1.0, 2.0, 3.0], [2, 2], "1"), [1.5]);
        assert_eq!(resized(&[0.0, 3.0, 6.0, 9.0], [2, 2], "2"), [0.0, 3.0, 6.0, 9.0]);
    }

    #[test]
    fn an_enormous_size_is_refused() {
        let errors = section("source mnist \"m\"\nresize 100000x100000").err().unwrap();
        assert_eq!(errors, ["E0305 an image of 1x100000x100000 is too large: at most 67108864 values"]);
    }
}
