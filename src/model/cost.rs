//! What a model's layers cost: floating-point operations, from the ops that each is lowered to.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::diag::Fault;
use crate::graph::builder::Builder;
use crate::layers::lowering::{Lowering, Mode};
use crate::model::{Instance, Model, Unit};
use crate::shape::Shape;

/// The operations of each layer for one image, forward; a multiply-add counts as two. Layers that are alike are
/// lowered once. An error for a layer with a fault in it.
pub fn flops(model: &Model) -> Result<Vec<u64>, Fault> {
    let mut known: HashMap<Alike<'_>, u64> = HashMap::new();
    let unknown = || Fault::internal("a model with a fault in it has no cost");
    let mut outputs: Vec<&Shape> = Vec::with_capacity(model.layers.len() + 1);
    outputs.push(model.input.as_ref().ok_or_else(unknown)?);
    let mut costs = Vec::with_capacity(model.layers.len());
    for instance in &model.layers {
        let arriving: Option<Vec<&Shape>> =
            instance.inputs.iter().map(|wire| outputs.get(wire.index()).copied()).collect();
        let arriving = arriving.ok_or_else(unknown)?;
        let args = instance.args.iter().map(|given| format!("{}={}", given.name, given.arg)).collect();
        let cost = match known.entry((instance.unit.spec().name, args, arriving)) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let cost = of(instance, &entry.key().2)?;
                *entry.insert(cost)
            }
        };
        costs.push(cost);
        outputs.push(instance.output.as_ref().ok_or_else(unknown)?);
    }
    Ok(costs)
}

/// The operations of all layers for one image, forward; auxiliary heads are left out.
pub fn forward(model: &Model) -> Result<u64, Fault> {
    let each = flops(model)?.into_iter().enumerate();
    Ok(each.filter(|(at, _)| !model.is_auxiliary(*at)).map(|(_, cost)| cost).sum())
}

/// A layer's word, its arguments as they are written, and the shapes that arrive: what its operations follow from.
type Alike<'a> = (&'static str, Vec<String>, Vec<&'a Shape>);

fn of(instance: &Instance, inputs: &[&Shape]) -> Result<u64, Fault> {
    let mut builder = Builder::new();
    let values: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(i, shape)| builder.input(&format!("input_{i}"), &shape.batched(1)))
        .collect();
    let inferred = instance.inferred.iter().flat_map(|inferred| &inferred.parameters);
    let mut parameters = Vec::new();
    for p in inferred {
        parameters.push((p.name, builder.state(p.name, p.kind, &p.shape, p.init.clone())?));
    }
    let (mode, mut step) = (Mode::Infer, None);
    let mut lowering =
        Lowering { builder: &mut builder, mode, stream: &instance.stream, parameters, step: &mut step };
    match instance.unit {
        Unit::Layer(layer) => {
            let input = values.first().ok_or_else(|| Fault::internal("a layer without input"))?;
            layer.lower(&instance.args, *input, &mut lowering)?
        }
        Unit::Join(join) => join.lower(&values, &mut lowering)?,
    };
    let graph = builder.finish();
    let cost = |value| {
        let node = graph.node(value);
        let inputs: Vec<&Shape> = node.inputs.iter().map(|&input| graph.shape(input)).collect();
        node.op.cost(&node.attrs, &inputs, &node.shape).flops
    };
    Ok(graph.values().map(cost).sum())
}
