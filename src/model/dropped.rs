//! What a model computes and then drops: layers of whose result its output is not made.

use crate::diag::{Diagnostic, codes};
use crate::layers::Reach;
use crate::model::{Instance, Model, Unit, Wire};

/// A warning for the last layer of each chain that leads nowhere; `output` is what the model gives.
pub fn find(model: &Model, output: Wire) -> Vec<Diagnostic> {
    let heads = model.auxiliaries.iter().chain(model.outputs.iter().map(|output| &output.head));
    let heads = heads.map(|head| head.wire);
    let (mut open, mut needed) =
        (heads.chain([output]).collect::<Vec<Wire>>(), vec![false; model.layers.len()]);
    while let Some(wire) = open.pop() {
        let Some(at) = wire.layer().filter(|&at| !std::mem::replace(&mut needed[at], true)) else { continue };
        let instance = &model.layers[at];
        if !takes_nothing(instance) {
            open.extend(&instance.inputs);
        }
    }
    if needed.iter().all(|&needed| needed) {
        return Vec::new();
    }
    let mut taken = vec![false; model.layers.len()];
    let takers = model.layers.iter().filter(|layer| !takes_nothing(layer));
    for at in takers.flat_map(|layer| &layer.inputs).filter_map(|wire| wire.layer()) {
        taken[at] = true;
    }
    let ends = (0..model.layers.len()).filter(|&at| !needed[at] && !taken[at]);
    let warning = |at: usize| {
        let instance = &model.layers[at];
        let message = format!("the output of `{}` is never used", instance.unit.spec().name);
        let mut d = Diagnostic::warning(codes::UNUSED, instance.span, message)
            .label("no layer takes it, and it is not the model's output")
            .advise("name it with `as NAME` and join it (`add NAME`), or remove it");
        let after =
            model.layers.iter().find(|other| takes_nothing(other) && other.inputs == [Wire::of_layer(at)]);
        if let Some(after) = after {
            d = d.related(after.span, "this ignores what arrives");
        }
        d
    };
    ends.map(warning).collect()
}

/// Whether a layer's result is the same whatever arrives.
fn takes_nothing(instance: &Instance) -> bool {
    match (instance.unit, &instance.input) {
        (Unit::Layer(layer), Some(input)) => layer.reach(&instance.args, input) == Reach::Nothing,
        (Unit::Layer(_) | Unit::Join(_), _) => false,
    }
}
