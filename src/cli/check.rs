//! `dslc check FILE…`

use std::path::PathBuf;

use crate::cli::{Stop, load};
use crate::diag::{has_errors, render};

#[derive(clap::Args)]
pub struct Options {
    /// `.net` or `.model` files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Override a setting by its path, such as `train.epochs=1`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    message_format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// With the lines of the file
    Human,
    /// One line a finding
    Concise,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let mut failed = false;
    for path in &options.files {
        let loaded = load::load(path, &options.settings)?;
        match options.message_format {
            Format::Human => load::print(&loaded.sources, &loaded.diagnostics),
            Format::Concise => print!("{}", render::concise(&loaded.sources, &loaded.diagnostics)),
        }
        failed |= has_errors(&loaded.diagnostics);
        if options.message_format == Format::Human {
            let model = loaded.experiment.model.as_ref();
            let described = match (loaded.diagnostics.is_empty(), model) {
                (true, Some(model)) => {
                    format!(
                        "fine: {}, {} parameters",
                        model.name,
                        super::table::thousands(model.n_parameters() as u64)
                    )
                }
                (true, None) => "fine".to_owned(),
                (false, _) => load::count(&loaded.diagnostics),
            };
            println!("{}: {described}", path.display());
        }
    }
    if failed { Err(Stop::Findings) } else { Ok(()) }
}
