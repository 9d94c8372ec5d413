//! What an update is made of: several batches of one, running means, and groups of layers with terms of their own.

use std::sync::atomic::{AtomicBool, Ordering};

use dslc::data::samples::Samples;
use dslc::data::{Dataset, Wanted};
use dslc::diag::{Fault, has_errors};
use dslc::experiment::Experiment;
use dslc::graph::{Graph, StateKind};
use dslc::run::Session;
use dslc::tensor::Device;
use dslc::tensor::random::Random;
use dslc::train::checkpoint::{Card, Judged, Weights, save};
use dslc::train::prepared::{Prepared, prepare};
use dslc::train::program::optimized;
use dslc::train::progress::Progress;
use dslc::train::section::BatchSize;
use dslc::train::trainer::{Ended, Epoch, Job, Observer, Outcome, Start, StepDone};

use crate::support::{check, distance, training};

fn whole(text: &str) -> Experiment {
    let (experiment, found) = check(text);
    assert!(!has_errors(&found), "{text}: {found:#?}");
    experiment
}

/// Images and labels that have nothing to do with each other.
fn noise(n: usize, name: &str) -> Samples {
    let mut random = Random::new(1, name, 0);
    let pixels = (0..n * 784).map(|_| random.below(256) as u8).collect();
    let names = (0..10).map(|k| k.to_string()).collect();
    Samples::of_bytes([1, 28, 28], pixels, (0..n).map(|_| random.below(10)).collect(), names)
}

/// A training on 70 images of noise and a validation on 10.
fn trained(layers: &str, lines: &str) -> (Experiment, Dataset) {
    let text = format!(
        "model N {{ input 1x28x28; avg_pool2d 4; {layers} }}
         data {{ source mnist \"m\"; validation 10 }}
         train {{ loss cross_entropy; epochs 2; seed 3; {lines} }}"
    );
    let experiment = whole(&text);
    let dataset = Dataset::joined(noise(80, "train"), noise(20, "test")).unwrap();
    let dataset = dataset.divided(experiment.data.as_ref().unwrap(), 3, Wanted::All).unwrap();
    (experiment, dataset)
}

/// Keeps the state behind a number of batches and asks for the end there.
struct Cut<'a> {
    after: Option<usize>,
    batches: usize,
    interrupt: &'a AtomicBool,
    path: &'a std::path::Path,
    kept: Option<Progress>,
}

impl Observer for Cut<'_> {
    fn step(&mut self, _done: &StepDone) {
        self.batches += 1;
        if self.after == Some(self.batches) {
            self.interrupt.store(true, Ordering::Relaxed);
        }
    }

    fn state(&mut self, progress: &Progress, session: &Session) -> Result<(), Fault> {
        self.kept = Some(progress.clone());
        save(self.path, session, &Card::default())
    }

    fn epoch(&mut self, _epoch: &Epoch, _progress: &Progress, _session: &Session) -> Result<(), Fault> {
        Ok(())
    }
}

fn prepared<'a>(experiment: &'a Experiment, dataset: &'a Dataset) -> Prepared<'a> {
    let (Some(model), Some(data), Some(train)) = (&experiment.model, &experiment.data, &experiment.train)
    else {
        panic!("a part is missing")
    };
    let BatchSize::Images(batch) = train.batch else { panic!("no number is given") };
    prepare(Job { model, data, train, batch, device: &Device::Cpu }, dataset).unwrap()
}

fn run(experiment: &Experiment, dataset: &Dataset) -> (Session, Outcome) {
    let interrupt = AtomicBool::new(false);
    let place = tempfile::tempdir().unwrap();
    let mut cut = Cut { after: None, batches: 0, interrupt: &interrupt, path: place.path(), kept: None };
    prepared(experiment, dataset).train(None, &interrupt, &mut cut).unwrap()
}

/// The same, stopped behind so many batches and gone on with.
fn cut(experiment: &Experiment, dataset: &Dataset, after: usize) -> (Session, Outcome) {
    let interrupt = AtomicBool::new(false);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state.safetensors");
    let mut cut = Cut { after: Some(after), batches: 0, interrupt: &interrupt, path: &path, kept: None };
    let (_, outcome) = prepared(experiment, dataset).train(None, &interrupt, &mut cut).unwrap();
    assert_eq!(outcome.ended, Ended::Interrupted);
    let (progress, weights) = (cut.kept.unwrap(), Weights::open(&path).unwrap());
    let best = progress.best.map(|_| &weights);
    let start = Start { progress, weights: &weights, best, epochs: outcome.epochs };
    let interrupt = AtomicBool::new(false);
    let mut cut = Cut { after: None, batches: 0, interrupt: &interrupt, path: &path, kept: None };
    prepared(experiment, dataset).train(Some(start), &interrupt, &mut cut).unwrap()
}

fn states(session: &Session) -> Vec<(String, Vec<f32>)> {
    let numbers = |name: &str| session.read_state(name).unwrap();
    session.states().iter().map(|state| (state.name.clone(), numbers(&state.name))).collect()
}

fn state(session: &Session, name: &str) -> Vec<f32> {
    session.read_state(name).unwrap()
}

fn initial(experiment: &Experiment, dataset: &Dataset, name: &str) -> Vec<f32> {
    let interrupt = AtomicBool::new(true);
    let place = tempfile::tempdir().unwrap();
    let mut cut = Cut { after: None, batches: 0, interrupt: &interrupt, path: place.path(), kept: None };
    state(&prepared(experiment, dataset).train(None, &interrupt, &mut cut).unwrap().0, name)
}

const PLAIN: &str = "conv2d 4 3x3 -> relu -> flatten -> linear 10";
const NORMED: &str = "conv2d 4 3x3 -> batch_norm -> relu -> dropout 0.2 -> flatten -> linear 10";

#[test]
fn batches_that_are_added_up_are_one_large_batch() {
    // Of 70 images: windows of 20 and one of 10; windows of 30 and one of 10 that is a batch; all in one.
    for (large, small, updates) in [
        (20, "batch 5; accumulate 4", 4),
        (30, "batch 10; accumulate 3", 3),
        (70, "batch 24; accumulate 9", 1),
    ] {
        let lines = |batch: &str| format!("optimizer adamw lr=1e-2; clip norm=0.5; schedule cosine; {batch}");
        let (large, dataset) = trained(PLAIN, &lines(&format!("batch {large}")));
        let (small, _) = trained(PLAIN, &lines(small));
        let ((one, large), (other, small)) = (run(&large, &dataset), run(&small, &dataset));
        assert_eq!((small.steps, large.steps), (2 * updates, 2 * updates));
        for (a, b) in large.epochs.iter().zip(&small.epochs) {
            assert!((a.train_loss - b.train_loss).abs() < 1e-5, "{} and {}", a.train_loss, b.train_loss);
            assert_eq!(a.learning_rate, b.learning_rate);
        }
        for name in ["conv1.weight", "conv1.bias", "linear1.weight", "linear1.weight.square"] {
            let gap = distance(&state(&one, name), &state(&other, name));
            assert!(gap < 2e-5, "{name}: {gap}");
        }
    }
}

#[test]
fn a_run_that_stops_between_the_batches_of_an_update_goes_on_to_the_bit() {
    let lines = "optimizer adam lr=1e-2; batch 5; accumulate 4; ema 0.9; schedule cosine warmup=20%";
    let (experiment, dataset) = trained(NORMED, lines);
    let (whole, outcome) = run(&experiment, &dataset);
    for after in [1, 3, 4, 14, 17, 27] {
        let (session, other) = cut(&experiment, &dataset, after);
        assert!(states(&session) == states(&whole), "after {after} batches");
        assert_eq!((other.steps, other.test.loss), (outcome.steps, outcome.test.loss));
    }
}

#[test]
fn a_run_with_auxiliary_heads_goes_on_to_the_bit() {
    let layers = "conv2d 4 3x3 -> relu; auxiliary weight=0.3 { dropout 0.2 -> flatten -> linear 10 }; flatten -> linear 10";
    for lines in ["", "mix mixup", "accumulate 2", "ema 0.9"] {
        let (experiment, dataset) = trained(layers, &format!("optimizer adam lr=1e-2; batch 20; {lines}"));
        let (whole, outcome) = run(&experiment, &dataset);
        assert!(
            outcome.epochs.iter().all(|epoch| epoch.train_loss > epoch.validation.as_ref().unwrap().loss)
        );
        let (session, other) = cut(&experiment, &dataset, 5);
        assert!(states(&session) == states(&whole), "{lines}");
        assert_eq!((other.steps, other.test.loss), (outcome.steps, outcome.test.loss));
        let moved = state(&whole, "auxiliary1.linear1.weight");
        assert!(moved != initial(&experiment, &dataset, "auxiliary1.linear1.weight"), "{lines}");
    }
}

#[test]
fn running_means_are_what_is_measured_and_what_the_best_weights_are() {
    let (experiment, dataset) = trained(NORMED, "optimizer sgd lr=0.1; batch 20; ema 0.99");
    let (session, outcome) = run(&experiment, &dataset);
    let means = session.states().iter().filter(|state| state.kind == StateKind::Average);
    assert_eq!(means.count(), 8, "weights and statistics");
    assert!(state(&session, "conv1.weight") != state(&session, "conv1.weight.ema"));
    // Of other weights the same means give the same measurement, from either file.
    let place = tempfile::tempdir().unwrap();
    let [whole, judged] = ["whole", "judged"].map(|name| place.path().join(name));
    save(&whole, &session, &Card::default()).unwrap();
    save(&judged, &Judged::of(&session), &Card::default()).unwrap();
    let (Some(model), Some(data), Some(train)) = (&experiment.model, &experiment.data, &experiment.train)
    else {
        panic!("a part is missing")
    };
    let job = Job { model, data, train, batch: 20, device: &Device::Cpu };
    for path in [&whole, &judged] {
        let weights = Weights::open(path).unwrap();
        let found = dslc::train::evaluate::evaluate_only(job, &dataset, &weights).unwrap();
        assert_eq!(found.loss, outcome.test.loss);
    }
    let [whole, judged] = [&whole, &judged].map(|path| Weights::open(path).unwrap());
    let infos: Vec<_> = session.states().iter().filter(|s| s.kind == StateKind::Parameter).collect();
    for info in infos {
        let mean = state(&session, &format!("{}.ema", info.name));
        assert!(
            whole.state(info).unwrap() == Some(mean.clone()) && judged.state(info).unwrap() == Some(mean)
        );
    }
    // A run that stops before its first update is judged by the weights that it began with.
    let interrupt = AtomicBool::new(true);
    let mut watcher = Cut { after: None, batches: 0, interrupt: &interrupt, path: place.path(), kept: None };
    let (first, _) = prepared(&experiment, &dataset).train(None, &interrupt, &mut watcher).unwrap();
    assert!(state(&first, "conv1.weight") == state(&first, "conv1.weight.ema"));
}

fn n_of(graph: &Graph, op: &str) -> usize {
    graph.values().filter(|value| graph.node(*value).op.name() == op).count()
}

#[test]
fn frozen_layers_stay_and_cost_no_backward_pass() {
    let layers = "conv2d 4 3x3 padding=1 -> batch_norm -> relu -> conv2d 4 3x3 -> batch_norm -> relu -> flatten -> linear 10";
    let frozen = "group \"conv?\" freeze=true; group \"bn*\" freeze=true";
    let lines = |more: &str| format!("optimizer adam lr=1e-2 weight_decay=0.1; batch 20; {more}");
    let (experiment, dataset) = trained(layers, &lines(frozen));
    let graph = training(&experiment, 20);
    assert_eq!((n_of(&graph, "conv2d_grad_weight"), n_of(&graph, "conv2d_grad_input")), (0, 0));
    assert_eq!(n_of(&graph, "running_moment"), 0);
    // What is in a layer is the layer.
    let inside = trained(layers, &lines("group \"conv?.*\" freeze=true; group \"bn*.*\" freeze=true")).0;
    let text = |graph: &Graph| dslc::graph::print::text(graph, &|_| None);
    assert_eq!(text(&training(&inside, 20)), text(&graph));
    let (session, _) = run(&experiment, &dataset);
    for name in ["conv1.weight", "bn2.weight", "bn1.running_mean"] {
        assert!(state(&session, name) == initial(&experiment, &dataset, name), "{name}");
    }
    let moved = |session: &Session, experiment: &Experiment, name: &str| {
        state(session, name) != initial(experiment, &dataset, name)
    };
    assert!(moved(&session, &experiment, "linear1.weight"));
    let kept: Vec<_> = session.states().iter().filter(|state| state.kind == StateKind::Moment).collect();
    assert_eq!(kept.len(), 4, "moments of the last layer alone: {kept:?}");

    // With the batch's statistics the running ones follow; nothing else does.
    let with_batch = "group \"conv?\" freeze=true; group \"bn*\" freeze=true statistics=batch";
    let (experiment, _) = trained(layers, &lines(with_batch));
    let (session, _) = run(&experiment, &dataset);
    assert!(moved(&session, &experiment, "bn1.running_mean"));
    assert!(!moved(&session, &experiment, "bn1.weight"));

    // What stands behind a frozen layer is differentiated as far as it must be.
    let (experiment, dataset) = trained(layers, &lines("group \"conv2\" freeze=true"));
    let graph = optimized(training(&experiment, 20)).unwrap();
    assert_eq!((n_of(&graph, "conv2d_grad_weight"), n_of(&graph, "conv2d_grad_input")), (1, 1));
    run(&experiment, &dataset);
}

#[test]
fn a_group_has_its_own_rate_and_decay() {
    let lines =
        |optimizer: &str, more: &str| format!("optimizer {optimizer}; schedule cosine; batch 20; {more}");
    let end = |lines: &str| {
        let (experiment, dataset) = trained(PLAIN, lines);
        states(&run(&experiment, &dataset).0)
    };
    let plain = end(&lines("adamw lr=1e-2 weight_decay=0.1", ""));
    // Of all parameters, it is as if the optimizer had the numbers.
    assert!(end(&lines("adamw lr=0.5 weight_decay=0.3", "group \"*\" lr=1e-2 weight_decay=0.1")) == plain);
    // A later line takes the place of an earlier one in what it gives.
    let both = "group \"*\" lr=1e-2; group \"*.weight\" lr=1; group \"*\" weight_decay=0.1; group \"*.weight\" lr=1e-2";
    assert!(end(&lines("adamw lr=0.5", both)) == plain);
    let some = end(&lines("adamw lr=1e-2 weight_decay=0.1", "group \"conv1\" lr=0 weight_decay=0"));
    let (experiment, dataset) = trained(PLAIN, &lines("sgd lr=1", ""));
    for (name, numbers) in some.iter().filter(|(name, _)| ["conv1.weight", "conv1.bias"].contains(&&**name)) {
        assert!(*numbers == initial(&experiment, &dataset, name), "{name}");
    }
    assert!(some.iter().zip(&plain).any(|(a, b)| a.0 == "linear1.weight" && a.1 != b.1));
}

#[test]
fn a_pattern_that_fits_nothing_is_answered_with_a_name() {
    let said = |lines: &str| {
        let text = format!(
            "block body {{ conv2d 4 3x3 -> relu }}\nmodel N {{ input 1x8x8; body; flatten -> linear 10 }}
             train {{ loss cross_entropy; optimizer sgd lr=1; {lines} }}"
        );
        let found = check(&text).1;
        found.iter().map(|d| format!("{d:?}")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        said("group \"body1.*\" lr=1e-3; group \"linear1\" freeze=true; group \"*.bias\" weight_decay=0"),
        ""
    );
    let cases = [
        ("group \"bodi1.*\" lr=1", "body1.*"),
        ("group \"linear2\" lr=1", "linear1"),
        ("group \"relu_1\" lr=1", "fits no layer that has weights"),
        ("group \"backbone.*\" lr=1", "they are called body1.conv1, linear1"),
        ("group \"*\" freeze=true", "there is nothing to train"),
    ];
    for (lines, words) in cases {
        assert!(said(lines).contains(words), "{lines}: {}", said(lines));
    }
}

/// The first weights of a layer in a model that begins so.
fn begun(layers: &str, lines: &str, name: &str) -> Vec<f32> {
    let (experiment, dataset) = trained(layers, &format!("optimizer sgd lr=1; batch 20; {lines}"));
    initial(&experiment, &dataset, name)
}

fn deviation(numbers: &[f32]) -> f64 {
    let n = numbers.len() as f64;
    let mean = numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    (numbers.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n).sqrt()
}

#[test]
fn initialisers_have_their_spread_on_layers_and_for_all() {
    // 49 inputs to 300 outputs.
    let linear = |init: &str| format!("flatten -> linear 300{init} -> relu -> linear 10");
    let cases: &[(&str, &str, f64)] = &[
        ("kaiming_normal", "", (2.0f64 / 49.0).sqrt()),
        ("kaiming_normal", " fan=out gain=1", (1.0f64 / 300.0).sqrt()),
        ("kaiming_uniform", "", (2.0f64 / 49.0).sqrt()),
        ("xavier_normal", "", (2.0f64 / 349.0).sqrt()),
        ("xavier_uniform", " gain=2", 2.0 * (2.0f64 / 349.0).sqrt()),
        ("trunc_normal", "", 0.02),
        ("normal", " std=0.3", 0.3),
        ("orthogonal", "", (1.0f64 / 300.0).sqrt()),
        ("zeros", "", 0.0),
        ("ones", "", 0.0),
        ("default", "", 1.0 / (49.0f64 * 3.0).sqrt()),
    ];
    for (name, args, expected) in cases {
        let for_all = begun(&linear(""), &format!("init {name}{args}"), "linear1.weight");
        let found = deviation(&for_all);
        assert!((found - expected).abs() <= 0.03 * expected, "{name}{args}: {found}, not {expected}");
        if args.is_empty() && *name != "default" {
            let own = begun(&linear(&format!(" init={name}")), "init normal std=9", "linear1.weight");
            assert!(own == for_all, "{name}: a layer's own word comes first");
            assert!(begun(&linear(""), &format!("init {name}"), "linear1.bias").iter().all(|&x| x == 0.0));
        }
    }
    assert!(begun(&linear(""), "init default", "linear1.bias") == begun(&linear(""), "", "linear1.bias"));
    // Of a convolution in groups, 2·9 inputs to an output and 8·9 outputs to an input.
    let grouped = "conv2d 4 1x1 -> conv2d 16 3x3 padding=1 groups=2 -> conv2d 64 1x1 -> flatten -> linear 10";
    let found = deviation(&begun(grouped, "init xavier_normal", "conv2.weight"));
    let expected = (2.0f64 / (18.0 + 72.0)).sqrt();
    assert!((found - expected).abs() < 0.1 * expected, "{found}, not {expected}");
    let identity = begun("conv2d 3 3x3 padding=1 init=identity -> flatten -> linear 10", "", "conv1.weight");
    assert_eq!(identity.iter().position(|&x| x == 1.0), Some(4));
    assert_eq!(identity.iter().sum::<f32>(), 1.0);
}

#[test]
fn a_residual_block_can_begin_as_its_shortcut() {
    let layers =
        "conv2d 4 3x3 padding=1 -> basic_block 4 -> basic_block 8 stride=2 -> global_avg_pool -> linear 10";
    let scales = |lines: &str| {
        let (experiment, dataset) = trained(layers, &format!("optimizer sgd lr=1; batch 20; {lines}"));
        let names: Vec<String> =
            experiment.model.as_ref().unwrap().layers.iter().map(|l| l.name.clone()).collect();
        let norms = names.into_iter().filter(|name| name.contains("bn"));
        let first = |name: String| initial(&experiment, &dataset, &format!("{name}.weight"))[0];
        norms.map(first).collect::<Vec<f32>>()
    };
    // The second norm of each body; the third one of the second block is its shortcut's.
    assert_eq!(scales("init default zero_residual=true"), [1.0, 0.0, 1.0, 0.0, 1.0]);
    assert_eq!(scales("init kaiming_normal"), [1.0; 5]);
}

#[test]
fn a_plateau_is_gone_on_with_to_the_bit() {
    let lines =
        "optimizer sgd lr=0.5; batch 10; schedule plateau patience=0 factor=0.5 cooldown=1 threshold=0.9";
    let (mut experiment, dataset) = trained(PLAIN, lines);
    experiment.train.as_mut().unwrap().epochs = 6;
    let (whole, outcome) = run(&experiment, &dataset);
    let rates: Vec<f64> = outcome.epochs.iter().map(|epoch| epoch.learning_rate).collect();
    assert!(rates[0] == 0.5 && rates[5] < 0.5, "{rates:?}");
    for after in [8, 20, 25, 40] {
        let (session, other) = cut(&experiment, &dataset, after);
        assert!(states(&session) == states(&whole), "after {after} batches");
        assert_eq!(other.epochs.last().unwrap().learning_rate, rates[5]);
    }
}

#[test]
fn what_a_schedule_asks_of_its_training_is_checked() {
    let said = |data: &str, lines: &str| {
        let text = format!(
            "model N {{ input 1x28x28; flatten -> linear 10 }}\ndata {{ source mnist \"m\"{data} }}\ntrain {{ loss cross_entropy; {lines} }}"
        );
        check(&text).1.iter().map(|d| d.message.clone()).collect::<Vec<_>>().join("\n")
    };
    let plateau = "optimizer sgd lr=1; schedule plateau";
    assert!(said("", plateau).contains("`schedule plateau` watches validation images"));
    assert_eq!(said("; validation 10%", plateau), "");
    let cycle =
        |optimizer: &str| said("", &format!("optimizer {optimizer}; schedule one_cycle cycle_momentum=true"));
    assert_eq!(cycle("sgd lr=1 momentum=0.9") + &cycle("lamb") + &cycle("adamw"), "");
    assert!(cycle("sgd lr=1").contains("`cycle_momentum` moves `momentum`, and `sgd` has none"));
    assert!(cycle("nadam").contains("that of `nadam` stays"));
    assert!(said("", "optimizer sgd lr=1; schedule by_epoch [1, -1]").contains("below 0"));
}
