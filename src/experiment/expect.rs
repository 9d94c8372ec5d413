//! `expect { … }`: what must hold. Facts of the network are checked with the file, measurements after the run.

use crate::diag::{Diagnostic, Diagnostics, codes, nearest};
use crate::source::Span;
use crate::syntax::ast::{Argument, Compare, Number, Statement, Unit, Value, ValueKind};

/// What can be expected, and whether it is known before a run.
pub static QUANTITIES: &[(&str, bool, &str)] = &[
    ("parameters", true, "trained numbers"),
    ("flops", true, "operations for one image, forward"),
    ("memory", true, "planned bytes of a training step, or of inference where the file does not train"),
    ("layers", true, "layers, blocks put in"),
    ("test.accuracy", false, "share of test images classified right"),
    ("test.loss", false, "mean loss of a test image"),
    ("validation.accuracy", false, "of the last epoch"),
    ("validation.loss", false, "of the last epoch"),
    ("train.loss", false, "of the last epoch"),
    ("train.accuracy", false, "of the last epoch"),
    ("train.seconds", false, "time spent in training steps"),
];

/// One line of `expect`.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    pub quantity: &'static str,
    /// Whether it is known before a run.
    pub fixed: bool,
    pub compare: Compare,
    pub value: f64,
    /// As written: `< 70k`.
    pub bound: String,
    pub span: Span,
}

/// Reads the section.
pub fn resolve(section: &Statement, diagnostics: &mut Diagnostics) -> Vec<Expectation> {
    let Some(block) = &section.block else {
        let message = "`expect` needs a block, such as `expect { parameters < 70k }`";
        diagnostics.push(Diagnostic::error(codes::BLOCK_MISUSE, section.head(), message));
        return Vec::new();
    };
    let mut expectations = Vec::new();
    for line in block.chains.iter().flat_map(|chain| &chain.links).map(|link| &link.statement) {
        let word = line.word.text.as_str();
        let Some(&(quantity, fixed, _)) = QUANTITIES.iter().find(|(name, ..)| *name == word) else {
            let d = Diagnostic::error(
                codes::UNKNOWN_WORD,
                line.word.span,
                format!("nothing measured is called `{word}`"),
            );
            let names = QUANTITIES.iter().map(|(name, ..)| *name);
            diagnostics.push(match nearest(word, names.clone()) {
                Some(near) => d.meant(line.word.span, near),
                None => d.label(format!("there are: {}", names.collect::<Vec<_>>().join(", "))),
            });
            continue;
        };
        match line.arguments.as_slice() {
            [Argument::Relation { compare, value, span }] if number(value).is_some() => {
                let bound = format!("{} {value}", compare.symbol());
                let value = number(value).unwrap_or_default();
                let span = line.word.span.to(*span);
                expectations.push(Expectation { quantity, fixed, compare: *compare, value, bound, span });
            }
            _ => diagnostics.push(
                Diagnostic::error(
                    codes::BAD_VALUE,
                    line.head(),
                    format!("write `{word} < NUMBER` (or <=, >, >=, ==, !=)"),
                )
                .label("one comparison with a number is expected"),
            ),
        }
    }
    expectations
}

fn number(value: &Value) -> Option<f64> {
    match &value.kind {
        ValueKind::Number(number) => Some(number.scaled()),
        _ => None,
    }
}

impl Expectation {
    /// An error, if what was found breaks it.
    pub fn judge(&self, found: f64) -> Option<Diagnostic> {
        if self.compare.holds(found, self.value) {
            return None;
        }
        let shown = Number { value: found, unit: Unit::None };
        let shown = match self.bound.ends_with('%') {
            true => format!("{:.2}%", found * 100.0),
            false => shown.to_string(),
        };
        let message = format!("expected `{} {}`, but it is {shown}", self.quantity, self.bound);
        Some(Diagnostic::error(codes::EXPECTATION, self.span, message).label(format!("it is {shown}")))
    }
}
