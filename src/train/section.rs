//! `train { … }` → a checked [`TrainSection`], with every fault reported at its place.

use std::time::Duration;

use crate::diag::{Diagnostic, Diagnostics, Fault, codes};
use crate::run::Precision;
use crate::source::Span;
use crate::spec::{Args, Scope, section};
use crate::syntax::ast::Statement;
use crate::train::average::Warmup;
use crate::train::beginning::{self, Beginning};
use crate::train::groups::{self, Group};
use crate::train::losses::{LOSSES, Loss, Target};
use crate::train::mixes::{MIXES, Mix};
use crate::train::optimizers::{OPTIMIZERS, Optimizer};
use crate::train::schedules::{SCHEDULES, Schedule};
use crate::train::settings;

pub use crate::spec::section::Chosen;

/// A checked `train { … }`.
#[derive(Debug)]
pub struct TrainSection {
    pub loss: Chosen<dyn Loss>,
    pub optimizer: Chosen<dyn Optimizer>,
    pub schedule: Chosen<dyn Schedule>,
    /// Of the images of a batch.
    pub mix: Option<Chosen<dyn Mix>>,
    pub clip: Clip,
    pub decay: Decay,
    /// How weights begin, where it is written.
    pub init: Option<Initializer>,
    pub ema: Option<Ema>,
    /// What holds for some layers alone, in the order of the text.
    pub groups: Vec<Group>,
    pub epochs: usize,
    pub batch: BatchSize,
    /// Batches of an update.
    pub accumulate: usize,
    pub seed: u64,
    pub precision: Precision,
    /// Where the batch's size was written.
    pub batch_span: Option<Span>,
    pub early_stop: Option<EarlyStop>,
    pub checkpoint: Checkpointing,
    pub logs: Logs,
    /// What it begins with, where that is no random numbers.
    pub weights: Option<Beginning>,
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

/// How large gradients may be; `None` for any size.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clip {
    /// The Euclidean norm of all gradients together.
    pub norm: Option<f64>,
    /// The absolute value of each number.
    pub value: Option<f64>,
}

/// Which parameters weight decay pulls towards 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    All,
    /// Those of convolutions and linear layers: not biases, nor the scales and shifts of normalisation.
    Weights,
}

/// How weights begin where their layer does not say it.
#[derive(Clone, Debug, PartialEq)]
pub struct Initializer {
    pub name: &'static str,
    pub args: Args,
}

/// Running means of the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ema {
    /// How much of the mean stays in an update.
    pub decay: f64,
    pub warmup: Warmup,
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

/// For which other tool the measurements are written, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    None,
    Tensorboard,
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
    let lines = section::read(&settings::TRAIN, section, scope, diagnostics)?;
    let span = section.head();
    let loss = lines.chosen(&settings::LOSS, LOSSES, |loss| loss.spec(), span);
    let optimizer = lines.chosen(&settings::OPTIMIZER, OPTIMIZERS, |optimizer| optimizer.spec(), span);
    let schedule = lines.chosen(&settings::SCHEDULE, SCHEDULES, |schedule| schedule.spec(), span);
    if let (Some(schedule), Some(optimizer)) = (&schedule, &optimizer) {
        fit(schedule, optimizer, diagnostics);
    }
    let args = |setting| lines.found(setting).map(|found| found.args);
    let whole = |setting, name| args(setting).and_then(|args: Args| args.whole(name).ok());
    let batch = args(&settings::BATCH)?;
    let precision = args(&settings::PRECISION)?;
    let stop = lines.line(&settings::EARLY_STOP);
    Some(TrainSection {
        loss: loss?,
        optimizer: optimizer?,
        schedule: schedule?,
        mix: lines.chosen(&settings::MIX, MIXES, |mix| mix.spec(), span),
        clip: match lines.line(&settings::CLIP) {
            Some(line) => clipping(&line.found.as_ref()?.args)?,
            None => Clip::default(),
        },
        decay: decaying(&args(&settings::DECAY)?)?,
        init: match lines.line(&settings::INIT) {
            Some(line) => {
                let found = line.found.as_ref()?;
                Some(Initializer { name: found.spec.name, args: found.args.clone() })
            }
            None => None,
        },
        ema: match lines.line(&settings::EMA) {
            Some(line) => Some(averaging(&line.found.as_ref()?.args)?),
            None => None,
        },
        groups: groups::of(&lines)?,
        epochs: whole(&settings::EPOCHS, "count")?,
        batch: batch_size(&batch, diagnostics)?,
        accumulate: match lines.line(&settings::ACCUMULATE) {
            Some(line) => line.found.as_ref()?.args.whole("batches").ok()?,
            None => 1,
        },
        seed: whole(&settings::SEED, "number")? as u64,
        precision: precision.word("kind").map(Precision::of).ok()?,
        batch_span: batch.span("size"),
        early_stop: stop.and_then(|line| early_stopping(&line.found.as_ref()?.args, line.statement.head())),
        checkpoint: checkpointing(&args(&settings::CHECKPOINT)?)?,
        logs: lines.line(&settings::LOGS).map_or(Logs::None, |_| Logs::Tensorboard),
        weights: beginning::of(&lines),
        span,
    })
}

/// Refuses a schedule that asks for what the optimizer does not have, and rates below 0.
fn fit(schedule: &Chosen<dyn Schedule>, optimizer: &Chosen<dyn Optimizer>, diagnostics: &mut Diagnostics) {
    if schedule.args.numbers("factors").is_ok_and(|all| all.iter().any(|factor| *factor < 0.0)) {
        let span = schedule.args.span("factors").unwrap_or(schedule.span);
        let message = "a learning rate below 0 would learn the opposite";
        diagnostics.push(Diagnostic::error(codes::BAD_VALUE, span, message).label("numbers of at least 0"));
    }
    if !schedule.args.bool("cycle_momentum").unwrap_or(false) {
        return;
    }
    let span = schedule.args.span("cycle_momentum").unwrap_or(schedule.span);
    let name = optimizer.what.spec().name;
    let without = match optimizer.what.carries() {
        None => format!("`cycle_momentum` moves the momentum of an optimizer, and that of `{name}` stays"),
        Some(own) if optimizer.args.number(own).is_ok_and(|number| number == 0.0) => {
            format!("`cycle_momentum` moves `{own}`, and `{name}` has none")
        }
        Some(_) => return,
    };
    diagnostics.push(
        Diagnostic::error(codes::TRAINING_NEEDS, span, without)
            .related(optimizer.span, "this optimizer")
            .advise("`sgd` with `momentum=0.9`, or `adam`, `adamw` or `lamb`"),
    );
}

fn batch_size(args: &Args, diagnostics: &mut Diagnostics) -> Option<BatchSize> {
    let memory = args.get("memory");
    if let Ok(images) = args.whole("size") {
        if let (Some(span), Some(size)) = (memory.and_then(|given| given.span), args.span("size")) {
            diagnostics.push(
                Diagnostic::error(
                    codes::BAD_VALUE,
                    span,
                    "`memory` limits what `batch auto` takes, but the number of images is given",
                )
                .label("remove this")
                .related(size, format!("{images} images, whatever memory they take"))
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

fn clipping(args: &Args) -> Option<Clip> {
    Some(Clip { norm: args.number_if_given("norm").ok()?, value: args.number_if_given("value").ok()? })
}

fn decaying(args: &Args) -> Option<Decay> {
    Some(match args.word("on").ok()? {
        "weights" => Decay::Weights,
        _ => Decay::All,
    })
}

fn averaging(args: &Args) -> Option<Ema> {
    let warmup = if args.bool("warmup").ok()? { Warmup::On } else { Warmup::Off };
    Some(Ema { decay: args.number("decay").ok()?, warmup })
}

fn checkpointing(args: &Args) -> Option<Checkpointing> {
    Some(Checkpointing { every: args.time("every").ok()?, keep: args.whole("keep").ok()? })
}
