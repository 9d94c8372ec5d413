//! `dslc predict RUN IMAGE…`: which classes a run's weights see in image files.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::table::{percent, table};
use crate::cli::{Stop, folder, load};
use crate::data::picture;
use crate::diag::Fault;
use crate::model::lower::IMAGES;
use crate::run::{Session, Target};
use crate::train::program::{SCORES, inference_graph, optimized};

#[derive(clap::Args)]
pub struct Options {
    /// A run's folder (its best weights are taken), or a weights file
    run: PathBuf,
    /// PNG or JPEG files
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// How many classes to show for each image
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    /// Print one JSON object an image
    #[arg(long)]
    json: bool,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let (file, weights, _) = folder::open(&options.run)?;
    let loaded = load::load_text(&file, weights.card.source.clone(), &[]);
    load::report(&loaded)?;
    let (Some(model), Some(data)) = (&loaded.experiment.model, &loaded.experiment.data) else {
        return Err(Stop::Environment(format!(
            "error: {} does not say how its images are prepared",
            file.display()
        )));
    };
    let graph = optimized(inference_graph(model, 1)?)?;
    let mut session = Session::new(vec![graph], Target::Cpu, 0)?;
    weights.load(&file, &mut session)?;
    let ends_in_probabilities = model.layers.last().is_some_and(|last| last.layer.spec().name == "softmax");
    let mut failed = None;
    let mut rows = Vec::new();
    for path in &options.images {
        let scores = match scores(&mut session, path, data) {
            Ok(scores) => scores,
            // One bad file does not lose the answers for the others.
            Err(fault) => {
                eprintln!("{}", load::plain(&fault));
                failed = Some(());
                continue;
            }
        };
        let probabilities = if ends_in_probabilities {
            scores.iter().map(|&s| f64::from(s)).collect()
        } else {
            softmax(&scores)
        };
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]).then(a.cmp(&b)));
        let top: Vec<(String, f64)> =
            order.iter().take(options.top as usize).map(|&k| (k.to_string(), probabilities[k])).collect();
        if options.json {
            let top: Vec<_> =
                top.iter().map(|(class, p)| json!({ "class": class, "probability": p })).collect();
            println!("{}", json!({ "image": path.display().to_string(), "top": top }));
            continue;
        }
        let shown = top.iter().map(|(class, p)| format!("{class} ({})", percent(*p)));
        rows.push(std::iter::once(path.display().to_string()).chain(shown).collect());
    }
    if !options.json && !rows.is_empty() {
        println!("{}", table(&["image", "class"], 8, rows));
    }
    if failed.is_some() { Err(Stop::Environment(String::new())) } else { Ok(()) }
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
