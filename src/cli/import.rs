//! `dslc import FILE`: what others trained → what dslc reads, by the kind of the file.

use std::path::PathBuf;

use crate::cli::Stop;
use crate::cli::carried::How;
use crate::cli::into::{self, Into};

#[derive(clap::Args)]
pub struct Options {
    /// Weights of safetensors, PyTorch (.pth, .pt) or NumPy (.npz)
    file: PathBuf,
    /// The .net or .model file whose model takes the weights
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    /// The file to write
    #[arg(short, long, value_name = "FILE", default_value = "weights.safetensors")]
    out: PathBuf,
    /// Override a setting of the file by its path, such as `model.classes=10`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// A text file with the name of a class on each line, in the order of the model's outputs
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let Some(file) = &options.into else {
        return Err(Stop::Environment(format!(
            "error: {} holds weights; which model they are of must be said\n  try: `--into FILE` with a `.net` or `.model` file",
            options.file.display()
        )));
    };
    into::run(&Into {
        weights: &options.file,
        file,
        settings: &options.settings,
        to: &options.out,
        how: &options.how,
        classes: options.classes.as_ref(),
    })
}
