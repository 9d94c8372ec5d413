//! The epochs of one run or of several → a card with a chart for each measurement that their logs name.

use std::fmt::Write as _;

use serde_json::Value;

use crate::numbers::thousands;
use crate::report::chart::{Line, chart};
use crate::report::epochs;
use crate::report::html::{escape, label, measurement};

/// The parts of the data in the order of their colours.
const PARTS: [&str; 3] = ["train", "validation", "test"];
/// Measurements of an epoch that are of no part of the data, and what they are called.
const OTHERS: [(&str, &str); 2] = [("learning_rate", "learning rate"), ("images_per_second", "images/s")];
/// Lines of one chart have no more colours.
const COLORS: usize = 8;

/// Numbers of an event under `PART.NAME`, in the order of the log.
pub fn measurements<'a>(event: &'a Value, part: &str) -> Vec<(&'a str, f64)> {
    let own = event.as_object().into_iter().flatten();
    let read = |(key, value): (&'a String, &'a Value)| {
        let name = key.strip_prefix(part)?.strip_prefix('.')?;
        // Times are no measurements of the model.
        let is_time = ["seconds", "images_per_second"].contains(&name);
        Some((name, value.as_f64().filter(|_| !is_time)?))
    };
    own.filter_map(read).collect()
}

/// The names of all measurements, the loss first.
fn names(runs: &[&[Value]]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for event in runs.iter().flat_map(|events| epochs(events)) {
        for (name, _) in PARTS.iter().flat_map(|part| measurements(event, part)) {
            if !names.iter().any(|own| own == name) {
                names.push(name.to_owned());
            }
        }
    }
    names.sort_by_key(|name| (name != "loss", name != "accuracy"));
    names
}

fn points(events: &[Value], key: &str) -> Vec<(f64, f64)> {
    epochs(events).filter_map(|event| Some((event["epoch"].as_f64()?, event[key].as_f64()?))).collect()
}

/// A chart a measurement: the parts of the data are its lines.
pub fn of_run(events: &[Value]) -> String {
    if epochs(events).next().is_none() {
        return "<p class=none>The first epoch is under way.</p>".to_owned();
    }
    let best = epochs(events).rev().find(|event| event["best"] == true);
    let end = events.iter().rev().find(|event| event["event"] == "end");
    let mut cards = String::new();
    for name in names(&[events]) {
        let mut lines = Vec::new();
        for (color, part) in PARTS.iter().enumerate() {
            let key = format!("{part}.{name}");
            let points = points(events, &key);
            let mark = match *part {
                "validation" => best.and_then(|best| Some((best["epoch"].as_f64()?, best[&key].as_f64()?))),
                "test" => end.and_then(|end| Some((end["test.epoch"].as_f64()?, end[&key].as_f64()?))),
                _ => None,
            };
            if !points.is_empty() || mark.is_some() {
                lines.push(Line { name: (*part).to_owned(), color, points, mark });
            }
        }
        cards.push_str(&card(&name, &lines));
    }
    for (key, title) in OTHERS {
        let points = points(events, key);
        if !points.is_empty() {
            let line = Line { name: String::new(), color: 0, points, mark: None };
            cards.push_str(&card(title, &[line]));
        }
    }
    format!("<div class=cards>{cards}</div>")
}

/// The same of several runs: a chart a part and measurement, whose lines are the runs.
pub fn of_runs(runs: &[(String, &[Value])]) -> String {
    let all: Vec<&[Value]> = runs.iter().map(|(_, events)| *events).collect();
    let mut cards = String::new();
    let mut keys: Vec<(String, String)> = Vec::new();
    for name in names(&all) {
        let own = ["validation", "train"].map(|part| format!("{part}.{name}"));
        keys.extend(own.map(|key| (key.clone(), key)));
    }
    keys.extend(OTHERS.map(|(key, title)| (key.to_owned(), title.to_owned())));
    for (key, title) in keys {
        let line = |(i, (name, events)): (usize, &(String, &[Value]))| Line {
            name: name.clone(),
            color: i % COLORS,
            points: points(events, &key),
            mark: None,
        };
        let lines: Vec<Line> =
            runs.iter().enumerate().map(line).filter(|line| !line.points.is_empty()).collect();
        if !lines.is_empty() {
            cards.push_str(&card(&title, &lines));
        }
    }
    format!("<div class=cards>{cards}</div>")
}

/// A chart under its title, with what each line came to.
fn card(name: &str, lines: &[Line]) -> String {
    let mut out = format!("<figure class=card><h3>{}</h3><p class=key>", escape(&label(name)));
    for line in lines {
        let last = line.points.last().or(line.mark.as_ref()).map_or(f64::NAN, |(_, y)| *y);
        let text = match name {
            // A speed needs no decimals.
            "images/s" => thousands(last.max(0.0).round() as u64),
            _ => measurement(name, last),
        };
        let _ = match line.name.is_empty() {
            true => write!(out, "<span class=plain><b>{text}</b></span>"),
            false => write!(out, "<span class=c{}>{} <b>{text}</b></span>", line.color, escape(&line.name)),
        };
    }
    let _ = write!(out, "</p>{}</figure>", chart(name, "epoch", lines));
    out
}
