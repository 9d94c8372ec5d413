//! `pixel_accuracy`: the share of pixels whose highest score is the right class.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::accuracy::accuracy;
use crate::train::metrics::{Better, How, Metric, Shown};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Higher, shown: Shown::Share, how };

static SPEC: Spec = Spec {
    name: "pixel_accuracy",
    summary: "share of pixels whose highest score is the right class",
    docs: "Over all pixels of the set; those that a mask ignores do not count.",
    params: &[],
    example: "metrics pixel_accuracy",
    elsewhere: &["pixel_acc", "aAcc", "global_accuracy"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Masks => Some(How::Counted(accuracy)),
        Task::Classes | Task::Labels | Task::Numbers | Task::Images => None,
    }
}
