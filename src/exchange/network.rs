//! A run, a weights file or a checked file → the network that is written in another format: its model, its numbers, the names
//! of its classes, and what it computes.

use crate::data::section::DataSection;
use crate::diag::{Fault, codes};
use crate::exchange::portable::{Operation, operation};
use crate::experiment::Experiment;
use crate::model::lower::IMAGES;
use crate::model::{Instance, Model, Wire};
use crate::run::Session;
use crate::shape::Shape;
use crate::source::{LIBRARY, Sources};
use crate::tensor::random::Random;
use crate::train::budget;
use crate::train::checkpoint::Weights;
use crate::train::program::{SCORES, inference_graph, optimized};

/// A model with its numbers on the CPU, as it computes in inference.
pub struct Network<'a> {
    pub model: &'a Model,
    pub data: Option<&'a DataSection>,
    /// Where the lines of its layers stand.
    pub sources: Option<&'a Sources>,
    /// As many names as the model has outputs, or none.
    pub classes: Vec<String>,
    /// The file with every default, which explains the network where it arrives.
    pub source: String,
    /// None once it is closed.
    session: Option<Session>,
}

impl<'a> Network<'a> {
    /// A model without auxiliary heads, with the numbers of these weights or with those that training begins with.
    pub fn new(
        experiment: &'a Experiment,
        sources: Option<&'a Sources>,
        source: String,
        weights: Option<&Weights>,
    ) -> Result<Network<'a>, Fault> {
        let model = experiment.model.as_ref().ok_or_else(|| {
            Fault::new(codes::MISSING_SECTION, "there is no model to export")
                .advise("`model Name { input 1x28x28; … }`")
        })?;
        if let Some(layer) = model.layers.iter().find(|layer| !layer.shared.is_empty()) {
            let message =
                format!("`{}` shares its weights with another layer, which no export supports", layer.name);
            return Err(Fault::new(codes::EXCHANGE_OUT, message).advise("a network without `share`"));
        }
        if let Some(input) = model.inputs.first() {
            let message =
                format!("the network takes `{}` besides the image, which no export supports", input.name);
            return Err(Fault::new(codes::EXCHANGE_OUT, message).advise("a network with one input"));
        }
        let graph = optimized(inference_graph(model, 1)?)?;
        weights.map_or(Ok(()), |weights| weights.fit(&graph))?;
        let mut session = budget::few_steps(graph)?;
        match weights {
            Some(weights) => weights.load(&mut session)?,
            None => session.initialize(seed(experiment))?,
        }
        let n_outputs = model.output().filter(|output| output.rank() == 1).map_or(0, Shape::elements);
        let named = weights.map(|weights| weights.card.classes.clone());
        let classes = named.filter(|names| names.len() == n_outputs).unwrap_or_default();
        Ok(Network {
            model,
            data: experiment.data.as_ref(),
            sources,
            classes,
            source,
            session: Some(session),
        })
    }

    /// The shape of one image.
    pub fn input(&self) -> Result<&'a Shape, Fault> {
        self.model.input.as_ref().ok_or_else(|| Fault::internal("a model without input is exported"))
    }

    /// The shape of the model's output for one image.
    pub fn output(&self) -> Result<&'a Shape, Fault> {
        self.model.output().ok_or_else(|| Fault::internal("a model without output is exported"))
    }

    /// The numbers of a layer's parameter, as it declares them.
    pub fn numbers(&self, layer: &Instance, parameter: &str) -> Result<Vec<f32>, Fault> {
        self.states()?.read_state(&format!("{}.{parameter}", layer.name))
    }

    /// The shape of a value for one image.
    pub fn shape(&self, wire: Wire) -> Result<&'a Shape, Fault> {
        let shape = match wire.layer() {
            None => self.model.input.as_ref(),
            Some(at) => self.model.layers.get(at).and_then(|layer| layer.output.as_ref()),
        };
        shape.ok_or_else(|| Fault::internal("a value without shape is exported"))
    }

    /// What each layer computes, in the model's order.
    ///
    /// # Errors
    /// A layer that cannot be exported, with its line.
    pub fn operations(&self) -> Result<Vec<Operation>, Fault> {
        let of = |instance: &Instance| operation(instance).map_err(|fault| self.located(fault, instance));
        self.model.layers.iter().map(of).collect()
    }

    /// A fault of a layer with the place of its line.
    pub fn located(&self, mut fault: Fault, instance: &Instance) -> Fault {
        if let Some((line, text)) = self.line(instance) {
            fault.notes.push(format!("line {line}: {text}"));
        }
        fault.notes.push(format!("the layer is called `{}`", instance.name));
        fault
    }

    /// The number and the text of the line that a layer was written in; `None` for the library's.
    pub fn line(&self, instance: &Instance) -> Option<(usize, String)> {
        let sources = self.sources.filter(|_| instance.span.file != LIBRARY)?;
        let line = sources.line(instance.span);
        let text = sources.get(instance.span.file).text.lines().nth(line.checked_sub(1)?)?;
        Some((line, text.split('#').next().unwrap_or_default().trim().to_owned()))
    }

    /// All numbers, to be written.
    pub fn states(&self) -> Result<&Session, Fault> {
        self.session.as_ref().ok_or_else(closed)
    }

    /// Gives the network's memory back, once nothing is asked of it any more.
    pub fn close(&mut self) {
        self.session = None;
    }

    /// What the network makes of one image.
    pub fn run(&mut self, image: &[f32]) -> Result<Vec<f32>, Fault> {
        let session = self.session.as_mut().ok_or_else(closed)?;
        session.put(0, IMAGES, image)?;
        session.step(0)?;
        session.read(0, SCORES)
    }

    /// An image of random numbers, standard normal, the same each time.
    pub fn random_image(&self, n: u32) -> Result<Vec<f32>, Fault> {
        let mut random = Random::new(0, "exchange", n);
        Ok((0..self.input()?.elements()).map(|_| random.normal()).collect())
    }
}

fn closed() -> Fault {
    Fault::internal("a closed network is asked for its numbers")
}

/// The seed that an experiment's weights begin with.
fn seed(experiment: &Experiment) -> u64 {
    experiment.train.as_ref().map_or(0, |train| train.seed)
}
