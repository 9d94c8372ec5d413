//! An experiment as a file again, with every default filled in: what a run records.

use std::fmt::Write;

use crate::data::section::{DataSection, Step, TestFrom, Validation};
use crate::experiment::Experiment;
use crate::model::Model;
use crate::spec::{Args, Spec};
use crate::train::section::{Monitor, TrainSection};

/// The text; it checks to the same experiment.
pub fn text(experiment: &Experiment) -> String {
    let mut out = String::new();
    if let Some(model) = &experiment.model {
        match model.is_chain() {
            true => write_model(&mut out, model),
            false => out.push_str(&experiment.model_text),
        }
    }
    if let Some(data) = &experiment.data {
        out.push('\n');
        write_data(&mut out, data);
    }
    if let Some(train) = &experiment.train {
        out.push('\n');
        write_train(&mut out, train);
    }
    if !experiment.expect.is_empty() {
        out.push_str("\nexpect {\n");
        for expectation in &experiment.expect {
            let _ = writeln!(out, "    {} {}", expectation.quantity, expectation.bound);
        }
        out.push_str("}\n");
    }
    out
}

/// `name 32 3x3 stride=1 …`
fn statement(spec: &Spec, args: &Args) -> String {
    let mut out = spec.name.to_owned();
    for given in args.iter() {
        let positional = spec.params.iter().any(|param| param.name == given.name && param.positional);
        let _ = match positional {
            true => write!(out, " {}", given.arg),
            false => write!(out, " {}={}", given.name, given.arg),
        };
    }
    out
}

fn write_model(out: &mut String, model: &Model) {
    let _ = writeln!(out, "model {} {{", model.name);
    if let Some(input) = &model.input {
        let _ = writeln!(out, "    input {input}");
    }
    for instance in &model.layers {
        let line = statement(instance.unit.spec(), &instance.args);
        let _ = match &instance.output {
            Some(shape) => writeln!(out, "    {line:<68} : {shape}"),
            None => writeln!(out, "    {line}"),
        };
    }
    out.push_str("}\n");
}

fn write_data(out: &mut String, data: &DataSection) {
    let _ = writeln!(out, "data {{\n    source {}", statement(data.source.spec(), &data.args));
    let _ = match data.validation {
        Validation::None => Ok(()),
        Validation::Count(n) => writeln!(out, "    validation {n}"),
        Validation::Fraction(share) => writeln!(out, "    validation {}%", share * 100.0),
    };
    let _ = match data.test_from {
        TestFrom::Test => writeln!(out, "    test test"),
        TestFrom::Train => writeln!(out, "    test train"),
    };
    let step = |step: &Step| statement(step.transform.spec(), &step.args);
    for preprocess in &data.preprocess {
        let _ = writeln!(out, "    {}", step(preprocess));
    }
    if !data.augment.is_empty() {
        let steps: Vec<String> = data.augment.iter().map(step).collect();
        let _ = writeln!(out, "    augment {{ {} }}", steps.join(" -> "));
    }
    out.push_str("}\n");
}

fn write_train(out: &mut String, train: &TrainSection) {
    let _ = writeln!(out, "train {{\n    loss {}", statement(train.loss.what.spec(), &train.loss.args));
    let _ = writeln!(out, "    optimizer {}", statement(train.optimizer.what.spec(), &train.optimizer.args));
    let _ = writeln!(out, "    schedule {}", statement(train.schedule.what.spec(), &train.schedule.args));
    let _ = writeln!(out, "    epochs {}\n    batch {}\n    seed {}", train.epochs, train.batch, train.seed);
    if let Some(stop) = &train.early_stop {
        let monitor = match stop.monitor {
            Monitor::Loss => "validation.loss",
            Monitor::Accuracy => "validation.accuracy",
        };
        let _ = writeln!(out, "    early_stop patience={} monitor={monitor}", stop.patience);
    }
    out.push_str("}\n");
}
