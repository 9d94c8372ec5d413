//! What a model's further outputs say of a picture → cells of a table, parts of an object, words on a line, and files.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::cli::pictures::place_of;
use crate::cli::table::{loss, percent};
use crate::data::sample::Task;
use crate::diag::Fault;
use crate::predict::{Answer, Class, Predictor};

/// The names of the outputs.
pub fn names(predictor: &Predictor) -> Vec<String> {
    predictor.outputs().map(|(name, _, _)| name.to_owned()).collect()
}

/// The names of their cells in CSV.
pub fn head(predictor: &Predictor) -> Vec<String> {
    let of = |(name, task, names): (&str, Task, &[String])| {
        let named = names.iter().map(|own| format!("{name}.{own}"));
        match task {
            Task::Classes => vec![name.to_owned(), format!("{name}.probability")],
            Task::Labels | Task::Numbers => named.collect(),
            Task::Masks | Task::Images => std::iter::once(name.to_owned()).chain(named).collect(),
        }
    };
    predictor.outputs().flat_map(of).collect()
}

/// A cell for people for each output: `3 (97.12 %)`, `0.52, 1.3`, `sea 81.00 %, sky 19.00 %`, or a picture's shape.
pub fn shown(answer: &Answer) -> Vec<String> {
    answer.outputs.iter().map(|(_, own)| one(own)).collect()
}

fn one(own: &Answer) -> String {
    match own.task() {
        Task::Classes => {
            let first = own.classes().first();
            first.map_or_else(String::new, |class| format!("{} ({})", class.name, percent(class.probability)))
        }
        Task::Labels => labels(own),
        Task::Numbers => {
            own.numbers.iter().map(|&number| loss(f64::from(number))).collect::<Vec<_>>().join(", ")
        }
        Task::Masks => areas(own),
        Task::Images => own.shape.to_string(),
    }
}

/// The labels that hold: `rain 97.12 %, wind 80.00 %`, or `none (most likely rain 12.00 %)`.
pub fn labels(answer: &Answer) -> String {
    let holds = answer.classes().iter().filter(|label| label.probability > 0.5);
    let shown: Vec<String> =
        holds.map(|label| format!("{} {}", label.name, percent(label.probability))).collect();
    match (shown.as_slice(), answer.classes().first()) {
        ([], Some(first)) => format!("none (most likely {} {})", first.name, percent(first.probability)),
        (_, _) => shown.join(", "),
    }
}

/// How much of a mask is of each class that is there, the most first: `sea 81.00 %, sky 19.00 %`.
pub fn areas(answer: &Answer) -> String {
    let areas = answer.areas();
    let mut there: Vec<&(&str, f64)> = areas.iter().filter(|(_, share)| *share > 0.0).collect();
    there.sort_by(|a, b| b.1.total_cmp(&a.1));
    let shown: Vec<String> =
        there.iter().map(|(name, share)| format!("{name} {}", percent(*share))).collect();
    shown.join(", ")
}

/// The same at the end of a line, each with its name.
pub fn line(answer: &Answer) -> String {
    let named = answer.outputs.iter().zip(shown(answer));
    named.map(|((name, _), shown)| format!("  {name} {shown}")).collect()
}

/// A class in JSON,
pub fn class(class: &Class) -> Value {
    json!({ "class": class.name, "index": class.index, "probability": class.probability })
}

/// and a label.
pub fn label(label: &Class) -> Value {
    json!({ "label": label.name, "probability": label.probability, "holds": label.probability > 0.5 })
}

/// The labels in the order of the model's outputs.
pub fn in_order(answer: &Answer) -> Vec<&Class> {
    let mut labels: Vec<&Class> = answer.classes().iter().collect();
    labels.sort_by_key(|label| label.index);
    labels
}

/// The share of each class of a mask, by its name.
pub fn shares(answer: &Answer) -> Map<String, Value> {
    answer.areas().iter().map(|(name, share)| ((*name).to_owned(), json!(share))).collect()
}

/// The names of the outputs that are masks or pictures.
pub fn pictures(predictor: &Predictor) -> Vec<String> {
    let turning = predictor.outputs().filter(|(_, task, _)| matches!(task, Task::Masks | Task::Images));
    turning.map(|(name, _, _)| name.to_owned()).collect()
}

/// The masks and pictures among the outputs as PNGs, each with its place beside that of the image.
pub fn drawn(answer: &Answer, image: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Fault> {
    let one = |(name, own): &(String, Answer)| {
        let named =
            |fault: Fault| Fault { message: format!("the output `{name}`: {}", fault.message), ..fault };
        let bytes = png(own).map_err(named).transpose()?;
        Some(bytes.map(|bytes| (place_of(image, name), bytes)))
    };
    answer.outputs.iter().filter_map(one).collect()
}

fn png(answer: &Answer) -> Result<Option<Vec<u8>>, Fault> {
    match answer.task() {
        Task::Masks => answer.mask_png().map(Some),
        Task::Images => answer.png().map(Some),
        Task::Classes | Task::Labels | Task::Numbers => Ok(None),
    }
}

/// Adds the outputs, with the `top` likeliest classes of each, to an object and to the cells of a record. Masks and pictures are
/// written beside the place of the image, where it has one.
pub fn add(
    answer: &Answer,
    top: usize,
    image: Option<&PathBuf>,
    object: &mut Value,
    cells: &mut Vec<String>,
) {
    let mut outputs = Map::new();
    for (name, own) in &answer.outputs {
        let written = image.map(|image| place_of(image, name).display().to_string());
        let told = match own.task() {
            Task::Classes => {
                let first = own.classes().first();
                cells.push(first.map_or_else(String::new, |class| class.name.clone()));
                cells.push(first.map_or_else(String::new, |class| format!("{:?}", class.probability)));
                json!({ "top": own.classes().iter().take(top).map(class).collect::<Vec<Value>>() })
            }
            Task::Labels => {
                let labels = in_order(own);
                cells.extend(labels.iter().map(|label| format!("{:?}", label.probability)));
                json!({ "labels": labels.into_iter().map(label).collect::<Vec<Value>>() })
            }
            Task::Numbers => {
                let values = own.values();
                cells.extend(values.iter().map(|(_, value)| value.to_string()));
                let numbers: Map<String, Value> =
                    values.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
                json!({ "numbers": numbers })
            }
            Task::Masks => {
                cells.push(written.clone().unwrap_or_default());
                cells.extend(own.areas().iter().map(|(_, share)| share.to_string()));
                json!({ "written": written, "areas": shares(own) })
            }
            Task::Images => {
                cells.push(written.clone().unwrap_or_default());
                json!({ "written": written, "shape": own.shape.to_string() })
            }
        };
        outputs.insert(name.clone(), told);
    }
    if !outputs.is_empty() {
        object["outputs"] = Value::Object(outputs);
    }
}
