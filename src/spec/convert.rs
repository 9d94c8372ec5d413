//! A value → the argument of one parameter, or why it is none.

use std::time::Duration;

use crate::diag::{Diagnostic, codes, nearest, same_but_case};
use crate::shape::Shape;
use crate::spec::{Arg, Kind, Padding, Param, Spec, functions, shown};
use crate::syntax::ast::{Unit, Value, ValueKind};

/// The largest whole number that any argument may have.
pub const MAX_COUNT: f64 = (1u64 << 31) as f64;

/// The longest time that any argument may be.
const MAX_TIME: Duration = Duration::from_secs(100_000 * 3600);

/// The largest size of memory that any argument may have: a million times what machines have, and exact.
const MAX_BYTES: f64 = (1u64 << 53) as f64;

/// The argument that a value is for a parameter of `spec`; a quoted word where a bare one is meant is answered with that.
pub fn convert(param: &Param, spec: &Spec, value: &Value) -> Result<Arg, Box<Diagnostic>> {
    let refused = match converted(param, spec, value) {
        Err(refused) => refused,
        converted => return converted,
    };
    if let ValueKind::Text(text) = &value.kind {
        let bare = Value { kind: ValueKind::Word(text.clone()), ..value.clone() };
        if converted(param, spec, &bare).is_ok() {
            return Err(Box::new(refused.translate(format!("write `{text}`"), value.span, text.as_str())));
        }
    }
    if let (ValueKind::Word(word), Kind::Bool) = (&value.kind, param.kind)
        && let Some(near) = ["true", "false"].into_iter().find(|own| same_but_case(own, word))
    {
        return Err(Box::new(refused.translate(format!("write `{near}`"), value.span, near)));
    }
    match &value.kind {
        ValueKind::Call { name, .. } if functions::is_near(name) => Err(functions::unknown(name)),
        _ => Err(refused),
    }
}

fn converted(param: &Param, spec: &Spec, value: &Value) -> Result<Arg, Box<Diagnostic>> {
    let bad = |expected: &str| {
        let message = format!("`{}` of `{}` must be {expected}", param.name, spec.name);
        let label = match &value.kind {
            ValueKind::Word(word) => format!("no name visible here is called `{word}`"),
            _ => String::new(),
        };
        Box::new(Diagnostic::error(codes::BAD_VALUE, value.span, message).label(label))
    };
    let whole = |value: &Value, min: f64| match &value.kind {
        ValueKind::Number(n)
            if matches!(n.unit, Unit::None | Unit::Count(_))
                && n.scaled().fract() == 0.0
                && (min..=MAX_COUNT).contains(&n.scaled()) =>
        {
            Some(n.scaled() as usize)
        }
        _ => None,
    };
    let dims = |kind: &ValueKind| match kind {
        ValueKind::Extent(dims) => dims.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<Shape>>(),
        _ => None,
    };
    let too_large = |value: &Value| match &value.kind {
        ValueKind::Number(n) => n.scaled() > MAX_COUNT && n.scaled().fract() == 0.0,
        _ => false,
    };
    if too_large(value)
        && matches!(
            param.kind,
            Kind::Count
                | Kind::CountOrAuto
                | Kind::Whole
                | Kind::Pair
                | Kind::Triple
                | Kind::PairOrTriple
                | Kind::Padding
                | Kind::Around
                | Kind::PaddingOrAround
                | Kind::Ends
        )
    {
        return Err(bad(&format!("at most {MAX_COUNT}")));
    }
    match param.kind {
        Kind::Count => whole(value, 1.0).map(Arg::Whole).ok_or_else(|| bad("a whole number of at least 1")),
        Kind::CountOrAuto => match &value.kind {
            ValueKind::Word(word) if word == "auto" => Ok(Arg::Word(word.clone())),
            _ => whole(value, 1.0)
                .map(Arg::Whole)
                .ok_or_else(|| bad("a whole number of at least 1, or `auto`")),
        },
        Kind::Bytes => match &value.kind {
            ValueKind::Number(n)
                if matches!(n.unit, Unit::Bytes(_)) && (1.0..=MAX_BYTES).contains(&n.scaled()) =>
            {
                Ok(Arg::Whole(n.scaled() as usize))
            }
            _ => Err(bad("an amount of memory such as `500MB` or `2GB`")),
        },
        Kind::Time { min } => match &value.kind {
            ValueKind::Number(n) if matches!(n.unit, Unit::Time(_)) => {
                let time = Duration::try_from_secs_f64(n.scaled()).unwrap_or_default();
                match (min..=MAX_TIME).contains(&time) {
                    true => Ok(Arg::Time(time)),
                    false => Err(bad(&format!("a time from {} to {}", shown(min), shown(MAX_TIME)))),
                }
            }
            _ => Err(bad("a time such as `90s`, `10min` or `1h`")),
        },
        Kind::Whole => whole(value, 0.0).map(Arg::Whole).ok_or_else(|| bad("a whole number of at least 0")),
        Kind::Number { min, max } => match &value.kind {
            ValueKind::Number(n) if (min..=max).contains(&n.scaled()) => Ok(Arg::Number(n.scaled())),
            ValueKind::Number(_) if max == f64::MAX => Err(bad(&format!("at least {min}"))),
            ValueKind::Number(_) => Err(bad(&format!("between {min} and {max}"))),
            _ => Err(bad("a number")),
        },
        Kind::Pair => {
            if let Some(n) = whole(value, 1.0) {
                return Ok(Arg::Pair([n, n]));
            }
            // A size that is computed.
            if let ValueKind::List(extents) = &value.kind
                && let [Some(a), Some(b)] =
                    extents.iter().map(|extent| whole(extent, 1.0)).collect::<Vec<_>>()[..]
            {
                return Ok(Arg::Pair([a, b]));
            }
            match dims(&value.kind).as_ref().map(Shape::dims) {
                Some(&[a, b]) if a >= 1 && b >= 1 && a.max(b) as f64 <= MAX_COUNT => Ok(Arg::Pair([a, b])),
                _ => Err(bad("a size such as `3` or `3x5` (height x width)")),
            }
        }
        Kind::Triple => {
            if let Some(n) = whole(value, 1.0) {
                return Ok(Arg::Whole(n));
            }
            let listed = match &value.kind {
                ValueKind::List(extents) => extents.iter().map(|extent| whole(extent, 1.0)).collect(),
                kind => dims(kind),
            };
            match listed.as_ref().map(Shape::dims) {
                Some(&[a, b, c]) if a.min(b).min(c) >= 1 && a.max(b).max(c) as f64 <= MAX_COUNT => {
                    Ok(Arg::Triple([a, b, c]))
                }
                _ => Err(bad("a size such as `3` or `3x5x7` (depth x height x width)")),
            }
        }
        Kind::PairOrTriple | Kind::PaddingOrAround => {
            let [image, volume] = match param.kind {
                Kind::PairOrTriple => [Kind::Pair, Kind::Triple],
                _ => [Kind::Padding, Kind::Around],
            };
            let as_kind = |kind: Kind| converted(&Param { kind, ..*param }, spec, value);
            as_kind(image).or_else(|_| as_kind(volume)).map_err(|_| match image {
                Kind::Pair => {
                    bad("a size such as `3`, `3x5` (height x width) or `3x5x7` (depth x height x width)")
                }
                _ => bad(
                    "a padding: `1`, `1x2`, `1x2x2`, or both ends of each axis, `[top, bottom, left, right]`",
                ),
            })
        }
        Kind::Around => {
            if let Some(n) = whole(value, 0.0) {
                return Ok(Arg::Padding(Padding::Sides([n; 4])));
            }
            let expected =
                "a padding: `1`, `1x2x2`, `same`, `valid` or `[front, back, top, bottom, left, right]`";
            let ends = match &value.kind {
                ValueKind::Word(word) if word == "same" => return Ok(Arg::Padding(Padding::Same)),
                ValueKind::Word(word) if word == "valid" => Some(Shape::from([0; 3])),
                ValueKind::List(ends) => ends.iter().map(|end| whole(end, 0.0)).collect(),
                kind => dims(kind).filter(|ends| ends.rank() == 3),
            };
            match ends.as_ref().map(Shape::dims) {
                Some(ends) if ends.iter().any(|&end| end as f64 > MAX_COUNT) => Err(bad(expected)),
                Some(&[d, h, w]) => Ok(Arg::Padding(Padding::Around([[d; 2], [h; 2], [w; 2]]))),
                Some(&[f, b, t, u, l, r]) => Ok(Arg::Padding(Padding::Around([[f, b], [t, u], [l, r]]))),
                _ => Err(bad(expected)),
            }
        }
        Kind::Padding => {
            if let Some(n) = whole(value, 0.0) {
                return Ok(Arg::Padding(Padding::Sides([n; 4])));
            }
            let expected = "a padding: `1`, `1x2`, `same`, `valid` or `[top, bottom, left, right]`";
            match &value.kind {
                ValueKind::Word(word) if word == "same" => Ok(Arg::Padding(Padding::Same)),
                ValueKind::Word(word) if word == "valid" => Ok(Arg::Padding(Padding::Sides([0; 4]))),
                ValueKind::Extent(_) => match dims(&value.kind).as_ref().map(Shape::dims) {
                    Some(&[h, w]) if h.max(w) as f64 <= MAX_COUNT => {
                        Ok(Arg::Padding(Padding::Sides([h, h, w, w])))
                    }
                    _ => Err(bad(expected)),
                },
                ValueKind::List(sides) if sides.len() == 4 => {
                    let sides: Option<Vec<usize>> = sides.iter().map(|side| whole(side, 0.0)).collect();
                    match sides.as_deref() {
                        Some(&[t, b, l, r]) => Ok(Arg::Padding(Padding::Sides([t, b, l, r]))),
                        _ => Err(bad(expected)),
                    }
                }
                _ => Err(bad(expected)),
            }
        }
        Kind::Ends => {
            if let Some(n) = whole(value, 0.0) {
                return Ok(Arg::Padding(Padding::Sides([n; 4])));
            }
            let ends = match &value.kind {
                ValueKind::Word(word) if word == "same" => return Ok(Arg::Padding(Padding::Same)),
                ValueKind::Word(word) if word == "valid" => Some(vec![0, 0]),
                ValueKind::List(ends) => ends.iter().map(|end| whole(end, 0.0)).collect(),
                _ => None,
            };
            match ends.as_deref() {
                Some(&[before, after]) => Ok(Arg::Padding(Padding::Sides([before, after, before, after]))),
                _ => Err(bad("a padding: `1`, `same`, `valid` or `[before, after]`")),
            }
        }
        Kind::Bool => match &value.kind {
            ValueKind::Word(word) if word == "true" => Ok(Arg::Bool(true)),
            ValueKind::Word(word) if word == "false" => Ok(Arg::Bool(false)),
            _ => Err(Box::new(bad("`true` or `false`").label(""))),
        },
        Kind::Choice(choices) => match &value.kind {
            ValueKind::Word(word) if choices.contains(&word.as_str()) => Ok(Arg::Word(word.clone())),
            ValueKind::Word(word) => {
                let d = bad(&format!("one of: {}", choices.join(", "))).label("");
                Err(Box::new(match nearest(word, choices.iter().copied()) {
                    Some(near) => d.meant(value.span, near),
                    None => d,
                }))
            }
            _ => Err(bad(&format!("one of: {}", choices.join(", ")))),
        },
        Kind::Text => match &value.kind {
            ValueKind::Text(text) => Ok(Arg::Text(text.clone())),
            ValueKind::Word(word) => {
                let d = *bad("a text in quotes");
                Err(Box::new(d.replace("put it in quotes", value.span, format!("\"{word}\""))))
            }
            _ => Err(bad("a text in quotes")),
        },
        Kind::Shape => {
            if let Some(n) = whole(value, 1.0) {
                return Ok(Arg::Shape(Shape::new([n])));
            }
            let expected = "a shape such as `1x28x28` (channels x height x width)";
            // `[1, c, (h * w)]`, where an extent has a name.
            let listed = match &value.kind {
                ValueKind::List(items) => {
                    items.iter().map(|item| whole(item, 0.0)).collect::<Option<Shape>>()
                }
                _ => None,
            };
            let shape = dims(&value.kind).or(listed).ok_or_else(|| bad(expected))?;
            match shape.checked_elements() {
                None => Err(bad(&format!("a shape of at most {} elements", crate::shape::MAX_ELEMENTS))),
                Some(0) => Err(bad("a shape whose extents are all at least 1")),
                Some(_) => Ok(Arg::Shape(shape)),
            }
        }
        Kind::Numbers => {
            let number = |value: &Value| match &value.kind {
                ValueKind::Number(n) => Some(n.scaled()),
                _ => None,
            };
            let numbers = match &value.kind {
                ValueKind::List(values) => values.iter().map(number).collect(),
                _ => number(value).map(|n| vec![n]),
            };
            match numbers {
                Some(numbers) if !numbers.is_empty() => Ok(Arg::Numbers(numbers)),
                _ => Err(bad("a number or a list of numbers")),
            }
        }
        Kind::Rising => {
            let numbers: Option<Vec<f64>> = match &value.kind {
                ValueKind::List(values) => {
                    values.iter().map(|value| whole(value, 1.0).map(|n| n as f64)).collect()
                }
                _ => whole(value, 1.0).map(|n| vec![n as f64]),
            };
            match numbers {
                Some(numbers) if !numbers.is_empty() && numbers.is_sorted_by(|a, b| a < b) => {
                    Ok(Arg::Numbers(numbers))
                }
                _ => Err(bad("whole numbers, each larger than the one before, such as `[80, 120]`")),
            }
        }
        Kind::Name => match &value.kind {
            ValueKind::Word(text) | ValueKind::Text(text) => Ok(Arg::Text(text.clone())),
            _ => Err(bad("a word, or a text in quotes")),
        },
        Kind::Names => {
            let name = |value: &Value| match &value.kind {
                ValueKind::Word(text) | ValueKind::Text(text) => Some(text.clone()),
                _ => None,
            };
            let names: Option<Vec<String>> = match &value.kind {
                ValueKind::List(values) => values.iter().map(name).collect(),
                _ => name(value).map(|name| vec![name]),
            };
            match names {
                Some(names) if names.is_empty() => Err(bad("at least one name")),
                Some(names) => {
                    match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
                        Some((_, twice)) => Err(bad(&format!("different names; `{twice}` is there twice"))),
                        None => Ok(Arg::Texts(names)),
                    }
                }
                None => Err(bad("a name or a list of names, such as `[cat, dog]`")),
            }
        }
        Kind::NumbersOr(words) => match &value.kind {
            ValueKind::Word(word) if words.contains(&word.as_str()) => Ok(Arg::Word(word.clone())),
            _ => {
                let numbers = Param { kind: Kind::Numbers, ..*param };
                converted(&numbers, spec, value).map_err(|_| {
                    let words = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
                    bad(&format!("{words}, a number or a list of numbers"))
                })
            }
        },
        Kind::Word => match &value.kind {
            ValueKind::Word(word) => Ok(Arg::Word(word.clone())),
            _ => Err(bad("a word")),
        },
    }
}
