//! The library that is written in the language → its entries, from the `##` comments above each block.

use crate::experiment::library;
use crate::reference::Entry;
use crate::syntax::ast::{Argument, Statement, Value, ValueKind};

/// One entry a block of `layers/std.model`.
pub fn entries() -> impl Iterator<Item = Entry> {
    let links = library().chains.iter().flat_map(|chain| &chain.links);
    links.map(|link| &link.statement).filter(|statement| statement.word.text == "block").filter_map(entry)
}

/// The entry of a `block` or `model`, from the `##` comment above it.
pub fn entry(block: &Statement) -> Option<Entry> {
    let Some(Argument::Value(Value { kind, .. })) = block.arguments.first() else { return None };
    let (name, parameters): (&str, &[Argument]) = match kind {
        ValueKind::Call { name, arguments } => (&name.text, arguments),
        ValueKind::Word(name) => (name, &[]),
        ValueKind::Number(_)
        | ValueKind::Extent(_)
        | ValueKind::Text(_)
        | ValueKind::List(_)
        | ValueKind::Sum(_) => return None,
    };
    let mut usage = name.to_owned();
    for parameter in parameters {
        match parameter {
            Argument::Value(value) => usage.push_str(&format!(" {value}").to_uppercase()),
            Argument::Property { .. } => usage.push_str(&format!(" [{parameter}]")),
            Argument::Relation { .. } => {}
        }
    }
    let docs = block.doc.as_deref().unwrap_or_default();
    Some(Entry { name: name.to_owned(), elsewhere: &[], text: format!("{docs}\n\n```text\n{usage}\n```\n") })
}
