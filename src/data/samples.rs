//! The samples of a data set, field by field: images in memory or read when they are asked for, and what is to be learnt of
//! each. What a batch of them consists of: fields, each with the name of the graph's input that it is for.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use flate2::Crc;

use crate::data::sample::{Form, Image, Sample, Size, Target, Task, Values, extents};
use crate::diag::{Fault, codes};
use crate::model::lower::IMAGES;
use crate::shape::Shape;

/// The field, and the input of a training graph, that holds the class of each image.
pub const LABELS: &str = "labels";
/// That of every other kind of target.
pub const TARGETS: &str = "targets";

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
    /// The masks and images that further outputs of the model learn.
    pub further: Vec<Targets>,
}

/// The images of samples.
#[derive(Clone, Debug, PartialEq)]
pub enum Images {
    /// Of one shape (channels, height, width), one behind another.
    Bytes { shape: [usize; 3], values: Vec<u8> },
    /// The same in numbers, as they reach the model.
    Numbers { shape: [usize; 3], values: Vec<f32> },
    /// Signals of one shape (channels, length), or volumes (channels, depth, height, width), one behind another.
    Signals { shape: Shape, values: Vec<f32> },
    /// In memory, each of its own size.
    Kept(Vec<Image>),
    /// Read when they are asked for.
    Read(Arc<dyn Pictures>),
}

/// An image in memory.
pub struct Lent<'a> {
    /// Channels, height and width.
    pub shape: [usize; 3],
    pub bytes: &'a [u8],
}

/// What is to be learnt of samples.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// A class each, as its place among the names.
    Classes { names: Vec<String>, values: Vec<u32> },
    /// For each sample and each name 1 or 0, sample by sample.
    Labels { names: Vec<String>, values: Vec<f32> },
    /// For each sample and each name a number, sample by sample.
    Numbers { names: Vec<String>, values: Vec<f32> },
    /// The class of each pixel, as its place among the names: images of one channel of bytes.
    Masks { names: Vec<String>, masks: Images },
    /// An image each.
    Images(Images),
}

impl Targets {
    pub fn task(&self) -> Task {
        match self {
            Targets::Classes { .. } => Task::Classes,
            Targets::Labels { .. } => Task::Labels,
            Targets::Numbers { .. } => Task::Numbers,
            Targets::Masks { .. } => Task::Masks,
            Targets::Images(_) => Task::Images,
        }
    }

    /// The names of classes, labels or numbers in their order; none of images.
    pub fn names(&self) -> &[String] {
        match self {
            Targets::Classes { names, .. }
            | Targets::Labels { names, .. }
            | Targets::Numbers { names, .. }
            | Targets::Masks { names, .. } => names,
            Targets::Images(_) => &[],
        }
    }

    /// The images among them.
    pub fn images(&self) -> Option<&Images> {
        match self {
            Targets::Masks { masks: images, .. } | Targets::Images(images) => Some(images),
            Targets::Classes { .. } | Targets::Labels { .. } | Targets::Numbers { .. } => None,
        }
    }

    /// The same, to put others in their place.
    pub fn images_mut(&mut self) -> Option<&mut Images> {
        match self {
            Targets::Masks { masks: images, .. } | Targets::Images(images) => Some(images),
            Targets::Classes { .. } | Targets::Labels { .. } | Targets::Numbers { .. } => None,
        }
    }
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

    /// What it is called where something is wrong with it: its path, within its file where that holds several.
    fn path(&self, index: usize) -> PathBuf {
        PathBuf::from(self.name(index))
    }

    /// Adds what tells an image from another one in its place, without reading it.
    fn digest(&self, index: usize, sum: &mut Crc);

    /// The bytes of a picture as they lie in its file; `None` where it has none of its own.
    fn bytes(&self, _index: usize) -> Result<Option<Vec<u8>>, Fault> {
        Ok(None)
    }

    /// Of all pictures together.
    fn n_bytes(&self) -> u64 {
        0
    }

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
            further: Vec::new(),
        }
    }

    /// Images of which nothing is prepared.
    pub fn new(images: Images, targets: Targets) -> Samples {
        Samples { images, prepared: 0, targets, further: Vec::new() }
    }

    /// The masks and images among the targets, which are flipped, cropped and rotated along with their images.
    pub fn turning(&self) -> impl Iterator<Item = &Images> {
        std::iter::once(&self.targets).chain(&self.further).filter_map(Targets::images)
    }

    /// The images, and behind them those of [`Samples::turning`], to put others in their place.
    pub fn layers_mut(&mut self) -> impl Iterator<Item = &mut Images> {
        let targets = std::iter::once(&mut self.targets).chain(&mut self.further);
        std::iter::once(&mut self.images).chain(targets.filter_map(Targets::images_mut))
    }

    pub fn len(&self) -> usize {
        match &self.targets {
            Targets::Classes { values, .. } => values.len(),
            Targets::Labels { names, values } | Targets::Numbers { names, values } => {
                values.len() / names.len().max(1)
            }
            Targets::Masks { masks: images, .. } | Targets::Images(images) => images.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of classes, labels or numbers in their order; none of images.
    pub fn classes(&self) -> &[String] {
        self.targets.names()
    }

    /// The class of a sample, which must be below [`Samples::len`]; 0 where it has none.
    pub fn class(&self, index: u32) -> u32 {
        match &self.targets {
            Targets::Classes { values, .. } => values[index as usize],
            Targets::Labels { .. } | Targets::Numbers { .. } | Targets::Masks { .. } | Targets::Images(_) => {
                0
            }
        }
    }

    /// The labels or numbers of a sample; none of other targets.
    pub fn row(&self, index: u32) -> &[f32] {
        match &self.targets {
            Targets::Labels { names, values } | Targets::Numbers { names, values } => {
                let at = index as usize * names.len();
                &values[at..at + names.len()]
            }
            Targets::Classes { .. } | Targets::Masks { .. } | Targets::Images(_) => &[],
        }
    }

    /// What is to be learnt of a sample, where that is no image.
    pub fn target(&self, index: u32) -> Target {
        match &self.targets {
            Targets::Classes { values, .. } => Target::Class(values[index as usize]),
            Targets::Labels { .. } => Target::Labels(self.row(index).to_vec()),
            Targets::Numbers { .. } => Target::Numbers(self.row(index).to_vec()),
            Targets::Masks { .. } | Targets::Images(_) => Target::Unknown,
        }
    }

    /// A sample, which must be below [`Samples::len`].
    pub fn read(&self, index: u32) -> Result<Sample, Fault> {
        let sample = self.read_images(index)?;
        Ok(match sample.target {
            Target::Unknown => Sample { target: self.target(index), ..sample },
            Target::Class(_)
            | Target::Labels(_)
            | Target::Numbers(_)
            | Target::Mask(_)
            | Target::Image(_) => sample,
        })
    }

    /// The images of a sample: its own, and the masks and images that are its targets.
    pub fn read_images(&self, index: u32) -> Result<Sample, Fault> {
        let image = self.images.read(index as usize)?;
        let read = |targets: &Targets| {
            Ok::<Target, Fault>(match targets {
                Targets::Classes { .. } | Targets::Labels { .. } | Targets::Numbers { .. } => Target::Unknown,
                Targets::Masks { masks, .. } => {
                    Target::Mask(self.fitting(&image, masks.read(index as usize)?, index, "mask")?)
                }
                Targets::Images(images) => {
                    Target::Image(self.fitting(&image, images.read(index as usize)?, index, "target")?)
                }
            })
        };
        let target = read(&self.targets)?;
        let further = self.further.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Sample { image, target, further })
    }

    /// A mask or paired image of the image's size.
    fn fitting(&self, image: &Image, target: Image, index: u32, what: &str) -> Result<Image, Fault> {
        if [image.height, image.width] == [target.height, target.width] {
            return Ok(target);
        }
        let message = format!(
            "{} is {}x{} (height x width), but its {what} {}x{}",
            self.key(index),
            image.height,
            image.width,
            target.height,
            target.width
        );
        Err(Fault::new(codes::DATA_SHAPE, message).advise(format!("an image and a {what} of one size")))
    }

    /// What tells a sample from the others wherever it stands among them: the name of its file, or else its place.
    pub fn key(&self, index: u32) -> String {
        match &self.images {
            Images::Bytes { .. } | Images::Numbers { .. } | Images::Signals { .. } | Images::Kept(_) => {
                index.to_string()
            }
            Images::Read(pictures) => pictures.name(index as usize),
        }
    }

    /// The fields of a batch of samples whose images have this shape: the image first.
    pub fn fields(&self, image: Shape) -> Vec<Field> {
        let vector = |names: &[String]| Field { name: TARGETS, shape: Shape::from([names.len()]) };
        let target = match &self.targets {
            Targets::Classes { .. } => Field { name: LABELS, shape: Shape::default() },
            Targets::Labels { names, .. } | Targets::Numbers { names, .. } => vector(names),
            Targets::Masks { .. } => Field { name: TARGETS, shape: Shape::new(&image.dims()[1..]) },
            Targets::Images(images) => {
                let channels = images.form().channels.unwrap_or(image.dims()[0]);
                Field {
                    name: TARGETS,
                    shape: std::iter::once(channels).chain(image.dims()[1..].iter().copied()).collect(),
                }
            }
        };
        vec![Field { name: IMAGES, shape: image }, target]
    }

    /// Puts these samples behind those.
    pub fn append(&mut self, other: Samples) -> Result<(), Fault> {
        self.images.append(other.images)?;
        match (&mut self.targets, other.targets) {
            (Targets::Classes { values, .. }, Targets::Classes { values: more, .. }) => values.extend(more),
            (Targets::Labels { names, values }, Targets::Labels { names: own, values: more })
            | (Targets::Numbers { names, values }, Targets::Numbers { names: own, values: more })
                if *names == own =>
            {
                values.extend(more);
            }
            (Targets::Masks { masks, .. }, Targets::Masks { masks: more, .. }) => masks.append(more)?,
            (Targets::Images(images), Targets::Images(more)) => images.append(more)?,
            (
                Targets::Classes { .. }
                | Targets::Labels { .. }
                | Targets::Numbers { .. }
                | Targets::Masks { .. }
                | Targets::Images(_),
                _,
            ) => return Err(Fault::internal("samples of two kinds")),
        }
        Ok(())
    }

    /// Adds what tells these samples from others: their images, and then what is to be learnt of them.
    pub fn digest(&self, indices: &[u32], sum: &mut Crc) {
        indices.iter().for_each(|&index| self.images.digest(index as usize, sum));
        for &index in indices {
            match &self.targets {
                Targets::Classes { values, .. } => sum.update(&values[index as usize].to_le_bytes()),
                Targets::Labels { .. } | Targets::Numbers { .. } => {
                    self.row(index).iter().for_each(|number| sum.update(&number.to_le_bytes()));
                }
                Targets::Masks { .. } | Targets::Images(_) => {}
            }
            self.turning().for_each(|images| images.digest(index as usize, sum));
        }
    }
}

impl Images {
    pub fn len(&self) -> usize {
        let count = |n_values: usize, shape: &[usize]| n_values / shape.iter().product::<usize>().max(1);
        match self {
            Images::Bytes { shape, values } => count(values.len(), shape),
            Images::Numbers { shape, values } => count(values.len(), shape),
            Images::Signals { shape, values } => count(values.len(), shape.dims()),
            Images::Kept(images) => images.len(),
            Images::Read(pictures) => pictures.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One, which must be below [`Images::len`].
    pub fn read(&self, at: usize) -> Result<Image, Fault> {
        Ok(match self {
            Images::Bytes { shape, values } => Image::of_bytes(*shape, part(values, shape, at).to_vec()),
            Images::Numbers { shape, values } => Image::of_numbers(*shape, part(values, shape, at).to_vec()),
            Images::Signals { shape, values } => {
                Image::of_numbers(extents(shape)?, part(values, shape.dims(), at).to_vec())
            }
            Images::Kept(images) => images[at].clone(),
            Images::Read(pictures) => pictures.read(at)?,
        })
    }

    /// One of bytes that is in memory, without a copy.
    pub fn lent(&self, at: usize) -> Option<Lent<'_>> {
        match self {
            Images::Bytes { shape, values } => Some(Lent { shape: *shape, bytes: part(values, shape, at) }),
            Images::Kept(images) => match &images[at].values {
                Values::Bytes(bytes) => Some(Lent { shape: images[at].extents(), bytes }),
                Values::Numbers(_) => None,
            },
            Images::Numbers { .. } | Images::Signals { .. } | Images::Read(_) => None,
        }
    }

    /// What all have in common.
    pub fn form(&self) -> Form {
        match self {
            Images::Bytes { shape, .. } | Images::Numbers { shape, .. } => Form::of(*shape),
            Images::Signals { shape, .. } => {
                Form::of_shape(shape).unwrap_or(Form { channels: None, size: Size::Unknown })
            }
            Images::Kept(images) => {
                Form { channels: images.first().map(|image| image.channels), size: Size::Varied }
            }
            Images::Read(pictures) => pictures.form(),
        }
    }

    fn append(&mut self, other: Images) -> Result<(), Fault> {
        match (self, other) {
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
            (Images::Signals { shape, values }, Images::Signals { shape: own, values: more })
                if *shape == own =>
            {
                values.extend(more);
            }
            (Images::Kept(images), Images::Kept(more)) => images.extend(more),
            (
                Images::Bytes { .. }
                | Images::Numbers { .. }
                | Images::Signals { .. }
                | Images::Kept(_)
                | Images::Read(_),
                _,
            ) => return Err(Fault::internal("samples of two kinds")),
        }
        Ok(())
    }

    fn digest(&self, at: usize, sum: &mut Crc) {
        match self {
            Images::Bytes { shape, values } => sum.update(part(values, shape, at)),
            Images::Numbers { shape, values } => {
                part(values, shape, at).iter().for_each(|number| sum.update(&number.to_le_bytes()));
            }
            Images::Signals { shape, values } => {
                part(values, shape.dims(), at).iter().for_each(|number| sum.update(&number.to_le_bytes()));
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
}

/// The values of image `at`.
pub fn part<'a, T>(values: &'a [T], shape: &[usize], at: usize) -> &'a [T] {
    let size: usize = shape.iter().product();
    &values[at * size..(at + 1) * size]
}
