//! Layers that work where they stand but are hardly ever meant there: a `softmax` in the middle of a model, what bounds
//! or drops numbers at its end.

use std::collections::BTreeMap;

use crate::diag::{Diagnostic, Fix, codes};
use crate::model::{Instance, Model, Unit, Wire};

/// The layers that give probabilities, or their logarithms.
pub const SOFTMAX: &[&str] = &["softmax", "log_softmax"];

/// Each softmax that a layer with weights, or another softmax, takes its input from, with the first such layer; as places in
/// the model.
///
/// A softmax that is multiplied with something (attention) is none of them.
pub fn softmax_inside(model: &Model) -> BTreeMap<usize, usize> {
    let mut found = BTreeMap::new();
    if !model.layers.iter().any(is_softmax) {
        return found;
    }
    for (user, instance) in model.layers.iter().enumerate() {
        let takes_features = instance.n_parameters() > 0 || is_softmax(instance);
        if let (Unit::Layer(_), true, Some(&input)) = (instance.unit, takes_features, instance.inputs.first())
            && let Some(at) = softmax_above(model, input)
        {
            found.entry(at).or_insert(user);
        }
    }
    found
}

/// A warning for the softmax at place `at`, whose probabilities the layer at `user` takes. `removal` leaves the softmax out.
pub fn probabilities(model: &Model, at: usize, user: usize, removal: Option<&Fix>) -> Diagnostic {
    let (softmax, user) = (&model.layers[at], &model.layers[user]);
    let (name, user_name) = (softmax.unit.spec().name, user.unit.spec().name);
    let mut d = Diagnostic::warning(
        codes::SOFTMAX_INSIDE,
        softmax.span,
        format!("`{name}` is inside the model: `{user_name}` after it takes probabilities as features"),
    )
    .label("its outputs sum to 1, and little of the gradient gets through")
    .note("between layers an activation such as `relu` is usual; a softmax belongs at the end, if anywhere");
    if user.span != softmax.span {
        d = d.related(user.span, "used here");
    }
    d.fixes.extend(removal.cloned());
    d
}

/// The softmax whose numbers arrive at `wire`, through nothing but layers without weights.
pub fn softmax_above(model: &Model, wire: Wire) -> Option<usize> {
    let mut wire = wire;
    loop {
        let at = wire.layer()?;
        let instance = model.layers.get(at)?;
        if is_softmax(instance) {
            return Some(at);
        }
        match (instance.unit, instance.inputs.as_slice()) {
            (Unit::Layer(_), &[input]) if instance.inferred.is_some() && instance.n_parameters() == 0 => {
                wire = input;
            }
            _ => return None,
        }
    }
}

/// Layers that make some of their numbers 0 by chance, in training.
const DROPPING: &[&str] = &["dropout", "dropout2d", "drop_path"];

/// Layers that hand every number on as it is.
const PASSING: &[&str] = &["identity", "flatten", "reshape"];

/// What a layer does to scores that a loss takes as they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Harm {
    /// None is smaller than that.
    Below(f64),
    /// They lie in between.
    Between(f64, f64),
    /// Some become 0 by chance.
    Drops,
}

/// What a layer does to scores; none where they come out free.
pub fn harm(instance: &Instance) -> Option<Harm> {
    let Unit::Layer(layer) = instance.unit else { return None };
    if DROPPING.contains(&layer.spec().name) {
        return instance.args.number("p").is_ok_and(|p| p > 0.0).then_some(Harm::Drops);
    }
    match layer.range(&instance.args) {
        [low, high] if low.is_finite() && high.is_finite() => Some(Harm::Between(low, high)),
        [low, _] if low.is_finite() => Some(Harm::Below(low)),
        _ => None,
    }
}

/// The layers that harm the model's numbers behind its last layer with weights or the like: places in the model, the
/// last first.
pub fn endings(model: &Model, output: Wire) -> Vec<usize> {
    let (mut wire, mut found) = (output, Vec::new());
    while let Some(at) = wire.layer() {
        let Some(instance) = model.layers.get(at) else { break };
        match harm(instance) {
            Some(_) => found.push(at),
            None if PASSING.contains(&instance.unit.spec().name) => {}
            None => break,
        }
        let Some(&input) = instance.inputs.first() else { break };
        wire = input;
    }
    found
}

fn is_softmax(instance: &Instance) -> bool {
    SOFTMAX.contains(&instance.unit.spec().name)
}
