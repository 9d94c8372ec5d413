//! Indices of images → batches of numbers: the split, the order of an epoch, preprocessing and augmentation.
//! What an image becomes depends on the seed, the epoch and its index alone, never on threads or batches.

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::data::Images;
use crate::data::section::{DataSection, Step};
use crate::data::transforms::{Planes, extents};
use crate::diag::{Fault, codes};
use crate::kernels::cuda::gather::{Recipe, STREAM};
use crate::shape::Shape;
use crate::tensor::random::Random;

/// Whether images are augmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Train,
    Eval,
}

/// Fills batches from the images of one split.
pub struct Loader<'a> {
    section: &'a DataSection,
    images: &'a Images,
    shape: Shape,
    /// What each byte becomes in each channel, where preprocessing treats every value by itself.
    tables: Option<Vec<[f32; 256]>>,
}

impl<'a> Loader<'a> {
    /// Refuses images of another shape than the section's source promised.
    pub fn new(section: &'a DataSection, images: &'a Images) -> Result<Loader<'a>, Fault> {
        let name = section.source.spec().name;
        if images.shape != section.facts.shape {
            let message = format!("{name} gave images of {}, not {}", images.shape, section.facts.shape);
            return Err(Fault::new(codes::DATA_SHAPE, message));
        }
        if images.pixels.len() != images.len() * images.shape.elements() {
            return Err(Fault::internal(format!("{name}: pixels of another number than labels")));
        }
        Ok(Loader { section, images, shape: section.shape(), tables: tables(section)? })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// One image as it reaches the model.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The class of an image, which must be below `len()`.
    pub fn label(&self, index: u32) -> u32 {
        self.images.labels[index as usize]
    }

    /// How a device makes the numbers of [`Loader::fill`] itself; `None` where it cannot.
    pub fn recipe(&self, mode: Mode, seed: u64) -> Result<Option<Recipe>, Fault> {
        // With tables every step of preprocessing comes behind augmentation.
        let Some(tables) = self.tables.clone() else { return Ok(None) };
        let augment = match mode {
            Mode::Train => self.section.augment.as_slice(),
            Mode::Eval => &[],
        };
        let mut shape = self.shape.clone();
        let mut draws = Vec::with_capacity(augment.len());
        for step in augment {
            let Some(draw) = step.transform.draw(&step.args, &shape) else { return Ok(None) };
            draws.push(draw?);
            shape = step.shape(shape);
        }
        let recipe = Recipe { shape: extents(&self.shape)?, draws, tables, seed };
        Ok(Some(recipe).filter(|recipe| recipe.is_short() && shape == self.shape))
    }

    /// Writes the images at `indices` and their labels. `images_out` holds `indices.len() * shape().elements()`
    /// values, `labels_out` one an image.
    pub fn fill(
        &self,
        indices: &[u32],
        epoch: u32,
        mode: Mode,
        seed: u64,
        images_out: &mut [f32],
        labels_out: &mut [f32],
    ) -> Result<(), Fault> {
        let size = self.shape.elements();
        if images_out.len() != indices.len() * size || labels_out.len() != indices.len() {
            return Err(Fault::internal(format!("a batch of {} images in other buffers", indices.len())));
        }
        if let Some(index) = indices.iter().find(|&&index| index as usize >= self.len()) {
            return Err(Fault::internal(format!("image {index} of {}", self.len())));
        }
        for (label, &index) in labels_out.iter_mut().zip(indices) {
            *label = self.images.labels[index as usize] as f32;
        }
        let augmented = mode == Mode::Train && !self.section.augment.is_empty();
        if let (Some(tables), false) = (&self.tables, augmented) {
            for (out, &index) in images_out.chunks_exact_mut(size).zip(indices) {
                look_up(tables, self.images.image(index as usize), out);
            }
            return Ok(());
        }
        images_out.par_chunks_exact_mut(size).zip(indices.par_iter()).try_for_each(|(out, &index)| {
            let mut random = Random::new(seed, &format!("{STREAM}{index}"), epoch);
            let image = prepare(self.section, self.images.image(index as usize), mode, &mut random)?;
            out.copy_from_slice(&image);
            Ok(())
        })
    }
}

/// One image of the source's shape as it reaches the model.
pub fn prepare(
    section: &DataSection,
    pixels: &[u8],
    mode: Mode,
    random: &mut Random,
) -> Result<Vec<f32>, Fault> {
    let [channels, height, width] = extents(&section.facts.shape)?;
    if pixels.len() != channels * height * width {
        return Err(Fault::internal(format!("{} pixels for {}", pixels.len(), section.facts.shape)));
    }
    let mut image =
        Planes { channels, height, width, values: pixels.iter().map(|&byte| scale(byte)).collect() };
    let (first, last) = section.stages();
    let augment = match mode {
        Mode::Train => section.augment.as_slice(),
        Mode::Eval => &[],
    };
    for Step { transform, args, .. } in first.iter().chain(augment).chain(last) {
        transform.apply(args, &mut image, random)?;
    }
    if image.shape() != section.shape() {
        return Err(Fault::internal(format!("an image became {}, not {}", image.shape(), section.shape())));
    }
    Ok(image.values)
}

/// Indices of the training and of the validation images, each in ascending order, drawn by `seed`.
pub fn split(section: &DataSection, n_train: usize, seed: u64) -> Result<(Vec<u32>, Vec<u32>), Fault> {
    let n_validation = section.validation.count(n_train)?;
    let n = u32::try_from(n_train).map_err(|_| Fault::internal(format!("{n_train} training images")))?;
    let mut train: Vec<u32> = (0..n).collect();
    if n_validation > 0 {
        Random::new(seed, "validation", 0).shuffle(&mut train);
    }
    let mut validation = train.split_off(n_train - n_validation);
    train.sort_unstable();
    validation.sort_unstable();
    Ok((train, validation))
}

/// The training images in the order of one epoch.
pub fn epoch_order(train: &[u32], seed: u64, epoch: u32) -> Vec<u32> {
    let mut order = train.to_vec();
    Random::new(seed, "shuffle", epoch).shuffle(&mut order);
    order
}

/// A pixel before the first transform.
pub(crate) fn scale(byte: u8) -> f32 {
    f32::from(byte) / 255.0
}

/// One table a channel, when every step treats each value by itself.
fn tables(section: &DataSection) -> Result<Option<Vec<[f32; 256]>>, Fault> {
    let [channels, _, _] = extents(&section.facts.shape)?;
    let mut tables = vec![std::array::from_fn(|byte| scale(byte as u8)); channels];
    for step in &section.preprocess {
        for (channel, table) in tables.iter_mut().enumerate() {
            for value in table {
                match step.transform.pointwise(&step.args, channel, *value) {
                    Some(changed) => *value = changed?,
                    None => return Ok(None),
                }
            }
        }
    }
    Ok(Some(tables))
}

fn look_up(tables: &[[f32; 256]], pixels: &[u8], out: &mut [f32]) {
    let plane = (pixels.len() / tables.len().max(1)).max(1);
    for ((table, pixels), out) in
        tables.iter().zip(pixels.chunks_exact(plane)).zip(out.chunks_exact_mut(plane))
    {
        for (value, &byte) in out.iter_mut().zip(pixels) {
            *value = table[usize::from(byte)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{Colours, section};

    fn images(shape: Shape, n: usize) -> Images {
        let n_bytes = shape.elements() * n;
        let pixels = (0..n_bytes).map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        Images { shape, pixels, labels: (0..n as u32).map(|i| i % 10).collect() }
    }

    fn filled(section: &DataSection, indices: &[u32], epoch: u32, mode: Mode, seed: u64) -> Vec<f32> {
        let images = images(section.facts.shape.clone(), 20);
        let loader = Loader::new(section, &images).unwrap();
        let (mut out, mut labels) =
            (vec![f32::NAN; loader.shape().elements() * indices.len()], vec![f32::NAN; indices.len()]);
        loader.fill(indices, epoch, mode, seed, &mut out, &mut labels).unwrap();
        assert!(labels.iter().zip(indices).all(|(label, index)| *label == (index % 10) as f32));
        out
    }

    #[test]
    fn the_table_and_the_transforms_agree_to_the_bit() {
        let mut section = section("source mnist \"m\"\nnormalize mean=0.1307 std=0.3081").unwrap();
        section.source = &Colours;
        section.facts.shape = Shape::from([3, 8, 6]);
        let images = images(section.facts.shape.clone(), 20);
        let fast = filled(&section, &[3, 19], 0, Mode::Train, 1);
        let slow = [3, 19]
            .map(|i| prepare(&section, images.image(i), Mode::Eval, &mut Random::new(0, "", 0)).unwrap());
        assert_eq!(fast, slow.concat());
        let first = (f32::from(images.image(3)[0]) / 255.0 - 0.1307) / 0.3081;
        assert_eq!(fast[0], first);
    }

    #[test]
    fn channels_have_their_own_numbers_and_steps_run_in_order() {
        let lines = "source mnist \"m\"\nnormalize mean=0.5 std=0.5\nresize 4x3\ngrayscale";
        let mut section = section(lines).unwrap();
        section.facts.shape = Shape::from([3, 8, 6]);
        assert_eq!(section.shape(), Shape::from([1, 4, 3]));
        assert_eq!(filled(&section, &[0], 0, Mode::Eval, 1).len(), 12);
        assert_eq!(section.stages().0.len(), 0);
    }

    #[test]
    fn augmentation_depends_on_seed_epoch_and_image_alone() {
        let lines = "source mnist \"m\"\nnormalize mean=0.1 std=0.3\naugment { random_crop 28 padding=3 -> random_rotation 20; random_flip }";
        let section = section(lines).unwrap();
        let together = filled(&section, &[5, 6, 7], 2, Mode::Train, 9);
        let alone = filled(&section, &[6], 2, Mode::Train, 9);
        assert_eq!(together[784..1568], alone);
        assert_ne!(alone, filled(&section, &[6], 3, Mode::Train, 9));
        assert_ne!(alone, filled(&section, &[6], 2, Mode::Train, 8));
        let eval = filled(&section, &[6], 2, Mode::Eval, 9);
        assert_eq!(eval, filled(&section, &[6], 7, Mode::Eval, 1));
        assert_ne!(eval, alone);
        let black = (0.0 - 0.1) / 0.3;
        assert!(alone.iter().all(|value| *value >= black - 1e-6));
    }

    #[test]
    fn splits_and_orders_are_seeded_partitions() {
        let section = section("source mnist \"m\"\nvalidation 10%").unwrap();
        let (train, validation) = split(&section, 50, 3).unwrap();
        assert_eq!((train.len(), validation.len()), (45, 5));
        let mut all = [train.clone(), validation.clone()].concat();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..50));
        assert_eq!(split(&section, 50, 3).unwrap().1, validation);
        assert_ne!(split(&section, 50, 4).unwrap().1, validation);
        let order = epoch_order(&train, 3, 0);
        assert_eq!(order, epoch_order(&train, 3, 0));
        assert_ne!(order, epoch_order(&train, 3, 1));
        let fault = split(&section, 2, 3).unwrap_err();
        assert!(fault.message.starts_with("validation would take 0 of 2 training images"), "{fault}");
    }

    #[test]
    fn too_many_validation_images_are_refused_with_both_numbers() {
        let section = section("source mnist \"m\"\nvalidation 5000").unwrap();
        let fault = split(&section, 5000, 3).unwrap_err();
        assert!(fault.message.starts_with("validation would take 5000 of 5000 training images"), "{fault}");
        assert_eq!(split(&section, 5001, 3).unwrap().0.len(), 1);
    }

    #[test]
    fn wrong_buffers_and_wrong_images_are_faults() {
        let section = section("source mnist \"m\"").unwrap();
        let good = images(Shape::from([1, 28, 28]), 2);
        let loader = Loader::new(&section, &good).unwrap();
        assert!(loader.fill(&[2], 0, Mode::Eval, 0, &mut [0.0; 784], &mut [0.0]).is_err());
        assert!(loader.fill(&[1], 0, Mode::Eval, 0, &mut [0.0; 783], &mut [0.0]).is_err());
        let other = images(Shape::from([3, 8, 6]), 2);
        let fault = Loader::new(&section, &other).err().unwrap();
        assert_eq!(fault.message, "mnist gave images of 3x8x6, not 1x28x28");
    }
}
