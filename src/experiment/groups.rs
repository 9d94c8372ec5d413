//! Groups of `train` held against the model: each fits some of its parameters, and something is left to train.

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, Diagnostics, codes, nearest};
use crate::model::Model;
use crate::train::groups::{Group, parameters, terms};
use crate::train::section::TrainSection;

/// Names that are shown where a pattern is like none.
const SHOWN: usize = 6;

/// The faults of the groups.
pub fn check(model: &Model, train: &TrainSection) -> Diagnostics {
    let mut found = Diagnostics::new();
    let layers = model.layers.iter().filter(|layer| layer.n_parameters() > 0);
    let mut layers_of: Vec<&str> = layers.map(|layer| layer.name.as_str()).collect();
    layers_of.dedup();
    let parameters: Vec<String> = parameters(model).collect();
    if model.layers.iter().any(|layer| layer.inferred.is_none()) {
        // What cannot be read has names, too.
        return found;
    }
    for group in &train.groups {
        if !parameters.iter().any(|parameter| group.fits(parameter)) {
            found.push(fits_nothing(group, &layers_of));
        }
    }
    if let Some(group) = train.groups.last()
        && found.is_empty()
        && !parameters.is_empty()
        && parameters.iter().all(|parameter| terms(&train.groups, parameter).freeze)
    {
        found.push(
            Diagnostic::error(
                codes::TRAINING_NEEDS,
                group.span,
                "every layer is frozen: there is nothing to train",
            )
            .advise("a pattern that leaves the last layer out"),
        );
    }
    found
}

fn fits_nothing(group: &Group, layers: &[&str]) -> Diagnostic {
    let pattern = group.pattern.as_str();
    let message = format!("`{pattern}` fits no layer that has weights");
    let d = Diagnostic::error(codes::UNKNOWN_WORD, group.span, message);
    // The layers themselves, and what stands in one block.
    let blocks: BTreeSet<String> = layers
        .iter()
        .flat_map(|layer| layer.match_indices('.').map(|(at, _)| format!("{}.*", &layer[..at])))
        .collect();
    let patterns = layers.iter().copied().chain(blocks.iter().map(String::as_str));
    match nearest(pattern, patterns) {
        Some(near) => d.replace(format!("write `{}`", near.word), group.span, format!("\"{}\"", near.word)),
        None if layers.is_empty() => d.label("the model has none"),
        None => {
            let shown: Vec<&str> = layers.iter().copied().take(SHOWN).collect();
            let more = match layers.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            d.label("no name is like it")
                .note(format!("they are called {}{more}", shown.join(", ")))
                .advise("`dslc summary` shows the names of all layers")
        }
    }
}
