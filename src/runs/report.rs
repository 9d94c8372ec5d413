//! What a training came to → one JSON object.

use serde_json::{Value, json};

use crate::train::metrics::{Classes, Evaluation};
use crate::train::trainer::{Ended, Job, Outcome};

/// The figures of a run, under the names that `expect` has for them.
pub fn report(job: &Job<'_>, classes: &[String], outcome: &Outcome) -> Value {
    let (last, test) = (outcome.epochs.last(), &outcome.test);
    let validation = last.and_then(|epoch| epoch.validation);
    json!({
        "model": job.model.name,
        "parameters": job.model.n_parameters(),
        "batch": job.batch,
        "epochs": outcome.epochs.len(),
        "steps": outcome.steps,
        "ended": match outcome.ended {
            Ended::Complete => "complete",
            Ended::Early => "early_stop",
            Ended::Interrupted => "interrupted",
        },
        "train.loss": last.map(|epoch| epoch.train_loss),
        "train.accuracy": last.and_then(|epoch| epoch.train_accuracy),
        "validation.loss": validation.map(|found| found.loss),
        "validation.accuracy": validation.and_then(|found| found.accuracy),
        "train.seconds": outcome.seconds,
        "train.images_per_second": outcome.images_per_second,
        "test.epoch": outcome.tested,
        "test.images": test.images,
        "test.loss": test.loss,
        "test.accuracy": test.accuracy(),
        "test.classes": classes_json(test, classes),
        "test.confusion": confusion_json(test),
    })
}

/// Precision, recall and number of images of each class; null where there are none to find.
pub fn classes_json(test: &Evaluation, classes: &[String]) -> Value {
    let Some(found) = &test.classes else { return Value::Null };
    let class = |(i, name): (usize, &String)| {
        let score = found.confusion.class(i);
        json!({ "class": name, "precision": score.precision, "recall": score.recall, "images": score.support })
    };
    classes.iter().enumerate().map(class).collect()
}

/// Rows are true classes, columns predicted ones; null where there are none to find.
pub fn confusion_json(test: &Evaluation) -> Value {
    let Some(Classes { confusion, .. }) = &test.classes else { return Value::Null };
    let n = confusion.n_classes();
    let row = |truth| (0..n).map(|predicted| confusion.count(truth, predicted)).collect::<Vec<u64>>();
    (0..n).map(row).collect()
}
