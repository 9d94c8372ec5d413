//! Statements of a `data { … }` block → [`DataSection`], with every fault reported at its place.

use crate::data::answers::{place, suggest, unknown};
use crate::data::section::{DataSection, Step, TestFrom, Validation};
use crate::data::settings;
use crate::data::transforms::{AUGMENT, PREPROCESS, Transform};
use crate::data::{Facts, SOURCES, Source};
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::shape::Shape;
use crate::source::Span;
use crate::spec::{self, Args, Scope, Spec};
use crate::syntax::ast::{Argument, Chain, Statement, Unit, ValueKind, Word};

/// Reads one section.
pub struct Reader<'a> {
    pub scope: &'a dyn Scope,
    pub diagnostics: &'a mut Diagnostics,
}

impl Reader<'_> {
    /// See [`crate::data::section::resolve`].
    pub fn section(&mut self, section: &Statement) -> Option<DataSection> {
        for argument in &section.arguments {
            let message = "`data` takes no arguments, only lines in its block";
            self.error(codes::TOO_MANY_ARGUMENTS, argument.span(), message);
        }
        let Some(block) = &section.block else {
            let d = Diagnostic::error(codes::BLOCK_MISUSE, section.head(), "`data` needs a block");
            self.diagnostics.push(d.replace(
                "add one",
                section.head().after(),
                " { source mnist \"data/mnist\" }",
            ));
            return None;
        };
        self.no_clauses(section);
        let mut source = None;
        let mut intact = true;
        let (mut validation, mut test_from) = (Validation::None, TestFrom::Test);
        let (mut preprocess, mut augment) = (Vec::new(), Vec::new());
        let mut seen: Vec<(&str, Span)> = Vec::new();
        let mut validation_line = None;
        for line in self.lines(&block.chains) {
            let name = line.word.text.as_str();
            let Some(spec) = settings::all().find(|spec| spec.name == name) else {
                intact = false;
                let texts = ["`data` has no setting", "it belongs in `augment { … }`"];
                self.diagnostics.push(unknown(line, settings::all(), AUGMENT, texts));
                continue;
            };
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == spec.name) {
                let d = Diagnostic::error(
                    codes::REPEATED_SECTION,
                    line.head(),
                    format!("`{name}` is given twice"),
                );
                let d = d.label("given again here").related(*first, "first given here");
                self.diagnostics.push(d.drop("remove this one", line.span));
                continue;
            }
            seen.push((spec.name, line.head()));
            if spec.name != settings::AUGMENT.name {
                self.no_block(line);
            }
            if spec.name == settings::SOURCE.name {
                source = self.source(line);
            } else if spec.name == settings::VALIDATION.name {
                validation = self.validation(line).unwrap_or(Validation::None);
                validation_line = Some(line);
            } else if spec.name == settings::TEST.name {
                test_from = self.test(line).unwrap_or(TestFrom::Test);
            } else if spec.name == settings::AUGMENT.name {
                augment = self.augment(line);
            } else {
                let step = self.step(line, PREPROCESS);
                intact &= step.is_some();
                preprocess.extend(step);
            }
        }
        if !seen.iter().any(|(name, _)| *name == settings::SOURCE.name) {
            let inside = Span { start: block.span.start + 1, end: block.span.start + 1, ..block.span };
            self.diagnostics.push(
                Diagnostic::error(codes::MISSING_ARGUMENT, section.word.span, "`data` needs its `source`")
                    .label("no line says which data set")
                    .replace("name one", inside, "\n    source mnist \"data/mnist\"\n"),
            );
        }
        let (source, args, facts, source_span) = source?;
        if let (Some(n_train), Some(line)) = (facts.train, validation_line)
            && let Err(fault) = validation.count(n_train)
        {
            let d = place(fault, line.head(), &Args::default());
            self.diagnostics.push(d);
        }
        let span = section.span;
        let mut section = DataSection {
            source,
            args,
            source_span,
            facts,
            validation,
            test_from,
            preprocess,
            augment,
            span,
        };
        intact &= self.shapes(&section.preprocess, section.facts.shape.clone()).is_some();
        if !intact {
            return None;
        }
        if !self.augmentation_fits(&section) {
            section.augment.clear();
        }
        Some(section)
    }

    /// The statements of a block; what only a model's lines may have is refused.
    fn lines<'s>(&mut self, chains: &'s [Chain]) -> Vec<&'s Statement> {
        let links: Vec<_> = chains.iter().flat_map(|chain| &chain.links).collect();
        for link in &links {
            if let Some(alias) = &link.alias {
                self.error(codes::MISPLACED, alias.span, "only a model's lines have names (`as`)");
            }
            if let Some(assertion) = &link.assertion {
                self.error(codes::MISPLACED, assertion.span, "only a model's lines assert a shape");
            }
            self.no_clauses(&link.statement);
        }
        links.into_iter().map(|link| &link.statement).collect()
    }

    fn source(&mut self, line: &Statement) -> Option<(&'static dyn Source, Args, Facts, Span)> {
        let names = || SOURCES.iter().map(|source| source.spec().name);
        let (value, rest) = match line.arguments.split_first() {
            Some((Argument::Value(value), rest)) => (value, rest),
            Some((Argument::Property { .. } | Argument::Relation { .. }, _)) | None => {
                let message = format!(
                    "`source` needs the name of a data set: {}",
                    names().collect::<Vec<_>>().join(", ")
                );
                self.error(codes::MISSING_ARGUMENT, line.head(), message);
                return None;
            }
        };
        let ValueKind::Word(name) = &value.kind else {
            let message = "the name of a data set comes first: `source mnist \"data/mnist\"`";
            self.error(codes::BAD_VALUE, value.span, message);
            return None;
        };
        let Some(source) = SOURCES.iter().find(|source| source.spec().name == name) else {
            let d =
                Diagnostic::error(codes::UNKNOWN_WORD, value.span, format!("no data set is called `{name}`"));
            self.diagnostics.push(suggest(d, name, value.span, SOURCES.iter().map(|source| source.spec())));
            return None;
        };
        let word = Word { text: name.clone(), span: value.span };
        let args = spec::resolve(source.spec(), &word, rest, self.scope, self.diagnostics)?;
        match source.facts(&args) {
            Ok(facts) => Some((*source, args, facts, line.head())),
            Err(fault) => {
                self.diagnostics.push(place(fault, line.head(), &args));
                None
            }
        }
    }

    fn validation(&mut self, line: &Statement) -> Option<Validation> {
        let args = self.resolve(&settings::VALIDATION, line)?;
        let amount = args.number("amount").ok()?;
        let (Argument::Value(value) | Argument::Property { value, .. }) = line.arguments.first()? else {
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
                    d = d.replace("remove the line to set nothing aside", line.span, "");
                }
                self.diagnostics.push(d);
                None
            }
        }
    }

    fn test(&mut self, line: &Statement) -> Option<TestFrom> {
        let args = self.resolve(&settings::TEST, line)?;
        if args.word("images").ok()? == "test" {
            return Some(TestFrom::Test);
        }
        self.diagnostics.push(
            Diagnostic::error(codes::LEAK, line.head(), "accuracy would be measured on training data")
                .label("the model has seen these images")
                .replace("write `test test`", line.head(), "test test"),
        );
        Some(TestFrom::Train)
    }

    fn augment(&mut self, line: &Statement) -> Vec<Step> {
        if self.resolve(&settings::AUGMENT, line).is_none() {
            return Vec::new();
        }
        let Some(block) = &line.block else {
            let d = Diagnostic::error(codes::BLOCK_MISUSE, line.head(), "`augment` needs a block of steps");
            self.diagnostics.push(d.note(format!("for example: {}", settings::AUGMENT.example)));
            return Vec::new();
        };
        let mut steps = Vec::new();
        for line in self.lines(&block.chains) {
            self.no_block(line);
            if AUGMENT.iter().any(|transform| transform.spec().name == line.word.text) {
                steps.extend(self.step(line, AUGMENT));
            } else {
                let known = AUGMENT.iter().map(|transform| transform.spec());
                let texts = ["`augment` has no step", "it belongs in `data { … }`, outside `augment`"];
                self.diagnostics.push(unknown(line, known, PREPROCESS, texts));
            }
        }
        steps
    }

    fn step(&mut self, line: &Statement, registry: &'static [&'static dyn Transform]) -> Option<Step> {
        let transform = *registry.iter().find(|transform| transform.spec().name == line.word.text)?;
        let args = self.resolve(transform.spec(), line)?;
        Some(Step { transform, args, span: line.head() })
    }

    /// The shape behind these steps; reports the first that does not fit.
    fn shapes(&mut self, steps: &[Step], input: Shape) -> Option<Shape> {
        let mut shape = input;
        for step in steps {
            match step.transform.shape(&step.args, &shape) {
                Ok(next) => shape = next,
                Err(fault) => {
                    let d = place(fault, step.span, &step.args);
                    self.diagnostics.push(d.note(format!("{shape} arrives here")));
                    return None;
                }
            }
        }
        Some(shape)
    }

    /// Checks the augmentation's shapes: an image must come out as it went in, since evaluation skips it.
    fn augmentation_fits(&mut self, section: &DataSection) -> bool {
        let input =
            section.stages().0.iter().fold(section.facts.shape.clone(), |shape, step| step.shape(shape));
        let Some(output) = self.shapes(&section.augment, input.clone()) else { return false };
        let Some(culprit) = section.augment.iter().find(|step| step.shape(input.clone()) != input) else {
            return true;
        };
        if output == input {
            return true;
        }
        let message =
            format!("`augment` makes images {output}, but without it, in evaluation, they stay {input}");
        let mut d =
            Diagnostic::error(codes::DATA_SHAPE, culprit.span, message).label(format!("must give {input}"));
        if let (Some(span), [_, height, width]) = (culprit.args.span("size"), input.dims()) {
            d = d.replace(format!("write `{height}x{width}`"), span, format!("{height}x{width}"));
        }
        self.diagnostics.push(d.advise("`resize` outside `augment` changes the size of all images"));
        false
    }

    fn resolve(&mut self, spec: &'static Spec, line: &Statement) -> Option<Args> {
        spec::resolve(spec, &line.word, &line.arguments, self.scope, self.diagnostics)
    }

    fn no_block(&mut self, line: &Statement) {
        if let Some(block) = &line.block {
            let d = Diagnostic::error(
                codes::BLOCK_MISUSE,
                block.span,
                format!("`{}` takes no block", line.word.text),
            );
            self.diagnostics.push(d.drop("remove it", block.span));
        }
    }

    fn no_clauses(&mut self, line: &Statement) {
        for clause in &line.clauses {
            let message = format!("`{}` cannot stand behind `{}`", clause.word.text, line.word.text);
            self.error(codes::BLOCK_MISUSE, clause.word.span, message);
        }
    }

    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(code, span, message));
    }
}
