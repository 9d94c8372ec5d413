//! `quadratic_kappa`: agreement beyond chance of classes that have an order.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::confusion::Confusion;
use crate::train::metrics::{Better, How, Metric, Shown};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Higher, shown: Shown::Number, how };

static SPEC: Spec = Spec {
    name: "quadratic_kappa",
    summary: "agreement beyond chance, for classes that have an order",
    docs: "A wrong answer is weighted by the square of its distance. Same as `cohen_kappa_score(weights=\"quadratic\")` in \
           scikit-learn.",
    params: &[],
    example: "metrics quadratic_kappa",
    elsewhere: &["qwk", "QWK", "quadratic_weighted_kappa"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Classes => Some(How::Counted(kappa)),
        Task::Labels | Task::Numbers | Task::Masks | Task::Images => None,
    }
}

fn kappa(confusion: &Confusion) -> Option<f64> {
    confusion.kappa(|a, b| (a as f64 - b as f64).powi(2))
}
