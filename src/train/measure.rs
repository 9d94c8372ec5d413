//! How fast a graph runs: steps on random images, timed after a warm-up.

use std::time::{Duration, Instant};

use crate::diag::Fault;
use crate::graph::{Graph, Value};
use crate::layers::given::INPUTS;
use crate::layers::lowering::STEP;
use crate::model::lower::IMAGES;
use crate::model::{Model, outputs};
use crate::run::{Precision, Session};
use crate::tensor::Device;
use crate::tensor::random::Random;
use crate::train::budget;
use crate::train::numbers::{Numbers, Place};
use crate::train::program::{LABELS, TARGETS, inference_graph, optimized, training_graph};
use crate::train::section::TrainSection;

/// Steps before the first timed one.
const WARM_UP: usize = 3;
/// Steps timed at the least, however long they take.
const LEAST_STEPS: usize = 5;
/// Steps whose parts are timed, at the least and at the most.
const PROFILED: [usize; 2] = [5, 500];

pub struct Measured {
    /// The graph that ran, after all passes.
    pub graph: Graph,
    pub batch: usize,
    /// The time of each timed step, the shortest first.
    pub steps: Vec<Duration>,
    /// From the beginning of planning to the end of the first step.
    pub first_step: Duration,
    /// Planned memory: states and values.
    pub bytes: u64,
    /// The median time of each part of a step, with the value that it computes; of parts that run on several threads,
    /// the sum over the threads.
    pub parts: Vec<(Option<Value>, Duration)>,
}

impl Measured {
    pub fn median(&self) -> Duration {
        self.steps[self.steps.len() / 2]
    }

    pub fn images_per_second(&self) -> f64 {
        self.batch as f64 / self.median().as_secs_f64()
    }

    /// Operations of one step; a multiply-add counts as two.
    pub fn flops(&self) -> u64 {
        let cost = |value: Value| {
            let node = self.graph.node(value);
            let inputs: Vec<_> = node.inputs.iter().map(|&input| self.graph.shape(input)).collect();
            node.op.cost(&node.attrs, &inputs, &node.shape).flops
        };
        self.graph.values().map(cost).sum()
    }
}

/// Runs steps for about `seconds`: training steps where `train` says how, else inference.
pub fn measure(
    model: &Model,
    train: Option<&TrainSection>,
    precision: Precision,
    batch: usize,
    seconds: f64,
    device: &Device,
) -> Result<Measured, Fault> {
    let start = Instant::now();
    let graph = optimized(match train {
        Some(train) => training_graph(model, train, batch)?,
        None => inference_graph(model, batch)?,
    })?;
    let mut session = budget::open(vec![graph.clone()], device, precision, 0)?;
    fill(&mut session, model, train)?;
    // A step counts when its work is done.
    let step = |session: &mut Session| session.step(0).and_then(|()| session.finish());
    step(&mut session)?;
    let first_step = start.elapsed();
    (1..WARM_UP).try_for_each(|_| step(&mut session))?;
    let (begin, mut steps) = (Instant::now(), Vec::new());
    while steps.len() < LEAST_STEPS || begin.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        step(&mut session)?;
        steps.push(start.elapsed());
    }
    steps.sort_unstable();
    let parts = profile(&mut session, seconds / 4.0)?;
    Ok(Measured { batch, steps, first_step, bytes: session.bytes() as u64, parts, graph })
}

/// The median time of each part of a step, from steps of about `seconds`.
fn profile(session: &mut Session, seconds: f64) -> Result<Vec<(Option<Value>, Duration)>, Fault> {
    let (begin, mut steps) = (Instant::now(), Vec::new());
    while steps.len() < PROFILED[0] || steps.len() < PROFILED[1] && begin.elapsed().as_secs_f64() < seconds {
        steps.push(session.profile(0)?);
    }
    let median = |part: usize| {
        let mut times: Vec<Duration> = steps.iter().map(|step| step[part].1).collect();
        times.sort_unstable();
        times[times.len() / 2]
    };
    Ok(steps[0].iter().enumerate().map(|(part, (value, _))| (*value, median(part))).collect())
}

/// Random images, what is given beside them, and labels, and the optimizer's numbers for a small step.
fn fill(session: &mut Session, model: &Model, train: Option<&TrainSection>) -> Result<(), Fault> {
    let mut random = Random::new(0, "measure", 0);
    for name in [IMAGES].into_iter().chain(INPUTS) {
        session.write(0, name, |out| out.iter_mut().for_each(|x| *x = random.uniform()))?;
    }
    session.write(0, STEP, |out| out.fill(0.0))?;
    let Some(train) = train else { return Ok(()) };
    for name in outputs::TARGETS {
        session.write(0, name, |out| out.fill(0.0))?;
    }
    // One number an output, where images have classes, and one map where pixels have.
    let classes =
        model.output_shape.as_ref().and_then(|shape| shape.dims().first().copied()).unwrap_or(1) as u32;
    for name in [LABELS, TARGETS] {
        session.write(0, name, |out| out.iter_mut().for_each(|x| *x = random.below(classes) as f32))?;
    }
    for (name, value) in Numbers::of(model, train).at(Place { factor: 1e-3, momentum: Some(0.9) }, 1, 1)? {
        session.write(0, &name, |out| out[0] = value as f32)?;
    }
    Ok(())
}
