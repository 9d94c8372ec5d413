//! `dslc lsp`: the language server for editors, on standard input and output.

use crate::cli::Stop;
use crate::lsp::{self, Ended};

/// Editors start this; they talk to it on standard input and output.
#[derive(clap::Args)]
pub struct Options {
    /// Accepted for editors that always pass it; there is no other transport
    #[arg(long, hide = true)]
    stdio: bool,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    let Options { stdio: _ } = options;
    match lsp::stdio() {
        Ok(Ended::Asked) => Ok(()),
        Ok(Ended::Unasked | Ended::Closed | Ended::Orphaned) => Err(Stop::Findings),
        Err(broken) => Err(Stop::Environment(format!("error: {broken}"))),
    }
}
