//! A job with its data → a run that fits the memory, planned and ready to begin.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use crate::data::Dataset;
use crate::diag::{Fault, codes};
use crate::graph::AVERAGE;
use crate::run::stock::Stock;
use crate::run::{Backend, Compiled, Session, StateInfo};
use crate::train::checkpoint::Weights;
use crate::train::feed::InStock;
use crate::train::probe::Probe;
use crate::train::programs::{Programs, Sizes};
use crate::train::progress::Progress;
use crate::train::trainer::{Course, Job, Observer, Outcome, Start};
use crate::train::{auto_batch, budget, kept};

/// A run that fits the machine's memory and is ready to begin.
pub struct Prepared<'a> {
    pub(in crate::train) course: Course<'a>,
    pub(in crate::train) compiled: Compiled,
    /// Bytes of memory beside what the graphs need, where somebody tells.
    spare: Option<u64>,
    /// States that begin with other numbers than their own, and these.
    initial: Vec<(String, Vec<f32>)>,
}

/// Compiles the programs; allocates nothing of what the training needs.
pub fn prepare<'a>(job: Job<'a>, dataset: &'a Dataset) -> Result<Prepared<'a>, Fault> {
    let backend = job.backend();
    prepare_on(&*backend, job, dataset, backend.available())
}

/// The same on a backend with so many bytes; `None` is as many as are needed.
pub fn prepare_on<'a>(
    backend: &dyn Backend,
    job: Job<'a>,
    dataset: &'a Dataset,
    available: Option<u64>,
) -> Result<Prepared<'a>, Fault> {
    let sizes = Sizes::of(dataset);
    if sizes.train == 0 {
        return Err(Fault::new(codes::DATA_FILE, "the data set has no training images"));
    }
    let watcher = match (&job.train.early_stop, job.train.schedule.what.watches()) {
        (Some(_), _) => Some("early_stop"),
        (None, true) => Some("schedule plateau"),
        (None, false) => job.train.monitor_span.map(|_| "keep"),
    };
    if let Some(watcher) = watcher.filter(|_| sizes.evaluated[0] == 0) {
        let message = format!("`{watcher}` watches validation images, and there are none");
        return Err(Fault::new(codes::TRAINING_NEEDS, message).advise("`validation 10%` in `data`"));
    }
    let mut programs = Programs::new(job.model, job.train, job.batch, sizes)?;
    programs.check_steps(job.model, sizes)?;
    let compiled = backend.compile(programs.take()).and_then(|compiled| budget::fit(compiled, available));
    let compiled = compiled.map_err(|fault| with_fitting_batch(fault, backend, job, sizes, available))?;
    let spare = available.map(|available| available - compiled.bytes());
    let course = Course { job, dataset, programs, in_stock: InStock::No };
    Ok(Prepared { course, compiled, spare, initial: Vec::new() })
}

/// A fault of memory with the largest batch that fits, where one does.
fn with_fitting_batch(
    fault: Fault,
    backend: &dyn Backend,
    job: Job<'_>,
    sizes: Sizes,
    available: Option<u64>,
) -> Fault {
    let Some(limit) = available.filter(|_| fault.code == codes::TOO_BIG) else { return fault };
    let needed = |images: usize| {
        let programs = Programs::new(job.model, job.train, images, sizes)?;
        Ok(backend.compile(programs.graphs)?.bytes())
    };
    match auto_batch::fitting(job.batch, limit, needed) {
        Some(images) => {
            let advice = format!("`--set train.batch={images}`, the largest that fits");
            Fault { remedies: Vec::new(), ..fault }.advise(advice)
        }
        None => fault,
    }
}

impl<'a> Prepared<'a> {
    /// Bytes that the run takes for states and values, and for images that stay on a GPU.
    pub fn bytes(&self) -> Result<u64, Fault> {
        let stock = self.stock()?.map_or(Ok(0), |stock| kept::bytes(&stock))?;
        Ok(self.compiled.bytes() + stock)
    }

    /// Bytes of a session that only trains, in whole batches, where there are so many images.
    pub fn step_bytes(&self) -> Option<u64> {
        let graph = self.course.programs.training(self.course.job.batch)?;
        Some(self.compiled.bytes_alone(graph))
    }

    /// Lets states begin with these numbers, where the training begins. A running mean begins as its state.
    pub fn begin_with(&mut self, numbers: Vec<(String, Vec<f32>)>) {
        self.initial = numbers;
    }

    /// The remark to show if the weights were written under older names of the layers.
    pub fn renamed(&self, weights: &Weights) -> Option<String> {
        let [was, is] = weights.renamed(self.compiled.states())?;
        let path = weights.path().display();
        Some(format!("{path} has the layers' older names: `{was}` is taken for `{is}`, and so on"))
    }

    /// Bytes of all states of the training: weights, statistics, and what the optimizer keeps.
    pub fn state_bytes(&self) -> u64 {
        self.compiled.states().iter().map(bytes).sum()
    }

    /// Bytes of the largest state: its first numbers are made beside it.
    pub fn largest_state(&self) -> u64 {
        self.compiled.states().iter().map(bytes).max().unwrap_or(0)
    }

    /// A look into the layers while they are trained, as far as there is memory for it.
    pub fn probe(&self) -> Result<Option<Probe<'a>>, Fault> {
        Probe::new(self.course.job, self.course.dataset, self.compiled.bytes(), self.spare)
    }

    /// That of the next step.
    pub fn learning_rate(&self, progress: &Progress) -> Result<f64, Fault> {
        self.course.learning_rate(progress)
    }

    /// The images that a device keeps to make its batches itself: all of them, if it can make them and has the memory.
    fn stock(&self) -> Result<Option<Stock<'a>>, Fault> {
        let Course { job, dataset, ref programs, .. } = self.course;
        // Devices have no kernel that mixes images.
        if job.train.mix.is_some() || !self.compiled.keeps_images() {
            return Ok(None);
        }
        kept::stock(job.data, dataset, &programs.modes(), job.train.seed, self.spare)
    }

    /// Trains, from the beginning or from where an earlier training stood, and evaluates on the test images at the end;
    /// `interrupt` stops it after the current step.
    pub fn train(
        self,
        start: Option<Start<'_>>,
        interrupt: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<(Session, Outcome), Fault> {
        let stock = self.stock()?;
        let Prepared { mut course, compiled, initial, .. } = self;
        course.in_stock = if stock.is_some() { InStock::Yes } else { InStock::No };
        if let Some(start) = &start {
            start.weights.fit_whole(compiled.states())?;
        }
        let mut session = compiled.start_with(course.job.train.seed, stock)?;
        if start.is_none() {
            begin(&mut session, initial)?;
        }
        course.train(session, start, interrupt, observer)
    }
}

fn bytes(state: &StateInfo) -> u64 {
    (state.shape.elements() * size_of::<f32>()) as u64
}

/// Gives states the numbers that they begin with; what no graph reads needs none.
fn begin(session: &mut Session, initial: Vec<(String, Vec<f32>)>) -> Result<(), Fault> {
    let known: BTreeSet<String> = session.states().iter().map(|state| state.name.clone()).collect();
    for (name, numbers) in initial {
        for own in [format!("{name}{AVERAGE}"), name] {
            if known.contains(&own) {
                session.write_state(&own, &numbers)?;
            }
        }
    }
    Ok(())
}
