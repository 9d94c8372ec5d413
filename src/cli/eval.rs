//! `dslc eval RUN`: a run's weights measured on test images, or on those of another part.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::out::out;
use crate::cli::processes::{self, Processes};
use crate::cli::scores::report_text;
use crate::cli::table::thousands;
use crate::cli::{Stop, devices, trained};
use crate::data::Dataset;
use crate::predict::evaluate::{self, Evaluated, base_of, evaluate_weights};
use crate::runs::report::{add_test, classes_json, confusion_json};
use crate::tensor::device::Choice;
use crate::train::trainer::Job;

#[derive(clap::Args)]
pub struct Options {
    /// A run's folder (its best weights are used), a weights file, or with `--weights` a .net file
    #[arg(value_name = "RUN|FILE")]
    run: PathBuf,
    /// Weights for a network file: a run, or a safetensors, PyTorch, Keras or NumPy file
    #[arg(long, value_name = "WEIGHTS")]
    weights: Option<PathBuf>,
    /// Another folder with data of the same kind; its test images are enough
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The images to measure on
    #[arg(long, value_enum, default_value_t)]
    part: Part,
    /// Where to run: cpu, cuda, cuda:N, metal, or auto for the best available
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Choice,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A part of the data set, as it is called on the command line.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Part {
    Train,
    Validation,
    #[default]
    Test,
}

impl Part {
    fn meant(self) -> evaluate::Part {
        match self {
            Part::Train => evaluate::Part::Train,
            Part::Validation => evaluate::Part::Validation,
            Part::Test => evaluate::Part::Test,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Validation => "validation",
            Part::Test => "test",
        }
    }
}

pub fn run(options: &Options) -> Result<(), Stop> {
    processes::together(&[], |processes| measure(options, processes))
}

fn measure(options: &Options, processes: Option<&Processes>) -> Result<(), Stop> {
    let data = options.data.as_deref();
    let (weights, base) = match &options.weights {
        Some(weights) => trained::filled(&options.run, weights, &[], &["model", "data", "train"])?,
        None => {
            let (weights, folder) = trained::open(&options.run)?;
            let base = base_of(&folder, data)?;
            (weights, base)
        }
    };
    let (device, _) = devices::open_for(options.device, processes)?;
    let on = |job: &Job<'_>, dataset: &Dataset| {
        let Some(processes) = processes else { return Ok(job.backend()) };
        let backend = processes.backend(job)?;
        let mut alike = Processes::batches(job, dataset)?;
        let checksum = weights.card.checksum.as_ref().map(|checksum| format!("{checksum:?}"));
        alike.push(("weights file", checksum.unwrap_or_default()));
        processes.agree(&alike)?;
        Ok(backend)
    };
    let found = evaluate_weights(&weights, &base, (data, options.part.meant()), &device, &on);
    let Evaluated { model, classes, evaluation } = found.map_err(|fault| match (data, fault.argument) {
        (None, Some("path")) => fault.advise("`--data DIR` with the folder of the data"),
        (None | Some(_), _) => fault,
    })?;
    let (file, card) = (weights.path().display(), &weights.card);
    if options.json {
        let mut report = json!({
            "weights": file.to_string(),
            "model": model,
            "step": card.step,
            "epoch": card.epoch,
            "part": options.part.name(),
            "test.images": evaluation.images,
            "test.loss": evaluation.loss,
            "test.accuracy": evaluation.accuracy(),
            "test.classes": classes_json(&evaluation, &classes),
            "test.confusion": confusion_json(&evaluation),
        });
        add_test(&mut report, &evaluation, &classes);
        return out(&report.to_string());
    }
    let report = report_text(&evaluation, &classes, options.part.name());
    let step = thousands(card.step);
    out(&format!("{report}\nweights {file} (epoch {}, step {step})", card.epoch))
}
