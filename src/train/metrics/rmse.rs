//! `rmse`: the root of the mean squared error of the numbers.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::errors::NumberScore;
use crate::train::metrics::{Better, How, Metric, Shown};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Lower, shown: Shown::Number, how };

static SPEC: Spec = Spec {
    name: "rmse",
    summary: "root of the mean squared error of the numbers",
    docs: "In the data's units; computed for each number, then averaged. Same as `root_mean_squared_error` in scikit-learn.",
    params: &[],
    example: "metrics rmse",
    elsewhere: &["root_mean_squared_error", "RMSE"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Numbers => Some(How::Numbers(rmse)),
        Task::Classes | Task::Labels | Task::Masks | Task::Images => None,
    }
}

fn rmse(score: &NumberScore) -> Option<f64> {
    score.rmse
}
