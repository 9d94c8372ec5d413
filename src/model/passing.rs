//! The shape that goes on behind each statement of the text, and the tree with its asserted shapes made true by
//! them. A statement in a block or loop is passed many times, and has a shape only if it is the same each time.

use std::collections::BTreeMap;

use crate::shape::Shape;
use crate::source::Span;
use crate::syntax::ast::{Ast, Chain, Link, Statement, Value, ValueKind};

/// Shapes by the spans of statements.
#[derive(Clone, Debug, Default)]
pub struct Passing(BTreeMap<Span, Option<Shape>>);

impl Passing {
    /// Notes that a shape, or one that is not known, goes on behind a statement.
    pub fn note(&mut self, statement: &Statement, shape: Option<&Shape>) {
        let known = self.0.entry(statement.span).or_insert_with(|| shape.cloned());
        if known.as_ref() != shape {
            *known = None;
        }
    }

    /// Adds what was noted for another model of the same text.
    pub fn extend(&mut self, other: Passing) {
        for (span, shape) in other.0 {
            let known = self.0.entry(span).or_insert_with(|| shape.clone());
            if *known != shape {
                *known = None;
            }
        }
    }

    /// The shape behind a statement, where it is known and always the same.
    pub fn behind(&self, statement: &Statement) -> Option<&Shape> {
        self.0.get(&statement.span)?.as_ref()
    }
}

/// Which lines get a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asserting {
    /// Those that have one.
    Written,
    /// Those, and every line of a model's body whose shape is known.
    Every,
}

/// Makes the asserted shapes of a tree those that were computed. What could not be computed stays as it is.
pub fn assert_shapes(ast: &mut Ast, text: &str, passing: &Passing, which: Asserting) {
    for link in ast.chains.iter_mut().flat_map(|chain| &mut chain.links) {
        let model = link.statement.word.text == "model";
        let every = model && which == Asserting::Every;
        body(&mut link.statement, text, passing, every);
    }
}

/// The blocks of a statement.
fn body(statement: &mut Statement, text: &str, passing: &Passing, every: bool) {
    let lines =
        |block: &crate::syntax::ast::Block| text.get(block.span.range()).is_some_and(|b| b.contains('\n'));
    if let Some(block) = &mut statement.block {
        let every = every && lines(block);
        block.chains.iter_mut().for_each(|inner| chain(inner, text, passing, every));
    }
    statement.clauses.iter_mut().for_each(|clause| body(clause, text, passing, every));
}

fn chain(chain: &mut Chain, text: &str, passing: &Passing, every: bool) {
    let n_links = chain.links.len();
    for (i, link) in chain.links.iter_mut().enumerate() {
        body(&mut link.statement, text, passing, every);
        let wanted = link.assertion.is_some() || (every && i + 1 == n_links && is_layer_line(link, text));
        let (true, Some(shape)) = (wanted, passing.behind(&link.statement)) else { continue };
        let kind = ValueKind::Extent(shape.dims().iter().map(|&extent| extent as u64).collect());
        let span = link
            .assertion
            .as_ref()
            .map_or(Span { end: link.statement.span.start, ..link.statement.span }, |old| old.span);
        link.assertion = Some(Value { kind, span });
    }
}

/// Whether a line is a layer, a block's use or a join, or a loop that is written on one line: those say nothing of
/// their shape, while a loop of several lines does so inside.
fn is_layer_line(link: &Link, text: &str) -> bool {
    let statement = &link.statement;
    let several = text.get(statement.span.range()).is_some_and(|written| written.contains('\n'));
    match statement.word.text.as_str() {
        "input" | "let" => false,
        "repeat" | "for" | "if" => !several,
        _ => true,
    }
}
