//! Several processes train to the bits of one.
#![allow(clippy::unwrap_used)]

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use dslc::data::samples::Samples;
use dslc::data::{Dataset, Wanted};
use dslc::diag::{Fault, has_errors};
use dslc::experiment::Experiment;
use dslc::graph::{Graph, Value};
use dslc::kernels::cpu::peers::{Filled, Peers, Rank};
use dslc::predict::Predictor;
use dslc::run::cpu::traffic::{Deed, traffic};
use dslc::run::{Backend, Cpu, Session, Shared};
use dslc::shape::Shape;
use dslc::tensor::Device;
use dslc::tensor::random::Random;
use dslc::train::prepared::prepare_on;
use dslc::train::program::optimized;
use dslc::train::progress::Progress;
use dslc::train::trainer::{Ended, Epoch, Job, Observer, Outcome, StepDone};

use crate::seats::{together, write_own};
use crate::support::{MODELS, check, experiment, training};

fn shared(peers: Arc<dyn Peers>) -> Shared {
    Shared { peers, n_near: 1 }
}

type Bits = Vec<(String, Vec<u32>)>;

fn states(session: &Session) -> Bits {
    let bits = |name: &str| session.read_state(name).unwrap().iter().map(|x| x.to_bits()).collect();
    session.states().iter().map(|state| (state.name.clone(), bits(&state.name))).collect()
}

/// Outputs and states of some steps on `batch` images. What a process need not write of its inputs is no number.
fn stepped(graph: &Graph, backend: &dyn Backend, batch: usize) -> Bits {
    let mut session = backend.compile(vec![graph.clone()]).unwrap().start(3).unwrap();
    let mut seen = Vec::new();
    for step in 0..2 {
        write_own(&mut session, graph, batch, step);
        session.step(0).unwrap();
        for output in &graph.outputs {
            let numbers = session.read(0, &output.name).unwrap();
            seen.push((output.name.clone(), numbers.iter().map(|x| x.to_bits()).collect()));
        }
    }
    seen.extend(states(&session));
    seen
}

#[test]
fn every_number_of_processes_has_the_bits_of_one() {
    let whole = ("flatten -> linear 640 -> relu -> linear 10", "sgd lr=0.1 momentum=0.9");
    let counts = [(9, 3), (6, 8), (13, 2), (8, 8), (3, 3), (16, 5)];
    for ((layers, optimizer), (batch, n)) in MODELS.iter().chain([&whole]).zip(counts) {
        let experiment = experiment(layers, optimizer);
        let graph = optimized(training(&experiment, batch)).unwrap();
        let alone = stepped(&graph, &Cpu, batch);
        let all = together(n, |peers| stepped(&graph, &shared(peers), batch));
        assert!(all.iter().all(|bits| *bits == alone), "{n} processes: {layers}");
    }
}

/// Notes what each process gives, and when.
struct Noting {
    seat: Arc<dyn Peers>,
    seen: Mutex<Vec<Deed>>,
}

fn lens(filled: &Filled) -> Vec<usize> {
    filled.iter().map(|ranges| ranges.iter().map(Range::len).sum()).collect()
}

impl Peers for Noting {
    fn rank(&self) -> Rank {
        self.seat.rank()
    }

    fn exchange(&self, memory: &mut [f32], filled: &Filled) -> Result<(), Fault> {
        self.seen.lock().unwrap().push(Deed::Exchange(lens(filled)));
        self.seat.exchange(memory, filled)
    }

    fn begin(&self, memory: &[f32], filled: &Filled) -> Result<(), Fault> {
        self.seen.lock().unwrap().push(Deed::Begin(lens(filled)));
        self.seat.begin(memory, filled)
    }

    fn complete(&self, memory: &mut [f32], filled: &Filled) -> Result<(), Fault> {
        self.seen.lock().unwrap().push(Deed::Complete);
        self.seat.complete(memory, filled)
    }
}

#[test]
fn a_plan_tells_what_is_exchanged() {
    for n in [2, 3, 8] {
        let (layers, optimizer) = MODELS[2];
        let graph = optimized(training(&experiment(layers, optimizer), 16)).unwrap();
        let told = traffic(&graph, n).unwrap();
        let seen = together(n, |seat| {
            let noting = Arc::new(Noting { seat, seen: Mutex::default() });
            stepped(&graph, &shared(Arc::clone(&noting) as Arc<dyn Peers>), 16);
            noting.seen.lock().unwrap().clone()
        });
        let divides = |deed: &Deed| matches!(deed, Deed::Compute { .. });
        let said: Vec<Deed> = told.iter().filter(|deed| !divides(deed)).cloned().collect();
        let twice = [said.clone(), said].concat();
        assert!(seen.iter().all(|own| *own == twice), "{n} processes, of two steps");
        // Gradients travel while the next stage computes.
        let begun = told.iter().position(|deed| matches!(deed, Deed::Begin(_))).unwrap();
        let complete = told.iter().position(|deed| *deed == Deed::Complete).unwrap();
        assert!(told[begun..complete].iter().any(|deed| matches!(deed, Deed::Compute { divided: true, .. })));
        let convolutions = |is_divided: bool| {
            let is_one = |value: &Value| graph.node(*value).op.name() == "conv2d";
            let of = |deed: &Deed| match deed {
                Deed::Compute { values, divided } if *divided == is_divided => {
                    values.iter().filter(|value| is_one(value)).count()
                }
                _ => 0,
            };
            told.iter().map(of).sum::<usize>()
        };
        assert!(convolutions(true) > 0 && convolutions(false) == 0);
    }
}

/// Images and labels that have nothing to do with each other.
fn noise(n: usize, name: &str) -> Samples {
    let mut random = Random::new(1, name, 0);
    let pixels = (0..n * 784).map(|_| random.below(256) as u8).collect();
    let names = (0..10).map(|k| k.to_string()).collect();
    Samples::of_bytes([1, 28, 28], pixels, (0..n).map(|_| random.below(10)).collect(), names)
}

/// Batches of 12 images and one of 4; the images are cropped, turned and mixed as `lines` say.
fn noisy(augment: &str, lines: &str) -> (Experiment, Dataset) {
    let text = format!(
        "model N {{ input 1x8x8; conv2d 4 3x3 padding=same bias=false -> batch_norm -> relu; basic_block 4\n\
         dropout 0.3; global_avg_pool -> linear 10 }}\n\
         data {{ source mnist \"m\"; resize 8x8; validation 10; {augment} }}\n\
         train {{ loss cross_entropy; optimizer adamw lr=1e-2; epochs 2; batch 12; seed 3; {lines} }}"
    );
    let (experiment, found) = check(&text);
    assert!(!has_errors(&found), "{found:#?}");
    let (data, train) = (experiment.data.as_ref().unwrap(), experiment.train.as_ref().unwrap());
    let dataset = Dataset::joined(noise(50, "train"), noise(9, "test")).unwrap();
    let dataset = dataset.divided(data, train.seed, Wanted::All).unwrap();
    (experiment, dataset)
}

/// Says nothing, and stops after so many steps.
struct Silent<'a> {
    steps: usize,
    stop: Option<(usize, &'a AtomicBool)>,
}

impl Observer for Silent<'_> {
    fn step(&mut self, _done: &StepDone) {
        self.steps += 1;
        if let Some((_, stop)) = self.stop.filter(|(after, _)| self.steps == *after) {
            stop.store(true, Ordering::Relaxed);
        }
    }

    fn epoch(&mut self, _epoch: &Epoch, _progress: &Progress, _session: &Session) -> Result<(), Fault> {
        Ok(())
    }
}

fn trained(on: &(Experiment, Dataset), backend: &dyn Backend, stop_after: Option<usize>) -> (Bits, Outcome) {
    let (experiment, dataset) = on;
    let (Some(model), Some(data), Some(train)) = (&experiment.model, &experiment.data, &experiment.train)
    else {
        panic!("a part is missing")
    };
    let job = Job { model, data, train, batch: 12, device: &Device::Cpu };
    let stop = AtomicBool::new(false);
    let mut observer = Silent { steps: 0, stop: stop_after.map(|after| (after, &stop)) };
    let prepared = prepare_on(backend, job, dataset, None).unwrap();
    let (session, outcome) = prepared.train(None, &stop, &mut observer).unwrap();
    (states(&session), outcome)
}

/// What a training came to, but for its times.
fn figures(outcome: &Outcome) -> String {
    let epochs: Vec<_> = outcome.epochs.iter().map(|e| (e.train_loss, &e.validation, e.best)).collect();
    format!("{epochs:?} {:?}", outcome.test)
}

#[test]
fn a_training_ends_with_the_same_bits_and_figures() {
    let augment = "augment { random_crop 8 padding=1 -> random_flip }";
    for (augment, lines, counts) in
        [(augment, "accumulate 2", [1, 2, 8]), ("", "mix mixup alpha=0.4", [3, 4, 8])]
    {
        let on = noisy(augment, lines);
        let (alone, outcome) = trained(&on, &Cpu, None);
        for n in counts {
            for (bits, own) in together(n, |peers| trained(&on, &shared(peers), None)) {
                assert!(bits == alone, "{n} processes");
                assert_eq!(figures(&own), figures(&outcome), "{n} processes");
            }
        }
    }
}

#[test]
fn a_stop_that_one_asks_for_stops_all_after_the_same_step() {
    let on = noisy("", "");
    let ended = together(3, |peers| {
        let stop = (peers.rank().number == 1).then_some(3);
        trained(&on, &shared(peers), stop)
    });
    let (bits, outcome) = &ended[0];
    assert_eq!((outcome.ended, outcome.steps), (Ended::Interrupted, 3));
    assert!(ended.iter().all(|(own, outcome)| own == bits && outcome.steps == 3));
}

#[test]
fn each_process_has_the_texts_of_all() {
    let texts = |number: usize| ["", "a\nb", "µ"][number].to_owned();
    let found = together(3, |peers| {
        let number = peers.rank().number;
        (peers.texts(&texts(number)).unwrap(), peers.any(number == 2).unwrap(), peers.any(false).unwrap())
    });
    assert!(found.iter().all(|own| *own == ((0..3).map(texts).collect(), true, false)));
}

#[test]
fn bytes_arrive_as_they_were_sent() {
    let bytes = |number: usize| -> Vec<u8> { (0..number * 777).map(|i| (i * 37) as u8).collect() };
    let found = together(4, |peers| peers.bytes(&bytes(peers.rank().number)).unwrap());
    assert!(found.iter().all(|own| *own == (0..4).map(bytes).collect::<Vec<_>>()));
}

#[test]
fn shared_work_is_taken_in_its_order() {
    for (n, n_pieces) in [(1, 3), (2, 1), (3, 100), (4, 0), (5, 7), (8, 300)] {
        let piece = |number: usize| vec![number as u8; number % 5];
        let done = together(n, |peers| {
            let (mut worked, mut taken) = (Vec::new(), Vec::new());
            let work = |number| {
                worked.push(number);
                Ok(piece(number))
            };
            let take = |made: &[u8]| {
                taken.push(made.to_vec());
                Ok::<(), Fault>(())
            };
            peers.share(n_pieces, work, take).unwrap();
            (worked, taken)
        });
        let expected: Vec<Vec<u8>> = (0..n_pieces).map(piece).collect();
        assert!(done.iter().all(|(_, taken)| *taken == expected), "{n_pieces} pieces, {n} processes");
        let mut worked: Vec<usize> = done.iter().flat_map(|(worked, _)| worked).copied().collect();
        worked.sort_unstable();
        assert!(worked.into_iter().eq(0..n_pieces), "{n_pieces} pieces, {n} processes");
        let most = done.iter().map(|(worked, _)| worked.len()).max().unwrap();
        assert!(most <= n_pieces.div_ceil(n) + 16, "one of {n} does {most} of {n_pieces} pieces");
    }
}

#[test]
fn answers_of_several_processes_are_those_of_one() {
    let (experiment, found) = check("model M { input 1x4x4; avg_pool2d 2 -> flatten -> scale 3 -> softmax }");
    assert!(!has_errors(&found), "{found:#?}");
    let pixels = |image: usize| -> Vec<u8> { (0..16).map(|i| (image * 89 + i * 57) as u8).collect() };
    let predicted = |predictor: &mut Predictor, image: usize| {
        let answer = predictor.pixels(&pixels(image), &Shape::from([1, 4, 4])).unwrap();
        answer.numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>()
    };
    let mut alone = Predictor::of_experiment(&experiment, &Device::Cpu).unwrap();
    let expected: Vec<Vec<u8>> = (0..50).map(|image| predicted(&mut alone, image)).collect();
    let answers = together(3, |peers| {
        let mut predictor = Predictor::of_experiment(&experiment, &Device::Cpu).unwrap();
        let mut answers = Vec::new();
        let work = |image| Ok(predicted(&mut predictor, image));
        let take = |answer: &[u8]| {
            answers.push(answer.to_vec());
            Ok::<(), Fault>(())
        };
        peers.share(50, work, take).unwrap();
        answers
    });
    assert!(answers.iter().all(|own| *own == expected));
}
