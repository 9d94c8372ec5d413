//! A class that no image is taken for.

use crate::diag::codes;
use crate::train::trainer::Part;
use crate::train::warnings::{Warning, Watched, dead_units, flat, rate, unscaled, warning};

pub const CODE: &str = codes::NEVER_PREDICTED;

/// Images of a class below which chance may hide it.
const FEWEST: u64 = 5;
/// Before such an epoch a model may not have come to every class.
const PATIENCE: usize = 3;
const MOST_NAMES: usize = 3;
const CAUSES: [&str; 4] = [unscaled::CODE, rate::CODE, dead_units::CODE, flat::CODE];

pub fn judge(watched: &Watched<'_>) -> Option<Warning> {
    let (classes, chance) = watched.measured()?;
    let (part, _) = watched.evaluation?;
    let late = match part {
        Part::Test => true,
        Part::Validation => {
            watched.epochs.len() >= PATIENCE && 2 * watched.epochs.len() >= watched.train.epochs
        }
    };
    // A model that guesses, or that does not get to learn, is another matter.
    let has_cause = CAUSES.iter().any(|code| watched.was_told(code));
    if !late || has_cause || classes.accuracy <= chance {
        return None;
    }
    let confusion = &classes.confusion;
    let called = |class: usize| (0..confusion.n_classes()).any(|truth| confusion.count(truth, class) > 0);
    let silent: Vec<usize> = (0..confusion.n_classes())
        .filter(|&class| confusion.class(class).support >= FEWEST && !called(class))
        .collect();
    let names: Vec<String> = silent
        .iter()
        .take(MOST_NAMES)
        .filter_map(|&class| Some(format!("`{}`", watched.labels.classes.get(class)?.0)))
        .collect();
    let others = match silent.len().saturating_sub(MOST_NAMES) {
        0 => String::new(),
        n => format!(" and {n} other classes"),
    };
    let lacking =
        silent.iter().find_map(|&class| watched.labels.classes.get(class).filter(|(_, count)| *count == 0));
    let message = format!("no {} image is predicted as {}{others}", part.name(), names.join(", "));
    (!names.is_empty()).then(|| {
        let told = warning(codes::NEVER_PREDICTED, message);
        match lacking {
            Some((name, _)) => {
                told.advise(format!("there is no training image of `{name}`: add some, or remove the class"))
            }
            None => told.advise("more training images of it").advise("a longer training, or a larger model"),
        }
    })
}
