//! Lines of a `data { … }` section, read against their declarations → [`DataSection`]: what only the lines together,
//! or the values themselves, can be wrong in.

use crate::data::sample::{Form, Size};
use crate::data::section::{DataSection, Step, TestFrom, Validation};
use crate::data::transforms::{AUGMENT, PREPROCESS, Transform};
use crate::data::{Facts, SOURCES, Source, settings};
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::source::Span;
use crate::spec::answers::place;
use crate::spec::section::{self, Line, Lines};
use crate::spec::{self, Args, Scope};
use crate::syntax::ast::{Argument, Statement, Unit, ValueKind};

/// Reads one section.
pub struct Reader<'a> {
    pub scope: &'a dyn Scope,
    pub diagnostics: &'a mut Diagnostics,
}

impl Reader<'_> {
    /// See [`crate::data::section::resolve`].
    pub fn section(&mut self, statement: &Statement) -> Option<DataSection> {
        let lines = section::read(&settings::DATA, statement, self.scope, self.diagnostics)?;
        let validation = lines.line(&settings::VALIDATION).and_then(|line| self.validation(line));
        let test_from = self.test(&lines);
        let preprocess = steps(&lines, PREPROCESS);
        let inner = lines.line(&settings::AUGMENT).and_then(|line| line.lines.as_ref());
        let augment = inner.and_then(|inner| steps(inner, AUGMENT));
        let (source, args, facts, source_span) = self.source(&lines)?;
        let validation = validation.unwrap_or(Validation::None);
        if let (Some(n_train), Some(head)) = (facts.train, lines.span(&settings::VALIDATION))
            && let Err(fault) = validation.count(n_train)
        {
            self.diagnostics.push(place(fault, head, &Args::default()));
        }
        let mut section = DataSection {
            source,
            args,
            source_span,
            facts,
            validation,
            test_from,
            preprocess: preprocess.filter(|_| lines.known)?,
            augment: augment.unwrap_or_default(),
            span: statement.span,
        };
        self.forms(&section.preprocess, section.facts.form)?;
        if !self.augmentation_fits(&section) {
            section.augment.clear();
        }
        Some(section)
    }

    fn source(&mut self, lines: &Lines<'_>) -> Option<(&'static dyn Source, Args, Facts, Span)> {
        let line = lines.line(&settings::SOURCE)?;
        let (found, head) = (line.found.as_ref()?, line.statement.head());
        let source = SOURCES.iter().find(|source| source.spec().name == found.spec.name)?;
        match source.facts(&found.args) {
            Ok(facts) => Some((*source, found.args.clone(), facts, head)),
            Err(fault) => {
                self.diagnostics.push(place(fault, head, &found.args));
                None
            }
        }
    }

    fn validation(&mut self, line: &Line<'_>) -> Option<Validation> {
        let amount = line.found.as_ref()?.args.number("amount").ok()?;
        let statement = line.statement;
        let (Argument::Value(value) | Argument::Property { value, .. }) = statement.arguments.first()? else {
            return None;
        };
        let percent = matches!(
            spec::evaluate(value, self.scope).ok()?.into_owned().kind,
            ValueKind::Number(number) if number.unit == Unit::Percent
        );
        match amount {
            _ if percent && amount > 0.0 && amount < 1.0 => Some(Validation::Fraction(amount)),
            _ if !percent && amount >= 1.0 && amount.fract() == 0.0 && amount <= f64::from(u32::MAX) => {
                Some(Validation::Count(amount as usize))
            }
            _ => {
                let message =
                    "`validation` is a whole number of images from 1 or a percentage between 0% and 100%";
                let mut d = Diagnostic::error(codes::BAD_VALUE, value.span, message);
                if !percent && amount > 0.0 && amount < 1.0 {
                    let written = format!("{}%", (amount * 1e6).round() / 1e4);
                    d = d.replace(format!("write `{written}`"), value.span, written);
                } else if amount == 0.0 {
                    d = d.replace("remove the line to set nothing aside", statement.span, "");
                }
                self.diagnostics.push(d);
                None
            }
        }
    }

    fn test(&mut self, lines: &Lines<'_>) -> TestFrom {
        let found = lines.found(&settings::TEST);
        let train = found.is_some_and(|found| found.args.word("images").is_ok_and(|word| word == "train"));
        let Some(head) = lines.span(&settings::TEST).filter(|_| train) else { return TestFrom::Test };
        self.diagnostics.push(
            Diagnostic::error(codes::LEAK, head, "accuracy would be measured on training data")
                .label("the model has seen these images")
                .replace("write `test test`", head, "test test"),
        );
        TestFrom::Train
    }

    /// What comes out of these steps; reports the first that does not fit.
    fn forms(&mut self, steps: &[Step], input: Form) -> Option<Form> {
        let mut form = input;
        for step in steps {
            match step.transform.form(&step.args, form) {
                Ok(next) => form = next,
                Err(fault) => {
                    let d = place(fault, step.span, &step.args);
                    self.diagnostics.push(d.note(format!("{form} arrives here")));
                    return None;
                }
            }
        }
        Some(form)
    }

    /// Checks the augmentation's shapes: an image must come out as it went in, since evaluation skips it.
    fn augmentation_fits(&mut self, section: &DataSection) -> bool {
        let input = section.stages().0.iter().fold(section.facts.form, |form, step| step.form(form));
        let Some(output) = self.forms(&section.augment, input) else { return false };
        let Some(culprit) = section.augment.iter().find(|step| step.form(input) != input) else {
            return true;
        };
        if output == input {
            return true;
        }
        let message =
            format!("`augment` makes images {output}, but without it, in evaluation, they stay {input}");
        let mut d =
            Diagnostic::error(codes::DATA_SHAPE, culprit.span, message).label(format!("must give {input}"));
        if let (Some(span), Size::Fixed([height, width])) = (culprit.args.span("size"), input.size) {
            d = d.replace(format!("write `{height}x{width}`"), span, format!("{height}x{width}"));
        }
        self.diagnostics.push(d.advise("`resize` outside `augment` changes the size of all images"));
        false
    }
}

/// The lines that are steps of a registry; `None` where the arguments of one are wrong.
fn steps(lines: &Lines<'_>, registry: &'static [&'static dyn Transform]) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for line in &lines.lines {
        let transform = registry.iter().copied().find(|transform| transform.spec().name == line.spec.name);
        let Some(transform) = transform else { continue };
        let args = line.found.as_ref()?.args.clone();
        steps.push(Step { transform, args, span: line.statement.head() });
    }
    Some(steps)
}
