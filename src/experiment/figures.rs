//! What a model costs: parameters, operations and bytes, layer by layer and in all; and the expectations about them.

use serde::{Serialize, Serializer};

use crate::diag::{Diagnostic, Diagnostics, Fault, codes};
use crate::experiment::Experiment;
use crate::experiment::expect::Expectation;
use crate::model::Model;
use crate::model::cost::{flops, forward};
use crate::source::Sources;
use crate::train::auto_batch::{Batch, Bound};
use crate::train::budget;
use crate::train::program::{inference_graph, optimized, training_graph};
use crate::train::section::{BatchSize, TrainSection};

/// One layer's figures, for one image.
#[derive(Serialize)]
pub struct LayerFigures {
    pub name: String,
    pub kind: &'static str,
    pub output: Vec<usize>,
    pub parameters: u64,
    pub flops: u64,
    pub weight_bytes: u64,
    pub activation_bytes: u64,
    /// Whether only training has it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub auxiliary: bool,
    pub file: String,
    pub line: usize,
    /// The line as the table shows it: with its file where that is not the model's.
    #[serde(skip)]
    pub place: String,
}

/// A model's figures.
#[derive(Serialize)]
pub struct Figures {
    pub model: String,
    pub input: Vec<usize>,
    pub parameters: u64,
    /// Those of them that auxiliary heads have, which only training needs.
    #[serde(skip_serializing_if = "is_none")]
    pub auxiliary_parameters: u64,
    /// For one image, forward; a multiply-add counts as two. Auxiliary heads are left out, here and of the activations.
    pub flops: u64,
    pub weight_bytes: u64,
    pub activation_bytes: u64,
    /// Planned memory of inference with one image.
    pub inference_bytes: u64,
    /// Planned memory of a training step, where the file says how to train.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// Why it has not more images, where `batch auto` chose it.
    #[serde(rename = "batch_within", skip_serializing_if = "Option::is_none", serialize_with = "bytes_of")]
    pub batch_bound: Option<Bound>,
    pub layers: Vec<LayerFigures>,
}

impl Figures {
    /// Parameters, and FLOPs per image.
    pub fn totals(&self) -> (u64, u64) {
        (self.parameters, self.flops)
    }
}

/// Expectations about costs that do not hold, of an experiment without errors. They need the lowered layers, and those
/// about memory the plan, so each is made only where a file has them.
pub fn broken_expectations(experiment: &Experiment) -> Diagnostics {
    let Some(model) = &experiment.model else { return Diagnostics::new() };
    let (mut operations, mut memory) = (None, None);
    let mut found = |quantity: &str| match quantity {
        "flops" => *operations.get_or_insert_with(|| forward(model).ok()),
        "memory" => *memory.get_or_insert_with(|| {
            let training = experiment.train.as_ref().and_then(|train| match train.batch {
                BatchSize::Images(images) => training_bytes(model, train, images),
                BatchSize::Auto { .. } => None,
            });
            training.or_else(|| inference_bytes(model).ok())
        }),
        _ => None,
    };
    let auto = experiment.train.as_ref().filter(|train| matches!(train.batch, BatchSize::Auto { .. }));
    let judged = |expectation: &Expectation| {
        if let Some(train) = auto.filter(|_| expectation.quantity == "memory") {
            return Some(open_memory(expectation, train));
        }
        let found: u64 = found(expectation.quantity)?;
        expectation.judge(found as f64)
    };
    experiment.expect.iter().filter_map(judged).collect()
}

/// With `batch auto` the memory of a training step is known only when the data set has been counted.
fn open_memory(expectation: &Expectation, train: &TrainSection) -> Diagnostic {
    let message = "the memory of a training step is not known until `batch auto` has chosen";
    let d = Diagnostic::error(codes::EXPECTATION, expectation.span, message);
    let d = match train.batch_span {
        Some(span) => d.related(span, "chosen for a memory limit"),
        None => d,
    };
    d.advise("give the limit there, as in `batch auto 2GB`, and remove this")
}

/// The figures of a model without errors, and of training it in such batches.
pub fn figures(
    model: &Model,
    sources: &Sources,
    training: Option<(&TrainSection, Batch)>,
) -> Result<Figures, Fault> {
    let layers: Vec<LayerFigures> = model
        .layers
        .iter()
        .zip(flops(model)?)
        .enumerate()
        .map(|(at, (instance, flops))| {
            let output = instance.output.clone().unwrap_or_default();
            let held =
                instance.inferred.iter().flat_map(|i| &i.parameters).map(|p| p.shape.elements() as u64);
            LayerFigures {
                name: instance.name.clone(),
                kind: instance.unit.spec().name,
                parameters: instance.n_parameters() as u64,
                flops,
                weight_bytes: 4 * held.sum::<u64>(),
                activation_bytes: 4 * output.elements() as u64,
                output: output.dims().to_vec(),
                auxiliary: model.is_auxiliary(at),
                file: sources.get(instance.span.file).path.clone(),
                line: sources.line(instance.span),
                place: sources.place(instance.span, model.name_span.file),
            }
        })
        .collect();
    let needed = || layers.iter().filter(|layer| !layer.auxiliary);
    Ok(Figures {
        model: model.name.clone(),
        input: model.input.clone().unwrap_or_default().dims().to_vec(),
        parameters: layers.iter().map(|l| l.parameters).sum(),
        auxiliary_parameters: layers.iter().filter(|l| l.auxiliary).map(|l| l.parameters).sum(),
        flops: needed().map(|l| l.flops).sum(),
        weight_bytes: layers.iter().map(|l| l.weight_bytes).sum(),
        activation_bytes: needed().map(|l| l.activation_bytes).sum(),
        inference_bytes: inference_bytes(model)?,
        training_bytes: training.and_then(|(train, batch)| training_bytes(model, train, batch.images)),
        batch: training.map(|(_, batch)| batch.images),
        batch_bound: training.and_then(|(_, batch)| batch.bound),
        layers,
    })
}

/// The bytes that a batch was chosen for; nothing where memory did not decide.
fn bytes_of<S: Serializer>(bound: &Option<Bound>, to: S) -> Result<S::Ok, S::Error> {
    match bound {
        Some(Bound::Memory(bytes)) => to.serialize_some(bytes),
        Some(Bound::Steps) | None => to.serialize_none(),
    }
}

/// Whether a figure says nothing.
fn is_none(n: &u64) -> bool {
    *n == 0
}

fn inference_bytes(model: &Model) -> Result<u64, Fault> {
    budget::planned(&[optimized(inference_graph(model, 1)?)?])
}

/// A batch beyond all bounds has no plan; a run's batches are never larger than its data set.
fn training_bytes(model: &Model, train: &TrainSection, images: usize) -> Option<u64> {
    let graph = training_graph(model, train, images).and_then(optimized);
    graph.and_then(|graph| budget::planned(&[graph])).ok()
}
