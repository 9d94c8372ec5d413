//! `dslc graph FILE --stage …`: what a file becomes, stage by stage.

use std::cmp::Ordering;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::out::out;
use crate::cli::table::{bytes, short, table};
use crate::cli::{Stop, load};
use crate::diagram;
use crate::experiment::stages::{self, Change};
use crate::graph::op::Cost;
use crate::graph::print;

#[derive(clap::Args)]
pub struct Options {
    /// A `.net` or `.model` file
    file: PathBuf,
    /// Which stage to print
    #[arg(long, value_enum, default_value_t = Stage::Lowered)]
    stage: Stage,
    /// As text; as a picture for Graphviz, Mermaid or a browser; or for other programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Images in the batch of `lowered`, `fused` and `planned`
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: u32,
    /// Show next to each source line what the compiler made of its ops, and what that saves
    #[arg(long, conflicts_with_all = ["stage", "format"])]
    why: bool,
    /// Override a setting by its path, such as `train.batch=128`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Stage {
    /// The syntax tree
    Ast,
    /// Layers with every argument and shape
    Model,
    /// The ops of a forward pass
    Lowered,
    /// What runs: forward, loss, backward and update where the file has `train`, else forward; after all passes
    #[value(alias = "final")]
    Fused,
    /// The order in which it runs, how the batch is cut, and where in memory
    Planned,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Dot,
    Mermaid,
    Svg,
    Json,
}

impl Format {
    /// `None` for text.
    fn drawing(self) -> Option<&'static diagram::Format> {
        let name = self.to_possible_value()?.get_name().to_owned();
        diagram::FORMATS.iter().find(|format| format.name == name)
    }
}

pub fn run(options: &Options) -> Result<(), Stop> {
    if options.stage == Stage::Ast {
        let loaded = load::load(&options.file, &options.settings)?;
        let syntax: Vec<_> =
            loaded.diagnostics.iter().filter(|d| d.code.starts_with("E01")).cloned().collect();
        load::print(&loaded.sources, &syntax);
        out(&match options.format.drawing() {
            None => loaded.ast.to_string(),
            Some(format) => (format.draw)(&loaded.ast.diagram()),
        })?;
        return if syntax.is_empty() { Ok(()) } else { Err(Stop::Findings) };
    }
    let loaded = load::load_whole(&options.file, &options.settings, &["model"])?;
    let Some(model) = &loaded.experiment.model else { return Err(Stop::Findings) };
    let batch = options.batch as usize;
    if options.why {
        return out(&why(&stages::changes(&loaded.experiment, model, batch, &loaded.sources)?));
    }
    let graph = match options.stage {
        Stage::Ast | Stage::Model => {
            return out(&match options.format.drawing() {
                None => model.to_string(),
                Some(format) => (format.draw)(&model.diagram()),
            });
        }
        Stage::Lowered => stages::lowered(model, batch)?,
        Stage::Planned if options.format == Format::Text => {
            return out(&stages::planned(&loaded.experiment, model, batch, &loaded.sources)?);
        }
        Stage::Planned => {
            return Err(Stop::Environment(
                "error: a plan is printed as text\n  try: `--stage fused` draws the graph that it runs"
                    .to_owned(),
            ));
        }
        Stage::Fused => stages::fused(&loaded.experiment, model, batch)?,
    };
    match options.format.drawing() {
        None => out(&stages::text(&graph, model, &loaded.sources)),
        Some(format) => out(&(format.draw)(&print::diagram(&graph, &model.name))),
    }
}

/// Words with commas between them, in lines of moderate length.
fn wrapped(words: impl Iterator<Item = String>) -> String {
    const WIDTH: usize = 44;
    let (mut out, mut line) = (String::new(), 0);
    for (i, word) in words.enumerate() {
        let length = word.chars().count();
        if i > 0 {
            let breaks = line + length + 2 > WIDTH;
            out.push_str(if breaks { ",\n" } else { ", " });
            line = if breaks { 0 } else { line + 2 };
        }
        out.push_str(&word);
        line += length;
    }
    out
}

/// A table of what became of each layer's ops.
fn why(changes: &[Change]) -> String {
    let names = |ops: &[(&'static str, usize)]| {
        let shown = ops.iter().map(|(name, count)| match count {
            1 => (*name).to_owned(),
            count => format!("{count} {name}"),
        });
        wrapped(shown)
    };
    let saved = |before: u64, after: u64, show: fn(u64) -> String| match before.cmp(&after) {
        Ordering::Equal => String::new(),
        Ordering::Greater => show(before - after),
        Ordering::Less => format!("-{}", show(after - before)),
    };
    let rows = changes.iter().map(|change| {
        let [before, after] = &change.cost;
        let became = match (change.before == change.after, change.after.is_empty()) {
            (true, _) => String::new(),
            (_, true) => "(in its neighbours)".to_owned(),
            _ => names(&change.after),
        };
        vec![
            if change.line == 0 { String::new() } else { change.line.to_string() },
            if change.layer.is_empty() { "loss, update".to_owned() } else { change.layer.clone() },
            names(&change.before),
            became,
            saved(before.flops, after.flops, short),
            saved(before.bytes, after.bytes, bytes),
        ]
    });
    let [before, after] = [0, 1].map(|i| {
        changes.iter().fold(Cost::default(), |mut sum, change| {
            sum += change.cost[i];
            sum
        })
    });
    let mut text =
        table(&["line", "layer", "ops", "become", "FLOPs saved", "bytes saved"], 4, rows.collect());
    text.push_str(&format!(
        "\n\nin all: {} instead of {} to move, {} instead of {} FLOPs a step\n",
        bytes(after.bytes),
        bytes(before.bytes),
        short(after.flops),
        short(before.flops)
    ));
    text
}
