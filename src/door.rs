//! The library as a stranger calls it: a function for each thing that the commands do, with the types that they take and
//! give. Nothing here prints; every error is a [`Fault`] with its remedies.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::Dataset;
use crate::data::folds::Fold;
use crate::data::section::DataSection;
use crate::diag::{Diagnostic, Fault, Severity, codes, has_errors, render};
use crate::experiment::figures::{Figures, figures};
use crate::experiment::loaded::{Loaded, load_text};
use crate::experiment::resolved::Settled;
use crate::experiment::{Experiment, disk};
use crate::graph::{Graph, print};
use crate::model::Model;
use crate::predict::Predictor;
use crate::run::{Backend, Cpu};
use crate::runs::begin::begin;
use crate::runs::recorder::Viewer;
use crate::runs::resume::{Stopped, stopped};
use crate::runs::room::{self, Need};
use crate::runs::train::{Recording, Signals, machine, train as train_in};
use crate::tensor::device::{self, Choice};
use crate::train::auto_batch;
use crate::train::metrics::Evaluation;
use crate::train::prepared::{Prepared, prepare};
use crate::train::program::{inference_graph, optimized, training_graph};
use crate::train::programs::Sizes;
use crate::train::section::TrainSection;
use crate::train::trainer::{Ended, Epoch, Job, StepDone};
use crate::weights::beginning;

/// A `.net` or `.model` file that was read and checked.
pub struct Checked(Loaded);

/// Reads and checks a file with everything that it uses, after overrides such as `train.epochs=1`.
///
/// # Errors
/// A file that cannot be read. What is wrong *in* it are the findings of [`Checked`].
pub fn check(path: impl AsRef<Path>, settings: &[String]) -> Result<Checked, Fault> {
    let path = path.as_ref();
    let text = disk::read(Path::new(""), path).map_err(|reason| Fault::new(codes::IMPORT, reason))?;
    Ok(check_text(path, text, settings))
}

/// Checks a text that stands for the file at `path`: paths in it are relative to that file's folder.
///
/// ```
/// let right = dslc::check_text("tiny.model", "model Tiny { input 1x8x8; flatten -> linear 10 }", &[]);
/// assert!(right.is_right());
/// assert_eq!(right.parameters(), Some(650));
///
/// let wrong = dslc::check_text("tiny.model", "model Tiny { input 1x8x8; linear 10 }", &[]);
/// assert!(!wrong.is_right());
/// assert!(wrong.report().contains("flatten"));
/// ```
pub fn check_text(path: impl AsRef<Path>, text: impl Into<String>, settings: &[String]) -> Checked {
    Checked(load_text(path.as_ref(), text.into(), settings))
}

impl Checked {
    /// Whether no finding is an error.
    pub fn is_right(&self) -> bool {
        !has_errors(&self.0.diagnostics)
    }

    /// Everything that was found, in the order of the text.
    pub fn findings(&self) -> &[Diagnostic] {
        &self.0.diagnostics
    }

    /// The findings as a terminal shows them, without colour, 100 columns wide.
    pub fn report(&self) -> String {
        render::report(&self.0.sources, &self.0.diagnostics, false, 100)
    }

    /// Trained numbers of the model, if the file has one that is right.
    pub fn parameters(&self) -> Option<u64> {
        self.0.experiment.model.as_ref().map(|model| model.n_parameters() as u64)
    }

    /// What the model costs: parameters, FLOPs of one image, bytes, by layer and in all.
    ///
    /// # Errors
    /// A file that is not right, or has no model.
    pub fn figures(&self) -> Result<Figures, Fault> {
        self.right()?;
        let model = self.0.experiment.model.as_ref().ok_or_else(|| self.lacks("model"))?;
        figures(model, &self.0.sources, None)
    }

    /// The file with every default filled in, as a run records it.
    pub fn resolved(&self) -> String {
        self.0.resolved(Settled::default())
    }

    /// Answers for pictures, where the model has nothing to train, such as filters of given numbers.
    ///
    /// # Errors
    /// A file that is not right or has no model, or one that must be trained first; a device that is not there.
    pub fn predictor(&self, device: Choice) -> Result<Predictor, Fault> {
        self.right()?;
        Predictor::of_experiment(&self.0.experiment, &device::open(device)?.device)
    }

    fn right(&self) -> Result<(), Fault> {
        let first = self.0.diagnostics.iter().find(|finding| finding.severity == Severity::Error);
        match first {
            Some(finding) => Err(Fault::new(finding.code, finding.message.clone())
                .note(format!("{} has errors; `Checked::report` lists them", self.0.path.display()))),
            None => Ok(()),
        }
    }

    fn lacks(&self, section: &str) -> Fault {
        Fault::new(codes::MISSING_SECTION, format!("{} has no `{section}` section", self.0.path.display()))
    }

    /// The sections of a whole experiment that is right.
    fn whole(&self) -> Result<(&Model, &DataSection, &TrainSection), Fault> {
        self.right()?;
        let Experiment { model, data, train, .. } = &self.0.experiment;
        let model = model.as_ref().ok_or_else(|| self.lacks("model"))?;
        let data = data.as_ref().ok_or_else(|| self.lacks("data"))?;
        Ok((model, data, train.as_ref().ok_or_else(|| self.lacks("train"))?))
    }
}

/// A graph as it runs.
pub struct Compiled {
    graph: Graph,
    bytes: u64,
}

/// Lowers the model and optimises its graph for batches of `batch` images: the training step where the file has a `train`
/// section, otherwise inference.
///
/// # Errors
/// A file that is not right or has no model; a batch that no memory could hold.
pub fn compile(file: &Checked, batch: usize) -> Result<Compiled, Fault> {
    file.right()?;
    let model = file.0.experiment.model.as_ref().ok_or_else(|| file.lacks("model"))?;
    let graph = optimized(match &file.0.experiment.train {
        Some(train) => training_graph(model, train, batch)?,
        None => inference_graph(model, batch)?,
    })?;
    let bytes = Cpu.compile(vec![graph.clone()])?.bytes();
    Ok(Compiled { graph, bytes })
}

impl Compiled {
    /// A line a node: its op, shape and operands.
    pub fn text(&self) -> String {
        print::text(&self.graph, &|_| None)
    }

    /// Nodes, leaves among them.
    pub fn n_nodes(&self) -> usize {
        self.graph.values().count()
    }

    /// Bytes that the CPU's plan takes, for states and values.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// How a file is trained; [`Options::default`] is on the CPU, in the next free folder `runs/NAME-N`.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The folder of the run.
    pub out: Option<PathBuf>,
    /// `cpu`, `cuda`, `cuda:N`, `metal` or `auto`.
    pub device: Choice,
    /// Stops the training, or has its state kept, from another thread.
    pub signals: Arc<Signals>,
}

/// Who follows a training. Every method may do nothing.
pub trait Follow {
    /// After a step.
    fn step(&mut self, _done: &StepDone) {}
    /// After an epoch and its validation.
    fn epoch(&mut self, _epoch: &Epoch) {}
    /// Something besides the figures, such as a full disk.
    fn say(&mut self, _text: &str) {}
}

/// Nobody.
impl Follow for () {}

struct Following<'a>(&'a mut dyn Follow);

impl Viewer for Following<'_> {
    fn is_due(&self) -> bool {
        true
    }

    fn step(&mut self, done: &StepDone) {
        self.0.step(done);
    }

    fn epoch(&mut self, epoch: &Epoch) {
        self.0.epoch(epoch);
    }

    fn say(&mut self, text: &str) {
        self.0.say(text);
    }
}

/// What a training came to.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The folder with weights and measurements.
    pub folder: PathBuf,
    /// Whether it was stopped; [`resume`] continues it.
    pub interrupted: bool,
    /// Steps in all.
    pub steps: u64,
    /// Every whole epoch.
    pub epochs: Vec<Epoch>,
    /// The best weights on the test images.
    pub test: Evaluation,
}

/// Trains the network of a file with `model`, `data` and `train`, tests it, and leaves a folder.
///
/// # Errors
/// A file that is not right or not whole; data that cannot be read; a device that is not there; a network that does not fit
/// into memory; a folder that is taken; a loss that is no number any more.
pub fn train(file: &Checked, options: &Options, follow: &mut dyn Follow) -> Result<Trained, Fault> {
    file.whole()?;
    device::open(options.device)?;
    let (data, dataset) = file.0.open(&file.0.base())?;
    train_on(file, (&data, &dataset), None, options, follow)
}

/// The same on data that are open, of which a fold may have been taken.
pub(crate) fn train_on(
    file: &Checked,
    (data, dataset): (&DataSection, &Dataset),
    fold: Option<Fold>,
    options: &Options,
    follow: &mut dyn Follow,
) -> Result<Trained, Fault> {
    let (model, _, train) = file.whole()?;
    let opened = device::open(options.device)?;
    let train = &train.settled(data);
    let batch = auto_batch::batch(model, train, Sizes::of(dataset), &opened.device)?;
    let job = Job { model, data, train, batch: batch.images, device: &opened.device };
    let mut prepared = prepare(job, dataset)?;
    begin_with(&mut prepared, &job, &file.0.base())?;
    let need = Need::of(&prepared, &job);
    room::for_new(options.out.as_deref(), need)?.iter().for_each(|told| follow.say(told));
    let machine = machine(&opened.choice.to_string())?;
    let (folder, record) = begin(&file.0, (data, dataset), batch, machine, (options.out.as_deref(), fold))?;
    let probe = prepared.probe()?;
    let source = &record.source;
    let recording = Recording { probe, folder: &folder, source, stopped: None, spare: None };
    recorded(prepared, job, dataset, recording, &options.signals, follow)
}

/// Continues a run that was stopped, by whatever, to the bits that it would have had.
///
/// # Errors
/// As for [`train`]; a folder without a run, or in use; a run that is complete; data that are not those it began with.
pub fn resume(run: impl AsRef<Path>, signals: &Signals, follow: &mut dyn Follow) -> Result<Trained, Fault> {
    let run = stopped(run.as_ref())?;
    let file = check_text(run.file(), run.record.source.clone(), &[]);
    let (_, _, train) = file.whole()?;
    run.refuse_complete(train)?;
    device::open(run.record.machine.choice())?;
    let (data, mut dataset) = file.0.open(&run.record.base)?;
    if let Some(fold) = run.record.fold {
        fold.take(&mut dataset, train.seed)?;
    }
    resume_on(&run, &file, (&data, &dataset), signals, follow)
}

/// The same on data that are open, of which the run's fold has been taken.
pub(crate) fn resume_on(
    run: &Stopped,
    file: &Checked,
    (data, dataset): (&DataSection, &Dataset),
    signals: &Signals,
    follow: &mut dyn Follow,
) -> Result<Trained, Fault> {
    run.told.iter().for_each(|line| follow.say(line));
    let (model, _, train) = file.whole()?;
    let opened = device::open(run.record.machine.choice())?;
    run.record.refuse_other_data(data, dataset)?;
    run.refuse_other_classes(dataset)?;
    let train = &train.settled(data);
    let batch = auto_batch::batch(model, train, Sizes::of(dataset), &opened.device)?;
    let job = Job { model, data, train, batch: batch.images, device: &opened.device };
    let mut prepared = prepare(job, dataset)?;
    if run.is_new() {
        begin_with(&mut prepared, &job, &run.record.base)?;
    }
    let need = Need::of(&prepared, &job);
    room::for_stopped(&run.folder, need)?.iter().for_each(|told| follow.say(told));
    let probe = prepared.probe()?;
    let source = &run.record.source;
    let recording = Recording { probe, folder: &run.folder, source, stopped: Some(run), spare: None };
    recorded(prepared, job, dataset, recording, signals, follow)
}

/// Lets a training begin with what `weights` in its file says.
fn begin_with(prepared: &mut Prepared<'_>, job: &Job<'_>, base: &Path) -> Result<(), Fault> {
    if let Some(wanted) = &job.train.weights {
        prepared.begin_with(beginning::begin(job.model, wanted, base)?.numbers);
    }
    Ok(())
}

/// Trains, and records it to the end.
fn recorded(
    prepared: Prepared<'_>,
    job: Job<'_>,
    dataset: &Dataset,
    recording: Recording<'_>,
    signals: &Signals,
    follow: &mut dyn Follow,
) -> Result<Trained, Fault> {
    let folder = recording.folder.path().to_owned();
    let mut viewer = Following(follow);
    let finished =
        train_in(prepared, job, dataset, recording, signals, &mut viewer).map_err(|failed| failed.fault)?;
    let outcome = finished.outcome.clone();
    let summary = serde_json::to_string_pretty(&finished.report).map_err(Fault::internal)?;
    finished.close(&format!("{summary}\n"))?;
    Ok(Trained {
        folder,
        interrupted: outcome.ended == Ended::Interrupted,
        steps: outcome.steps,
        epochs: outcome.epochs,
        test: outcome.test,
    })
}
