//! Images that are read one at a time → the same in memory or in one file on the disk, prepared as far as nothing is random,
//! where there is room: each is decoded once, and one that cannot be read is found before the first step. No number changes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rayon::iter::{IntoParallelIterator, IntoParallelRefMutIterator, ParallelExtend, ParallelIterator};

use crate::data::parts::Dataset;
use crate::data::sample::{Form, Image, Target, Values};
use crate::data::samples::{Images, Samples, Targets};
use crate::data::section::{Cache, DataSection, Step};
use crate::data::sources::Wanted;
use crate::data::stored::Stored;
use crate::diag::{Fault, codes};
use crate::kernels::cpu::threads;
use crate::numbers::{bytes as shown, plural};
use crate::tensor::random::Random;
use crate::tensor::{disk, host};

/// With `cache auto` images may take this part of the free memory, or else of the free disk.
const SHARE: u64 = 4;
/// Images that are prepared before the next ones are looked at.
const AT_ONCE: usize = 1 << 12;
/// Images whose sizes tell about how large all are.
const LOOKED_AT: usize = 64;
/// Names of files that cannot be read, of which the rest is counted.
const NAMED: usize = 8;
/// Files of images begin with a hash of what they are for, and end so.
const ENDING: &str = "images";
/// Files that were not used for so long are removed when another one is made: 30 days.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// A file that is being made grows; one that has not for so long is left over: a day.
const BEGUN: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps the images as the section's `cache` says, and with them the masks and images that are targets. A data set that is gone through
/// once, to be tested, is kept in memory at most.
pub fn keep(
    section: &mut DataSection,
    dataset: &mut Dataset,
    base: &Path,
    wanted: Wanted,
) -> Result<(), Fault> {
    let Some(originals) = Originals::of(&dataset.samples, section.stages().first) else { return Ok(()) };
    section.kept.fingerprint = Some(dataset.fingerprint());
    if section.cache == Cache::None {
        return Ok(());
    }
    threads::start()?;
    let (needed, shapes) = needed(section, &originals)?;
    let n_steps = originals.steps.len();
    let memory = host::free_bytes().unwrap_or(u64::MAX);
    let (layers, place) = match section.cache {
        Cache::None => return Ok(()),
        Cache::Ram if needed > memory => {
            let message =
                format!("`cache ram` needs {}, but only {} of memory are free", shown(needed), shown(memory));
            let fault = Fault::new(codes::TOO_BIG, message);
            return Err(fault.advise("`cache disk`").advise("`cache none`, or a smaller `resize`"));
        }
        Cache::Auto if needed > memory / SHARE && wanted == Wanted::Test => return Ok(()),
        Cache::Disk if wanted == Wanted::Test => return Ok(()),
        Cache::Disk | Cache::Auto if section.cache == Cache::Disk || needed > memory / SHARE => {
            match on_disk(section, base, originals, needed)? {
                Ok(stored) => stored,
                Err(why) => {
                    section.kept.place = Some(why);
                    return Ok(());
                }
            }
        }
        Cache::Auto | Cache::Ram | Cache::Disk => {
            let layers = match shapes {
                Some(shapes) => same(&originals, &shapes)?,
                None => each(&originals)?,
            };
            (layers, format!("{} in memory", shown(needed)))
        }
    };
    let mut layers = layers.into_iter();
    let samples = &mut dataset.samples;
    for place in samples.layers_mut() {
        *place = layers.next().ok_or_else(|| Fault::internal("images without their targets"))?;
    }
    samples.prepared = n_steps;
    section.kept.place = Some(place);
    Ok(())
}

/// Images that are read one at a time, and what is done to each before it is kept.
#[derive(Clone, Debug)]
pub struct Originals {
    /// Without labels and numbers.
    pub samples: Samples,
    pub steps: Vec<Step>,
}

impl Originals {
    /// Those of samples; `None` where they are in memory already.
    fn of(samples: &Samples, steps: &[Step]) -> Option<Originals> {
        let is_read = |images: &Images| matches!(images, Images::Read(_));
        if !is_read(&samples.images) || !samples.turning().all(is_read) {
            return None;
        }
        let targets = match samples.targets.images() {
            None => Targets::Classes { names: Vec::new(), values: Vec::new() },
            Some(_) => samples.targets.clone(),
        };
        let (images, further) = (samples.images.clone(), samples.further.clone());
        let samples = Samples { further, ..Samples::new(images, targets) };
        Some(Originals { samples, steps: steps.to_vec() })
    }

    /// The readers: of the images, and of the masks and images that are their targets.
    pub fn layers(&self) -> impl Iterator<Item = &Images> {
        std::iter::once(&self.samples.images).chain(self.samples.turning())
    }

    pub fn len(&self) -> usize {
        self.samples.images.len()
    }

    /// The images of one sample behind the steps, layer by layer: what turns with its image is prepared with it.
    pub fn prepared(&self, index: usize) -> Result<Vec<Image>, Fault> {
        let mut sample = self.samples.read_images(index as u32)?;
        let mut random = Random::new(0, "", 0);
        self.steps.iter().try_for_each(|step| step.transform.apply(&step.args, &mut sample, &mut random))?;
        let target = |target| match target {
            Target::Mask(own) | Target::Image(own) => Some(own),
            Target::Class(_) | Target::Labels(_) | Target::Numbers(_) | Target::Unknown => None,
        };
        let targets = std::iter::once(sample.target).chain(sample.further).filter_map(target);
        Ok(std::iter::once(sample.image).chain(targets).collect())
    }

    /// A number for each sample that is another one where it was changed on this machine.
    fn stamps(&self, key: &str) -> Vec<u64> {
        let stamp = |index: usize| {
            let own = self.layers().filter_map(|images| match images {
                Images::Read(pictures) => Some(pictures.stamp(index)),
                Images::Bytes { .. } | Images::Numbers { .. } | Images::Signals { .. } | Images::Kept(_) => {
                    None
                }
            });
            hash(&(key, own.collect::<Vec<u64>>()))
        };
        (0..self.len()).into_par_iter().map(stamp).collect()
    }
}

/// The images in a file, layer by layer, and where that is; or, with `cache auto`, why they are in none. They take about `needed`
/// bytes.
fn on_disk(
    section: &DataSection,
    base: &Path,
    originals: Originals,
    needed: u64,
) -> Result<Result<(Vec<Images>, String), String>, Fault> {
    let is_asked = section.cache == Cache::Disk;
    let Some(folder) = disk::cache_folder() else {
        let fault = Fault::new(
            codes::BAD_VALUE,
            "`cache disk` has no folder: `DSLC_CACHE` is `off`, or there is no home",
        );
        let none = || {
            format!(
                "none: {} are more than a quarter of the free memory, and there is no folder",
                shown(needed)
            )
        };
        return if is_asked {
            Err(fault.advise("name a folder in the environment variable `DSLC_CACHE`"))
        } else {
            Ok(Err(none()))
        };
    };
    let key = key(section, base, &originals.steps);
    let path = folder.join(format!("{:016x}.{ENDING}", hash(&key)));
    let stamps = originals.stamps(&key);
    let image = section.form_behind(originals.steps.len());
    let forms = originals.layers().enumerate().map(|(layer, images)| match layer {
        0 => image,
        _ => Form { channels: images.form().channels, ..image },
    });
    let forms: Vec<Form> = forms.collect();
    let told = |stored: Stored, when: &str| {
        let place = format!("{} in {}{when}", shown(stored.length()), path.display());
        (stored.layers().map(|layer| Images::Read(Arc::new(layer))).collect(), place)
    };
    if let Some(stored) = Stored::open(&path, &originals, &stamps, &forms) {
        return Ok(Ok(told(stored, ", made by an earlier run")));
    }
    forget_unused(&folder);
    // What stands there is replaced when the new file is whole. A system that does not tell refuses when it is full.
    let free = disk::free_bytes(&folder).unwrap_or(u64::MAX);
    let room = if is_asked { free } else { free / SHARE };
    if needed > room {
        let message = format!(
            "`cache disk` needs {}, but only {} are free on the disk of {}",
            shown(needed),
            shown(free),
            folder.display()
        );
        let fault = Fault::new(codes::TOO_BIG, message)
            .advise("another folder in the environment variable `DSLC_CACHE`");
        let none = format!(
            "none: {} are more than a quarter of the free memory and of the free disk",
            shown(needed)
        );
        return if is_asked {
            Err(fault.advise("`cache none`, or a smaller `resize`"))
        } else {
            Ok(Err(none))
        };
    }
    match Stored::make(&path, &originals, &stamps, room) {
        Err(fault) if !is_asked && [codes::UNWRITTEN, codes::TOO_BIG].contains(&fault.code) => {
            return Ok(Err(format!("none: {}", fault.message)));
        }
        made => made?,
    }
    let stored = Stored::open(&path, &originals, &stamps, &forms);
    let gone = || Fault::new(codes::UNWRITTEN, format!("{} was changed by another program", path.display()));
    Ok(Ok(told(stored.ok_or_else(|| gone().advise("run it again"))?, "")))
}

/// All that decides what prepared images are, but for the images themselves.
fn key(section: &DataSection, base: &Path, steps: &[Step]) -> String {
    let base = std::fs::canonicalize(base).unwrap_or_else(|_| PathBuf::from(base));
    let mut key = format!(
        "dslc {}\n{}\nsource {}",
        env!("CARGO_PKG_VERSION"),
        base.display(),
        section.source.spec().name
    );
    section.args.iter().for_each(|given| key.push_str(&format!(" {}={}", given.name, given.arg)));
    for step in steps {
        key.push_str(&format!("\n{}", step.transform.spec().name));
        step.args.iter().for_each(|given| key.push_str(&format!(" {}={}", given.name, given.arg)));
    }
    key
}

fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Removes what no run has used for long, and what a run that was killed had begun. A file that cannot be looked at stays.
fn forget_unused(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let used = entry.metadata().and_then(|metadata| metadata.modified());
        let age = used.ok().and_then(|used| used.elapsed().ok()).unwrap_or_default();
        let is_whole = path.extension().is_some_and(|ending| ending == ENDING);
        // Until a file is whole it is called `.NAME.images.` and some letters.
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_begun = name.starts_with('.') && name.contains(&format!(".{ENDING}."));
        if (is_whole && age > UNUSED) || (is_begun && age > BEGUN) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The shape of the images of each layer.
type Shapes = Vec<[usize; 3]>;

/// Bytes that the prepared images take, and their shapes where all of a layer have one.
fn needed(section: &DataSection, originals: &Originals) -> Result<(u64, Option<Shapes>), Fault> {
    let n = originals.len();
    if let Some([own, height, width]) = section.form_behind(originals.steps.len()).extents() {
        let channels = originals.layers().enumerate().map(|(layer, images)| match layer {
            0 => Some(own),
            _ => images.form().channels,
        });
        let shapes = channels.map(|channels| Some([channels?, height, width])).collect::<Option<Vec<_>>>();
        let shapes = shapes.ok_or_else(|| Fault::internal("targets of unknown channels"))?;
        let one: usize = shapes.iter().map(|shape| shape.iter().product::<usize>()).sum();
        return Ok((n as u64 * one as u64, Some(shapes)));
    }
    let some: Vec<usize> = (0..n).step_by(n.div_ceil(LOOKED_AT).max(1)).collect();
    // One that cannot be read is told of together with the others.
    let sizes = some.into_par_iter().filter_map(|index| {
        let bytes = |image: &Image| image.extents().iter().product::<usize>() + size_of::<Image>();
        Some(originals.prepared(index).ok()?.iter().map(bytes).sum::<usize>() as u64)
    });
    let sizes: Vec<u64> = sizes.collect();
    Ok((n as u64 * (sizes.iter().sum::<u64>() / (sizes.len() as u64).max(1)), None))
}

/// Images of one shape in each layer.
fn same(originals: &Originals, shapes: &[[usize; 3]]) -> Result<Vec<Images>, Fault> {
    let sizes: Vec<usize> = shapes.iter().map(|shape| shape.iter().product::<usize>().max(1)).collect();
    let mut values: Vec<Vec<u8>> = sizes.iter().map(|size| vec![0; originals.len() * size]).collect();
    let fill = |index: usize, outs: &mut [&mut [u8]]| {
        let images = match originals.prepared(index) {
            Ok(images) => images,
            Err(fault) => return Some(fault),
        };
        for (image, out) in images.into_iter().zip(outs) {
            match &image.values {
                Values::Bytes(bytes) if bytes.len() == out.len() => out.copy_from_slice(bytes),
                Values::Bytes(_) | Values::Numbers(_) => {
                    return Some(Fault::internal(format!("an image became {}", image.form())));
                }
            }
        }
        None
    };
    let mut layers: Vec<_> =
        values.iter_mut().zip(sizes).map(|(values, size)| values.chunks_exact_mut(size)).collect();
    let mut faults: Vec<Fault> = Vec::new();
    for first in (0..originals.len()).step_by(AT_ONCE) {
        let some = first..originals.len().min(first + AT_ONCE);
        let mut outs: Vec<(usize, Vec<&mut [u8]>)> =
            some.map(|index| (index, layers.iter_mut().filter_map(Iterator::next).collect())).collect();
        faults.par_extend(outs.par_iter_mut().filter_map(|(index, outs)| fill(*index, outs)));
    }
    all_good(faults)?;
    let layers = shapes.iter().zip(values).map(|(&shape, values)| Images::Bytes { shape, values });
    Ok(layers.collect())
}

/// Images of their own sizes.
fn each(originals: &Originals) -> Result<Vec<Images>, Fault> {
    let read: Vec<Result<Vec<Image>, Fault>> =
        (0..originals.len()).into_par_iter().map(|index| originals.prepared(index)).collect();
    let mut layers: Vec<Vec<Image>> = originals.layers().map(|_| Vec::with_capacity(read.len())).collect();
    let mut faults = Vec::new();
    for images in read {
        match images {
            Ok(images) => layers.iter_mut().zip(images).for_each(|(layer, image)| layer.push(image)),
            Err(fault) => faults.push(fault),
        }
    }
    all_good(faults)?;
    Ok(layers.into_iter().map(Images::Kept).collect())
}

/// One fault of all.
pub fn all_good(faults: Vec<Fault>) -> Result<(), Fault> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let days = |n: u64| std::time::SystemTime::now() - Duration::from_secs(n * 24 * 60 * 60);
        for (name, age) in [
            ("a.images", 31),
            ("b.images", 29),
            (".c.images.Xy12", 2),
            (".d.images.Xy12", 0),
            (".e.other.Xy12", 40),
            ("f.txt", 40),
        ] {
            let file = std::fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(days(age)).unwrap();
        }
        forget_unused(folder.path());
        let left = std::fs::read_dir(folder.path()).unwrap().flatten();
        let mut left: Vec<String> = left.map(|own| own.file_name().to_string_lossy().into_owned()).collect();
        left.sort();
        assert_eq!(left, [".d.images.Xy12", ".e.other.Xy12", "b.images", "f.txt"]);
    }
}
