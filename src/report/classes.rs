//! Counts of (true class, predicted class) → a picture of them, what is most often taken for what, and a table of the
//! classes.

use std::fmt::Write as _;

use crate::numbers::{plural, thousands};
use crate::report::details::Details;
use crate::report::html::escape;

/// Up to this many classes have their names next to the picture,
const NAMED: usize = 40;
/// and up to this many the counts inside it.
const COUNTED: usize = 16;
/// Cells that tell their count at the pointer; the others, of the smallest counts, are painted only.
const MOST_CELLS: usize = 4000;
/// More are not even painted.
const MOST_PAINTED: usize = 20_000;
/// Pairs of classes that are listed.
const MOST_PAIRS: usize = 10;
/// Rows of the table, the worst ones.
const MOST_ROWS: usize = 500;

/// How well one class is found.
struct Class {
    name: String,
    images: u64,
    called: u64,
    hits: u64,
    /// The class that it is most often taken for, and how often.
    taken: Option<(usize, u64)>,
}

impl Class {
    fn precision(&self) -> Option<f64> {
        (self.called > 0).then(|| self.hits as f64 / self.called as f64)
    }

    fn recall(&self) -> Option<f64> {
        (self.images > 0).then(|| self.hits as f64 / self.images as f64)
    }

    /// The harmonic mean of both.
    fn f1(&self) -> Option<f64> {
        let all = self.called + self.images;
        (all > 0).then(|| 2.0 * self.hits as f64 / all as f64)
    }
}

/// The cells of the matrix that are inside it.
fn cells(details: &Details) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
    let n = details.classes.len();
    let cells =
        details.confusion.iter().map(|&[truth, taken, count]| (truth as usize, taken as usize, count));
    cells.filter(move |&(truth, taken, count)| truth < n && taken < n && count > 0)
}

fn classes(details: &Details) -> Vec<Class> {
    let fresh = |name: &String| Class { name: name.clone(), images: 0, called: 0, hits: 0, taken: None };
    let mut classes: Vec<Class> = details.classes.iter().map(fresh).collect();
    for (truth, taken, count) in cells(details) {
        classes[truth].images += count;
        classes[taken].called += count;
        if truth == taken {
            classes[truth].hits += count;
        } else if classes[truth].taken.is_none_or(|(_, most)| count > most) {
            classes[truth].taken = Some((taken, count));
        }
    }
    classes
}

/// The matrix as a picture: a row a true class, a column a predicted one, the share of the row is the strength of the colour.
pub fn matrix(details: &Details) -> String {
    let n = details.classes.len();
    let classes = classes(details);
    let longest = details.classes.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(12);
    // In cells; a letter is about 0.3 cells high and 0.2 wide in a picture of few classes.
    let letter = (n as f64 / 46.0).clamp(0.16, 0.75);
    let (edge, size) = match n <= NAMED {
        true => (0.6 + letter * 0.66 * longest as f64, letter * 1.15),
        false => (n as f64 / 14.0, n as f64 / 42.0),
    };
    let whole = n as f64 + edge;
    let mut svg = format!(
        "<svg class=matrix viewBox=\"{:.2} {:.2} {:.2} {:.2}\" role=img aria-label=\"confusion matrix\" font-size={size:.2}>\
         <rect class=field x=0 y=0 width={n} height={n} />",
        -edge,
        -edge,
        whole + 0.02 * n as f64,
        whole + 0.02 * n as f64
    );
    let names: Vec<usize> = match n <= NAMED {
        true => (0..n).collect(),
        false => (0..n).step_by(n.div_ceil(10).next_multiple_of(5)).collect(),
    };
    for i in names {
        let name = match n <= NAMED {
            true => shortened(&details.classes[i], 12),
            false => i.to_string(),
        };
        let (at, gap) = (i as f64 + 0.5, 0.02 * n as f64);
        let _ = write!(
            svg,
            "<text x={:.2} y={:.2} text-anchor=end dominant-baseline=central>{}</text>",
            -gap,
            at,
            escape(&name)
        );
        let _ = match n <= NAMED && longest > 2 {
            true => write!(
                svg,
                "<text transform=\"translate({at:.2} {:.2}) rotate(-90)\" dominant-baseline=central>{}</text>",
                -gap,
                escape(&name)
            ),
            false => write!(svg, "<text x={at:.2} y={:.2} text-anchor=middle>{}</text>", -gap, escape(&name)),
        };
    }
    let mut all: Vec<(usize, usize, u64)> = cells(details).collect();
    all.sort_by_key(|&(truth, taken, count)| (std::cmp::Reverse(count), truth, taken));
    let (told, painted) = all.split_at(all.len().min(MOST_CELLS));
    let strength = |truth: usize, count: u64| {
        let share = count as f64 / classes[truth].images.max(1) as f64;
        0.08 + 0.92 * share.sqrt()
    };
    for &(truth, taken, count) in told {
        let kind = if truth == taken { "hit" } else { "miss" };
        let strength = strength(truth, count);
        let _ = write!(
            svg,
            "<rect class={kind} x={taken} y={truth} width=1 height=1 opacity={strength:.2}><title>{}</title></rect>",
            told_cell(&classes, truth, taken, count)
        );
        if n <= COUNTED {
            let light = if strength > 0.6 { " class=over" } else { "" };
            let size = 0.34f64.min(0.9 / count.to_string().len() as f64 * 1.4);
            let _ = write!(
                svg,
                "<text{light} x={:.1} y={:.1} text-anchor=middle dominant-baseline=central font-size={size:.2}>{count}</text>",
                taken as f64 + 0.5,
                truth as f64 + 0.5
            );
        }
    }
    let mut rest = String::new();
    for (truth, taken, _) in painted.iter().take(MOST_PAINTED) {
        let _ = write!(rest, "M{taken} {truth}h1v1h-1z");
    }
    if !rest.is_empty() {
        let _ = write!(svg, "<path class=miss opacity=.15 d=\"{rest}\"/>");
    }
    svg.push_str("</svg>");
    svg
}

fn told_cell(classes: &[Class], truth: usize, taken: usize, count: u64) -> String {
    let all = classes[truth].images;
    let share = 100.0 * count as f64 / all.max(1) as f64;
    let (truth_name, taken_name) = (escape(&classes[truth].name), escape(&classes[taken].name));
    match truth == taken {
        true => format!("{truth_name}: {} of {} found ({share:.1} %)", thousands(count), thousands(all)),
        false => format!(
            "{truth_name} predicted as {taken_name}: {} of {} ({share:.1} %)",
            thousands(count),
            thousands(all)
        ),
    }
}

/// The pairs of classes that are confused most often.
pub fn pairs(details: &Details) -> String {
    let classes = classes(details);
    let mut wrong: Vec<_> = cells(details).filter(|(truth, taken, _)| truth != taken).collect();
    wrong.sort_by_key(|&(truth, taken, count)| (std::cmp::Reverse(count), truth, taken));
    let all: u64 = wrong.iter().map(|(_, _, count)| count).sum();
    let images: u64 = classes.iter().map(|class| class.images).sum();
    let mut out = format!("<p>{} of {} wrong.</p>", thousands(all), plural(images, "image", "images"));
    if wrong.is_empty() {
        return out;
    }
    out.push_str("<div class=wide><table><thead><tr><th>true class<th>predicted as<th class=n>images<th class=n>of the class</thead><tbody>");
    for &(truth, taken, count) in wrong.iter().take(MOST_PAIRS) {
        let share = 100.0 * count as f64 / classes[truth].images.max(1) as f64;
        let _ = write!(
            out,
            "<tr><td>{}<td>{}<td class=n>{}<td class=n>{share:.1} %",
            escape(&classes[truth].name),
            escape(&classes[taken].name),
            thousands(count)
        );
    }
    out.push_str("</tbody></table></div>");
    out
}

/// A row a class: images, precision, recall, F1, and what it is most often taken for.
pub fn table(details: &Details) -> String {
    let classes = classes(details);
    let mut order: Vec<usize> = (0..classes.len()).collect();
    let mut note = String::new();
    if classes.len() > MOST_ROWS {
        order.sort_by(|&a, &b| {
            classes[a].f1().unwrap_or(2.0).total_cmp(&classes[b].f1().unwrap_or(2.0)).then(a.cmp(&b))
        });
        order.truncate(MOST_ROWS);
        note = format!(
            "<p class=none>The {MOST_ROWS} worst of {} classes.</p>",
            thousands(classes.len() as u64)
        );
    }
    let mut out = format!(
        "{note}<div class=\"wide tall\"><table><thead><tr><th>class<th class=n>images<th class=n>precision<th class=n>recall<th class=n>F1<th>most often predicted as</thead><tbody>"
    );
    let share = |share: Option<f64>| match share {
        Some(share) => {
            format!("<td class=\"n bar\" style=\"--w:{:.1}%\">{:.1} %", 100.0 * share, 100.0 * share)
        }
        None => "<td class=n>–".to_owned(),
    };
    for at in order {
        let class = &classes[at];
        let taken = match class.taken {
            Some((taken, count)) => {
                format!("{} <small>{}×</small>", escape(&classes[taken].name), thousands(count))
            }
            None => String::new(),
        };
        let _ = write!(
            out,
            "<tr><td>{}<td class=n>{}{}{}{}<td>{taken}",
            escape(&class.name),
            thousands(class.images),
            share(class.precision()),
            share(class.recall()),
            share(class.f1())
        );
    }
    out.push_str("</tbody></table></div>");
    out
}

fn shortened(name: &str, most: usize) -> String {
    match name.chars().count() > most {
        true => name.chars().take(most - 1).chain(['…']).collect(),
        false => name.to_owned(),
    }
}
