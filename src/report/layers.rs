//! What was measured inside the layers → a table of them.

use std::fmt::Write as _;

use crate::numbers::thousands;
use crate::report::chart::spark;
use crate::report::details::{Details, Inputs, Look};
use crate::report::html::{escape, number};

/// Rows of the table.
const MOST: usize = 400;
/// A step of more than this part of the weights' size is marked.
const LARGE_STEP: f64 = 0.1;
/// From this share of dead units on, it is marked.
const MANY_DEAD: f64 = 0.5;

pub fn section(details: &Details) -> String {
    let Some(last) = details.looks.last() else {
        return match details.layers.is_empty() {
            true => "<p class=none>Measured after the first epoch.</p>".to_owned(),
            false => "<p class=none>Not measured: it would take too much memory on top of the training.</p>"
                .to_owned(),
        };
    };
    let mut out = format!(
        "<p class=of>A few training images, with the weights after epoch {}. Gradients and weights are Euclidean norms. A step is \
         the size of the last one of the epoch, divided by that of the weights. Dead units give the same bound for every image.{}</p>",
        last.epoch,
        details.inputs.map_or_else(String::new, told)
    );
    let has_time = details.layers.iter().any(|layer| layer.time.is_some());
    out.push_str("<div class=\"wide tall\"><table><thead><tr><th>layer<th>output<th class=n>parameters");
    if has_time {
        out.push_str("<th class=n>time");
    }
    out.push_str(
        "<th class=n>gradient<th><th class=n>weights<th class=n>step<th class=n>dead</thead><tbody>",
    );
    for (i, layer) in details.layers.iter().enumerate().take(MOST) {
        let at = |pick: fn(&Look) -> &Vec<Option<f64>>| pick(last).get(i).copied().flatten();
        let parameters = if layer.parameters > 0 { thousands(layer.parameters) } else { String::new() };
        let _ = write!(
            out,
            "<tr><td>{}<td>{}<td class=n>{parameters}",
            escape(&layer.name),
            escape(&layer.output)
        );
        if has_time {
            let time = layer.time.unwrap_or(0.0);
            let _ =
                write!(out, "<td class=\"n bar\" style=\"--w:{:.1}%\">{:.1} %", 100.0 * time, 100.0 * time);
        }
        let over: Vec<f64> = details
            .looks
            .iter()
            .filter_map(|look| look.gradients.get(i).copied().flatten())
            .map(ln)
            .collect();
        let shown = |x: Option<f64>| x.map_or_else(String::new, number);
        let step = at(|look| &look.moves);
        let dead = at(|look| &look.dead);
        let _ = write!(
            out,
            "<td class=n>{}<td>{}<td class=n>{}<td class=\"n{}\">{}<td class=\"n{}\">{}",
            shown(at(|look| &look.gradients)),
            spark(&over),
            shown(at(|look| &look.weights)),
            if step.is_some_and(|step| step > LARGE_STEP) { " bad" } else { "" },
            step.map_or_else(String::new, short),
            if dead.is_some_and(|dead| dead >= MANY_DEAD) { " bad" } else { "" },
            dead.map_or_else(String::new, |dead| format!("{:.0} %", 100.0 * dead)),
        );
    }
    out.push_str("</tbody></table></div>");
    if details.layers.len() > MOST {
        let _ = write!(out, "<p class=none>The first {MOST} of {} layers.</p>", details.layers.len());
    }
    out
}

/// Two digits.
fn short(step: f64) -> String {
    if step == 0.0 { "0".to_owned() } else { format!("{step:.1e}").replace('-', "−") }
}

/// Of gradients the order of magnitude tells.
fn ln(x: f64) -> f64 {
    x.max(1e-12).ln()
}

fn told(inputs: Inputs) -> String {
    format!(
        " The images reach the model with a mean of {} and a standard deviation of {}.",
        number(inputs.mean),
        number(inputs.spread)
    )
}
