//! A device whose memory is too small: what is said before the run, and that what was saved before a failure stays.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use dslc::data::Dataset;
use dslc::data::samples::Samples;
use dslc::diag::{Fault, codes, has_errors};
use dslc::experiment::Experiment;
use dslc::kernels::cuda::launch::{Command, Place, Task};
use dslc::kernels::cuda::machine::Machine;
use dslc::kernels::cuda::storage::Stored;
use dslc::run::{Cpu, Cuda, Precision, Session};
use dslc::tensor::{Device, device_fault};
use dslc::train::checkpoint::{Card, Weights, save};
use dslc::train::prepared::{prepare, prepare_on};
use dslc::train::progress::Progress;
use dslc::train::trainer::{Epoch, Job, Observer, StepDone};

use crate::support::check;

/// Memory without kernels: programs do nothing, so that every loss is 0. Fails as a device without memory does.
#[derive(Default)]
struct Failing {
    memory: Vec<f32>,
    /// Runs before the failure.
    runs_left: usize,
    /// Whether there is no memory to begin with.
    at_once: bool,
}

fn no_memory() -> Fault {
    device_fault("the CUDA driver", "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")")
}

impl Machine for Failing {
    fn precision(&self) -> Precision {
        Precision::F32
    }

    fn offers(&self, _command: &Command<Place>) -> Result<bool, Fault> {
        Ok(false)
    }

    fn begin(&mut self, len: usize, _programs: Vec<Vec<Task<Stored<usize>>>>) -> Result<(), Fault> {
        self.memory = vec![0.0; len];
        if self.at_once { Err(no_memory()) } else { Ok(()) }
    }

    fn write(&mut self, at: usize, numbers: &[f32]) -> Result<(), Fault> {
        self.memory[at..at + numbers.len()].copy_from_slice(numbers);
        Ok(())
    }

    fn read(&self, at: usize, numbers: &mut [f32]) -> Result<(), Fault> {
        numbers.copy_from_slice(&self.memory[at..at + numbers.len()]);
        Ok(())
    }

    fn run(&mut self, _program: usize) -> Result<(), Fault> {
        self.runs_left = self.runs_left.checked_sub(1).ok_or_else(no_memory)?;
        Ok(())
    }

    fn profile(&mut self, _program: usize) -> Result<Vec<Duration>, Fault> {
        Ok(Vec::new())
    }

    fn finish(&self) -> Result<(), Fault> {
        Ok(())
    }
}

/// Saves the weights behind each epoch.
struct Saving(PathBuf);

impl Observer for Saving {
    fn step(&mut self, _done: &StepDone) {}

    fn epoch(&mut self, epoch: &Epoch, progress: &Progress, session: &Session) -> Result<(), Fault> {
        save(&self.0, session, &Card { epoch: epoch.number, step: progress.step, ..Card::default() })
    }
}

fn images(n: usize) -> Samples {
    let names = (0..10).map(|k| k.to_string()).collect();
    Samples::of_bytes([1, 28, 28], vec![7; n * 784], vec![1; n], names)
}

fn small() -> (Experiment, Dataset) {
    let text = "model N { input 1x28x28; flatten -> linear 10 }\n\
                data { source mnist \"m\" }\n\
                train { loss cross_entropy; optimizer sgd lr=1e-3; epochs 9; batch 20 }";
    let (experiment, found) = check(text);
    assert!(!has_errors(&found), "{found:#?}");
    (experiment, Dataset::joined(images(200), images(60)).unwrap())
}

fn job(experiment: &Experiment, batch: usize) -> Job<'_> {
    let (Some(model), Some(data), Some(train)) = (&experiment.model, &experiment.data, &experiment.train)
    else {
        panic!("a part is missing")
    };
    Job { model, data, train, batch, device: &Device::Cpu }
}

fn train(job: Job<'_>, dataset: &Dataset, machine: Failing, weights: &Path) -> Fault {
    let prepared = prepare_on(&Cuda::with(Box::new(machine)), job, dataset, None).unwrap();
    let trained = prepared.train(None, &AtomicBool::new(false), &mut Saving(weights.to_owned()));
    trained.map(|_| ()).unwrap_err()
}

#[test]
fn a_device_that_runs_out_of_memory_leaves_the_last_weights() {
    let (experiment, dataset) = small();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    // Ten steps an epoch: it fails in the third.
    let machine = Failing { runs_left: 25, ..Failing::default() };
    let fault = train(job(&experiment, 20), &dataset, machine, &path);
    assert_eq!(fault.code, codes::TOO_BIG);
    assert!(format!("{fault:?}").contains("are intact"), "{fault:?}");
    let weights = Weights::open(&path).unwrap();
    assert_eq!((weights.card.epoch, weights.card.step), (2, 20));
    let whole = std::fs::read(&path).unwrap();
    // A second run that does not even begin leaves them as they are.
    let machine = Failing { at_once: true, ..Failing::default() };
    let fault = train(job(&experiment, 20), &dataset, machine, &path);
    assert_eq!(fault.code, codes::TOO_BIG);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}

#[test]
fn a_batch_that_does_not_fit_is_refused_with_the_largest_that_does() {
    let (experiment, dataset) = small();
    let bytes = |batch: usize| prepare(job(&experiment, batch), &dataset).unwrap().bytes().unwrap();
    let limit = (bytes(37) + bytes(38)) / 2;
    let within = |batch: usize| prepare_on(&Cpu, job(&experiment, batch), &dataset, Some(limit)).map(|_| ());
    let fault = within(200).unwrap_err();
    assert_eq!(fault.code, codes::TOO_BIG);
    let text = format!("{fault:?}");
    let best = text.split("--set train.batch=").nth(1).unwrap();
    let best: usize = best.split('`').next().unwrap().parse().unwrap();
    assert_eq!(within(best), Ok(()));
    assert!(best < 200 && within(best + 1).is_err(), "{best}");
    // Where not even one image fits, none is named.
    let fault = prepare_on(&Cpu, job(&experiment, 20), &dataset, Some(1000)).map(|_| ()).unwrap_err();
    assert!(!format!("{fault:?}").contains("largest that fits"), "{fault:?}");
}
