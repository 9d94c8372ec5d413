//! `dslc summary FILE`: what each layer gives, holds and costs.

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::out::out;
use crate::cli::table::{bytes, short, table, thousands};
use crate::cli::{Stop, load};
use crate::diag::{Diagnostics, Fault};
use crate::experiment::Experiment;
use crate::model::Model;
use crate::model::cost::flops;
use crate::source::Sources;
use crate::train::budget;
use crate::train::program::{inference_graph, optimized, training_graph};

#[derive(clap::Args)]
pub struct Options {
    /// A `.net` or `.model` file
    file: PathBuf,
    /// Override a setting by its path, such as `train.batch=128`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// One layer's figures, for one image.
#[derive(Serialize)]
pub struct LayerFigures {
    name: String,
    kind: &'static str,
    output: Vec<usize>,
    parameters: u64,
    flops: u64,
    weight_bytes: u64,
    activation_bytes: u64,
    file: String,
    line: usize,
    /// The line as the table shows it: with its file where that is not the model's.
    #[serde(skip)]
    place: String,
}

#[derive(Serialize)]
pub struct Figures {
    model: String,
    input: Vec<usize>,
    parameters: u64,
    /// For one image, forward; a multiply-add counts as two.
    flops: u64,
    weight_bytes: u64,
    activation_bytes: u64,
    /// Planned memory of inference with one image.
    inference_bytes: u64,
    /// Planned memory of a training step, where the file says how to train.
    #[serde(skip_serializing_if = "Option::is_none")]
    training_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<usize>,
    layers: Vec<LayerFigures>,
}

impl Figures {
    /// Parameters, and FLOPs an image.
    pub fn totals(&self) -> (u64, u64) {
        (self.parameters, self.flops)
    }
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let loaded = load::load_whole(&options.file, &options.settings, &["model"])?;
    let Some(model) = &loaded.experiment.model else { return Err(Stop::Findings) };
    let figures = figures(model, &loaded.sources, loaded.experiment.train.as_ref())?;
    if options.json {
        return out(&serde_json::to_string(&figures).map_err(|e| Stop::Environment(e.to_string()))?);
    }
    out(&text(&figures))
}

/// Expectations about costs that do not hold. They need the lowered graph, so they are judged only where a file
/// has them.
pub fn broken_expectations(experiment: &Experiment, sources: &Sources) -> Diagnostics {
    let costs: Vec<_> =
        experiment.expect.iter().filter(|e| ["flops", "memory"].contains(&e.quantity)).collect();
    let (Some(model), false) = (&experiment.model, costs.is_empty()) else { return Diagnostics::new() };
    let Ok(figures) = figures(model, sources, experiment.train.as_ref()) else { return Diagnostics::new() };
    let memory = figures.training_bytes.unwrap_or(figures.inference_bytes);
    let found = |quantity: &str| if quantity == "flops" { figures.flops } else { memory };
    costs.iter().filter_map(|expectation| expectation.judge(found(expectation.quantity) as f64)).collect()
}

/// The figures of a model without errors.
pub fn figures(
    model: &Model,
    sources: &Sources,
    train: Option<&crate::train::section::TrainSection>,
) -> Result<Figures, Fault> {
    let layers: Vec<LayerFigures> = model
        .layers
        .iter()
        .zip(flops(model)?)
        .map(|(instance, flops)| {
            let output = instance.output.clone().unwrap_or_default();
            let held =
                instance.inferred.iter().flat_map(|i| &i.parameters).map(|p| p.shape.elements() as u64);
            LayerFigures {
                name: instance.name.clone(),
                kind: instance.unit.spec().name,
                parameters: instance.n_parameters() as u64,
                flops,
                weight_bytes: 4 * held.sum::<u64>(),
                activation_bytes: 4 * output.elements() as u64,
                output: output.0,
                file: sources.get(instance.span.file).path.clone(),
                line: sources.line(instance.span),
                place: sources.place(instance.span, model.name_span.file),
            }
        })
        .collect();
    let training_bytes = match train {
        // A batch beyond all bounds has no plan; a run's batches are never larger than its data set.
        Some(train) => training_graph(model, train, train.batch)
            .and_then(optimized)
            .and_then(|graph| budget::planned(&[graph]))
            .ok(),
        None => None,
    };
    Ok(Figures {
        model: model.name.clone(),
        input: model.input.clone().unwrap_or_default().0,
        parameters: layers.iter().map(|l| l.parameters).sum(),
        flops: layers.iter().map(|l| l.flops).sum(),
        weight_bytes: layers.iter().map(|l| l.weight_bytes).sum(),
        activation_bytes: layers.iter().map(|l| l.activation_bytes).sum(),
        inference_bytes: budget::planned(&[optimized(inference_graph(model, 1)?)?])?,
        training_bytes,
        batch: train.map(|train| train.batch),
        layers,
    })
}

/// The figures as a table with totals.
pub fn text(figures: &Figures) -> String {
    let shape = |dims: &[usize]| crate::shape::Shape::new(dims).to_string();
    let mut rows = vec![vec![
        String::new(),
        "input".to_owned(),
        shape(&figures.input),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
    ]];
    for layer in &figures.layers {
        let blank = |n: u64, text: String| if n == 0 { String::new() } else { text };
        rows.push(vec![
            layer.place.clone(),
            layer.name.clone(),
            shape(&layer.output),
            blank(layer.parameters, thousands(layer.parameters)),
            blank(layer.flops, short(layer.flops)),
            blank(layer.weight_bytes, bytes(layer.weight_bytes)),
            bytes(layer.activation_bytes),
        ]);
    }
    rows.push(vec![
        String::new(),
        figures.model.clone(),
        String::new(),
        thousands(figures.parameters),
        short(figures.flops),
        bytes(figures.weight_bytes),
        bytes(figures.activation_bytes),
    ]);
    let head = ["line", "layer", "output", "parameters", "FLOPs", "weights", "activations"];
    let mut out = table(&head, 3, rows);
    out.push_str(
        "\n\nFLOPs and activations are those of one image, forward; a multiply-add counts as two.\n",
    );
    out.push_str(&format!("planned memory: {} for one image", bytes(figures.inference_bytes)));
    if let (Some(training), Some(batch)) = (figures.training_bytes, figures.batch) {
        out.push_str(&format!(", {} for training in batches of {batch}", bytes(training)));
    }
    out
}
