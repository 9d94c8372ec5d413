//! What a training came to → one JSON object.

use serde_json::{Value, json};

use crate::train::metrics::confusion::Overlap;
use crate::train::metrics::errors::NumberScore;
use crate::train::metrics::{ClassScore, Classes, Confusion, Detail, Evaluation, Figure, Further, Score};
use crate::train::trainer::{Ended, Job, Outcome};

/// The figures of a run, under the names that `expect` has for them.
pub fn report(job: &Job<'_>, classes: &[String], outcome: &Outcome) -> Value {
    let (last, test) = (outcome.epochs.last(), &outcome.test);
    let validation = last.and_then(|epoch| epoch.validation.as_ref());
    let mut report = json!({
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
    });
    if let Some(found) = validation {
        scores(&mut report, "validation", found);
    }
    add_test(&mut report, test, classes);
    report
}

/// Adds what the metrics came to.
fn figures(report: &mut Value, part: &str, figures: &[Figure]) {
    for Figure { metric, value } in figures {
        report[format!("{part}.{}", metric.spec.name)] = json!(value);
    }
}

/// Adds what the metrics came to, of each further output with its loss.
fn scores(report: &mut Value, part: &str, score: &Score) {
    figures(report, part, &score.figures);
    for (name, own) in &score.outputs {
        report[format!("{part}.{name}.loss")] = json!(own.loss);
        scores(report, &format!("{part}.{name}"), own);
    }
}

/// Adds what the metrics came to on the test images, and what is told label by label, number by number or class by class.
pub fn add_test(report: &mut Value, test: &Evaluation, names: &[String]) {
    if let Some(plain) = test.plain_loss {
        report["test.loss_without_smoothing"] = json!(plain);
    }
    add(report, "test", test, names);
    for Further { name, names, evaluation } in &test.outputs {
        let part = format!("test.{name}");
        report[format!("{part}.loss")] = json!(evaluation.loss);
        if evaluation.classes.is_some() {
            report[format!("{part}.classes")] = classes_json(evaluation, names);
            report[format!("{part}.confusion")] = confusion_json(evaluation);
        }
        add(report, &part, evaluation, names);
    }
}

fn add(report: &mut Value, part: &str, test: &Evaluation, names: &[String]) {
    figures(report, part, &test.figures);
    let named = |name: &str, mut object: Value, kind: &str| {
        object[kind] = json!(name);
        object
    };
    match &test.detail {
        Detail::None => {}
        Detail::Labels(scores) => {
            let label = |(name, score): (&String, &ClassScore)| {
                let object = json!({ "precision": score.precision, "recall": score.recall, "f1": score.f1(), "images": score.support });
                named(name, object, "label")
            };
            report[format!("{part}.labels")] = names.iter().zip(scores).map(label).collect();
        }
        Detail::Numbers(scores) => {
            let number = |(name, score): (&String, &NumberScore)| {
                named(name, json!({ "mae": score.mae, "rmse": score.rmse, "r2": score.r2 }), "number")
            };
            report[format!("{part}.numbers")] = names.iter().zip(scores).map(number).collect();
        }
        Detail::Pixels(confusion) => {
            let class = |(i, name): (usize, &String)| {
                let score = confusion.class(i);
                let iou = confusion.overlap(i, Overlap::Union);
                let object = json!({ "precision": score.precision, "recall": score.recall, "iou": iou, "pixels": score.support });
                named(name, object, "class")
            };
            report[format!("{part}.classes")] = names.iter().enumerate().map(class).collect();
            report[format!("{part}.confusion")] = matrix(confusion);
        }
    }
}

fn matrix(confusion: &Confusion) -> Value {
    let n = confusion.n_classes();
    let row = |truth| (0..n).map(|predicted| confusion.count(truth, predicted)).collect::<Vec<u64>>();
    (0..n).map(row).collect()
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
    matrix(confusion)
}
