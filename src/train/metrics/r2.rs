//! `r2`: how much of the spread of the numbers is explained.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::errors::NumberScore;
use crate::train::metrics::{Better, How, Metric, Shown};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Higher, shown: Shown::Number, how };

static SPEC: Spec = Spec {
    name: "r2",
    summary: "share of the numbers' variance that the model explains",
    docs: "`1 - Σ e² / Σ (y - mean)²`; computed for each number, then averaged, without numbers that never vary. `r2_score` of \
           scikit-learn.",
    params: &[],
    example: "metrics r2",
    elsewhere: &["R2", "r2_score", "R2Score", "explained_variance"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Numbers => Some(How::Numbers(r2)),
        Task::Classes | Task::Labels | Task::Masks | Task::Images => None,
    }
}

fn r2(score: &NumberScore) -> Option<f64> {
    score.r2
}
