//! `dice`: the mean over classes of twice the pixels in both areas among those of each.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::confusion::{Confusion, Overlap};
use crate::train::metrics::mean;
use crate::train::metrics::{Better, How, Metric, Shown};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Higher, shown: Shown::Share, how };

static SPEC: Spec = Spec {
    name: "dice",
    summary: "mean over classes of twice the intersection over the sum of both areas",
    docs: "`2 TP / (2 TP + FP + FN)` for each class over all pixels of the set; a class that is neither present nor predicted \
           does not count.",
    params: &[],
    example: "metrics dice",
    elsewhere: &["dice_score", "DiceScore", "f1_pixels"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Masks => Some(How::Counted(dice)),
        Task::Classes | Task::Labels | Task::Numbers | Task::Images => None,
    }
}

fn dice(confusion: &Confusion) -> Option<f64> {
    mean((0..confusion.n_classes()).filter_map(|class| confusion.overlap(class, Overlap::Dice)))
}
