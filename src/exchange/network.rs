//! A run, a weights file or a checked file → the network that is written in another format: its model, its numbers, the names
//! of its classes, and what it computes.

use std::borrow::Cow;

use crate::data::section::DataSection;
use crate::diag::{Fault, codes};
use crate::exchange::portable::{Operation, operation};
use crate::experiment::Experiment;
use crate::layers::Inferred;
use crate::layers::given::INPUTS;
use crate::layers::linear::LEAST_LENGTH;
use crate::model::inputs::Input;
use crate::model::lower::IMAGES;
use crate::model::{Instance, Model, Wire, outputs};
use crate::run::Session;
use crate::shape::Shape;
use crate::source::{LIBRARY, Sources, Span};
use crate::spec::Arg;
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

    /// The numbers of a layer's parameter, as its operation takes them: what is normalized first is so here.
    pub fn numbers(&self, layer: &Instance, parameter: &str) -> Result<Vec<f32>, Fault> {
        let mut numbers = self.states()?.read_state(&format!("{}.{parameter}", layer.name))?;
        let normalizes = layer.args.get("normalize").is_some_and(|given| given.arg == Arg::Bool(true));
        if let (true, "weight", Some(&[features])) =
            (normalizes, parameter, layer.input.as_ref().map(Shape::dims))
        {
            numbers.chunks_exact_mut(features).for_each(to_unit_length);
        }
        Ok(numbers)
    }

    /// The shape of a value for one image.
    pub fn shape(&self, wire: Wire) -> Result<&'a Shape, Fault> {
        let shape = match wire.layer() {
            None => self.model.input.as_ref(),
            Some(at) => self.model.layers.get(at).and_then(|layer| layer.output.as_ref()),
        };
        shape.ok_or_else(|| Fault::internal("a value without shape is exported"))
    }

    /// What each layer computes, in the model's order; what is given with the image stays as it is.
    ///
    /// # Errors
    /// A layer that cannot be exported, with its line.
    pub fn operations(&self) -> Result<Vec<Operation>, Fault> {
        let of = |(at, instance): (usize, &Instance)| match self.given(Wire::of_layer(at)) {
            Some(_) => Ok(Operation::Same),
            None => operation(instance).map_err(|fault| self.located(fault, instance)),
        };
        self.model.layers.iter().enumerate().map(of).collect()
    }

    /// The input besides the image that this value is, where it is one.
    pub fn given(&self, wire: Wire) -> Option<&'a Input> {
        self.model.inputs.iter().find(|input| input.wire == wire)
    }

    /// A layer with all its parameters, also where another layer owns them.
    pub fn whole(&self, instance: &'a Instance) -> Cow<'a, Instance> {
        let (Some(inferred), false) = (&instance.inferred, instance.shared.is_empty()) else {
            return Cow::Borrowed(instance);
        };
        let inferred = Inferred { parameters: instance.shared.clone(), ..inferred.clone() };
        Cow::Owned(Instance { inferred: Some(inferred), ..instance.clone() })
    }

    /// The first thing in the model that only some formats know: with its line, where it has one.
    pub fn peculiar(&self) -> Option<(Peculiarity, Fault)> {
        let refuse = |what: String, at: Span| {
            let mut fault = Fault::new(codes::EXCHANGE_OUT, what);
            fault.notes.extend(self.text(at).map(|(line, text)| format!("line {line}: {text}")));
            fault
        };
        if let Some(input) = self.model.inputs.first() {
            let what = format!("the network takes `{}` besides the image", input.name);
            return Some((Peculiarity::Inputs, refuse(what, input.span)));
        }
        if let Some(output) = self.model.outputs.first() {
            let what = format!("the network has the output `{}` besides its end", output.name.text);
            return Some((Peculiarity::Outputs, refuse(what, output.span)));
        }
        let shared = self.model.layers.iter().find(|layer| !layer.shared.is_empty())?;
        let what = format!("`{}` is used twice with the same weights", shared.name);
        Some((Peculiarity::SharedWeights, refuse(what, shared.span)))
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
        self.text(instance.span)
    }

    fn text(&self, at: Span) -> Option<(usize, String)> {
        let sources = self.sources.filter(|_| at.file != LIBRARY)?;
        let line = sources.line(at);
        let text = sources.get(at.file).text.lines().nth(line.checked_sub(1)?)?;
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

    /// What the network makes of one image, and of what is given with it, in the model's order: what its end gives, and then its
    /// further outputs.
    pub fn run(&mut self, given: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, Fault> {
        let session = self.session.as_mut().ok_or_else(closed)?;
        for (name, numbers) in [IMAGES].into_iter().chain(INPUTS).zip(given) {
            session.put(0, name, numbers)?;
        }
        session.step(0)?;
        let names = [SCORES].into_iter().chain(outputs::SCORES).take(1 + self.model.outputs.len());
        names.map(|name| session.read(0, name)).collect()
    }

    /// An image of random numbers, standard normal, the same each time, and what is given with it.
    pub fn random_image(&self, n: u32) -> Result<Vec<Vec<f32>>, Fault> {
        let mut random = Random::new(0, "exchange", n);
        let mut shapes = vec![self.input()?];
        for input in &self.model.inputs {
            shapes.push(self.shape(input.wire)?);
        }
        Ok(shapes.iter().map(|shape| (0..shape.elements()).map(|_| random.normal()).collect()).collect())
    }
}

/// Divides numbers by their length.
fn to_unit_length(row: &mut [f32]) {
    let length = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt().max(LEAST_LENGTH);
    row.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
}

/// What only some formats know of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peculiarity {
    Inputs,
    Outputs,
    SharedWeights,
}

fn closed() -> Fault {
    Fault::internal("a closed network is asked for its numbers")
}

/// The seed that an experiment's weights begin with.
fn seed(experiment: &Experiment) -> u64 {
    experiment.train.as_ref().map_or(0, |train| train.seed)
}
