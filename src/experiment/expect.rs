//! `expect { … }`: what must hold. Facts of the network are checked with the file, measurements after the run.

use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::source::Span;
use crate::spec::section::{self, Absent, Section, Setting, Steps, Takes};
use crate::spec::{Kind, Param, Preset, Scope, Spec, positional};
use crate::syntax::ast::{Argument, Block, Compare, Number, Statement, Unit, Word};
use crate::train::metrics::each_metric;

macro_rules! expect {
    ($($metric:ident)*) => {
pub static EXPECT: Section = Section {
    name: "expect",
    title: "Quantities of `expect`",
    intro: "Each is compared with a number by `<`, `<=`, `>`, `>=`, `==` or `!=`.",
    settings: &[
        &PARAMETERS,
        &FLOPS,
        &MEMORY,
        &LAYERS,
        &TEST_ACCURACY,
        &TEST_LOSS,
        &VALIDATION_ACCURACY,
        &VALIDATION_LOSS,
        &TRAIN_LOSS,
        &TRAIN_ACCURACY,
        &TRAIN_SECONDS,
        $(
            &compared(&Spec {
                name: concat!("test.", stringify!($metric)),
                summary: concat!("the metric `", stringify!($metric), "` on the test images"),
                docs: MEASURED,
                params: NUMBER,
                example: concat!("test.", stringify!($metric), " > 0.5"),
                elsewhere: &[],
            }),
            &compared(&Spec {
                name: concat!("validation.", stringify!($metric)),
                summary: concat!("the metric `", stringify!($metric), "` on the validation images, of the last epoch"),
                docs: MEASURED,
                params: NUMBER,
                example: concat!("validation.", stringify!($metric), " > 0.5"),
                elsewhere: &[concat!("val.", stringify!($metric))],
            }),
        )*
    ],
    steps: Steps::None,
    strangers: &[],
    not_needed: &[],
    example: "expect { parameters < 70k }",
};
    };
}
each_metric!(expect);

/// The quantities that are known before a run.
static FIXED: [&Setting; 4] = [&PARAMETERS, &FLOPS, &MEMORY, &LAYERS];

/// Whether a line says exactly what a fact of the network is: `parameters == 11689512`.
pub fn is_exact(line: &Statement) -> bool {
    let exact = |a: &Argument| matches!(a, Argument::Relation { compare: Compare::Equal, .. });
    FIXED.iter().any(|fixed| fixed.spec.name == line.word.text) && line.arguments.iter().any(exact)
}

pub static PARAMETERS: Setting = compared(&Spec {
    name: "parameters",
    summary: "trained numbers",
    docs: CHECKED,
    params: COUNT,
    example: "parameters < 70k",
    elsewhere: &["params", "n_parameters", "num_parameters"],
});
pub static FLOPS: Setting = compared(&Spec {
    name: "flops",
    summary: "operations for one image, forward",
    docs: CHECKED,
    params: COUNT,
    example: "flops < 10M",
    elsewhere: &["FLOPs", "operations"],
});
pub static MEMORY: Setting = compared(&Spec {
    name: "memory",
    summary: "planned bytes of a training step, or of inference where the file does not train",
    docs: CHECKED,
    params: COUNT,
    example: "memory < 200MB",
    elsewhere: &["bytes"],
});
pub static LAYERS: Setting = compared(&Spec {
    name: "layers",
    summary: "layers, blocks put in",
    docs: CHECKED,
    params: COUNT,
    example: "layers <= 20",
    elsewhere: &["depth", "n_layers"],
});
static TEST_ACCURACY: Setting = compared(&Spec {
    name: "test.accuracy",
    summary: "share of test images classified right",
    docs: MEASURED,
    params: SHARE,
    example: "test.accuracy > 98%",
    elsewhere: &["test.acc", "test_accuracy", "accuracy", "test.top1"],
});
static TEST_LOSS: Setting = compared(&Spec {
    name: "test.loss",
    summary: "mean loss of a test image",
    docs: MEASURED,
    params: NUMBER,
    example: "test.loss < 0.1",
    elsewhere: &["test_loss"],
});
static VALIDATION_ACCURACY: Setting = compared(&Spec {
    name: "validation.accuracy",
    summary: "of the last epoch",
    docs: MEASURED,
    params: SHARE,
    example: "validation.accuracy > 98%",
    elsewhere: &["val.accuracy", "val_accuracy", "val_acc", "validation.acc", "val.acc"],
});
static VALIDATION_LOSS: Setting = compared(&Spec {
    name: "validation.loss",
    summary: "of the last epoch",
    docs: MEASURED,
    params: NUMBER,
    example: "validation.loss < 0.1",
    elsewhere: &["val.loss", "val_loss"],
});
static TRAIN_LOSS: Setting = compared(&Spec {
    name: "train.loss",
    summary: "of the last epoch",
    docs: MEASURED,
    params: NUMBER,
    example: "train.loss < 0.1",
    elsewhere: &["training.loss", "train_loss"],
});
static TRAIN_ACCURACY: Setting = compared(&Spec {
    name: "train.accuracy",
    summary: "of the last epoch",
    docs: MEASURED,
    params: SHARE,
    example: "train.accuracy > 98%",
    elsewhere: &["training.accuracy", "train_accuracy", "train.acc"],
});
static TRAIN_SECONDS: Setting = compared(&Spec {
    name: "train.seconds",
    summary: "time spent in training steps",
    docs: MEASURED,
    params: NUMBER,
    example: "train.seconds < 10min",
    elsewhere: &["train.time", "training.seconds"],
});

const CHECKED: &str = "Known with every check.";
const MEASURED: &str = "Measured by a run.";
const COUNT: &[Param] = &[bound(0.0, f64::MAX)];
const SHARE: &[Param] = &[bound(0.0, 1.0)];
const NUMBER: &[Param] = &[bound(f64::MIN, f64::MAX)];

const fn bound(min: f64, max: f64) -> Param {
    let doc = "the number that it is compared with";
    positional("bound", Kind::Number { min, max }, Preset::Required, doc)
}

const fn compared(spec: &'static Spec) -> Setting {
    Setting { spec, takes: Takes::Comparison, absent: Absent::Nothing }
}

/// One line of `expect`.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// `test.accuracy`, also of a further output.
    pub quantity: &'static str,
    /// The further output of the model that it is of.
    pub output: Option<Word>,
    /// Whether it is known before a run.
    pub fixed: bool,
    pub compare: Compare,
    pub value: f64,
    /// As written: `< 70k`.
    pub bound: String,
    pub span: Span,
}

/// Reads the section.
pub fn resolve(statement: &Statement, scope: &dyn Scope, diagnostics: &mut Diagnostics) -> Vec<Expectation> {
    let (own, of_outputs) = apart(statement);
    let mut found = read(&own, None, scope, diagnostics);
    for (output, statement) in of_outputs {
        let before = diagnostics.len();
        found.extend(read(&statement, Some(&output), scope, diagnostics));
        diagnostics[before..].iter_mut().for_each(|d| name_output(d, &output.text));
    }
    found.sort_by_key(|expectation| expectation.span);
    found
}

fn read(
    statement: &Statement,
    output: Option<&Word>,
    scope: &dyn Scope,
    diagnostics: &mut Diagnostics,
) -> Vec<Expectation> {
    let Some(lines) = section::read(&EXPECT, statement, scope, diagnostics) else { return Vec::new() };
    let expectations = lines.lines.iter().filter_map(|line| {
        let (compare, found) = (line.compare?, line.found.as_ref()?);
        let bound = line.statement.arguments.first().map(Argument::to_string)?;
        Some(Expectation {
            quantity: line.spec.name,
            output: output.cloned(),
            fixed: FIXED.iter().any(|setting| setting.spec.name == line.spec.name),
            compare,
            value: found.args.number("bound").ok()?,
            bound,
            span: line.statement.head(),
        })
    });
    expectations.collect()
}

/// The parts of the data that a quantity may be of.
const PARTS: [&str; 3] = ["train", "validation", "test"];

/// The name of the output in `test.NAME.accuracy`, and `test.accuracy`.
pub fn of_output(word: &Word) -> Option<(Word, String)> {
    let mut parts = word.text.split('.');
    let (Some(part), Some(name), Some(quantity), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let part = PARTS.into_iter().find(|own| *own == part)?;
    let start = word.span.start + part.len() as u32 + 1;
    let span = Span { start, end: start + name.len() as u32, ..word.span };
    Some((Word { text: name.to_owned(), span }, format!("{part}.{quantity}")))
}

/// The section without the lines of outputs, and each of these in a section of its own, with the quantity's own name.
fn apart(statement: &Statement) -> (Statement, Vec<(Word, Statement)>) {
    let (mut own, mut of_outputs) = (statement.clone(), Vec::new());
    if let Some(block) = &mut own.block {
        block.chains.retain_mut(|chain| {
            let [link] = chain.links.as_mut_slice() else { return true };
            let Some((output, quantity)) = of_output(&link.statement.word) else { return true };
            link.statement.word.text = quantity;
            let block = Block { chains: vec![chain.clone()], span: block.span };
            of_outputs
                .push((output, Statement { block: Some(block), arguments: Vec::new(), ..statement.clone() }));
            false
        });
    }
    (own, of_outputs)
}

/// Puts the name of an output back into what is said of its quantity.
fn name_output(d: &mut Diagnostic, output: &str) {
    let named = |text: &str| {
        PARTS.iter().fold(text.to_owned(), |text, part| {
            text.replace(&format!("`{part}."), &format!("`{part}.{output}."))
        })
    };
    d.message = named(&d.message);
    d.primary.text = named(&d.primary.text);
    for fix in &mut d.fixes {
        fix.title = named(&fix.title);
        for (_, text) in &mut fix.edits {
            if let Some((part, rest)) = text.split_once('.').filter(|(part, _)| PARTS.contains(part)) {
                *text = format!("{part}.{output}.{rest}");
            }
        }
    }
}

/// Holds what a run measured against what is expected of it: an error for each line that is broken. A quantity that was
/// not measured, or that is no number, breaks whatever is expected of it.
pub fn judge(expectations: &[Expectation], measured: impl Fn(&str) -> Option<f64>) -> Diagnostics {
    let after_run = expectations.iter().filter(|expectation| !expectation.fixed);
    after_run
        .filter_map(|expectation| match measured(&expectation.name()) {
            Some(found) => expectation.judge(found),
            None => Some(expectation.broken("the run has no such figure", "not measured, or not a number")),
        })
        .collect()
}

impl Expectation {
    /// As it is written: `test.NAME.accuracy` of an output.
    pub fn name(&self) -> String {
        match (&self.output, self.quantity.split_once('.')) {
            (Some(output), Some((part, quantity))) => format!("{part}.{}.{quantity}", output.text),
            (_, _) => self.quantity.to_owned(),
        }
    }

    /// An error, if what was found breaks it. What is not a number breaks every comparison.
    pub fn judge(&self, found: f64) -> Option<Diagnostic> {
        if !found.is_nan() && self.compare.holds(found, self.value) {
            return None;
        }
        let shown = match found {
            nan if nan.is_nan() => "not a number (NaN)".to_owned(),
            share if self.bound.ends_with('%') => format!("{:.2}%", share * 100.0),
            found => Number { value: found, unit: Unit::None }.to_string(),
        };
        let is = format!("it is {shown}");
        Some(self.broken(&is, &is))
    }

    fn broken(&self, found: &str, label: &str) -> Diagnostic {
        let message = format!("expected `{} {}`, but {found}", self.name(), self.bound);
        Diagnostic::error(codes::EXPECTATION, self.span, message).label(label)
    }
}

#[cfg(test)]
mod tests {
    use super::{Expectation, judge};
    use crate::source::{LIBRARY, Span};
    use crate::syntax::ast::Compare;

    fn expectation(compare: Compare) -> Expectation {
        let bound = format!("{} 0.5", compare.symbol());
        let span = Span { file: LIBRARY, start: 0, end: 1 };
        Expectation { quantity: "test.loss", output: None, fixed: false, compare, value: 0.5, bound, span }
    }

    #[test]
    fn what_is_no_number_or_missing_breaks_every_comparison() {
        use Compare::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        for compare in [Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual] {
            let expectations = [expectation(compare)];
            let said =
                |found| judge(&expectations, |_| found).into_iter().map(|d| d.message).collect::<Vec<_>>();
            let symbol = compare.symbol();
            let nan = format!("expected `test.loss {symbol} 0.5`, but it is not a number (NaN)");
            assert_eq!(said(Some(f64::NAN)), [nan]);
            let missing = format!("expected `test.loss {symbol} 0.5`, but the run has no such figure");
            assert_eq!(said(None), [missing]);
            assert_eq!(said(Some(0.25)).is_empty(), compare.holds(0.25, 0.5), "{symbol}");
        }
        let fixed = [Expectation { fixed: true, ..expectation(Compare::Less) }];
        assert_eq!(judge(&fixed, |_| None), [], "facts are judged with the file");
    }
}
