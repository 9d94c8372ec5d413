//! Model → Graph: every layer's own lowering, called in order.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::builder::Builder;
use crate::layers::lowering::{Lowering, Mode};
use crate::model::{Instance, Model, Unit};
use crate::shape::MAX_ELEMENTS;

/// The name of the input that holds the batch of images.
pub const IMAGES: &str = "images";

/// A model as nodes of a graph under construction.
pub struct Lowered {
    pub builder: Builder,
    /// The input that holds the batch of images.
    pub images: Value,
    /// `batch` times the model's output.
    pub output: Value,
    /// The output of each layer that is lowered.
    pub layers: Vec<Value>,
    /// `batch` times each further output.
    pub outputs: Vec<Value>,
    /// `batch` times what each auxiliary head gives, where they are lowered.
    pub auxiliaries: Vec<Value>,
    /// The input that holds the number of the step, where a layer wanted it.
    pub step: Option<Value>,
}

/// Lowers a model without errors for a batch of images. Parameters become states called `layer.parameter`. Its auxiliary heads
/// are left out but for training.
pub fn lower(model: &Model, batch: usize, mode: Mode) -> Result<Lowered, Fault> {
    match mode {
        Mode::Train { .. } => lower_with(model, batch, &|_| mode),
        Mode::Infer => lowered(model, batch, &|_, at| (!model.is_auxiliary(at)).then_some(mode)),
    }
}

/// The same for training, with a mode for each layer.
pub fn lower_with(model: &Model, batch: usize, mode: &dyn Fn(&Instance) -> Mode) -> Result<Lowered, Fault> {
    lowered(model, batch, &|instance, _| Some(mode(instance)))
}

/// Lowers the layers that have a mode, by themselves and their places; no other layer takes what those without one give.
fn lowered(
    model: &Model,
    batch: usize,
    mode: &dyn Fn(&Instance, usize) -> Option<Mode>,
) -> Result<Lowered, Fault> {
    let input = model.input.as_ref().ok_or_else(|| Fault::internal("a model without input is lowered"))?;
    let images = input.batched(batch);
    if images.checked_elements().is_none() {
        let message = format!("a batch of {images} has more than {MAX_ELEMENTS} numbers");
        return Err(Fault::new(codes::TOO_BIG, message).advise("a smaller batch"));
    }
    let mut builder = Builder::new();
    let images = builder.input(IMAGES, &images);
    let mut values = vec![Some(images)];
    let mut step = None;
    for (i, instance) in model.layers.iter().enumerate() {
        let Some(mode) = mode(instance, i) else {
            values.push(None);
            continue;
        };
        let inferred = instance
            .inferred
            .as_ref()
            .ok_or_else(|| Fault::internal(format!("`{}` is lowered with a fault in it", instance.name)))?;
        builder.origin = Some(i as u32);
        let mut parameters = Vec::with_capacity(inferred.parameters.len());
        for p in &inferred.parameters {
            let [name, stream] = [&instance.name, &instance.stream].map(|own| format!("{own}.{}", p.name));
            parameters.push((p.name, builder.drawn_state(&name, &stream, p.kind, &p.shape, p.init.clone())?));
        }
        for p in &instance.shared {
            let name = format!("{}.{}", instance.name, p.name);
            let state = builder.graph().find_state(&name).map(|state| state.value);
            parameters
                .push((p.name, state.ok_or_else(|| Fault::internal(format!("`{name}` is not there")))?));
        }
        let mut lowering =
            Lowering { builder: &mut builder, mode, stream: &instance.stream, parameters, step: &mut step };
        let inputs: Option<Vec<Value>> = instance.inputs.iter().map(|wire| values[wire.index()]).collect();
        let inputs = inputs.ok_or_else(left_out)?;
        let value = match instance.unit {
            Unit::Layer(layer) => layer.lower(&instance.args, inputs[0], &mut lowering)?,
            Unit::Join(join) => join.lower(&inputs, &mut lowering)?,
        };
        let expected = inferred.output.batched(batch);
        if *builder.shape(value) != expected {
            return Err(Fault::new(
                codes::INTERNAL,
                format!(
                    "internal error: `{}` was lowered to {}, not {expected}",
                    instance.name,
                    builder.shape(value)
                ),
            ));
        }
        values.push(Some(value));
    }
    builder.origin = None;
    let output = values[model.output.index()].ok_or_else(left_out)?;
    let outputs = model.outputs.iter().map(|own| values[own.head.wire.index()].ok_or_else(left_out));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    let auxiliaries = model.auxiliaries.iter().filter_map(|head| values[head.wire.index()]).collect();
    let layers = values.into_iter().skip(1).flatten().collect();
    Ok(Lowered { builder, images, output, layers, outputs, auxiliaries, step })
}

fn left_out() -> Fault {
    Fault::internal("a layer takes what only training has")
}
