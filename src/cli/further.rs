//! What a model's further outputs say of a picture → cells of a table, parts of an object, and words on a line.

use serde_json::{Map, Value, json};

use crate::cli::table::{loss, percent};
use crate::data::sample::Task;
use crate::predict::{Answer, Class, Predictor};

/// The names of the outputs.
pub fn names(predictor: &Predictor) -> Vec<String> {
    predictor.outputs().map(|(name, _, _)| name.to_owned()).collect()
}

/// The names of their cells in CSV.
pub fn head(predictor: &Predictor) -> Vec<String> {
    let of = |(name, task, names): (&str, Task, &[String])| match task {
        Task::Classes => vec![name.to_owned(), format!("{name}.probability")],
        Task::Labels | Task::Numbers | Task::Masks | Task::Images => {
            names.iter().map(|own| format!("{name}.{own}")).collect()
        }
    };
    predictor.outputs().flat_map(of).collect()
}

/// A cell for people for each output: `3 (97.12 %)`, or `0.52, 1.3`.
pub fn shown(answer: &Answer) -> Vec<String> {
    let of = |(_, own): &(String, Answer)| match own.classes().first() {
        Some(class) => format!("{} ({})", class.name, percent(class.probability)),
        None => own.numbers.iter().map(|&number| loss(f64::from(number))).collect::<Vec<_>>().join(", "),
    };
    answer.outputs.iter().map(of).collect()
}

/// The same at the end of a line, each with its name.
pub fn line(answer: &Answer) -> String {
    let named = answer.outputs.iter().zip(shown(answer));
    named.map(|((name, _), shown)| format!("  {name} {shown}")).collect()
}

/// A class in JSON.
pub fn class(class: &Class) -> Value {
    json!({ "class": class.name, "index": class.index, "probability": class.probability })
}

/// Adds the outputs, with the `top` likeliest classes of each, to an object and to the cells of a record.
pub fn add(answer: &Answer, top: usize, object: &mut Value, cells: &mut Vec<String>) {
    let mut outputs = Map::new();
    for (name, own) in &answer.outputs {
        let told = match own.task() {
            Task::Classes => {
                let first = own.classes().first();
                cells.push(first.map_or_else(String::new, |class| class.name.clone()));
                cells.push(first.map_or_else(String::new, |class| format!("{:?}", class.probability)));
                json!({ "top": own.classes().iter().take(top).map(class).collect::<Vec<Value>>() })
            }
            Task::Labels | Task::Numbers | Task::Masks | Task::Images => {
                let values = own.values();
                cells.extend(values.iter().map(|(_, value)| value.to_string()));
                let numbers: Map<String, Value> =
                    values.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
                json!({ "numbers": numbers })
            }
        };
        outputs.insert(name.clone(), told);
    }
    if !outputs.is_empty() {
        object["outputs"] = Value::Object(outputs);
    }
}
