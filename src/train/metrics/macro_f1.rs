//! `macro_f1`: the mean F1 of the classes or labels.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::confusion::{ClassScore, Confusion, Overlap};
use crate::train::metrics::mean;
use crate::train::metrics::{Better, How, Metric, Shown};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Higher, shown: Shown::Share, how };

static SPEC: Spec = Spec {
    name: "macro_f1",
    summary: "mean F1 of the classes or labels",
    docs: "`2 TP / (2 TP + FP + FN)` for each; a class that is neither present nor predicted does not count. A label is predicted \
           if its probability is above one half. Same as `f1_score(average=\"macro\")` in scikit-learn.",
    params: &[],
    example: "metrics macro_f1",
    elsewhere: &["f1", "F1Score", "f1_macro", "f1_score"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Classes => Some(How::Counted(of_classes)),
        Task::Labels => Some(How::Labels(ClassScore::f1)),
        Task::Numbers | Task::Masks | Task::Images => None,
    }
}

fn of_classes(confusion: &Confusion) -> Option<f64> {
    mean((0..confusion.n_classes()).filter_map(|class| confusion.overlap(class, Overlap::Dice)))
}
