//! `train { … }` → a checked [`TrainSection`], with every fault reported at its place.

use std::time::Duration;

use crate::data::sample::Task;
use crate::data::section::DataSection;
use crate::diag::{Diagnostic, Diagnostics, Fault, codes};
use crate::run::Precision;
use crate::source::Span;
use crate::spec::section::{Lines, Setting};
use crate::spec::{Arg, Args, Scope, section};
use crate::syntax::ast::{Statement, Word};
use crate::train::average::Warmup;
use crate::train::beginning::{self, Beginning};
use crate::train::groups::{self, Group};
use crate::train::losses::{LOSSES, Loss, Target};
use crate::train::metrics::{self, Better, Evaluation, Metric};
use crate::train::mixes::{MIXES, Mix};
use crate::train::optimizers::{OPTIMIZERS, Optimizer};
use crate::train::schedules::{SCHEDULES, Schedule};
use crate::train::settings;
use crate::train::watched::{self, Watching};

pub use crate::spec::section::Chosen;

/// A checked `train { … }`.
#[derive(Clone, Debug)]
pub struct TrainSection {
    pub loss: Chosen<dyn Loss>,
    /// More losses, which are added to it.
    pub losses: Vec<Chosen<dyn Loss>>,
    /// For each auxiliary head of the model the loss that it has of its own, if it has one.
    pub auxiliaries: Vec<Option<Chosen<dyn Loss>>>,
    /// What the model's further outputs are held to, in their order, where there are data.
    pub outputs: Vec<OutputTraining>,
    /// What the data tell of an image, where there are data.
    pub task: Option<Task>,
    /// What is measured, as it is written.
    pub metrics: Option<Vec<&'static Metric>>,
    /// Where that is.
    pub metrics_span: Option<Span>,
    /// Metrics that something else in the file names.
    pub asked: Vec<&'static Metric>,
    /// What decides which weights are the best, and where that is written.
    pub monitor: Monitor,
    /// The further output of which that is.
    pub monitored: Option<Word>,
    pub monitor_span: Option<Span>,
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

/// What a further output of the model is held to.
#[derive(Clone, Debug)]
pub struct OutputTraining {
    pub name: String,
    pub loss: Chosen<dyn Loss>,
    /// How much that counts.
    pub weight: f64,
    pub task: Task,
    /// Classes, labels or numbers.
    pub n: usize,
    /// What is measured.
    pub metrics: Vec<&'static Metric>,
    /// Whether it ends in a softmax or sigmoid.
    pub gives_probabilities: bool,
}

impl TrainSection {
    /// Whether the model learns the classes of images.
    pub fn classifies(&self) -> Result<bool, Fault> {
        Ok(self.task()? == Task::Classes)
    }

    /// What the model learns: what the data tell of an image, or the image itself.
    pub fn task(&self) -> Result<Task, Fault> {
        Ok(match (self.reproduces()?, self.task) {
            (true, _) => Task::Images,
            (false, Some(task)) => task,
            (false, None) => self.loss.what.takes().first().copied().unwrap_or_default(),
        })
    }

    /// Whether the target is the image itself as it reaches the model.
    pub fn reproduces(&self) -> Result<bool, Fault> {
        Ok(self.loss.what.target(&self.loss.args)? == Target::Input)
    }

    /// Every loss that the model's output is held to.
    pub fn all_losses(&self) -> impl Iterator<Item = &Chosen<dyn Loss>> {
        std::iter::once(&self.loss).chain(&self.losses)
    }

    /// The losses that an auxiliary head is held to, by its place in the model.
    pub fn losses_of_auxiliary(&self, at: usize) -> impl Iterator<Item = &Chosen<dyn Loss>> {
        let own = self.auxiliaries.get(at).and_then(Option::as_ref);
        let usual = self.all_losses().take(if own.is_some() { 0 } else { usize::MAX });
        own.into_iter().chain(usual)
    }

    /// The larger, the better: what decides which weights are the best.
    pub fn score(&self, validation: &Evaluation) -> f64 {
        match &self.monitored {
            None => self.monitor.score(validation),
            Some(output) => validation.output(&output.text).map_or(UNDEFINED, |own| self.monitor.score(own)),
        }
    }

    /// What is measured of the model's own output, besides the loss.
    pub fn measured(&self) -> Result<Vec<&'static Metric>, Fault> {
        let task = self.task()?;
        let mut all = self.metrics.clone().unwrap_or_else(|| metrics::usual(task));
        let watched = match (self.monitor, &self.monitored) {
            (Monitor::Metric(metric), None) => Some(metric),
            (Monitor::Metric(_) | Monitor::Loss, _) => None,
        };
        for metric in self.asked.iter().copied().chain(watched) {
            if !all.contains(&metric) && (metric.how)(task).is_some() {
                all.push(metric);
            }
        }
        Ok(all)
    }

    /// The section with what only the data tell: the kind of targets, and the weights of balanced classes.
    pub fn settled(&self, data: &DataSection) -> TrainSection {
        let mut settled = self.clone();
        settled.task = Some(data.facts.task);
        let auxiliaries = settled.auxiliaries.iter_mut().flatten();
        for loss in std::iter::once(&mut settled.loss).chain(&mut settled.losses).chain(auxiliaries) {
            let asks = loss.args.word("weights").is_ok_and(|word| word == "balanced");
            if let Some(balance) = data.balance.clone().filter(|_| asks) {
                loss.args = loss.args.with("weights", &Arg::Numbers(balance));
            }
        }
        settled
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Monitor {
    Loss,
    Metric(&'static Metric),
}

/// The score of a metric that is not defined for the images: below every other, and a number that JSON has.
const UNDEFINED: f64 = -1e300;

impl Monitor {
    /// Of `validation.accuracy` or `accuracy`.
    fn named(word: &str) -> Monitor {
        let name = word.strip_prefix("validation.").unwrap_or(word);
        metrics::find(name).map_or(Monitor::Loss, Monitor::Metric)
    }

    /// The larger, the better.
    pub fn score(self, validation: &Evaluation) -> f64 {
        match self {
            Monitor::Loss => -validation.loss,
            Monitor::Metric(metric) => {
                let Some(found) = validation.figure(metric) else { return UNDEFINED };
                match metric.better {
                    Better::Higher => found,
                    Better::Lower => -found,
                }
            }
        }
    }
}

/// Reads the section; `None` when loss or optimizer are missing or wrong.
pub fn resolve(
    section: &Statement,
    scope: &dyn Scope,
    diagnostics: &mut Diagnostics,
) -> Option<TrainSection> {
    let span = section.head();
    let (section, outputs) = watched::without_outputs(section);
    let before = diagnostics.len();
    let lines = section::read(&settings::TRAIN, &section, scope, diagnostics);
    watched::name_outputs(&mut diagnostics[before..], &outputs);
    let lines = lines?;
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
    let (monitor, monitored, monitor_span) = monitor(&lines, &outputs, diagnostics)?;
    let written = lines.line(&settings::METRICS);
    let metrics = match written {
        None => None,
        Some(line) => {
            let names = line.found.as_ref()?.args.texts("names").ok()?;
            Some(names.iter().filter_map(|name| metrics::find(name)).collect())
        }
    };
    Some(TrainSection {
        loss: loss?,
        losses: lines.chosen_again(&settings::LOSS, LOSSES, |loss| loss.spec()),
        auxiliaries: Vec::new(),
        outputs: Vec::new(),
        task: None,
        metrics,
        metrics_span: written.map(|line| line.statement.head()),
        asked: Vec::new(),
        monitor,
        monitored,
        monitor_span,
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
    Some(EarlyStop { patience: args.whole("patience").ok()?, span })
}

/// What is watched, of which further output, and where that is written.
type Watched = (Monitor, Option<Word>, Option<Span>);

/// What decides which weights are the best: `early_stop` and `keep` name one thing, or one of them does.
fn monitor(lines: &Lines<'_>, outputs: &[Watching], diagnostics: &mut Diagnostics) -> Option<Watched> {
    let of = |setting: &'static Setting, name: &'static str| match lines.line(setting) {
        None => Some(None),
        Some(line) => {
            let found = line.found.as_ref()?;
            let span = found.args.span(name);
            let output = outputs.iter().find(|own| Some(own.span) == span).map(|own| own.output.clone());
            let monitor = Monitor::named(found.args.word(name).ok()?);
            Some(Some((monitor, output, span, line.statement.head())))
        }
    };
    let stop = of(&settings::EARLY_STOP, "monitor")?;
    let keep = of(&settings::KEEP, "by")?;
    let names = |output: &Option<Word>| output.as_ref().map(|output| output.text.clone());
    Some(match (stop, keep) {
        (Some((own, output, Some(span), _)), Some((other, kept_output, _, kept)))
            if own != other || names(&output) != names(&kept_output) =>
        {
            let message = "`early_stop` and `keep` watch two different things";
            let d = Diagnostic::error(codes::BAD_VALUE, span, message).label("one watches this");
            diagnostics.push(d.related(kept, "and the other something else").advise("name the same in both"));
            return None;
        }
        (_, Some((monitor, output, span, head))) => (monitor, output, Some(span.unwrap_or(head))),
        (Some((monitor, output, span, head)), None) => (monitor, output, Some(span.unwrap_or(head))),
        (None, None) => (Monitor::Loss, None, None),
    })
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

#[cfg(test)]
mod tests {
    use super::Monitor;
    use crate::train::metrics::{Detail, Evaluation, find};
    use crate::train::progress::Scored;
    use crate::train::worst::Worst;

    #[test]
    fn a_metric_that_is_not_defined_has_the_lowest_score_and_is_read_again() {
        let evaluation = Evaluation {
            images: 1,
            loss: 0.5,
            plain_loss: None,
            classes: None,
            figures: Vec::new(),
            detail: Detail::None,
            worst: Worst::default(),
            outputs: Vec::new(),
        };
        let score = Monitor::Metric(find("mae").unwrap()).score(&evaluation);
        assert!(score < f64::from(f32::MIN));
        let text = serde_json::to_string(&Scored { epoch: 1, score }).unwrap();
        assert_eq!(serde_json::from_str::<Scored>(&text).unwrap().score, score);
    }
}
