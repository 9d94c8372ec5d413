//! `dslc data FILE`: what the network will see of a file's data: the parts, the classes, the sizes, and what is wrong with them.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::data_page::page;
use crate::cli::out::out;
use crate::cli::table::{percent, table, thousands};
use crate::cli::{Stop, load};
use crate::data::scan::{PARTS, Scan, scan};
use crate::data::sheet::sheet;
use crate::train::checkpoint::write_atomically;

#[derive(clap::Args)]
pub struct Options {
    /// A `.net` file with `data`
    file: PathBuf,
    /// Override a setting by its path, such as `data.split.test=10%`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Also write a page with pictures of each class and of what augmentation makes of them; an existing file is replaced
    #[arg(long, value_name = "PAGE")]
    html: Option<PathBuf>,
}

/// The longest bar, in characters.
const BAR: usize = 30;
/// Of more files than these, the first are named.
const NAMED: usize = 10;

pub fn run(options: &Options) -> Result<(), Stop> {
    let loaded = load::load_whole(&options.file, &options.settings, &["data"])?;
    let looked = loaded.divided(&loaded.base()).and_then(|(section, dataset)| {
        let found = scan(&section, &dataset)?;
        let seed = loaded.experiment.train.as_ref().map_or(0, |train| train.seed);
        let sheet = options.html.as_ref().map(|_| sheet(&section, &dataset, seed)).transpose()?;
        Ok((found, sheet))
    });
    let (found, sheet) = looked.map_err(|fault| loaded.stop_at_data(&fault))?;
    if let (Some(path), Some(sheet)) = (&options.html, sheet) {
        let title = options.file.display().to_string();
        write_atomically(path, page(&title, &found, &sheet).as_bytes())?;
    }
    match options.json {
        true => out(&as_json(&found).to_string())?,
        false => out(text(&found).trim_end())?,
    }
    if found.unreadable.is_empty() && found.leaks.is_empty() { Ok(()) } else { Err(Stop::Findings) }
}

fn text(found: &Scan) -> String {
    let most = found.classes.iter().flat_map(|(_, counts)| *counts).max().unwrap_or(1).max(1);
    let rows = found.classes.iter().map(|(name, counts)| {
        let bar = "█".repeat((counts[0] * BAR).div_ceil(most));
        let counts = counts.map(|n| thousands(n as u64));
        [vec![name.clone()], counts.to_vec(), vec![bar]].concat()
    });
    // An image may have several labels, or none.
    let totals = found.parts.map(|n| thousands(n as u64));
    let totals = [vec![String::new()], totals.to_vec(), vec![String::new()]].concat();
    let rows: Vec<Vec<String>> = rows.chain([totals]).collect();
    let mut text = table(&["class", PARTS[0], PARTS[1], PARTS[2], ""], 1, rows);
    let [least, mean, most] = found.sizes;
    let one = found.one;
    text.push_str("\n\n");
    // Signals and volumes have one size and no colours.
    if one == "picture" {
        let sizes = match least == most {
            true => format!("{}x{}", least[0], least[1]),
            false => format!(
                "{}x{} to {}x{}, {}x{} on average",
                least[0], least[1], most[0], most[1], mean[0], mean[1]
            ),
        };
        text.push_str(&format!("sizes   {sizes} (height x width)\n"));
        text.push_str(&format!(
            "colours {} of {} pictures are grey\n",
            thousands(found.grey as u64),
            thousands(found.read as u64)
        ));
    }
    text.push_str(&format!("reach the model as {}\n", found.reaches));
    let shown = |numbers: &[f64]| numbers.iter().map(|x| format!("{x:.4}")).collect::<Vec<_>>().join(", ");
    text.push_str(&format!("mean    [{}]\nstd     [{}]\n", shown(&found.mean), shown(&found.spread)));
    let mut list = |what: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            text.push_str(&format!("\n{what}: {}\n", thousands(lines.len() as u64)));
            lines.iter().take(NAMED).for_each(|line| text.push_str(&format!("  {line}\n")));
            if lines.len() > NAMED {
                text.push_str(&format!("  … and {} more\n", thousands((lines.len() - NAMED) as u64)));
            }
        }
    };
    let pair = |[a, b]: &[String; 2]| format!("{a} = {b}");
    list("cannot be used", found.unreadable.clone());
    list(
        &format!("the same {one} in two parts (the test is not a test)"),
        found.leaks.iter().map(pair).collect(),
    );
    list(&format!("the same {one} twice in a part"), found.repeated.iter().map(pair).collect());
    list(&format!("the same {one} in two classes"), found.contradictions.iter().map(pair).collect());
    list("classes without an image to train on", found.without(0));
    list("classes without an image to test on", found.without(2));
    if let Some((ratio, share)) = found.imbalance() {
        text.push_str(&format!(
            "\nthe largest class has {ratio:.1} times as many training images as the smallest; always answering with it is right \
             for {}\n",
            percent(share)
        ));
    }
    text
}

fn as_json(found: &Scan) -> serde_json::Value {
    let class = |(name, counts): &(String, [usize; 3])| json!({ "class": name, "train": counts[0], "validation": counts[1], "test": counts[2] });
    json!({
        "classes": found.classes.iter().map(class).collect::<Vec<_>>(),
        "sizes": { "least": found.sizes[0], "mean": found.sizes[1], "most": found.sizes[2] },
        "images": found.read,
        "grey": found.grey,
        "reaches": found.reaches,
        "mean": found.mean,
        "spread": found.spread,
        "unreadable": found.unreadable,
        "leaks": found.leaks,
        "repeated": found.repeated,
        "contradictions": found.contradictions,
        "without_training": found.without(0),
        "without_test": found.without(2),
    })
}
