//! What several test modules need: experiments from text, leaves with numbers of a known kind, both backends,
//! and comparison by the largest number.

use dslc::diag::{Diagnostics, has_errors};
use dslc::experiment::Experiment;
use dslc::graph::Graph;
use dslc::graph::attrs::Attrs;
use dslc::graph::op::Op;
use dslc::ops::OPS;
use dslc::run::{Backend, Cpu, Interpreter};
use dslc::shape::Shape;
use dslc::source::Sources;
use dslc::tensor::Device;
use dslc::tensor::random::Random;
use dslc::train::program::training_graph;

pub type MakeTarget = fn() -> Box<dyn Backend>;

/// Every backend that runs without an accelerator.
pub const TARGETS: [(&str, MakeTarget); 2] =
    [("cpu", || Box::new(Cpu)), ("reference", || Box::new(Interpreter(Device::Cpu)))];

/// Reads and checks a whole file.
pub fn check(text: &str) -> (Experiment, Diagnostics) {
    let mut sources = Sources::default();
    let file = sources.add("test.net", text);
    let (ast, mut found) = dslc::syntax::parse(&sources, file);
    let (experiment, more) = dslc::experiment::resolve(&sources, &ast);
    found.extend(more);
    (experiment, found)
}

/// An experiment of these model lines, trained with cross-entropy and the given optimizer; it has no errors.
pub fn experiment(layers: &str, optimizer: &str) -> Experiment {
    let text = format!(
        "model T {{ input 3x12x12; {layers} }}\ntrain {{ loss cross_entropy; optimizer {optimizer}; seed 5 }}\n"
    );
    let (experiment, found) = check(&text);
    assert!(!has_errors(&found), "{text}: {found:#?}");
    experiment
}

/// The graph that trains an experiment, before any pass.
pub fn training(experiment: &Experiment, batch: usize) -> Graph {
    training_graph(experiment.model.as_ref().unwrap(), experiment.train.as_ref().unwrap(), batch).unwrap()
}

/// Models whose training graphs use, together, every part of the compiler.
pub const MODELS: &[(&str, &str)] = &[
    ("conv2d 6 3x3 stride=2 -> relu -> max_pool2d 2; flatten -> linear 10", "sgd lr=0.1 momentum=0.9"),
    (
        "conv2d 6 3x3 padding=same bias=false -> batch_norm -> gelu -> avg_pool2d 3; dropout 0.3; \
         conv2d 4 2x2 groups=2 -> tanh -> global_avg_pool -> linear 10",
        "adamw lr=1e-2",
    ),
    (
        "conv2d 6 3x3 stride=2 -> batch_norm -> relu; basic_block 6; basic_block 8 stride=2; \
         conv2d 8 1x1 bias=false -> batch_norm -> relu6; residual { conv2d 8 3x3 padding=1 -> batch_norm }; \
         group_norm 2; global_avg_pool -> batch_norm -> linear 10",
        "sgd lr=0.05 momentum=0.9",
    ),
    (
        "conv2d 4 3x3 padding=same bias=false -> batch_norm -> relu; basic_block 4; squeeze_excite 2; \
         scale 0.5 -> group_norm 2 -> silu -> max_pool2d 2; flatten -> linear 10",
        "sgd lr=0.1 momentum=0.9 weight_decay=1e-2 nesterov=true",
    ),
    (
        "reshape 3x4x6x6 -> conv3d 4 3x3x3 padding=1 stride=1x2x1 bias=false -> batch_norm -> relu -> max_pool3d 2x1x2; \
         conv_transpose3d 4 2 stride=2 groups=2 -> instance_norm -> avg_pool3d 3 stride=2 padding=1; \
         global_avg_pool -> linear 10",
        "sgd lr=0.1 momentum=0.9",
    ),
    ("flatten -> linear 8 -> sigmoid -> linear 8 -> leaky_relu 0.1 -> linear 10", "adam lr=1e-2"),
];

/// What the numbers of an input are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Numbers {
    /// Uniform between two bounds.
    Between(f32, f32),
    /// The same, of something that counts as a constant.
    Fixed(f32, f32),
    /// In `-8..8`, at least 0.2 from every whole number: beside the kinks of `relu6` and its like.
    Fractional,
    /// No two nearer than 0.05: away from ties.
    Distinct,
    /// Five values: full of ties, zeros among them.
    Ties,
    /// Whole numbers below this: classes, or the number of a step.
    Whole(u32),
}

impl Numbers {
    /// Whether a derivative with respect to such an input makes sense.
    pub fn varies(self) -> bool {
        match self {
            Numbers::Between(..) | Numbers::Fractional | Numbers::Distinct | Numbers::Ties => true,
            Numbers::Fixed(..) | Numbers::Whole(_) => false,
        }
    }

    pub fn draw(self, stream: &str, n: usize) -> Vec<f32> {
        let mut random = Random::new(11, stream, 0);
        match self {
            Numbers::Between(low, high) | Numbers::Fixed(low, high) => {
                (0..n).map(|_| low + (high - low) * random.uniform()).collect()
            }
            Numbers::Fractional => {
                (0..n).map(|_| random.below(16) as f32 - 7.8 + 0.6 * random.uniform()).collect()
            }
            Numbers::Distinct => {
                let mut numbers: Vec<f32> = (0..n).map(|i| 0.05 * (i as f32 - n as f32 / 2.0)).collect();
                random.shuffle(&mut numbers);
                numbers
            }
            Numbers::Ties => (0..n).map(|_| random.below(5) as f32 - 2.0).collect(),
            Numbers::Whole(end) => (0..n).map(|_| random.below(end) as f32).collect(),
        }
    }
}

/// One application of an op.
pub struct Case {
    pub op: &'static dyn Op,
    pub attrs: Attrs,
    pub inputs: Vec<(Shape, Numbers)>,
}

impl Case {
    pub fn new(op: &str, attrs: Attrs, inputs: impl IntoIterator<Item = (Shape, Numbers)>) -> Case {
        let found = OPS.iter().copied().find(|own| own.name() == op);
        Case {
            op: found.unwrap_or_else(|| panic!("no op `{op}`")),
            attrs,
            inputs: inputs.into_iter().collect(),
        }
    }

    /// How a failure names the case.
    pub fn title(&self) -> String {
        let shapes: Vec<String> = self.inputs.iter().map(|(shape, _)| shape.to_string()).collect();
        format!("{} {} of {}", self.op.name(), self.attrs, shapes.join(" and "))
    }
}

/// Attributes of a window: kernel, stride, padding (top, bottom, left, right).
pub fn window(kernel: [usize; 2], stride: [usize; 2], padding: [usize; 4]) -> Attrs {
    Attrs::new().ints("kernel", kernel).ints("stride", stride).ints("padding", padding)
}

/// How far apart two lists are, measured by the largest number that is expected (or by 0.01, if that is more).
pub fn distance(expected: &[f32], actual: &[f32]) -> f32 {
    assert_eq!(expected.len(), actual.len());
    let scale = expected.iter().fold(1e-2f32, |scale, x| scale.max(x.abs()));
    let gaps = expected.iter().zip(actual).map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() / scale });
    gaps.fold(0.0, |worst, gap| if gap.is_nan() { f32::INFINITY } else { f32::max(worst, gap) })
}

/// Runs one graph for some steps, with inputs drawn anew for each. Gives every output of every step and, last,
/// every state, by their names.
pub fn run(graph: Graph, target: &dyn Backend, n_steps: usize) -> Vec<(String, Vec<f32>)> {
    let inputs: Vec<String> = graph.inputs.iter().map(|&v| graph.node(v).name.clone().unwrap()).collect();
    let outputs: Vec<String> = graph.outputs.iter().map(|output| output.name.clone()).collect();
    let mut session = target.compile(vec![graph]).unwrap().start(3).unwrap();
    let mut seen = Vec::new();
    for step in 1..=n_steps {
        for input in &inputs {
            let numbers = match input.as_str() {
                "labels" => Numbers::Whole(10),
                "step" => Numbers::Whole(100),
                // Learning rates and the like.
                _ => Numbers::Between(0.01, 0.2),
            };
            session
                .write(0, input, |out| {
                    out.copy_from_slice(&numbers.draw(&format!("{input} {step}"), out.len()))
                })
                .unwrap();
        }
        session.step(0).unwrap();
        for output in &outputs {
            seen.push((format!("{output} of step {step}"), session.read(0, output).unwrap()));
        }
    }
    for state in session.states() {
        seen.push((state.name.clone(), session.read_state(&state.name).unwrap()));
    }
    seen
}

/// The bits of what [`run`] gives, for comparison without tolerance.
pub fn bits(results: &[(String, Vec<f32>)]) -> Vec<(&str, Vec<u32>)> {
    results
        .iter()
        .map(|(name, numbers)| (name.as_str(), numbers.iter().map(|x| x.to_bits()).collect()))
        .collect()
}
