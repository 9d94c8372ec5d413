//! `dslc predict RUN|FILE IMAGE…`: what a model makes of image files: the classes that it sees in them, or new images.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::load::{self, Loaded};
use crate::cli::out::{err, out};
use crate::cli::table::{percent, plural, table};
use crate::cli::{Stop, devices, pictures};
use crate::data::{picture, png};
use crate::diag::Fault;
use crate::experiment::disk;
use crate::model::Model;
use crate::model::lower::IMAGES;
use crate::run::Session;
use crate::runs::folder;
use crate::shape::Shape;
use crate::tensor::Device;
use crate::tensor::device::Choice;
use crate::train::budget;
use crate::train::checkpoint::{Weights, write_atomically};
use crate::train::program::{SCORES, inference_graph, optimized};

#[derive(clap::Args)]
pub struct Options {
    /// A run's folder (its best weights are taken), a weights file, or a `.net` or `.model` file that needs no training
    #[arg(value_name = "RUN|FILE")]
    what: PathBuf,
    /// PNG or JPEG files
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// How many classes to show for each image, where the model gives classes (default: 3)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    top: Option<u32>,
    /// The folder to write to, where the model gives images: one PNG an image, named after it
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Write over files that are in the folder already
    #[arg(long, requires = "out")]
    force: bool,
    /// Override a setting of FILE by its path, such as `model.input=1x480x640`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// Where to run: cpu, cuda, cuda:N, metal, or auto for the best that is there
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Choice,
    /// Print one JSON object an image
    #[arg(long)]
    json: bool,
}

/// What is made of the model's numbers for an image: a line for people, which may be empty, and an object for machines.
type Answer<'a> = dyn FnMut(usize, &[f32]) -> Result<(String, Value), Fault> + 'a;

pub fn run(options: &Options) -> Result<(), Stop> {
    let (loaded, weights) = open(options)?;
    let Some(model) = &loaded.experiment.model else { return Err(Stop::Findings) };
    let Some(output) = model.output() else { return Err(Stop::Findings) };
    let (device, _) = devices::open(options.device)?;
    match (output.rank(), &options.out, options.top) {
        (1, Some(_), _) => refuse(&format!(
            "`{}` gives classes, no images: there is nothing to write\n  try: leave `--out` out",
            model.name
        )),
        (1, None, top) => {
            classes(options, &device, &loaded, model, weights.as_ref(), top.unwrap_or(3) as usize)
        }
        _ if !png::fits(output) => refuse(&format!(
            "`{}` gives {output} for an image, which is neither classes nor a picture of 1 or 3 channels\n  \
             try: a last layer such as `conv2d 3 1x1`",
            model.name
        )),
        (_, _, Some(_)) => refuse(&format!(
            "`{}` gives images ({output}), no classes\n  try: `--out FOLDER` instead of `--top`",
            model.name
        )),
        (_, None, None) => refuse(&format!(
            "`{}` gives images ({output}), and nobody has said where to write them\n  try: `--out FOLDER`",
            model.name
        )),
        (_, Some(folder), None) => images(options, &device, &loaded, model, output, weights.as_ref(), folder),
    }
}

fn refuse<T>(message: &str) -> Result<T, Stop> {
    Err(Stop::Environment(format!("error: {message}")))
}

/// The checked file, and the weights of a run; a file by itself must not need any.
fn open(options: &Options) -> Result<(Loaded, Option<Weights>), Stop> {
    let path = &options.what;
    if !disk::is_network(path) || path.is_dir() {
        if !options.settings.is_empty() {
            return refuse("`--set` changes a file; a run keeps the settings that it was trained with");
        }
        let (weights, _) = folder::weights(path)?;
        let loaded = load::load_text(weights.path(), weights.card.source.clone(), &[]);
        load::report_errors(&loaded)?;
        return Ok((loaded, Some(weights)));
    }
    let loaded = load::load_whole(path, &options.settings, &["model"])?;
    let untrained = loaded.experiment.model.as_ref().map_or(0, Model::n_parameters) as u64;
    if untrained > 0 {
        let shown = path.display();
        return refuse(&format!(
            "{shown} has {} that must be trained first\n  try: `dslc run {shown}`, then `dslc predict` with the run's folder in place of the file",
            plural(untrained, "weight", "weights"),
        ));
    }
    Ok((loaded, None))
}

/// Prints the classes of each image.
fn classes(
    options: &Options,
    device: &Device,
    loaded: &Loaded,
    model: &Model,
    weights: Option<&Weights>,
    n: usize,
) -> Result<(), Stop> {
    let ends_in_probabilities = model.last().is_some_and(|last| last.unit.spec().name == "softmax");
    let mut rows = Vec::new();
    let result = each(options, device, loaded, model, weights, &mut |i, scores| {
        let top = top(scores, ends_in_probabilities, n);
        let classes = top.iter().flat_map(|(class, p)| [class.clone(), percent(*p)]);
        rows.push(std::iter::once(options.images[i].display().to_string()).chain(classes).collect());
        let top: Vec<_> = top.iter().map(|(class, p)| json!({ "class": class, "probability": p })).collect();
        Ok((String::new(), json!({ "top": top })))
    });
    if !options.json && !rows.is_empty() {
        out(&answers(rows))?;
    }
    result
}

/// Writes the model's picture of each image into a folder.
fn images(
    options: &Options,
    device: &Device,
    loaded: &Loaded,
    model: &Model,
    output: &Shape,
    weights: Option<&Weights>,
    folder: &Path,
) -> Result<(), Stop> {
    let places = pictures::places(folder, &options.images, options.force)?;
    each(options, device, loaded, model, weights, &mut |i, numbers| {
        write_atomically(&places[i], &png::encode(numbers, output)?)?;
        let written = places[i].display().to_string();
        let line = format!("{} → {written}  {output}", options.images[i].display());
        Ok((line, json!({ "written": written, "shape": output.to_string() })))
    })
}

/// Runs the model on each image. Answers come in the order of the arguments; one bad file does not lose those for the
/// others.
fn each(
    options: &Options,
    device: &Device,
    loaded: &Loaded,
    model: &Model,
    weights: Option<&Weights>,
    answer: &mut Answer<'_>,
) -> Result<(), Stop> {
    let graph = optimized(inference_graph(model, 1)?)?;
    if let Some(weights) = weights {
        weights.fit(&graph)?;
    }
    let precision = loaded.experiment.train.as_ref().map(|train| train.precision).unwrap_or_default();
    let mut session = budget::open(vec![graph], device, precision, 0)?;
    if let Some(weights) = weights {
        weights.load(&mut session)?;
    }
    let mut failed = false;
    for (i, path) in options.images.iter().enumerate() {
        let answered = numbers(&mut session, path, loaded, model).and_then(|numbers| answer(i, &numbers));
        let (line, mut object) = answered.unwrap_or_else(|fault| {
            err(&load::plain(&fault));
            failed = true;
            (String::new(), json!({ "error": fault.message }))
        });
        object["image"] = json!(path.display().to_string());
        if options.json {
            out(&object.to_string())?;
        } else if !line.is_empty() {
            out(&line)?;
        }
    }
    if failed { Err(Stop::Environment(String::new())) } else { Ok(()) }
}

/// What the model gives for a picture: prepared as `data` says, or where there is no `data`, in the model's own size
/// with pixels of 0 to 1.
fn numbers(session: &mut Session, path: &Path, loaded: &Loaded, model: &Model) -> Result<Vec<f32>, Fault> {
    let image = match (&loaded.experiment.data, &model.input) {
        (Some(data), _) => picture::read(path, data)?,
        (None, Some(input)) => picture::read_plain(path, input)?,
        (None, None) => return Err(Fault::internal("a model without input was checked")),
    };
    session.write(0, IMAGES, |out| out.copy_from_slice(&image))?;
    session.step(0)?;
    session.read(0, SCORES)
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

fn softmax(scores: &[f32]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = scores.iter().map(|s| f64::from(s - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}
