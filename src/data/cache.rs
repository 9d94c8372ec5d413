//! Images that are read one at a time → the same in memory, prepared as far as nothing is random, where there is room: each is
//! decoded once, and one that cannot be read is found before the first step. No number changes.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::data::sample::{Image, Sample, Target, Values};
use crate::data::samples::{Images, Pictures, Samples};
use crate::data::section::{Cache, DataSection, Step};
use crate::diag::{Fault, codes};
use crate::kernels::cpu::threads;
use crate::numbers::{bytes as shown, plural};
use crate::tensor::host;
use crate::tensor::random::Random;

/// With `cache auto` images may take this part of the free memory.
const SHARE: u64 = 4;
/// Images whose sizes tell about how large all are.
const LOOKED_AT: usize = 64;
/// Names of files that cannot be read, of which the rest is counted.
const NAMED: usize = 8;

/// Puts the images into memory, if the section's `cache` has it so and they have room.
pub fn keep(section: &DataSection, samples: &mut Samples) -> Result<(), Fault> {
    let Images::Read(pictures) = &samples.images else { return Ok(()) };
    // A mask or image that is the target turns with its image, so both are prepared together, when they are asked for.
    if samples.targets.images().is_some() {
        return Ok(());
    }
    let free = host::free_bytes().unwrap_or(u64::MAX);
    let room = match section.cache {
        Cache::None => return Ok(()),
        Cache::Auto => free / SHARE,
        Cache::Ram => free,
    };
    threads::start()?;
    let steps = section.stages().first;
    let (needed, shape) = needed(section, pictures.as_ref(), steps)?;
    if needed > room {
        if section.cache == Cache::Ram {
            let message =
                format!("`cache ram` needs {}, but only {} of memory are free", shown(needed), shown(free));
            return Err(Fault::new(codes::TOO_BIG, message).advise("`cache none`, or a smaller `resize`"));
        }
        return Ok(());
    }
    let images = match shape {
        Some(shape) => same(pictures.as_ref(), steps, shape)?,
        None => each(pictures.as_ref(), steps)?,
    };
    (samples.images, samples.prepared) = (images, steps.len());
    Ok(())
}

/// Bytes that the prepared images take, and their shape where all have one.
fn needed(
    section: &DataSection,
    pictures: &dyn Pictures,
    steps: &[Step],
) -> Result<(u64, Option<[usize; 3]>), Fault> {
    let n = pictures.len();
    if let Some(shape) = section.form_behind(steps.len()).extents() {
        return Ok((n as u64 * shape.iter().product::<usize>() as u64, Some(shape)));
    }
    let some: Vec<usize> = (0..n).step_by(n.div_ceil(LOOKED_AT).max(1)).collect();
    // One that cannot be read is told of together with the others.
    let sizes =
        some.into_par_iter().filter_map(|index| Some(prepared(pictures, index, steps).ok()?.extents()));
    let sizes: Vec<u64> = sizes.map(|extents| extents.iter().product::<usize>() as u64).collect();
    let mean = sizes.iter().sum::<u64>() / (sizes.len() as u64).max(1);
    Ok((n as u64 * (mean + size_of::<Image>() as u64), None))
}

fn prepared(pictures: &dyn Pictures, index: usize, steps: &[Step]) -> Result<Image, Fault> {
    let image = pictures.read(index)?;
    let mut sample = Sample { image, target: Target::Unknown };
    let mut random = Random::new(0, "", 0);
    steps.iter().try_for_each(|step| step.transform.apply(&step.args, &mut sample, &mut random))?;
    Ok(sample.image)
}

fn same(pictures: &dyn Pictures, steps: &[Step], shape: [usize; 3]) -> Result<Images, Fault> {
    let size = shape.iter().product::<usize>().max(1);
    let mut values = vec![0; pictures.len() * size];
    let faults: Vec<Fault> = values
        .par_chunks_exact_mut(size)
        .enumerate()
        .filter_map(|(index, out)| match prepared(pictures, index, steps) {
            Ok(Image { values: Values::Bytes(bytes), .. }) if bytes.len() == out.len() => {
                out.copy_from_slice(&bytes);
                None
            }
            Ok(image) => Some(Fault::internal(format!("an image became {}", image.form()))),
            Err(fault) => Some(fault),
        })
        .collect();
    all_good(faults)?;
    Ok(Images::Bytes { shape, values })
}

fn each(pictures: &dyn Pictures, steps: &[Step]) -> Result<Images, Fault> {
    let read: Vec<Result<Image, Fault>> =
        (0..pictures.len()).into_par_iter().map(|index| prepared(pictures, index, steps)).collect();
    let (mut images, mut faults) = (Vec::with_capacity(read.len()), Vec::new());
    for image in read {
        match image {
            Ok(image) => images.push(image),
            Err(fault) => faults.push(fault),
        }
    }
    all_good(faults)?;
    Ok(Images::Kept(images))
}

/// One fault of all.
fn all_good(faults: Vec<Fault>) -> Result<(), Fault> {
    let n = faults.len();
    let mut faults = faults.into_iter();
    let Some(first) = faults.next() else { return Ok(()) };
    if n == 1 {
        return Err(first);
    }
    let mut all = first.clone().note(format!("{} cannot be used", plural(n as u64, "file", "files")));
    for fault in faults.by_ref().take(NAMED) {
        all = all.note(fault.message);
    }
    let left = faults.count();
    Err(if left > 0 { all.note(format!("and {left} more")) } else { all })
}
