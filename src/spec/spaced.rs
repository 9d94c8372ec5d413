//! A size that was written in pieces, such as `3 x 32 x 32` or `input 3 32 32` → one finding with the size as it is written here.

use crate::diag::{Diagnostic, Fix, codes};
use crate::source::Span;
use crate::spec::{Kind, Spec, usage};
use crate::syntax::ast::{Argument, Value, ValueKind};

/// The finding for the first size in pieces.
pub fn spaced(spec: &Spec, arguments: &[Argument]) -> Option<Diagnostic> {
    let [_, second, ..] = arguments else { return None };
    plain(second)?;
    let values: Vec<&Value> = arguments.iter().map_while(plain).collect();
    let (pieces, size) = with_signs(&values).or_else(|| shape_of_numbers(spec, &values))?;
    let span = Span { end: pieces.last()?.span.end, ..pieces.first()?.span };
    let message = format!("write a size as one word: `{size}`");
    let fix = Fix::new(format!("`{size}`"), vec![(span, size)]);
    let found = Diagnostic::error(codes::TOO_MANY_ARGUMENTS, span, message).label("this is one size");
    Some(found.fix(fix).note(format!("usage: {}", usage(spec))))
}

fn plain(argument: &Argument) -> Option<&Value> {
    match argument {
        Argument::Value(value) => Some(value),
        Argument::Property { .. } | Argument::Relation { .. } => None,
    }
}

/// `3 x 32 x 32`: the pieces from the first number to the last.
fn with_signs<'a>(values: &'a [&'a Value]) -> Option<(&'a [&'a Value], String)> {
    let begin = (0..values.len()).find(|&at| pair(&values[at..]).is_some())?;
    let mut size = extent(values[begin])?;
    let mut end = begin + 1;
    while let Some(next) = pair(&values[end - 1..]) {
        size = format!("{size}x{next}");
        end += 2;
    }
    Some((&values[begin..end], size))
}

/// The size after the sign `x`, where one stands before it as well.
fn pair(values: &[&Value]) -> Option<String> {
    let [first, sign, second, ..] = values else { return None };
    let is_sign = matches!(&sign.kind, ValueKind::Word(word) if word == "x" || word == "X");
    extent(first).and(extent(second)).filter(|_| is_sign)
}

/// `input 3 32 32`: more numbers than there are places for, the last of which is a shape's.
fn shape_of_numbers<'a>(spec: &Spec, values: &'a [&'a Value]) -> Option<(&'a [&'a Value], String)> {
    let places: Vec<Kind> =
        spec.params.iter().filter(|param| param.positional).map(|param| param.kind).collect();
    let begin = places.len().checked_sub(1).filter(|&last| places[last] == Kind::Shape)?;
    let pieces = values.get(begin..).filter(|pieces| pieces.len() > 1)?;
    let sizes: Option<Vec<String>> = pieces.iter().map(|value| extent(value)).collect();
    Some((pieces, sizes?.join("x")))
}

/// A whole number of at least 1, or a size, as it is written.
fn extent(value: &Value) -> Option<String> {
    let is_size = match &value.kind {
        ValueKind::Number(number) => number.value >= 1.0 && number.value.fract() == 0.0,
        ValueKind::Extent(_) => true,
        ValueKind::Word(_)
        | ValueKind::Text(_)
        | ValueKind::List(_)
        | ValueKind::Sum(_)
        | ValueKind::Call { .. } => false,
    };
    let text = value.to_string();
    (is_size && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'x')).then_some(text)
}
