//! `init` of a training, put into its model: how weights begin where their layer does not say it.

use crate::diag::Fault;
use crate::graph::Init;
use crate::layers::initial;
use crate::model::{Model, Unit, Wire};
use crate::train::section::{Initializer, TrainSection};

/// Norms that scale what they give.
const NORMS: &[&str] = &["batch_norm", "group_norm", "layer_norm", "instance_norm"];
/// Layers that pass what arrives.
const PASSING: &[&str] = &["dropout", "dropout2d", "drop_path", "identity"];

/// Lets a model begin as its training says.
pub fn apply(model: &mut Model, train: &TrainSection) -> Result<(), Fault> {
    let Some(Initializer { name, args }) = &train.init else { return Ok(()) };
    if *name != "default" {
        for instance in model.layers.iter_mut().filter(|instance| !instance.args.has("init")) {
            let Some(inferred) = &mut instance.inferred else { continue };
            let Some(fans) = inferred.parameters.iter().find_map(|own| own.fans) else { continue };
            for parameter in &mut inferred.parameters {
                parameter.init = match parameter.fans {
                    Some(_) => initial::init(name, args, fans)?,
                    None => Init::Constant(0.0),
                };
            }
        }
    }
    if initial::zeroes_residuals(args) {
        for at in last_norms(model) {
            let parameters =
                model.layers[at].inferred.iter_mut().flat_map(|inferred| &mut inferred.parameters);
            parameters.filter(|own| own.name == "weight").for_each(|own| own.init = Init::Constant(0.0));
        }
    }
    Ok(())
}

/// The norms that end the body of a residual block.
fn last_norms(model: &Model) -> Vec<usize> {
    let is = |at: usize, names: &[&str]| names.contains(&model.layers[at].unit.spec().name);
    let sums = model
        .layers
        .iter()
        .filter(|layer| matches!(layer.unit, Unit::Join(join) if join.spec().name == "add"));
    let bodies = sums.filter_map(|sum| sum.inputs.first().copied().and_then(Wire::layer));
    let last = |mut at: usize| {
        while is(at, PASSING) {
            at = model.layers[at].inputs.first().copied().and_then(Wire::layer)?;
        }
        is(at, NORMS).then_some(at)
    };
    bodies.filter_map(last).collect()
}
