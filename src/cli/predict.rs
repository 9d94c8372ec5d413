//! `dslc predict RUN IMAGE…`: which classes a run's weights see in image files.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::out::{err, out};
use crate::cli::table::{percent, table};
use crate::cli::{Stop, folder, load};
use crate::data::picture;
use crate::diag::Fault;
use crate::model::lower::IMAGES;
use crate::run::Session;
use crate::train::budget;
use crate::train::program::{SCORES, inference_graph, optimized};

#[derive(clap::Args)]
pub struct Options {
    /// A run's folder (its best weights are taken), or a weights file
    run: PathBuf,
    /// PNG or JPEG files
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// How many classes to show for each image
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    /// Print one JSON object an image
    #[arg(long)]
    json: bool,
}

/// Answers come in the order of the arguments; one bad file does not lose those for the others.
pub fn run(options: &Options) -> Result<(), Stop> {
    let (weights, _) = folder::open(&options.run)?;
    let file = weights.path();
    let loaded = load::load_text(file, weights.card.source.clone(), &[]);
    load::report_errors(&loaded)?;
    let (Some(model), Some(data)) = (&loaded.experiment.model, &loaded.experiment.data) else {
        return Err(Stop::Environment(format!(
            "error: {} does not say how its images are prepared",
            file.display()
        )));
    };
    let graph = optimized(inference_graph(model, 1)?)?;
    weights.fit(&graph)?;
    let mut session = budget::open(vec![graph], 0)?;
    weights.load(&mut session)?;
    let ends_in_probabilities = model.last().is_some_and(|last| last.unit.spec().name == "softmax");
    let mut failed = false;
    let mut rows = Vec::new();
    for path in &options.images {
        let shown = path.display().to_string();
        let scores = match scores(&mut session, path, data) {
            Ok(scores) => scores,
            Err(fault) => {
                err(&load::plain(&fault));
                failed = true;
                if options.json {
                    out(&json!({ "image": shown, "error": fault.message }).to_string())?;
                }
                continue;
            }
        };
        let top = top(&scores, ends_in_probabilities, options.top as usize);
        if options.json {
            let top: Vec<_> =
                top.iter().map(|(class, p)| json!({ "class": class, "probability": p })).collect();
            out(&json!({ "image": shown, "top": top }).to_string())?;
            continue;
        }
        let classes = top.iter().flat_map(|(class, p)| [class.clone(), percent(*p)]);
        rows.push(std::iter::once(shown).chain(classes).collect());
    }
    if !rows.is_empty() {
        out(&answers(rows))?;
    }
    if failed { Err(Stop::Environment(String::new())) } else { Ok(()) }
}

/// The most likely classes with their probabilities.
fn top(scores: &[f32], are_probabilities: bool, n: usize) -> Vec<(String, f64)> {
    let probabilities = match are_probabilities {
        true => scores.iter().map(|&s| f64::from(s)).collect(),
        false => softmax(scores),
    };
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]).then(a.cmp(&b)));
    order.iter().take(n).map(|&k| (k.to_string(), probabilities[k])).collect()
}

/// A row an image: `digit.png  7  99.75 %   9  0.17 %`.
fn answers(rows: Vec<Vec<String>>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let head: Vec<&str> = (0..columns)
        .map(|i| match i {
            0 => "image",
            1 => "class",
            3 => "then",
            _ => "",
        })
        .collect();
    table(&head, 2, rows)
}

fn scores(
    session: &mut Session,
    path: &std::path::Path,
    data: &crate::data::section::DataSection,
) -> Result<Vec<f32>, Fault> {
    let image = picture::read(path, data)?;
    session.write(0, IMAGES, |out| out.copy_from_slice(&image))?;
    session.step(0)?;
    session.read(0, SCORES)
}

fn softmax(scores: &[f32]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = scores.iter().map(|s| f64::from(s - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}
