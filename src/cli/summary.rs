//! `dslc summary FILE`: what each layer gives, holds and costs.

use std::path::PathBuf;

use crate::cli::out::out;
use crate::cli::table::{bytes, short, table, thousands};
use crate::cli::{Stop, batch, load};
use crate::experiment::figures::{Figures, figures};
use crate::tensor::Device;

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

pub fn run(options: &Options) -> Result<(), Stop> {
    let loaded = load::load_whole(&options.file, &options.settings, &["model"])?;
    let Some(model) = &loaded.experiment.model else { return Err(Stop::Findings) };
    let training = loaded.experiment.train.as_ref().zip(batch::of(&loaded, &Device::Cpu)?);
    let figures = figures(model, &loaded.sources, training)?;
    if options.json {
        return out(&serde_json::to_string(&figures).map_err(|e| Stop::Environment(e.to_string()))?);
    }
    out(&text(&figures))
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
    if figures.auxiliary_parameters > 0 {
        let n = thousands(figures.auxiliary_parameters);
        out.push_str(&format!(
            "auxiliary heads, in training alone: {n} parameters of these; their FLOPs are not counted\n"
        ));
    }
    out.push_str(&format!("planned memory: {} for one image", bytes(figures.inference_bytes)));
    if let (Some(training), Some(batch)) = (figures.training_bytes, figures.batch) {
        out.push_str(&format!(", {} for training in batches of {batch}", bytes(training)));
    }
    if let Some(bound) = figures.batch_bound {
        out.push_str(&format!(", chosen by `batch auto` {bound}"));
    }
    out
}
