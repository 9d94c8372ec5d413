//! Changes of one image, value by value or as a whole: `PREPROCESS` for every image in training, evaluation,
//! prediction and export; `AUGMENT` for training only.

pub mod grayscale;
pub mod normalize;
pub mod random_crop;
pub mod random_flip;
pub mod random_rotation;
pub mod resize;

use crate::diag::{Fault, codes};
use crate::kernels::cuda::gather::Draw;
use crate::shape::Shape;
use crate::spec::section::Registry;
use crate::spec::{Args, Spec};
use crate::tensor::random::Random;

/// The steps of `data { … }`, which draw nothing at random.
pub static PREPROCESS: &[&dyn Transform] = &[&normalize::Normalize, &resize::Resize, &grayscale::Grayscale];

/// The steps of `augment { … }`.
pub static AUGMENT: &[&dyn Transform] =
    &[&random_crop::RandomCrop, &random_rotation::RandomRotation, &random_flip::RandomFlip];

pub static PREPARATION: Registry = Registry {
    title: "Preparation",
    intro: "Lines of `data` that change every image, in training, evaluation and prediction alike.",
    one: "step",
    specs: || PREPROCESS.iter().map(|transform| transform.spec()).collect(),
};

pub static AUGMENTATION: Registry = Registry {
    title: "Augmentation",
    intro: "Steps of `augment { … }`, in training only.",
    one: "step",
    specs: || AUGMENT.iter().map(|transform| transform.spec()).collect(),
};

/// The most values that one image may have after a step.
pub const MAX_VALUES: usize = 1 << 26;

pub trait Transform: Sync {
    fn spec(&self) -> &'static Spec;

    /// The shape (channels x height x width) that an image of shape `input` gets.
    fn shape(&self, args: &Args, input: &Shape) -> Result<Shape, Fault>;

    /// Changes an image whose shape [`Transform::shape`] has accepted.
    fn apply(&self, args: &Args, image: &mut Planes, random: &mut Random) -> Result<(), Fault>;

    /// What becomes of one value of `channel`, for a transform that treats each value by itself.
    fn pointwise(&self, _args: &Args, _channel: usize, _value: f32) -> Option<Result<f32, Fault>> {
        None
    }

    /// The same as [`Transform::apply`] for a device that makes its batches itself; `None` where only the host can.
    fn draw(&self, _args: &Args, _input: &Shape) -> Option<Result<Draw, Fault>> {
        None
    }
}

/// One image in numbers: pixels begin as 0 (black) to 1 (white).
#[derive(Clone, Debug, PartialEq)]
pub struct Planes {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// `channels * height * width` values, row by row, channel by channel.
    pub values: Vec<f32>,
}

impl Planes {
    pub fn shape(&self) -> Shape {
        Shape::from([self.channels, self.height, self.width])
    }

    /// The channels, one behind the other.
    pub fn planes(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact((self.height * self.width).max(1))
    }

    /// Replaces every channel by an image of another size; `pixel(plane, y, x)` gives its values.
    pub fn redraw(&mut self, height: usize, width: usize, pixel: impl Fn(&[f32], usize, usize) -> f32) {
        let mut values = Vec::with_capacity(self.channels * height * width);
        for plane in self.planes() {
            for y in 0..height {
                values.extend((0..width).map(|x| pixel(plane, y, x)));
            }
        }
        *self = Planes { channels: self.channels, height, width, values };
    }
}

/// Channels, height and width of an image's shape.
pub fn extents(shape: &Shape) -> Result<[usize; 3], Fault> {
    match *shape.dims() {
        [channels, height, width] => Ok([channels, height, width]),
        _ => Err(Fault::internal(format!("an image of shape {shape}"))),
    }
}

/// A shape with no more than [`MAX_VALUES`] values.
pub fn bounded(shape: Shape) -> Result<Shape, Fault> {
    match shape.checked_elements() {
        Some(n) if n <= MAX_VALUES => Ok(shape),
        _ => {
            let message = format!("an image of {shape} is too large: at most {MAX_VALUES} values");
            Err(Fault::new(codes::TOO_BIG, message).at("size"))
        }
    }
}
