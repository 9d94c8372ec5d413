//! `dslc predict RUN|FILE IMAGE…`: what a model makes of image files: the classes, labels or numbers that it sees in them, masks, or
//! new images.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::answers::{Asked, Asking, Form, Told};
use crate::cli::listing::{self, Row};
use crate::cli::pictures::{self, Files};
use crate::cli::processes::{self, Processes};
use crate::cli::table::{loss, percent, plural, table};
use crate::cli::{Stop, devices, further, load, trained};
use crate::data::png;
use crate::data::sample::Task;
use crate::diag::Fault;
use crate::experiment::disk;
use crate::experiment::resolved::Settled;
use crate::model::Model;
use crate::predict::{Answer, Predictor};
use crate::tensor::Device;
use crate::tensor::device::{Choice, kind};
use crate::train::checkpoint::Weights;

#[derive(clap::Args, Debug)]
pub struct Options {
    /// A run's folder (its best weights are used), a weights file, or a `.net` or `.model` file that needs no training, or
    /// gets its weights from `--weights`
    #[arg(value_name = "RUN|FILE")]
    what: PathBuf,
    /// Picture files (.npy files for signals and volumes), folders of them, patterns such as "photos/**/*.jpg", tables of them (.csv,
    /// .tsv or .jsonl, with the columns that the model was trained with), or - for a list on standard input
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Weights for a network file: a run, or a safetensors, PyTorch, Keras or NumPy file
    #[arg(long, value_name = "WEIGHTS")]
    weights: Option<PathBuf>,
    /// How many classes to show for each image, if the model outputs classes (default: 3)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    top: Option<u32>,
    /// The folder to write to, if the model outputs images or masks: one PNG per image, named after it
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
    /// Print CSV: a header, then one line per image
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    processes::together(&[], |processes| predict(options, processes))
}

fn predict(options: &Options, processes: Option<&Processes>) -> Result<(), Stop> {
    let (mut predictor, source) = open(options, processes)?;
    let predictor = &mut predictor;
    fit(options, predictor)?;
    let listed = match processes {
        None => list(options, predictor)?,
        Some(processes) => {
            let own = if processes.leads() { list(options, predictor)? } else { Listed::default() };
            let own = serde_json::to_string(&own).map_err(Fault::internal)?;
            let mut alike = Processes::machine()?;
            alike.push(("model or kind of device", source));
            alike.push(("command line", format!("{options:?}")));
            processes.agree(&alike)?;
            serde_json::from_str(&processes.of_first(&own)?).map_err(Fault::internal)?
        }
    };
    let form = match (options.json, options.csv) {
        (true, _) => Form::Json,
        (false, true) => Form::Csv,
        (false, false) => Form::Text,
    };
    let top = options.top.unwrap_or(3) as usize;
    let asking = Asking { rows: &listed.rows, places: &listed.places, form, top, processes };
    match predictor.task() {
        Task::Classes => classes(&asking, predictor),
        Task::Labels => labels(&asking, predictor),
        Task::Numbers => numbers(&asking, predictor),
        Task::Masks => masks(&asking, predictor),
        Task::Images => images(&asking, predictor),
    }
}

/// What is asked about, and where the pictures that come of it are written, if any are.
#[derive(Default, Deserialize, Serialize)]
struct Listed {
    rows: Vec<Row>,
    places: Vec<PathBuf>,
}

fn list(options: &Options, predictor: &Predictor) -> Result<Listed, Stop> {
    let kind = if predictor.signals().is_some() { Files::Signals } else { Files::Pictures };
    let rows = listing::rows(predictor, pictures::named(&options.images, kind)?)?;
    let places = match &options.out {
        Some(folder) => {
            let images: Vec<&Path> = rows.iter().map(|row| row.path.as_path()).collect();
            pictures::places(folder, &images, options.force, &further::pictures(predictor))?
        }
        None => Vec::new(),
    };
    Ok(Listed { rows, places })
}

/// Refuses options that do not go with what the model gives.
fn fit(options: &Options, predictor: &Predictor) -> Result<(), Stop> {
    let (name, output) = (predictor.name(), predictor.output());
    let drawn = further::pictures(predictor);
    match (predictor.task(), &options.out, options.top) {
        (task @ (Task::Classes | Task::Labels | Task::Numbers), Some(_), _) if drawn.is_empty() => {
            refuse(&format!(
                "`{name}` gives {}, not images: there is nothing to write\n  try: no `--out`",
                task.names()
            ))
        }
        (task @ (Task::Labels | Task::Numbers | Task::Masks), _, Some(_)) => {
            refuse(&format!("`{name}` gives {}, of which all are shown\n  try: no `--top`", task.one()))
        }
        (Task::Images, _, _) if !png::fits(output) => refuse(&format!(
            "`{name}` gives {output} for an image, which is neither classes nor a picture of 1 or 3 channels\n  \
             try: a last layer such as `conv2d 3 1x1`",
        )),
        (Task::Images, _, Some(_)) => refuse(&format!(
            "`{name}` gives images ({output}), not classes\n  try: `--out FOLDER` instead of `--top`"
        )),
        (Task::Images, None, None) => refuse(&format!(
            "`{name}` gives images ({output}), and there is no folder to write them to\n  try: `--out FOLDER`"
        )),
        (Task::Classes | Task::Labels | Task::Numbers | Task::Masks | Task::Images, _, None)
        | (Task::Classes, _, Some(_)) => Ok(()),
    }
}

fn refuse<T>(message: &str) -> Result<T, Stop> {
    Err(Stop::Environment(format!("error: {message}")))
}

/// The weights of a run, or a checked file that must not need any; and what tells them from others.
fn open(options: &Options, processes: Option<&Processes>) -> Result<(Predictor, String), Stop> {
    let path = &options.what;
    let device = || -> Result<Device, Stop> { Ok(devices::open_for(options.device, processes)?.0) };
    let of_weights = |weights: &Weights| {
        let device = device()?;
        let source = format!("{:?} on {}", weights.card.checksum, kind(&device));
        Ok((Predictor::of_weights(weights, &device)?, source))
    };
    if let Some(weights) = &options.weights {
        return of_weights(&trained::filled(path, weights, &options.settings, &["model"])?.0);
    }
    if !disk::is_network(path) || path.is_dir() {
        if !options.settings.is_empty() {
            return refuse("`--set` changes a file; a run keeps the settings that it was trained with");
        }
        return of_weights(&trained::open(path)?.0);
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
    let device = device()?;
    let predictor = Predictor::of_experiment(&loaded.experiment, &device)?;
    Ok((predictor, format!("{}\non {}", loaded.resolved(Settled::default()), kind(&device))))
}

/// Prints the classes of each image.
fn classes(asking: &Asking<'_>, predictor: &mut Predictor) -> Result<(), Stop> {
    let n = asking.top.min(predictor.classes().len());
    let head = (0..n).flat_map(|place| match place {
        0 => ["class".to_owned(), "probability".to_owned()],
        place => [format!("class_{}", place + 1), format!("probability_{}", place + 1)],
    });
    let further = further::names(predictor);
    let mut tell = |asked: &Asked, answer: &Answer| {
        let top = &answer.classes()[..n];
        let shown = top.iter().flat_map(|class| [class.name.clone(), percent(class.probability)]);
        let cells = top.iter().flat_map(|class| [class.name.clone(), format!("{:?}", class.probability)]);
        let first = std::iter::once(asked.shown.clone());
        Ok(Told {
            row: first.chain(shown).chain(further::shown(answer)).collect(),
            object: json!({ "top": top.iter().map(further::class).collect::<Vec<Value>>() }),
            cells: cells.collect(),
            ..Told::default()
        })
    };
    asking.tell(predictor, &head.collect::<Vec<_>>(), &mut tell, &|rows| answers(rows, &further))
}

/// Prints which labels each image has.
fn labels(asking: &Asking<'_>, predictor: &mut Predictor) -> Result<(), Stop> {
    let head = predictor.classes().to_vec();
    let further = further::names(predictor);
    let mut tell = |asked: &Asked, answer: &Answer| {
        let inner = further::in_order(answer);
        Ok(Told {
            row: [vec![asked.shown.clone(), further::labels(answer)], further::shown(answer)].concat(),
            object: json!({ "labels": inner.iter().copied().map(further::label).collect::<Vec<Value>>() }),
            cells: inner.iter().map(|label| format!("{:?}", label.probability)).collect(),
            ..Told::default()
        })
    };
    let names = ["image", "labels"].into_iter().chain(further.iter().map(String::as_str));
    let names: Vec<&str> = names.collect();
    asking.tell(predictor, &head, &mut tell, &|rows| table(&names, 2, rows))
}

/// Prints the numbers of each image.
fn numbers(asking: &Asking<'_>, predictor: &mut Predictor) -> Result<(), Stop> {
    let names = predictor.classes().to_vec();
    let further = further::names(predictor);
    let mut tell = |asked: &Asked, answer: &Answer| {
        let values = answer.values();
        let shown = values.iter().map(|(_, value)| loss(f64::from(*value)));
        let object: serde_json::Map<String, Value> =
            values.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        Ok(Told {
            row: std::iter::once(asked.shown.clone()).chain(shown).chain(further::shown(answer)).collect(),
            object: json!({ "numbers": object }),
            cells: values.iter().map(|(_, value)| value.to_string()).collect(),
            ..Told::default()
        })
    };
    let named = names.iter().chain(&further).map(String::as_str);
    let head: Vec<&str> = std::iter::once("image").chain(named).collect();
    asking.tell(predictor, &names, &mut tell, &|rows| table(&head, 1, rows))
}

/// Tells how much of each image is of each class, and gives the mask, where it is to be written.
fn masks(asking: &Asking<'_>, predictor: &mut Predictor) -> Result<(), Stop> {
    let head: Vec<String> =
        std::iter::once("mask".to_owned()).chain(predictor.classes().iter().cloned()).collect();
    let mut tell = |asked: &Asked, answer: &Answer| {
        let place = asking.places.get(asked.file);
        let written = place.map(|place| place.display().to_string());
        let arrow = written.as_ref().map_or_else(String::new, |written| format!(" → {written}"));
        let shares = answer.areas().into_iter().map(|(_, share)| share.to_string());
        let pictures = place.map(|place| Ok::<_, Fault>((place.clone(), answer.mask_png()?)));
        Ok(Told {
            pictures: pictures.into_iter().collect::<Result<_, _>>()?,
            line: format!("{}{arrow}  {}{}", asked.shown, further::areas(answer), further::line(answer)),
            object: json!({ "written": written, "areas": further::shares(answer) }),
            cells: std::iter::once(written.unwrap_or_default()).chain(shares).collect(),
            ..Told::default()
        })
    };
    asking.tell(predictor, &head, &mut tell, &no_table)
}

/// Gives the model's picture of each image.
fn images(asking: &Asking<'_>, predictor: &mut Predictor) -> Result<(), Stop> {
    let mut tell = |asked: &Asked, answer: &Answer| {
        let place = &asking.places[asked.file];
        let written = place.display().to_string();
        Ok(Told {
            pictures: vec![(place.clone(), answer.png()?)],
            line: format!("{} → {written}  {}{}", asked.shown, answer.shape, further::line(answer)),
            object: json!({ "written": written, "shape": answer.shape.to_string() }),
            cells: vec![written],
            ..Told::default()
        })
    };
    asking.tell(predictor, &["written".to_owned()], &mut tell, &no_table)
}

/// Of answers that are lines.
fn no_table(_rows: Vec<Vec<String>>) -> String {
    String::new()
}

/// A row an image: `digit.png  7  99.75 %   9  0.17 %`.
fn answers(rows: Vec<Vec<String>>, further: &[String]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).saturating_sub(further.len());
    let own = (0..columns).map(|i| match i {
        0 => "image",
        1 => "class",
        3 => "then",
        _ => "",
    });
    let head: Vec<&str> = own.chain(further.iter().map(String::as_str)).collect();
    table(&head, 2, rows)
}
