//! The one list of what is declared: every registry with its place in a file, and the declaration that a line of a
//! section is held against.

use crate::data::settings::DATA;
use crate::experiment::expect::EXPECT;
use crate::layers::{self, joins};
use crate::model::auxiliary::EDGES;
use crate::spec::Spec;
use crate::spec::section::{Registry, Section, Takes};
use crate::syntax::ast::{Argument, Statement, Value, ValueKind};
use crate::train::settings::TRAIN;

/// The sections that are read line by line against declarations, in the order of a file.
pub static SECTIONS: &[&Section] = &[&DATA, &TRAIN, &EXPECT];

/// What a model has beside its wire.
static INPUTS: Registry = Registry {
    title: "Inputs, outputs and heads",
    intro: "`input` is the first line of a model; an `output` or `auxiliary` stands where its head begins.",
    one: "input",
    specs: || EDGES.to_vec(),
};

/// Words that stand in one place of a file.
pub struct Group {
    pub title: &'static str,
    pub intro: &'static str,
    /// The section that they stand in: `model`, `data`, `augment`, `train` or `expect`.
    pub section: &'static str,
    /// What stands in front of them on their line: `loss `.
    pub before: String,
    pub specs: Vec<&'static Spec>,
}

/// Every declared word, in the order of a file.
pub fn groups() -> Vec<Group> {
    let mut groups: Vec<Group> =
        [&INPUTS, &layers::REGISTRY, &joins::REGISTRY].map(|r| group(r, "model", String::new())).into();
    SECTIONS.iter().for_each(|section| of_section(section, &mut groups));
    groups
}

fn group(registry: &Registry, section: &'static str, before: String) -> Group {
    let Registry { title, intro, specs, .. } = registry;
    Group { title, intro, section, before, specs: specs() }
}

fn of_section(section: &'static Section, groups: &mut Vec<Group>) {
    let Section { name, title, intro, settings, .. } = section;
    if !settings.is_empty() {
        let specs = settings.iter().map(|setting| setting.spec).collect();
        groups.push(Group { title, intro, section: name, before: String::new(), specs });
    }
    for setting in *settings {
        if let Takes::OneOf(registry) | Takes::EachOf(registry) | Takes::Words(registry) = &setting.takes {
            groups.push(group(registry, name, format!("{} ", setting.spec.name)));
        }
    }
    groups.extend(section.steps.registry().map(|steps| group(steps, name, String::new())));
    for setting in *settings {
        if let Takes::Lines(inner) = &setting.takes {
            of_section(inner, groups);
        }
    }
}

/// The section of a name, where `augment` counts as one; `None` for one whose lines are no settings.
pub fn section(name: &str) -> Option<&'static Section> {
    fn within(section: &'static Section, name: &str) -> Option<&'static Section> {
        if section.name == name {
            return Some(section);
        }
        section.settings.iter().find_map(|setting| match &setting.takes {
            Takes::Lines(inner) => within(inner, name),
            Takes::Arguments
            | Takes::Each
            | Takes::OneOf(_)
            | Takes::EachOf(_)
            | Takes::Words(_)
            | Takes::Comparison => None,
        })
    }
    SECTIONS.iter().find_map(|section| within(section, name))
}

/// A declaration, and how many values stand in front of its own (`adam` in `optimizer adam lr=1e-3`).
#[derive(Clone, Copy)]
pub struct Declared {
    pub spec: &'static Spec,
    pub n_names: usize,
}

/// The declaration of a statement inside `section`, where `augment` counts as one; `None` for a word that has none.
pub fn declared(section: &str, statement: &Statement) -> Option<Declared> {
    if let Some(registry) = registry(section, &statement.word.text) {
        return registry.find(chosen(statement)?).map(|spec| Declared { spec, n_names: 1 });
    }
    let spec = lines(section)?.into_iter().find(|spec| spec.name == statement.word.text)?;
    Some(Declared { spec, n_names: 0 })
}

/// The word that a line begins its arguments with (`adam` in `optimizer adam lr=1e-3`).
pub fn chosen(statement: &Statement) -> Option<&str> {
    match statement.arguments.first() {
        Some(Argument::Value(Value { kind: ValueKind::Word(name), .. })) => Some(name),
        Some(Argument::Value(_) | Argument::Property { .. } | Argument::Relation { .. }) | None => None,
    }
}

/// What may be named behind a line's word (`adam` in `optimizer adam lr=1e-3`); `None` for a line that names nothing.
pub fn registry(name: &str, word: &str) -> Option<&'static Registry> {
    match &section(name)?.setting(word)?.takes {
        Takes::OneOf(registry) | Takes::EachOf(registry) => Some(registry),
        Takes::Arguments | Takes::Each | Takes::Lines(_) | Takes::Comparison | Takes::Words(_) => None,
    }
}

/// The words that lines of a section may begin with; `None` where that is no section of declared words.
pub fn lines(name: &str) -> Option<Vec<&'static Spec>> {
    match name {
        "model" => Some([EDGES.to_vec(), (layers::REGISTRY.specs)()].concat()),
        _ => section(name).map(Section::specs),
    }
}
