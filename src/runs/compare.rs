//! Several runs → what differs between them: lines of their files, layers, parameters and results.

use serde::Serialize;
use serde_json::Value;

use crate::numbers::{duration, thousands};
use crate::report::changes::{changes, shown};
use crate::report::curves::of_runs;
use crate::report::details::Details;
use crate::report::html::{escape, label, measurement};
use crate::report::{epochs, framed, short_name};
use crate::runs::series::{falls, series};
use crate::runs::story::{Recorded, details};

/// What differs; the others are held against the first run.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// The folders.
    pub runs: Vec<String>,
    /// Of each run after the first, the lines in which its file differs from the first one's.
    pub files: Vec<String>,
    /// Layers that are not the same in all runs.
    pub layers: Vec<Difference>,
    pub results: Vec<Row>,
}

/// A layer in each run; nothing where a run has none of this name.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    pub layer: String,
    pub of: Vec<Option<String>>,
}

/// A figure in each run.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub name: String,
    pub of: Vec<Option<f64>>,
    /// The place of the best one, where all are not the same and one can be better than another.
    pub best: Option<usize>,
}

pub fn compare(runs: &[Recorded]) -> Compared {
    let details: Vec<Details> = runs.iter().map(|run| details(&run.folder)).collect();
    let first = runs.first().map_or("", |run| run.record.source.as_str());
    Compared {
        runs: runs.iter().map(|run| run.folder.display().to_string()).collect(),
        files: runs.iter().skip(1).map(|run| changes(first, &run.record.source)).collect(),
        layers: layers(&details),
        results: results(runs, &details),
    }
}

fn layers(runs: &[Details]) -> Vec<Difference> {
    let mut names: Vec<&str> = Vec::new();
    for layer in runs.iter().flat_map(|run| &run.layers) {
        if !names.contains(&layer.name.as_str()) {
            names.push(&layer.name);
        }
    }
    let told = |run: &Details, name: &str| {
        let layer = run.layers.iter().find(|layer| layer.name == name)?;
        Some(match layer.parameters {
            0 => layer.output.clone(),
            n => format!("{}, {} parameters", layer.output, thousands(n)),
        })
    };
    let all = names.into_iter().map(|name| Difference {
        layer: name.to_owned(),
        of: runs.iter().map(|run| told(run, name)).collect(),
    });
    all.filter(|difference| difference.of.windows(2).any(|two| two[0] != two[1])).collect()
}

/// What is known of every run, then what the test measured, then the best of each measurement.
fn results(runs: &[Recorded], details: &[Details]) -> Vec<Row> {
    let mut found: Vec<Row> = Vec::new();
    for (at, (run, details)) in runs.iter().zip(details).enumerate() {
        let mut put = |name: &str, number: f64| {
            let row = match found.iter().position(|row| row.name == name) {
                Some(row) => row,
                None => {
                    found.push(Row { name: name.to_owned(), of: vec![None; runs.len()], best: None });
                    found.len() - 1
                }
            };
            found[row].of[at] = Some(number);
        };
        // A run whose details are gone does not tell.
        if details.parameters > 0 {
            put("parameters", details.parameters as f64);
        }
        put("epochs", epochs(&run.events).count() as f64);
        put("train.seconds", epochs(&run.events).filter_map(|event| event["seconds"].as_f64()).sum());
        let tested = run.last("end").and_then(Value::as_object).into_iter().flatten();
        let tested = tested.filter(|(name, _)| name.starts_with("test.") && *name != "test.images");
        for (name, number) in tested.filter_map(|(name, value)| Some((name, value.as_f64()?))) {
            put(name, number);
        }
        for own in series(&run.events).iter().filter(|own| own.name.starts_with("validation")) {
            if let Some((_, best)) = own.best() {
                put(&format!("best {}", own.name), best);
            }
        }
    }
    for row in &mut found {
        row.best = best(row);
    }
    found
}

fn best(row: &Row) -> Option<usize> {
    if row.name == "epochs" || row.name == "test.epoch" {
        return None;
    }
    let known = row.of.iter().enumerate().filter_map(|(at, x)| Some((at, (*x)?)));
    let (low, high) = known
        .clone()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, x)| (low.min(x), high.max(x)));
    let wanted = if falls(&row.name) { low } else { high };
    known.clone().find(|(_, x)| *x == wanted && low < high).map(|(at, _)| at)
}

/// A number of a row as people read it.
pub fn figure(name: &str, x: f64) -> String {
    match name {
        "parameters" | "epochs" | "test.epoch" => thousands(x.max(0.0) as u64),
        "train.seconds" => duration(x),
        _ => measurement(name, x),
    }
}

/// One page with the runs' curves over each other.
pub fn page(runs: &[Recorded], compared: &Compared) -> String {
    let named: Vec<(String, &[Value])> = runs
        .iter()
        .map(|run| (short_name(&run.folder.display().to_string()), run.events.as_slice()))
        .collect();
    let head: String = named.iter().map(|(name, _)| format!("<th class=n>{}", escape(name))).collect();
    let row = |row: &Row| {
        let cell = |(at, x): (usize, &Option<f64>)| match x {
            Some(x) if row.best == Some(at) => format!("<td class=n><b>{}</b>", figure(&row.name, *x)),
            Some(x) => format!("<td class=n>{}", figure(&row.name, *x)),
            None => "<td class=n>–".to_owned(),
        };
        let cells: String = row.of.iter().enumerate().map(cell).collect();
        format!("<tr><td>{}{cells}", escape(&label(&row.name)))
    };
    let results: String = compared.results.iter().map(row).collect();
    let mut content = format!(
        "<header><h1>{}</h1><p class=sub>{} runs</p></header><section id=results><h2>Results</h2><div class=wide><table><thead><tr><th>{head}</thead><tbody>{results}</tbody></table></div></section><section id=curves><h2>Curves</h2>{}</section>",
        escape(&named.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")),
        runs.len(),
        of_runs(&named),
    );
    if !compared.layers.is_empty() {
        let row = |difference: &Difference| {
            let cell = |told: &Option<String>| format!("<td>{}", escape(told.as_deref().unwrap_or("–")));
            let cells: String = difference.of.iter().map(cell).collect();
            format!("<tr><td>{}{cells}", escape(&difference.layer))
        };
        let rows: String = compared.layers.iter().map(row).collect();
        let head = head.replace("<th class=n>", "<th>");
        content.push_str(&format!("<section id=layers><h2>Layers that differ</h2><div class=\"wide tall\"><table><thead><tr><th>layer{head}</thead><tbody>{rows}</tbody></table></div></section>"));
    }
    content.push_str("<section id=files><h2>Files</h2>");
    for ((name, _), file) in named.iter().skip(1).zip(&compared.files) {
        let (name, first) = (escape(name), escape(&named[0].0));
        content.push_str(&match file.is_empty() {
            true => format!("<p>{name} has the same file as {first}.</p>"),
            false => format!("<h3>{name}, against {first}</h3>{}", shown(file)),
        });
    }
    content.push_str("</section>");
    framed("Runs compared", &content)
}
