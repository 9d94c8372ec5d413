//! The further inputs and outputs of a model, held against the fields that the data have of them.

use crate::data::fields::{self, DataField, End, What};
use crate::data::section::DataSection;
use crate::diag::{Diagnostic, Diagnostics, codes, has_errors, nearest};
use crate::model::Model;
use crate::model::inputs::Input;
use crate::model::outputs::Output;
use crate::numbers::plural;
use crate::shape::Shape;
use crate::train::section::TrainSection;

/// Brings the fields of the data into the order in which the model names its inputs and outputs, and leaves out those that it does
/// not name.
pub fn check(
    model: &Model,
    data: &mut DataSection,
    train: Option<&TrainSection>,
    diagnostics: &mut Diagnostics,
) {
    diagnostics.extend(fields::suits(data));
    let fields = std::mem::take(&mut data.fields);
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let inputs = model.inputs.iter().map(|input| input.name.as_str());
    let taken: Vec<&str> =
        inputs.chain(model.outputs.iter().map(|output| output.name.text.as_str())).collect();
    // What is refused may use them.
    let may_be_used = has_errors(diagnostics);
    let is_unused = |field: &&DataField| !may_be_used && !taken.contains(&field.name.as_str());
    for field in fields.iter().filter(is_unused) {
        let message = format!("the field `{}` is never used", field.name);
        let d = Diagnostic::warning(codes::UNUSED, field.span, message)
            .label("the model has no input or output of this name");
        let open = taken.iter().copied().filter(|name| !names.contains(name));
        diagnostics.push(match nearest(&field.name, open) {
            Some(near) => d.advise(format!("`field {} …`, which the model has", near.word)),
            None => d.advise(place_for(field, data)),
        });
    }
    for (at, input) in model.inputs.iter().enumerate() {
        let Some(field) = fields.iter().find(|field| field.name == input.name) else {
            diagnostics.push(missing(input, data));
            continue;
        };
        if field.what == What::Unread {
            continue;
        }
        if let What::Class(_) = field.what {
            let message = format!("the field `{}` is a class, which only an `output` can have", field.name);
            let d = Diagnostic::error(codes::DATA_SHAPE, field.span, message).label("a class");
            diagnostics.push(
                d.related(input.span, "an input takes numbers or a picture")
                    .advise(format!("`field {} [COLUMN]`, if the column holds numbers", field.name)),
            );
            continue;
        }
        let Some(shape) = &input.shape else { continue };
        // Of a second picture it is not known where that of the first is not.
        let own = match (field.what, data.shape()) {
            (What::Numbers | What::Class(_) | What::Unread, _) => Some(field.shape(shape)),
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
        data.fields.push(field.clone().of(End::Input(at)));
    }
    for (at, output) in model.outputs.iter().enumerate() {
        match fields.iter().find(|field| field.name == output.name.text) {
            // Its line is refused already.
            Some(field) if field.what == What::Unread => {}
            Some(field) => {
                diagnostics.extend(ending(output, field));
                data.fields.push(field.clone().of(End::Output(at)));
            }
            None => diagnostics.push(no_target(output, data)),
        }
    }
    if let (Some(mix), Some(output)) = (train.and_then(|train| train.mix.as_ref()), model.outputs.first()) {
        let (name, own) = (mix.what.spec().name, &output.name.text);
        let message = format!("`mix {name}` mixes one target, and the model also has the output `{own}`");
        let d = Diagnostic::error(codes::TRAINING_NEEDS, mix.span, message).label("fields cannot be mixed");
        diagnostics.push(d.related(output.span, "its output").advise("leave `mix` out"));
        return;
    }
    if let (Some(mix), Some(input)) = (train.and_then(|train| train.mix.as_ref()), model.inputs.first()) {
        let name = mix.what.spec().name;
        let message = format!("`mix {name}` mixes images, and the model also takes `{}`", input.name);
        let d = Diagnostic::error(codes::TRAINING_NEEDS, mix.span, message).label("fields cannot be mixed");
        diagnostics.push(d.related(input.span, "taken here").advise("leave `mix` out"));
    }
}

/// Where a field would be used that nothing uses.
fn place_for(field: &DataField, data: &DataSection) -> String {
    let name = &field.name;
    match field.what {
        What::Class(n) => format!("`output {name} {{ global_avg_pool -> linear {n} }}` in the model"),
        What::Numbers | What::Picture | What::Unread => {
            let image = data.shape();
            let shape = image.map_or_else(|| "SHAPE".to_owned(), |image| field.shape(&image).to_string());
            format!("`input {name} {shape}` in the model, after its first `input`")
        }
    }
}

/// An error where an output does not end in what its field tells of an image.
fn ending(output: &Output, field: &DataField) -> Option<Diagnostic> {
    let (name, head) = (&output.name.text, &output.head);
    if field.what == What::Picture {
        let message =
            format!("the output `{name}` would be a picture, which only the model's own output can be");
        let d = Diagnostic::error(codes::DATA_SHAPE, field.span, message).label("a second picture");
        return Some(
            d.related(output.span, "a class or numbers are learnt here")
                .advise(format!("`field {name} [COLUMN]` or `field {name} label=COLUMN classes=N`")),
        );
    }
    let (shape, n) = (head.shape.as_ref()?, field.outputs());
    if shape.dims() == [n] {
        return None;
    }
    let n_wanted = match field.what {
        What::Class(_) => plural(n as u64, "class", "classes"),
        What::Numbers | What::Picture | What::Unread => plural(n as u64, "number", "numbers"),
    };
    let given = match shape.dims() {
        &[own] => plural(own as u64, "output", "outputs"),
        _ => shape.to_string(),
    };
    let message = format!("the output `{name}` gives {given}, but its field has {n_wanted}");
    let d = Diagnostic::error(codes::CLASSES, output.span, message)
        .label(format!("{shape} at its end"))
        .related(field.span, n_wanted);
    let d = match (output.features, shape.rank()) {
        (Some((word, span)), 1) => d.replace(format!("make it `{word} {n}`"), span, n.to_string()),
        (_, 1) => head.followed(d, &format!("linear {n}")),
        (_, _) => head.followed(d, &format!("global_avg_pool -> linear {n}")),
    };
    Some(match field.what {
        What::Class(_) if shape.rank() == 1 => {
            d.advise(format!("`classes={}` in `field {name}`, if the column has that many", shape.elements()))
        }
        What::Class(_) | What::Numbers | What::Picture | What::Unread => d,
    })
}

/// That an output has nothing to be held against.
fn no_target(output: &Output, data: &DataSection) -> Diagnostic {
    let name = &output.name.text;
    let message = format!("the model has the output `{name}`, but `data` has no field of that name");
    let d = Diagnostic::error(codes::DATA_SHAPE, output.span, message)
        .label("no field says what it should be")
        .related(data.source_span, "the data");
    match output.head.shape.as_ref().map(Shape::dims) {
        Some(&[n]) if n > 1 => d
            .advise(format!("`field {name} label=COLUMN classes={n}` in `data`, if it is a class"))
            .advise(format!("`field {name} [{n} columns]` in `data`, if it is numbers")),
        _ => d.advise(format!("`field {name} [COLUMN]` in `data`")),
    }
}

fn missing(input: &Input, data: &DataSection) -> Diagnostic {
    let name = &input.name;
    let message = format!("the model also takes `{name}`, but `data` has no field of that name");
    let columns = match input.shape.as_ref().map_or(2, Shape::elements) {
        1 => "COLUMN".to_owned(),
        2 => "[COLUMN, COLUMN]".to_owned(),
        n => format!("[{n} columns]"),
    };
    Diagnostic::error(codes::DATA_SHAPE, input.span, message)
        .label("no field gives this value")
        .related(data.source_span, "the data")
        .advise(format!("`field {name} {columns}` in `data`"))
}
