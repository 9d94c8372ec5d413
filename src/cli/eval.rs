//! `dslc eval RUN`: a run's weights measured on test images.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::out::out;
use crate::cli::scores::report_text;
use crate::cli::table::thousands;
use crate::cli::{Stop, devices, load};
use crate::runs::folder;
use crate::runs::record::Record;
use crate::runs::report::{classes_json, confusion_json};
use crate::spec::Arg;
use crate::tensor::device::Choice;
use crate::train::auto_batch;
use crate::train::evaluate::evaluate_only;
use crate::train::programs::Sizes;
use crate::train::trainer::Job;

#[derive(clap::Args)]
pub struct Options {
    /// A run's folder (its best weights are taken), or a weights file
    run: PathBuf,
    /// Another folder with data of the same kind
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to run: cpu, cuda, cuda:N, metal, or auto for the best that is there
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Choice,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let (weights, folder) = folder::weights(&options.run)?;
    let record = Record::read(&folder)?;
    let (file, source) = (weights.path().to_owned(), &weights.card.source);
    let mut loaded = load::load_text(&file, source.clone(), &[]);
    if let (Some(folder), Some(data)) = (&options.data, &loaded.experiment.data) {
        let folder = std::path::absolute(folder)
            .map_err(|e| Stop::Environment(format!("error: {}: {e}", folder.display())))?;
        let name = data.source.spec().name;
        let setting = format!("data.source={name} {}", Arg::Text(folder.display().to_string()));
        loaded = load::load_text(&file, source.clone(), &[setting]);
    }
    load::report_errors(&loaded)?;
    let experiment = &loaded.experiment;
    let (Some(model), Some(data), Some(train)) = (&experiment.model, &experiment.data, &experiment.train)
    else {
        return Err(Stop::Environment(format!("error: {} does not hold a whole experiment", file.display())));
    };
    let (device, _) = devices::open(options.device)?;
    let base = record.map(|record| record.base).unwrap_or_default();
    let dataset = match data.source.load(&data.args, &base) {
        Ok(dataset) => dataset,
        Err(fault) if options.data.is_none() => {
            return Err(fault.advise("`--data DIR` with the folder of the data").into());
        }
        Err(fault) => return Err(fault.into()),
    };
    let batch = auto_batch::batch(model, train, Sizes::new(data, &dataset)?, &device)?.images;
    let job = Job { model, data, train, batch, device: &device };
    let evaluation = evaluate_only(job, &dataset.test, &weights)?;
    if options.json {
        let report = json!({
            "weights": file.display().to_string(),
            "model": model.name,
            "step": weights.card.step,
            "epoch": weights.card.epoch,
            "test.images": evaluation.images,
            "test.loss": evaluation.loss,
            "test.accuracy": evaluation.accuracy(),
            "test.classes": classes_json(&evaluation, &dataset.classes),
            "test.confusion": confusion_json(&evaluation),
        });
        return out(&report.to_string());
    }
    out(&format!(
        "{}\nweights {} (epoch {}, step {})",
        report_text(&evaluation, &dataset.classes),
        file.display(),
        weights.card.epoch,
        thousands(weights.card.step),
    ))
}
