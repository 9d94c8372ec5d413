//! Images that are read one at a time → the same in memory or in one file on the disk, prepared as far as nothing is random,
//! where there is room: each is decoded once, and one that cannot be read is found before the first step. No number changes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::data::parts::Dataset;
use crate::data::sample::{Image, Sample, Target, Values};
use crate::data::samples::{Images, Pictures};
use crate::data::section::{Cache, DataSection, Step};
use crate::data::sources::Wanted;
use crate::data::stored::{Originals, Stored};
use crate::diag::{Fault, codes};
use crate::kernels::cpu::threads;
use crate::numbers::{bytes as shown, plural};
use crate::tensor::random::Random;
use crate::tensor::{disk, host};

/// With `cache auto` images may take this part of the free memory, or else of the free disk.
const SHARE: u64 = 4;
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

/// Keeps the images as the section's `cache` says. A data set that is gone through once, to be tested, is kept in memory at most.
pub fn keep(
    section: &mut DataSection,
    dataset: &mut Dataset,
    base: &Path,
    wanted: Wanted,
) -> Result<(), Fault> {
    let Images::Read(pictures) = &dataset.samples.images else { return Ok(()) };
    section.kept.fingerprint = Some(dataset.fingerprint());
    // A mask or image that is the target turns with its image, so both are prepared together, when they are asked for.
    if dataset.samples.targets.images().is_some() {
        let said =
            "none: a picture and the mask or picture that is its target are read together, in every epoch";
        section.kept.place = (section.cache != Cache::None).then(|| said.to_owned());
        return Ok(());
    }
    if section.cache == Cache::None {
        return Ok(());
    }
    threads::start()?;
    let (pictures, steps) = (Arc::clone(pictures), section.stages().first.to_vec());
    let (needed, shape) = needed(section, pictures.as_ref(), &steps)?;
    let memory = host::free_bytes().unwrap_or(u64::MAX);
    let (images, place) = match section.cache {
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
            match on_disk(section, base, Prepared { pictures, steps: steps.clone(), needed })? {
                Ok((stored, place)) => (Images::Read(Arc::new(stored)), place),
                Err(why) => {
                    section.kept.place = Some(why);
                    return Ok(());
                }
            }
        }
        Cache::Auto | Cache::Ram | Cache::Disk => {
            let images = match shape {
                Some(shape) => same(pictures.as_ref(), &steps, shape)?,
                None => each(pictures.as_ref(), &steps)?,
            };
            (images, format!("{} in memory", shown(needed)))
        }
    };
    (dataset.samples.images, dataset.samples.prepared) = (images, steps.len());
    section.kept.place = Some(place);
    Ok(())
}

/// Images that are to be kept.
struct Prepared {
    pictures: Arc<dyn Pictures>,
    steps: Vec<Step>,
    /// About so many bytes.
    needed: u64,
}

/// The images in a file, and where that is; or, with `cache auto`, why they are in none.
fn on_disk(
    section: &DataSection,
    base: &Path,
    Prepared { pictures, steps, needed }: Prepared,
) -> Result<Result<(Stored, String), String>, Fault> {
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
    let key = key(section, base, &steps);
    let path = folder.join(format!("{:016x}.{ENDING}", hash(&key)));
    let stamps =
        (0..pictures.len()).into_par_iter().map(|index| hash(&(&key, pictures.stamp(index)))).collect();
    let (originals, form) =
        (Originals { pictures, steps, stamps }, section.form_behind(section.stages().first.len()));
    let told = |stored: Stored, when: &str| {
        let place = format!("{} in {}{when}", shown(stored.length()), path.display());
        (stored, place)
    };
    if let Some(stored) = Stored::open(&path, &originals, form) {
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
    match Stored::make(&path, &originals, room) {
        Err(fault) if !is_asked && [codes::UNWRITTEN, codes::TOO_BIG].contains(&fault.code) => {
            return Ok(Err(format!("none: {}", fault.message)));
        }
        made => made?,
    }
    let stored = Stored::open(&path, &originals, form);
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

/// An image behind these steps.
pub fn prepared(pictures: &dyn Pictures, index: usize, steps: &[Step]) -> Result<Image, Fault> {
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
