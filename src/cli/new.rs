//! `dslc new [NETWORK|DATA]`: a first file to begin with, from a network that dslc knows or for the data that lie at a path.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

use crate::cli::Stop;
use crate::cli::load;
use crate::cli::networks::{NETWORKS, Network};
use crate::cli::out::out;
use crate::cli::table::plural;
use crate::cli::written;
use crate::data::glob;
use crate::data::sample::{Form, Size, Task};
use crate::data::samples::{Images, part};
use crate::data::section::DataSection;
use crate::data::sources::{folder, mnist, usual};
use crate::data::{Dataset, Facts, Wanted};
use crate::diag::{Fault, Remedy, nearest};
use crate::experiment::disk::is_network;
use crate::experiment::loaded::{Loaded, load_text};
use crate::source::Span;
use crate::spec::Arg;

/// The network that is written for a folder of MNIST's files.
const FIRST: &str = "mnist";
/// The network that is written for a folder of pictures.
const PICTURES: &str = "textures";

#[derive(clap::Args)]
pub struct Options {
    /// A network such as `lenet5`, or data: a folder of images, a table, tar files, Parquet, arrays; without it, dslc lists
    /// all networks
    #[arg(value_name = "NETWORK|DATA")]
    what: Option<String>,
    /// The folder of images to train on: in MNIST's format, or of pictures with a subfolder for each class
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The file to write, instead of NETWORK.net or NETWORK.model; an existing file is left alone
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let (name, data) = match (&options.what, &options.data) {
        (None, None) => return out(&list()),
        (None, Some(folder)) if is_own(folder) => return for_data(options, folder),
        (None, Some(folder)) => (network_for(folder), Some(folder.clone())),
        (Some(what), None) if find(what).is_none() && is_own(Path::new(what)) => {
            return for_data(options, Path::new(what));
        }
        (Some(what), None) if find(what).is_none() && Path::new(what).is_dir() => {
            (network_for(Path::new(what)), Some(PathBuf::from(what)))
        }
        (Some(what), data) => (what.as_str(), data.clone()),
    };
    let network = find(name).ok_or_else(|| unknown(name))?;
    let path = match &options.output {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}.{}", network.name, network.ending)),
    };
    if !is_network(&path) {
        let shown = path.display();
        return refuse(format!(
            "{shown} would not be a network file\n  try: `-o {shown}.{}`",
            network.ending
        ));
    }
    let own = format!("models/{}.{}", network.name, network.ending);
    let mut text = network.text.replace(&own, &path.display().to_string());
    if let Some(folder) = &data {
        text = with_data(network, &without_remarks(&text), &path, folder)?;
    }
    let loaded = load_text(&path, text.clone(), &[]);
    load::report(&loaded)?;
    write(&path, &text)?;
    out(&next(&loaded, network, data.is_some()))?;
    match &options.what {
        Some(what) if data.is_none() && Path::new(what).is_dir() => out(&format!(
            "this is the known network; `dslc new ./{what} -o FILE` writes a file for the folder {what}\n"
        )),
        Some(_) | None => Ok(()),
    }
}

/// The text without what its comments say of the example's own data: those at its top and in `data`.
fn without_remarks(text: &str) -> String {
    let (mut is_top, mut in_data) = (true, false);
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        is_top &= line.is_empty() || line.starts_with('#');
        in_data = line.starts_with("data {") || in_data && line != "}";
        let line = match line.split_once('#') {
            Some((code, _)) if in_data => code.trim_end(),
            Some(_) | None => line,
        };
        if !is_top {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Whether a path's data need a file of their own, beside those of the known networks.
fn is_own(path: &Path) -> bool {
    let is_there = path.exists() || glob::is_pattern(path);
    is_there
        && match usual::kind(path) {
            Some("mnist") => mnist::has_other_size(path),
            kind => kind.is_some_and(|kind| kind != "folder"),
        }
}

/// Writes a file for the data set at a path.
fn for_data(options: &Options, data: &Path) -> Result<(), Stop> {
    let Some(kind) = usual::kind(data) else {
        return refuse(format!("there are no data at {}", data.display()));
    };
    let data = written::inner(kind, data).map_or_else(|| data.to_owned(), |inner| data.join(inner));
    let stem = data.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let stem: String = stem.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let stem = if stem.starts_with(|c: char| c.is_ascii_alphabetic()) { stem } else { kind.to_owned() };
    let path =
        options.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.net", stem.to_lowercase())));
    let shown = path.display();
    if !is_network(&path) {
        return refuse(format!("{shown} would not be a network file\n  try: `-o {shown}.net`"));
    }
    // A pattern begins in a folder that is there.
    let is_there = data.exists();
    let is_name = |part: &Component<'_>| is_there || !glob::is_pattern(part.as_ref());
    let n_names = data.components().take_while(is_name).count();
    let folder: PathBuf = data.components().take(n_names).collect();
    let folder = if n_names == 0 { Path::new(".") } else { folder.as_path() };
    let mut named = relative(&path, folder)?;
    named.extend(data.components().skip(n_names));
    let line = written::source(kind, &data, &quotable(&named)?).map_err(told)?;
    let model = format!("{}{}", stem[..1].to_uppercase(), &stem[1..]);
    // A first text tells what is known of the data; the second one is made for them.
    let guess = Facts {
        form: Form { channels: Some(3), size: Size::Varied },
        task: Task::Classes,
        classes: None,
        parts: None,
        watched: None,
    };
    let loaded = load_text(&path, written::text(&model, &line, &guess), &[]);
    let Some(section) = &loaded.experiment.data else {
        load::report(&loaded)?;
        return Err(Stop::Findings);
    };
    let found = section.source.look(&section.args, &loaded.base()).map_err(told)?;
    let Some(mut facts) = found else { return refuse(format!("there are no data at {}", data.display())) };
    facts.parts = facts.parts.or(Some([1, 0, 1]));
    let line = format!("{line}{}", written::stated(kind, &facts));
    let text = written::text(&model, &line, &facts);
    let loaded = load_text(&path, text.clone(), &[]);
    load::report(&loaded)?;
    write(&path, &text)?;
    let parameters = loaded.experiment.model.as_ref().map_or(0, |model| model.n_parameters() as u64);
    let parameters = plural(parameters, "parameter", "parameters");
    out(&format!(
        "wrote {shown} ({parameters})\n  dslc check {shown}\n  dslc data {shown}\n  dslc run {shown}\n"
    ))
}

/// The network that suits what lies in a folder.
fn network_for(folder: &Path) -> &'static str {
    let has_pictures = folder::below(folder).is_ok_and(|pictures| !pictures.is_empty());
    if has_pictures { PICTURES } else { FIRST }
}

fn find(name: &str) -> Option<&'static Network> {
    NETWORKS.iter().find(|network| network.name == name)
}

fn refuse<T>(message: String) -> Result<T, Stop> {
    Err(Stop::Environment(format!("error: {message}")))
}

fn unknown(name: &str) -> Stop {
    let near = nearest(name, NETWORKS.iter().map(|network| network.name));
    let remedy =
        near.map_or("`dslc new` lists the networks".to_owned(), |near| format!("`dslc new {}`", near.word));
    Stop::Environment(format!(
        "error: no network is called `{name}`, and there is no folder of this name\n  try: {remedy}"
    ))
}

fn list() -> String {
    let mut text = "whole experiments:\n".to_owned();
    let mut ending = "net";
    for network in NETWORKS {
        if network.ending != ending {
            text.push_str("\narchitectures:\n");
            ending = network.ending;
        }
        text.push_str(&format!("  {:<18} {}\n", network.name, network.summary));
    }
    text.push_str(
        "\n`dslc new NETWORK` writes one; `--data FOLDER` trains it on your images, `-o FILE` names the file\n",
    );
    text
}

/// The text with this folder as its data set, and normalised by what its training images measure.
fn with_data(network: &Network, text: &str, path: &Path, folder: &Path) -> Result<String, Stop> {
    let loaded = load_text(path, text.to_owned(), &[]);
    let Some(data) = &loaded.experiment.data else {
        let whole: Vec<&str> = NETWORKS.iter().filter(|n| n.ending == "net").map(|n| n.name).collect();
        return refuse(format!(
            "`{}` is an architecture without data and training\n  try: `--data` with one of {}",
            network.name,
            whole.join(", ")
        ));
    };
    let named = format!("\"{}\"", quotable(&relative(path, folder)?)?);
    let text = edited(text, data.args.span("path").zip(Some(named)).into_iter().collect());
    let loaded = load_text(path, text.clone(), &[]);
    let Some(data) = &loaded.experiment.data else {
        load::report(&loaded)?;
        return Err(Stop::Findings);
    };
    if network.name == PICTURES {
        return with_pictures(&text, data, &loaded);
    }
    let dataset = match data.source.load(&data.args, &loaded.base(), Wanted::All) {
        Ok(dataset) => dataset,
        Err(fault) => match with_argument(&text, data, &loaded, &fault) {
            // Such as the 49 classes of Kuzushiji-49.
            Some(other) => return with_data(network, &other, path, folder),
            None => return Err(explained(fault)),
        },
    };
    let (mean, std) = measured(&dataset);
    let mut edits: Vec<(Span, String)> = Vec::new();
    // Such as the letters of EMNIST: 26 classes.
    let (last, n) =
        (loaded.experiment.model.as_ref().and_then(|model| model.last()), dataset.classes().len());
    if last.is_some_and(|last| last.args.whole("features").is_ok_and(|features| features != n)) {
        edits.extend(data.args.span("path").map(|path| (path.after(), format!(" classes={n}"))));
        edits.extend(last.and_then(|last| last.args.span("features")).zip(Some(n.to_string())));
    }
    for step in &data.preprocess {
        edits.extend(step.args.span("mean").zip(Some(Arg::Number(mean).to_string())));
        edits.extend(step.args.span("std").zip(Some(Arg::Number(std).to_string())));
    }
    Ok(edited(&text, edits))
}

/// The text with the argument of the source that a fault asks for, if the source has no argument of this name yet.
fn with_argument(text: &str, data: &DataSection, loaded: &Loaded, fault: &Fault) -> Option<String> {
    let (name, value) = fault.remedies.iter().find_map(|remedy| match remedy {
        Remedy::Set { name, value } => Some((*name, value.clone())),
        Remedy::Unset { .. }
        | Remedy::Before(_)
        | Remedy::After(_)
        | Remedy::Instead(_)
        | Remedy::Remove
        | Remedy::Advice(_) => None,
    })?;
    if data.args.span(name).is_some() {
        return None;
    }
    let mut edits = vec![(data.args.span("path")?.after(), format!(" {name}={value}"))];
    if name == "classes" {
        let last = loaded.experiment.model.as_ref().and_then(|model| model.last());
        edits.extend(last.and_then(|last| last.args.span("features")).zip(Some(value)));
    }
    Some(edited(text, edits))
}

/// The text with as many classes as the folder of its source has, and a part to test on.
fn with_pictures(text: &str, data: &DataSection, loaded: &Loaded) -> Result<String, Stop> {
    let found = data.source.look(&data.args, &loaded.base()).map_err(explained)?;
    let Some(Facts { classes: Some(classes), parts: Some(parts), .. }) = found else {
        return refuse(format!("there are no data at {}", path_of(loaded)));
    };
    let mut edits: Vec<(Span, String)> = Vec::new();
    edits.extend(data.args.span("classes").zip(Some(classes.to_string())));
    let last = loaded.experiment.model.as_ref().and_then(|model| model.last());
    edits.extend(last.and_then(|last| last.args.span("features")).zip(Some(classes.to_string())));
    if parts[2] == 0 {
        edits.push((data.source_span.after(), "\n    split test=20%".to_owned()));
    }
    // What is expected is expected of the photographs of the example.
    let text = edited(text, edits);
    let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("expect")).collect();
    Ok(format!("{}\n", kept.join("\n").trim_end()))
}

fn edited(text: &str, mut edits: Vec<(Span, String)>) -> String {
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = text.to_owned();
    edits.iter().for_each(|(span, new)| text.replace_range(span.range(), new));
    text
}

/// The data set's folder as the file names it.
fn path_of(loaded: &Loaded) -> String {
    let data = loaded.experiment.data.as_ref();
    data.and_then(|data| data.args.word("path").ok()).unwrap_or_default().to_owned()
}

fn told(fault: Fault) -> Stop {
    Stop::Environment(load::plain(&fault))
}

/// What is wrong with the folder, and what could be read instead.
fn explained(fault: Fault) -> Stop {
    Stop::Environment(load::plain(&fault.note(
        "what can be read: the four IDX files of MNIST and its relatives, plain or gzipped; pictures, in a subfolder for each \
         class; a table (CSV, TSV, JSONL) of pictures; tar files; Parquet; NumPy arrays; CIFAR",
    )))
}

/// A path as a text of the language, which has no escapes.
fn quotable(path: &Path) -> Result<String, Stop> {
    match path.to_str() {
        Some(text) if !text.contains(['"', '\n']) => Ok(text.to_owned()),
        _ => refuse(format!("{} cannot be written into a file\n  try: rename the folder", path.display())),
    }
}

/// The folder as seen from the file's own folder.
fn relative(file: &Path, folder: &Path) -> Result<PathBuf, Stop> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let real = |path: &Path| {
        path.canonicalize()
            .map_err(|e| Stop::Environment(format!("error: {} cannot be used: {e}", path.display())))
    };
    let (from, to) = (real(parent)?, real(folder)?);
    let (from, to): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (from.components().collect(), to.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[shared..].iter().map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(to[shared..].iter().copied()).collect();
    Ok(if path.as_os_str().is_empty() { PathBuf::from(".") } else { path })
}

/// Mean and standard deviation of all pixels, which count from 0 to 1, to four digits.
fn measured(dataset: &Dataset) -> (f64, f64) {
    let Images::Bytes { shape, values } = &dataset.samples.images else { return (0.0, 1.0) };
    let pixels = || dataset.parts.train.iter().flat_map(|&index| part(values, shape, index as usize));
    let n = pixels().count().max(1) as f64;
    let sum: f64 = pixels().map(|&pixel| f64::from(pixel)).sum();
    let squares: f64 = pixels().map(|&pixel| f64::from(pixel).powi(2)).sum();
    let mean = sum / n;
    let std = (squares / n - mean * mean).max(0.0).sqrt();
    let rounded = |value: f64| (value / 255.0 * 1e4).round() / 1e4;
    // Images of one colour have no spread; dividing by 1 leaves them as they are.
    (rounded(mean), if rounded(std) > 0.0 { rounded(std) } else { 1.0 })
}

/// Writes a file that does not exist yet.
fn write(path: &Path, text: &str) -> Result<(), Stop> {
    let shown = path.display();
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            refuse(format!("{shown} already exists and is left as it is\n  try: `-o FILE` with another name"))
        }
        Err(e) => refuse(format!(
            "{shown} cannot be written: {e}\n  try: `-o FILE` in a folder that you may write to"
        )),
    }
}

/// What was written, and what to do with it.
fn next(loaded: &Loaded, network: &Network, has_data: bool) -> String {
    let path = loaded.path.display();
    let parameters = loaded.experiment.model.as_ref().map_or(0, |model| model.n_parameters() as u64);
    let mut text = format!("wrote {path} ({})\n", plural(parameters, "parameter", "parameters"));
    text.push_str(&format!("  dslc check {path}\n  dslc summary {path}\n"));
    match network.ending {
        "net" => text.push_str(&format!("  dslc run {path}\n")),
        _ => text.push_str(&format!("  dslc graph {path} --stage model\n")),
    }
    let folder = loaded.base().join(path_of(loaded));
    if network.ending == "net" && !has_data && !folder.exists() {
        let shown = folder.strip_prefix(".").unwrap_or(&folder).display();
        let kind = loaded.experiment.data.as_ref().map_or("", |data| data.source.spec().name);
        let how = match ["mnist", "folder"].contains(&kind) {
            true => format!("; or `dslc new {} --data FOLDER -o FILE` for another folder", network.name),
            false => ", or change its `source` line".to_owned(),
        };
        text.push_str(&format!("{shown} is not here yet: put the data there{how}\n"));
    }
    text
}
