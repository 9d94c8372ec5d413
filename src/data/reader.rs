//! Lines of a `data { … }` section, read against their declarations → [`DataSection`]: what only the lines together,
//! or the values themselves, can be wrong in.

use crate::data::fields;
use crate::data::sample::{Form, Size, Task};
use crate::data::section::{
    Cache, DataSection, Kept, Looked, OnError, Sampling, Split, Step, TestFrom, Validation,
};
use crate::data::settings;
use crate::data::sources::{Facts, SOURCES, Source};
use crate::data::transforms::{AUGMENT, PREPROCESS, Transform};
use crate::diag::{Diagnostic, Diagnostics, Fault, codes};
use crate::source::Span;
use crate::spec::answers::place;
use crate::spec::section::{self, Line, Lines};
use crate::spec::{self, Args, Scope};
use crate::syntax::ast::{Argument, Statement, Unit, ValueKind};

/// The most classes, labels or numbers that an argument may claim.
const MOST_CLASSES: usize = 1_000_000;

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
        if let (Some([n_train, ..]), Some(head)) = (facts.parts, lines.span(&settings::VALIDATION))
            && let Err(fault) = validation.count(n_train)
        {
            self.diagnostics.push(place(fault, head, &Args::default()));
        }
        let mut section = DataSection {
            source,
            args,
            source_span,
            facts,
            looked: Looked::NotYet,
            validation,
            split: self.split(&lines, validation),
            sampling: self.sampling(&lines),
            by: by(&lines),
            cache: cache(&lines),
            kept: Kept::default(),
            test_from,
            balance: None,
            on_error: on_error(&lines),
            skipped: Vec::new(),
            fields: fields::of(&lines, self.diagnostics),
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

    /// See [`crate::data::section::hold`].
    pub fn hold(&mut self, section: &mut DataSection, looked: Result<Option<Facts>, Fault>) {
        section.looked = Looked::There;
        let place_of = |name: &str| section.args.span(name).unwrap_or(section.source_span);
        let found = match looked {
            Ok(Some(found)) => found,
            Ok(None) if section.facts.classes.is_some() || section.facts.task == Task::Images => {
                section.looked = Looked::Absent;
                return;
            }
            Ok(None) => {
                let message = "the number of classes is unknown: there is no data here to count them in";
                self.diagnostics.push(
                    Diagnostic::error(codes::DATA_FILE, place_of("path"), message)
                        .label("does not exist")
                        .note("the path is relative to the experiment's file")
                        .advise("put the data there")
                        .advise("state `classes=`: then the file can be checked without the data"),
                );
                return;
            }
            Err(fault) => {
                self.diagnostics.push(place(fault, section.source_span, &section.args));
                return;
            }
        };
        let stated = section.facts.clone();
        if let (Some(own), Some(there)) = (stated.classes, found.classes)
            && own != there
            // One column of numbers may turn out to hold lists.
            && (stated.task != Task::Numbers || section.args.has("classes"))
        {
            let names = stated.task.names();
            let message = format!("the data has {there} {names}, but `classes` says {own}");
            let span = place_of("classes");
            let d = Diagnostic::error(codes::CLASSES, span, message).label(format!("there are {there}"));
            self.diagnostics.push(d.replace(format!("`classes={there}`"), span, there.to_string()));
        }
        section.facts = Facts { classes: found.classes, ..found }.or(&stated);
        let form = section.facts.form;
        if form != stated.form && self.forms(&section.preprocess, form).is_some() {
            self.augmentation_fits(section);
        }
        let Some([_, watched, tested]) = section.facts.parts else { return };
        let split = section.split;
        if tested == 0 && split.is_none_or(|split| split.test == 0.0) {
            let d =
                Diagnostic::error(codes::DATA_FILE, section.source_span, "there are no images to test on")
                    .label("this data set has no test part");
            self.diagnostics.push(match split {
                None => d.replace(
                    "put `split test=20%` into `data`",
                    section.source_span.after(),
                    "\n    split test=20%",
                ),
                Some(_) => d.advise("`test=20%` after `split`"),
            });
        }
        let asks = [
            ("test", tested, split.is_some_and(|split| split.test > 0.0)),
            ("validation", watched, section.watches_by_itself()),
        ];
        for (name, there, _) in asks.into_iter().filter(|(_, there, asks)| *asks && *there > 0) {
            let message = format!("the data set already has a {name} part, with {there} images");
            let d = Diagnostic::error(codes::BAD_VALUE, section.source_span, message);
            self.diagnostics.push(d.advise(format!("remove the line that sets images aside for {name}")));
        }
    }

    fn source(&mut self, lines: &Lines<'_>) -> Option<(&'static dyn Source, Args, Facts, Span)> {
        let line = lines.line(&settings::SOURCE)?;
        let (found, head) = (line.found.as_ref()?, line.statement.head());
        let source = SOURCES.iter().find(|source| source.spec().name == found.spec.name)?;
        match source.facts(&found.args) {
            Ok(facts) if facts.classes.is_some_and(|classes| classes > MOST_CLASSES) => {
                let message = format!("a data set has at most {MOST_CLASSES} classes");
                let fault = Fault::new(codes::TOO_BIG, message).at("classes").advise("a smaller number");
                self.diagnostics.push(place(fault, head, &found.args));
                None
            }
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

    fn split(&mut self, lines: &Lines<'_>, validation: Validation) -> Option<Split> {
        let line = lines.line(&settings::SPLIT)?;
        let args = &line.found.as_ref()?.args;
        let split = Split { test: args.number("test").ok()?, validation: args.number("validation").ok()? };
        let head = line.statement.head();
        if split.test + split.validation <= 0.0 {
            let d = Diagnostic::error(codes::BAD_VALUE, head, "`split` sets nothing aside");
            self.diagnostics.push(d.replace("write `split test=20%`", head, "split test=20%"));
            return None;
        }
        if split.test + split.validation > 0.9 {
            let message = "`split` leaves less than a tenth of the images to train on";
            self.diagnostics
                .push(Diagnostic::error(codes::BAD_VALUE, head, message).advise("smaller shares"));
            return None;
        }
        if let (true, Some(other)) = (validation != Validation::None, lines.span(&settings::VALIDATION))
            && split.validation > 0.0
        {
            let message = "`split` and `validation` both set validation images aside";
            let d = Diagnostic::error(codes::BAD_VALUE, other, message).related(head, "the other one");
            self.diagnostics.push(d.replace("remove this line", other, ""));
        }
        Some(split)
    }

    fn sampling(&mut self, lines: &Lines<'_>) -> Sampling {
        let Some(found) = lines.found(&settings::SAMPLE) else { return Sampling::Whole };
        let weights = found.args.numbers("weights").map(<[f64]>::to_vec);
        let fault = match (found.args.has("how"), weights) {
            (true, Err(_)) => return Sampling::Balanced,
            (false, Ok(weights)) if weights.iter().all(|weight| *weight >= 0.0 && weight.is_finite()) => {
                return Sampling::Weights(weights);
            }
            (false, Ok(_)) => {
                Fault::new(codes::BAD_VALUE, "`weights` are numbers of at least 0, one a class").at("weights")
            }
            (true, Ok(_)) => {
                Fault::new(codes::BAD_VALUE, "`sample` takes `balanced` or `weights`, not both").at("weights")
            }
            (false, Err(_)) => Fault::new(codes::MISSING_ARGUMENT, "`sample` needs `balanced` or `weights`")
                .advise("`sample balanced`"),
        };
        let head = lines.span(&settings::SAMPLE).unwrap_or_default();
        self.diagnostics.push(place(fault, head, &found.args));
        Sampling::Whole
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
            let name = step.transform.spec().name;
            if !form.is_picture() && !step.transform.suits_signals() {
                let message = format!("`{name}` changes images, but {}s ({form}) arrive", form.one());
                let d = Diagnostic::error(codes::DATA_SHAPE, step.span, message);
                self.diagnostics.push(d.advise(format!(
                    "remove `{name}`; {}s take: {}",
                    form.one(),
                    for_signals()
                )));
                return None;
            }
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
        let stages = section.stages();
        let behind = |steps: &[Step], form: Form| steps.iter().fold(form, |form, step| step.form(form));
        let input = behind(stages.first, section.facts.form);
        let evaluated = behind(stages.window, input);
        let Some(output) = self.forms(&section.augment, input) else { return false };
        let culprit = section.augment.iter().rev().find(|step| step.form(input) != input);
        let Some(culprit) = culprit.filter(|_| output != evaluated) else { return true };
        let message =
            format!("`augment` makes images {output}, but without it, in evaluation, they are {evaluated}");
        let mut d = Diagnostic::error(codes::DATA_SHAPE, culprit.span, message)
            .label(format!("must give {evaluated}"));
        if let (Some(span), Size::Fixed([height, width])) = (culprit.args.span("size"), evaluated.size) {
            d = d.replace(format!("write `{height}x{width}`"), span, format!("{height}x{width}"));
        }
        self.diagnostics.push(d.advise("`resize` outside `augment` changes the size of all images"));
        false
    }
}

/// The steps that signals and volumes take, of either kind.
fn for_signals() -> String {
    let all = PREPROCESS.iter().chain(AUGMENT).filter(|transform| transform.suits_signals());
    all.map(|transform| format!("`{}`", transform.spec().name)).collect::<Vec<_>>().join(", ")
}

fn on_error(lines: &Lines<'_>) -> OnError {
    let found = lines.found(&settings::ON_ERROR);
    match found.as_ref().and_then(|found| found.args.word("action").ok()) {
        Some("skip") => OnError::Skip,
        Some(_) | None => OnError::Stop,
    }
}

fn by(lines: &Lines<'_>) -> Option<String> {
    let found = lines.found(&settings::SPLIT)?;
    found.args.has("by").then(|| found.args.word("by").map(str::to_owned).ok())?
}

fn cache(lines: &Lines<'_>) -> Cache {
    let found = lines.found(&settings::CACHE);
    match found.as_ref().and_then(|found| found.args.word("kind").ok()) {
        Some("ram") => Cache::Ram,
        Some("disk") => Cache::Disk,
        Some("none") => Cache::None,
        Some(_) | None => Cache::Auto,
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
