//! `accuracy`: the share of images whose highest score is the right class.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::confusion::Confusion;
use crate::train::metrics::{Better, How, Metric, Shown};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Higher, shown: Shown::Share, how };

static SPEC: Spec = Spec {
    name: "accuracy",
    summary: "share of images whose highest score is the right class",
    docs: "If scores tie, the first one counts. Same as `accuracy_score` in scikit-learn.",
    params: &[],
    example: "metrics accuracy",
    elsewhere: &["acc", "top1", "categorical_accuracy", "sparse_categorical_accuracy"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Classes => Some(How::Counted(accuracy)),
        Task::Labels | Task::Numbers | Task::Masks | Task::Images => None,
    }
}

/// The share of what was counted that was found.
pub fn accuracy(confusion: &Confusion) -> Option<f64> {
    let n = confusion.n_classes();
    let hits: u64 = (0..n).map(|class| confusion.count(class, class)).sum();
    let all = confusion.total();
    (all > 0).then(|| hits as f64 / all as f64)
}
