//! A model and some of its training images → what happens inside its layers: how large their gradients are, which of
//! their units never answer, and where the time goes.
//!
//! A probe is a session of its own on the CPU, whose weights are copies: it changes nothing in the training.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::data::Dataset;
use crate::data::loader::{Loader, Mode};
use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::{Graph, Init, StateKind, Value};
use crate::layers::lowering::STEP;
use crate::model::{Model, Unit};
use crate::ops::binary::MULTIPLY;
use crate::ops::reduce::REDUCE_SUM;
use crate::ops::reshape::RESHAPE;
use crate::run::{Backend, Cpu, Session};
use crate::train::feed::{Feed, InStock, Pass};
use crate::train::program::{differentiated, optimized};
use crate::train::trainer::Job;

/// Images that are looked at, at the most.
const IMAGES: usize = 32;
/// Of so many images that are trained on, one is looked at.
const SHARE: usize = 100;
/// Bytes that a probe may take in any case, and the part of the training's memory that it may take.
const FREE_BYTES: u64 = 32 << 20;
const PART: u64 = 4;
/// A unit is dead where all that it gives is so near to a bound, as a mean.
const NEAR: f64 = 1e-6;

/// What was seen in the layers, each in its place in the model; nothing where a layer has no such number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Euclidean norms of the gradients of all parameters of a layer.
    pub gradients: Vec<Option<f64>>,
    /// The share of a layer's units, which are channels or features, that gave the same bound for every image.
    pub dead: Vec<Option<f64>>,
    /// The share of the time of a step, forward and backward.
    pub time: Vec<Option<f64>>,
}

/// How the numbers of the images are distributed as they reach the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    pub mean: f64,
    /// The standard deviation.
    pub spread: f64,
}

pub struct Probe<'a> {
    job: Job<'a>,
    dataset: &'a Dataset,
    graph: Graph,
    session: Session,
    /// The images that are looked at.
    indices: Vec<u32>,
    /// Where a layer is an activation with bounds, these, and the count of numbers of one unit.
    bounded: Vec<Option<([f64; 2], usize)>>,
    /// Images that were looked at so far.
    looked: usize,
}

impl<'a> Probe<'a> {
    /// `None` where the memory for it is more than a part of `training`, the bytes of the training itself, or more than what
    /// is spare; or where the model cannot be trained on a few images.
    pub fn new(
        job: Job<'a>,
        dataset: &'a Dataset,
        training: u64,
        spare: Option<u64>,
    ) -> Result<Option<Probe<'a>>, Fault> {
        let all = &dataset.parts.train;
        let limit = FREE_BYTES.max(training / PART).min(spare.unwrap_or(u64::MAX) / 2);
        let mut n = IMAGES.min(all.len()).min(job.batch.max(2));
        while n >= 2 {
            let (mut graph, bounded) = graph(job, n)?;
            // The numbers come from the training.
            graph.states.iter_mut().for_each(|state| state.init = Init::Constant(0.0));
            let compiled = Cpu.compile(vec![graph.clone()])?;
            if compiled.bytes() > limit {
                n /= 2;
                continue;
            }
            let session = compiled.start(0)?;
            let indices = (0..n).map(|i| all[i * all.len() / n]).collect();
            return Ok(Some(Probe { job, dataset, graph, session, indices, bounded, looked: 0 }));
        }
        Ok(None)
    }

    pub fn bytes(&self) -> u64 {
        self.session.bytes() as u64
    }

    /// Whether a look behind this epoch costs less than a hundredth of the training so far; the first epoch always has one.
    pub fn is_due(&mut self, epoch: usize) -> bool {
        let trained = epoch.saturating_mul(self.dataset.parts.train.len());
        let due = epoch == 1 || (self.looked + self.indices.len()) * SHARE <= trained;
        if due {
            self.looked += self.indices.len();
        }
        due
    }

    /// Looks at a training's weights as they are behind this epoch and this many steps.
    pub fn look(&mut self, from: &Session, epoch: usize, step: u64) -> Result<Look, Fault> {
        let own: Vec<String> = self.session.states().iter().map(|state| state.name.clone()).collect();
        for name in own {
            let numbers = from.read_state(&name)?;
            self.session.write_state(&name, &numbers)?;
        }
        self.session.write(0, STEP, |out| out.fill(step as f32))?;
        let Job { data, train, .. } = self.job;
        let feed = Feed {
            loader: Loader::new(data, &self.dataset.samples)?,
            in_stock: InStock::No,
            seed: train.seed,
            mix: train.mix.as_ref(),
        };
        let n = self.indices.len();
        let way = Pass { order: &self.indices, from: 0, batch: n, epoch: epoch as u32, mode: Mode::Train };
        feed.batches(&mut self.session, way, &|_, _| Some(0), &mut |session, graph, _| {
            session.step(graph)?;
            Ok(ControlFlow::Break(()))
        })?;
        let mut look = self.read()?;
        if self.looked <= n && self.job.backend().is_host() {
            look.time = self.time()?;
        }
        Ok(look)
    }

    fn read(&self) -> Result<Look, Fault> {
        let layers = &self.job.model.layers;
        let mut look = Look { dead: vec![None; layers.len()], ..Look::default() };
        let mut squares = vec![None; layers.len()];
        for output in &self.graph.outputs {
            if let Some(layer) = output.name.strip_prefix(GRADIENT).and_then(|rest| rest.split('/').next())
                && let Some(sum) = layer.parse().ok().and_then(|at: usize| squares.get_mut(at))
            {
                let square = self.session.read(0, &output.name)?;
                *sum = Some(sum.unwrap_or(0.0) + f64::from(square[0]));
            }
        }
        let scale = match self.job.train.accumulate {
            1 => 1.0,
            _ => self.indices.len() as f64,
        };
        look.gradients =
            squares.into_iter().map(|sum: Option<f64>| sum.map(|sum| sum.sqrt() / scale)).collect();
        for (at, bounded) in self.bounded.iter().enumerate() {
            let Some((bounds, count)) = bounded else { continue };
            let sums = self.session.read(0, &format!("{UNITS}{at}"))?;
            let stuck = |sum: &&f32| {
                let mean = f64::from(**sum) / *count as f64;
                bounds
                    .iter()
                    .filter(|bound| bound.is_finite())
                    .any(|bound| (mean - bound).abs() <= NEAR * bound.abs().max(1.0))
            };
            let dead = sums.iter().filter(stuck).count();
            look.dead[at] = Some(dead as f64 / sums.len().max(1) as f64);
        }
        Ok(look)
    }

    /// The share of each layer in the time of a step.
    fn time(&mut self) -> Result<Vec<Option<f64>>, Fault> {
        let parts = self.session.profile(0)?;
        let all: Duration = parts.iter().map(|(_, time)| *time).sum();
        let mut shares = vec![None; self.job.model.layers.len()];
        for (value, time) in parts {
            let origin = value.and_then(|value| self.graph.node(value).origin);
            if let Some(share) = origin.and_then(|at| shares.get_mut(at as usize)) {
                let own = time.as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE);
                *share = Some(share.unwrap_or(0.0) + own);
            }
        }
        Ok(shares)
    }

    /// Mean and spread of the images as they are evaluated.
    pub fn inputs(&self) -> Result<Inputs, Fault> {
        let loader = Loader::new(self.job.data, &self.dataset.samples)?;
        let size = loader.fields().first().map_or(0, |field| field.shape.elements());
        let mut images = vec![0.0; size * self.indices.len()];
        let mut others = vec![Vec::new(); loader.fields().len().saturating_sub(1)];
        loader.fill(&self.indices, 0, Mode::Eval, self.job.train.seed, &mut images, &mut others)?;
        let n = images.len().max(1) as f64;
        let mean = images.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let variance = images.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
        Ok(Inputs { mean, spread: variance.sqrt() })
    }
}

/// How the outputs of a probe are called: the sum of squares of a parameter's gradient, behind which stands the place of the
/// layer and that of the parameter; and the sums of each unit of a layer, behind which stands its place.
const GRADIENT: &str = "gradient ";
const UNITS: &str = "units ";

type Bounded = Vec<Option<([f64; 2], usize)>>;

/// Forward and backward for so many images, with what is looked at as outputs.
fn graph(job: Job<'_>, images: usize) -> Result<(Graph, Bounded), Fault> {
    let Job { model, train, .. } = job;
    let made = differentiated(model, train, images)?;
    let mut builder = made.builder;
    for (i, (name, gradient)) in made.gradients.iter().enumerate() {
        let layer = layer_of(model, name);
        if let (Some(layer), Some(gradient)) = (layer, gradient) {
            let square = builder.apply(&MULTIPLY, Attrs::new(), &[*gradient, *gradient])?;
            let axes = 0..builder.shape(square).rank();
            let sum = summed(&mut builder, square, axes.collect(), &[])?;
            builder.output(&format!("{GRADIENT}{layer}/{i}"), sum);
        }
    }
    let mut bounded = Vec::with_capacity(model.layers.len());
    for (at, &value) in made.layers.iter().enumerate() {
        let bounds = bounds(model, at);
        let dims = builder.shape(value).dims().to_vec();
        let (Some(bounds), Some(&units)) = (bounds, dims.get(1)) else {
            bounded.push(None);
            continue;
        };
        let axes = (0..dims.len()).filter(|&axis| axis != 1).collect();
        let sum = summed(&mut builder, value, axes, &[units])?;
        builder.output(&format!("{UNITS}{at}"), sum);
        bounded.push(Some((bounds, dims.iter().product::<usize>() / units.max(1))));
    }
    Ok((optimized(builder.finish())?, bounded))
}

/// The bounds of an activation inside the model, where it has any.
fn bounds(model: &Model, at: usize) -> Option<[f64; 2]> {
    let instance = &model.layers[at];
    let Unit::Layer(layer) = instance.unit else { return None };
    let heads = model.auxiliaries.iter().chain(model.outputs.iter().map(|output| &output.head));
    let mut ends = heads.map(|head| head.wire).chain([model.output]);
    let is_last = ends.any(|wire| wire.layer() == Some(at));
    let keeps_shape = instance.input == instance.output;
    let learns = instance.inferred.as_ref().is_some_and(|inferred| !inferred.parameters.is_empty());
    let range = layer.range(&instance.args);
    (!is_last && keeps_shape && !learns && range.iter().any(|bound| bound.is_finite())).then_some(range)
}

fn summed(builder: &mut Builder, value: Value, axes: Vec<usize>, shape: &[usize]) -> Result<Value, Fault> {
    let sum = match axes.is_empty() {
        true => value,
        false => builder.apply(&REDUCE_SUM, Attrs::new().ints("axes", axes), &[value])?,
    };
    builder.apply(&RESHAPE, Attrs::new().ints("shape", shape.to_vec()), &[sum])
}

/// How far one step moves the parameters of each layer, as a part of their size: both Euclidean norms, over numbers that lie
/// evenly in each parameter.
#[derive(Default)]
pub struct Moves {
    before: Vec<(String, Vec<f32>)>,
}

/// Numbers of a parameter that are looked at, at the most.
const SAMPLED: usize = 1 << 14;

impl Moves {
    /// Notes the weights in front of a step.
    pub fn note(session: &Session) -> Result<Moves, Fault> {
        let trained = session.states().iter().filter(|state| state.kind == StateKind::Parameter);
        let read = |name: &String| Ok((name.clone(), sampled(session.read_state(name)?)));
        let before = trained.map(|state| read(&state.name)).collect::<Result<_, Fault>>()?;
        Ok(Moves { before })
    }

    /// Norms of the weights in front of the step, and of the step by theirs, layer by layer.
    pub fn behind(self, session: &Session, model: &Model) -> Result<Vec<Option<[f64; 2]>>, Fault> {
        let mut sums: Vec<Option<[f64; 2]>> = vec![None; model.layers.len()];
        for (name, before) in self.before {
            let layer = layer_of(model, &name);
            let Some(sum) = layer.and_then(|at| sums.get_mut(at)) else { continue };
            let whole = session.read_state(&name)?;
            let scale = whole.len() as f64 / before.len().max(1) as f64;
            let after = sampled(whole);
            let squares = before.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() * scale;
            let moves = before.iter().zip(&after).map(|(&a, &b)| (f64::from(b) - f64::from(a)).powi(2));
            let [size, step] = sum.unwrap_or_default();
            *sum = Some([size + squares, step + moves.sum::<f64>() * scale]);
        }
        let ratio = |[size, step]: [f64; 2]| [size.sqrt(), (step / size.max(f64::MIN_POSITIVE)).sqrt()];
        Ok(sums.into_iter().map(|sum| sum.map(ratio)).collect())
    }
}

/// The place of the layer that a parameter, `layer.parameter`, belongs to.
pub fn layer_of(model: &Model, parameter: &str) -> Option<usize> {
    let (layer, _) = parameter.rsplit_once('.')?;
    model.layers.iter().position(|own| own.name == layer)
}

fn sampled(numbers: Vec<f32>) -> Vec<f32> {
    let every = numbers.len().div_ceil(SAMPLED).max(1);
    if every == 1 { numbers } else { numbers.into_iter().step_by(every).collect() }
}
