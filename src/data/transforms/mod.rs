//! Changes of one sample, its image value by value or as a whole: `PREPROCESS` for every image in training, evaluation,
//! prediction and export; `AUGMENT` for training only.

pub mod center_crop;
pub mod color_jitter;
mod filter;
pub mod gaussian_blur;
pub mod grayscale;
pub mod normalize;
pub mod pad_to;
mod policy;
pub mod rand_augment;
pub mod random_affine;
pub mod random_crop;
pub mod random_erasing;
pub mod random_flip;
pub mod random_grayscale;
pub mod random_resized_crop;
pub mod random_rotation;
mod resample;
pub mod resize;
pub mod rgb;
pub mod trivial_augment;
mod warp;

use crate::data::recipe::Draw;
use crate::data::sample::{Form, Image, Sample};
use crate::data::samples::Lent;
use crate::diag::{Fault, codes};
use crate::shape::Shape;
use crate::spec::section::Registry;
use crate::spec::{Args, Spec};
use crate::tensor::random::Random;

/// The steps of `data { … }`, which draw nothing at random.
pub static PREPROCESS: &[&dyn Transform] = &[
    &normalize::Normalize,
    &resize::Resize,
    &center_crop::CenterCrop,
    &pad_to::PadTo,
    &grayscale::Grayscale,
    &rgb::Rgb,
];

/// The steps of `augment { … }`.
pub static AUGMENT: &[&dyn Transform] = &[
    &random_crop::RandomCrop,
    &random_resized_crop::RandomResizedCrop,
    &random_rotation::RandomRotation,
    &random_affine::RandomAffine,
    &random_flip::RandomFlip,
    &color_jitter::ColorJitter,
    &random_grayscale::RandomGrayscale,
    &gaussian_blur::GaussianBlur,
    &random_erasing::RandomErasing,
    &trivial_augment::TrivialAugment,
    &rand_augment::RandAugment,
];

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

    /// What becomes of images of a form.
    fn form(&self, args: &Args, input: Form) -> Result<Form, Fault>;

    /// Changes a sample, whose image's form [`Transform::form`] has accepted.
    fn apply(&self, args: &Args, sample: &mut Sample, random: &mut Random) -> Result<(), Fault>;

    /// What [`Transform::apply`] makes of a sample whose target is no image, of an image that stays where it is; `None` of a step that
    /// needs the whole image.
    fn taken(&self, _args: &Args, _image: &Lent<'_>, _random: &mut Random) -> Option<Result<Image, Fault>> {
        None
    }

    /// Whether signals, which have no height and no colours, may be changed by it.
    fn suits_signals(&self) -> bool {
        false
    }

    /// Whether it cuts a window out of an image.
    fn cuts(&self) -> Cuts {
        Cuts::Nothing
    }

    /// What becomes of one value of `channel`, for a transform that treats each value by itself.
    fn pointwise(&self, _args: &Args, _channel: usize, _value: f32) -> Option<Result<f32, Fault>> {
        None
    }

    /// The same as [`Transform::apply`] for a device that makes its batches itself; `None` where only the host can.
    fn draw(&self, _args: &Args, _input: [usize; 3]) -> Option<Result<Draw, Fault>> {
        None
    }
}

/// What a step cuts out of an image. In training a random part stands for the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cuts {
    Nothing,
    TheMiddle,
    ARandomPart,
}

/// A form with no more than [`MAX_VALUES`] values.
pub fn bounded(form: Form) -> Result<Form, Fault> {
    let Some(shape) = form.extents().map(Shape::from) else { return Ok(form) };
    match shape.checked_elements() {
        Some(n) if n <= MAX_VALUES => Ok(form),
        _ => {
            let message = format!("an image of {shape} is too large: at most {MAX_VALUES} values");
            Err(Fault::new(codes::TOO_BIG, message).at("size"))
        }
    }
}

#[cfg(test)]
mod tests;
