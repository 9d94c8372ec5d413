//! What a file defines: kinds of names, and the heads of `block NAME(…)` and `model NAME(…)` as they are written.

use crate::source::Span;
use crate::syntax::ast::{Argument, Ast, Statement, Value, ValueKind};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameKind {
    Block,
    Model,
    /// Of a block or model.
    Parameter,
    /// `let`
    Constant,
    /// `for NAME in …`
    Variable,
    /// `… as NAME`
    Value,
}

impl NameKind {
    pub fn noun(self) -> &'static str {
        match self {
            NameKind::Block => "block",
            NameKind::Model => "model",
            NameKind::Parameter => "parameter",
            NameKind::Constant => "constant",
            NameKind::Variable => "loop variable",
            NameKind::Value => "value",
        }
    }
}

/// A name, with the place that defines it.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    pub kind: NameKind,
    pub text: &'a str,
    /// Where it is defined, in any file of the program.
    pub span: Span,
    /// The constant's value, the parameter's default or the list that the variable goes through.
    pub value: Option<&'a Value>,
    /// The statement that defines it.
    pub statement: &'a Statement,
}

/// The statements at the top of a file.
pub fn statements(ast: &Ast) -> impl Iterator<Item = &Statement> {
    ast.chains.iter().flat_map(|chain| &chain.links).map(|link| &link.statement)
}

/// Name and parameters of `block NAME(…)` or `model NAME`.
pub fn head(statement: &Statement) -> Option<((&str, Span), &[Argument])> {
    let Some(Argument::Value(value)) = statement.arguments.first() else { return None };
    match &value.kind {
        ValueKind::Word(name) => Some(((name, value.span), &[])),
        ValueKind::Call { name, arguments } => Some(((&name.text, name.span), arguments)),
        _ => None,
    }
}

/// Name, place and default of a parameter.
pub fn parameter(argument: &Argument) -> Option<(&str, Span, Option<&Value>)> {
    match argument {
        Argument::Value(Value { kind: ValueKind::Word(name), span }) => Some((name, *span, None)),
        Argument::Property { key, value } => Some((&key.text, key.span, Some(value))),
        Argument::Value(_) | Argument::Relation { .. } => None,
    }
}
