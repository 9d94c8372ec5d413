//! What lies at a path → a whole file that trains on it: its source, a network for images of its size, and a sensible training.

use std::path::Path;

use crate::data::sample::{Form, Size};
use crate::data::sources::{parquet, table};
use crate::data::{Facts, glob};
use crate::diag::Fault;

/// The longer side of images that a network is made for as they are; others are brought to [`SIDE`].
const MOST: usize = 96;
const SIDE: usize = 64;

/// The `source` line for a path of a kind of data set. `written` is the path as the file names it, which needs no escapes.
pub fn source(kind: &str, path: &Path, written: &str) -> Result<String, Fault> {
    let mut line = format!("source {kind} \"{written}\"");
    let mut argument = |name: &str, own: Option<String>, usual: &str| {
        if let Some(own) = own.filter(|own| own != usual) {
            let is_word = own.chars().all(|c| c.is_alphanumeric() || c == '_')
                && own.starts_with(|c: char| c.is_alphabetic() || c == '_');
            let own = if is_word { own } else { format!("\"{}\"", own.replace('"', "")) };
            line.push_str(&format!(" {name}={own}"));
        }
    };
    match kind {
        "table" => {
            let [image, label, part] = table::columns(path)?;
            argument("image", image, "image");
            argument("label", label, "label");
            argument("part", part, "");
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

/// Where the files of a folder of Hugging Face's lie.
pub fn inner(kind: &str, path: &Path) -> Option<&'static str> {
    let has = |pattern: &str| glob::matching(&path.join(pattern)).is_ok_and(|found| !found.is_empty());
    (kind == "parquet" && path.is_dir() && !has("*.parquet") && has("data/*.parquet")).then_some("data")
}

/// The file. `name` is the model's, `line` its source, of which these facts are known.
pub fn text(name: &str, line: &str, facts: &Facts) -> String {
    let channels = facts.form.channels.unwrap_or(3);
    let fixed = match facts.form {
        Form { size: Size::Fixed([height, width]), .. } if height.max(width) <= MOST => Some([height, width]),
        Form { size: Size::Fixed(_) | Size::Varied | Size::Unknown, .. } => None,
    };
    let [height, width] = fixed.unwrap_or([SIDE, SIDE]);
    let classes = facts.classes.unwrap_or(2);
    let mut model = format!("model {name} {{\n    input {channels}x{height}x{width}\n");
    let (mut side, mut features) = (height.min(width), 16);
    for stage in 0..3 {
        let pool = if side >= 16 && stage < 2 { " -> max_pool2d 2" } else { "" };
        model.push_str(&format!("    conv2d {features} 3x3 padding=same -> batch_norm -> relu{pool}\n"));
        side = if pool.is_empty() { side } else { side / 2 };
        features *= 2;
    }
    model.push_str(&format!("    global_avg_pool -> linear {classes}\n}}\n"));
    let mut data = format!("data {{\n    {line}\n");
    if facts.parts.is_some_and(|parts| parts[2] == 0) {
        data.push_str("    split test=20%\n");
    }
    let crop = match fixed {
        None => {
            data.push_str("    resize short=72\n    center_crop 64\n");
            "random_crop 64".to_owned()
        }
        Some([height, width]) => format!("random_crop {height}x{width} padding=2"),
    };
    data.push_str("    normalize auto\n");
    // Letters and digits are others when they are mirrored.
    let flip = if channels == 3 { " -> random_flip" } else { "" };
    data.push_str(&format!("    augment {{ {crop}{flip} }}\n}}\n"));
    let train = "train {\n    loss cross_entropy\n    optimizer adam lr=3e-3\n    schedule cosine\n    epochs 20\n    batch 32\n    \
                 seed 1\n}\n";
    format!("{model}\n{data}\n{train}")
}
