//! `kappa`: agreement beyond chance (Cohen, 1960).

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::confusion::Confusion;
use crate::train::metrics::{Better, How, Metric, Shown};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Higher, shown: Shown::Number, how };

static SPEC: Spec = Spec {
    name: "kappa",
    summary: "agreement beyond chance",
    docs: "`1 - Σ O / Σ E` over all wrong answers, as observed (`O`) and as expected by chance (`E`). Same as `cohen_kappa_score` \
           in scikit-learn.",
    params: &[],
    example: "metrics kappa",
    elsewhere: &["cohen_kappa", "CohenKappa", "cohens_kappa"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Classes => Some(How::Counted(kappa)),
        Task::Labels | Task::Numbers | Task::Masks | Task::Images => None,
    }
}

fn kappa(confusion: &Confusion) -> Option<f64> {
    confusion.kappa(|a, b| if a == b { 0.0 } else { 1.0 })
}
