//! `random_rotation`: the image turned about its centre by a random angle.

use crate::data::sample::{Form, Image, Layer, Sample};
use crate::data::transforms::Transform;
use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, positional};
use crate::tensor::random::Random;

pub struct RandomRotation;

static SPEC: Spec = Spec {
    name: "random_rotation",
    summary: "Turns the image about its centre by a random angle",
    docs: "The angle is uniform in -DEGREES to DEGREES, the sampling bilinear, what comes in from outside black.",
    params: &[positional(
        "degrees",
        Kind::Number { min: 0.0, max: 180.0 },
        Preset::Required,
        "the largest angle, in degrees",
    )],
    example: "augment { random_rotation 10 }",
    elsewhere: &["RandomRotation", "RandomRotate", "rotation_range"],
};

impl Transform for RandomRotation {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, _args: &Args, input: Form) -> Result<Form, Fault> {
        Ok(input)
    }

    fn apply(&self, args: &Args, sample: &mut Sample, random: &mut Random) -> Result<(), Fault> {
        let degrees = args.number("degrees")? as f32 * (2.0 * random.uniform() - 1.0);
        sample.each(|image, layer| {
            match layer {
                Layer::Picture => rotate(image, degrees),
                Layer::Mask => rotate_mask(image, degrees),
            }
            Ok(())
        })
    }
}

/// Turns an image counter-clockwise.
fn rotate(image: &mut Image, degrees: f32) {
    let (height, width) = (image.height, image.width);
    let place = turned([height, width], degrees);
    image.redrawn(height, width, |plane, y, x| {
        let (y, x) = place(y, x);
        let (top, left) = (y.floor(), x.floor());
        let at = |row: f32, column: f32| {
            let inside = row >= 0.0 && column >= 0.0 && row < height as f32 && column < width as f32;
            if inside { plane[row as usize * width + column as usize] } else { 0.0 }
        };
        let (down, along) = (y - top, x - left);
        let upper = at(top, left) * (1.0 - along) + at(top, left + 1.0) * along;
        let lower = at(top + 1.0, left) * (1.0 - along) + at(top + 1.0, left + 1.0) * along;
        upper * (1.0 - down) + lower * down
    });
}

/// The same of a mask: the class of the nearest pixel.
fn rotate_mask(mask: &mut Image, degrees: f32) {
    let (height, width) = (mask.height, mask.width);
    let place = turned([height, width], degrees);
    mask.moved_in(height, width, Layer::Mask, |y, x| {
        let (y, x) = place(y, x);
        let (y, x) = (y.round(), x.round());
        let inside = y >= 0.0 && x >= 0.0 && y < height as f32 && x < width as f32;
        inside.then_some(y as usize * width + x as usize)
    });
}

/// The place in front of a turn of each place behind it.
fn turned([height, width]: [usize; 2], degrees: f32) -> impl Fn(usize, usize) -> (f32, f32) {
    let (sin, cos) = f64::from(degrees).to_radians().sin_cos();
    let (sin, cos) = (sin as f32, cos as f32);
    let (cy, cx) = ((height as f32 - 1.0) / 2.0, (width as f32 - 1.0) / 2.0);
    move |y, x| {
        let (dy, dx) = (y as f32 - cy, x as f32 - cx);
        (cy + dx * sin + dy * cos, cx + dx * cos - dy * sin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotated(degrees: f32) -> Vec<f32> {
        let mut image = Image::of_numbers([1, 2, 2], vec![1.0, 2.0, 3.0, 4.0]);
        rotate(&mut image, degrees);
        image.into_numbers().iter().map(|x| (x * 1e4).round() / 1e4).collect()
    }

    #[test]
    fn quarter_turns_move_the_corners() {
        assert_eq!(rotated(0.0), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(rotated(90.0), [2.0, 4.0, 1.0, 3.0]);
        assert_eq!(rotated(180.0), [4.0, 3.0, 2.0, 1.0]);
    }

    #[test]
    fn a_flat_image_keeps_its_middle_and_loses_its_corners() {
        let mut image = Image::of_numbers([1, 9, 9], vec![1.0; 81]);
        rotate(&mut image, 45.0);
        let values = image.into_numbers();
        assert!((values[40] - 1.0).abs() < 1e-6);
        assert_eq!(values[0], 0.0);
    }
}
