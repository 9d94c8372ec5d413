//! `mae`: the mean absolute error of the numbers.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::errors::NumberScore;
use crate::train::metrics::{Better, How, Metric, Shown};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Lower, shown: Shown::Number, how };

static SPEC: Spec = Spec {
    name: "mae",
    summary: "mean absolute error of the numbers",
    docs: "In the data's units; computed for each number, then averaged. Same as `mean_absolute_error` in scikit-learn.",
    params: &[],
    example: "metrics mae",
    elsewhere: &["mean_absolute_error", "MAE"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Numbers => Some(How::Numbers(mae)),
        Task::Classes | Task::Labels | Task::Masks | Task::Images => None,
    }
}

fn mae(score: &NumberScore) -> Option<f64> {
    score.mae
}
