//! `PATH=VALUES` → the values that a setting is tried with: `16,32` one after the other, `1e-4..1e-1` between two numbers.

use crate::diag::{Fault, codes};
use crate::tensor::random::Random;

/// A setting that is tried with several values.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Such as `train.optimizer.lr`.
    pub path: String,
    pub values: Values,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    List(Vec<String>),
    Range {
        from: f64,
        to: f64,
        scale: Scale,
        numbers: Numbers,
        /// How many values a grid takes.
        points: usize,
    },
}

/// How values of a range are apart: by one factor, where the range spans a factor of ten or more, else by one difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Factors,
    Differences,
}

/// Whole numbers, where both ends are written so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    Whole,
    Any,
}

/// Values of a range in a grid, where nothing is said.
const POINTS: usize = 5;
/// Trials of a grid at most.
pub const MOST_TRIALS: usize = 10_000;
/// Draws for one trial that may be the same as another one.
const DRAWS: u32 = 50;

/// Reads `PATH=VALUES`.
pub fn parse(text: &str) -> Result<Axis, Fault> {
    let refuse = |why: &str| {
        Fault::new(codes::BAD_VALUE, format!("`--try {text}`: {why}"))
            .advise("`--try train.batch=16,32,64` for each of these values")
            .advise("`--try train.optimizer.lr=1e-4..1e-1` for values between two numbers, in a grid 5, or 4 with `…1e-1:4`")
    };
    let (path, values) = text.split_once('=').ok_or_else(|| refuse("the values come after `=`"))?;
    let (path, values) = (path.trim().to_owned(), values.trim());
    if path.is_empty() || values.is_empty() {
        return Err(refuse("a path and values are needed"));
    }
    let Some((from, to)) = values.split_once("..") else {
        let values: Vec<String> = listed(values).into_iter().map(|value| value.trim().to_owned()).collect();
        return match values.iter().any(String::is_empty) {
            true => Err(refuse("a value is missing between commas")),
            false => Ok(Axis { path, values: Values::List(values) }),
        };
    };
    let (to, points) = match to.split_once(':') {
        Some((to, points)) => {
            let points = points.trim().parse().ok().filter(|points| (2..=1000).contains(points));
            (to, points.ok_or_else(|| refuse("a grid takes 2 to 1000 values of a range"))?)
        }
        None => (to, POINTS),
    };
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let (Some(low), Some(high)) = (number(from), number(to)) else {
        return Err(refuse("a range has a number at each end"));
    };
    if low >= high {
        return Err(refuse("the first number of a range is the smaller one"));
    }
    let is_whole = [from, to].iter().all(|end| end.trim().parse::<i64>().is_ok());
    let scale = if low > 0.0 && high / low >= 10.0 { Scale::Factors } else { Scale::Differences };
    let numbers = if is_whole { Numbers::Whole } else { Numbers::Any };
    Ok(Axis { path, values: Values::Range { from: low, to: high, scale, numbers, points } })
}

/// Values between commas that stand in no brackets.
fn listed(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut begin) = (Vec::new(), 0i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

impl Axis {
    /// The value at a share of the way, 0 to 1.
    fn at(&self, share: f64) -> String {
        match &self.values {
            Values::List(values) => {
                let at = (share * values.len() as f64) as usize;
                values[at.min(values.len() - 1)].clone()
            }
            Values::Range { from, to, scale, numbers, .. } => {
                let value = match scale {
                    Scale::Factors => from * (to / from).powf(share),
                    Scale::Differences => from + (to - from) * share,
                };
                match numbers {
                    Numbers::Whole => format!("{:.0}", value.round()),
                    Numbers::Any => short(value),
                }
            }
        }
    }

    /// The values of a grid.
    fn grid(&self) -> Vec<String> {
        match &self.values {
            Values::List(values) => values.clone(),
            Values::Range { points, .. } => {
                let mut values: Vec<String> =
                    (0..*points).map(|i| self.at(i as f64 / (*points - 1) as f64)).collect();
                values.dedup();
                values
            }
        }
    }

    pub fn is_list(&self) -> bool {
        matches!(self.values, Values::List(_))
    }
}

/// Three digits: finer differences are chance.
fn short(value: f64) -> String {
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    match rounded == 0.0 || (1e-2..1e4).contains(&rounded.abs()) {
        true => format!("{rounded}"),
        false => format!("{rounded:e}"),
    }
}

/// Every combination of the axes' values, the last axis changing first.
pub fn grid(axes: &[Axis]) -> Result<Vec<Vec<String>>, Fault> {
    let mut trials: Vec<Vec<String>> = vec![Vec::new()];
    for axis in axes {
        let values = axis.grid();
        if trials.len().saturating_mul(values.len()) > MOST_TRIALS {
            let message = format!("the grid has more than {MOST_TRIALS} combinations");
            return Err(Fault::new(codes::BAD_VALUE, message).advise("`--method random --runs 20`"));
        }
        let with = |trial: &Vec<String>| {
            let own = trial.clone();
            values
                .iter()
                .map(move |value| [own.clone(), vec![format!("{}={value}", axis.path)]].concat())
                .collect::<Vec<_>>()
        };
        trials = trials.iter().flat_map(with).collect();
    }
    Ok(trials)
}

/// So many different combinations, drawn by a seed; fewer where there are no more.
pub fn random(axes: &[Axis], n: usize, seed: u64) -> Vec<Vec<String>> {
    let mut trials: Vec<Vec<String>> = Vec::new();
    for number in 0..n as u32 {
        let draw = |repeat: u32| -> Vec<String> {
            let value = |axis: &Axis| {
                let mut random = Random::new(seed, &format!("sweep {} {repeat}", axis.path), number);
                format!("{}={}", axis.path, axis.at(f64::from(random.uniform())))
            };
            axes.iter().map(value).collect()
        };
        if let Some(new) = (0..DRAWS).map(draw).find(|trial| !trials.contains(trial)) {
            trials.push(new);
        }
    }
    trials
}

#[cfg(test)]
mod tests {
    use super::{grid, parse, random};

    fn axes(texts: &[&str]) -> Vec<super::Axis> {
        texts.iter().map(|text| parse(text).unwrap()).collect()
    }

    #[test]
    fn lists_and_ranges_make_a_grid() {
        let trials = grid(&axes(&["a=1,2", "b=1e-4..1e-1:4"])).unwrap();
        assert_eq!(trials.len(), 8);
        assert_eq!(trials[0], ["a=1", "b=1e-4"]);
        assert_eq!(trials[6], ["a=2", "b=0.01"]);
        assert_eq!(trials[7], ["a=2", "b=0.1"]);
        assert_eq!(grid(&axes(&["m=[1, 2],[3, 4]"])).unwrap(), [["m=[1, 2]"], ["m=[3, 4]"]]);
        assert_eq!(grid(&axes(&["w=1..3"])).unwrap(), [["w=1"], ["w=2"], ["w=3"]], "whole numbers once");
        let many: Vec<String> = (0..101).map(|i| i.to_string()).collect();
        let many = format!("a={}", many.join(","));
        assert!(grid(&axes(&[&many, &many])).is_err());
    }

    #[test]
    fn random_trials_differ_and_cover_the_range() {
        let found = random(&axes(&["lr=1e-4..1e-1", "batch=16,32"]), 40, 0);
        assert_eq!(found.len(), 40);
        assert_eq!(found, random(&axes(&["lr=1e-4..1e-1", "batch=16,32"]), 40, 0));
        let rates: Vec<f64> = found.iter().map(|trial| trial[0][3..].parse().unwrap()).collect();
        assert!(rates.iter().all(|rate| (1e-4..=1e-1).contains(rate)));
        // By factors: about a third in each decade.
        let low = rates.iter().filter(|rate| **rate < 1e-3).count();
        assert!((6..22).contains(&low), "{low} of 40");
        assert_eq!(random(&axes(&["a=1,2"]), 40, 0).len(), 2);
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for text in ["a", "a=", "=1", "a=1,,2", "a=2..1", "a=x..y", "a=1..2:1", "a=1..inf"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
