//! `mean_iou`: the mean over classes of the share of pixels in both areas among those in one of them.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::confusion::{Confusion, Overlap};
use crate::train::metrics::mean;
use crate::train::metrics::{Better, How, Metric, Shown};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Higher, shown: Shown::Share, how };

static SPEC: Spec = Spec {
    name: "mean_iou",
    summary: "mean over classes of intersection over union",
    docs: "`TP / (TP + FP + FN)` for each class over all pixels of the set; a class that is neither present nor predicted does \
           not count. Same as `jaccard_score(average=\"macro\")` in scikit-learn.",
    params: &[],
    example: "metrics mean_iou",
    elsewhere: &["iou", "IoU", "miou", "mIoU", "jaccard", "MeanIoU", "JaccardIndex"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Masks => Some(How::Counted(mean_iou)),
        Task::Classes | Task::Labels | Task::Numbers | Task::Images => None,
    }
}

fn mean_iou(confusion: &Confusion) -> Option<f64> {
    mean((0..confusion.n_classes()).filter_map(|class| confusion.overlap(class, Overlap::Union)))
}
