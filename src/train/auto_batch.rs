//! `batch auto` → a number of images: the most whose plans fit a limit of memory. Batches are planned, none is run.

use std::fmt;

use crate::diag::{Fault, codes};
use crate::model::Model;
use crate::numbers::{bytes as shown, plural};
use crate::run::on;
use crate::tensor::Device;
use crate::train::programs::{Programs, Sizes};
use crate::train::section::{BatchSize, TrainSection};

/// `batch auto` without a size of memory takes one part in so many of the device's.
const SHARE: u64 = 2;

/// Without a size of memory an epoch has at least so many steps: a network learns by steps, not by images,
const LEAST_STEPS: usize = 100;
/// and a batch has at most so many images: beyond them steps become slower, but hardly better.
const MOST_IMAGES: usize = 512;
/// So many are never too many, however few images there are to train on.
const FEW_IMAGES: usize = 16;

/// How many images a step sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    pub images: usize,
    /// What the number was chosen by; `None` where it was given.
    pub bound: Option<Bound>,
}

/// Why `batch auto` takes no more images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// One more would not fit so many bytes, or there are no more.
    Memory(u64),
    /// It is the most that is taken where no size of memory is given.
    Steps,
}

impl fmt::Display for Bound {
    /// `for 2.00 GB`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Memory(bytes) => write!(f, "for {}", shown(*bytes)),
            Bound::Steps => f.write_str("as the most without a memory size"),
        }
    }
}

/// The most images of a batch that has no size of memory, of so many to train on.
fn ceiling(train: usize) -> usize {
    (train / LEAST_STEPS).clamp(FEW_IMAGES, MOST_IMAGES).min(train)
}

/// The batch that the section asks for, in a run through sets of these sizes on a device.
pub fn batch(model: &Model, train: &TrainSection, sizes: Sizes, device: &Device) -> Result<Batch, Fault> {
    let memory = match train.batch {
        BatchSize::Images(images) => return Ok(Batch { images, bound: None }),
        BatchSize::Auto { memory } => memory,
    };
    let backend = on(device, train.precision);
    let share = || backend.total().map(|total| total / SHARE);
    let limit = memory.or_else(share).ok_or_else(|| {
        Fault::new(codes::TOO_BIG, "this system does not report how much memory `batch auto` may take")
            .advise("give it, as in `batch auto 2GB`")
    })?;
    let ceiling = if memory.is_some() { sizes.train } else { ceiling(sizes.train) };
    let planned = |images: usize| -> Result<u64, Fault> {
        let programs = Programs::new(model, train, images, sizes)?;
        Ok(backend.compile(programs.graphs)?.bytes())
    };
    let (least, needed) = match planned(1) {
        Err(fault) if fault.code == codes::BATCH_OF_ONE && sizes.train > 1 => (2, planned(2)?),
        needed => (1, needed?),
    };
    if needed > limit {
        let images = plural(least as u64, "image", "images");
        let fault = Fault::new(
            codes::TOO_BIG,
            format!("`batch auto` may take {}, but batches of {images} need {}", shown(limit), shown(needed)),
        )
        .label(format!("too little for {images}"));
        let fault = match least {
            1 => fault,
            _ => fault.note("`batch_norm` needs two images to train on"),
        };
        let enough = match needed {
            0..1_000_000 => format!("{}kB", needed.div_ceil(1000)),
            _ => format!("{}MB", needed.div_ceil(1_000_000)),
        };
        return Err(fault.advise(format!("`batch auto {enough}` or more")).advise("a smaller model"));
    }
    let images = most((least, needed), ceiling, limit, |images| match planned(images) {
        Ok(bytes) => Ok(Some(bytes)),
        // A tensor of more elements than any may have.
        Err(fault) if fault.code == codes::TOO_BIG => Ok(None),
        Err(fault) => Err(fault),
    })?;
    let is_most = images >= ceiling && ceiling < sizes.train;
    Ok(Batch { images, bound: Some(if is_most { Bound::Steps } else { Bound::Memory(limit) }) })
}

/// The most images below `n` that take at most `limit` bytes, where `n` take more; `None` where not even the fewest that
/// can be planned fit.
pub fn fitting(n: usize, limit: u64, needed: impl Fn(usize) -> Result<u64, Fault>) -> Option<usize> {
    // One image alone has no variance for `batch_norm`. A batch that cannot be planned is none to recommend.
    let least = [1, 2].into_iter().find_map(|images| needed(images).ok().map(|bytes| (images, bytes)))?;
    if least.1 > limit || least.0 >= n {
        return None;
    }
    most(least, n - 1, limit, |images| Ok(needed(images).ok())).ok()
}

/// A number of images up to `n` that takes at most `limit` bytes, while one more takes more or would be above `n`.
/// `least` fits with its bytes. `None` is more than any limit.
///
/// Bytes grow about as a line does, so that the secant mostly leads to the place at once; where a step leaves more than
/// half of what was to be searched, the next one halves it.
fn most(
    least: (usize, u64),
    n: usize,
    limit: u64,
    mut planned: impl FnMut(usize) -> Result<Option<u64>, Fault>,
) -> Result<usize, Fault> {
    let fits = |bytes: &u64| *bytes <= limit;
    let (mut lower, mut bytes) = least;
    if n <= lower {
        return Ok(lower);
    }
    let (mut upper, mut beyond) = (n, planned(n)?);
    if beyond.as_ref().is_some_and(fits) {
        return Ok(n);
    }
    let mut halve = false;
    while upper - lower > 1 {
        let gap = upper - lower;
        let step = match beyond {
            Some(beyond) if !halve => {
                let share = (limit - bytes) as f64 / (beyond - bytes) as f64;
                (gap as f64 * share) as usize
            }
            _ => gap / 2,
        };
        let images = lower + step.clamp(1, gap - 1);
        match planned(images)? {
            Some(found) if fits(&found) => (lower, bytes) = (images, found),
            found => (upper, beyond) = (images, found),
        }
        halve = upper - lower > gap / 2;
    }
    Ok(lower)
}

#[cfg(test)]
mod tests {
    use super::{ceiling, most};

    /// The answer, and how often something was planned for it.
    fn search(n: usize, limit: u64, planned: impl Fn(usize) -> Option<u64>) -> (usize, usize) {
        let mut n_plans = 0;
        let found = most((1, planned(1).unwrap()), n, limit, |images| {
            assert!((2..=n).contains(&images));
            n_plans += 1;
            Ok(planned(images))
        });
        (found.unwrap(), n_plans)
    }

    #[test]
    fn the_most_that_fit_are_found_on_a_line_a_curve_and_steps() {
        let line = |images: usize| Some(1000 + 70 * images as u64);
        let curve = |images: usize| Some((images * images) as u64);
        let steps = |images: usize| Some(1000 + 4096 * images.div_ceil(50) as u64);
        let wall = |images: usize| (images < 700).then_some(images as u64);
        for n in [1, 2, 3, 64, 999, 60_000] {
            for limit in [1 + 4096 + 1000, 10_000, 123_456, 4_000_000] {
                let all: [&dyn Fn(usize) -> Option<u64>; 4] = [&line, &curve, &steps, &wall];
                for planned in all {
                    let fits = |images: &usize| planned(*images).is_some_and(|bytes| bytes <= limit);
                    let (found, n_plans) = search(n, limit, planned);
                    assert_eq!(found, (1..=n).filter(fits).max().unwrap(), "{n} images, {limit} bytes");
                    assert!(n_plans <= 32, "{n_plans} plans for {n} images");
                }
            }
        }
        assert!(search(60_000, 123_456, line).1 <= 5);
    }

    #[test]
    fn without_a_size_of_memory_an_epoch_keeps_its_steps() {
        let found =
            [1, 2, 15, 50, 1_600, 1_700, 50_000, 60_000, 1_281_167].map(|train| (train, ceiling(train)));
        let expected = [
            (1, 1),
            (2, 2),
            (15, 15),
            (50, 16),
            (1_600, 16),
            (1_700, 17),
            (50_000, 500),
            (60_000, 512),
            (1_281_167, 512),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn one_more_does_not_fit_where_bytes_fall_again() {
        let saw = |images: usize| Some(100 * images as u64 + if images.is_multiple_of(7) { 450 } else { 0 });
        for limit in (700..20_000).step_by(333) {
            let (found, _) = search(300, limit, saw);
            assert!(saw(found).unwrap() <= limit);
            assert!(found == 300 || saw(found + 1).unwrap() > limit, "{found} images, {limit} bytes");
        }
    }
}
