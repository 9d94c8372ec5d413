//! The shape that goes on behind each statement of the text, and the tree with its asserted shapes made true by
//! them. A statement in a block or loop is passed many times; its asserted shape is true if it is the same each time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use crate::shape::Shape;
use crate::source::Span;
use crate::syntax::ast::{Ast, Chain, Link, Statement, Value, ValueKind};

/// What the statements of a text came to, by their spans.
#[derive(Clone, Debug, Default)]
pub struct Passing(HashMap<Span, Passed>);

/// What one statement came to, each time it was passed.
#[derive(Clone, Debug)]
pub struct Passed {
    /// The shape behind it the first time, where that is known.
    first: Option<Shape>,
    /// What else was behind it, in the order of the wire; at most [`MOST_SHAPES`].
    others: Vec<Option<Shape>>,
    /// The layers that it became the first time, as places in the model; empty for another model than the first.
    pub layers: Range<usize>,
    /// How many times it was passed.
    pub n_times: usize,
}

/// Of more shapes behind one statement, the first are kept.
pub const MOST_SHAPES: usize = 4;

impl Passed {
    fn add(&mut self, shape: Option<&Shape>) {
        let known = self.first.as_ref() == shape || self.others.iter().any(|other| other.as_ref() == shape);
        if !known && self.others.len() < MOST_SHAPES {
            self.others.push(shape.cloned());
        }
    }

    /// The shape, where it is known and always the same.
    pub fn shape(&self) -> Option<&Shape> {
        self.first.as_ref().filter(|_| self.others.is_empty())
    }

    /// The shapes that were behind it, each once; `None` where one is not known.
    pub fn shapes(&self) -> Option<Vec<&Shape>> {
        std::iter::once(&self.first).chain(&self.others).map(Option::as_ref).collect()
    }
}

impl Passing {
    /// Of a text with so many statements.
    pub fn with_capacity(n_statements: usize) -> Passing {
        Passing(HashMap::with_capacity(n_statements))
    }

    /// Notes what a statement became: its layers, and the shape that goes on behind it, where it is known.
    pub fn note(&mut self, statement: &Statement, shape: Option<&Shape>, layers: Range<usize>) {
        let first = || Passed { first: shape.cloned(), others: Vec::new(), layers, n_times: 0 };
        let known = self.0.entry(statement.span).or_insert_with(first);
        known.n_times += 1;
        known.add(shape);
    }

    /// Adds what was noted for another model of the same text.
    pub fn extend(&mut self, other: Passing) {
        for (span, passed) in other.0 {
            match self.0.entry(span) {
                Entry::Vacant(entry) => {
                    entry.insert(Passed { layers: 0..0, ..passed });
                }
                Entry::Occupied(mut entry) => {
                    let known = entry.get_mut();
                    known.n_times += passed.n_times;
                    std::iter::once(passed.first).chain(passed.others).for_each(|s| known.add(s.as_ref()));
                }
            }
        }
    }

    /// What a statement came to; `None` for one that is in no model.
    pub fn of(&self, statement: &Statement) -> Option<&Passed> {
        self.0.get(&statement.span)
    }

    /// Whether the shape behind every statement is known each time: none was left out for a fault.
    pub fn is_whole(&self) -> bool {
        self.0.values().all(|passed| passed.first.is_some() && passed.others.iter().all(Option::is_some))
    }

    /// The shape behind a statement, where it is known and always the same.
    pub fn behind(&self, statement: &Statement) -> Option<&Shape> {
        self.of(statement)?.shape()
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
pub fn is_layer_line(link: &Link, text: &str) -> bool {
    let statement = &link.statement;
    let several = text.get(statement.span.range()).is_some_and(|written| written.contains('\n'));
    match statement.word.text.as_str() {
        "input" | "auxiliary" | "output" | "let" => false,
        "repeat" | "for" | "if" => !several,
        _ => true,
    }
}
