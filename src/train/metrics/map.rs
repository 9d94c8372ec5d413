//! `map`: the mean average precision of the labels.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::{Better, How, Metric, Shown};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Higher, shown: Shown::Share, how };

static SPEC: Spec = Spec {
    name: "map",
    summary: "mean average precision of the labels",
    docs: "`Σ (R_n - R_{n-1}) P_n` for each label over its scores, highest first, without interpolation; a label that is never \
           present does not count. Same as `average_precision_score(average=\"macro\")` in scikit-learn.",
    params: &[],
    example: "metrics map",
    elsewhere: &["mAP", "average_precision", "mean_average_precision", "AveragePrecision"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Labels => Some(How::Ranked(average)),
        Task::Classes | Task::Numbers | Task::Masks | Task::Images => None,
    }
}

/// The average precision of scores that are sorted, the highest first, in groups of equal ones.
fn average(groups: &[[u64; 2]]) -> Option<f64> {
    let all: u64 = groups.iter().map(|[holds, _]| holds).sum();
    if all == 0 {
        return None;
    }
    let (mut found, mut called, mut sum) = (0, 0, 0.0);
    for [holds, fails] in groups {
        found += holds;
        called += holds + fails;
        sum += *holds as f64 / all as f64 * (found as f64 / called as f64);
    }
    Some(sum)
}
