//! Parts of a model that can never be reached, or conditions that decide nothing, whatever the parameters are.
//!
//! Only what literals decide counts (`if false`, `repeat 0`, `x == x`): a `let` or a parameter is there to be changed,
//! and that every use of a block takes the same side is no mistake.

use crate::diag::{Diagnostic, Fix, codes};
use crate::model::expand::Expansion;
use crate::source::Span;
use crate::syntax::ast::{Argument, Expression, Statement, Value, ValueKind};

impl<'a> Expansion<'a> {
    /// Warns of a condition that literals alone decide. `statement` is the `if`, or the `else if`.
    pub(super) fn dead_branch(&mut self, condition: &[Argument], statement: &'a Statement) {
        let Some(holds) = self.decided(condition) else { return };
        let span = condition.iter().map(Argument::span).reduce(Span::to).unwrap_or(statement.head());
        let (message, label) = match holds {
            true => ("this condition always holds", "whatever the parameters and sizes are"),
            false => ("this condition never holds", "its layers are never used"),
        };
        let mut d = Diagnostic::warning(codes::DEAD_BRANCH, span, message).label(label);
        if statement.word.text == "if" && self.stands_alone(statement.span) {
            let closed = |block: Span| self.sources.slice(block).ends_with('}');
            d.fixes.extend(without_condition(statement, holds, closed));
        }
        self.report(d);
    }

    /// Warns of a loop that literals keep from ever running.
    pub(super) fn dead_loop(&mut self, statement: &'a Statement, count: &Value) {
        if !literal(count) {
            return;
        }
        let message = format!("this `{}` never runs", statement.word.text);
        let mut d = Diagnostic::warning(codes::DEAD_BRANCH, count.span, message).label("0 times");
        if self.stands_alone(statement.span) {
            d = d.replace(format!("remove this `{}`", statement.word.text), statement.span, "");
        }
        self.report(d);
    }

    /// What a condition comes to by its literals alone; `None` where a name decides.
    fn decided(&mut self, condition: &[Argument]) -> Option<bool> {
        let mut any = Some(false);
        for all in condition.split(|argument| is_word(argument, "or")) {
            let mut every = Some(true);
            for comparison in all.split(|argument| is_word(argument, "and")) {
                let known = match comparison.iter().all(literal_argument) {
                    true => self.comparison(comparison, condition[0].span()),
                    false => of_itself(comparison),
                };
                every = match (every, known) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                };
            }
            any = match (any, every) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        any
    }

    /// Whether no `->` joins the statement to others, so that it may go.
    fn stands_alone(&self, span: Span) -> bool {
        let text = &self.sources.get(span.file).text;
        let before = text.get(..span.start as usize).unwrap_or_default().trim_end();
        let after = text.get(span.end as usize..).unwrap_or_default().trim_start();
        !before.ends_with("->") && !["->", "as ", ":"].iter().any(|joint| after.starts_with(joint))
    }
}

/// The `if` with the side that is always taken in its place; `None` where the text ends before that side does.
fn without_condition(statement: &Statement, holds: bool, closed: impl Fn(Span) -> bool) -> Option<Fix> {
    let whole = statement.span;
    let unwrap = |block: Span| {
        let opening = Span { end: block.start + 1, ..whole };
        let closing = Span { start: block.end.saturating_sub(1), ..whole };
        closed(block).then(|| vec![(opening, String::new()), (closing, String::new())])
    };
    let (title, edits) = match (holds, statement.clauses.first()) {
        (true, _) => ("keep its layers without the condition", unwrap(statement.block.as_ref()?.span)?),
        (false, None) => ("remove this `if`", vec![(whole, String::new())]),
        (false, Some(other)) => match other.arguments.first() {
            None => ("keep the layers of `else`", unwrap(other.block.as_ref()?.span)?),
            Some(word) => {
                ("start with the `else if`", vec![(Span { end: word.span().start, ..whole }, String::new())])
            }
        },
    };
    Some(Fix::new(title, edits))
}

/// What a comparison of a name with itself comes to.
fn of_itself(comparison: &[Argument]) -> Option<bool> {
    match comparison {
        [Argument::Value(left), Argument::Relation { compare, value: right, .. }] => {
            match (&left.kind, &right.kind) {
                (ValueKind::Word(a), ValueKind::Word(b)) if a == b => Some(compare.holds(0.0, 0.0)),
                _ => None,
            }
        }
        _ => None,
    }
}

pub(super) fn is_word(argument: &Argument, word: &str) -> bool {
    matches!(argument, Argument::Value(Value { kind: ValueKind::Word(text), .. }) if text == word)
}

fn literal_argument(argument: &Argument) -> bool {
    match argument {
        Argument::Value(value) | Argument::Relation { value, .. } | Argument::Property { value, .. } => {
            literal(value)
        }
    }
}

/// Whether no name stands in a value.
fn literal(value: &Value) -> bool {
    match &value.kind {
        ValueKind::Number(_) | ValueKind::Extent(_) | ValueKind::Text(_) => true,
        ValueKind::Word(word) => word == "true" || word == "false",
        ValueKind::List(values) => values.iter().all(literal),
        ValueKind::Sum(sum) => literal_sum(sum),
        ValueKind::Call { .. } => false,
    }
}

fn literal_sum(sum: &Expression) -> bool {
    match sum {
        Expression::Value(value) => literal(value),
        Expression::Negate(inner) => literal_sum(inner),
        Expression::Binary { left, right, .. } => literal_sum(left) && literal_sum(right),
    }
}
