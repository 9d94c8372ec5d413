//! What was found in a data set, and small pictures of it → one page of HTML that needs nothing else.

use crate::cli::table::{percent, thousands};
use crate::data::sample::Task;
use crate::data::scan::{PARTS, Scan};
use crate::data::sheet::{Sheet, Small};
use crate::report::html::{data_url, escape};

/// Of more files than these, the first are named.
const NAMED: usize = 50;

const STYLE: &str = include_str!("data_page.css");

/// The page. `title` is the file's name.
pub fn page(title: &str, found: &Scan, sheet: &Sheet) -> String {
    let title = escape(title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}: data</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n"
    );
    out.push_str(&figures(found));
    out.push_str(&findings(found));
    out.push_str(&counts(found));
    if !sheet.augmented.is_empty() {
        out.push_str(
            "<section><h2>Augmented</h2><p class=\"soft\">One row per image, one column per epoch.</p>\n",
        );
        sheet.augmented.iter().for_each(|(name, own)| out.push_str(&row(name, "", own)));
        out.push_str("</section>\n");
    }
    out.push_str(
        "<section><h2>As they reach the network</h2><p class=\"soft\">Prepared, but not normalised.</p>\n",
    );
    for (name, own) in &sheet.classes {
        let count = found.classes.iter().find(|(class, _)| class == name);
        let count = count.map_or_else(String::new, |(_, counts)| thousands(counts[0] as u64));
        out.push_str(&row(name, &count, own));
    }
    let is_by_class = matches!(found.task, Task::Classes | Task::Labels);
    if is_by_class && found.classes.len() > sheet.classes.len() {
        let more = thousands((found.classes.len() - sheet.classes.len()) as u64);
        out.push_str(&format!("<p class=\"soft\">… and {more} more</p>\n"));
    }
    out.push_str("</section>\n</main>\n</body>\n</html>\n");
    out
}

fn figures(found: &Scan) -> String {
    let [least, mean, most] = found.sizes;
    let size = |[height, width]: [usize; 2]| format!("{height}×{width}");
    let numbers = |all: &[f64]| all.iter().map(|x| format!("{x:.3}")).collect::<Vec<_>>().join(" ");
    let mut cards: Vec<(&str, String)> =
        PARTS.iter().zip(found.parts).map(|(part, n)| (*part, thousands(n as u64))).collect();
    if found.one == "picture" {
        cards.extend([
            ("smallest", size(least)),
            ("average", size(mean)),
            ("largest", size(most)),
            ("grey", format!("{} of {}", thousands(found.grey as u64), thousands(found.read as u64))),
        ]);
    }
    cards.extend([
        ("reach the network as", found.reaches.clone()),
        ("mean", numbers(&found.mean)),
        ("spread", numbers(&found.spread)),
    ]);
    let cards =
        cards.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(value)));
    format!("<dl class=\"figures\">{}</dl>\n", cards.collect::<String>())
}

fn findings(found: &Scan) -> String {
    let pair = |[a, b]: &[String; 2]| format!("{a} = {b}");
    let pairs = |all: &[[String; 2]]| all.iter().map(pair).collect::<Vec<_>>();
    let (mut out, one) = (String::new(), found.one);
    for (what, lines) in [
        ("Cannot be used".to_owned(), found.unreadable.clone()),
        (format!("The same {one} in two parts: the test is not a test"), pairs(&found.leaks)),
        (format!("The same {one} in two classes"), pairs(&found.contradictions)),
        (format!("The same {one} twice in a part"), pairs(&found.repeated)),
        ("Without an image to train on".to_owned(), found.without(0)),
        ("Without an image to test on".to_owned(), found.without(2)),
    ] {
        if lines.is_empty() {
            continue;
        }
        let items: String =
            lines.iter().take(NAMED).map(|line| format!("<li>{}</li>", escape(line))).collect();
        let more = match lines.len() > NAMED {
            true => format!("<li class=\"soft\">… and {} more</li>", thousands((lines.len() - NAMED) as u64)),
            false => String::new(),
        };
        let n = thousands(lines.len() as u64);
        out.push_str(&format!(
            "<details open class=\"finding\"><summary>{what}: {n}</summary><ul>{items}{more}</ul></details>\n"
        ));
    }
    if let Some((ratio, share)) = found.imbalance() {
        out.push_str(&format!(
            "<p class=\"finding\">The largest class has {ratio:.1} times as many training images as the smallest; always answering \
             with it is right for {}.</p>\n",
            percent(share)
        ));
    }
    out
}

fn counts(found: &Scan) -> String {
    let most = found.classes.iter().flat_map(|(_, counts)| *counts).max().unwrap_or(1).max(1) as f64;
    let row = |(name, counts): &(String, [usize; 3])| {
        let cell = |(n, part): (usize, &str)| {
            let share = 100.0 * n as f64 / most;
            let n = thousands(n as u64);
            format!(
                "<td class=\"n\">{n}</td><td class=\"bar\"><i class=\"{part}\" style=\"width:{share:.2}%\"></i></td>"
            )
        };
        let cells: String = counts.iter().copied().zip(PARTS).map(cell).collect();
        format!("<tr><th>{}</th>{cells}</tr>\n", escape(name))
    };
    let rows: String = found.classes.iter().map(row).collect();
    let heads: String =
        PARTS.iter().map(|part| format!("<th class=\"n\" colspan=\"2\">{part}</th>")).collect();
    format!(
        "<section><h2>{}</h2><div class=\"wide\"><table><thead><tr><th></th>{heads}</tr></thead><tbody>\n{rows}</tbody></table></div></section>\n",
        match found.task {
            Task::Labels => "Labels",
            Task::Classes | Task::Masks => "Classes",
            Task::Numbers | Task::Images => "Parts",
        }
    )
}

fn row(name: &str, count: &str, pictures: &[Small]) -> String {
    let picture = |own: &Small| {
        let Small { name, kind, file, width, height } = own;
        let name = escape(name);
        let url = data_url(kind, file);
        format!(
            "<img alt=\"{name}\" title=\"{name}\" width=\"{width}\" height=\"{height}\" loading=\"lazy\" src=\"{url}\">"
        )
    };
    let pictures: String = pictures.iter().map(picture).collect();
    format!("<h3>{} <small>{count}</small></h3><div class=\"row\">{pictures}</div>\n", escape(name))
}
