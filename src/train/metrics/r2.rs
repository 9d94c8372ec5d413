//! `r2`: how much of the spread of the numbers is explained.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::errors::Errors;
use crate::train::metrics::{Better, How, Metric, Shown};
use crate::train::metrics::{Context, Meter, mean};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Higher, shown: Shown::Number, how };

static SPEC: Spec = Spec {
    name: "r2",
    summary: "share of the numbers' variance that the model explains",
    docs: "`1 - Σ e² / Σ (y - mean)²`; computed for each number, then averaged, without numbers that never vary. `r2_score` of \
           scikit-learn.",
    params: &[],
    example: "metrics r2",
    elsewhere: &["R2", "r2_score", "R2Score", "explained_variance"],
};

fn how(task: Task) -> Option<How> {
    match task {
        Task::Numbers => Some(How::Metered(meter)),
        Task::Classes | Task::Labels | Task::Masks | Task::Images => None,
    }
}

fn meter(context: &Context) -> Box<dyn Meter> {
    Box::new(Own { errors: Errors::new(context.n) })
}

struct Own {
    errors: Errors,
}

impl Meter for Own {
    fn add(&mut self, output: &[f32], target: &[f32]) {
        self.errors.add(output, target);
    }

    fn value(&self) -> Option<f64> {
        mean(self.errors.scores().into_iter().filter_map(|score| score.r2))
    }
}
