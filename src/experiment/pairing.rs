//! The values that a model takes beside the image, held against the fields that the data have of it.

use crate::data::fields::{self, What};
use crate::data::section::DataSection;
use crate::diag::{Diagnostic, Diagnostics, codes, nearest};
use crate::model::Model;
use crate::model::inputs::Input;
use crate::train::section::TrainSection;

/// Brings the fields of the data into the order in which the model names them, and leaves out those that it does not name.
pub fn check(
    model: &Model,
    data: &mut DataSection,
    train: Option<&TrainSection>,
    diagnostics: &mut Diagnostics,
) {
    diagnostics.extend(fields::suits(data));
    let fields = std::mem::take(&mut data.fields);
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    for field in fields.iter().filter(|field| !model.inputs.iter().any(|input| input.name == field.name)) {
        let message = format!("the field `{}` is never used", field.name);
        let d = Diagnostic::warning(codes::UNUSED, field.span, message)
            .label("the model has no input of this name");
        let open = model.inputs.iter().map(|input| input.name.as_str()).filter(|name| !names.contains(name));
        diagnostics.push(match nearest(&field.name, open) {
            Some(near) => d.advise(format!("`field {} …`, which the model takes", near.word)),
            None => {
                let shape =
                    data.shape().map_or_else(|| "SHAPE".to_owned(), |image| field.shape(&image).to_string());
                d.advise(format!("`input {} {shape}` in the model, after its first `input`", field.name))
            }
        });
    }
    for input in &model.inputs {
        let Some(field) = fields.iter().find(|field| field.name == input.name) else {
            diagnostics.push(missing(input, data));
            continue;
        };
        let Some(shape) = &input.shape else { continue };
        // Of a second picture it is not known where that of the first is not.
        let own = match (field.what, data.shape()) {
            (What::Numbers, _) => Some(field.shape(shape)),
            (What::Picture, image) => image,
        };
        if let Some(own) = own.filter(|own| own != shape) {
            let message = format!("the model takes `{}` as {shape}, but the data gives {own}", input.name);
            let written = format!("input {} {own}", input.name);
            let d = Diagnostic::error(codes::DATA_SHAPE, input.span, message).label(format!("{shape} here"));
            diagnostics.push(d.related(field.span, format!("{own} here")).replace(
                format!("write `{written}`"),
                input.span,
                written,
            ));
        }
        data.fields.push(field.clone());
    }
    if let (Some(mix), Some(input)) = (train.and_then(|train| train.mix.as_ref()), model.inputs.first()) {
        let name = mix.what.spec().name;
        let message = format!("`mix {name}` mixes images, and the model takes `{}` beside them", input.name);
        let d = Diagnostic::error(codes::TRAINING_NEEDS, mix.span, message).label("fields cannot be mixed");
        diagnostics.push(d.related(input.span, "taken here").advise("leave `mix` out"));
    }
}

fn missing(input: &Input, data: &DataSection) -> Diagnostic {
    let name = &input.name;
    let message = format!("the model takes `{name}` beside the image, but `data` has no field of that name");
    let columns = match input.shape.as_ref().map_or(2, crate::shape::Shape::elements) {
        1 => "COLUMN".to_owned(),
        2 => "[COLUMN, COLUMN]".to_owned(),
        n => format!("[{n} columns]"),
    };
    Diagnostic::error(codes::DATA_SHAPE, input.span, message)
        .label("no field gives this value")
        .related(data.source_span, "the data")
        .advise(format!("`field {name} {columns}` in `data`"))
}
