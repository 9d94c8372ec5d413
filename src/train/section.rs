//! `train { … }` → a checked [`TrainSection`], with every fault reported at its place.

use std::time::Duration;

use crate::data::answers::suggest;
use crate::diag::{Diagnostic, Diagnostics, Fault, codes};
use crate::run::Precision;
use crate::source::Span;
use crate::spec::{self, Args, Scope, Spec};
use crate::syntax::ast::{Argument, Statement, ValueKind, Word};
use crate::train::losses::{LOSSES, Loss, Target};
use crate::train::optimizers::{OPTIMIZERS, Optimizer};
use crate::train::schedules::{self, SCHEDULES, Schedule};
use crate::train::settings::{self, SETTINGS};

/// What holds where the file says nothing.
pub const DEFAULT_EPOCHS: usize = 10;
pub const DEFAULT_BATCH: usize = 64;

pub const DEFAULT_SEED: usize = 0;
static DEFAULT_SCHEDULE: &dyn Schedule = &schedules::constant::Constant;

/// Word and value of each line that a section has where it does not write it.
pub fn default_lines() -> Vec<(&'static str, Option<String>)> {
    vec![
        (settings::SCHEDULE.name, Some(DEFAULT_SCHEDULE.spec().name.to_owned())),
        (settings::EPOCHS.name, Some(DEFAULT_EPOCHS.to_string())),
        (settings::BATCH.name, Some(DEFAULT_BATCH.to_string())),
        (settings::SEED.name, Some(DEFAULT_SEED.to_string())),
        (settings::PRECISION.name, Some(Precision::default().name().to_owned())),
        (settings::CHECKPOINT.name, None),
    ]
}

/// A thing of a registry with its arguments.
#[derive(Debug)]
pub struct Chosen<T: ?Sized + 'static> {
    pub what: &'static T,
    pub args: Args,
    /// Where it was chosen.
    pub span: Span,
}

/// A checked `train { … }`.
#[derive(Debug)]
pub struct TrainSection {
    pub loss: Chosen<dyn Loss>,
    pub optimizer: Chosen<dyn Optimizer>,
    pub schedule: Chosen<dyn Schedule>,
    pub epochs: usize,
    pub batch: BatchSize,
    pub seed: u64,
    pub precision: Precision,
    /// Where the batch's size was written.
    pub batch_span: Option<Span>,
    pub early_stop: Option<EarlyStop>,
    pub checkpoint: Checkpointing,
    pub span: Span,
}

impl TrainSection {
    /// Whether the model learns the classes of images, and not images.
    pub fn classifies(&self) -> Result<bool, Fault> {
        Ok(self.loss.what.target(&self.loss.args)? == Target::Label)
    }
}

/// How many images a step sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchSize {
    Images(usize),
    /// As many as fit into so many bytes, or without a number into a share of the machine's memory.
    Auto {
        memory: Option<u64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarlyStop {
    pub patience: usize,
    pub monitor: Monitor,
    pub span: Span,
}

/// How often a run's state is written inside an epoch, and how many such states stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpointing {
    /// At least a second.
    pub every: Duration,
    /// At least 1: the last one.
    pub keep: usize,
}

impl Default for Checkpointing {
    fn default() -> Checkpointing {
        Checkpointing { every: settings::CHECKPOINT_EVERY, keep: settings::CHECKPOINT_KEEP }
    }
}

/// The measurement that decides which weights are the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Monitor {
    Loss,
    Accuracy,
}

/// Reads the section; `None` when loss or optimizer are missing or wrong.
pub fn resolve(
    section: &Statement,
    scope: &dyn Scope,
    diagnostics: &mut Diagnostics,
) -> Option<TrainSection> {
    let Some(block) = &section.block else {
        diagnostics.push(
            Diagnostic::error(codes::BLOCK_MISUSE, section.head(), "`train` needs a block").replace(
                "add one",
                section.head().after(),
                " { loss cross_entropy; optimizer adam lr=1e-3 }",
            ),
        );
        return None;
    };
    let (mut loss, mut optimizer, mut schedule) = (None, None, None);
    let (mut epochs, mut batch, mut seed, mut early_stop) = (None, None, None, None);
    let (mut batch_span, mut precision) = (None, Precision::default());
    let mut checkpoint = Checkpointing::default();
    let mut seen: Vec<(&str, Span)> = Vec::new();
    for line in block.chains.iter().flat_map(|chain| &chain.links).map(|link| &link.statement) {
        let word = line.word.text.as_str();
        let Some(spec) = SETTINGS.iter().find(|spec| spec.name == word) else {
            let d = Diagnostic::error(
                codes::UNKNOWN_WORD,
                line.word.span,
                format!("`train` has no setting `{word}`"),
            );
            diagnostics.push(suggest(d, word, line.word.span, SETTINGS.iter().copied()));
            continue;
        };
        if let Some((_, first)) = seen.iter().find(|(name, _)| *name == spec.name) {
            diagnostics.push(
                Diagnostic::error(codes::REPEATED_SECTION, line.head(), format!("`{word}` is given twice"))
                    .label("given again here")
                    .related(*first, "first given here")
                    .replace("remove this one", line.span, ""),
            );
            continue;
        }
        seen.push((spec.name, line.head()));
        if spec.name == settings::LOSS.name {
            loss = choose(line, LOSSES, |loss| loss.spec(), scope, diagnostics);
        } else if spec.name == settings::OPTIMIZER.name {
            optimizer = choose(line, OPTIMIZERS, |optimizer| optimizer.spec(), scope, diagnostics);
        } else if spec.name == settings::SCHEDULE.name {
            schedule = choose(line, SCHEDULES, |schedule| schedule.spec(), scope, diagnostics);
        } else if let Some(args) = spec::resolve(spec, &line.word, &line.arguments, scope, diagnostics) {
            if spec.name == settings::EPOCHS.name {
                epochs = args.whole("count").ok();
            } else if spec.name == settings::BATCH.name {
                batch = batch_size(&args, diagnostics);
                batch_span = args.span("size");
            } else if spec.name == settings::SEED.name {
                seed = args.whole("number").ok();
            } else if spec.name == settings::PRECISION.name {
                precision = args.word("kind").map(Precision::of).unwrap_or_default();
            } else if spec.name == settings::CHECKPOINT.name {
                checkpoint = checkpointing(&args).unwrap_or_default();
            } else {
                early_stop = early_stopping(&args, line.head());
            }
        }
    }
    for (name, example) in [("loss", "loss cross_entropy"), ("optimizer", "optimizer adam lr=1e-3")] {
        if !seen.iter().any(|(seen, _)| *seen == name) {
            let inside = Span { start: block.span.start + 1, end: block.span.start + 1, ..block.span };
            diagnostics.push(
                Diagnostic::error(
                    codes::MISSING_ARGUMENT,
                    section.word.span,
                    format!("`train` needs its `{name}`"),
                )
                .label(format!("no line says which {name}"))
                .replace(format!("add `{example}`"), inside, format!("\n    {example}")),
            );
        }
    }
    let constant = || {
        let what = DEFAULT_SCHEDULE;
        let name = Word { text: what.spec().name.to_owned(), span: section.word.span };
        let args = spec::resolve(what.spec(), &name, &[], scope, &mut Diagnostics::new()).unwrap_or_default();
        Chosen { what, args, span: section.word.span }
    };
    Some(TrainSection {
        loss: loss?,
        optimizer: optimizer?,
        schedule: schedule.unwrap_or_else(constant),
        epochs: epochs.unwrap_or(DEFAULT_EPOCHS),
        batch: batch.unwrap_or(BatchSize::Images(DEFAULT_BATCH)),
        seed: seed.unwrap_or(DEFAULT_SEED) as u64,
        precision,
        batch_span,
        early_stop,
        checkpoint,
        span: section.head(),
    })
}

/// Reads `loss NAME key=value…` against a registry.
fn choose<T: ?Sized>(
    line: &Statement,
    registry: &'static [&'static T],
    spec_of: impl Fn(&'static T) -> &'static Spec,
    scope: &dyn Scope,
    diagnostics: &mut Diagnostics,
) -> Option<Chosen<T>> {
    let specs = || registry.iter().map(|what| spec_of(what));
    let names = || specs().map(|spec| spec.name).collect::<Vec<_>>().join(", ");
    let word = line.word.text.as_str();
    let Some((Argument::Value(value), rest)) = line.arguments.split_first() else {
        diagnostics.push(
            Diagnostic::error(codes::MISSING_ARGUMENT, line.head(), format!("`{word}` needs a name"))
                .label(format!("one of: {}", names())),
        );
        return None;
    };
    let ValueKind::Word(name) = &value.kind else {
        diagnostics.push(
            Diagnostic::error(codes::BAD_VALUE, value.span, format!("`{word}` needs a name"))
                .label(format!("one of: {}", names())),
        );
        return None;
    };
    let Some(what) = registry.iter().copied().find(|what| spec_of(what).name == name) else {
        let d =
            Diagnostic::error(codes::UNKNOWN_WORD, value.span, format!("there is no {word} called `{name}`"));
        diagnostics.push(suggest(d, name, value.span, specs()));
        return None;
    };
    let name = Word { text: name.clone(), span: value.span };
    let args = spec::resolve(spec_of(what), &name, rest, scope, diagnostics)?;
    Some(Chosen { what, args, span: line.head() })
}

fn batch_size(args: &Args, diagnostics: &mut Diagnostics) -> Option<BatchSize> {
    let memory = args.get("memory");
    if let Ok(images) = args.whole("size") {
        if let (Some(span), Some(size)) = (memory.and_then(|given| given.span), args.span("size")) {
            diagnostics.push(
                Diagnostic::error(
                    codes::BAD_VALUE,
                    span,
                    "`memory` bounds what `batch auto` takes, but the number of images is given",
                )
                .label("leave this out")
                .related(size, format!("{images} images, whatever they take"))
                .replace("`batch auto`", size, "auto"),
            );
        }
        return Some(BatchSize::Images(images));
    }
    let memory = memory.map(|_| args.whole("memory")).transpose().ok()?;
    Some(BatchSize::Auto { memory: memory.map(|bytes| bytes as u64) })
}

fn early_stopping(args: &Args, span: Span) -> Option<EarlyStop> {
    let monitor = match args.word("monitor").ok()? {
        "validation.accuracy" => Monitor::Accuracy,
        _ => Monitor::Loss,
    };
    Some(EarlyStop { patience: args.whole("patience").ok()?, monitor, span })
}

fn checkpointing(args: &Args) -> Option<Checkpointing> {
    Some(Checkpointing { every: args.time("every").ok()?, keep: args.whole("keep").ok()? })
}
