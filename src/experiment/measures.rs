//! What is measured, watched or expected must be something that the kind of target has: no accuracy of numbers.

use crate::data::sample::Task;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::experiment::Experiment;
use crate::experiment::expect::Expectation;
use crate::source::Span;
use crate::train::metrics::{self, Better, Metric};
use crate::train::section::{Monitor, TrainSection};

/// The metric of a quantity such as `test.mae`, if it is one.
pub fn metric(expectation: &Expectation) -> Option<&'static Metric> {
    let (part, name) = expectation.quantity.split_once('.')?;
    metrics::find(name).filter(|_| ["train", "validation", "test"].contains(&part))
}

/// Holds what is measured against what the data tell of an image.
pub fn check(experiment: &Experiment, diagnostics: &mut Diagnostics) {
    let Some(train) = &experiment.train else { return };
    let (Ok(task), Ok(itself)) = (train.task(), train.reproduces()) else { return };
    if train.task.is_none() && !itself {
        return;
    }
    let lacks = |metric: &Metric| (metric.how)(task).is_none();
    if let (Some(metrics), Some(span)) = (&train.metrics, train.metrics_span) {
        for metric in metrics.iter().filter(|metric| lacks(metric)) {
            diagnostics.push(refused(metric, task, span, train));
        }
    }
    if let (Monitor::Metric(metric), None, Some(span)) = (train.monitor, &train.monitored, train.monitor_span)
        && lacks(metric)
    {
        diagnostics.push(Diagnostic { code: codes::TRAINING_NEEDS, ..refused(metric, task, span, train) });
    }
    for expectation in experiment.expect.iter().filter(|own| own.output.is_none()) {
        if let Some(metric) = metric(expectation).filter(|metric| lacks(metric)) {
            let d = refused(metric, task, expectation.span, train);
            diagnostics.push(Diagnostic { code: codes::EXPECTATION, ..d });
        }
    }
}

fn refused(metric: &Metric, task: Task, span: Span, train: &TrainSection) -> Diagnostic {
    let name = metric.spec.name;
    let itself = train.reproduces().unwrap_or(false);
    let own = match itself {
        true => "the loss compares with the image itself".to_owned(),
        false => format!("the data tell {} of each image", task.one()),
    };
    let mut d = Diagnostic::error(codes::BAD_VALUE, span, format!("`{name}` is not measured here: {own}"))
        .label(format!("there is no `{name}` of that"));
    if itself {
        d = d.related(train.loss.span, "the loss compares with the image, which is not a class");
    }
    let names: Vec<String> = metrics::of(task).map(|metric| format!("`{}`", metric.spec.name)).collect();
    let shown = |metric: &Metric| match metric.better {
        Better::Higher => "the higher, the better",
        Better::Lower => "the lower, the better",
    };
    match metrics::usual(task).first() {
        Some(first) if names.len() == 1 => {
            d.advise(format!("`{}`, {}, or the loss", first.spec.name, shown(first)))
        }
        Some(_) | None => d.advise(format!("one of {}, or the loss", names.join(", "))),
    }
}
