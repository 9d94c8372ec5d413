//! `dslc run FILE`: train, test, and leave a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::cli::load;
use crate::cli::memory::{self, Measured, Planned};
use crate::cli::out::{err, out};
use crate::cli::processes::{self, Alike, Processes};
use crate::cli::progress::{self, Screen};
use crate::cli::scores::report_text;
use crate::cli::table::{duration, plural, short, speed, thousands};
use crate::cli::{Stop, batch, carried, devices, folds, signals, summary};
use crate::data::Dataset;
use crate::data::sample::Task;
use crate::data::section::DataSection;
use crate::diag::{Fault, codes};
use crate::experiment::expect;
use crate::experiment::figures::{self, Figures, figures};
use crate::experiment::loaded::Loaded;
use crate::experiment::resolved::Settled;
use crate::model::Model;
use crate::report::html::measurement;
use crate::run::{Backend, Precision};
use crate::runs::begin::begin;
use crate::runs::follow;
use crate::runs::record::Record;
use crate::runs::resume::Stopped;
use crate::runs::room::{self, Need};
use crate::runs::series::{Series, series};
use crate::runs::story::events;
use crate::runs::train::{self, Failed, Recording, Signals, machine};
use crate::tensor::Device;
use crate::tensor::device::Choice;
use crate::train::auto_batch::Batch;
use crate::train::evaluate::metric_bytes;
use crate::train::prepared::{Prepared, prepare_on};
use crate::train::probe::Probe;
use crate::train::programs::Sizes;
use crate::train::progress::Progress;
use crate::train::section::TrainSection;
use crate::train::trainer::{Ended, Job, Outcome};
use crate::weights::beginning;
use crate::weights::carry::Carried;

#[derive(clap::Args)]
pub struct Options {
    /// A `.net` file with `model`, `data` and `train`
    file: PathBuf,
    /// Override a setting by its path, such as `train.epochs=1`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// Start from these weights: a run's folder, or a safetensors, PyTorch, Keras or NumPy file
    #[arg(long, value_name = "WEIGHTS")]
    weights: Option<PathBuf>,
    /// The folder for weights and measurements, instead of runs/NAME-N (of folds, folds/NAME-N)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where to save instead while the run's own disk is full or cannot be written to
    #[arg(long, value_name = "DIR")]
    spare: Option<PathBuf>,
    /// Cross-validate: split the training images into this many parts, and for each train without it and measure on it
    #[arg(long, value_name = "N", conflicts_with = "spare", value_parser = clap::value_parser!(u32).range(2..=1000))]
    folds: Option<u32>,
    /// Where to run: cpu, cuda, cuda:N, metal, or auto for the best available
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Choice,
    /// Run on several devices, such as cuda:0,cuda:1: one process for each, with its part of every batch
    #[arg(long, value_name = "DEVICES", value_delimiter = ',', conflicts_with_all = ["device", "folds"])]
    devices: Vec<Choice>,
    /// End with one JSON line on standard output, and print nothing else there
    #[arg(long)]
    json: bool,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    if options.folds.is_some() {
        processes::refuse_several("run --folds")?;
    }
    processes::together(&options.devices, |processes| train(options, processes))
}

fn train(options: &Options, processes: Option<&Processes>) -> Result<(), Stop> {
    let mut settings = options.settings.clone();
    settings.extend(options.weights.as_deref().map(weights_setting).transpose()?);
    let loaded = load::load_whole(&options.file, &settings, &["model", "data", "train"])?;
    let asked = options.devices.first().copied().unwrap_or(options.device);
    let (device, taken) = devices::open_for(asked, processes)?;
    let ((data, dataset), measured) = memory::reading(|| loaded.data())?;
    if let Some(n) = options.folds {
        let way = folds::Way { out: options.out.as_deref(), device: options.device, json: options.json };
        return folds::run(&loaded, &data, dataset, n as usize, &way);
    }
    let training = Training {
        loaded: &loaded,
        data: &data,
        dataset: &dataset,
        measured,
        device: &device,
        spare: options.spare.as_deref(),
        json: options.json,
        processes,
    };
    training.go(&Place::New { out: options.out.as_deref(), device: taken })
}

/// `--weights` as the setting that it is, from wherever the file lies.
fn weights_setting(weights: &Path) -> Result<String, Stop> {
    let absolute = std::path::absolute(weights).unwrap_or(weights.to_owned());
    match absolute.to_str().filter(|text| !text.contains(['"', '\n', '\r'])) {
        Some(text) => Ok(format!("train.weights=\"{text}\"")),
        None => Err(Stop::Environment(format!(
            "error: the language has no text for the path {}\n  try: another name",
            weights.display()
        ))),
    }
}

/// A checked file with its data, ready to be trained on a device.
pub struct Training<'a> {
    pub loaded: &'a Loaded,
    pub data: &'a DataSection,
    pub dataset: &'a Dataset,
    /// The memory of the data.
    pub measured: Measured,
    pub device: &'a Device,
    /// Where to save while the run's own disk refuses.
    pub spare: Option<&'a Path>,
    pub json: bool,
    /// The processes that share the work, where there are several.
    pub processes: Option<&'a Processes>,
}

/// Where a training is recorded.
pub enum Place<'a> {
    /// In a folder of its own.
    New { out: Option<&'a Path>, device: Choice },
    /// In the folder of the run that goes on.
    Stopped {
        run: &'a Stopped,
        /// What is trained now, if that is not what was.
        changed: Option<Box<Record>>,
    },
}

impl Training<'_> {
    pub fn go(&self, place: &Place<'_>) -> Result<(), Stop> {
        let Training { loaded, data, dataset, device, .. } = *self;
        let experiment = &loaded.experiment;
        let (Some(model), Some(training)) = (&experiment.model, &experiment.train) else {
            return Err(Stop::Findings);
        };
        let training = &training.settled(data);
        let batch = batch::chosen(loaded, model, training, Sizes::of(dataset), device)?;
        let job = Job { model, data, train: training, batch: batch.images, device };
        let begun_with = match place {
            Place::New { .. } => self.beginning(model, training, &loaded.base())?,
            Place::Stopped { run, .. } if run.is_new() => {
                self.beginning(model, training, &run.record.base)?
            }
            Place::Stopped { .. } => None,
        };
        let backend = self.backend(&job)?;
        let mut prepared =
            prepare_on(&*backend, job, dataset, backend.available()).map_err(|fault| match fault.code {
                codes::BATCH_OF_ONE => {
                    loaded.print_at(&fault, data.source_span);
                    Stop::Findings
                }
                _ => fault.into(),
            })?;
        let of_step = match prepared.step_bytes() {
            None => figures::Training::planned(model, training, batch),
            bytes => figures::Training { batch, bytes },
        };
        let figures = figures(model, &loaded.sources, Some(of_step))?;
        if let Some(carried) = begun_with {
            prepared.begin_with(carried.numbers);
        }
        if let Some(processes) = self.processes {
            processes.agree(&self.alike(&job, place, batch)?)?;
            if !processes.leads() {
                return follow(prepared, place);
            }
        }
        let probe = prepared.probe()?;
        let planned = Planned {
            session: prepared.bytes()?,
            look: probe.as_ref().filter(|_| backend.is_host()).map_or(0, Probe::bytes),
            metrics: metric_bytes(training, dataset)?,
            filling: prepared.largest_state(),
        };
        let memory = memory::line(planned, &*backend, self.measured);
        let head = self.head(&figures, &memory)?;
        let head = head + &precision_line(&*backend, training.precision);
        let need = Need::of(&prepared, &job);

        let mut begun = None;
        let recording = match place {
            Place::New { out, device } => {
                room::for_new(*out, need)?.iter().for_each(|told| err(told));
                let machine = machine(&device.to_string())?;
                let (folder, record) =
                    &*begun.insert(begin(loaded, (data, dataset), batch, machine, (*out, None))?);
                let source = &record.source;
                Recording { probe, folder, source, stopped: None, spare: self.spare }
            }
            Place::Stopped { run, changed } => {
                room::for_stopped(&run.folder, need)?.iter().for_each(|told| err(told));
                if let Some(record) = changed {
                    let path = run.folder.path();
                    record
                        .write_with_file(path, &loaded.resolved_in(path, &record.base, Settled::default()))?;
                    let rate = prepared.learning_rate(&run.progress())?;
                    let epochs = plural(training.epochs as u64, "epoch", "epochs");
                    err(&format!("the learning rate continues at {rate:.3e}, as in a run of {epochs}"));
                }
                let source = &changed.as_deref().unwrap_or(&run.record).source;
                Recording { probe, folder: &run.folder, source, stopped: Some(run), spare: self.spare }
            }
        };
        self.train(prepared, job, recording, &head, &figures)
    }

    fn train(
        &self,
        prepared: Prepared<'_>,
        job: Job<'_>,
        recording: Recording<'_>,
        head: &str,
        figures: &Figures,
    ) -> Result<(), Stop> {
        let Training { loaded, dataset, json, .. } = *self;
        let folder = recording.folder.path();
        err(&format!("{head}\nfolder {}\n", folder.display()));
        let mut progress = progress::Progress::new(job.train.epochs);
        let screen = progress.screen();
        let signals = Arc::new(Signals::default());
        signals::listen(&signals, &screen)?;
        let trained = train::train(prepared, job, dataset, recording, &signals, &mut progress);
        screen.clear();
        let finished = match trained {
            Ok(finished) => finished,
            Err(Failed { fault, span }) if fault.code == codes::TRAINING_NEEDS => {
                loaded.print_at(&fault, span.unwrap_or(job.train.optimizer.span));
                return Err(Stop::Findings);
            }
            Err(failed) => return Err(failed.fault.into()),
        };
        let (report, ended) = (finished.report.clone(), finished.outcome.ended);
        let ending = ending(&finished.outcome, dataset.classes(), job.train.epochs);
        let ending = match courses(&events(folder)) {
            courses if courses.is_empty() => ending,
            courses => format!("{ending}\n\n{courses}"),
        };
        let text = format!("{head}\n\n{}\n\n{ending}\n", summary::text(figures));
        let closed = finished.close(&text);
        match json {
            true => out(&report.to_string())?,
            false => out(&format!("\n{ending}\nweights and measurements in {}", folder.display()))?,
        }
        closed?;
        if ended == Ended::Interrupted {
            err(&format!("`dslc resume {}` continues from here", folder.display()));
            return Err(Stop::Interrupted);
        }
        let broken = expect::judge(&loaded.experiment.expect, |quantity| report[quantity].as_f64());
        load::print(&loaded.sources, &broken);
        if broken.is_empty() { Ok(()) } else { Err(Stop::Findings) }
    }

    /// What runs it.
    fn backend(&self, job: &Job<'_>) -> Result<Box<dyn Backend>, Fault> {
        match self.processes {
            Some(processes) => processes.backend(job),
            None => Ok(job.backend()),
        }
    }

    /// What processes that share this training must have alike.
    fn alike(&self, job: &Job<'_>, place: &Place<'_>, batch: Batch) -> Result<Alike, Fault> {
        let Training { loaded, data, dataset, .. } = *self;
        let settled = Settled { batch: Some(batch), data: Some(data) };
        let at = match place {
            Place::New { .. } => Progress::default(),
            Place::Stopped { run, .. } => run.progress(),
        };
        let mut alike = Processes::batches(job, dataset)?;
        alike.push(("file", loaded.resolved(settled)));
        alike.push(("state to continue from", serde_json::to_string(&at).map_err(Fault::internal)?));
        Ok(alike)
    }

    /// What `weights` in the file says to begin with; tells it.
    fn beginning(&self, model: &Model, train: &TrainSection, base: &Path) -> Result<Option<Carried>, Stop> {
        let Some(wanted) = &train.weights else { return Ok(None) };
        match beginning::begin(model, wanted, base) {
            Ok(carried) => {
                carried::tell(model, &carried, &wanted.path);
                Ok(Some(carried))
            }
            Err(fault) => {
                self.loaded.print_at(&fault, wanted.span);
                Err(Stop::Environment(String::new()))
            }
        }
    }

    fn head(&self, figures: &Figures, memory: &str) -> Result<String, Stop> {
        let (parameters, flops) = figures.totals();
        let batch = match (figures.batch, figures.batch_bound) {
            (Some(images), Some(bound)) => {
                let images = plural(images as u64, "image", "images");
                format!("batch  {images}, chosen {bound}\n")
            }
            _ => String::new(),
        };
        let Training { loaded, data, dataset, .. } = *self;
        let cache = data.kept.place.as_ref().map_or(String::new(), |place| format!("cache  {place}\n"));
        let parts = &dataset.parts;
        let test = plural(parts.test.len() as u64, "test image", "test images");
        let images = match (parts.train.len() as u64, parts.validation.len() as u64) {
            (train, 0) => format!("{} and {test}", plural(train, "training image", "training images")),
            (train, validation) => {
                format!("{} training, {} validation and {test}", thousands(train), thousands(validation))
            }
        };
        let processes = self.processes.map(Processes::line).transpose()?;
        let processes = processes.map_or(String::new(), |line| format!("\n{line}"));
        Ok(format!(
            "model  {} ({}): {}, {} FLOPs per image\ndata   {images}, {}\n{cache}{batch}{memory}{processes}",
            loaded.experiment.model.as_ref().map_or("", |m| m.name.as_str()),
            loaded.path.display(),
            plural(parameters, "parameter", "parameters"),
            short(flops),
            match dataset.samples.targets.task() {
                Task::Images => "images to be given".to_owned(),
                task => format!("{} {}", dataset.classes().len(), task.names()),
            },
        ))
    }
}

/// Trains in a process that does not record.
fn follow(prepared: Prepared<'_>, place: &Place<'_>) -> Result<(), Stop> {
    let signals = Arc::new(Signals::default());
    signals::listen(&signals, &Screen::default())?;
    let stopped = match place {
        Place::New { .. } => None,
        Place::Stopped { run, .. } => Some(*run),
    };
    match follow::follow(prepared, stopped, &signals.stop) {
        Ok(Ended::Interrupted) => Err(Stop::Interrupted),
        Ok(Ended::Complete | Ended::Early) => Ok(()),
        // All have it, and the first process explains it.
        Err(fault) if fault.code == codes::TRAINING_NEEDS => Err(Stop::Findings),
        Err(fault) => Err(fault.into()),
    }
}

/// Says so if a device does not have the precision that was asked for.
fn precision_line(backend: &dyn Backend, asked: Precision) -> String {
    match backend.precision() {
        found if found == asked => String::new(),
        found => format!("\nprecision {}: {} is for CUDA devices", found.name(), asked.name()),
    }
}

/// How each measurement went over several epochs: `validation.loss  █▅▃▂▁▁  best 0.0352 in epoch 5`.
fn courses(events: &[Value]) -> String {
    let row = |own: &Series| {
        let (epoch, best) = own.best().filter(|_| own.points.len() > 1)?;
        Some(vec![
            own.name.clone(),
            own.blocks(),
            format!("best {} in epoch {epoch}", measurement(&own.name, best)),
        ])
    };
    let rows: Vec<Vec<String>> = series(events).iter().filter_map(row).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (names, blocks) = (width(0), width(1));
    let lines = rows.iter().map(|row| format!("{:<names$}  {:<blocks$}  {}", row[0], row[1], row[2]));
    lines.collect::<Vec<_>>().join("\n")
}

/// Per-class scores, confusions and the totals.
fn ending(outcome: &Outcome, classes: &[String], epochs: usize) -> String {
    let done = outcome.epochs.len();
    let ended = match outcome.ended {
        Ended::Complete => format!("trained {}", plural(done as u64, "epoch", "epochs")),
        Ended::Early => {
            format!("stopped early after epoch {done} of {epochs}, as `early_stop` says; trained")
        }
        Ended::Interrupted => {
            let within = if outcome.begun.is_some() { done + 1 } else { done };
            format!("interrupted in epoch {within} of {epochs}; trained")
        }
    };
    let tested = match outcome.tested < done {
        true => {
            format!("\ntested the weights of epoch {}, the best on the validation images", outcome.tested)
        }
        false => String::new(),
    };
    let seconds = duration(outcome.seconds);
    format!(
        "{}{tested}\n{ended} in {seconds} ({})",
        report_text(&outcome.test, classes, "test"),
        speed(outcome.images_per_second),
    )
}
