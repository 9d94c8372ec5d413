//! What a model's layers cost: floating-point operations, from the ops that each is lowered to.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};

use smallvec::SmallVec;

use crate::diag::Fault;
use crate::graph::builder::Builder;
use crate::layers::lowering::{Lowering, Mode};
use crate::model::{Instance, Model, Unit};
use crate::shape::Shape;
use crate::spec::{Arg, Args};

/// The operations of each layer for one image, forward; a multiply-add counts as two. Layers that are alike are
/// lowered once. An error for a layer with a fault in it.
pub fn flops(model: &Model) -> Result<Vec<u64>, Fault> {
    let mut known: HashMap<Alike<'_>, u64> = HashMap::new();
    let unknown = || Fault::internal("a model with a fault in it has no cost");
    let mut outputs: Vec<&Shape> = Vec::with_capacity(model.layers.len() + 1);
    outputs.push(model.input.as_ref().ok_or_else(unknown)?);
    let mut costs = Vec::with_capacity(model.layers.len());
    for instance in &model.layers {
        let arriving: Option<SmallVec<[&Shape; 2]>> =
            instance.inputs.iter().map(|wire| outputs.get(wire.index()).copied()).collect();
        let arriving = arriving.ok_or_else(unknown)?;
        let alike = Alike { word: instance.unit.spec().name, args: &instance.args, arriving };
        let cost = match known.entry(alike) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let cost = of(instance, &entry.key().arriving)?;
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

/// What a layer's operations follow from.
struct Alike<'a> {
    word: &'static str,
    args: &'a Args,
    arriving: SmallVec<[&'a Shape; 2]>,
}

impl Alike<'_> {
    /// The arguments, wherever they were written.
    fn args(&self) -> impl Iterator<Item = (&'static str, &Arg)> {
        self.args.iter().map(|given| (given.name, &given.arg))
    }
}

impl PartialEq for Alike<'_> {
    fn eq(&self, other: &Alike<'_>) -> bool {
        self.word == other.word && self.arriving == other.arriving && self.args().eq(other.args())
    }
}

/// Numbers that are not numbers are no arguments.
impl Eq for Alike<'_> {}

/// Of the arguments, sizes tell most layers apart.
impl Hash for Alike<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.word, &self.arriving).hash(state);
        for (_, arg) in self.args() {
            match arg {
                Arg::Whole(n) => n.hash(state),
                Arg::Pair(sizes) => sizes.hash(state),
                Arg::Triple(sizes) => sizes.hash(state),
                _ => {}
            }
        }
    }
}

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
