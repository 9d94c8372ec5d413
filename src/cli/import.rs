//! `dslc import FILE`: what other programs wrote → what dslc reads: a whole network, or weights for a model of ours.

use std::path::PathBuf;

use crate::cli::Stop;
use crate::cli::carried::How;
use crate::cli::imported::{self, Existing, Import};
use crate::cli::into::{self, Into};

#[derive(clap::Args)]
pub struct Options {
    /// A network in ONNX; or, with --into, weights of safetensors, PyTorch (.pth, .pt) or NumPy (.npz)
    file: PathBuf,
    /// The .net or .model file whose model takes the weights
    #[arg(long, value_name = "FILE", conflicts_with_all = ["input", "verify", "force"])]
    into: Option<PathBuf>,
    /// The file to write: a network's .model file, beside which its weights lie (default: named after FILE), or with --into
    /// the weights (default: weights.safetensors)
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The shape of one image, where a network's file leaves it open: 3x224x224
    #[arg(long, value_name = "SHAPE")]
    input: Option<String>,
    /// Hold what a network computes against arrays: the first is a batch of inputs, the second its outputs
    #[arg(long, value_name = "NPZ")]
    verify: Option<PathBuf>,
    /// Overwrite what is already there
    #[arg(long)]
    force: bool,
    /// With --into: override a setting of the file by its path, such as `model.classes=10`
    #[arg(long = "set", value_name = "PATH=VALUE", requires = "into")]
    settings: Vec<String>,
    /// With --into: a text file with the name of a class on each line, in the order of the model's outputs
    #[arg(long, value_name = "FILE", requires = "into")]
    classes: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

/// How the names of files end that hold weights without their network.
const WEIGHTS: &[&str] = &["safetensors", "pth", "pt", "npz"];

pub fn run(options: &Options) -> Result<(), Stop> {
    let file = &options.file;
    if let Some(into) = &options.into {
        return into::run(&Into {
            weights: file,
            file: into,
            settings: &options.settings,
            to: &options.out.clone().unwrap_or_else(|| "weights.safetensors".into()),
            how: &options.how,
            classes: options.classes.as_ref(),
        });
    }
    let ending = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if WEIGHTS.contains(&ending.as_str()) {
        return Err(Stop::Environment(format!(
            "error: {} holds weights, but not the model they are for\n  try: `--into FILE` with a `.net` or `.model` file",
            file.display()
        )));
    }
    imported::run(&Import {
        file,
        to: options.out.as_deref(),
        input: options.input.as_deref(),
        verify: options.verify.as_deref(),
        existing: if options.force { Existing::IsReplaced } else { Existing::Stays },
    })
}
