//! A fault without a place → a diagnostic on its statement, with remedies turned into edits of the text.

use crate::diag::{Diagnostic, Fault, Fix, Remedy};
use crate::source::Span;
use crate::spec::Args;
use crate::syntax::ast::{Argument, Chain, Statement};

/// Puts `fault` on link number `link` of a chain.
pub fn locate(fault: &Fault, args: &Args, chain: &Chain, link: usize) -> Diagnostic {
    let statement = &chain.links[link].statement;
    let argument = fault.argument.and_then(|name| argument_span(statement, args, name));
    let span = argument.unwrap_or(statement.head());
    let mut d = Diagnostic::of(fault, span);
    if argument.is_some() {
        d = d.related(statement.word.span, "");
        d.related.retain(|label| !label.text.is_empty());
    }
    d.fixes = fault.remedies.iter().map(|remedy| fix(remedy, args, chain, link)).collect();
    d
}

/// The whole of `name=value`, or the value where it was given by its place.
fn argument_span(statement: &Statement, args: &Args, name: &str) -> Option<Span> {
    let value = args.span(name)?;
    let holds = |argument: &&Argument| {
        let span = argument.span();
        span.start <= value.start && value.end <= span.end
    };
    statement.arguments.iter().find(holds).map(Argument::span)
}

fn fix(remedy: &Remedy, args: &Args, chain: &Chain, link: usize) -> Fix {
    let statement = &chain.links[link].statement;
    match remedy {
        Remedy::Set { name, value } => match args.span(name) {
            Some(span) => Fix::new(format!("`{name}={value}`"), vec![(span, value.clone())]),
            None => Fix::new(
                format!("`{name}={value}`"),
                vec![(statement.head().after(), format!(" {name}={value}"))],
            ),
        },
        Remedy::Unset { name } => {
            let span = argument_span(statement, args, name);
            // With the blank in front of it.
            let edits =
                span.map(|span| (Span { start: span.start.saturating_sub(1), ..span }, String::new()));
            Fix::new(format!("remove `{name}`"), edits.into_iter().collect())
        }
        Remedy::Before(text) => {
            let start = statement.word.span;
            let at = Span { end: start.start, ..start };
            Fix::new(format!("put `{text}` before it"), vec![(at, format!("{text} -> "))])
        }
        Remedy::After(text) => Fix::new(
            format!("put `{text}` after it"),
            vec![(statement.head().after(), format!(" -> {text}"))],
        ),
        Remedy::Instead(text) => Fix::new(format!("write `{text}`"), vec![(statement.head(), text.clone())]),
        Remedy::Remove => removal(chain, link),
        Remedy::Advice(text) => Fix::new(text, Vec::new()),
    }
}

/// Leaves a link out. A name that it gives stays with the link before it; where there is none, the link stays too.
pub fn removal(chain: &Chain, link: usize) -> Fix {
    let (own, named) = (chain.links[link].statement.head(), chain.links[link].alias.is_some());
    let span = if link > 0 {
        Some(Span { start: end_of(chain, link - 1), ..own })
    } else if named {
        None
    } else {
        let next = chain.links.get(1).map_or(own.end, |next| next.statement.span.start);
        Some(Span { end: next, ..own })
    };
    Fix::new(
        format!("remove this `{}`", chain.links[link].statement.word.text),
        span.map(|span| (span, String::new())).into_iter().collect(),
    )
}

/// The empty span behind a body's last line, where ` -> LAYER` goes on; `None` for a body without lines.
pub fn end(chains: &[Chain]) -> Option<Span> {
    let chain = chains.last()?;
    let last = chain.links.len().checked_sub(1)?;
    let end = end_of(chain, last);
    Some(Span { start: end, end, ..chain.links[last].statement.span })
}

/// Where a link ends, its assertion and name included.
fn end_of(chain: &Chain, link: usize) -> u32 {
    let link = &chain.links[link];
    let alias = link.alias.as_ref().map_or(0, |alias| alias.span.end);
    let assertion = link.assertion.as_ref().map_or(0, |shape| shape.span.end);
    link.statement.span.end.max(alias).max(assertion)
}
