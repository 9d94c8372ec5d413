//! What a model's layers cost: floating-point operations, from the ops that each is lowered to.

use std::collections::HashMap;

use crate::diag::Fault;
use crate::graph::builder::Builder;
use crate::layers::lowering::{Lowering, Mode};
use crate::model::{Instance, Model, Unit};
use crate::shape::Shape;

/// The operations of each layer for one image, forward; a multiply-add counts as two. Layers that are alike are
/// lowered once. An error for a layer with a fault in it.
pub fn flops(model: &Model) -> Result<Vec<u64>, Fault> {
    let mut known: HashMap<&'static str, Vec<Costed<'_>>> = HashMap::new();
    let mut outputs: Vec<&Shape> = Vec::with_capacity(model.layers.len() + 1);
    let unknown = || Fault::internal("a model with a fault in it has no cost");
    outputs.extend(&model.input);
    let mut costs = Vec::with_capacity(model.layers.len());
    for instance in &model.layers {
        let arriving = || instance.inputs.iter().map(|wire| outputs.get(wire.index()).copied());
        let alike = known.entry(instance.unit.spec().name).or_default();
        let takes = |arrived: &[Shape]| {
            let known = arriving().all(|shape| shape.is_some());
            known && arriving().flatten().eq(arrived)
        };
        let found = alike.iter().find(|(other, arrived, _)| takes(arrived) && same(instance, other));
        let cost = match found {
            Some((.., cost)) => *cost,
            None => {
                let inputs: Option<Vec<Shape>> = arriving().map(Option::<&Shape>::cloned).collect();
                let inputs = inputs.ok_or_else(unknown)?;
                let cost = of(instance, &inputs)?;
                alike.push((instance, inputs, cost));
                cost
            }
        };
        costs.push(cost);
        outputs.push(instance.output.as_ref().ok_or_else(unknown)?);
    }
    Ok(costs)
}

/// A layer with the shapes that arrived at it and its operations.
type Costed<'a> = (&'a Instance, Vec<Shape>, u64);

/// Whether two layers of one word have the same arguments.
fn same(a: &Instance, b: &Instance) -> bool {
    a.args
        .iter()
        .map(|given| (given.name, &given.arg))
        .eq(b.args.iter().map(|given| (given.name, &given.arg)))
}

fn of(instance: &Instance, inputs: &[Shape]) -> Result<u64, Fault> {
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
        Lowering { builder: &mut builder, mode, name: &instance.name, parameters, step: &mut step };
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
