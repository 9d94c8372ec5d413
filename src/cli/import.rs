//! `dslc import FILE`: what others trained → what dslc reads, by the kind of the file.

use std::path::{Path, PathBuf};

use crate::cli::Stop;
use crate::cli::carried::How;
use crate::cli::into::{self, Into};
use crate::cli::network::{self, Network};
use crate::exchange;

#[derive(clap::Args)]
pub struct Options {
    /// A network of ONNX (.onnx), Keras (.keras, .h5), Darknet (.cfg) or Caffe (.prototxt); or, with `--into`, weights: safetensors, PyTorch (.pth, .pt), Keras (.keras, .h5) or NumPy (.npz)
    file: PathBuf,
    /// The .net or .model file whose model takes the weights
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    /// The file to write (default: weights.safetensors; for a network, a .model file named after it, with its weights next to it)
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Override a setting of the file by its path, such as `model.classes=10`
    #[arg(long = "set", value_name = "PATH=VALUE", requires = "into")]
    settings: Vec<String>,
    /// A text file with the name of a class on each line, in the order of the model's outputs
    #[arg(long, value_name = "FILE", requires = "into")]
    classes: Option<PathBuf>,
    /// The file with a network's weights, if they are in another (default: the one of the same name beside it)
    #[arg(long, value_name = "FILE", conflicts_with = "into")]
    weights: Option<PathBuf>,
    /// The shape of one image, if the file leaves it open: 3x224x224
    #[arg(long, value_name = "SHAPE", conflicts_with = "into")]
    input: Option<String>,
    /// Compare what a network computes with arrays: the first is a batch of inputs, the second its outputs
    #[arg(long, value_name = "NPZ", conflicts_with = "into")]
    verify: Option<PathBuf>,
    /// Overwrite the files of a network that are already there
    #[arg(long, conflicts_with = "into")]
    force: bool,
    #[command(flatten)]
    how: How,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let Some(file) = &options.into else { return network(options) };
    into::run(&Into {
        weights: &options.file,
        file,
        settings: &options.settings,
        to: options.out.as_deref().unwrap_or(Path::new("weights.safetensors")),
        how: &options.how,
        classes: options.classes.as_ref(),
    })
}

fn network(options: &Options) -> Result<(), Stop> {
    let Some(kind) = exchange::incoming(&options.file) else {
        return Err(Stop::Environment(format!(
            "error: {} holds weights; which model they are of must be said\n  try: `--into FILE` with a `.net` or `.model` file",
            options.file.display()
        )));
    };
    network::run(&Network {
        kind,
        file: &options.file,
        weights: options.weights.as_deref(),
        to: options.out.as_deref(),
        input: options.input.as_deref(),
        verify: options.verify.as_deref(),
        force: options.force,
    })
}
