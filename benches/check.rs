//! How long a check takes, against what an editor and a commit hook can bear: `cargo bench --bench check`.
//!
//! Each figure is the fastest of many runs, which other work on the machine disturbs least, with the median beside it.
//! The program fails if one is over its bound, so that a change that makes the front end slow is seen.
#![allow(clippy::print_stdout)]

mod support;

use std::hint::black_box;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use dslc::diag::has_errors;
use dslc::editor::Program;
use dslc::editor::complete::{Folders, complete};
use dslc::editor::folding::folds;
use dslc::editor::hints::hints;
use dslc::editor::hover::hover;
use dslc::editor::names::{references, rename};
use dslc::editor::selection::selection;
use dslc::editor::signature::signature;
use dslc::editor::symbols::symbols;
use dslc::editor::tokens::tokens;
use dslc::experiment::imports::Project;
use dslc::experiment::{self, Checked};
use dslc::source::Sources;

use support::long_file;

/// Runs of each measurement.
const RUNS: usize = 31;

fn main() -> ExitCode {
    let models = models();
    let texts: Vec<(PathBuf, String)> = models.iter().map(|path| (path.clone(), text_of(path))).collect();
    let deep = thousand_layers();
    let long = long_file();
    let n_lines = long.lines().count();
    // A keystroke: every run checks another text.
    let mut keystrokes = (0..).map(|i| long.replacen("dropout 5%", &format!("dropout {}%", 5 + i % 2), 1));
    let names: Vec<&PathBuf> = models.iter().collect();

    let all = format!("every file of models/ ({}), in one process", models.len());
    let figures = [
        (all, 50, timed(|| texts.iter().for_each(|(path, text)| sound(path, text)))),
        ("the same by `dslc check`, its start included".to_owned(), 50, timed(|| by_binary(&names))),
        ("a network of 1,000 layers".to_owned(), 100, timed(|| sound(Path::new("deep.net"), &deep))),
        (
            format!("again after a keystroke in a file of {n_lines} lines"),
            10,
            timed(|| sound(Path::new("long.net"), &keystrokes.next().unwrap_or_default())),
        ),
    ];
    let figures = figures.into_iter().map(|(title, bound, time)| (title, 1_000 * bound, time));
    let mut good = true;
    for (title, bound, (fastest, median)) in figures.chain(editor(&long)) {
        let within = fastest < Duration::from_micros(bound);
        good &= within;
        let verdict = if within { "under" } else { "OVER" };
        let [fastest, median] = [fastest, median].map(|time| time.as_secs_f64() * 1e3);
        let bound = bound as f64 / 1e3;
        println!("{fastest:>8.2} ms (median {median:.2})  {title}: {verdict} {bound} ms");
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What an editor asks of a checked file, each within a millisecond.
fn editor(text: &str) -> Vec<(String, u64, (Duration, Duration))> {
    let program = || {
        let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| e.to_string());
        Program::check(Path::new("long.net"), text.to_owned(), &Project { root: Path::new(""), read: &read })
    };
    let checked = program();
    // What a program works out once is asked of a fresh one each time.
    let fresh: Vec<Program> = (0..2 * (RUNS + 1)).map(|_| program()).collect();
    let mut fresh = fresh.iter();
    let folders = Folders { root: Path::new(""), list: &|_| Vec::new(), columns: &|_, _| Vec::new() };
    let at = text.len() / 2;
    let width = text.find("width").unwrap_or_default();
    let figure = |title: &str, ask: &mut dyn FnMut()| (format!("then {title}"), 1_000, timed(ask));
    let mut ask_hints = |range: Range<usize>, least: usize| {
        let program = fresh.next().unwrap_or(&checked);
        assert!(black_box(hints(program, range)).len() >= least);
    };
    // A screen shows some 60 lines; an editor that asks for all lines may wait for two milliseconds.
    let screen = at..at + 60 * text.len() / text.lines().count();
    let all =
        ("then the hints of all its lines".to_owned(), 2_000, timed(|| ask_hints(0..text.len(), 1_000)));
    vec![
        figure("the hints of a screen", &mut || ask_hints(screen.clone(), 30)),
        all,
        figure("its tokens", &mut || assert!(black_box(tokens(&checked)).len() > 5_000)),
        figure("a hover", &mut || {
            black_box(hover(&checked, at));
        }),
        figure("a completion", &mut || {
            black_box(complete(&checked, at, &folders));
        }),
        figure("a signature", &mut || {
            black_box(signature(&checked, at));
        }),
        figure("the references of a name", &mut || {
            assert!(black_box(references(&checked, width, &[])).len() > 600);
        }),
        figure("renaming it", &mut || assert!(black_box(rename(&checked, width, "other", &[])).is_ok())),
        figure("its outline, folds and a selection", &mut || {
            black_box((symbols(&checked), folds(&checked), selection(&checked, at)));
        }),
    ]
}

/// The fastest run and the median.
fn timed(mut run: impl FnMut()) -> (Duration, Duration) {
    run();
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[0], times[RUNS / 2])
}

fn models() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let is_net = |path: &PathBuf| path.extension().is_some_and(|e| e == "net" || e == "model");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut models: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_net).collect();
    models.sort();
    assert!(models.len() > 10, "the models are not where they were");
    models
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Checks a text as an editor would, from the text to the last finding.
fn sound(path: &Path, text: &str) {
    let mut sources = Sources::default();
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| e.to_string());
    let project = Project { root: Path::new(""), read: &read };
    let checked: Checked = experiment::check(&mut sources, path, text.to_owned(), &[], &project);
    assert!(!has_errors(&checked.diagnostics), "{}: {:#?}", path.display(), checked.diagnostics);
    black_box(checked);
}

fn by_binary(models: &[&PathBuf]) {
    let done = Command::new(env!("CARGO_BIN_EXE_dslc")).arg("check").args(models).output();
    let done = done.unwrap_or_else(|e| panic!("dslc does not start: {e}"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

/// Residual blocks from the library, 1,000 layers when they are put in.
fn thousand_layers() -> String {
    // `conv2d batch_norm relu conv2d batch_norm add relu`: seven layers a block.
    let blocks = "    basic_block 16\n".repeat(142);
    format!(
        "model Deep {{\n    input 3x32x32\n    conv2d 16 3x3 padding=1 -> batch_norm -> relu\n{blocks}    \
         global_avg_pool -> linear 10 -> relu\n}}\nexpect {{ layers == 1000 }}\n"
    )
}
