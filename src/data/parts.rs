//! The samples of a data set and the parts that they are divided into: to train on, to watch the training, to test on.

use flate2::Crc;

use crate::data::groups;
use crate::data::sample::Task;
use crate::data::samples::Samples;
use crate::data::section::{DataSection, Sampling, Split, Validation};
use crate::data::sources::Wanted;
use crate::diag::{Fault, codes};
use crate::tensor::random::{Random, philox, stream};

/// A data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    pub samples: Samples,
    pub parts: Parts,
}

/// The samples of each part, in ascending order; none is in two of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    pub train: Vec<u32>,
    pub validation: Vec<u32>,
    pub test: Vec<u32>,
}

impl Dataset {
    /// Samples to train on, and others to test on.
    pub fn joined(train: Samples, test: Samples) -> Result<Dataset, Fault> {
        let n_train = count(&train)?;
        let mut samples = train;
        samples.append(test)?;
        let n = count(&samples)?;
        let parts = Parts { train: (0..n_train).collect(), test: (n_train..n).collect(), ..Parts::default() };
        Ok(Dataset { samples, parts })
    }

    /// Samples that are only tested on.
    pub fn tested(samples: Samples) -> Result<Dataset, Fault> {
        let parts = Parts { test: (0..count(&samples)?).collect(), ..Parts::default() };
        Ok(Dataset { samples, parts })
    }

    /// Sets aside what the section asks for, drawn by `seed`.
    pub fn divided(self, section: &DataSection, seed: u64, wanted: Wanted) -> Result<Dataset, Fault> {
        self.divided_by(section, seed, wanted, None)
    }

    /// The same; where each sample's group is given, none stands in two parts.
    pub fn divided_by(
        mut self,
        section: &DataSection,
        seed: u64,
        wanted: Wanted,
        groups: Option<&[String]>,
    ) -> Result<Dataset, Fault> {
        if let Some(split) = section.split {
            match groups {
                None => self.split(split, seed)?,
                Some(groups) => {
                    self.refuse_second_parts(split)?;
                    groups::split(&mut self, split, seed, groups)?;
                }
            }
        }
        if wanted == Wanted::Test {
            return Ok(self);
        }
        let has_own = !self.parts.validation.is_empty();
        if has_own && section.validation != Validation::None {
            return Err(Fault::new(codes::BAD_VALUE, "the data set already has a validation part")
                .advise("leave `validation` out"));
        }
        let n_train = self.parts.train.len();
        let n_validation = section.validation.count(n_train)?;
        if n_validation > 0 {
            let train = &mut self.parts.train;
            Random::new(seed, "validation", 0).shuffle(train);
            let validation = train.split_off(n_train - n_validation);
            train.sort_unstable();
            self.parts.validation.extend(validation);
            self.parts.validation.sort_unstable();
        }
        Ok(self)
    }

    /// Takes a share of each class, or of all images where they have none, out of the training part. Which samples these are
    /// depends only on the seed and on their names: where samples are added, few of the others move.
    fn split(&mut self, split: Split, seed: u64) -> Result<(), Fault> {
        self.refuse_second_parts(split)?;
        let is_class = self.samples.targets.task() == Task::Classes;
        let mut by_class = vec![Vec::new(); if is_class { self.classes().len() } else { 1 }];
        for &index in &self.parts.train {
            let class = self.samples.class(index) as usize;
            by_class[class].push((drawn(seed, &self.samples.key(index)), index));
        }
        let (mut train, mut validation, mut test) = (Vec::new(), Vec::new(), Vec::new());
        for (class, mut own) in by_class.into_iter().enumerate() {
            let n = own.len();
            let [n_test, n_validation] = [split.test, split.validation].map(|share| match share {
                0.0 => 0,
                share => ((n as f64 * share).round() as usize).max(1),
            });
            if n > 0 && n_test + n_validation >= n {
                let (of, advice) = match is_class {
                    true => (
                        format!(" of the class `{}`", self.classes()[class]),
                        "add images of it, or remove the class",
                    ),
                    false => (String::new(), "add images"),
                };
                let message = match n {
                    1 => format!("`split` would leave nothing{of} to train on: there is one image"),
                    n => format!("`split` would leave none of the {n} images{of} to train on"),
                };
                return Err(Fault::new(codes::DATA_FILE, message).advise(advice));
            }
            own.sort_unstable();
            let mut own = own.into_iter().map(|(_, index)| index);
            test.extend(own.by_ref().take(n_test));
            validation.extend(own.by_ref().take(n_validation));
            train.extend(own);
        }
        let parts = &mut self.parts;
        parts.train = train;
        parts.validation.extend(validation);
        parts.test.extend(test);
        for part in [&mut parts.train, &mut parts.validation, &mut parts.test] {
            part.sort_unstable();
        }
        Ok(())
    }

    /// Refuses to set a part aside that is there already.
    fn refuse_second_parts(&self, split: Split) -> Result<(), Fault> {
        for (share, part, name) in
            [(split.test, &self.parts.test, "test"), (split.validation, &self.parts.validation, "validation")]
        {
            if share > 0.0 && !part.is_empty() {
                let message = format!("the data set already has a {name} part, with {} images", part.len());
                return Err(Fault::new(codes::BAD_VALUE, message).advise(format!("`split` without `{name}`")));
            }
        }
        Ok(())
    }

    /// The names of classes, labels or numbers in their order.
    pub fn classes(&self) -> &[String] {
        self.samples.classes()
    }

    /// A text that is another one where anything that is learnt or tested is: sizes, and a CRC-32.
    pub fn fingerprint(&self) -> String {
        let mut sum = Crc::new();
        let mut learnt = [self.parts.train.as_slice(), self.parts.validation.as_slice()].concat();
        learnt.sort_unstable();
        self.samples.digest(&learnt, &mut sum);
        self.samples.digest(&self.parts.test, &mut sum);
        let form = self.samples.images.form();
        format!("{} + {} of {form}, CRC-32 {:08x}", learnt.len(), self.parts.test.len(), sum.sum())
    }
}

/// A random number for what is called so.
pub(super) fn drawn(seed: u64, name: &str) -> u64 {
    // FNV-1a.
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let [a, b, ..] = philox(seed, [hash as u32, (hash >> 32) as u32, stream("split"), 0]);
    u64::from(a) << 32 | u64::from(b)
}

/// The training images in the order of one epoch.
pub fn epoch_order(train: &[u32], seed: u64, epoch: u32) -> Vec<u32> {
    let mut order = train.to_vec();
    Random::new(seed, "shuffle", epoch).shuffle(&mut order);
    order
}

/// What one epoch of training goes through: every training image once, or as many as these drawn with replacement, so that the
/// classes come as often as the section says.
pub fn training_order(
    section: &DataSection,
    dataset: &Dataset,
    seed: u64,
    epoch: u32,
) -> Result<Vec<u32>, Fault> {
    let train = &dataset.parts.train;
    let mut by_class = vec![Vec::new(); dataset.classes().len()];
    let weights = match &section.sampling {
        Sampling::Whole => return Ok(epoch_order(train, seed, epoch)),
        Sampling::Balanced => vec![1.0; by_class.len()],
        Sampling::Weights(weights) if weights.len() == by_class.len() => weights.clone(),
        Sampling::Weights(weights) => {
            let message = format!(
                "`sample` has {} weights, but the data has {} classes",
                weights.len(),
                by_class.len()
            );
            return Err(
                Fault::new(codes::CLASSES, message).advise("one weight a class, in the order of their names")
            );
        }
    };
    if dataset.samples.targets.task() != Task::Classes {
        return Err(Fault::new(codes::CLASSES, "`sample` weighs classes, and these samples have none")
            .advise("remove `sample`"));
    }
    train.iter().for_each(|&index| by_class[dataset.samples.class(index) as usize].push(index));
    // Of a class that has no training images nothing can be drawn.
    let mut ends = Vec::with_capacity(weights.len());
    for (own, weight) in by_class.iter().zip(&weights) {
        let weight = if own.is_empty() { 0.0 } else { *weight };
        ends.push(ends.last().copied().unwrap_or(0.0) + weight);
    }
    let total = ends.last().copied().unwrap_or(0.0);
    if total <= 0.0 {
        return Err(Fault::new(codes::CLASSES, "`sample` gives no class with training images a weight")
            .advise("`sample balanced`"));
    }
    let mut random = Random::new(seed, "sample", epoch);
    let drawn = |_| {
        let at = f64::from(random.uniform()) * total;
        let own = &by_class[ends.partition_point(|end| *end <= at).min(by_class.len() - 1)];
        own[random.below(own.len() as u32) as usize]
    };
    Ok((0..train.len()).map(drawn).collect())
}

fn count(samples: &Samples) -> Result<u32, Fault> {
    u32::try_from(samples.len()).map_err(|_| Fault::internal(format!("{} samples", samples.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::section;

    fn divided(lines: &str, n_train: usize, seed: u64) -> Result<Parts, Fault> {
        let samples = |n: usize| Samples::of_bytes([1, 1, 1], vec![0; n], vec![0; n], vec!["0".to_owned()]);
        let section = section(&format!("source mnist \"m\"\n{lines}")).unwrap();
        Ok(Dataset::joined(samples(n_train), samples(7))?.divided(&section, seed, Wanted::All)?.parts)
    }

    #[test]
    fn splits_and_orders_are_seeded_partitions() {
        let Parts { train, validation, test } = divided("validation 10%", 50, 3).unwrap();
        assert_eq!((train.len(), validation.len()), (45, 5));
        assert!(test.iter().copied().eq(50..57));
        let mut all = [train.clone(), validation.clone()].concat();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..50));
        assert_eq!(divided("validation 10%", 50, 3).unwrap().validation, validation);
        assert_ne!(divided("validation 10%", 50, 4).unwrap().validation, validation);
        let order = epoch_order(&train, 3, 0);
        assert_eq!(order, epoch_order(&train, 3, 0));
        assert_ne!(order, epoch_order(&train, 3, 1));
        let fault = divided("validation 10%", 2, 3).unwrap_err();
        assert!(fault.message.starts_with("validation would take 0 of 2 training images"), "{fault}");
    }

    #[test]
    fn classes_come_as_often_as_their_weights_say() {
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let classes: Vec<u32> = (0..300).map(|i| u32::from(i % 30 == 0)).collect();
        let of = |classes: &[u32]| {
            Samples::of_bytes([1, 1, 1], vec![0; classes.len()], classes.to_vec(), names.clone())
        };
        let dataset = Dataset::joined(of(&classes), of(&[2])).unwrap();
        let drawn = |line: &str, epoch: u32| {
            let section = section(&format!("source mnist \"m\"\n{line}")).unwrap();
            training_order(&section, &dataset, 3, epoch)
        };
        let rare = |order: &[u32]| order.iter().filter(|&&index| index % 30 == 0).count();
        let whole = drawn("", 1).unwrap();
        assert_eq!(whole, epoch_order(&dataset.parts.train, 3, 1));
        let balanced = drawn("sample balanced", 1).unwrap();
        assert_eq!(balanced.len(), 300);
        assert!((120..180).contains(&rare(&balanced)), "{}", rare(&balanced));
        assert_eq!(balanced, drawn("sample balanced", 1).unwrap());
        assert_ne!(balanced, drawn("sample balanced", 2).unwrap());
        let weighed = rare(&drawn("sample weights=[1, 4, 9]", 1).unwrap());
        assert!((210..270).contains(&weighed), "{weighed}");
        assert_eq!(rare(&drawn("sample weights=[1, 0, 0]", 1).unwrap()), 0);
        for line in ["sample weights=[1, 1]", "sample weights=[0, 0, 1]"] {
            assert_eq!(drawn(line, 1).unwrap_err().code, codes::CLASSES, "{line}");
        }
    }

    #[test]
    fn too_many_validation_images_are_refused_with_both_numbers() {
        let fault = divided("validation 5000", 5000, 3).unwrap_err();
        assert!(fault.message.starts_with("validation would take 5000 of 5000 training images"), "{fault}");
        assert_eq!(divided("validation 5000", 5001, 3).unwrap().train.len(), 1);
    }
}
