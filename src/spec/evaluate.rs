//! Values as written → values worked out: names replaced by what they stand for, arithmetic done.

use std::borrow::Cow;

use crate::diag::{Diagnostic, codes, nearest};
use crate::spec::{Scope, functions};
use crate::syntax::ast::{Argument, Expression, Number, Operator, Unit, Value, ValueKind};

/// The most values that a list may hold when names in it stand for lists, and the deepest that it may nest: a name
/// that stands for twice the name above grows beyond any memory in forty lines.
const MAX_VALUES: usize = 10_000;
const MAX_DEPTH: usize = 16;

/// Computes expressions and replaces visible names by their values.
pub fn evaluate<'a>(value: &'a Value, scope: &dyn Scope) -> Result<Cow<'a, Value>, Box<Diagnostic>> {
    let kind = match &value.kind {
        ValueKind::Word(word) => match scope.lookup(word) {
            Some(kind) => kind,
            None => match scope.absent(word, value.span) {
                Some(diagnostic) => return Err(diagnostic),
                None => return Ok(Cow::Borrowed(value)),
            },
        },
        ValueKind::Sum(sum) => {
            let number = compute(sum, scope)?;
            if !number.is_finite() {
                let message = "this expression has no value: it divides by 0 or is too large";
                return Err(Box::new(Diagnostic::error(codes::BAD_VALUE, value.span, message)));
            }
            ValueKind::Number(Number { value: number, unit: Unit::None })
        }
        ValueKind::List(values) => {
            // A list without names stays as it is.
            let (mut items, mut n_values) = (None, 0);
            for (at, item) in values.iter().enumerate() {
                let item = evaluate(item, scope)?;
                let (n_inner, depth) = size(&item);
                n_values += n_inner;
                if n_values > MAX_VALUES || depth > MAX_DEPTH {
                    let message = format!(
                        "with its names filled in, this list holds more than {MAX_VALUES} values or is more than {MAX_DEPTH} deep"
                    );
                    return Err(Box::new(Diagnostic::error(codes::TOO_LARGE, value.span, message)));
                }
                if let Cow::Owned(_) = item {
                    items.get_or_insert_with(|| values[..at].to_vec());
                }
                if let Some(items) = &mut items {
                    items.push(item.into_owned());
                }
            }
            match items {
                Some(items) => ValueKind::List(items),
                None => return Ok(Cow::Borrowed(value)),
            }
        }
        ValueKind::Call { name, arguments } => match functions::find(&name.text) {
            Some(function) => function.apply(&numbers(arguments, scope)?, value.span)?,
            None => return Ok(Cow::Borrowed(value)),
        },
        ValueKind::Number(_) | ValueKind::Extent(_) | ValueKind::Text(_) => return Ok(Cow::Borrowed(value)),
    };
    Ok(Cow::Owned(Value { kind, span: value.span }))
}

/// The numbers that a function is given.
fn numbers(arguments: &[Argument], scope: &dyn Scope) -> Result<Vec<f64>, Box<Diagnostic>> {
    let number = |argument: &Argument| match argument {
        Argument::Value(value) => leaf(value, scope),
        Argument::Property { .. } | Argument::Relation { .. } => {
            let d = Diagnostic::error(
                codes::BAD_VALUE,
                argument.span(),
                "a function takes numbers by their place",
            );
            Err(Box::new(d.label("a number is expected")))
        }
    };
    arguments.iter().map(number).collect()
}

/// How many values there are in a value, and how deep its lists nest.
fn size(value: &Value) -> (usize, usize) {
    match &value.kind {
        ValueKind::List(values) => values
            .iter()
            .map(size)
            .fold((1, 1), |(n, depth), (inner, inner_depth)| (n + inner, depth.max(inner_depth + 1))),
        ValueKind::Number(_)
        | ValueKind::Extent(_)
        | ValueKind::Word(_)
        | ValueKind::Text(_)
        | ValueKind::Sum(_)
        | ValueKind::Call { .. } => (1, 0),
    }
}

/// A number that stands in arithmetic.
fn leaf(value: &Value, scope: &dyn Scope) -> Result<f64, Box<Diagnostic>> {
    match &evaluate(value, scope)?.kind {
        ValueKind::Number(number) => Ok(number.scaled()),
        ValueKind::Extent(dims) if dims.len() == 1 => Ok(dims[0] as f64),
        ValueKind::Word(word) => {
            let names = scope.names();
            let message = format!("nothing here is called `{word}`");
            let d = Diagnostic::error(codes::UNKNOWN_NAME, value.span, message);
            Err(Box::new(match nearest(word, names.iter().map(String::as_str)) {
                Some(near) => d.meant(value.span, near),
                None => d.label("no such name is visible here"),
            }))
        }
        ValueKind::Call { name, .. } => Err(functions::unknown(name)),
        _ => Err(Box::new(Diagnostic::error(codes::BAD_VALUE, value.span, "a number is expected here"))),
    }
}

fn compute(expression: &Expression, scope: &dyn Scope) -> Result<f64, Box<Diagnostic>> {
    match expression {
        Expression::Value(value) => leaf(value, scope),
        Expression::Negate(inner) => Ok(-compute(inner, scope)?),
        Expression::Binary { left, operator, right } => {
            let (a, b) = (compute(left, scope)?, compute(right, scope)?);
            Ok(match operator {
                Operator::Add => a + b,
                Operator::Subtract => a - b,
                Operator::Multiply => a * b,
                Operator::Divide => a / b,
                Operator::FloorDivide => (a / b).floor(),
                Operator::Remainder => a.rem_euclid(b),
            })
        }
    }
}
