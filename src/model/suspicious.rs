//! Layers that work where they stand but are hardly ever meant there: a `softmax` in the middle of a model.

use std::collections::BTreeMap;

use crate::diag::{Diagnostic, Diagnostics, Fix, codes};
use crate::model::{Instance, Model, Unit, Wire};

/// The layers that give probabilities, or their logarithms.
pub const SOFTMAX: &[&str] = &["softmax", "log_softmax"];

/// A warning for each softmax that a layer with weights, or another softmax, takes its input from. `removals` are
/// edits that leave a layer out, by its place in the model.
///
/// A softmax that is multiplied with something (attention) is none of them.
pub fn softmax_inside(model: &Model, removals: &BTreeMap<usize, Fix>) -> Diagnostics {
    let mut found: BTreeMap<usize, &Instance> = BTreeMap::new();
    for instance in &model.layers {
        let takes_features = instance.n_parameters() > 0 || is_softmax(instance);
        if let (Unit::Layer(_), true, Some(&input)) = (instance.unit, takes_features, instance.inputs.first())
            && let Some(at) = softmax_above(model, input)
        {
            found.entry(at).or_insert(instance);
        }
    }
    let warning = |(at, user): (usize, &Instance)| {
        let softmax = &model.layers[at];
        let (name, user_name) = (softmax.unit.spec().name, user.unit.spec().name);
        let mut d = Diagnostic::warning(
            codes::SOFTMAX_INSIDE,
            softmax.span,
            format!(
                "`{name}` stands inside the model: `{user_name}` behind it takes probabilities for features"
            ),
        )
        .label("its numbers sum to 1, and little of the gradient comes through")
        .note(
            "between layers an activation such as `relu` is usual; a softmax belongs at the end, if anywhere",
        );
        if user.span != softmax.span {
            d = d.related(user.span, "taken here");
        }
        d.fixes.extend(removals.get(&at).cloned());
        d
    };
    found.into_iter().map(warning).collect()
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

fn is_softmax(instance: &Instance) -> bool {
    SOFTMAX.contains(&instance.unit.spec().name)
}
