//! Indices of samples → batches of numbers, field by field: preprocessing and augmentation.
//! What a sample becomes depends on the seed, the epoch and its index alone, never on threads or batches.

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::data::fields::{DataField, End};
use crate::data::recipe::{Recipe, STREAM};
use crate::data::sample::{Image, Sample, Target, Values, scale};
use crate::data::samples::{Field, Images, Samples, Targets, part};
use crate::data::section::{DataSection, Step};
use crate::diag::{Fault, codes};
use crate::tensor::random::Random;

/// Whether images are augmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Train,
    Eval,
}

/// Fills batches from the samples of a data set.
pub struct Loader<'a> {
    section: &'a DataSection,
    samples: &'a Samples,
    fields: Vec<Field>,
    /// What each byte becomes in each channel, where preprocessing treats every value by itself.
    tables: Option<Vec<[f32; 256]>>,
    /// What each byte becomes in each channel behind augmentation.
    last: Option<Vec<[f32; 256]>>,
}

impl<'a> Loader<'a> {
    /// Refuses images of another form than the section's source promised.
    pub fn new(section: &'a DataSection, samples: &'a Samples) -> Result<Loader<'a>, Fault> {
        let name = section.source.spec().name;
        let (own, stated) = (samples.images.form(), section.form_behind(samples.prepared));
        if own != stated && stated.extents().is_some() {
            let message = format!("{name} gave images of {own}, not {stated}");
            return Err(Fault::new(codes::DATA_SHAPE, message));
        }
        let whole = match &samples.images {
            Images::Bytes { shape, values } => count(values.len(), shape).is_some(),
            Images::Numbers { shape, values } => count(values.len(), shape).is_some(),
            Images::Signals { shape, values } => count(values.len(), shape.dims()).is_some(),
            Images::Kept(_) | Images::Read(_) => true,
        };
        if !whole || samples.images.len() != samples.len() {
            return Err(Fault::internal(format!("{name}: images of another number than targets")));
        }
        let whole = match &samples.images {
            // A mask or image turns with its image, which the tables do not do.
            _ if samples.turning().next().is_some() => None,
            Images::Bytes { shape, .. } => tables(&section.preprocess[samples.prepared..], shape[0])?,
            Images::Numbers { .. } | Images::Signals { .. } | Images::Kept(_) | Images::Read(_) => None,
        };
        let channels = section.form().whole()?[0];
        let last = tables(section.stages().last, channels)?;
        let missing = || Fault::internal(format!("images of {}", section.form()));
        let shape = section.shape().ok_or_else(missing)?;
        let mut fields = samples.fields(shape);
        let image = fields[0].shape.clone();
        for own in &section.fields {
            fields.push(Field { name: own.port()?, shape: own.shape(&image) });
        }
        Ok(Loader { section, samples, fields, tables: whole, last })
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// What a batch consists of; the first is the image as it reaches the model.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// What is to be learnt of the samples.
    pub fn targets(&self) -> &Targets {
        &self.samples.targets
    }

    /// The names of classes, labels or numbers in their order.
    pub fn classes(&self) -> &[String] {
        self.samples.classes()
    }

    /// The class of a sample, which must be below `len()`.
    pub fn class(&self, index: u32) -> u32 {
        self.samples.class(index)
    }

    /// The labels or numbers of a sample, which must be below `len()`; none of other targets.
    pub fn row(&self, index: u32) -> &[f32] {
        self.samples.row(index)
    }

    /// The field that says what this further output of the model should be.
    pub fn target_of(&self, output: usize) -> Result<&DataField, Fault> {
        let own = self.section.fields.iter().find(|field| field.end == End::Output(output));
        own.ok_or_else(|| Fault::internal("an output without a field"))
    }

    /// How a device makes the images of [`Loader::fill`] itself; `None` where it cannot.
    pub fn recipe(&self, mode: Mode, seed: u64) -> Result<Option<Recipe>, Fault> {
        // With tables every step of preprocessing comes behind augmentation.
        let Some(tables) = self.tables.clone() else { return Ok(None) };
        let shape = self.section.form().whole()?;
        let mut form = self.section.form();
        let mut draws = Vec::new();
        for step in self.augment(mode) {
            let Some(draw) = step.transform.draw(&step.args, form.whole()?) else { return Ok(None) };
            draws.push(draw?);
            form = step.form(form);
        }
        Ok((form == self.section.form()).then_some(Recipe { shape, draws, tables, seed }))
    }

    fn augment(&self, mode: Mode) -> &[Step] {
        match mode {
            Mode::Train => self.section.augment.as_slice(),
            Mode::Eval => &[],
        }
    }

    /// Writes a batch: the images of the samples at `indices`, and behind them what the other fields hold. `images` holds
    /// `indices.len()` of them; the others are made as long as they must be.
    pub fn fill(
        &self,
        indices: &[u32],
        epoch: u32,
        mode: Mode,
        seed: u64,
        images: &mut [f32],
        others: &mut [Vec<f32>],
    ) -> Result<(), Fault> {
        let size = self.fields[0].shape.elements();
        let ([targets, more @ ..], [_, field, ..]) = (others, self.fields.as_slice()) else {
            return Err(Fault::internal(format!("{} fields beside the image", self.fields.len())));
        };
        if images.len() != indices.len() * size {
            return Err(Fault::internal(format!("a batch of {} images in another buffer", indices.len())));
        }
        if let Some(index) = indices.iter().find(|&&index| index as usize >= self.len()) {
            return Err(Fault::internal(format!("image {index} of {}", self.len())));
        }
        if more.len() != self.section.fields.len() {
            return Err(Fault::internal(format!("{} fields beside image and target", more.len())));
        }
        targets.clear();
        // What is moved along with the images, in the order of `Samples::turning`, and how many numbers a sample has of it.
        let mut turning: Vec<(&mut Vec<f32>, usize)> = Vec::new();
        match &self.samples.targets {
            Targets::Classes { .. } => {
                targets.extend(indices.iter().map(|&index| self.samples.class(index) as f32));
            }
            Targets::Labels { .. } | Targets::Numbers { .. } => {
                indices.iter().for_each(|&index| targets.extend_from_slice(self.samples.row(index)));
            }
            Targets::Masks { .. } | Targets::Images(_) => turning.push((targets, field.shape.elements())),
        }
        let fields = self.section.fields.iter().zip(&self.fields[2..]);
        for (at, (out, (own, field))) in more.iter_mut().zip(fields).enumerate() {
            if own.turns() {
                turning.push((out, field.shape.elements()));
            } else {
                // A second picture is augmented by numbers of its own.
                own.fill(indices, epoch, mode, seed.wrapping_add(at as u64 + 1), out)?;
            }
        }
        if !turning.is_empty() {
            let mut outs: Vec<_> = turning
                .into_iter()
                .map(|(out, n)| {
                    out.resize(indices.len() * n, 0.0);
                    out.chunks_exact_mut(n.max(1))
                })
                .collect();
            let row = |_: &u32| outs.iter_mut().filter_map(Iterator::next).collect::<Vec<&mut [f32]>>();
            let rows: Vec<Vec<&mut [f32]>> = indices.iter().map(row).collect();
            let each = images.par_chunks_exact_mut(size).zip(rows).zip(indices.par_iter());
            return each.try_for_each(|((out, row), &index)| {
                let (target, further) = self.one(index, epoch, mode, seed, out)?;
                let turns = |target: &Target| matches!(target, Target::Mask(_) | Target::Image(_));
                let targets = std::iter::once(target).chain(further).filter(turns);
                targets.zip(row).try_for_each(|(target, out)| self.place(target, out))
            });
        }
        if let (Some(tables), Images::Bytes { shape, values }, []) =
            (&self.tables, &self.samples.images, self.augment(mode))
        {
            for (out, &index) in images.chunks_exact_mut(size).zip(indices) {
                look_up(tables, part(values, shape, index as usize), out);
            }
            return Ok(());
        }
        images
            .par_chunks_exact_mut(size)
            .zip(indices.par_iter())
            .try_for_each(|(out, &index)| self.one(index, epoch, mode, seed, out).map(drop))
    }

    /// Writes one image, and gives what is to be learnt of it, with what further outputs learn.
    fn one(
        &self,
        index: u32,
        epoch: u32,
        mode: Mode,
        seed: u64,
        out: &mut [f32],
    ) -> Result<(Target, Vec<Target>), Fault> {
        let mut random = Random::new(seed, &format!("{STREAM}{index}"), epoch);
        let sample = read_and_changed(self.section, self.samples, index, mode, &mut random)?;
        match (&self.last, &sample.image.values) {
            (Some(tables), Values::Bytes(bytes)) if bytes.len() == out.len() => {
                look_up(tables, bytes, out);
                Ok((sample.target, sample.further))
            }
            _ => {
                let Sample { image, target, further } = finished(self.section, sample)?;
                out.copy_from_slice(&image.into_numbers());
                Ok((target, further))
            }
        }
    }

    /// Writes a mask's classes, or a paired image's pixels from 0 (black) to 1 (white).
    fn place(&self, target: Target, out: &mut [f32]) -> Result<(), Fault> {
        let (Target::Mask(image) | Target::Image(image)) = &target else {
            return Err(Fault::internal("a target that is no image"));
        };
        match (&target, &image.values) {
            (_, Values::Bytes(bytes)) if bytes.len() != out.len() => {
                Err(Fault::internal(format!("a target of {} for {} numbers", image.form(), out.len())))
            }
            (Target::Mask(_), Values::Bytes(bytes)) => {
                out.iter_mut().zip(bytes).for_each(|(out, &class)| *out = f32::from(class));
                Ok(())
            }
            (_, Values::Bytes(bytes)) => {
                out.iter_mut().zip(bytes).for_each(|(out, &byte)| *out = scale(byte));
                Ok(())
            }
            (_, Values::Numbers(numbers)) if numbers.len() == out.len() => {
                out.copy_from_slice(numbers);
                Ok(())
            }
            (_, Values::Numbers(_)) => Err(Fault::internal(format!("a target of {}", image.form()))),
        }
    }
}

/// A sample in front of the steps that treat each value by itself, as it is evaluated.
pub fn middle(section: &DataSection, samples: &Samples, index: u32) -> Result<Image, Fault> {
    let mut random = Random::new(0, "", 0);
    Ok(changed(section, samples.read(index)?, samples.prepared, Mode::Eval, &mut random)?.image)
}

/// A training sample in front of the steps that treat each value by itself, as [`Loader::fill`] augments it.
pub fn augmented(
    section: &DataSection,
    samples: &Samples,
    index: u32,
    epoch: u32,
    seed: u64,
) -> Result<Image, Fault> {
    let mut random = Random::new(seed, &format!("{STREAM}{index}"), epoch);
    Ok(changed(section, samples.read(index)?, samples.prepared, Mode::Train, &mut random)?.image)
}

/// A sample of the source in front of the steps that treat each value by itself, as it is evaluated.
pub fn middle_of(section: &DataSection, sample: Sample) -> Result<Image, Fault> {
    Ok(changed(section, sample, 0, Mode::Eval, &mut Random::new(0, "", 0))?.image)
}

/// A sample behind augmentation, of which so many steps of preparation are done.
fn changed(
    section: &DataSection,
    mut sample: Sample,
    prepared: usize,
    mode: Mode,
    random: &mut Random,
) -> Result<Sample, Fault> {
    for Step { transform, args, .. } in before_last(section, prepared, mode) {
        transform.apply(args, &mut sample, random)?;
    }
    Ok(sample)
}

/// The same of a sample of the data set. Where its image is in memory and the first step takes only a part of it, the rest is not
/// copied.
fn read_and_changed(
    section: &DataSection,
    samples: &Samples,
    index: u32,
    mode: Mode,
    random: &mut Random,
) -> Result<Sample, Fault> {
    let mut steps = before_last(section, samples.prepared, mode);
    let lent = samples.images.lent(index as usize).filter(|_| samples.turning().next().is_none());
    if let (Some(Step { transform, args, .. }), Some(lent)) = (steps.clone().next(), lent)
        && let Some(image) = transform.taken(args, &lent, random)
    {
        steps.next();
        let mut sample = Sample::of(image?, samples.target(index));
        steps.try_for_each(|Step { transform, args, .. }| transform.apply(args, &mut sample, random))?;
        return Ok(sample);
    }
    changed(section, samples.read(index)?, samples.prepared, mode, random)
}

/// The steps in front of those that treat each value by itself, without the first so many.
fn before_last(section: &DataSection, prepared: usize, mode: Mode) -> impl Iterator<Item = &Step> + Clone {
    let stages = section.stages();
    let rest = match mode {
        Mode::Train if !section.augment.is_empty() => section.augment.as_slice(),
        Mode::Train | Mode::Eval => stages.window,
    };
    stages.first.iter().skip(prepared).chain(rest)
}

/// A sample that was augmented, as it reaches the model.
fn finished(section: &DataSection, mut sample: Sample) -> Result<Sample, Fault> {
    let mut random = Random::new(0, "", 0);
    for Step { transform, args, .. } in section.stages().last {
        transform.apply(args, &mut sample, &mut random)?;
    }
    if sample.image.extents() != section.form().whole()? {
        let form = sample.image.form();
        return Err(Fault::internal(format!("an image became {form}, not {}", section.form())));
    }
    Ok(sample)
}

/// How many images of a shape so many values are; `None` where the last is not whole.
fn count(n_values: usize, shape: &[usize]) -> Option<usize> {
    let size: usize = shape.iter().product();
    n_values.is_multiple_of(size.max(1)).then(|| n_values / size.max(1))
}

/// The image of one sample of the source as it reaches the model.
pub fn prepare(
    section: &DataSection,
    sample: Sample,
    mode: Mode,
    random: &mut Random,
) -> Result<Vec<f32>, Fault> {
    Ok(finished(section, changed(section, sample, 0, mode, random)?)?.image.into_numbers())
}

/// One table a channel, where every step treats each value by itself.
fn tables(steps: &[Step], channels: usize) -> Result<Option<Vec<[f32; 256]>>, Fault> {
    let mut tables = vec![std::array::from_fn(|byte| scale(byte as u8)); channels];
    for step in steps {
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
    use crate::data::sample::Form;
    use crate::data::testing::{Colours, section};
    use crate::shape::Shape;

    fn samples(shape: [usize; 3], n: usize) -> Samples {
        let n_bytes = shape.iter().product::<usize>() * n;
        let pixels = (0..n_bytes).map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let names = (0..10).map(|class| class.to_string()).collect();
        Samples::of_bytes(shape, pixels, (0..n as u32).map(|i| i % 10).collect(), names)
    }

    fn filled(section: &DataSection, indices: &[u32], epoch: u32, mode: Mode, seed: u64) -> Vec<f32> {
        let samples = samples(section.facts.form.whole().unwrap(), 20);
        let loader = Loader::new(section, &samples).unwrap();
        let mut out = vec![f32::NAN; loader.fields()[0].shape.elements() * indices.len()];
        let mut others = [Vec::new()];
        loader.fill(indices, epoch, mode, seed, &mut out, &mut others).unwrap();
        assert!(others[0].iter().zip(indices).all(|(label, index)| *label == (index % 10) as f32));
        out
    }

    #[test]
    fn the_table_and_the_transforms_agree_to_the_bit() {
        let mut section = section("source mnist \"m\"\nnormalize mean=0.1307 std=0.3081").unwrap();
        section.source = &Colours;
        section.facts.form = Form::of([3, 8, 6]);
        let samples = samples([3, 8, 6], 20);
        let fast = filled(&section, &[3, 19], 0, Mode::Train, 1);
        let slow = [3, 19].map(|i| {
            prepare(&section, samples.read(i).unwrap(), Mode::Eval, &mut Random::new(0, "", 0)).unwrap()
        });
        assert_eq!(fast, slow.concat());
        let Images::Bytes { values, .. } = &samples.images else { panic!("bytes") };
        let first = (f32::from(values[3 * 144]) / 255.0 - 0.1307) / 0.3081;
        assert_eq!(fast[0], first);
    }

    #[test]
    fn channels_have_their_own_numbers_and_steps_run_in_order() {
        let lines = "source mnist \"m\"\nnormalize mean=0.5 std=0.5\nresize 4x3\ngrayscale";
        let mut section = section(lines).unwrap();
        section.facts.form = Form::of([3, 8, 6]);
        assert_eq!(section.shape(), Some(Shape::from([1, 4, 3])));
        assert_eq!(filled(&section, &[0], 0, Mode::Eval, 1).len(), 12);
        assert_eq!(section.stages().first.len(), 0);
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
    fn wrong_buffers_and_wrong_images_are_faults() {
        let section = section("source mnist \"m\"").unwrap();
        let good = samples([1, 28, 28], 2);
        let loader = Loader::new(&section, &good).unwrap();
        let others = &mut [Vec::new()];
        assert!(loader.fill(&[2], 0, Mode::Eval, 0, &mut [0.0; 784], others).is_err());
        assert!(loader.fill(&[1], 0, Mode::Eval, 0, &mut [0.0; 783], others).is_err());
        assert!(loader.fill(&[1], 0, Mode::Eval, 0, &mut [0.0; 784], &mut []).is_err());
        let other = samples([3, 8, 6], 2);
        let fault = Loader::new(&section, &other).err().unwrap();
        assert_eq!(fault.message, "mnist gave images of 3x8x6, not 1x28x28");
    }
}
