//! The positions of a tree, all of them, to be changed: without them, two texts that say the same have the same tree.

use crate::source::{FileId, Span};
use crate::syntax::ast::{Argument, Ast, Chain, Expression, Statement, Value, ValueKind};

/// What is done to each position.
pub type Change<'a> = &'a mut dyn FnMut(&mut Span);

impl Ast {
    /// The tree with every span and the file set to zero.
    pub fn bare(mut self) -> Ast {
        self.file = FileId::default();
        chains(&mut self.chains, &mut |span| *span = Span::default());
        self
    }
}

/// Changes every span in a list of chains.
pub fn chains(chains: &mut [Chain], change: Change<'_>) {
    for link in chains.iter_mut().flat_map(|chain| &mut chain.links) {
        statement(&mut link.statement, change);
        link.alias.iter_mut().for_each(|alias| change(&mut alias.span));
        link.assertion.iter_mut().for_each(|assertion| value(assertion, change));
    }
}

fn statement(this: &mut Statement, change: Change<'_>) {
    change(&mut this.span);
    change(&mut this.word.span);
    arguments(&mut this.arguments, change);
    if let Some(block) = &mut this.block {
        change(&mut block.span);
        chains(&mut block.chains, change);
    }
    this.clauses.iter_mut().for_each(|clause| statement(clause, change));
}

fn arguments(these: &mut [Argument], change: Change<'_>) {
    for argument in these {
        match argument {
            Argument::Value(given) => value(given, change),
            Argument::Property { key, value: given } => {
                change(&mut key.span);
                value(given, change);
            }
            Argument::Relation { value: given, span, compare: _ } => {
                change(span);
                value(given, change);
            }
        }
    }
}

fn value(this: &mut Value, change: Change<'_>) {
    change(&mut this.span);
    match &mut this.kind {
        ValueKind::Number(_) | ValueKind::Extent(_) | ValueKind::Word(_) | ValueKind::Text(_) => {}
        ValueKind::List(values) => values.iter_mut().for_each(|given| value(given, change)),
        ValueKind::Sum(sum) => expression(sum, change),
        ValueKind::Call { name, arguments: given } => {
            change(&mut name.span);
            arguments(given, change);
        }
    }
}

fn expression(this: &mut Expression, change: Change<'_>) {
    match this {
        Expression::Value(given) => value(given, change),
        Expression::Negate(inner) => expression(inner, change),
        Expression::Binary { left, right, operator: _ } => {
            expression(left, change);
            expression(right, change);
        }
    }
}
