//! The training images → parts, on each of which a network is measured that was trained on the others.

use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::data::parts::Parts;
use crate::diag::{Fault, codes};
use crate::tensor::random::Random;

/// One of several parts of the training images, from 0, that takes the place of the validation images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    pub number: usize,
    pub of: usize,
}

impl Fold {
    /// Lets the data have the parts of this fold; `seed` is that of the training.
    pub fn take(self, dataset: &mut Dataset, seed: u64) -> Result<(), Fault> {
        let mut all = divide(dataset, self.of, seed)?;
        if self.number >= all.len() {
            return Err(Fault::internal(format!("fold {} of {}", self.number, self.of)));
        }
        dataset.parts = all.swap_remove(self.number);
        Ok(())
    }
}

/// The parts of each fold, with every class spread over them as evenly as can be. The test part stays as it is.
///
/// # Errors
/// Fewer images than folds, or less than two folds.
pub fn divide(dataset: &Dataset, n: usize, seed: u64) -> Result<Vec<Parts>, Fault> {
    let parts = &dataset.parts;
    let pool: Vec<u32> = parts.train.iter().chain(&parts.validation).copied().collect();
    if n < 2 || pool.len() < n {
        let message = format!("{} training images cannot be divided into {n} folds", pool.len());
        return Err(Fault::new(codes::BAD_VALUE, message).advise("`--folds 5`"));
    }
    let mut by_class: Vec<Vec<u32>> = vec![Vec::new(); dataset.classes().len().max(1)];
    for &index in &pool {
        let class = dataset.samples.class(index) as usize;
        if let Some(own) = by_class.get_mut(class) {
            own.push(index);
        }
    }
    let mut held: Vec<Vec<u32>> = vec![Vec::new(); n];
    // Each class goes on where the one before has ended, so that folds differ by one image at most.
    let mut next = 0;
    for (class, own) in by_class.iter_mut().enumerate() {
        own.sort_unstable();
        Random::new(seed, "folds", class as u32).shuffle(own);
        for &index in own.iter() {
            held[next % n].push(index);
            next += 1;
        }
    }
    held.iter_mut().for_each(|own| own.sort_unstable());
    let fold = |at: usize| {
        let mut train: Vec<u32> =
            held.iter().enumerate().filter(|(i, _)| *i != at).flat_map(|(_, own)| own).copied().collect();
        train.sort_unstable();
        Parts { train, validation: held[at].clone(), test: parts.test.clone() }
    };
    Ok((0..n).map(fold).collect())
}

#[cfg(test)]
mod tests {
    use super::{Fold, divide};
    use crate::data::Dataset;
    use crate::data::samples::Samples;

    #[test]
    fn every_image_is_measured_once_and_classes_are_spread() {
        let classes: Vec<u32> = (0..53).map(|i| u32::from(i % 10 == 0) + 2 * u32::from(i % 7 == 0)).collect();
        let samples = |classes: Vec<u32>| {
            let names = (0..4).map(|k| k.to_string()).collect();
            Samples::of_bytes([1, 1, 1], vec![0; classes.len()], classes, names)
        };
        let dataset = Dataset::joined(samples(classes.clone()), samples(vec![0, 1])).unwrap();
        let folds = divide(&dataset, 5, 3).unwrap();
        let mut seen: Vec<u32> = folds.iter().flat_map(|parts| parts.validation.clone()).collect();
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(0..53));
        for parts in &folds {
            assert_eq!((parts.train.len() + parts.validation.len(), parts.test.len()), (53, 2));
            assert!((10..=11).contains(&parts.validation.len()));
            assert!(parts.validation.iter().all(|index| !parts.train.contains(index)));
            for class in 0..4 {
                let all = classes.iter().filter(|own| **own == class).count();
                let own = parts.validation.iter().filter(|&&i| classes[i as usize] == class).count();
                assert!((all / 5..=all.div_ceil(5)).contains(&own), "{own} of {all} of class {class}");
            }
        }
        assert_eq!(folds, divide(&dataset, 5, 3).unwrap());
        assert_ne!(folds, divide(&dataset, 5, 4).unwrap());
        let mut taken = dataset.clone();
        // Of divided data it is the same part: all of their images count, however they were divided before.
        for number in [3, 1] {
            Fold { number, of: 5 }.take(&mut taken, 3).unwrap();
            assert_eq!(taken.parts, folds[number]);
        }
        assert!(Fold { number: 5, of: 5 }.take(&mut taken, 3).is_err());
        assert!(divide(&dataset, 54, 3).is_err() && divide(&dataset, 1, 3).is_err());
    }
}
