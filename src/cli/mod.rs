//! The commands. The only folder that prints or decides the exit code: 0 fine, 1 findings in the user's files,
//! 2 wrong usage or environment, 130 interrupted, 141 nobody reads the output any more.

mod answers;
mod batch;
mod bench;
mod bench_data;
mod carried;
mod check;
mod compare;
mod data;
mod data_page;
mod devices;
mod docs;
mod eval;
mod explain;
mod export;
mod files;
mod fix;
mod fmt;
mod folds;
mod further;
mod graph;
mod import;
mod into;
mod listing;
mod load;
mod lr;
mod lsp;
mod memory;
mod migrate;
mod networks;
mod new;
mod network;
mod out;
mod page;
mod pictures;
mod plot;
mod predict;
mod processes;
mod progress;
mod report;
mod resume;
mod run;
mod runs;
mod scores;
mod show;
mod signals;
mod snapshot;
mod summary;
mod sweep;
mod table;
mod trained;
mod unknown;
mod written;

use std::ffi::OsString;
use std::io::Write;
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
    /// Write a first file, from a known network or for a folder of images
    New(new::Options),
    /// Train the network of a file and test it
    Run(run::Options),
    /// Try rising learning rates and suggest one
    Lr(lr::Options),
    /// Train with many settings and list the best
    Sweep(sweep::Options),
    /// Continue a stopped run, to the same result
    Resume(resume::Options),
    /// List runs: their states, results and ages
    Runs(runs::Options),
    /// Show what differs between runs: their files, layers, parameters and results
    Compare(compare::Options),
    /// Write a run's page again, from what the run recorded
    Report(report::Options),
    /// Find every mistake in files, without running anything
    Check(check::Options),
    /// Look at a file's data: parts, classes, sizes, damaged files, repeated pictures
    Data(data::Options),
    /// List the devices that networks can run on here
    Devices(devices::Options),
    /// Apply the fixes that are certain or proved
    Fix(fix::Options),
    /// Write the reference of the language
    #[command(hide = true)]
    Docs(docs::Options),
    /// Explain a finding's code or a word of the language
    Explain(explain::Options),
    /// Format files in the one style
    Fmt(fmt::Options),
    /// Run the language server: findings, completions and more in an editor
    Lsp(lsp::Options),
    /// Print the file with every default filled in
    Show(show::Options),
    /// Show each layer's output shape, parameters, FLOPs and memory
    Summary(summary::Options),
    /// Print what a file becomes: its tree, model or compute graph
    Graph(graph::Options),
    /// Keep a snapshot of a network as text next to its file, and show what has changed
    Snapshot(snapshot::Options),
    /// Measure how fast a network runs on this machine
    Bench(bench::Options),
    /// Import a network or weights from another program
    Import(import::Options),
    /// Carry a run's weights over to a network that has changed since
    Migrate(migrate::Options),
    /// Measure a run's weights on test images
    Eval(eval::Options),
    /// Classify image files, or turn them into new images
    Predict(predict::Options),
    /// Write a network for other programs: ONNX, PyTorch, C
    Export(export::Options),
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
    answer(std::env::args_os().collect())
}

/// Runs a command line: a name for the program, and its arguments.
pub fn answer(arguments: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(wrong) if wrong.use_stderr() => {
            let arguments: Vec<String> =
                arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
            let wrong = unknown::advised(wrong, &arguments);
            let said = wrong.render();
            let color = out::Look::stderr().color;
            out::err_styled(&if color { said.ansi().to_string() } else { said.to_string() });
            return ExitCode::from(2);
        }
        // What was asked for: help, or the version.
        Err(page) => {
            let printed = page.print().and_then(|()| std::io::stdout().flush());
            return ended(printed.map_err(|e| out::unwritten(&e)));
        }
    };
    ended(match cli.command {
        Command::New(options) => new::run(&options),
        Command::Run(options) => run::run(&options),
        Command::Lr(options) => lr::run(&options),
        Command::Sweep(options) => sweep::run(&options),
        Command::Resume(options) => resume::run(&options),
        Command::Runs(options) => runs::run(&options),
        Command::Compare(options) => compare::run(&options),
        Command::Report(options) => report::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Data(options) => data::run(&options),
        Command::Devices(options) => devices::run(&options),
        Command::Fix(options) => fix::run(&options),
        Command::Docs(options) => docs::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Fmt(options) => fmt::run(&options),
        Command::Lsp(options) => lsp::run(&options),
        Command::Show(options) => show::run(&options),
        Command::Summary(options) => summary::run(&options),
        Command::Graph(options) => graph::run(&options),
        Command::Snapshot(options) => snapshot::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Import(options) => import::run(&options),
        Command::Migrate(options) => migrate::run(&options),
        Command::Eval(options) => eval::run(&options),
        Command::Predict(options) => predict::run(&options),
        Command::Export(options) => export::run(&options),
    })
}

fn ended(result: Result<(), Stop>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // As if SIGPIPE had ended it.
        Err(Stop::Closed) => ExitCode::from(141),
        Err(Stop::Findings) => ExitCode::from(1),
        Err(Stop::Environment(message)) => {
            if !message.is_empty() {
                out::err(&crate::diag::render::visible(&message));
            }
            ExitCode::from(2)
        }
        Err(Stop::Interrupted) => ExitCode::from(130),
    }
}
