//! Cross-validation: the training images are divided into parts, and a network is measured on each part after training on the
//! others. Each fold is a run in a folder of its own; what was stopped continues to the same end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::Dataset;
use crate::data::folds::{Fold, divide};
use crate::data::section::DataSection;
use crate::diag::Fault;
use crate::door::{Checked, Options, resume_on, train_on};
use crate::experiment::disk::RECORD;
use crate::report::{State, epochs};
use crate::runs::resume::stopped;
use crate::runs::story::recorded;
use crate::runs::train::Signals;
use crate::search::page::page_of_folds;
use crate::search::place::{Kind, Place};
use crate::tensor::device::Choice;
use crate::train::checkpoint::write_atomically;

/// The record's file in the folder of the folds.
pub const FOLDS: &str = "folds.json";
/// The page beside it.
pub const PAGE: &str = "folds.html";

const KIND: Kind<'_> = Kind { name: "folds", within: "folds", record: FOLDS, command: "dslc resume" };

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub file: PathBuf,
    /// The file with every default filled in.
    pub source: String,
    /// How many folds there are.
    pub n: usize,
}

/// What a fold came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Images that were trained on and measured on.
    pub images: [usize; 2],
    /// The epoch whose weights were measured: the best one.
    pub epoch: usize,
    pub loss: f64,
    pub accuracy: Option<f64>,
    pub seconds: f64,
}

impl Record {
    /// Claims a folder, `out` or the next free one, and writes the record into it. If `out` has the same folds of the same file,
    /// they continue.
    ///
    /// # Errors
    /// A folder that is taken.
    pub fn begin(&self, out: Option<&Path>, name: &str) -> Result<Place, Fault> {
        if let Some(out) = out.filter(|out| KIND.read(out).is_ok_and(|own: Record| own == *self)) {
            return KIND.reopen(out);
        }
        let folds = (0..self.n).map(|number| place(Path::new(""), number));
        let written: Vec<PathBuf> = folds.chain([PathBuf::from(PAGE)]).collect();
        let place = KIND.claim(out, name, &written)?;
        KIND.write(&place.folder, self)?;
        Ok(place)
    }

    /// Takes the folder of folds, to continue them.
    pub fn reopen(folder: &Path) -> Result<(Place, Record), Fault> {
        let record = KIND.read(folder)?;
        Ok((KIND.reopen(folder)?, record))
    }
}

/// The folder of a fold.
pub fn place(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("fold-{}", number + 1))
}

/// How folds are trained.
pub struct Way<'a> {
    pub device: Choice,
    pub signals: &'a Arc<Signals>,
}

/// Trains a network for each fold that has none, from the same beginning, and tells of all in order. Fewer than the record
/// asks for come back where a signal has ended it.
///
/// # Errors
/// As for a training; too few images; data that are not those of the first fold.
pub fn cross_validate(
    (place, record): (&Place, &Record),
    file: &Checked,
    (data, mut dataset): (&DataSection, Dataset),
    seed: u64,
    way: &Way<'_>,
    follow: &mut dyn Tell,
) -> Result<Vec<Scored>, Fault> {
    let parts = divide(&dataset, record.n, seed)?;
    // Those that have ended are not trained again, so nothing else would notice.
    if let Ok(first) = recorded(&self::place(&place.folder, 0)) {
        first.record.refuse_other_data(data, &dataset)?;
    }
    let mut folds = Vec::new();
    for (number, parts) in parts.into_iter().enumerate() {
        let images = [parts.train.len(), parts.validation.len()];
        dataset.parts = parts;
        let own = self::place(&place.folder, number);
        let scored = match scored(&own, images) {
            Some(scored) => scored,
            None => {
                let on = (data, &dataset);
                let trained = match own.join(RECORD).exists() {
                    true => resume_on(&stopped(&own)?, file, on, way.signals, &mut ())?,
                    false => {
                        let (out, signals) = (Some(own.clone()), Arc::clone(way.signals));
                        let options = Options { out, device: way.device, signals };
                        train_on(file, on, Some(Fold { number, of: record.n }), &options, &mut ())?
                    }
                };
                if trained.interrupted {
                    break;
                }
                let scored = scored(&own, images);
                scored.ok_or_else(|| Fault::internal("a fold without a measurement"))?
            }
        };
        folds.push(scored);
        let page = page_of_folds(&place.folder, record, &folds);
        if let Err(fault) = write_atomically(&place.folder.join(PAGE), page.as_bytes()) {
            follow.say(&fault.message);
        }
        follow.fold(number, &scored);
    }
    Ok(folds)
}

/// Who follows a cross-validation.
pub trait Tell {
    /// A fold has ended, now or before.
    fn fold(&mut self, number: usize, scored: &Scored);
    /// Something besides, such as a page that cannot be written.
    fn say(&mut self, text: &str);
}

/// What a fold came to, by its record; nothing of one that has not ended.
fn scored(folder: &Path, images: [usize; 2]) -> Option<Scored> {
    let run = recorded(folder).ok().filter(|run| run.state == State::Finished)?;
    let epoch = run.last("end")?["test.epoch"].as_u64()?;
    let best: &Value = epochs(&run.events).find(|event| event["epoch"] == epoch)?;
    Some(Scored {
        images,
        epoch: epoch as usize,
        loss: best["validation.loss"].as_f64()?,
        accuracy: best["validation.accuracy"].as_f64(),
        seconds: epochs(&run.events).filter_map(|event| event["seconds"].as_f64()).sum(),
    })
}

/// The mean of some numbers, and their standard deviation as a sample's.
pub fn mean_and_spread(numbers: &[f64]) -> (f64, f64) {
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n.max(1.0);
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    (mean, if numbers.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::mean_and_spread;

    #[test]
    fn the_spread_is_that_of_a_sample() {
        assert_eq!(mean_and_spread(&[1.0, 3.0]), (2.0, 2f64.sqrt()));
        assert_eq!(mean_and_spread(&[5.0]), (5.0, 0.0));
    }
}
