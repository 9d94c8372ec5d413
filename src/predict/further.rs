//! What a model takes with each picture, held against what is given, and what its further outputs say.

use crate::data::fields::{DataField, End as FieldEnd, What};
use crate::data::sample::Task;
use crate::data::section::DataSection;
use crate::diag::{Fault, codes};
use crate::model::Model;
use crate::predict::End;
use crate::train::checkpoint::Weights;

/// What a model takes with each picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A number of each of these columns.
    Numbers { name: String, columns: Vec<String> },
    /// A picture, whose path stands in this column.
    Picture { name: String, column: String },
}

/// What is given with a picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    Numbers(Vec<f32>),
    /// The bytes of a picture file.
    Picture(Vec<u8>),
}

impl Wanted {
    /// The name that the model has for it.
    pub fn name(&self) -> &str {
        match self {
            Wanted::Numbers { name, .. } | Wanted::Picture { name, .. } => name,
        }
    }

    /// The columns of a table that say it.
    pub fn columns(&self) -> &[String] {
        match self {
            Wanted::Numbers { columns, .. } => columns,
            Wanted::Picture { column, .. } => std::slice::from_ref(column),
        }
    }

    pub(super) fn named(&self, fault: Fault) -> Fault {
        Fault { message: format!("`{}`: {}", self.name(), fault.message), ..fault }
    }
}

/// What a model takes, in its order.
pub(super) fn wanted(model: &Model, data: Option<&DataSection>) -> Result<Vec<Wanted>, Fault> {
    let fields = data.map_or(&[][..], |data| &data.fields);
    let of = |(at, name): (usize, &String)| {
        let field = fields.iter().find(|field| field.end == FieldEnd::Input(at));
        let Some(DataField { columns, what, .. }) = field else {
            let message =
                format!("the network takes `{name}`, but its file has no `data` that says what it is");
            return Err(Fault::new(codes::DATA_SHAPE, message).advise(format!("`field {name} …` in `data`")));
        };
        Ok(match (what, columns.as_slice()) {
            (What::Picture(_), [column]) => Wanted::Picture { name: name.clone(), column: column.clone() },
            (_, _) => Wanted::Numbers { name: name.clone(), columns: columns.clone() },
        })
    };
    model.inputs.iter().map(|input| &input.name).enumerate().map(of).collect()
}

/// What the further outputs of a model say; the names of their classes are those that the weights know.
pub(super) fn ends(
    model: &Model,
    data: Option<&DataSection>,
    weights: Option<&Weights>,
) -> Result<Vec<(String, End)>, Fault> {
    let known = weights.map_or(&[][..], |weights| &weights.card.outputs);
    let fields = data.map_or(&[][..], |data| &data.fields);
    let of = |(at, output): (usize, &crate::model::outputs::Output)| {
        let name = &output.name.text;
        let shape = output.head.shape.clone();
        let shape = shape.ok_or_else(|| Fault::internal(format!("the output `{name}` has no shape")))?;
        let field = fields.iter().find(|field| field.end == FieldEnd::Output(at));
        let field = field.ok_or_else(|| {
            let message = format!("the file of the weights does not say what the output `{name}` is");
            Fault::new(codes::DATA_SHAPE, message).advise(format!("`field {name} …` in `data`"))
        })?;
        let names = known.iter().find(|(own, _)| own == name).map(|(_, names)| names.clone());
        let n_names = match field.task() {
            Task::Classes | Task::Labels | Task::Numbers => shape.elements(),
            Task::Masks => shape.dims().first().copied().unwrap_or(0),
            Task::Images => 0,
        };
        let names = names.filter(|names| names.len() == n_names);
        let last = output.head.wire.layer().and_then(|at| model.layers.get(at));
        let end = End {
            classes: names.unwrap_or_else(|| field.names()),
            gives_probabilities: last
                .is_some_and(|last| ["softmax", "sigmoid"].contains(&last.unit.spec().name)),
            task: field.task(),
            shape,
        };
        Ok((name.clone(), end))
    };
    model.outputs.iter().enumerate().map(of).collect()
}

/// What is wanted with what is given.
///
/// # Errors
/// Too little or too much, numbers for a picture, or numbers of another count or that are not finite.
pub(super) fn paired<'p>(
    wanted: &'p [Wanted],
    given: &'p [Given],
) -> Result<Vec<(&'p Wanted, &'p Given)>, Fault> {
    let refuse = |message: String| {
        let columns: Vec<&str> = wanted.iter().flat_map(Wanted::columns).map(String::as_str).collect();
        let fault = Fault::new(codes::DATA_SHAPE, message);
        match columns.as_slice() {
            [] => fault.advise("the picture alone"),
            _ => fault.advise(format!(
                "a table of pictures with the columns {}, such as cases.csv",
                columns.join(", ")
            )),
        }
    };
    if let Some(missing) = wanted.get(given.len()) {
        return Err(refuse(format!("the network takes `{}` with each picture", missing.name())));
    }
    if given.len() > wanted.len() {
        return Err(refuse(format!(
            "{} values are given, but the network takes {}",
            given.len(),
            wanted.len()
        )));
    }
    for (wanted, given) in wanted.iter().zip(given) {
        let name = wanted.name();
        match (wanted, given) {
            (Wanted::Numbers { columns, .. }, Given::Numbers(numbers)) if columns.len() == numbers.len() => {
                if numbers.iter().any(|number| !number.is_finite()) {
                    return Err(refuse(format!("`{name}` has a number that is not finite")));
                }
            }
            (Wanted::Picture { .. }, Given::Picture(_)) => {}
            (Wanted::Numbers { columns, .. }, Given::Numbers(numbers)) => {
                return Err(refuse(format!("`{name}` is {} numbers, not {}", columns.len(), numbers.len())));
            }
            (Wanted::Numbers { .. }, Given::Picture(_)) => {
                return Err(refuse(format!("`{name}` is numbers, not a picture")));
            }
            (Wanted::Picture { .. }, Given::Numbers(_)) => {
                return Err(refuse(format!("`{name}` is a picture, not numbers")));
            }
        }
    }
    Ok(wanted.iter().zip(given).collect())
}
