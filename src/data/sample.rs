//! One sample of a data set as transforms see it, whole: its image, in bytes or in numbers, and what is to be learnt of it.

use std::fmt;

use crate::diag::Fault;
use crate::shape::Shape;

/// An image with its targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub image: Image,
    pub target: Target,
    /// The masks and images that further outputs of the model learn.
    pub further: Vec<Target>,
}

/// What is to be learnt of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The place of its class among the classes' names.
    Class(u32),
    /// For each label 1 where it holds and 0 where it does not.
    Labels(Vec<f32>),
    Numbers(Vec<f32>),
    /// The class of each pixel in one channel of bytes, or [`IGNORED`]; of the image's height and width.
    Mask(Image),
    /// Another image of its height and width.
    Image(Image),
    /// Of an image that a model is asked about.
    Unknown,
}

/// The class of a mask's pixels that count for nothing.
pub const IGNORED: u8 = 255;

/// The kinds of targets, one for a whole data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Task {
    /// One class an image.
    #[default]
    Classes,
    /// Several labels an image, each of which holds or does not.
    Labels,
    /// Numbers.
    Numbers,
    /// A class for each pixel.
    Masks,
    /// An image.
    Images,
}

impl Task {
    /// What they are called in a file.
    pub const WORDS: &[&str] = &["classes", "labels", "numbers", "masks", "images"];

    /// That of one of [`Task::WORDS`].
    pub fn named(word: &str) -> Task {
        match word {
            "labels" => Task::Labels,
            "numbers" => Task::Numbers,
            "masks" => Task::Masks,
            "images" => Task::Images,
            _ => Task::Classes,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Task::Classes => "classes",
            Task::Labels => "labels",
            Task::Numbers => "numbers",
            Task::Masks => "masks",
            Task::Images => "images",
        }
    }

    /// What one image's target is called: `a class`.
    pub fn one(self) -> &'static str {
        match self {
            Task::Classes => "a class",
            Task::Labels => "labels",
            Task::Numbers => "numbers",
            Task::Masks => "a mask",
            Task::Images => "an image",
        }
    }

    /// What the names of its targets stand for: `classes`.
    pub fn names(self) -> &'static str {
        match self {
            Task::Classes | Task::Masks => "classes",
            Task::Labels => "labels",
            Task::Numbers => "numbers",
            Task::Images => "images",
        }
    }
}

/// An image of a sample, seen by a change of places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Pixels, which may be mixed; black comes in from outside.
    Picture,
    /// Classes, of which the nearest is taken; [`IGNORED`] comes in from outside.
    Mask,
}

impl Sample {
    /// An image with one target.
    pub fn of(image: Image, target: Target) -> Sample {
        Sample { image, target, further: Vec::new() }
    }

    /// Flips, crops or rotates the image and the masks and images that are its targets in the same way.
    pub fn each(
        &mut self,
        mut change: impl FnMut(&mut Image, Layer) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        change(&mut self.image, Layer::Picture)?;
        std::iter::once(&mut self.target).chain(&mut self.further).try_for_each(|target| match target {
            Target::Mask(mask) => change(mask, Layer::Mask),
            Target::Image(image) => change(image, Layer::Picture),
            Target::Class(_) | Target::Labels(_) | Target::Numbers(_) | Target::Unknown => Ok(()),
        })
    }

    /// Moves pixels of the image, and with them those of its masks and paired images, into another size: see [`Image::moved`].
    pub fn moved(&mut self, height: usize, width: usize, from: impl Fn(usize, usize) -> Option<usize>) {
        // Moving cannot fail.
        let _ = self.each(|image, layer| {
            image.moved_in(height, width, layer, &from);
            Ok(())
        });
    }
}

/// An image, row by row, channel by channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// `channels * height * width` values.
    pub values: Values,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// 0 (black) to 255 (white). A step that gives new pixels rounds them to the nearest.
    Bytes(Vec<u8>),
    /// As they reach the model; what was bytes is 0 (black) to 1 (white).
    Numbers(Vec<f32>),
}

impl Image {
    pub fn of_bytes([channels, height, width]: [usize; 3], bytes: Vec<u8>) -> Image {
        Image { channels, height, width, values: Values::Bytes(bytes) }
    }

    pub fn of_numbers([channels, height, width]: [usize; 3], numbers: Vec<f32>) -> Image {
        Image { channels, height, width, values: Values::Numbers(numbers) }
    }

    /// Channels, height and width.
    pub fn extents(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    pub fn form(&self) -> Form {
        Form { channels: Some(self.channels), size: Size::Fixed([self.height, self.width]) }
    }

    /// The values as numbers; bytes become such.
    pub fn into_numbers(self) -> Vec<f32> {
        match self.values {
            Values::Bytes(bytes) => bytes.iter().map(|&byte| scale(byte)).collect(),
            Values::Numbers(numbers) => numbers,
        }
    }

    /// Changes the values as numbers; their count stays.
    pub fn change(&mut self, change: impl FnOnce(&mut [f32])) {
        let values = Values::Numbers(Vec::new());
        let whole = Image { values: std::mem::replace(&mut self.values, values), ..*self };
        let mut numbers = whole.into_numbers();
        change(&mut numbers);
        self.values = Values::Numbers(numbers);
    }

    /// Of each channel: how many values, their sum and that of their squares, from 0 to 1.
    pub fn sums(&self) -> Vec<[f64; 3]> {
        let plane = (self.height * self.width).max(1);
        match &self.values {
            Values::Bytes(bytes) => {
                let of = |bytes: &[u8]| {
                    let sum: u64 = bytes.iter().map(|&x| u64::from(x)).sum();
                    let squares: u64 = bytes.iter().map(|&x| u64::from(x) * u64::from(x)).sum();
                    [bytes.len() as f64, sum as f64 / 255.0, squares as f64 / (255.0 * 255.0)]
                };
                bytes.chunks_exact(plane).map(of).collect()
            }
            Values::Numbers(numbers) => {
                let of = |numbers: &[f32]| {
                    let each = || numbers.iter().map(|&x| f64::from(x));
                    [numbers.len() as f64, each().sum(), each().map(|x| x * x).sum()]
                };
                numbers.chunks_exact(plane).map(of).collect()
            }
        }
    }

    /// Numbers become bytes again, each the nearest.
    pub fn round(&mut self) {
        if let Values::Numbers(numbers) = &self.values {
            // `as` keeps within the bytes.
            self.values =
                Values::Bytes(numbers.iter().map(|number| (number * 255.0).round() as u8).collect());
        }
    }

    /// Moves pixels into an image of another size: `from(y, x)` tells which pixel of a channel goes there, and nothing is black.
    pub fn moved(&mut self, height: usize, width: usize, from: impl Fn(usize, usize) -> Option<usize>) {
        self.moved_in(height, width, Layer::Picture, from);
    }

    /// The same, with what comes in from outside of such an image.
    pub fn moved_in(
        &mut self,
        height: usize,
        width: usize,
        layer: Layer,
        from: impl Fn(usize, usize) -> Option<usize>,
    ) {
        let plane = (self.height * self.width).max(1);
        let outside = match layer {
            Layer::Picture => 0,
            Layer::Mask => IGNORED,
        };
        match &mut self.values {
            Values::Bytes(bytes) => *bytes = placed(bytes, plane, [height, width], outside, &from),
            Values::Numbers(numbers) => {
                *numbers = placed(numbers, plane, [height, width], f32::from(outside), &from);
            }
        }
        (self.height, self.width) = (height, width);
    }

    /// Replaces every channel by one of another size, in numbers; `pixel(plane, y, x)` gives its values.
    pub fn redrawn(&mut self, height: usize, width: usize, pixel: impl Fn(&[f32], usize, usize) -> f32) {
        let plane = (self.height * self.width).max(1);
        let mut values = Vec::with_capacity(self.channels * height * width);
        let mut draw = |numbers: &[f32]| {
            for plane in numbers.chunks_exact(plane) {
                for y in 0..height {
                    values.extend((0..width).map(|x| pixel(plane, y, x)));
                }
            }
        };
        self.change(|numbers| draw(numbers));
        *self = Image::of_numbers([self.channels, height, width], values);
    }
}

fn placed<T: Copy>(
    values: &[T],
    plane: usize,
    [height, width]: [usize; 2],
    outside: T,
    from: impl Fn(usize, usize) -> Option<usize>,
) -> Vec<T> {
    let mut out = Vec::with_capacity(values.len() / plane * height * width);
    for plane in values.chunks_exact(plane) {
        for y in 0..height {
            out.extend((0..width).map(|x| from(y, x).map_or(outside, |at| plane[at])));
        }
    }
    out
}

/// Channels, height and width of an image's shape; a signal has one row, a volume those of all its planes.
pub fn extents(shape: &Shape) -> Result<[usize; 3], Fault> {
    match *shape.dims() {
        [channels, height, width] => Ok([channels, height, width]),
        [channels, length] => Ok([channels, 1, length]),
        [channels, depth, height, width] => Ok([channels, depth * height, width]),
        _ => Err(Fault::internal(format!("an image of shape {shape}"))),
    }
}

/// A byte as a number: 0 (black) to 1 (white).
pub fn scale(byte: u8) -> f32 {
    f32::from(byte) / 255.0
}

/// What is known of the images that reach a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// `None` where nobody has looked.
    pub channels: Option<usize>,
    pub size: Size,
}

/// Height and width of images, the length of signals, or depth, height and width of volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    Fixed([usize; 2]),
    /// Signals: values in a row, in memory an image of one row.
    Length(usize),
    /// Volumes: planes, in memory an image of the rows of all of them.
    Deep([usize; 3]),
    /// Each image has its own.
    Varied,
    /// Nobody has looked.
    Unknown,
}

impl Form {
    pub fn of([channels, height, width]: [usize; 3]) -> Form {
        Form { channels: Some(channels), size: Size::Fixed([height, width]) }
    }

    /// Of this shape: an image, a signal (channels x length) or a volume (channels x depth x height x width).
    pub fn of_shape(shape: &Shape) -> Option<Form> {
        let (&channels, extents) = shape.dims().split_first()?;
        let size = match *extents {
            [length] => Size::Length(length),
            [height, width] => Size::Fixed([height, width]),
            [depth, height, width] => Size::Deep([depth, height, width]),
            _ => return None,
        };
        Some(Form { channels: Some(channels), size })
    }

    /// Channels, height and width, where all are known; a signal has one row, a volume those of all its planes.
    pub fn extents(self) -> Option<[usize; 3]> {
        match (self.channels, self.size) {
            (Some(channels), Size::Fixed([height, width])) => Some([channels, height, width]),
            (Some(channels), Size::Length(length)) => Some([channels, 1, length]),
            (Some(channels), Size::Deep([depth, height, width])) => Some([channels, depth * height, width]),
            (_, Size::Varied | Size::Unknown) => None,
            (None, Size::Fixed(_) | Size::Length(_) | Size::Deep(_)) => None,
        }
    }

    /// Whether they are pictures: neither signals nor volumes.
    pub fn is_picture(self) -> bool {
        !matches!(self.size, Size::Length(_) | Size::Deep(_))
    }

    /// What one is called.
    pub fn one(self) -> &'static str {
        match self.size {
            Size::Length(_) => "signal",
            Size::Deep(_) => "volume",
            Size::Fixed(_) | Size::Varied | Size::Unknown => "picture",
        }
    }

    /// The same, where nothing may be missing any more.
    pub fn whole(self) -> Result<[usize; 3], Fault> {
        self.extents().ok_or_else(|| Fault::internal(format!("images of {self}")))
    }

    /// The shape in which they reach a model: channels x height x width, channels x length, or channels x depth x height x
    /// width.
    pub fn shape(self) -> Option<Shape> {
        match (self.channels, self.size) {
            (Some(channels), Size::Length(length)) => Some(Shape::from([channels, length])),
            (Some(channels), Size::Deep([depth, height, width])) => {
                Some(Shape::from([channels, depth, height, width]))
            }
            (_, Size::Fixed(_) | Size::Length(_) | Size::Deep(_) | Size::Varied | Size::Unknown) => {
                self.extents().map(Shape::from)
            }
        }
    }
}

impl fmt::Display for Form {
    /// `3x32x32`, `3xHxW` where sizes differ or are not known, `1x128` of signals, `1x8x32x32` of volumes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.channels {
            Some(channels) => write!(f, "{channels}")?,
            None => f.write_str("C")?,
        }
        match self.size {
            Size::Fixed([height, width]) => write!(f, "x{height}x{width}"),
            Size::Length(length) => write!(f, "x{length}"),
            Size::Deep(extents) => write!(f, "x{}", Shape::from(extents)),
            Size::Varied | Size::Unknown => f.write_str("xHxW"),
        }
    }
}
