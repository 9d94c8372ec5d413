//! Batches that a machine makes of images in its memory, against the loader's, to the bit; and runs that are fed in both
//! ways.

use std::sync::atomic::AtomicBool;

use dslc::data::loader::{Loader, Mode};
use dslc::data::recipe::Recipe;
use dslc::data::sample::Form;
use dslc::data::samples::{Images, Samples, Targets};
use dslc::data::section::DataSection;
use dslc::data::{Dataset, Wanted};
use dslc::diag::{Fault, has_errors};
use dslc::graph::Graph;
use dslc::graph::builder::Builder;
use dslc::kernels::cuda::machine::Machine;
use dslc::run::stock::Stock;
use dslc::run::{Backend, Cpu, Cuda, Session};
use dslc::shape::Shape;
use dslc::tensor::Device;
use dslc::tensor::random::Random;
use dslc::train::prepared::prepare_on;
use dslc::train::programs::{Programs, Sizes};
use dslc::train::progress::Progress;
use dslc::train::trainer::{Epoch, Job, Observer, Outcome, StepDone};

use crate::support::check;

/// What is wrong with a machine's batches; a run is within `most` of the CPU's.
pub fn batches(make: &dyn Fn() -> Box<dyn Machine>, most: f64) -> Vec<String> {
    let mut wrong = Vec::new();
    for augment in AUGMENT {
        wrong.extend(gathered(make(), augment));
    }
    wrong.extend(tables_of_channels(make()));
    wrong.extend(runs(make, most));
    wrong
}

/// Steps of augmentation in front of `normalize`, on images of 3 x 13 x 11.
const AUGMENT: [&str; 5] = [
    "",
    "augment { random_flip }",
    "augment { random_crop 13x11 padding=[3, 1, 0, 2] }",
    "augment { random_flip 30% -> random_crop 13x11 padding=2 -> random_flip }",
    "augment { random_crop 13x11 padding=4 -> random_flip -> random_crop 13x11 padding=1 }",
];
const EXTENTS: [usize; 3] = [3, 13, 11];
const SEED: u64 = 0x1234_5678_9abc_def0;

fn images(n: usize, shape: [usize; 3], name: &str) -> Samples {
    let mut random = Random::new(1, name, 0);
    let pixels = (0..n * shape.iter().product::<usize>()).map(|_| random.below(256) as u8).collect();
    let names = (0..10).map(|k| k.to_string()).collect();
    Samples::of_bytes(shape, pixels, (0..n).map(|_| random.below(10)).collect(), names)
}

fn section(lines: &str) -> DataSection {
    let text =
        format!("data {{ source mnist \"m\"\n resize 13x11\n normalize mean=0.13 std=0.31\n {lines}\n }}");
    let (experiment, found) = check(&text);
    assert!(!has_errors(&found), "{found:#?}");
    let mut section = experiment.data.unwrap();
    // Colours of this size, as no source gives them; then there is nothing to resize.
    section.facts.form = Form::of(EXTENTS);
    section.preprocess.remove(0);
    section
}

/// A graph that gives back what it is given.
fn echo(n: usize) -> Graph {
    let mut builder = Builder::default();
    let images = builder.input("images", &Shape::from([n, EXTENTS[0], EXTENTS[1], EXTENTS[2]]));
    let labels = builder.input("labels", &Shape::from([n]));
    builder.output("images", images);
    builder.output("labels", labels);
    builder.finish()
}

fn stock(samples: &Samples, recipes: Vec<Recipe>, longest: usize) -> Stock<'_> {
    let Images::Bytes { values: pixels, .. } = &samples.images else { panic!("bytes") };
    let Targets::Classes { values: classes, .. } = &samples.targets else { panic!("classes") };
    Stock { pixels, classes, recipes, longest, images: "images", labels: "labels" }
}

fn gathered(machine: Box<dyn Machine>, augment: &str) -> Option<String> {
    let section = section(augment);
    // A number of bytes that fills no whole word, and positions of one, two and three digits.
    let samples = images(107, EXTENTS, "train");
    let loader = Loader::new(&section, &samples).unwrap();
    let modes = [Mode::Train, Mode::Eval];
    let recipe = |&mode: &Mode| loader.recipe(mode, SEED).unwrap().unwrap();
    let stock = stock(&samples, modes.iter().map(recipe).collect(), 20);
    let compiled = Cuda::with(machine).compile(vec![echo(6), echo(5)]).unwrap();
    let mut session = compiled.start_with(0, Some(stock)).unwrap();
    let order: Vec<u32> = vec![3, 106, 0, 99, 100, 9, 10, 11, 42, 1, 77, 101, 5, 3];
    for (graph, order, first, epoch) in [
        (0, &order[..], 0, 1),
        (0, &order[..], 7, 1),
        (0, &order[..], 7, 70_000),
        (1, &order[..], 2, 3),
        (1, &[8, 7, 0, 1, 2][..], 0, 0),
    ] {
        session.order(order).unwrap();
        session.gather(graph, first, epoch).unwrap();
        session.step(graph).unwrap();
        let n = if graph == 0 { 6 } else { 5 };
        let (mut images, mut others) = (vec![0.0; n * EXTENTS.iter().product::<usize>()], [Vec::new()]);
        let batch = &order[first as usize..first as usize + n];
        loader.fill(batch, epoch, modes[graph], SEED, &mut images, &mut others).unwrap();
        let [labels] = others;
        for (name, expected) in [("images", images), ("labels", labels)] {
            let actual = session.read(graph, name).unwrap();
            if actual.iter().map(|x| x.to_bits()).ne(expected.iter().map(|x| x.to_bits())) {
                return Some(format!(
                    "{name} of `{augment}` from {first} on in epoch {epoch}, graph {graph}"
                ));
            }
        }
    }
    None
}

fn tables_of_channels(machine: Box<dyn Machine>) -> Option<String> {
    let section = section("");
    let samples = images(7, EXTENTS, "train");
    let mut recipe = Loader::new(&section, &samples).unwrap().recipe(Mode::Eval, 0).unwrap().unwrap();
    for (channel, table) in recipe.tables.iter_mut().enumerate() {
        table.iter_mut().enumerate().for_each(|(byte, number)| *number = (1000 * channel + byte) as f32);
    }
    let stock = stock(&samples, vec![recipe], 7);
    let pixels = stock.pixels;
    let compiled = Cuda::with(machine).compile(vec![echo(7)]).unwrap();
    let mut session = compiled.start_with(0, Some(stock)).unwrap();
    session.order(&[0, 1, 2, 3, 4, 5, 6]).unwrap();
    session.step(0).unwrap();
    let plane = EXTENTS[1] * EXTENTS[2];
    let expected = pixels.iter().enumerate();
    let expected = expected.map(|(i, &byte)| (i / plane % EXTENTS[0] * 1000 + usize::from(byte)) as f32);
    (!session.read(0, "images").unwrap().into_iter().eq(expected)).then(|| "a table of a channel".to_owned())
}

/// Is never curious, or always.
struct Watcher {
    is_due: bool,
    n_steps: usize,
}

impl Observer for Watcher {
    fn is_due(&self) -> bool {
        self.is_due
    }

    fn step(&mut self, _done: &StepDone) {
        self.n_steps += 1;
    }

    fn epoch(&mut self, _epoch: &Epoch, _progress: &Progress, _session: &Session) -> Result<(), Fault> {
        Ok(())
    }
}

/// A run whose batches the machine makes, and one whose batches the host makes, give the same bits; and about what the
/// CPU's kernels give.
fn runs(make: &dyn Fn() -> Box<dyn Machine>, most: f64) -> Vec<String> {
    let text = "model N { input 1x28x28; conv2d 2 5x5 stride=3 -> batch_norm -> relu; flatten -> dropout 20% -> linear 10 }\n\
                data { source mnist \"m\"; validation 21; normalize mean=0.1 std=0.3\n\
                augment { random_crop 28x28 padding=2 -> random_flip } }\n\
                train { loss cross_entropy; optimizer adam lr=1e-3; epochs 2; batch 16; seed 5 }";
    let (experiment, found) = check(text);
    assert!(!has_errors(&found), "{found:#?}");
    let own = |n: usize, name: &str| images(n, [1, 28, 28], name);
    let (model, data) = (experiment.model.as_ref().unwrap(), experiment.data.as_ref().unwrap());
    let train = experiment.train.as_ref().unwrap();
    let dataset = Dataset::joined(own(93, "train"), own(37, "test")).unwrap();
    let dataset = dataset.divided(data, train.seed, Wanted::All).unwrap();
    let job = Job { model, data, train, batch: 16, device: &Device::Cpu };
    let programs = Programs::new(model, train, 16, Sizes::of(&dataset)).unwrap();
    let needed = Cuda::with(make()).compile(programs.graphs).unwrap().bytes();
    let run =
        |target: &dyn Backend, available: Option<u64>, is_due: bool| -> (Vec<f32>, Outcome, [usize; 2]) {
            let prepared = prepare_on(target, job, &dataset, available).unwrap();
            let mut watcher = Watcher { is_due, n_steps: 0 };
            let (session, outcome) = prepared.train(None, &AtomicBool::new(false), &mut watcher).unwrap();
            (session.read_state("linear1.weight").unwrap(), outcome, [session.bytes(), watcher.n_steps])
        };
    let figures = |outcome: &Outcome| {
        let losses = outcome.epochs.iter().flat_map(|epoch| {
            [Some(epoch.train_loss), epoch.train_accuracy, epoch.validation.as_ref().map(|v| v.loss)]
        });
        losses.flatten().chain([outcome.test.loss]).collect::<Vec<f64>>()
    };
    let (kept, kept_outcome, [kept_bytes, kept_steps]) = run(&Cuda::with(make()), None, false);
    // A byte for each image's label and not for its pixels.
    let (fed, fed_outcome, [fed_bytes, fed_steps]) = run(&Cuda::with(make()), Some(needed + 130), true);
    let (cpu, cpu_outcome, [_, cpu_steps]) = run(&Cpu, None, false);
    let mut wrong = Vec::new();
    if kept != fed || figures(&kept_outcome) != figures(&fed_outcome) {
        wrong.push("a run whose images stay on the machine is another".to_owned());
    }
    if kept_bytes < fed_bytes + 130 * 784 {
        wrong.push("the images did not stay on the machine".to_owned());
    }
    if (kept_steps, fed_steps, cpu_steps) != (0, 10, 10) {
        wrong.push(format!("an observer was told of {kept_steps}, {fed_steps} and {cpu_steps} steps"));
    }
    let gaps = kept.iter().zip(&cpu).map(|(a, b)| f64::from((a - b).abs()));
    let figures = figures(&kept_outcome).into_iter().zip(figures(&cpu_outcome)).map(|(a, b)| (a - b).abs());
    let gap = gaps.chain(figures).fold(0.0, f64::max);
    if gap > most {
        wrong.push(format!("a run is {gap} from the CPU's"));
    }
    wrong
}
