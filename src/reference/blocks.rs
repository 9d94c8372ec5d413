//! The library that is written in the language → its entries, from the `##` comments above each block.

use crate::experiment::library;
use crate::reference::Entry;
use crate::source::Sources;
use crate::syntax::ast::{Argument, Statement, Value, ValueKind};

/// One entry a block of `layers/std.model`, with the block as it is written there.
pub fn entries() -> impl Iterator<Item = Entry> {
    let links = library().chains.iter().flat_map(|chain| &chain.links);
    let blocks = links.map(|link| &link.statement).filter(|statement| statement.word.text == "block");
    let sources = Sources::default();
    blocks.filter_map(move |block| {
        let Entry { name, elsewhere, text } = entry(block)?;
        let written = sources.slice(block.span).trim_end();
        Some(Entry { name, elsewhere, text: format!("{text}\n```text\n{written}\n```\n") })
    })
}

/// The entry of a `block`, from the `##` comment above it.
pub fn entry(block: &Statement) -> Option<Entry> {
    let (name, usage) = usage(block)?;
    let docs = block.doc.as_deref().unwrap_or_default();
    Some(Entry { name: name.to_owned(), elsewhere: &[], text: format!("{docs}\n\n```text\n{usage}\n```\n") })
}

/// The name of a `block` or `model`, and how it is written with its parameters.
pub fn usage(block: &Statement) -> Option<(&str, String)> {
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
    Some((name, usage))
}
