//! `dslc docs DIR`: the reference of the language as files, for this project's own `docs/`.

use std::path::PathBuf;

use crate::cli::Stop;
use crate::reference;
use crate::train::checkpoint::write_atomically;

#[derive(clap::Args)]
pub struct Options {
    /// The folder that the files are written into
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let folder = &options.folder;
    std::fs::create_dir_all(folder)
        .map_err(|e| Stop::Environment(format!("error: {} cannot be made: {e}", folder.display())))?;
    for (name, text) in reference::files() {
        write_atomically(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}
