//! Which declaration a line of a section is held against: the one place that knows the registries of every section.

use crate::data::transforms::AUGMENT;
use crate::data::{self, SOURCES};
use crate::layers;
use crate::model::expand::INPUT;
use crate::spec::Spec;
use crate::syntax::ast::{Argument, Statement, Value, ValueKind};
use crate::train::losses::LOSSES;
use crate::train::optimizers::OPTIMIZERS;
use crate::train::schedules::SCHEDULES;
use crate::train::settings;

/// A declaration, and how many values stand in front of its own (`adam` in `optimizer adam lr=1e-3`).
#[derive(Clone, Copy)]
pub struct Declared {
    pub spec: &'static Spec,
    pub n_names: usize,
}

/// The declaration of a statement inside `section`, where `augment` counts as one; `None` for a word that has none.
pub fn declared(section: &str, statement: &Statement) -> Option<Declared> {
    let word = statement.word.text.as_str();
    let own = |spec| Declared { spec, n_names: 0 };
    let chosen = match statement.arguments.first() {
        Some(Argument::Value(Value { kind: ValueKind::Word(name), .. })) => name.as_str(),
        _ => "",
    };
    let named = |mut specs: Box<dyn Iterator<Item = &'static Spec>>| {
        specs.find(|spec| spec.name == chosen).map(|spec| Declared { spec, n_names: 1 })
    };
    match (section, word) {
        ("data", "source") => named(Box::new(SOURCES.iter().map(|source| source.spec()))),
        ("data", _) => data::settings::all().find(|spec| spec.name == word).map(own),
        ("augment", _) => AUGMENT.iter().map(|step| step.spec()).find(|spec| spec.name == word).map(own),
        ("train", "loss") => named(Box::new(LOSSES.iter().map(|loss| loss.spec()))),
        ("train", "optimizer") => named(Box::new(OPTIMIZERS.iter().map(|optimizer| optimizer.spec()))),
        ("train", "schedule") => named(Box::new(SCHEDULES.iter().map(|schedule| schedule.spec()))),
        ("train", _) => settings::SETTINGS.iter().copied().find(|spec| spec.name == word).map(own),
        ("model", _) if word == INPUT.name => Some(own(&INPUT)),
        ("model", _) => layers::find(word).map(|layer| own(layer.spec())),
        _ => None,
    }
}
