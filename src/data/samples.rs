//! The samples of a data set, field by field: images in memory or read when they are asked for, and what is to be learnt of
//! each. What a batch of them consists of: fields, each with the name of the graph's input that it is for.

use std::fmt;
use std::sync::Arc;

use flate2::Crc;

use crate::data::sample::{Form, Image, Sample, Size, Target, Values};
use crate::diag::Fault;
use crate::model::lower::IMAGES;
use crate::shape::Shape;

/// The field, and the input of a training graph, that holds the class of each image.
pub const LABELS: &str = "labels";

/// A field of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name of the graph's input.
    pub name: &'static str,
    /// Of one sample.
    pub shape: Shape,
}

/// Samples, counted from 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    pub images: Images,
    /// The steps of preparation that are behind the images.
    pub prepared: usize,
    pub targets: Targets,
}

/// The images of samples.
#[derive(Clone, Debug, PartialEq)]
pub enum Images {
    /// Of one shape (channels, height, width), one behind another.
    Bytes { shape: [usize; 3], values: Vec<u8> },
    /// The same in numbers, as they reach the model.
    Numbers { shape: [usize; 3], values: Vec<f32> },
    /// In memory, each of its own size.
    Kept(Vec<Image>),
    /// Read when they are asked for.
    Read(Arc<dyn Pictures>),
}

/// What is to be learnt of samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// A class each, as its place among the names.
    Classes { names: Vec<String>, values: Vec<u32> },
}

/// Images outside of memory, which any thread may read.
pub trait Pictures: fmt::Debug + Send + Sync {
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their common form.
    fn form(&self) -> Form;

    /// Reads one, in bytes.
    ///
    /// Errors: an image that cannot be read, by its name and with the reason.
    fn read(&self, index: usize) -> Result<Image, Fault>;

    /// What an image is called where it is told of.
    fn name(&self, index: usize) -> String;

    /// Adds what tells an image from another one in its place, without reading it.
    fn digest(&self, index: usize, sum: &mut Crc);

    /// A number that is another one where an image was changed on this machine, without reading it.
    fn stamp(&self, index: usize) -> u64 {
        let mut sum = Crc::new();
        self.digest(index, &mut sum);
        u64::from(sum.sum())
    }
}

/// Readers are the same where they are one.
impl PartialEq for dyn Pictures {
    fn eq(&self, other: &dyn Pictures) -> bool {
        std::ptr::addr_eq(self, other)
    }
}

impl Samples {
    /// Images of one shape in bytes, a class each.
    pub fn of_bytes(shape: [usize; 3], bytes: Vec<u8>, classes: Vec<u32>, names: Vec<String>) -> Samples {
        Samples {
            images: Images::Bytes { shape, values: bytes },
            prepared: 0,
            targets: Targets::Classes { names, values: classes },
        }
    }

    pub fn len(&self) -> usize {
        match &self.targets {
            Targets::Classes { values, .. } => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The classes' names in the order of the labels.
    pub fn classes(&self) -> &[String] {
        match &self.targets {
            Targets::Classes { names, .. } => names,
        }
    }

    /// The class of a sample, which must be below [`Samples::len`].
    pub fn class(&self, index: u32) -> u32 {
        match &self.targets {
            Targets::Classes { values, .. } => values[index as usize],
        }
    }

    /// A sample, which must be below [`Samples::len`].
    pub fn read(&self, index: u32) -> Result<Sample, Fault> {
        let at = index as usize;
        let image = match &self.images {
            Images::Bytes { shape, values } => Image::of_bytes(*shape, part(values, shape, at).to_vec()),
            Images::Numbers { shape, values } => Image::of_numbers(*shape, part(values, shape, at).to_vec()),
            Images::Kept(images) => images[at].clone(),
            Images::Read(pictures) => pictures.read(at)?,
        };
        let target = match &self.targets {
            Targets::Classes { values, .. } => Target::Class(values[at]),
        };
        Ok(Sample { image, target })
    }

    /// What tells a sample from the others wherever it stands among them: the name of its file, or else its place.
    pub fn key(&self, index: u32) -> String {
        match &self.images {
            Images::Bytes { .. } | Images::Numbers { .. } | Images::Kept(_) => index.to_string(),
            Images::Read(pictures) => pictures.name(index as usize),
        }
    }

    /// The fields of a batch of samples whose images have this shape: the image first.
    pub fn fields(&self, image: Shape) -> Vec<Field> {
        let target = match &self.targets {
            Targets::Classes { .. } => Field { name: LABELS, shape: Shape::default() },
        };
        vec![Field { name: IMAGES, shape: image }, target]
    }

    /// Puts these samples behind those.
    pub fn append(&mut self, other: Samples) -> Result<(), Fault> {
        match (&mut self.images, other.images) {
            (Images::Bytes { shape, values }, Images::Bytes { shape: own, values: more })
                if *shape == own =>
            {
                values.extend(more);
            }
            (Images::Numbers { shape, values }, Images::Numbers { shape: own, values: more })
                if *shape == own =>
            {
                values.extend(more);
            }
            (Images::Kept(images), Images::Kept(more)) => images.extend(more),
            (
                Images::Bytes { .. } | Images::Numbers { .. } | Images::Kept(_) | Images::Read(_),
                Images::Bytes { .. } | Images::Numbers { .. } | Images::Kept(_) | Images::Read(_),
            ) => return Err(Fault::internal("samples of two kinds")),
        }
        let Targets::Classes { values, .. } = &mut self.targets;
        let Targets::Classes { values: more, .. } = other.targets;
        values.extend(more);
        Ok(())
    }

    /// Adds what tells these samples from others: their images, and then what is to be learnt of them.
    pub fn digest(&self, indices: &[u32], sum: &mut Crc) {
        for at in indices.iter().map(|&index| index as usize) {
            match &self.images {
                Images::Bytes { shape, values } => sum.update(part(values, shape, at)),
                Images::Numbers { shape, values } => {
                    part(values, shape, at).iter().for_each(|number| sum.update(&number.to_le_bytes()));
                }
                Images::Kept(images) => match &images[at].values {
                    Values::Bytes(bytes) => sum.update(bytes),
                    Values::Numbers(numbers) => {
                        numbers.iter().for_each(|number| sum.update(&number.to_le_bytes()));
                    }
                },
                Images::Read(pictures) => pictures.digest(at, sum),
            }
        }
        indices.iter().for_each(|&index| sum.update(&self.class(index).to_le_bytes()));
    }
}

impl Images {
    /// What all have in common.
    pub fn form(&self) -> Form {
        match self {
            Images::Bytes { shape, .. } | Images::Numbers { shape, .. } => Form::of(*shape),
            Images::Kept(images) => {
                Form { channels: images.first().map(|image| image.channels), size: Size::Varied }
            }
            Images::Read(pictures) => pictures.form(),
        }
    }
}

/// The values of image `at`.
pub fn part<'a, T>(values: &'a [T], shape: &[usize; 3], at: usize) -> &'a [T] {
    let size: usize = shape.iter().product();
    &values[at * size..(at + 1) * size]
}
