//! A tree without its positions: two texts that say the same have the same bare tree.

use crate::source::{FileId, Span};
use crate::syntax::ast::{Argument, Ast, Chain, Expression, Statement, Value, ValueKind, Word};

impl Ast {
    /// The tree with every span and the file set to zero.
    pub fn bare(mut self) -> Ast {
        self.file = FileId::default();
        chains(&mut self.chains);
        self
    }
}

fn chains(chains: &mut [Chain]) {
    for link in chains.iter_mut().flat_map(|chain| &mut chain.links) {
        statement(&mut link.statement);
        link.alias.iter_mut().for_each(word);
        link.assertion.iter_mut().for_each(value);
    }
}

fn statement(this: &mut Statement) {
    this.span = Span::default();
    word(&mut this.word);
    this.arguments.iter_mut().for_each(argument);
    if let Some(block) = &mut this.block {
        block.span = Span::default();
        chains(&mut block.chains);
    }
    this.clauses.iter_mut().for_each(statement);
}

fn word(this: &mut Word) {
    this.span = Span::default();
}

fn argument(this: &mut Argument) {
    match this {
        Argument::Value(given) => value(given),
        Argument::Property { key, value: given } => {
            word(key);
            value(given);
        }
        Argument::Relation { value: given, span, compare: _ } => {
            *span = Span::default();
            value(given);
        }
    }
}

fn value(this: &mut Value) {
    this.span = Span::default();
    match &mut this.kind {
        ValueKind::Number(_) | ValueKind::Extent(_) | ValueKind::Word(_) | ValueKind::Text(_) => {}
        ValueKind::List(values) => values.iter_mut().for_each(value),
        ValueKind::Sum(sum) => expression(sum),
        ValueKind::Call { name, arguments } => {
            word(name);
            arguments.iter_mut().for_each(argument);
        }
    }
}

fn expression(this: &mut Expression) {
    match this {
        Expression::Value(given) => value(given),
        Expression::Negate(inner) => expression(inner),
        Expression::Binary { left, right, operator: _ } => {
            expression(left);
            expression(right);
        }
    }
}
