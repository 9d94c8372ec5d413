//! Which declaration a line of a section is held against: the one place that knows the registries of every section.

use crate::data::transforms::AUGMENT;
use crate::data::{self, SOURCES};
use crate::layers::LAYERS;
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
    let chosen = match statement.arguments.first() {
        Some(Argument::Value(Value { kind: ValueKind::Word(name), .. })) => name.as_str(),
        _ => "",
    };
    if let Some(mut registry) = registry(section, &statement.word.text) {
        return registry.find(|spec| spec.name == chosen).map(|spec| Declared { spec, n_names: 1 });
    }
    let spec = lines(section)?.find(|spec| spec.name == statement.word.text)?;
    Some(Declared { spec, n_names: 0 })
}

type Specs = Box<dyn Iterator<Item = &'static Spec>>;

/// What may be named behind a line's word (`adam` in `optimizer adam lr=1e-3`); `None` for a line that names nothing.
pub fn registry(section: &str, word: &str) -> Option<Specs> {
    Some(match (section, word) {
        ("data", "source") => Box::new(SOURCES.iter().map(|source| source.spec())),
        ("train", "loss") => Box::new(LOSSES.iter().map(|loss| loss.spec())),
        ("train", "optimizer") => Box::new(OPTIMIZERS.iter().map(|optimizer| optimizer.spec())),
        ("train", "schedule") => Box::new(SCHEDULES.iter().map(|schedule| schedule.spec())),
        _ => return None,
    })
}

/// The words that lines of a section may begin with; `None` where that is no section of declared words.
pub fn lines(section: &str) -> Option<Specs> {
    Some(match section {
        "data" => Box::new(data::settings::all()),
        "augment" => Box::new(AUGMENT.iter().map(|step| step.spec())),
        "train" => Box::new(settings::SETTINGS.iter().copied()),
        "model" => Box::new(std::iter::once(&INPUT).chain(LAYERS.iter().map(|layer| layer.spec()))),
        _ => return None,
    })
}
