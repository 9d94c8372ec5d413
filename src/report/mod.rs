//! What a run recorded → `report.html`: one page that needs nothing else, no other file, no request and no script.

mod chart;
pub mod changes;
mod classes;
pub mod curves;
pub mod details;
pub mod html;
mod layers;
pub mod scatter;

use std::fmt::Write as _;

use serde_json::Value;

use crate::numbers::{duration, plural, short, thousands};
use crate::report::details::{Details, Mistake};
use crate::report::html::{data_url, escape, label, measurement, number};

const STYLE: &str = include_str!("report.css");

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Running,
    /// It came to its end, by itself or by `early_stop`.
    Finished,
    /// Somebody or something ended it before; it can be resumed.
    Stopped,
    /// It ended with an error.
    Failed,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Finished => "finished",
            State::Stopped => "stopped",
            State::Failed => "failed",
        }
    }
}

/// All that a page is made of.
pub struct Story<'a> {
    /// The run's folder.
    pub run: &'a str,
    pub state: State,
    /// The file that was run, and the overrides.
    pub file: &'a str,
    pub settings: &'a [String],
    /// The file with every default filled in.
    pub source: &'a str,
    /// What the numbers depend on besides the file: names and values.
    pub machine: Vec<(&'static str, String)>,
    /// The lines of the log.
    pub events: &'a [Value],
    pub details: &'a Details,
}

/// The whole page.
pub fn page(story: &Story<'_>) -> String {
    let sections = [
        ("warnings", "Warnings", warnings(story)),
        ("curves", "Curves", curves::of_run(story.events)),
        ("classes", "Classes", found_classes(story.details)),
        ("mistakes", "Mistakes", mistakes(story.details)),
        ("layers", "Layers", layers::section(story.details)),
        ("experiment", "Experiment", experiment(story)),
        ("machine", "Machine", machine(story)),
    ];
    let mut links = String::new();
    let mut body = String::new();
    for (id, title, content) in sections.iter().filter(|(_, _, content)| !content.is_empty()) {
        let _ = write!(links, "<a href=\"#{id}\">{title}</a>");
        let _ = write!(body, "<section id={id}><h2>{title}</h2>{content}</section>");
    }
    framed(&short_name(story.run), &format!("{}<nav>{links}</nav>{body}", head(story)))
}

/// A page of this content.
pub fn framed(title: &str, content: &str) -> String {
    let icon = data_url("image/svg+xml", ICON.as_bytes());
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <meta name=color-scheme content=\"light dark\"><title>{}</title><link rel=icon href=\"{icon}\"><style>{STYLE}</style></head>\
         <body><main>{content}</main><footer>dslc {}</footer></body></html>\n",
        escape(title),
        env!("CARGO_PKG_VERSION")
    )
}

const ICON: &str = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><path d='M2 2c1 9 5 11 12 12' fill='none' stroke='#2f6fde' stroke-width='2.5' stroke-linecap='round'/></svg>";

/// The last part of a folder's path.
pub fn short_name(run: &str) -> String {
    run.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or(run).to_owned()
}

/// The epochs of a log.
pub fn epochs(events: &[Value]) -> impl DoubleEndedIterator<Item = &Value> {
    events.iter().filter(|event| event["event"] == "epoch")
}

/// Title, state, and the figures that matter most.
fn head(story: &Story<'_>) -> String {
    let Story { details, events, state, .. } = story;
    let end = events.iter().rev().find(|event| event["event"] == "end");
    let failed = events.iter().rev().find(|event| event["event"] == "failed");
    let last = epochs(events).next_back();
    let mut figures: Vec<(String, String)> = Vec::new();
    if let Some(end) = end {
        let tested = curves::measurements(end, "test")
            .into_iter()
            .filter(|(name, _)| *name != "images" && *name != "epoch");
        let mut tested: Vec<_> = tested.collect();
        // What people ask first.
        tested.sort_by_key(|(name, _)| (*name != "accuracy", *name == "loss"));
        figures.extend(
            tested
                .into_iter()
                .take(4)
                .map(|(name, x)| (format!("test {}", label(name)), measurement(name, x))),
        );
    } else if let Some(last) = last {
        for part in ["validation", "train"] {
            let found = curves::measurements(last, part).into_iter().take(2);
            figures.extend(found.map(|(name, x)| (format!("{part} {}", label(name)), measurement(name, x))));
        }
    }
    let best = epochs(events)
        .rev()
        .find(|event| event["best"] == true)
        .filter(|event| !event["validation.loss"].is_null());
    let count = epochs(events).count();
    figures.push(match best.and_then(|best| best["epoch"].as_u64()) {
        Some(best) => (
            "best epoch".to_owned(),
            format!("{} <small>of {}</small>", thousands(best), thousands(count as u64)),
        ),
        None => ("epochs".to_owned(), thousands(count as u64)),
    });
    let seconds: f64 = epochs(events).filter_map(|event| event["seconds"].as_f64()).sum();
    figures.push(("training".to_owned(), duration(seconds)));
    if let Some(speed) = last.and_then(|last| last["images_per_second"].as_f64()) {
        figures.push(("images/s".to_owned(), thousands(speed.max(0.0).round() as u64)));
    }
    if details.parameters > 0 {
        figures.push(("parameters".to_owned(), short(details.parameters)));
    }
    let mut out = format!(
        "<header><h1>{} <span class=\"state {state}\">{state}</span></h1><p class=sub>{} · {}</p>",
        escape(&short_name(story.run)),
        escape(&details.model),
        escape(story.file),
        state = state.name(),
    );
    if let Some(message) = failed.and_then(|event| event["message"].as_str()) {
        let _ = write!(out, "<p class=fault>{}</p>", escape(message));
    }
    out.push_str("<dl class=figures>");
    for (name, value) in figures {
        let _ = write!(out, "<div><dt>{}</dt><dd>{value}</dd></div>", escape(&name));
    }
    out.push_str("</dl></header>");
    out
}

/// What was told while it trained.
fn warnings(story: &Story<'_>) -> String {
    let mut out = String::new();
    for event in story.events {
        for warning in event["warnings"].as_array().into_iter().flatten() {
            let text = |key: &str| escape(warning[key].as_str().unwrap_or_default());
            let when = match event["epoch"].as_u64() {
                Some(epoch) => format!("epoch {epoch}"),
                None => "at the end".to_owned(),
            };
            let _ = write!(out, "<li><b>{}</b> <small>{} · {when}</small>", text("message"), text("code"));
            for advice in warning["advice"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                let _ = write!(out, "<p>{}</p>", code(advice));
            }
            out.push_str("</li>");
        }
    }
    if out.is_empty() { String::new() } else { format!("<ul class=warnings>{out}</ul>") }
}

/// Text whose parts between backquotes are code.
fn code(text: &str) -> String {
    let part = |(i, part): (usize, &str)| match i % 2 {
        0 => escape(part),
        _ => format!("<code>{}</code>", escape(part)),
    };
    text.split('`').enumerate().map(part).collect()
}

/// Which images and weights something was measured with.
fn source_of(details: &Details) -> String {
    format!(
        "<p class=of>The {} images, with the weights of epoch {}.</p>",
        escape(&details.part),
        details.epoch
    )
}

const LATER: &str = "<p class=none>Measured on the validation images after each epoch, and on the test images at the end.</p>";

fn found_classes(details: &Details) -> String {
    if details.confusion.is_empty() {
        return match details.part.is_empty() {
            true => LATER.to_owned(),
            false => "<p class=none>The model tells no classes apart.</p>".to_owned(),
        };
    }
    format!(
        "{}<div class=pair><figure>{}<figcaption>Rows are true classes, columns what they are predicted as. The stronger the colour, the larger the share of the row.</figcaption></figure><div>{}{}</div></div>",
        source_of(details),
        classes::matrix(details),
        classes::pairs(details),
        classes::table(details)
    )
}

fn mistakes(details: &Details) -> String {
    if details.mistakes.is_empty() {
        return match details.part.is_empty() {
            true => LATER.to_owned(),
            false => format!("{}<p class=none>No mistakes.</p>", source_of(details)),
        };
    }
    let class = |at: Option<u32>| {
        let name = at.and_then(|at| details.classes.get(at as usize));
        escape(name.map_or("", String::as_str))
    };
    let shown = |mistake: &Mistake| {
        let picture = |address: &String| match address.starts_with("data:") {
            true => format!("<img alt=\"\" src=\"{}\">", escape(address)),
            false => String::new(),
        };
        let pictures = format!("{}{}", picture(&mistake.picture), picture(&mistake.answer));
        let said = match mistake.taken {
            Some(_) => format!("<b>{}</b> → <em>{}</em> ", class(mistake.truth), class(mistake.taken)),
            None => String::new(),
        };
        let sure = mistake
            .confidence
            .map_or_else(String::new, |sure| format!("<span>{:.1} % sure,</span> ", 100.0 * sure));
        format!(
            "<figure title=\"{}\"><div>{pictures}</div><figcaption>{said}<small>{sure}<span>loss {}</span></small></figcaption></figure>",
            escape(&mistake.name),
            number(mistake.loss)
        )
    };
    let all: String = details.mistakes.iter().map(shown).collect();
    let key = match details.classes.is_empty() {
        true => "<p class=of>The images with the largest losses, each next to the model's output.</p>",
        false => {
            "<p class=of>The images that the model is most wrong about: the <b>true class</b>, and the <em>predicted class</em>.</p>"
        }
    };
    format!("{}{key}<div class=grid>{all}</div>", source_of(details))
}

fn experiment(story: &Story<'_>) -> String {
    let settings: String =
        story.settings.iter().map(|setting| format!(" <code>--set {}</code>", escape(setting))).collect();
    let mut out = String::new();
    if let Some(before) = &story.details.before {
        let run = escape(&before.run);
        match before.changes.is_empty() {
            true => {
                let _ = write!(out, "<p>The file is the same as in <code>{run}</code>, the run before.</p>");
            }
            false => {
                let _ = write!(out, "<h3>Changes since {run}</h3>{}", changes::shown(&before.changes));
            }
        }
    }
    let n_lines = plural(story.source.lines().count() as u64, "line", "lines");
    let _ = write!(
        out,
        "<h3>{}</h3><p class=of>With every default filled in.{settings}</p><details><summary>{n_lines}</summary>{}</details>",
        escape(story.file),
        changes::source(story.source.trim_end())
    );
    out
}

fn machine(story: &Story<'_>) -> String {
    let row = |(name, value): &(&str, String)| format!("<tr><th>{name}<td>{}", escape(value));
    let rows: String = story.machine.iter().map(row).collect();
    format!("<div class=wide><table class=facts><tbody>{rows}</tbody></table></div>")
}
