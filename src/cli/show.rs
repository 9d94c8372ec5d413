//! `dslc show FILE`: the file with every setting and default filled in, as a run records it.

use std::path::PathBuf;

use crate::cli::out::out;
use crate::cli::{Stop, batch, load};
use crate::experiment::resolved::Settled;
use crate::tensor::Device;

#[derive(clap::Args)]
pub struct Options {
    /// A `.net` or `.model` file
    file: PathBuf,
    /// Fill in every default
    #[arg(long, required = true)]
    resolved: bool,
    /// Override a setting by its path, such as `train.epochs=1`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let loaded = load::load_whole(&options.file, &options.settings, &["model"])?;
    let settled = Settled { batch: batch::of(&loaded, &Device::Cpu)?, data: None };
    out(loaded.resolved(settled).trim_end())
}
