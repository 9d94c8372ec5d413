//! `dslc export RUN|FILE --to FORMAT -o PLACE`: a network as files of another program.

use std::path::{Path, PathBuf};

use crate::cli::out::out;
use crate::cli::table::plural;
use crate::cli::{Stop, load, trained};
use crate::exchange::network::Network;
use crate::exchange::{self, Wish, Wishes};
use crate::experiment::disk;
use crate::experiment::loaded::Loaded;
use crate::model::Model;
use crate::predict;
use crate::source::Sources;

#[derive(clap::Args)]
pub struct Options {
    /// A run's folder (its best weights are used), a weights file, or a `.net` or `.model` file
    #[arg(value_name = "RUN|FILE")]
    what: PathBuf,
    /// The format: onnx, pytorch, safetensors or c
    #[arg(long, value_name = "FORMAT", default_value = "onnx")]
    to: String,
    /// The file or folder to write (default: named after RUN or FILE)
    #[arg(short, long, value_name = "PLACE")]
    out: Option<PathBuf>,
    /// The weights of a `.net` or `.model` file: a run, or a safetensors, PyTorch, Keras or NumPy file
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Export a `.net` or `.model` file with the weights that training would start from
    #[arg(long, conflicts_with = "weights")]
    untrained: bool,
    /// Put the preparation of pictures into the network: bytes in, probabilities out
    #[arg(long)]
    with_preparation: bool,
    /// Fold batch norms into the convolutions before them
    #[arg(long)]
    fold: bool,
    /// Overwrite what is already there
    #[arg(long)]
    force: bool,
    /// Override a setting of FILE by its path, such as `model.input=1x480x640`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let format = exchange::format(&options.to)?;
    let place = place(options, format.ending())?;
    let wishes = [(options.with_preparation, Wish::Preparation), (options.fold, Wish::Fold)];
    let wishes = Wishes(wishes.into_iter().filter(|(wanted, _)| *wanted).map(|(_, wish)| wish).collect());
    let path = &options.what;
    let said = if disk::is_network(path) && !path.is_dir() {
        let loaded = load::load_whole(path, &options.settings, &["model"])?;
        let weights = options
            .weights
            .as_deref()
            .map(|weights| trained::filled(path, weights, &options.settings, &["model"]))
            .transpose()?
            .map(|(weights, _)| weights);
        let n = loaded.experiment.model.as_ref().map_or(0, Model::n_parameters) as u64;
        if weights.is_none() && n > 0 && !options.untrained {
            let message = format!(
                "error: {} has {} that must be trained first\n  try: {}\n  try: `--weights FILE`, or `--untrained` for the weights that training begins with",
                path.display(),
                plural(n, "weight", "weights"),
                trained::how(path)
            );
            return Err(Stop::Environment(message));
        }
        let source = loaded.resolved(Default::default());
        let Loaded { experiment, sources, .. } = loaded;
        let experiment = experiment.without_auxiliaries();
        let mut network = Network::new(&experiment, Some(&sources), source, weights.as_ref())?;
        exchange::write(format, &mut network, &wishes, &place)?
    } else {
        if !options.settings.is_empty() || options.weights.is_some() {
            let message = "error: `--set` and `--weights` are for a file; a run keeps the settings and weights that it was trained with";
            return Err(Stop::Environment(message.to_owned()));
        }
        let (weights, _) = trained::open(path)?;
        let experiment = predict::experiment(&weights)?.without_auxiliaries();
        let mut sources = Sources::default();
        sources.add(path.display().to_string(), weights.card.source.clone());
        let source = weights.card.source.clone();
        let mut network = Network::new(&experiment, Some(&sources), source, Some(&weights))?;
        exchange::write(format, &mut network, &wishes, &place)?
    };
    said.iter().try_for_each(|line| out(line))?;
    out(&format!("written to {}", place.display()))
}

/// Where it is written to; refuses what would be lost.
fn place(options: &Options, ending: Option<&'static str>) -> Result<PathBuf, Stop> {
    let place = options.out.clone().unwrap_or_else(|| {
        let stem = options.what.file_stem().map(Path::new).unwrap_or(Path::new("network"));
        match ending {
            Some(ending) => stem.with_extension(ending),
            None => PathBuf::from(format!("{}-{}", stem.display(), options.to)),
        }
    });
    if place.exists() && !options.force {
        let message = format!(
            "error: {} is already there\n  try: `--force`, or another place with `-o`",
            place.display()
        );
        return Err(Stop::Environment(message));
    }
    Ok(place)
}
