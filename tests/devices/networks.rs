//! Steps of training the networks of `benches/peers.py` on a device, against the losses that the CPU's kernels give.

use std::collections::BTreeMap;

use dslc::diag::has_errors;
use dslc::experiment::Experiment;
use dslc::graph::Graph;
use dslc::kernels::cuda::machine::Machine;
use dslc::layers::lowering::STEP;
use dslc::model::lower::IMAGES;
use dslc::run::{self, Backend, Cuda, Precision};
use dslc::source::Sources;
use dslc::train::program::{LABELS, LOSS, optimized, training_graph};
use dslc::train::section::TrainSection;

use crate::support::Numbers;

/// From the project's root, where tests run.
const FILES: [&str; 6] = [
    "models/mnist.net",
    "models/lenet5.net",
    "benches/wide_convs.model",
    "models/resnet20.model",
    "models/vgg11_bn.model",
    "models/mobile.model",
];

/// On noise, the least rounding changes its losses: those of the CPU's AVX2 and portable kernels differ by 1.6e-2 within 20 steps,
/// where resnet20's differ by 7.1e-5 and mobile's by 2.9e-6.
const UNSTEADY: &str = "models/vgg11_bn.model";

/// How a file without `train` is trained here, as `dslc bench` does it.
const TRAIN: &str = "\ntrain { loss cross_entropy; optimizer sgd lr=0.01 momentum=0.9; batch 64 }\n";

/// How much of the networks a device is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    pub n_networks: usize,
    pub batch: usize,
    pub n_steps: usize,
}

/// All of them, for a device that is made for it.
pub const WHOLE: Extent = Extent { n_networks: FILES.len(), batch: 64, n_steps: 20 };
/// For a device that stands in for one, a thread after another.
pub const PART: Extent = Extent { n_networks: 2, batch: 4, n_steps: 2 };

/// The CPU's losses of a network, which are the same for every device and precision.
#[derive(Default)]
pub struct Cpu(BTreeMap<(&'static str, Extent), Vec<f32>>);

/// What was compared, a line a network; and what is wrong: losses that differ from the CPU's by more than the precision
/// lets expect.
pub fn networks(
    cpu: &mut Cpu,
    make: &dyn Fn() -> Box<dyn Machine>,
    precision: Precision,
    extent: Extent,
) -> (Vec<String>, Vec<String>) {
    let most = |file: &str| match precision {
        Precision::F32 if file == UNSTEADY => 1e-1,
        Precision::F32 => 1e-3,
        Precision::Tf32 => 2e-2,
        Precision::Bf16 => 1e-1,
    };
    let (mut compared, mut wrong) = (Vec::new(), Vec::new());
    for &file in &FILES[..extent.n_networks] {
        let experiment = experiment(file);
        let train = experiment.train.as_ref().unwrap();
        let model = experiment.model.as_ref().unwrap();
        let graph = optimized(training_graph(model, train, extent.batch).unwrap()).unwrap();
        let expected = cpu
            .0
            .entry((file, extent))
            .or_insert_with(|| losses(graph.clone(), train, &run::Cpu, extent.n_steps));
        let actual = losses(graph, train, &Cuda::with(make()), extent.n_steps);
        let gaps = expected.iter().zip(&actual).map(|(a, b)| (a - b).abs());
        // A NaN is as far away as can be.
        let gaps: Vec<f32> = gaps.map(|gap| if gap.is_nan() { f32::INFINITY } else { gap }).collect();
        let gap = gaps.iter().copied().fold(0.0, f32::max);
        let at = gaps.iter().position(|&own| own == gap).unwrap_or_default();
        let line = format!(
            "{file}: losses of {} steps of {} images are at most {gap:.1e} from the CPU's, in step {} ({} and {})",
            extent.n_steps,
            extent.batch,
            at + 1,
            expected[at],
            actual[at],
        );
        if gap > most(file) {
            wrong.push(format!("{line}; first {:?}, then {:?}", expected, actual));
        }
        compared.push(line);
    }
    (compared, wrong)
}

fn experiment(file: &str) -> Experiment {
    let mut text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{file}: {e}"));
    if file.ends_with(".model") {
        text.push_str(TRAIN);
    }
    let mut sources = Sources::default();
    let id = sources.add(file, &text);
    let (ast, mut found) = dslc::syntax::parse(&sources, id);
    let (experiment, more) = dslc::experiment::resolve(&sources, &ast);
    found.extend(more);
    assert!(!has_errors(&found), "{file}: {found:#?}");
    experiment
}

/// The loss of each step, on images that are drawn anew for it.
fn losses(graph: Graph, train: &TrainSection, target: &dyn Backend, n_steps: usize) -> Vec<f32> {
    let optimizer = train.optimizer.what;
    // Small enough for batch norm on images and classes of noise: at 1e-2 roundings grow to 1e-2 and more.
    let rate = 1e-3;
    let mut session = target.compile(vec![graph]).unwrap().start(7).unwrap();
    let mut losses = Vec::new();
    for step in 1..=n_steps as u64 {
        for (input, numbers) in [(IMAGES, Numbers::Between(0.0, 1.0)), (LABELS, Numbers::Whole(10))] {
            let draw = |len: usize| numbers.draw(&format!("{input} {step}"), len);
            session.write(0, input, |out| out.copy_from_slice(&draw(out.len()))).unwrap();
        }
        session.write(0, STEP, |out| out.fill(step as f32)).unwrap();
        for (name, number) in optimizer.scalars(&train.optimizer.args, rate, step).unwrap() {
            session.write(0, name, |out| out[0] = number as f32).unwrap();
        }
        session.step(0).unwrap();
        losses.push(session.read(0, LOSS).unwrap()[0]);
    }
    losses
}
