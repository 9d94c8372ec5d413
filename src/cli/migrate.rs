//! `dslc migrate RUN FILE`: the weights of a run as those of a model that has changed since.

use std::path::PathBuf;

use crate::cli::Stop;
use crate::cli::carried::How;
use crate::cli::into::{self, Into};

#[derive(clap::Args)]
pub struct Options {
    /// A run's folder (its best weights are used), or a weights file
    run: PathBuf,
    /// The .net or .model file with the model as it is now
    file: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "FILE", default_value = "weights.safetensors")]
    out: PathBuf,
    /// Override a setting of the file by its path, such as `model.classes=10`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    #[command(flatten)]
    how: How,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    into::run(&Into {
        weights: &options.run,
        file: &options.file,
        settings: &options.settings,
        to: &options.out,
        how: &options.how,
        classes: None,
    })
}
