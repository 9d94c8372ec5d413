//! The epochs of a run → what a measurement came to over them, as one line of text.

use serde_json::Value;

use crate::report::curves::measurements;
use crate::report::html::metric;
use crate::train::metrics::Better;

/// Columns of a curve in text.
const COLUMNS: usize = 32;
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A measurement over the epochs of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// `validation.loss`
    pub name: String,
    /// Epoch and number, in order.
    pub points: Vec<(u64, f64)>,
}

/// Those of the parts that are trained on and watched, in the order of their names.
pub fn series(events: &[Value]) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for event in events.iter().filter(|event| event["event"] == "epoch") {
        let Some(epoch) = event["epoch"].as_u64() else { continue };
        for part in ["train", "validation"] {
            for (name, number) in measurements(event, part) {
                let name = format!("{part}.{name}");
                match all.iter_mut().find(|own| own.name == name) {
                    Some(own) => own.points.push((epoch, number)),
                    None => all.push(Series { name, points: vec![(epoch, number)] }),
                }
            }
        }
    }
    all
}

impl Series {
    /// Whether less is better.
    fn falls(&self) -> bool {
        falls(&self.name)
    }

    /// The best number and its epoch, of equal ones the earliest.
    pub fn best(&self) -> Option<(u64, f64)> {
        let better = |a: f64, b: f64| if self.falls() { a < b } else { a > b };
        let finite = self.points.iter().copied().filter(|(_, x)| x.is_finite());
        finite.reduce(|best, next| if better(next.1, best.1) { next } else { best })
    }

    /// The curve as blocks of eight heights, from the least number to the largest.
    pub fn blocks(&self) -> String {
        let numbers: Vec<f64> = self.points.iter().map(|(_, x)| *x).filter(|x| x.is_finite()).collect();
        let (low, high) = numbers
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
        let n = numbers.len().min(COLUMNS);
        let block = |column: usize| {
            let share =
                (numbers[column * (numbers.len() - 1) / (n - 1).max(1)] - low) / (high - low).max(1e-300);
            HEIGHTS[((share * 7.0).round() as usize).min(7)]
        };
        (0..n).map(block).collect()
    }
}

/// Whether less of a measurement is better. Its metric says so; what is of none is a loss or a cost.
pub fn falls(name: &str) -> bool {
    metric(name).is_none_or(|metric| metric.better == Better::Lower)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{falls, series};

    #[test]
    fn less_is_better_of_losses_and_errors() {
        let less = ["test.loss", "test.loss_without_smoothing", "best validation.rmse", "parameters"];
        assert!(less.into_iter().all(falls));
        assert!(!["test.accuracy", "validation.r2", "best validation.macro_f1"].into_iter().any(falls));
    }

    #[test]
    fn a_measurement_is_one_line() {
        let epoch = |n: u64| {
            json!({ "event": "epoch", "epoch": n, "train.loss": 8.0 - n as f64, "validation.accuracy": null,
                                     "validation.macro_f1": if n == 2 { 0.5 } else { 0.25 }, "seconds": 1 })
        };
        let events: Vec<_> = (1..=8).map(epoch).chain([json!({ "event": "end", "train.loss": 9 })]).collect();
        let found = series(&events);
        let names: Vec<&str> = found.iter().map(|own| own.name.as_str()).collect();
        assert_eq!(names, ["train.loss", "validation.macro_f1"]);
        assert_eq!((found[0].blocks().as_str(), found[0].best()), ("█▇▆▅▄▃▂▁", Some((8, 0.0))));
        assert_eq!((found[1].blocks().as_str(), found[1].best()), ("▁█▁▁▁▁▁▁", Some((2, 0.5))));
        assert_eq!(series(&events[..1])[0].blocks(), "▁");
    }
}
