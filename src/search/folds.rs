//! Cross-validation: the training images are divided into parts, and a network is measured on each part after training on the
//! others.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::Dataset;
use crate::data::parts::Parts;
use crate::diag::{Fault, codes};
use crate::run::Session;
use crate::tensor::random::Random;
use crate::train::progress::Progress;
use crate::train::trainer::{Ended, Epoch, Job, Observer, StepDone, prepare};

/// What a fold came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fold {
    /// Images that were trained on and measured on.
    pub images: [usize; 2],
    /// The epoch whose weights were measured: the best one.
    pub epoch: usize,
    pub loss: f64,
    pub accuracy: Option<f64>,
    pub seconds: f64,
}

/// The parts of each fold, with every class spread over them as evenly as can be. The test part stays as it is.
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

/// Trains a network for each fold, from the same beginning. `tell` hears of each. Fewer than `n` come back where
/// `interrupt` has ended it.
pub fn cross_validate(
    job: Job<'_>,
    dataset: &mut Dataset,
    n: usize,
    interrupt: &AtomicBool,
    tell: &mut dyn FnMut(usize, &Fold),
) -> Result<Vec<Fold>, Fault> {
    let mut folds = Vec::new();
    for (number, parts) in divide(dataset, n, job.train.seed)?.into_iter().enumerate() {
        let images = [parts.train.len(), parts.validation.len()];
        dataset.parts = parts;
        let (_, outcome) = prepare(job, dataset)?.train(None, interrupt, &mut Quiet)?;
        if outcome.ended == Ended::Interrupted || interrupt.load(Ordering::Relaxed) {
            break;
        }
        let best = outcome.epochs.iter().find(|epoch| epoch.number == outcome.tested);
        let Some((epoch, score)) = best.and_then(|epoch| Some((epoch.number, epoch.validation.as_ref()?)))
        else {
            return Err(Fault::internal("a fold without a measurement"));
        };
        let fold =
            Fold { images, epoch, loss: score.loss, accuracy: score.accuracy, seconds: outcome.seconds };
        tell(number, &fold);
        folds.push(fold);
    }
    Ok(folds)
}

/// The mean of some numbers, and their standard deviation as a sample's.
pub fn mean_and_spread(numbers: &[f64]) -> (f64, f64) {
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n.max(1.0);
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    (mean, if numbers.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 })
}

struct Quiet;

impl Observer for Quiet {
    fn step(&mut self, _done: &StepDone) {}

    fn epoch(&mut self, _epoch: &Epoch, _progress: &Progress, _session: &Session) -> Result<(), Fault> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{divide, mean_and_spread};
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
        assert!(divide(&dataset, 54, 3).is_err() && divide(&dataset, 1, 3).is_err());
    }

    #[test]
    fn the_spread_is_that_of_a_sample() {
        assert_eq!(mean_and_spread(&[1.0, 3.0]), (2.0, 2f64.sqrt()));
        assert_eq!(mean_and_spread(&[5.0]), (5.0, 0.0));
    }
}
