//! A data set → what is in it, and what is wrong with it: every image is read once.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::data::loader::middle_of;
use crate::data::parts::Dataset;
use crate::data::sample::{IGNORED, Image, Target, Task, Values};
use crate::data::samples::Targets;
use crate::data::section::DataSection;
use crate::diag::Fault;
use crate::kernels::cpu::threads;

/// The parts' names.
pub const PARTS: [&str; 3] = ["train", "validation", "test"];

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    pub task: Task,
    /// Each class or label with its images in each part, of masks those in which it comes; all images together where there are none.
    pub classes: Vec<(String, [usize; 3])>,
    /// Images in each part.
    pub parts: [usize; 3],
    /// What one of the data is called: `picture` or `signal`.
    pub one: &'static str,
    /// Images that were read.
    pub read: usize,
    /// Least, mean and most height and width before preparation.
    pub sizes: [[usize; 2]; 3],
    /// Images without colours.
    pub grey: usize,
    /// The form in which images reach the model.
    pub reaches: String,
    /// Of each channel of the training images, prepared but not normalised.
    pub mean: Vec<f64>,
    pub spread: Vec<f64>,
    /// Images that cannot be used, with the reasons.
    pub unreadable: Vec<String>,
    /// Pairs of equal images: in two parts, in one part, and with two classes.
    pub leaks: Vec<[String; 2]>,
    pub repeated: Vec<[String; 2]>,
    pub contradictions: Vec<[String; 2]>,
}

impl Scan {
    /// The classes or labels that have no image in a part which has images.
    pub fn without(&self, part: usize) -> Vec<String> {
        let is_there = self.classes.iter().any(|(_, counts)| counts[part] > 0);
        let lacks = self.classes.iter().filter(|(_, counts)| is_there && counts[part] == 0);
        lacks.map(|(name, _)| name.clone()).collect()
    }

    /// How many times as many training images the largest class has as the smallest that has one, and its share of all; where that
    /// is more than three times.
    pub fn imbalance(&self) -> Option<(f64, f64)> {
        let counts = || self.classes.iter().map(|(_, counts)| counts[0]).filter(|n| *n > 0);
        let (least, most) = (counts().min()?, counts().max()?);
        let ratio = most as f64 / least as f64;
        let share = most as f64 / self.parts[0].max(1) as f64;
        (self.task == Task::Classes && ratio > 3.0).then_some((ratio, share))
    }
}

/// What one image tells.
struct Seen {
    index: u32,
    part: usize,
    size: [usize; 2],
    is_grey: bool,
    hash: u64,
    /// Of a mask.
    classes: Vec<usize>,
    /// Of each channel: number of values, sum, sum of squares.
    sums: Vec<[f64; 3]>,
}

/// Reads every image of the three parts.
pub fn scan(section: &DataSection, dataset: &Dataset) -> Result<Scan, Fault> {
    threads::start()?;
    let parts = [&dataset.parts.train, &dataset.parts.validation, &dataset.parts.test];
    let all: Vec<(usize, u32)> = parts
        .iter()
        .enumerate()
        .flat_map(|(part, own)| own.iter().map(move |&index| (part, index)))
        .collect();
    let looked: Vec<Result<Seen, (u32, Fault)>> = all
        .into_par_iter()
        .map(|(part, index)| seen(section, dataset, part, index).map_err(|fault| (index, fault)))
        .collect();
    let mut found = Scan { reaches: section.form().to_string(), ..Scan::default() };
    found.one = section.facts.form.one();
    found.task = dataset.samples.targets.task();
    found.parts = parts.map(|own| own.len());
    found.classes = match found.task {
        Task::Classes | Task::Labels | Task::Masks => {
            dataset.classes().iter().map(|name| (name.clone(), [0; 3])).collect()
        }
        Task::Numbers | Task::Images => vec![("images".to_owned(), [0; 3])],
    };
    for (part, own) in parts.iter().enumerate() {
        for &index in own.iter() {
            for class in tags(dataset, index) {
                found.classes[class].1[part] += 1;
            }
        }
    }
    let (mut total, mut extremes, mut firsts) = ([0; 2], [[usize::MAX; 2], [0; 2]], HashMap::new());
    let mut sums: Vec<[f64; 3]> = Vec::new();
    for own in looked {
        let own = match own {
            Ok(own) => own,
            Err((_, fault)) => {
                found.unreadable.push(fault.message);
                continue;
            }
        };
        found.read += 1;
        for class in own.classes {
            if let Some((_, counts)) = found.classes.get_mut(class) {
                counts[own.part] += 1;
            }
        }
        found.grey += usize::from(own.is_grey);
        for axis in 0..2 {
            total[axis] += own.size[axis];
            extremes[0][axis] = extremes[0][axis].min(own.size[axis]);
            extremes[1][axis] = extremes[1][axis].max(own.size[axis]);
        }
        if own.part == 0 {
            sums.resize(sums.len().max(own.sums.len()), [0.0; 3]);
            sums.iter_mut().zip(&own.sums).for_each(|(all, own)| (0..3).for_each(|i| all[i] += own[i]));
        }
        let Some((part, index)) = firsts.insert((own.hash, own.size), (own.part, own.index)) else {
            continue;
        };
        let pair = [index, own.index].map(|index| dataset.samples.key(index));
        if dataset.samples.class(index) != dataset.samples.class(own.index) {
            found.contradictions.push(pair.clone());
        }
        if part == own.part { found.repeated.push(pair) } else { found.leaks.push(pair) }
    }
    let n = found.read.max(1);
    found.sizes =
        if found.read == 0 { [[0; 2]; 3] } else { [extremes[0], total.map(|sum| sum / n), extremes[1]] };
    for [n, sum, squares] in sums {
        let mean = sum / n.max(1.0);
        found.mean.push(mean);
        found.spread.push((squares / n.max(1.0) - mean * mean).max(0.0).sqrt());
    }
    Ok(found)
}

/// The rows of [`Scan::classes`] that a sample counts in; those of a mask are seen in it.
fn tags(dataset: &Dataset, index: u32) -> Vec<usize> {
    match &dataset.samples.targets {
        Targets::Classes { values, .. } => vec![values[index as usize] as usize],
        Targets::Labels { .. } => {
            let row = dataset.samples.row(index).iter().enumerate();
            row.filter(|(_, holds)| **holds > 0.0).map(|(label, _)| label).collect()
        }
        Targets::Masks { .. } => Vec::new(),
        Targets::Numbers { .. } | Targets::Images(_) => vec![0],
    }
}

/// The classes that come in a mask.
fn classes(target: &Target) -> Vec<usize> {
    let Target::Mask(Image { values: Values::Bytes(bytes), .. }) = target else { return Vec::new() };
    let mut seen = [false; IGNORED as usize];
    // What is ignored is no class.
    bytes.iter().for_each(|&class| {
        if let Some(seen) = seen.get_mut(usize::from(class)) {
            *seen = true;
        }
    });
    (0..seen.len()).filter(|&class| seen[class]).collect()
}

fn seen(section: &DataSection, dataset: &Dataset, part: usize, index: u32) -> Result<Seen, Fault> {
    let sample = dataset.samples.read(index)?;
    let Image { channels, height, width, .. } = sample.image;
    let plane = (height * width).max(1);
    let mut hash = DefaultHasher::new();
    let is_grey = match &sample.image.values {
        Values::Bytes(bytes) => {
            bytes.hash(&mut hash);
            channels == 1 || bytes.chunks_exact(plane).all(|own| own == &bytes[..plane])
        }
        Values::Numbers(numbers) => {
            numbers.iter().for_each(|number| number.to_bits().hash(&mut hash));
            channels == 1 || numbers.chunks_exact(plane).all(|own| own == &numbers[..plane])
        }
    };
    let classes = classes(&sample.target);
    let sums = middle_of(section, sample)?.sums();
    Ok(Seen { index, part, size: [height, width], is_grey, hash: hash.finish(), classes, sums })
}
