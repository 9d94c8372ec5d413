//! `rmse`: the root of the mean squared error of the numbers.

use crate::data::sample::Task;
use crate::spec::Spec;
use crate::train::metrics::errors::Errors;
use crate::train::metrics::{Better, How, Metric, Shown};
use crate::train::metrics::{Context, Meter, mean};

pub static METRIC: Metric = Metric { spec: &SPEC, better: Better::Lower, shown: Shown::Number, how };

static SPEC: Spec = Spec {
    name: "rmse",
    summary: "root of the mean squared error of the numbers",
    docs: "In the data's units; computed for each number, then averaged. Same as `root_mean_squared_error` in scikit-learn.",
    params: &[],
    example: "metrics rmse",
    elsewhere: &["root_mean_squared_error", "RMSE"],
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
        mean(self.errors.scores().into_iter().filter_map(|score| score.rmse))
    }
}
