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
        if let What::Class(_) | What::Labels(_) | What::Mask(_) | What::Picture(Some(_)) = field.what {
            diagnostics.push(only_learnt(field, input));
            continue;
        }
        let Some(shape) = &input.shape else { continue };
        // Of a second picture it is not known where that of the first is not.
        let own = match (&field.what, data.shape()) {
            (What::Picture(_), image) => image,
            (_, _) => Some(field.shape(shape)),
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
                diagnostics.extend(ending(output, field, data));
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
        What::Class(_) | What::Labels(_) => {
            format!("`output {name} {{ global_avg_pool -> linear {} }}` in the model", field.n())
        }
        What::Mask(_) => format!("`output {name} {{ conv2d {} 1x1 }}` in the model", field.n()),
        What::Picture(Some(channels)) => format!("`output {name} {{ conv2d {channels} 1x1 }}` in the model"),
        What::Numbers | What::Picture(None) | What::Unread => {
            let image = data.shape();
            let shape = image.map_or_else(|| "SHAPE".to_owned(), |image| field.shape(&image).to_string());
            format!("`input {name} {shape}` in the model, after its first `input`")
        }
    }
}

/// That an input cannot have a field of this kind.
fn only_learnt(field: &DataField, input: &Input) -> Diagnostic {
    let name = &field.name;
    let (is, way) = match field.what {
        What::Picture(_) => (
            "is a picture with channels of its own",
            format!("`field {name} image=COLUMN`, without `channels`"),
        ),
        What::Labels(_) => {
            ("has labels", format!("`field {name} [COLUMN, COLUMN]`, with 1 and 0 as numbers"))
        }
        What::Mask(_) => ("is a mask", format!("`field {name} image=COLUMN`, with its pixels as a picture")),
        What::Class(_) | What::Numbers | What::Unread => {
            ("is a class", format!("`field {name} [COLUMN]`, if the column holds numbers"))
        }
    };
    let message = format!("the field `{name}` {is}, which only an `output` can learn");
    let d = Diagnostic::error(codes::DATA_SHAPE, field.span, message).label("not for an input");
    let takes = match field.what {
        What::Picture(_) => "a picture for an input has the channels of the first one",
        _ => "an input takes numbers or a picture",
    };
    d.related(input.span, takes).advise(way)
}

/// An error where an output does not end in what its field tells of an image.
fn ending(output: &Output, field: &DataField, data: &DataSection) -> Option<Diagnostic> {
    let (name, head) = (&output.name.text, &output.head);
    let (shape, n) = (head.shape.as_ref()?, field.n());
    let learnt = field.learnt(data.shape().as_ref())?;
    if *shape == learnt {
        return None;
    }
    let wanted = match field.what {
        What::Class(_) => plural(n as u64, "class", "classes"),
        What::Labels(_) => plural(n as u64, "label", "labels"),
        What::Mask(_) => format!("a mask of {}", plural(n as u64, "class", "classes")),
        What::Picture(_) => format!("a picture of {learnt}"),
        What::Numbers | What::Unread => plural(n as u64, "number", "numbers"),
    };
    let given = match shape.dims() {
        &[own] => plural(own as u64, "output", "outputs"),
        _ => shape.to_string(),
    };
    let needs = match field.what {
        What::Mask(_) => format!("{wanted} needs {learnt}"),
        What::Picture(_) => format!("its field is {wanted}"),
        What::Class(_) | What::Labels(_) | What::Numbers | What::Unread => format!("its field has {wanted}"),
    };
    let is_map = learnt.rank() > 1;
    let message = format!("the output `{name}` gives {given}, but {needs}");
    let d = Diagnostic::error(codes::CLASSES, output.span, message)
        .label(format!("{shape} at its end"))
        .related(field.span, wanted);
    let fits_but_channels =
        is_map && shape.rank() == learnt.rank() && shape.dims()[1..] == learnt.dims()[1..];
    let d = match (output.features, is_map, shape.rank()) {
        (Some((word, span)), true, _) if fits_but_channels => {
            d.replace(format!("make it `{word} {}`", learnt.dims()[0]), span, learnt.dims()[0].to_string())
        }
        (_, true, _) if fits_but_channels => head.followed(d, &format!("conv2d {} 1x1", learnt.dims()[0])),
        (_, true, _) => d.advise(format!(
            "layers that end in {learnt}, such as `upsample` and `conv2d {} 1x1`",
            learnt.dims()[0]
        )),
        (Some((word, span)), false, 1) => d.replace(format!("make it `{word} {n}`"), span, n.to_string()),
        (_, false, 1) => head.followed(d, &format!("linear {n}")),
        (_, false, _) => head.followed(d, &format!("global_avg_pool -> linear {n}")),
    };
    Some(match field.what {
        What::Class(_) if shape.rank() == 1 => {
            d.advise(format!("`classes={}` in `field {name}`, if the column has that many", shape.elements()))
        }
        What::Mask(_) if fits_but_channels => {
            d.advise(format!("`classes={}` in `field {name}`, if the masks have that many", shape.dims()[0]))
        }
        _ => d,
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
        Some(&[n, _, _]) if n > 1 => d
            .advise(format!("`field {name} mask=COLUMN classes={n}` in `data`, if it is a mask"))
            .advise(format!("`field {name} image=COLUMN` in `data`, if it is a picture")),
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
