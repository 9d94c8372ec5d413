//! `dslc predict RUN|FILE IMAGE…`: what a model makes of image files: the classes, labels or numbers that it sees in them, masks, or
//! new images.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::listing::{self, Cell};
use crate::cli::out::{err, out};
use crate::cli::pictures::{self, Files};
use crate::cli::table::{loss, percent, plural, table};
use crate::cli::{Stop, devices, further, load, trained};
use crate::data::png;
use crate::data::sample::Task;
use crate::data::sources::{arrays, files};
use crate::diag::{Fault, codes};
use crate::experiment::disk;
use crate::model::Model;
use crate::predict::{Answer, Class, Predictor};
use crate::tensor::device::Choice;
use crate::train::checkpoint::write_atomically;

#[derive(clap::Args, Clone)]
pub struct Options {
    /// A run's folder (its best weights are used), a weights file, or a `.net` or `.model` file that needs no training, or
    /// gets its weights from `--weights`
    #[arg(value_name = "RUN|FILE")]
    what: PathBuf,
    /// Picture files (.npy files for signals and volumes), folders of them, patterns such as "photos/**/*.jpg", tables of them (.csv, .tsv or
    /// .jsonl, with the columns that the model was trained with), or - for a list on standard input
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// What is given with each of them, in the model's order
    #[arg(skip)]
    given: Vec<Vec<Cell>>,
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
    let mut predictor = open(options)?;
    let kind = if predictor.signals().is_some() { Files::Signals } else { Files::Pictures };
    let rows = listing::rows(&predictor, pictures::named(&options.images, kind)?)?;
    let (paths, given) = rows.into_iter().unzip();
    let options = &Options { images: paths, given, ..options.clone() };
    let (name, output) = (predictor.name().to_owned(), predictor.output().clone());
    match (predictor.task(), &options.out, options.top) {
        (Task::Classes, Some(_), _) => refuse(&format!(
            "`{name}` gives classes, not images: there is nothing to write\n  try: no `--out`"
        )),
        (task @ (Task::Labels | Task::Numbers), Some(_), _) => refuse(&format!(
            "`{name}` gives {}, not images: there is nothing to write\n  try: no `--out`",
            task.names()
        )),
        (Task::Classes, None, top) => classes(options, &mut predictor, top.unwrap_or(3) as usize),
        (task @ (Task::Labels | Task::Numbers | Task::Masks), _, Some(_)) => {
            refuse(&format!("`{name}` gives {}, of which all are shown\n  try: no `--top`", task.one()))
        }
        (Task::Labels, None, None) => labels(options, &mut predictor),
        (Task::Numbers, None, None) => numbers(options, &mut predictor),
        (Task::Masks, folder, None) => masks(options, &mut predictor, folder.as_deref()),
        (Task::Images, _, _) if !png::fits(&output) => refuse(&format!(
            "`{name}` gives {output} for an image, which is neither classes nor a picture of 1 or 3 channels\n  \
             try: a last layer such as `conv2d 3 1x1`",
        )),
        (Task::Images, _, Some(_)) => refuse(&format!(
            "`{name}` gives images ({output}), not classes\n  try: `--out FOLDER` instead of `--top`"
        )),
        (Task::Images, None, None) => refuse(&format!(
            "`{name}` gives images ({output}), and there is no folder to write them to\n  try: `--out FOLDER`"
        )),
        (Task::Images, Some(folder), None) => images(options, &mut predictor, folder),
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
    let n = n.min(predictor.classes().len());
    let head = (0..n).flat_map(|place| match place {
        0 => ["class".to_owned(), "probability".to_owned()],
        place => [format!("class_{}", place + 1), format!("probability_{}", place + 1)],
    });
    let mut rows = Vec::new();
    let result = each(options, predictor, &head.collect::<Vec<_>>(), &mut |asked, answer| {
        let top = &answer.classes()[..n];
        let cells = top.iter().flat_map(|class| [class.name.clone(), percent(class.probability)]);
        let first = std::iter::once(asked.shown.clone());
        rows.push(first.chain(cells).chain(further::shown(answer)).collect());
        let cells = top.iter().flat_map(|class| [class.name.clone(), format!("{:?}", class.probability)]);
        Ok(Told {
            line: String::new(),
            object: json!({ "top": top.iter().map(further::class).collect::<Vec<Value>>() }),
            cells: cells.collect(),
        })
    });
    if options.form() == Form::Text && !rows.is_empty() {
        out(&answers(rows, &further::names(predictor)))?;
    }
    result
}

/// Prints which labels each image has.
fn labels(options: &Options, predictor: &mut Predictor) -> Result<(), Stop> {
    let head = predictor.classes().to_vec();
    let mut rows = Vec::new();
    let result = each(options, predictor, &head, &mut |asked, answer| {
        let holds = answer.classes().iter().filter(|label| label.probability > 0.5);
        let shown: Vec<String> =
            holds.map(|label| format!("{} {}", label.name, percent(label.probability))).collect();
        let shown = match (shown.as_slice(), answer.classes().first()) {
            ([], Some(first)) => format!("none (most likely {} {})", first.name, percent(first.probability)),
            (_, _) => shown.join(", "),
        };
        rows.push([vec![asked.shown.clone(), shown], further::shown(answer)].concat());
        let mut inner: Vec<&Class> = answer.classes().iter().collect();
        inner.sort_by_key(|label| label.index);
        let label = |label: &&Class| json!({ "label": label.name, "probability": label.probability, "holds": label.probability > 0.5 });
        Ok(Told {
            line: String::new(),
            object: json!({ "labels": inner.iter().map(label).collect::<Vec<Value>>() }),
            cells: inner.iter().map(|label| format!("{:?}", label.probability)).collect(),
        })
    });
    if options.form() == Form::Text && !rows.is_empty() {
        let further = further::names(predictor);
        let head = ["image", "labels"].into_iter().chain(further.iter().map(String::as_str));
        out(&table(&head.collect::<Vec<_>>(), 2, rows))?;
    }
    result
}

/// Prints the numbers of each image.
fn numbers(options: &Options, predictor: &mut Predictor) -> Result<(), Stop> {
    let names = predictor.classes().to_vec();
    let mut rows = Vec::new();
    let result = each(options, predictor, &names, &mut |asked, answer| {
        let values = answer.values();
        let cells = values.iter().map(|(_, value)| loss(f64::from(*value)));
        rows.push(std::iter::once(asked.shown.clone()).chain(cells).chain(further::shown(answer)).collect());
        let object: serde_json::Map<String, Value> =
            values.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        Ok(Told {
            line: String::new(),
            object: json!({ "numbers": object }),
            cells: values.iter().map(|(_, value)| value.to_string()).collect(),
        })
    });
    if options.form() == Form::Text && !rows.is_empty() {
        let further = further::names(predictor);
        let named = names.iter().chain(&further).map(String::as_str);
        let head: Vec<&str> = std::iter::once("image").chain(named).collect();
        out(&table(&head, 1, rows))?;
    }
    result
}

/// Tells how much of each image is of each class, and writes the mask into a folder, where there is one.
fn masks(options: &Options, predictor: &mut Predictor, folder: Option<&Path>) -> Result<(), Stop> {
    let places = match folder {
        Some(folder) => pictures::places(folder, &options.images, options.force)?,
        None => Vec::new(),
    };
    let head: Vec<String> =
        std::iter::once("mask".to_owned()).chain(predictor.classes().iter().cloned()).collect();
    each(options, predictor, &head, &mut |asked, answer| {
        let written = match places.get(asked.file) {
            Some(place) => {
                write_atomically(place, &answer.mask_png()?)?;
                Some(place.display().to_string())
            }
            None => None,
        };
        let areas = answer.areas();
        let mut shown: Vec<&(&str, f64)> = areas.iter().filter(|(_, share)| *share > 0.0).collect();
        shown.sort_by(|a, b| b.1.total_cmp(&a.1));
        let shown: Vec<String> =
            shown.iter().map(|(name, share)| format!("{name} {}", percent(*share))).collect();
        let arrow = written.as_ref().map_or_else(String::new, |written| format!(" → {written}"));
        let object: serde_json::Map<String, Value> =
            areas.iter().map(|(name, share)| ((*name).to_owned(), json!(share))).collect();
        let shares = areas.iter().map(|(_, share)| share.to_string());
        Ok(Told {
            line: format!("{}{arrow}  {}{}", asked.shown, shown.join(", "), further::line(answer)),
            object: json!({ "written": written, "areas": object }),
            cells: std::iter::once(written.clone().unwrap_or_default()).chain(shares).collect(),
        })
    })
}

/// Writes the model's picture of each image into a folder.
fn images(options: &Options, predictor: &mut Predictor, folder: &Path) -> Result<(), Stop> {
    let places = pictures::places(folder, &options.images, options.force)?;
    each(options, predictor, &["written".to_owned()], &mut |asked, answer| {
        write_atomically(&places[asked.file], &answer.png()?)?;
        let written = places[asked.file].display().to_string();
        let line = format!("{} → {written}  {}{}", asked.shown, answer.shape, further::line(answer));
        let object = json!({ "written": written, "shape": answer.shape.to_string() });
        Ok(Told { line, object, cells: vec![written] })
    })
}

/// What is told of an answer: a line for people, which may be empty, an object, and the cells of a table after the image's.
struct Told {
    line: String,
    object: Value,
    cells: Vec<String>,
}

/// What an answer is about.
struct Asked {
    /// The place of its file among those that were named.
    file: usize,
    /// What it is called: the file's path, and behind it the place in an array of several signals.
    shown: String,
}

type Tell<'a> = dyn FnMut(&Asked, &Answer) -> Result<Told, Fault> + 'a;

/// How answers are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Csv,
}

impl Options {
    fn form(&self) -> Form {
        match (self.json, self.csv) {
            (true, _) => Form::Json,
            (false, true) => Form::Csv,
            (false, false) => Form::Text,
        }
    }
}

/// A line of CSV.
fn record(cells: &[String]) -> Result<String, Stop> {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    writer.write_record(cells).map_err(|e| Fault::internal(&e))?;
    let bytes = writer.into_inner().map_err(|e| Fault::internal(&e))?;
    Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
}

/// Asks about each image, in the order of the arguments; one bad file does not lose the answers for the others. `head` names
/// the cells.
///
/// As JSON everything that is to be said of an image is in its object; otherwise remarks and faults go to standard error.
fn each(
    options: &Options,
    predictor: &mut Predictor,
    head: &[String],
    tell: &mut Tell<'_>,
) -> Result<(), Stop> {
    let form = options.form();
    if form == Form::Csv {
        let further = further::head(predictor);
        out(&record(&[&["image".to_owned()], head, &further].concat())?)?;
    }
    let (mut failed, mut stop) = (false, Stop::Findings);
    let files = options.images.iter().zip(&options.given).enumerate();
    for (asked, answer) in files.flat_map(|(file, (path, given))| answers_for(predictor, file, path, given)) {
        let shown = &asked.shown;
        let told = answer.and_then(|answer| {
            let remarks: Vec<String> = answer.remarks.iter().map(ToString::to_string).collect();
            tell(&asked, &answer).map(|mut told| {
                further::add(&answer, options.top.unwrap_or(3) as usize, &mut told.object, &mut told.cells);
                (told, remarks)
            })
        });
        match (told, form) {
            (Ok((told, remarks)), Form::Json) => {
                let mut object = told.object;
                object["remarks"] = json!(remarks);
                object["image"] = json!(shown);
                out(&object.to_string())?;
            }
            (Ok((told, remarks)), Form::Text | Form::Csv) => {
                remarks.iter().for_each(|remark| err(&format!("{shown}: {remark}")));
                if form == Form::Csv {
                    out(&record(&[std::slice::from_ref(shown), told.cells.as_slice()].concat())?)?;
                } else if !told.line.is_empty() {
                    out(&told.line)?;
                }
            }
            (Err(fault), _) => {
                failed = true;
                // A network that gives no numbers is at fault itself, any other fault lies around it.
                if fault.code != codes::NOT_FINITE {
                    stop = Stop::Environment(String::new());
                }
                if form == Form::Json {
                    let object = json!({ "error": fault.message, "code": fault.code, "image": shown });
                    out(&object.to_string())?;
                } else {
                    err(&load::plain(&fault));
                }
            }
        }
    }
    if failed { Err(stop) } else { Ok(()) }
}

/// What the model makes of a file: of a picture, or of each signal or volume in an array.
fn answers_for(
    predictor: &mut Predictor,
    file: usize,
    path: &Path,
    given: &[Cell],
) -> Vec<(Asked, Result<Answer, Fault>)> {
    let shown = path.display().to_string();
    let named = |fault: Fault| Fault { message: format!("{shown}: {}", fault.message), ..fault };
    let Some(shape) = predictor.signals() else {
        let given = given.iter().map(Cell::read).collect::<Result<Vec<_>, _>>();
        let answer = given.and_then(|given| {
            files::read(path).and_then(|bytes| predictor.picture_with(&bytes, &given).map_err(named))
        });
        return vec![(Asked { file, shown }, answer)];
    };
    let signals = match arrays::signals(path, &shape.clone()) {
        Ok(signals) => signals,
        Err(fault) => return vec![(Asked { file, shown }, Err(fault))],
    };
    let name = |at: usize| if signals.len() == 1 { shown.clone() } else { format!("{shown}[{at}]") };
    let each = signals.iter().enumerate();
    each.map(|(at, signal)| {
        let shown = name(at);
        let named = |fault: Fault| Fault { message: format!("{shown}: {}", fault.message), ..fault };
        let answer = predictor.signal(signal).map_err(named);
        (Asked { file, shown }, answer)
    })
    .collect()
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
