//! Training in the process: a real network on real digits, what a run keeps and when it stops, and the arithmetic of
//! schedules against numbers worked out by hand.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use dslc::data::samples::{Images, Samples, part};
use dslc::data::{Dataset, Wanted};
use dslc::diag::{Fault, has_errors};
use dslc::experiment::Experiment;
use dslc::layers::lowering::STEP;
use dslc::model::lower::IMAGES;
use dslc::run::{Backend, Cpu, Session};
use dslc::tensor::Device;
use dslc::tensor::random::Random;
use dslc::train::checkpoint::{Card, Weights, save};
use dslc::train::prepared::prepare;
use dslc::train::program::{LABELS, optimized};
use dslc::train::progress::Progress;
use dslc::train::schedules;
use dslc::train::section::{BatchSize, TrainSection};
use dslc::train::trainer::{Ended, Epoch, Job, Observer, Outcome, StepDone};

use crate::support::{MODELS, check, experiment, training};

/// Keeps what it is told, and asks for the end after `stop_after` steps.
#[derive(Default)]
struct Watcher {
    epochs: Vec<Epoch>,
    weights: Vec<Vec<f32>>,
    steps: usize,
    stop_after: Option<usize>,
    interrupt: AtomicBool,
}

struct Watching<'a>(&'a mut Watcher, &'a AtomicBool);

impl Observer for Watching<'_> {
    fn step(&mut self, _done: &StepDone) {
        self.0.steps += 1;
        if self.0.stop_after == Some(self.0.steps) {
            self.1.store(true, Ordering::Relaxed);
        }
    }

    fn epoch(&mut self, epoch: &Epoch, _progress: &Progress, session: &Session) -> Result<(), Fault> {
        self.0.epochs.push(epoch.clone());
        self.0.weights.push(session.read_state("linear1.weight")?);
        Ok(())
    }
}

fn run(experiment: &Experiment, dataset: &Dataset, watcher: &mut Watcher) -> (Session, Outcome) {
    let (Some(model), Some(data), Some(train)) = (&experiment.model, &experiment.data, &experiment.train)
    else {
        panic!("a part is missing")
    };
    let interrupt = std::mem::take(&mut watcher.interrupt);
    let prepared =
        prepare(Job { model, data, train, batch: images(train), device: &Device::Cpu }, dataset).unwrap();
    prepared.train(None, &interrupt, &mut Watching(watcher, &interrupt)).unwrap()
}

/// The batch that a section gives.
fn images(train: &TrainSection) -> usize {
    match train.batch {
        BatchSize::Images(images) => images,
        BatchSize::Auto { .. } => panic!("no number is given"),
    }
}

fn whole(text: &str) -> Experiment {
    let (experiment, found) = check(text);
    assert!(!has_errors(&found), "{found:#?}");
    experiment
}

/// The first images of each part.
fn first(dataset: &Dataset, n_train: usize, n_test: usize) -> Dataset {
    let Images::Bytes { shape, values } = &dataset.samples.images else { panic!("bytes") };
    let some = |indices: &[u32]| {
        let pixels = indices.iter().flat_map(|&i| part(values, shape, i as usize).to_vec()).collect();
        let classes = indices.iter().map(|&i| dataset.samples.class(i)).collect();
        Samples::of_bytes(*shape, pixels, classes, dataset.classes().to_vec())
    };
    Dataset::joined(some(&dataset.parts.train[..n_train]), some(&dataset.parts.test[..n_test])).unwrap()
}

/// 87.7 % were measured when this was written; 10 % is chance.
#[test]
fn two_thousand_digits_teach_a_small_network() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/models/mnist.net")).unwrap();
    let experiment = whole(&text.replace("epochs 5", "epochs 3"));
    let data = experiment.data.as_ref().unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let all = data.source.load(&data.args, &models, Wanted::All).unwrap();
    let dataset = first(&all, 2000, 1000);
    let mut watcher = Watcher::default();
    let (_, outcome) = run(&experiment, &dataset, &mut watcher);
    assert_eq!((outcome.ended, outcome.steps, outcome.test.images), (Ended::Complete, 3 * 32, 1000));
    let accuracy = outcome.test.accuracy().unwrap();
    assert!(accuracy >= 0.85, "{accuracy}");
    let losses: Vec<f64> = watcher.epochs.iter().map(|epoch| epoch.train_loss).collect();
    assert!(losses.is_sorted_by(|a, b| a > b), "{losses:?}");
}

/// The corrected program of seed S0 learns from a few real digits: what it must not do is stay at chance, `ln 10`.
#[test]
fn the_corrected_classifier_of_the_first_seed_trains() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/models/classifier.net")).unwrap();
    let experiment = whole(&text.replace("epochs 1", "epochs 8").replace("batch 32", "batch 8"));
    let data = experiment.data.as_ref().unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let all = data.source.load(&data.args, &models, Wanted::All).unwrap();
    let dataset = first(&all, 16, 8);
    let interrupt = AtomicBool::new(false);
    let (Some(model), Some(train)) = (&experiment.model, &experiment.train) else {
        panic!("a part is missing")
    };
    let prepared =
        prepare(Job { model, data, train, batch: images(train), device: &Device::Cpu }, &dataset).unwrap();
    let (_, outcome) = prepared.train(None, &interrupt, &mut Silent).unwrap();
    let losses: Vec<f64> = outcome.epochs.iter().map(|epoch| epoch.train_loss).collect();
    assert_eq!((outcome.ended, outcome.steps), (Ended::Complete, 16));
    // From 2.31 to 1.59 when this was written.
    assert!(losses.is_sorted_by(|a, b| a > b) && losses[7] < 1.8, "{losses:?}");
}

/// Watches nothing.
struct Silent;

impl Observer for Silent {
    fn step(&mut self, _done: &StepDone) {}

    fn epoch(&mut self, _epoch: &Epoch, _progress: &Progress, _session: &Session) -> Result<(), Fault> {
        Ok(())
    }
}

/// Images and labels that have nothing to do with each other: what is learnt of some says nothing of others.
fn noise(n: usize, name: &str) -> Samples {
    let mut random = Random::new(1, name, 0);
    let pixels = (0..n * 784).map(|_| random.below(256) as u8).collect();
    let names = (0..10).map(|k| k.to_string()).collect();
    Samples::of_bytes([1, 28, 28], pixels, (0..n).map(|_| random.below(10)).collect(), names)
}

fn noisy(lines: &str) -> (Experiment, Dataset) {
    let text = format!(
        "model N {{ input 1x28x28; flatten -> linear 10 }}\n\
         data {{ source mnist \"m\"; validation 60 }}\n\
         train {{ loss cross_entropy; optimizer adam lr=1e-3; epochs 30; batch 20; {lines} }}"
    );
    let experiment = whole(&text);
    let dataset = Dataset::joined(noise(200, "train"), noise(50, "test")).unwrap();
    let (data, train) = (experiment.data.as_ref().unwrap(), experiment.train.as_ref().unwrap());
    let dataset = dataset.divided(data, train.seed, Wanted::All).unwrap();
    (experiment, dataset)
}

#[test]
fn a_run_that_learns_nothing_more_stops_and_tests_its_best_weights() {
    let (experiment, dataset) = noisy("early_stop patience=3");
    let mut watcher = Watcher::default();
    let (session, outcome) = run(&experiment, &dataset, &mut watcher);
    assert_eq!(outcome.ended, Ended::Early);
    let losses: Vec<f64> = watcher.epochs.iter().map(|e| e.validation.as_ref().unwrap().loss).collect();
    let best = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap();
    assert_eq!(losses.len(), best + 1 + 3, "{losses:?}");
    assert_eq!(outcome.tested, best + 1);
    // An epoch is the best so far if its loss is below all before it.
    for (i, epoch) in watcher.epochs.iter().enumerate() {
        assert_eq!(epoch.best, losses[..i].iter().all(|&loss| losses[i] < loss), "epoch {}", epoch.number);
    }
    assert!(session.read_state("linear1.weight").unwrap() == watcher.weights[best]);
    assert!(watcher.weights[best] != watcher.weights[losses.len() - 1]);
}

#[test]
fn an_interrupt_ends_the_run_behind_its_step() {
    let (experiment, dataset) = noisy("");
    let mut watcher = Watcher { stop_after: Some(10), ..Watcher::default() };
    let (_, outcome) = run(&experiment, &dataset, &mut watcher);
    // 140 images are 7 steps an epoch.
    assert_eq!((outcome.ended, outcome.steps, outcome.epochs.len()), (Ended::Interrupted, 10, 1));
    assert_eq!(outcome.begun.map(|begun| begun.images), Some(60));
    assert_eq!((outcome.tested, outcome.test.images), (1, 50));
}

/// One step of the program 0 on a batch that the step's number decides.
fn step(session: &mut Session, train: &TrainSection, step: u64) {
    let mut random = Random::new(9, "batch", step as u32);
    session.write(0, IMAGES, |out| out.iter_mut().for_each(|x| *x = random.normal())).unwrap();
    session.write(0, LABELS, |out| out.iter_mut().for_each(|x| *x = random.below(10) as f32)).unwrap();
    session.write(0, STEP, |out| out[0] = step as f32).unwrap();
    for (name, value) in train.optimizer.what.scalars(&train.optimizer.args, 1e-2, step + 1).unwrap() {
        session.write(0, name, |out| out[0] = value as f32).unwrap();
    }
    session.step(0).unwrap();
}

fn states(session: &Session) -> Vec<(String, Vec<u32>)> {
    let bits = |name: &str| session.read_state(name).unwrap().iter().map(|x| x.to_bits()).collect();
    session.states().iter().map(|state| (state.name.clone(), bits(&state.name))).collect()
}

#[test]
fn a_saved_state_goes_on_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    for (layers, optimizer) in MODELS {
        let experiment = experiment(layers, optimizer);
        let train = experiment.train.as_ref().unwrap();
        let graph = optimized(training(&experiment, 6)).unwrap();
        let mut session = Cpu.compile(vec![graph.clone()]).unwrap().start(1).unwrap();
        (0..3).for_each(|i| step(&mut session, train, i));
        let card = Card { model: "T".to_owned(), step: 3, ..Card::default() };
        save(&path, &session, &card).unwrap();
        let weights = Weights::open(&path).unwrap();
        assert_eq!(Card { checksum: None, ..weights.card.clone() }, card);
        weights.fit(&graph).unwrap();
        let mut other = Cpu.compile(vec![graph]).unwrap().start(2).unwrap();
        assert!(states(&other) != states(&session));
        weights.load(&mut other).unwrap();
        step(&mut session, train, 3);
        step(&mut other, train, 3);
        assert!(states(&other) == states(&session), "{layers}");
    }
}

#[test]
fn schedules_have_these_factors() {
    // Ten epochs of ten steps.
    let factor = |schedule: &str, step: u64| {
        let text = format!(
            "model T {{ input 4; linear 10 }}\ntrain {{ loss cross_entropy; optimizer sgd lr=1; schedule {schedule} }}"
        );
        let experiment = whole(&text);
        let chosen = &experiment.train.as_ref().unwrap().schedule;
        let progress = schedules::Progress { step, total: 100, steps_per_epoch: 10, plateau: 1.0 };
        schedules::factor(chosen.what, &chosen.args, progress).unwrap()
    };
    let table: &[(&str, &[(u64, f64)])] = &[
        ("constant", &[(0, 1.0), (99, 1.0)]),
        ("constant warmup=10%", &[(0, 0.1), (4, 0.5), (9, 1.0), (10, 1.0), (99, 1.0)]),
        ("step every=3 gamma=0.5", &[(0, 1.0), (29, 1.0), (30, 0.5), (59, 0.5), (60, 0.25), (99, 0.125)]),
        ("cosine", &[(0, 1.0), (25, 0.853_553_390_593_273_8), (50, 0.5), (75, 0.146_446_609_406_726_2)]),
        ("cosine final=0.2", &[(0, 1.0), (50, 0.6), (100, 0.2)]),
        ("cosine warmup=20%", &[(0, 0.05), (19, 1.0), (20, 1.0), (60, 0.5), (100, 0.0)]),
    ];
    for (schedule, values) in table {
        for &(step, expected) in *values {
            let found = factor(schedule, step);
            assert!((found - expected).abs() < 1e-12, "{schedule} at step {step}: {found}, not {expected}");
        }
    }
}
