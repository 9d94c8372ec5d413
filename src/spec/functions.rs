//! The functions of the language's arithmetic: `divisible(32 * width, 8)`.

use crate::diag::{Diagnostic, codes, nearest};
use crate::source::Span;
use crate::syntax::ast::{Number, Unit, Value, ValueKind, Word};

pub struct Function {
    pub name: &'static str,
    pub usage: &'static str,
    /// One line, without a full stop.
    pub summary: &'static str,
    /// How many numbers it takes.
    takes: std::ops::RangeInclusive<usize>,
    gives: Gives,
}

enum Gives {
    Number(fn(&[f64]) -> f64),
    /// The whole numbers from the first to before the second.
    Range,
}

/// The most values that a range may have.
const MAX_RANGE: f64 = 10_000.0;

pub static FUNCTIONS: &[Function] = &[
    Function {
        name: "min",
        usage: "min(A, B, …)",
        summary: "the smallest of its numbers",
        takes: 1..=64,
        gives: Gives::Number(|numbers| numbers.iter().copied().fold(f64::INFINITY, f64::min)),
    },
    Function {
        name: "max",
        usage: "max(A, B, …)",
        summary: "the largest of its numbers",
        takes: 1..=64,
        gives: Gives::Number(|numbers| numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
    },
    Function {
        name: "floor",
        usage: "floor(A)",
        summary: "the whole number below",
        takes: 1..=1,
        gives: Gives::Number(|numbers| numbers[0].floor()),
    },
    Function {
        name: "ceil",
        usage: "ceil(A)",
        summary: "the whole number above",
        takes: 1..=1,
        gives: Gives::Number(|numbers| numbers[0].ceil()),
    },
    Function {
        name: "round",
        usage: "round(A)",
        summary: "the nearest whole number; halves go to the even one, as in Python",
        takes: 1..=1,
        gives: Gives::Number(|numbers| numbers[0].round_ties_even()),
    },
    Function {
        name: "divisible",
        usage: "divisible(A, B)",
        summary: "A rounded to a multiple of B, but not below B or 90 % of A, as MobileNet and EfficientNet do with their \
                  widths",
        takes: 2..=2,
        gives: Gives::Number(|numbers| divisible(numbers[0], numbers[1])),
    },
    Function {
        name: "range",
        usage: "range(N), range(A, B)",
        summary: "the list 0, 1, …, N - 1, or A, …, B - 1, for loops",
        takes: 1..=2,
        gives: Gives::Range,
    },
];

/// `make_divisible` of the published MobileNets: torchvision, `models/_utils.py`.
fn divisible(value: f64, divisor: f64) -> f64 {
    let near = (((value + divisor / 2.0) / divisor).floor() * divisor).max(divisor);
    if near < 0.9 * value { near + divisor } else { near }
}

pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

impl Function {
    /// The value for numbers.
    ///
    /// # Errors
    ///
    /// There are too few or too many of them, or the value is none.
    pub fn apply(&self, numbers: &[f64], span: Span) -> Result<ValueKind, Box<Diagnostic>> {
        let wrong = |message: String| Box::new(Diagnostic::error(codes::BAD_VALUE, span, message));
        if !self.takes.contains(&numbers.len()) {
            return Err(wrong(format!("`{}` is written `{}`", self.name, self.usage)));
        }
        let number = |value: f64| ValueKind::Number(Number { value, unit: Unit::None });
        match self.gives {
            Gives::Number(function) => match function(numbers) {
                value if value.is_finite() => Ok(number(value)),
                _ => Err(wrong(format!("this `{}` has no value", self.name))),
            },
            Gives::Range => {
                let (from, to) =
                    if numbers.len() == 1 { (0.0, numbers[0]) } else { (numbers[0], numbers[1]) };
                if from.fract() != 0.0 || to.fract() != 0.0 || to - from > MAX_RANGE {
                    let message = format!("`range` needs whole numbers that are at most {MAX_RANGE} apart");
                    return Err(wrong(message));
                }
                let n = (to - from).max(0.0) as usize;
                let items = (0..n).map(|i| Value { kind: number(from + i as f64), span });
                Ok(ValueKind::List(items.collect()))
            }
        }
    }
}

/// Whether a name is nearly that of a function.
pub fn is_near(name: &Word) -> bool {
    nearest(&name.text, FUNCTIONS.iter().map(|function| function.name)).is_some()
}

/// What is said of a name with parentheses that is none of them.
pub fn unknown(name: &Word) -> Box<Diagnostic> {
    let message = format!("there is no function `{}`", name.text);
    let d = Diagnostic::error(codes::UNKNOWN_NAME, name.span, message);
    let known = || FUNCTIONS.iter().map(|function| function.name);
    Box::new(match nearest(&name.text, known()) {
        Some(near) => d.meant(name.span, near),
        None => d.label(format!("functions: {}", known().collect::<Vec<_>>().join(", "))),
    })
}

#[cfg(test)]
mod tests {
    use super::divisible;

    #[test]
    fn widths_are_those_of_the_published_networks() {
        // torchvision's `_make_divisible(value, 8)`.
        let pairs =
            [(32.0 * 0.35, 16.0), (16.0 * 0.35, 8.0), (24.0 * 0.75, 24.0), (96.0 * 1.4, 136.0), (3.0, 8.0)];
        for (value, width) in pairs {
            assert_eq!(divisible(value, 8.0), width, "{value}");
        }
    }
}
