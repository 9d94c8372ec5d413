//! The commands. The only folder that prints or decides the exit code: 0 fine, 1 findings in the user's files,
//! 2 wrong usage or environment, 130 interrupted.

mod check;
mod eval;
mod fix;
mod fmt;
mod folder;
mod graph;
mod load;
mod out;
mod predict;
mod progress;
mod run;
mod scores;
mod show;
mod summary;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "dslc",
    version,
    about = "Describe a convolutional network and its whole experiment in one checked text file, and run it"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train the network of a file and test it
    Run(run::Options),
    /// Find every mistake in files, without running anything
    Check(check::Options),
    /// Apply the first offered way out of each error
    Fix(fix::Options),
    /// Lay files out in the one style
    Fmt(fmt::Options),
    /// Print the file with every default filled in
    Show(show::Options),
    /// Show each layer's output shape, parameters, FLOPs and memory
    Summary(summary::Options),
    /// Print what a file becomes: its tree, model or compute graph
    Graph(graph::Options),
    /// Measure a run's weights on test images
    Eval(eval::Options),
    /// Classify image files with a run's weights
    Predict(predict::Options),
}

/// Why a command stopped.
pub(crate) enum Stop {
    /// Findings about the user's files; they have been printed.
    Findings,
    /// Something outside the files; a message that is not empty is still to be printed.
    Environment(String),
    Interrupted,
    /// Nobody reads standard output any more.
    Closed,
}

impl From<crate::diag::Fault> for Stop {
    fn from(fault: crate::diag::Fault) -> Stop {
        Stop::Environment(load::plain(&fault))
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(options) => run::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Fix(options) => fix::run(&options),
        Command::Fmt(options) => fmt::run(&options),
        Command::Show(options) => show::run(&options),
        Command::Summary(options) => summary::run(&options),
        Command::Graph(options) => graph::run(&options),
        Command::Eval(options) => eval::run(&options),
        Command::Predict(options) => predict::run(&options),
    };
    match result {
        Ok(()) | Err(Stop::Closed) => ExitCode::SUCCESS,
        Err(Stop::Findings) => ExitCode::from(1),
        Err(Stop::Environment(message)) => {
            if !message.is_empty() {
                out::err(&message);
            }
            ExitCode::from(2)
        }
        Err(Stop::Interrupted) => ExitCode::from(130),
    }
}
