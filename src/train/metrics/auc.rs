//! `auc`: how surely the model ranks what is of a class above what is not.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::{Better, How, Metric, Shown};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Higher, shown: Shown::Number, how };

static SPEC: Spec = Spec {
    name: "auc",
    summary: "area under the ROC curve, the mean over classes or labels",
    docs: "The probability that an image of the class scores higher than one outside it, where a tie counts half; the mean over \
           classes, each against all others (`roc_auc_score(multi_class=\"ovr\")` of scikit-learn), or over labels. A class or \
           label that all images have, or none, does not count.",
    params: &[],
    example: "metrics auc",
    elsewhere: &["roc_auc", "AUC", "AUROC", "roc_auc_score"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Classes | Task::Labels => Some(How::Ranked(area)),
        Task::Numbers | Task::Masks | Task::Images => None,
    }
}

/// The area of scores that are sorted, the highest first, in groups of equal ones: how many of each hold, and how many not.
fn area(groups: &[[u64; 2]]) -> Option<f64> {
    let [holds, fails] = groups.iter().fold([0, 0], |[a, b], [c, d]| [a + c, b + d]);
    if holds == 0 || fails == 0 {
        return None;
    }
    let (mut below, mut pairs) = (fails as f64, 0.0);
    for [own, others] in groups {
        below -= *others as f64;
        pairs += *own as f64 * (below + *others as f64 / 2.0);
    }
    Some(pairs / (holds as f64 * fails as f64))
}
