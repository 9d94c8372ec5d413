//! `dslc eval RUN`: a run's weights measured on test images.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::run::{classes_json, confusion_rows, load_data, scores};
use crate::cli::table::{percent, thousands};
use crate::cli::{Stop, folder, load};
use crate::spec::Arg;
use crate::train::trainer::{Job, evaluate_only};

#[derive(clap::Args)]
pub struct Options {
    /// A run's folder (its best weights are taken), or a weights file
    run: PathBuf,
    /// Another folder with data of the same kind
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let (file, weights, record) = folder::open(&options.run)?;
    let mut settings = Vec::new();
    if let Some(data) = &options.data {
        let data = std::path::absolute(data)
            .map_err(|e| Stop::Environment(format!("error: {}: {e}", data.display())))?;
        settings.push(format!("data.source.path={}", Arg::Text(data.display().to_string())));
    }
    let loaded = load::load_text(&file, weights.card.source.clone(), &settings);
    load::report(&loaded)?;
    let experiment = &loaded.experiment;
    let (Some(model), Some(data), Some(train)) = (&experiment.model, &experiment.data, &experiment.train)
    else {
        return Err(Stop::Environment(format!("error: {} does not hold a whole experiment", file.display())));
    };
    let base = record.map(|record| record.base).unwrap_or_default();
    let dataset = load_data(&loaded, data, &base)?;
    let job = Job { model, data, train };
    let evaluation = evaluate_only(&job, &dataset.test, |session| weights.load(&file, session))?;
    if options.json {
        let report = json!({
            "weights": file.display().to_string(),
            "model": model.name,
            "step": weights.card.step,
            "test.images": evaluation.images,
            "test.loss": evaluation.loss,
            "test.accuracy": evaluation.accuracy,
            "test.classes": classes_json(&evaluation, &dataset.classes),
            "test.confusion": confusion_rows(&evaluation),
        });
        println!("{report}");
        return Ok(());
    }
    println!("{}", scores(&evaluation, &dataset.classes));
    println!(
        "\ntest accuracy {} on {} images, loss {:.4} ({}, step {})",
        percent(evaluation.accuracy),
        thousands(evaluation.images as u64),
        evaluation.loss,
        file.display(),
        thousands(weights.card.step),
    );
    Ok(())
}
