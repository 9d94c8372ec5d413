//! What lies at a path → a whole file that trains on it: its source, a network for what it holds, and a sensible training.

use std::path::Path;

use crate::data::sample::{Size, Task};
use crate::data::sources::{masks, parquet, table, usual};
use crate::data::{Facts, glob};
use crate::diag::Fault;
use crate::shape::Shape;

/// The longer side of images that a network is made for as they are; others are brought to [`SIDE`].
const MOST: usize = 96;
const SIDE: usize = 64;

/// The `source` line for a path of a kind of data set. `written` is the path as the file names it, which needs no escapes.
pub fn source(kind: &str, path: &Path, written: &str) -> Result<String, Fault> {
    if let Some([first, second]) = usual::two(kind, path) {
        let line = format!("source {kind} \"{written}/{first}\" \"{written}/{second}\"");
        return Ok(match kind {
            "masks" => format!("{line} {}", masks::arguments(&path.join(second))?),
            _ => line,
        });
    }
    let mut line = format!("source {kind} \"{written}\"");
    let mut argument = |name: &str, own: Option<String>, usual: &str| {
        if let Some(own) = own.filter(|own| own != usual) {
            line.push_str(&format!(" {name}={}", word(&own)));
        }
    };
    match kind {
        "table" => {
            let table::Guess { image, part, learnt } = table::guess(path)?;
            argument("image", image, "image");
            match learnt {
                Some(("label", columns)) => argument("label", columns.into_iter().next(), "label"),
                Some((name, columns)) => {
                    let columns: Vec<String> = columns.iter().map(|column| word(column)).collect();
                    let list = match columns.as_slice() {
                        [one] => one.clone(),
                        several => format!("[{}]", several.join(", ")),
                    };
                    line.push_str(&format!(" {name}={list}"));
                }
                None => return Err(table::nothing_to_learn(path)?),
            }
            if let Some(part) = part {
                line.push_str(&format!(" part={}", word(&part)));
            }
        }
        "parquet" => {
            let (image, label) = parquet::columns(path)?;
            argument("image", image, "image");
            argument("label", label, "label");
        }
        _ => {}
    }
    Ok(line)
}

/// A name as a file of the language has it.
fn word(own: &str) -> String {
    let is_word = own.chars().all(|c| c.is_alphanumeric() || c == '_')
        && own.starts_with(|c: char| c.is_alphabetic() || c == '_');
    if is_word { own.to_owned() } else { format!("\"{}\"", own.replace('"', "")) }
}

/// Where the files of a folder of Hugging Face's lie.
pub fn inner(kind: &str, path: &Path) -> Option<&'static str> {
    let has = |pattern: &str| glob::matching(&path.join(pattern)).is_ok_and(|found| !found.is_empty());
    (kind == "parquet" && path.is_dir() && !has("*.parquet") && has("data/*.parquet")).then_some("data")
}

/// The arguments with which a `source` line of a kind is checked where its data are not.
pub fn stated(kind: &str, facts: &Facts) -> String {
    let mut text = String::new();
    let is_told = kind.starts_with("cifar") || ["masks", "pairs"].contains(&kind);
    let by_columns = kind == "table" && facts.task != Task::Classes;
    if let Some(classes) = facts.classes.filter(|_| !is_told && !by_columns && facts.task != Task::Images) {
        text.push_str(&format!(" classes={classes}"));
    }
    if let (Size::Fixed([height, width]), "mnist") = (facts.form.size, kind) {
        text.push_str(&format!(" size={height}x{width}"));
    }
    if let (Some(shape), "arrays") = (facts.form.shape(), kind) {
        text.push_str(&format!(" image={shape}"));
        if facts.task != Task::Classes {
            text.push_str(&format!(" task={}", facts.task.word()));
        }
    }
    text
}

/// The file. `name` is the model's, `line` its source, of which these facts are known.
pub fn text(name: &str, line: &str, facts: &Facts) -> String {
    let channels = facts.form.channels.unwrap_or(3);
    let n = facts.classes.unwrap_or(2);
    let fixed = match facts.form.size {
        Size::Fixed([height, width]) if height.max(width) <= MOST => Some([height, width]),
        Size::Fixed(_) | Size::Length(_) | Size::Deep(_) | Size::Varied | Size::Unknown => None,
    };
    let [height, width] = fixed.unwrap_or([SIDE, SIDE]);
    let layers = match (facts.form.size, facts.task) {
        (Size::Length(length), task) => for_signals(length, task, n),
        (Size::Deep(extents), task) => for_volumes(extents, task, n),
        (_, Task::Classes | Task::Labels | Task::Numbers) => for_images([height, width], facts.task, n),
        (_, Task::Masks | Task::Images) => from_image_to_image([height, width], facts.task, n),
    };
    let input = match facts.form.size {
        Size::Length(length) => format!("{channels}x{length}"),
        Size::Deep(extents) => format!("{channels}x{}", Shape::from(extents)),
        Size::Fixed(_) | Size::Varied | Size::Unknown => format!("{channels}x{height}x{width}"),
    };
    let layers: String = layers.iter().map(|line| format!("    {line}\n")).collect();
    let model = format!("model {name} {{\n    input {input}\n{layers}}}\n");
    let mut data = format!("data {{\n    {line}\n");
    if facts.parts.is_some_and(|parts| parts[2] == 0) {
        data.push_str("    split test=20%\n");
    }
    let is_picture = facts.form.is_picture();
    let crop = match fixed {
        None if is_picture => {
            data.push_str("    resize short=72\n    center_crop 64\n");
            Some("random_crop 64".to_owned())
        }
        Some([height, width]) => Some(format!("random_crop {height}x{width} padding=2")),
        None => None,
    };
    data.push_str("    normalize auto\n");
    // Letters and digits are others when they are mirrored. What numbers say of an image may be where something is.
    let flip = (channels == 3 && is_picture).then(|| "random_flip".to_owned());
    let steps: Vec<String> = [crop, flip].into_iter().flatten().collect();
    if facts.task != Task::Numbers && !steps.is_empty() {
        data.push_str(&format!("    augment {{ {} }}\n", steps.join(" -> ")));
    }
    data.push_str("}\n");
    let loss = match facts.task {
        Task::Classes | Task::Masks => "cross_entropy",
        Task::Labels => "bce",
        Task::Numbers => "mse",
        Task::Images => "l1",
    };
    let train = format!(
        "train {{\n    loss {loss}\n    optimizer adam lr=3e-3\n    schedule cosine\n    epochs 20\n    batch 32\n    seed 1\n}}\n"
    );
    format!("{model}\n{data}\n{train}")
}

/// What stands behind the last feature maps: classes and labels are there or not, numbers also depend on where.
fn head(task: Task, n: usize) -> String {
    match task {
        Task::Classes => format!("global_avg_pool -> linear {n}"),
        Task::Labels => format!("global_max_pool -> linear {n}"),
        Task::Numbers | Task::Masks | Task::Images => format!("flatten -> linear {n}"),
    }
}

fn for_images([height, width]: [usize; 2], task: Task, n: usize) -> Vec<String> {
    let (mut side, mut lines) = (height.min(width), Vec::new());
    for stage in 0..3 {
        let pool = if side >= 16 && stage < 2 { " -> max_pool2d 2" } else { "" };
        lines.push(format!("conv2d {} 3x3 padding=same -> batch_norm -> relu{pool}", 16 << stage));
        side = if pool.is_empty() { side } else { side / 2 };
    }
    lines.push(head(task, n));
    lines
}

fn for_signals(length: usize, task: Task, n: usize) -> Vec<String> {
    if task == Task::Images {
        let convs =
            [16, 32, 16].map(|features| format!("conv1d {features} 7 padding=same -> batch_norm -> relu"));
        return convs.into_iter().chain([format!("conv1d {n} 7 padding=same")]).collect();
    }
    let (mut length, mut lines) = (length, Vec::new());
    for stage in 0..3 {
        let pool = if length >= 16 && stage < 2 { " -> max_pool1d 2" } else { "" };
        lines.push(format!("conv1d {} 7 padding=same -> batch_norm -> relu{pool}", 16 << stage));
        length = if pool.is_empty() { length } else { length / 2 };
    }
    lines.push(head(task, n));
    lines
}

fn for_volumes(extents: [usize; 3], task: Task, n: usize) -> Vec<String> {
    let (mut side, mut lines) = (extents.into_iter().min().unwrap_or(1), Vec::new());
    for stage in 0..3 {
        let pool = if side >= 8 && stage < 2 { " -> max_pool3d 2" } else { "" };
        lines.push(format!("conv3d {} 3x3x3 padding=same -> batch_norm -> relu{pool}", 8 << stage));
        side = if pool.is_empty() { side } else { side / 2 };
    }
    lines.push(head(task, n));
    lines
}

/// Maps of the image's size: for masks one a class, for images one a channel.
fn from_image_to_image([height, width]: [usize; 2], task: Task, n: usize) -> Vec<String> {
    let conv = |features: usize| format!("conv2d {features} 3x3 padding=same -> batch_norm -> relu");
    let last = match task {
        Task::Masks => format!("conv2d {n} 1x1"),
        Task::Classes | Task::Labels | Task::Numbers | Task::Images => format!("conv2d {n} 3x3 padding=same"),
    };
    if height % 4 != 0 || width % 4 != 0 || height.min(width) < 16 {
        return vec![conv(16), conv(32), conv(16), last];
    }
    let named = |features: usize, name: &str| format!("{} as {name}", conv(features));
    let up = "upsample 2 mode=bilinear";
    vec![
        named(16, "fine"),
        "max_pool2d 2".to_owned(),
        named(32, "middle"),
        "max_pool2d 2".to_owned(),
        conv(48),
        format!("{up} -> concat middle"),
        conv(32),
        format!("{up} -> concat fine"),
        conv(16),
        last,
    ]
}
