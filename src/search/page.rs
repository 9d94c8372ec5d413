//! Many trainings of one file → one page that needs no other file: a table, what each setting does, and the curves in one chart.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::numbers::{duration, plural, thousands};
use crate::report::curves::of_runs;
use crate::report::html::{escape, measurement};
use crate::report::scatter::{Point, scatter};
use crate::report::{framed, short_name};
use crate::runs::folder::REPORT;
use crate::runs::story::events;
use crate::search::folds::{self, Scored, mean_and_spread};
use crate::search::record::{Measured, Record, State};

/// Trainings whose curves are drawn, each in a colour of its own.
const CURVES: usize = 8;
/// Trainings that have a row or a point.
const ROWS: usize = 500;

/// The page of a sweep in a folder.
pub fn page(folder: &Path, record: &Record) -> String {
    let ranking = record.ranking();
    let shown = &ranking[..ranking.len().min(ROWS)];
    let measured: Vec<usize> = shown.iter().copied().filter(|&n| record.trials[n].best().is_some()).collect();
    let mut content = head(folder, record, measured.first().copied());
    let _ = write!(content, "<section id=trials><h2>Trials</h2>{}</section>", table(record, shown));
    if measured.len() > 1 {
        let _ = write!(
            content,
            "<section id=settings><h2>Settings</h2>{}</section>",
            settings(record, &measured)
        );
    }
    let _ = write!(content, "<section id=curves><h2>Curves</h2>{}</section>", curves(folder, &measured));
    let facts = [
        ("file", record.file.display().to_string()),
        ("tried", record.tries.join("\n")),
        ("set in every trial", record.settings.join("\n")),
        ("folder", folder.display().to_string()),
    ];
    let row =
        |(name, value): &(&str, String)| format!("<tr><th>{name}<td>{}", escape(value).replace('\n', "<br>"));
    let rows: String = facts.iter().filter(|(_, value)| !value.is_empty()).map(row).collect();
    let _ = write!(
        content,
        "<section id=sweep><h2>Sweep</h2><div class=wide><table class=facts><tbody>{rows}</tbody></table></div></section>"
    );
    framed(&short_name(&folder.display().to_string()), &content)
}

/// Title, state, and the best.
fn head(folder: &Path, record: &Record, best: Option<usize>) -> String {
    let of = |state: State| record.trials.iter().filter(|trial| trial.state == state).count();
    let ended = of(State::Done) + of(State::Failed);
    let (state, word) = state(record.is_complete());
    let mut figures: Vec<(&str, String)> = Vec::new();
    if let Some(number) = best {
        let trial = &record.trials[number];
        figures.push((judged(record), trial.best().map_or_else(String::new, shown)));
        figures.extend(trial.test.map(|test| ("its test result", shown(test))));
        figures.push(("best trial", (number + 1).to_string()));
    }
    figures.push(("trials trained to the end", format!("{ended} <small>of {}</small>", record.trials.len())));
    if of(State::Failed) > 0 {
        figures.push(("failed", of(State::Failed).to_string()));
    }
    let seconds: f64 = record.trials.iter().map(|trial| trial.seconds).sum();
    figures.push(("training", duration(seconds)));
    let figures: String =
        figures.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>")).collect();
    let name = short_name(&folder.display().to_string());
    let file = record.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let best = best.map_or_else(String::new, |number| {
        let settings: Vec<String> = record.trials[number].settings.iter().map(|own| escape(own)).collect();
        format!("<p class=sub>Best: <code>{}</code></p>", settings.join("</code> <code>"))
    });
    format!(
        "<header><h1>{} <span class=\"state {state}\">{word}</span></h1><p class=sub>{} · {} of {} · {}</p>{best}<dl class=figures>{figures}</dl></header>",
        escape(&name),
        escape(&file),
        plural(record.trials.len() as u64, "trial", "trials"),
        plural(record.epochs as u64, "epoch", "epochs"),
        record.method.words(),
    )
}

/// The state of all trainings: its class, and in words.
fn state(is_complete: bool) -> (&'static str, &'static str) {
    if is_complete { ("finished", "finished") } else { ("stopped", "not finished") }
}

fn judged(record: &Record) -> &'static str {
    let has_accuracy =
        record.trials.iter().filter_map(|trial| trial.best()).any(|own| own.accuracy.is_some());
    if has_accuracy { "validation accuracy" } else { "validation loss" }
}

fn result(measured: Measured) -> f64 {
    measured.accuracy.unwrap_or(measured.loss)
}

fn shown(measured: Measured) -> String {
    let name = if measured.accuracy.is_some() { "accuracy" } else { "loss" };
    measurement(name, result(measured))
}

/// `train.optimizer.lr=0.01` → the path and the value.
fn parts(setting: &str) -> (&str, &str) {
    setting.split_once('=').map_or((setting, ""), |(path, value)| (path.trim(), value.trim()))
}

/// The paths that are tried, in their order.
fn paths(record: &Record) -> Vec<&str> {
    record
        .trials
        .first()
        .map_or_else(Vec::new, |trial| trial.settings.iter().map(|own| parts(own).0).collect())
}

/// The trials, the best first.
fn table(record: &Record, numbers: &[usize]) -> String {
    let paths = paths(record);
    let head: String = paths.iter().map(|path| format!("<th class=n>{}", escape(path))).collect();
    let row = |&number: &usize| {
        let trial = &record.trials[number];
        let mut row = match trial.state {
            State::Waiting => format!("<tr><td class=n>{}", number + 1),
            State::Stopped | State::Done | State::Failed => {
                let place = Record::place(Path::new(""), number);
                format!(
                    "<tr><td class=n><a href=\"{}/{REPORT}\">{}</a>",
                    escape(&place.display().to_string()),
                    number + 1
                )
            }
        };
        for setting in &trial.settings {
            let _ = write!(row, "<td class=n>{}", escape(parts(setting).1));
        }
        let cell = |measured: Option<Measured>| measured.map_or_else(|| "–".to_owned(), shown);
        let time = if trial.seconds > 0.0 { duration(trial.seconds) } else { "–".to_owned() };
        let state = match (trial.state, &trial.failure) {
            (State::Failed, Some(failure)) => format!("<td class=bad>failed: {}", escape(failure)),
            (State::Failed, None) => "<td class=bad>failed".to_owned(),
            (State::Waiting, _) => "<td>waiting".to_owned(),
            (State::Stopped, _) => "<td>stopped".to_owned(),
            (State::Done, _) => "<td>".to_owned(),
        };
        let _ = write!(
            row,
            "<td class=n><b>{}</b><td class=n>{}<td class=n>{}<td class=n>{time}{state}",
            cell(trial.best()),
            cell(trial.test),
            trial.epochs.len(),
        );
        row
    };
    let rows: String = numbers.iter().map(row).collect();
    let more = match record.trials.len().saturating_sub(numbers.len()) {
        0 => String::new(),
        n => format!("<p class=of>and {} more in the record beside this page</p>", thousands(n as u64)),
    };
    format!(
        "<p class=of>The best on the validation images first.</p><div class=\"wide tall\"><table><thead><tr><th class=n>trial{head}<th class=n>{}<th class=n>test<th class=n>epochs<th class=n>time<th></thead><tbody>{rows}</tbody></table></div>{more}",
        judged(record)
    )
}

/// A card a setting: its values, and what the trials with each came to.
fn settings(record: &Record, numbers: &[usize]) -> String {
    let name = judged(record).replace(' ', ".");
    let mut cards = String::new();
    for (at, path) in paths(record).into_iter().enumerate() {
        let point = |(place, &number): (usize, &usize)| {
            let trial = &record.trials[number];
            Some(Point {
                value: parts(trial.settings.get(at)?).1.to_owned(),
                result: result(trial.best()?),
                title: format!("trial {}, {}", number + 1, trial.settings.join(" ")),
                is_best: place == 0,
            })
        };
        let points: Vec<Point> = numbers.iter().enumerate().filter_map(point).collect();
        let _ = write!(
            cards,
            "<figure class=card><h3>{}</h3><p class=key><span class=c1>best trial</span><span class=c0>others</span></p>{}</figure>",
            escape(path),
            scatter(&name, path, &points)
        );
    }
    format!(
        "<p class=of>The best {} of each trial, by the values of each setting.</p><div class=cards>{cards}</div>",
        judged(record)
    )
}

/// The page of folds in a folder, of which these have ended.
pub fn page_of_folds(folder: &Path, record: &folds::Record, ended: &[Scored]) -> String {
    let name = short_name(&folder.display().to_string());
    let file = record.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let (state, word) = state(ended.len() >= record.n);
    let both = |name: &str, numbers: Vec<f64>| {
        let (mean, spread) = mean_and_spread(&numbers);
        let said = |x: f64| measurement(name, x);
        match numbers.is_empty() {
            true => String::new(),
            false => format!(
                "<div><dt>{name}, mean and deviation</dt><dd>{} <small>± {}</small></dd></div>",
                said(mean),
                said(spread)
            ),
        }
    };
    let accuracy = both("accuracy", ended.iter().filter_map(|fold| fold.accuracy).collect());
    let loss = both("loss", ended.iter().map(|fold| fold.loss).collect());
    let seconds = duration(ended.iter().map(|fold| fold.seconds).sum());
    let row = |(number, fold): (usize, &Scored)| {
        let link = folds::place(Path::new(""), number);
        format!(
            "<tr><td class=n><a href=\"{}/{REPORT}\">{}</a><td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n><b>{}</b><td class=n>{}",
            escape(&link.display().to_string()),
            number + 1,
            thousands(fold.images[0] as u64),
            thousands(fold.images[1] as u64),
            fold.epoch,
            measurement("loss", fold.loss),
            fold.accuracy.map_or_else(|| "–".to_owned(), |accuracy| measurement("accuracy", accuracy)),
            duration(fold.seconds),
        )
    };
    let rows: String = ended.iter().enumerate().map(row).collect();
    let runs: Vec<(String, PathBuf)> = (0..ended.len().min(CURVES))
        .map(|number| (format!("fold {}", number + 1), folds::place(folder, number)))
        .collect();
    let content = format!(
        "<header><h1>{} <span class=\"state {state}\">{word}</span></h1><p class=sub>{} · {} of {}</p><dl class=figures>{accuracy}{loss}<div><dt>training</dt><dd>{seconds}</dd></div></dl></header><section id=folds><h2>Folds</h2><p class=of>Each is measured on a part of the training images that it was not trained on.</p><div class=\"wide tall\"><table><thead><tr><th class=n>fold<th class=n>trained on<th class=n>measured on<th class=n>best epoch<th class=n>loss<th class=n>accuracy<th class=n>time</thead><tbody>{rows}</tbody></table></div></section><section id=curves><h2>Curves</h2>{}</section>",
        escape(&name),
        escape(&file),
        ended.len(),
        plural(record.n as u64, "fold", "folds"),
        overlaid(&runs),
    );
    framed(&name, &content)
}

fn curves(folder: &Path, numbers: &[usize]) -> String {
    let numbers = &numbers[..numbers.len().min(CURVES)];
    let runs: Vec<(String, PathBuf)> = numbers
        .iter()
        .map(|&number| (format!("trial {}", number + 1), Record::place(folder, number)))
        .collect();
    let of = plural(runs.len() as u64, "trial", "trials");
    format!("<p class=of>The best {of}.</p>{}", overlaid(&runs))
}

/// The curves of runs in folders.
fn overlaid(runs: &[(String, PathBuf)]) -> String {
    let own: Vec<(String, Vec<Value>)> =
        runs.iter().map(|(name, place)| (name.clone(), events(place))).collect();
    let named: Vec<(String, &[Value])> =
        own.iter().map(|(name, events)| (name.clone(), events.as_slice())).collect();
    match named.is_empty() {
        true => "<p class=none>Nothing was measured yet.</p>".to_owned(),
        false => of_runs(&named),
    }
}
