//! `balanced_accuracy`: the mean recall of the classes.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::confusion::Confusion;
use crate::train::metrics::mean;
use crate::train::metrics::{Better, How, Metric, Shown};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Higher, shown: Shown::Share, how };

static SPEC: Spec = Spec {
    name: "balanced_accuracy",
    summary: "mean recall of the classes",
    docs: "Classes without images do not count. Same as `balanced_accuracy_score` in scikit-learn.",
    params: &[],
    example: "metrics balanced_accuracy",
    elsewhere: &["macro_recall", "UAR", "bacc"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Classes => Some(How::Counted(balanced)),
        Task::Labels | Task::Numbers | Task::Masks | Task::Images => None,
    }
}

fn balanced(confusion: &Confusion) -> Option<f64> {
    mean((0..confusion.n_classes()).filter_map(|class| confusion.class(class).recall))
}
