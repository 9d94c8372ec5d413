//! What a model takes of a file of weights: found for a command, told as a table, and put into a file of its own.

use std::path::{Path, PathBuf};

use crate::cli::Stop;
use crate::cli::load;
use crate::cli::out::err;
use crate::cli::table::{bytes, plural, table};
use crate::diag::Fault;
use crate::experiment::loaded::Loaded;
use crate::experiment::resolved::Settled;
use crate::model::Model;
use crate::train::checkpoint::{Card, Weights, save, to_bytes};
use crate::weights::carry::{Carried, Outcome, Row, Whole, carry};
use crate::weights::map::{Map, Pattern};
use crate::weights::matching::{Need, Wishes};
use crate::weights::open::open;
use crate::weights::tensors::File;

/// What is said of how weights find their places.
#[derive(clap::Args, Clone, Default)]
pub struct How {
    /// A text file that says which tensor each weight takes: our name and theirs on each line
    #[arg(long, value_name = "MAP")]
    pub map: Option<PathBuf>,
    /// The dictionary to use from a PyTorch checkpoint that holds several
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// A layer that starts afresh, such as head or "stage4.*"; may be given several times
    #[arg(long, value_name = "LAYER")]
    pub fresh: Vec<String>,
}

/// What a checked file takes of a file of weights.
pub struct Taken {
    pub loaded: Loaded,
    file: File,
    carried: Carried,
}

/// Checks `into` and finds what its model takes of `from`.
pub fn take(
    from: &Path,
    into: &Path,
    settings: &[String],
    sections: &[&str],
    how: &How,
    need: Need,
) -> Result<Taken, Stop> {
    let mut loaded = load::load_whole(into, settings, sections)?;
    let map = how.map.as_ref().map(|map| Map::open(map)).transpose()?;
    let wishes = Wishes {
        map: map.unwrap_or_default(),
        fresh: how.fresh.iter().map(|pattern| Pattern::of(pattern)).collect(),
        need,
    };
    let mut file = open(from, how.key.as_deref())?;
    let Some(model) = &loaded.experiment.model else { return Err(Stop::Findings) };
    let carried = match (carry(model, &mut file, &wishes), need) {
        // Who needs everything does not train: heads that only training uses may be missing.
        (Err(missing), Need::All) if !model.auxiliaries.is_empty() => {
            loaded.experiment = loaded.experiment.without_auxiliaries();
            let Some(model) = &loaded.experiment.model else { return Err(Stop::Findings) };
            carry(model, &mut file, &wishes).map_err(|_| missing)?
        }
        (carried, Need::All | Need::Trunk) => carried?,
    };
    Ok(Taken { loaded, file, carried })
}

impl Taken {
    /// What the weights were taken of, in a line.
    pub fn head(&self) -> String {
        let File { path, kind, tensors, within, .. } = &self.file;
        let within = within.iter().map(|key| format!(", of `{key}`")).collect::<String>();
        let n = plural(tensors.len() as u64, "tensor", "tensors");
        format!("{} ({kind}{within}): {n}", path.display())
    }

    pub fn rows(&self) -> &[Row] {
        &self.carried.rows
    }

    pub fn counts(&self) -> String {
        counts(&self.carried)
    }

    /// What a file of weights cannot say and the model says for itself.
    pub fn unsaid(&self) -> Option<String> {
        let model = self.loaded.experiment.model.as_ref()?;
        let mut epsilons: Vec<String> = Vec::new();
        for instance in model.layers.iter().filter(|instance| instance.has_states()) {
            if let Some(given) = instance.args.iter().find(|given| given.name == "epsilon") {
                let own = format!("`{}` epsilon={}", instance.unit.spec().name, given.arg);
                if !epsilons.contains(&own) {
                    epsilons.push(own);
                }
            }
        }
        let path = self.loaded.path.display();
        (!epsilons.is_empty()).then(|| {
            format!("not in such files, and taken from {path}: strides, padding, {}", epsilons.join(", "))
        })
    }

    /// Writes a file of weights that explains itself.
    pub fn write(self, path: &Path, classes: Vec<String>) -> Result<u64, Stop> {
        let (whole, card) = self.whole(classes)?;
        save(path, &whole, &card)?;
        let unreadable =
            |e: std::io::Error| Fault::internal(format!("what was written cannot be found: {e}"));
        Ok(std::fs::metadata(path).map_err(unreadable)?.len())
    }

    /// The same to be used at once: from the file itself, where it has everything under the model's own names; otherwise
    /// from memory.
    pub fn weights(self) -> Result<Weights, Stop> {
        let is_same = self.file.card.is_some()
            && self.rows().iter().all(|row| match row.outcome {
                Outcome::Taken => row.how.is_empty(),
                Outcome::Left => true,
                Outcome::Renamed | Outcome::Fresh => false,
            });
        if is_same {
            let card = self.card(Vec::new())?;
            let weights = Weights::open(&self.file.path)?;
            let (step, epoch) = (weights.card.step, weights.card.epoch);
            return Ok(weights.described(Card { step, epoch, ..card }));
        }
        let (whole, card) = self.whole(Vec::new())?;
        Ok(Weights::from_bytes(to_bytes(&whole, &card)?)?)
    }

    /// Every number of the model, and what they are.
    fn whole(self, classes: Vec<String>) -> Result<(Whole, Card), Stop> {
        let card = self.card(classes)?;
        let experiment = &self.loaded.experiment;
        let Some(model) = &experiment.model else { return Err(Stop::Findings) };
        let seed = experiment.train.as_ref().map_or(0, |train| train.seed);
        Ok((Whole::new(model, self.carried, seed), card))
    }

    fn card(&self, classes: Vec<String>) -> Result<Card, Stop> {
        let Some(model) = &self.loaded.experiment.model else { return Err(Stop::Findings) };
        let outputs = model.output().filter(|shape| shape.rank() == 1).map_or(0, |shape| shape.elements());
        let known = self.file.card.as_ref().map(|card| card.classes.clone()).unwrap_or_default();
        let heads = self.carried.count(Outcome::Fresh);
        let classes = if classes.is_empty() && heads == 0 { known } else { classes };
        if !classes.is_empty() && classes.len() != outputs {
            let message = format!(
                "error: there are {} names of classes, but the model gives {outputs} numbers",
                classes.len()
            );
            return Err(Stop::Environment(message));
        }
        Ok(Card {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            model: model.name.clone(),
            source: self.loaded.resolved(Settled::default()),
            classes,
            ..Card::default()
        })
    }
}

/// `62 tensors taken, 40 of them under another name; 2 start afresh; 20 left`
pub fn counts(carried: &Carried) -> String {
    let count = |outcome| carried.count(outcome);
    let renamed = count(Outcome::Renamed);
    let taken = count(Outcome::Taken) + renamed;
    let mut text = format!("{} taken", plural(taken as u64, "tensor", "tensors"));
    if renamed > 0 {
        text.push_str(&format!(", {renamed} of them under another name"));
    }
    for (outcome, what) in [(Outcome::Fresh, "start afresh"), (Outcome::Left, "left")] {
        if count(outcome) > 0 {
            text.push_str(&format!("; {} {what}", count(outcome)));
        }
    }
    text
}

/// The table of these rows.
pub fn text<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let cells = |row: &Row| {
        let dash = || "-".to_owned();
        vec![
            row.ours.clone().unwrap_or_else(dash),
            row.shape.clone(),
            row.theirs.clone().unwrap_or_else(dash),
            row.how.clone(),
        ]
    };
    table(&["ours", "shape", "theirs", "how"], 4, rows.map(cells).collect())
}

/// Tells what a training begins with: every weight that did not simply keep its name.
pub fn tell(model: &Model, carried: &Carried, path: &str) {
    const MOST: usize = 40;
    let changed: Vec<&Row> = carried.rows.iter().filter(|row| row.outcome != Outcome::Taken).collect();
    err(&format!("weights of `{}` from {path}: {}", model.name, counts(carried)));
    if changed.is_empty() {
        return;
    }
    err(&text(changed.iter().copied().take(MOST)));
    if changed.len() > MOST {
        err(&format!("… and {} more", changed.len() - MOST));
    }
}

/// `44.6 MB in weights.safetensors`
pub fn written(path: &Path, length: u64) -> String {
    format!("{} in {}", bytes(length), path.display())
}
