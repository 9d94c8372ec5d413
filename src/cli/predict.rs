//! `dslc predict RUN|FILE IMAGE…`: what a model makes of image files: the classes that it sees in them, or new images.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::out::{err, out};
use crate::cli::table::{percent, plural, table};
use crate::cli::{Stop, devices, load, pictures, trained};
use crate::data::png;
use crate::data::sources::files;
use crate::diag::{Fault, codes};
use crate::experiment::disk;
use crate::model::Model;
use crate::predict::{Answer, Predictor};
use crate::tensor::device::Choice;
use crate::train::checkpoint::write_atomically;

#[derive(clap::Args, Clone)]
pub struct Options {
    /// A run's folder (its best weights are used), a weights file, or a `.net` or `.model` file that needs no training, or
    /// whose weights `--weights` gives
    #[arg(value_name = "RUN|FILE")]
    what: PathBuf,
    /// Picture files, folders of them, patterns such as "photos/**/*.jpg", or - for a list on standard input
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// The weights of a network file: of a run, or a file of safetensors, PyTorch or NumPy
    #[arg(long, value_name = "WEIGHTS")]
    weights: Option<PathBuf>,
    /// How many classes to show for each image, where the model gives classes (default: 3)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    top: Option<u32>,
    /// The folder to write to, where the model gives images: one PNG per image, named after it
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Overwrite files that are already in the folder
    #[arg(long, requires = "out")]
    force: bool,
    /// Override a setting of FILE by its path, such as `model.input=1x480x640`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// Where to run: cpu, cuda, cuda:N, metal, or auto for the best available
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Choice,
    /// Print one JSON object per image, and nothing else
    #[arg(long)]
    json: bool,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let options = &Options { images: pictures::named(&options.images)?, ..options.clone() };
    let mut predictor = open(options)?;
    let (name, output) = (predictor.name().to_owned(), predictor.output().clone());
    match (output.rank(), &options.out, options.top) {
        (1, Some(_), _) => refuse(&format!(
            "`{name}` gives classes, not images: there is nothing to write\n  try: no `--out`"
        )),
        (1, None, top) => classes(options, &mut predictor, top.unwrap_or(3) as usize),
        _ if !png::fits(&output) => refuse(&format!(
            "`{name}` gives {output} for an image, which is neither classes nor a picture of 1 or 3 channels\n  \
             try: a last layer such as `conv2d 3 1x1`",
        )),
        (_, _, Some(_)) => refuse(&format!(
            "`{name}` gives images ({output}), not classes\n  try: `--out FOLDER` instead of `--top`"
        )),
        (_, None, None) => refuse(&format!(
            "`{name}` gives images ({output}), and there is no folder to write them to\n  try: `--out FOLDER`"
        )),
        (_, Some(folder), None) => images(options, &mut predictor, folder),
    }
}

fn refuse<T>(message: &str) -> Result<T, Stop> {
    Err(Stop::Environment(format!("error: {message}")))
}

/// The weights of a run, or a checked file that must not need any.
fn open(options: &Options) -> Result<Predictor, Stop> {
    let path = &options.what;
    if let Some(weights) = &options.weights {
        let (weights, _) = trained::filled(path, weights, &options.settings, &["model"])?;
        let (device, _) = devices::open(options.device)?;
        return Ok(Predictor::of_weights(&weights, &device)?);
    }
    if !disk::is_network(path) || path.is_dir() {
        if !options.settings.is_empty() {
            return refuse("`--set` changes a file; a run keeps the settings that it was trained with");
        }
        let (weights, _) = trained::open(path)?;
        let (device, _) = devices::open(options.device)?;
        return Ok(Predictor::of_weights(&weights, &device)?);
    }
    let loaded = load::load_whole(path, &options.settings, &["model"])?;
    let untrained = loaded.experiment.model.as_ref().map_or(0, Model::n_parameters) as u64;
    if untrained > 0 {
        return refuse(&format!(
            "{} has {} that must be trained first\n  try: {}",
            path.display(),
            plural(untrained, "weight", "weights"),
            trained::how(path),
        ));
    }
    let (device, _) = devices::open(options.device)?;
    Ok(Predictor::of_experiment(&loaded.experiment, &device)?)
}

/// Prints the classes of each image.
fn classes(options: &Options, predictor: &mut Predictor, n: usize) -> Result<(), Stop> {
    let mut rows = Vec::new();
    let result = each(options, predictor, &mut |image, answer| {
        let top = &answer.classes()[..n.min(answer.classes().len())];
        let cells = top.iter().flat_map(|class| [class.name.clone(), percent(class.probability)]);
        rows.push(std::iter::once(options.images[image].display().to_string()).chain(cells).collect());
        let class = |class: &crate::predict::Class| json!({ "class": class.name, "index": class.index, "probability": class.probability });
        Ok((String::new(), json!({ "top": top.iter().map(class).collect::<Vec<Value>>() })))
    });
    if !options.json && !rows.is_empty() {
        out(&answers(rows))?;
    }
    result
}

/// Writes the model's picture of each image into a folder.
fn images(options: &Options, predictor: &mut Predictor, folder: &Path) -> Result<(), Stop> {
    let places = pictures::places(folder, &options.images, options.force)?;
    each(options, predictor, &mut |image, answer| {
        write_atomically(&places[image], &answer.png()?)?;
        let written = places[image].display().to_string();
        let line = format!("{} → {written}  {}", options.images[image].display(), answer.shape);
        Ok((line, json!({ "written": written, "shape": answer.shape.to_string() })))
    })
}

/// What is told of an answer: a line for people, which may be empty, and an object for machines.
type Tell<'a> = dyn FnMut(usize, &Answer) -> Result<(String, Value), Fault> + 'a;

/// Asks about each image, in the order of the arguments; one bad file does not lose the answers for the others.
///
/// As JSON everything that is to be said of an image is in its object; else remarks and faults go to standard error.
fn each(options: &Options, predictor: &mut Predictor, tell: &mut Tell<'_>) -> Result<(), Stop> {
    let (mut failed, mut stop) = (false, Stop::Findings);
    for (i, path) in options.images.iter().enumerate() {
        let shown = path.display();
        let answer = files::read(path).and_then(|bytes| {
            let named = |fault: Fault| Fault { message: format!("{shown}: {}", fault.message), ..fault };
            predictor.picture(&bytes).map_err(named)
        });
        let told = answer.and_then(|answer| {
            let remarks: Vec<String> = answer.remarks.iter().map(ToString::to_string).collect();
            tell(i, &answer).map(|told| (told, remarks))
        });
        let (line, object) = match told {
            Ok(((line, mut object), remarks)) => {
                if !options.json {
                    remarks.iter().for_each(|remark| err(&format!("{shown}: {remark}")));
                }
                object["remarks"] = json!(remarks);
                (line, object)
            }
            Err(fault) => {
                failed = true;
                // A network that gives no numbers is at fault itself, any other fault lies around it.
                if fault.code != codes::NOT_FINITE {
                    stop = Stop::Environment(String::new());
                }
                if !options.json {
                    err(&load::plain(&fault));
                }
                (String::new(), json!({ "error": fault.message, "code": fault.code }))
            }
        };
        if options.json {
            let mut object = object;
            object["image"] = json!(shown.to_string());
            out(&object.to_string())?;
        } else if !line.is_empty() {
            out(&line)?;
        }
    }
    if failed { Err(stop) } else { Ok(()) }
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
