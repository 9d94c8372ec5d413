//! How the statement under the cursor is written, with the argument that the cursor is at.

use std::ops::Range;

use crate::editor::Program;
use crate::editor::meaning::Meanings;
use crate::editor::place::{Place, Section, Written, place};
use crate::experiment::words::{lines, registry};
use crate::layers;
use crate::model::auxiliary::AUXILIARY;
use crate::model::definitions::Block;
use crate::model::outputs::OUTPUT;
use crate::reference::spec::argument;
use crate::spec::{Spec, placeholder};

/// `conv2d CHANNELS KERNEL [stride=…]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub label: String,
    /// One line on the whole.
    pub docs: String,
    pub parameters: Vec<Parameter>,
    /// The one that the cursor is at.
    pub active: Option<usize>,
}

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its place in the label, in bytes.
    pub range: Range<usize>,
    /// Markdown.
    pub docs: String,
}

/// The signature of the line at a byte offset, behind its word.
pub fn signature(program: &Program, offset: usize) -> Option<Signature> {
    let text = program.text();
    let place = place(text, offset).filter(|_| text.is_char_boundary(offset))?;
    let word = place.word()?;
    if place.has_sign(":") || place.before.iter().skip(1).any(|token| token.text(text) == "as") {
        return None;
    }
    let given = place.arguments();
    let section = place.section();
    match section {
        Section::Top | Section::Join | Section::Expect => None,
        Section::Body => {
            if let Some(layer) = layers::find(word) {
                return Some(of_spec("", layer.spec(), &given, &place, offset));
            }
            if let Some(edge) = [&AUXILIARY, &OUTPUT].into_iter().find(|edge| edge.name == word) {
                return Some(of_spec("", edge, &given, &place, offset));
            }
            let meanings = Meanings::of(program);
            let block = meanings.definitions.callable(word)?;
            Some(of_block(block, &given, &place, offset))
        }
        Section::Data | Section::Augment | Section::Train => {
            if let Some(choices) = registry(section.word(), word)
                && let Some((name, rest)) = given.split_first()
            {
                let chosen = choices.find(name.value)?;
                // The name itself is still being typed.
                let rest = if name.range.end >= offset { &[] } else { rest };
                return Some(of_spec(&format!("{word} "), chosen, rest, &place, offset));
            }
            let spec = lines(section.word())?.into_iter().find(|spec| spec.name == word)?;
            Some(of_spec("", spec, &given, &place, offset))
        }
    }
}

fn of_spec(
    before: &str,
    spec: &'static Spec,
    given: &[Written<'_>],
    place: &Place<'_>,
    offset: usize,
) -> Signature {
    let mut label = format!("{before}{}", spec.name);
    let parameters = spec.params.iter().map(|param| {
        label.push(' ');
        let start = label.len();
        label.push_str(&placeholder(param));
        Parameter { range: start..label.len(), docs: argument(param) }
    });
    let parameters = parameters.collect();
    let names: Vec<(&str, bool)> = spec.params.iter().map(|param| (param.name, param.positional)).collect();
    let active = active(&names, given, place, offset);
    Signature { label, docs: spec.summary.to_owned(), parameters, active }
}

fn of_block(block: &Block<'_>, given: &[Written<'_>], place: &Place<'_>, offset: usize) -> Signature {
    let mut label = block.name.text.clone();
    let parameters = block.parameters.iter().map(|parameter| {
        label.push(' ');
        let start = label.len();
        match parameter.default {
            Some(default) => label.push_str(&format!("[{}={default}]", parameter.name.text)),
            None => label.push_str(&parameter.name.text.to_uppercase()),
        }
        Parameter { range: start..label.len(), docs: String::new() }
    });
    let parameters = parameters.collect();
    let names: Vec<(&str, bool)> = block.parameters.iter().map(|p| (p.name.text.as_str(), true)).collect();
    let docs = block.statement.doc.clone().unwrap_or_default();
    Signature { label, docs, parameters, active: active(&names, given, place, offset) }
}

/// The place of the parameter that the cursor is at: `names` says of each whether it may be given by its place.
fn active(names: &[(&str, bool)], given: &[Written<'_>], place: &Place<'_>, offset: usize) -> Option<usize> {
    let touched = given
        .last()
        .filter(|last| last.range.end >= offset || last.value.is_empty() || place.bracket.is_some());
    if let Some(key) = touched.and_then(|written| written.key) {
        return names.iter().position(|(name, _)| *name == key);
    }
    let n_done =
        given.iter().filter(|written| written.key.is_none()).count() - usize::from(touched.is_some());
    let mut places = names.iter().enumerate().filter(|(_, (_, positional))| *positional).map(|(i, _)| i);
    places.nth(n_done).filter(|&i| !given.iter().any(|written| written.key == Some(names[i].0)))
}
