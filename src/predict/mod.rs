//! Trained weights, or a checked file that needs none, + the bytes of pictures → what the model makes of them: classes
//! with their probabilities, or numbers in a shape, or a new picture. Knows no picture's path and prints nothing.

mod answer;
pub mod evaluate;
mod further;
mod held;

pub use answer::{Answer, Class};
pub use further::{Given, Wanted};
pub use held::experiment;

use std::path::Path;

use crate::data::loader::{Mode, prepare};
use crate::data::picture::{self, Fitted, Picture, Remark};
use crate::data::sample::{self, Form, Image, Sample, Target, Task};
use crate::data::section::DataSection;
use crate::diag::{Fault, codes};
use crate::experiment::Experiment;
use crate::layers::given::INPUTS;
use crate::model::lower::IMAGES;
use crate::model::{Model, outputs};
use crate::run::Session;
use crate::runs::folder;
use crate::shape::Shape;
use crate::tensor::Device;
use crate::tensor::device::{self, Choice};
use crate::tensor::random::Random;
use crate::train::budget;
use crate::train::checkpoint::Weights;
use crate::train::program::{SCORES, inference_graph, optimized};

/// A model with its weights on a device, ready to answer. It may be sent to another thread.
pub struct Predictor {
    session: Session,
    name: String,
    /// Of a picture or signal before its preparation.
    input: Shape,
    data: Option<DataSection>,
    end: End,
    /// What is given with each picture, in the model's order.
    given: Vec<Wanted>,
    /// The model's further outputs, in its order.
    further: Vec<(String, End)>,
}

/// What an output of a model says.
#[derive(Clone, Debug)]
struct End {
    shape: Shape,
    /// As many names as it has numbers, or of masks maps.
    classes: Vec<String>,
    gives_probabilities: bool,
    task: Task,
}

impl Predictor {
    /// Of a run: its folder (its best weights are taken) or a weights file.
    ///
    /// ```no_run
    /// let mut predictor = dslc::Predictor::open("runs/mnist-1", dslc::Device::Cpu)?;
    /// let answer = predictor.picture(&std::fs::read("seven.png").unwrap())?;
    /// assert!(answer.classes()[0].probability > 0.9, "{}", answer.classes()[0].name);
    /// # Ok::<(), dslc::Fault>(())
    /// ```
    ///
    /// # Errors
    /// A run without weights, or with damaged ones; a device that is not there or has too little memory.
    pub fn open(run: impl AsRef<Path>, device: Choice) -> Result<Predictor, Fault> {
        let (weights, _) = folder::weights(run.as_ref())?;
        Predictor::of_weights(&weights, &device::open(device)?.device)
    }

    /// Of the bytes of a weights file.
    ///
    /// # Errors
    /// Bytes that are not a whole file of weights; a device that is not there or has too little memory.
    pub fn from_bytes(weights: Vec<u8>, device: Choice) -> Result<Predictor, Fault> {
        Predictor::of_weights(&Weights::from_bytes(weights)?, &device::open(device)?.device)
    }

    /// Of a run's weights: with the preparation of pictures and the classes' names that are kept with them.
    ///
    /// # Errors
    /// Weights that do not describe their model, or are of another one than they describe; a device with too little
    /// memory.
    pub fn of_weights(weights: &Weights, device: &Device) -> Result<Predictor, Fault> {
        Predictor::new(&experiment(weights)?, Some(weights), device)
    }

    /// Of a checked file whose model has nothing to train, such as filters of given numbers.
    pub fn of_experiment(experiment: &Experiment, device: &Device) -> Result<Predictor, Fault> {
        let n_parameters = experiment.model.as_ref().map_or(0, Model::n_parameters);
        if n_parameters > 0 {
            let fault = Fault::new(
                codes::TRAINING_NEEDS,
                format!("{n_parameters} weights of the model must be trained first"),
            );
            return Err(fault.advise("the weights of a run of it"));
        }
        Predictor::new(experiment, None, device)
    }

    fn new(experiment: &Experiment, weights: Option<&Weights>, device: &Device) -> Result<Predictor, Fault> {
        let whole = experiment
            .model
            .as_ref()
            .and_then(|model| Some((model, model.input.clone()?, model.output()?.clone())));
        let Some((model, input, output)) = whole else {
            return Err(Fault::new(codes::MISSING_SECTION, "there is no complete model to predict with")
                .advise("`model Name { input 1x28x28; … }`"));
        };
        let given = further::wanted(model, experiment.data.as_ref())?;
        let further = further::ends(model, experiment.data.as_ref(), weights)?;
        let graph = optimized(inference_graph(model, 1)?)?;
        weights.map_or(Ok(()), |weights| weights.fit(&graph))?;
        let precision = experiment.train.as_ref().map(|train| train.precision).unwrap_or_default();
        let session = match weights {
            None => budget::open(vec![graph], device, precision, 0)?,
            Some(weights) => {
                let mut session = budget::bare(vec![graph], device, precision)?;
                weights.load(&mut session)?;
                session
            }
        };
        let told = experiment.train.as_ref().map(|train| train.task()).transpose()?;
        let task = match (output.rank(), told) {
            (1, Some(task @ (Task::Labels | Task::Numbers))) => task,
            (1, _) => Task::Classes,
            (_, Some(Task::Masks)) => Task::Masks,
            (_, _) => Task::Images,
        };
        let n_outputs = match task {
            Task::Classes | Task::Labels | Task::Numbers => output.elements(),
            Task::Masks => output.dims()[0],
            Task::Images => 0,
        };
        let named =
            weights.map(|weights| weights.card.classes.clone()).filter(|names| names.len() == n_outputs);
        Ok(Predictor {
            session,
            name: model.name.clone(),
            input: experiment.data.as_ref().and_then(|data| data.facts.form.shape()).unwrap_or(input),
            data: experiment.data.clone(),
            end: End {
                shape: output,
                classes: named.unwrap_or_else(|| (0..n_outputs).map(|class| class.to_string()).collect()),
                gives_probabilities: model.last().is_some_and(|last| {
                    let name = last.unit.spec().name;
                    if task == Task::Labels { name == "sigmoid" } else { name == "softmax" }
                }),
                task,
            },
            given,
            further,
        })
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape of a picture before its preparation: 1 or 3 channels x height x width, where the model takes pictures.
    pub fn input(&self) -> &Shape {
        &self.input
    }

    /// The shape of an answer's numbers.
    pub fn output(&self) -> &Shape {
        &self.end.shape
    }

    /// What the model gives: a class, labels, numbers, a mask or an image.
    pub fn task(&self) -> Task {
        self.end.task
    }

    /// The names of classes, labels or numbers in the order of the outputs; empty where the model gives images.
    pub fn classes(&self) -> &[String] {
        &self.end.classes
    }

    /// What the model takes with each picture, in the order in which [`Predictor::picture_with`] takes it.
    pub fn given(&self) -> &[Wanted] {
        &self.given
    }

    /// The model's further outputs: the name of each, what it gives, and the names of its classes or numbers.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, Task, &[String])> {
        self.further.iter().map(|(name, end)| (name.as_str(), end.task, end.classes.as_slice()))
    }

    /// The column of the pictures' paths in the table that the model learnt from.
    pub fn picture_column(&self) -> &str {
        let column = self.data.as_ref().and_then(|data| data.args.word("image").ok());
        column.unwrap_or("image")
    }

    /// What the model makes of a picture in the bytes of a picture file.
    ///
    /// The picture is brought to [`Predictor::input`] (see [`Picture::fit`]), unless the model learnt from pictures of different
    /// sizes, and prepared as those that it learnt from; where there is no `data` section its pixels are 0 (black) to 1 (white). What was done to it is told in the
    /// answer's remarks.
    ///
    /// # Errors
    /// Bytes that are no whole picture, or are above the limits of one; an output that is not finite, as it says nothing.
    pub fn picture(&mut self, bytes: &[u8]) -> Result<Answer, Fault> {
        self.picture_with(bytes, &[])
    }

    /// The same with what else the model takes, as [`Predictor::given`] says.
    ///
    /// # Errors
    /// Those of [`Predictor::picture`]; other values than the model takes, or numbers that are not finite.
    pub fn picture_with(&mut self, bytes: &[u8], given: &[Given]) -> Result<Answer, Fault> {
        let (image, mut remarks) = self.image(bytes)?;
        let mut more = Vec::with_capacity(given.len());
        for (wanted, given) in further::paired(&self.given, given)? {
            more.push(match given {
                Given::Numbers(numbers) => numbers.clone(),
                Given::Picture(bytes) => {
                    let (image, own) = self.image(bytes).map_err(|fault| wanted.named(fault))?;
                    remarks.extend(own);
                    self.numbers(image)?
                }
            });
        }
        let numbers = self.numbers(image)?;
        let mut answer = self.asked(&numbers, &more)?;
        answer.remarks = remarks;
        Ok(answer)
    }

    /// A picture before its preparation, in the size that this begins with, and what was done to it.
    fn image(&self, bytes: &[u8]) -> Result<(Image, Vec<Remark>), Fault> {
        let picture = Picture::decode(bytes)?;
        let sized = self.data.as_ref().is_none_or(|data| data.facts.form.extents().is_some());
        if let (Some(data), false) = (&self.data, sized) {
            // The pictures that it learnt from had sizes of their own, too.
            return Ok(picture.whole(data.facts.form.channels.unwrap_or(3)));
        }
        let Fitted { pixels, mut remarks } = picture.fit(self.input())?;
        remarks.extend(self.data.as_ref().and_then(|data| picture::inverted(&pixels, data)));
        Ok((Image::of_bytes(extents(self.input()), pixels), remarks))
    }

    /// The shape of the signals (channels x length) or volumes (channels x depth x height x width) that the model takes; `None`
    /// where it takes pictures.
    pub fn signals(&self) -> Option<&Shape> {
        Some(&self.input).filter(|input| [2, 4].contains(&input.rank()))
    }

    /// What the model makes of a signal or a volume: channel by channel, as its data set's arrays hold it.
    ///
    /// # Errors
    /// One of another shape, or with numbers that are not finite; an output that is not finite.
    pub fn signal(&mut self, numbers: &[f32]) -> Result<Answer, Fault> {
        let one = Form::of_shape(&self.input).map_or("signal", Form::one);
        let Some(shape) = self.signals().filter(|shape| shape.elements() == numbers.len()).cloned() else {
            let message =
                format!("a {one} of {} numbers is given, but the model takes {}", numbers.len(), self.input);
            return Err(
                Fault::new(codes::DATA_SHAPE, message).advise(format!("a {one} of the model's shape"))
            );
        };
        let scale = self.data.as_ref().map_or(Ok(1.0), |data| data.source.scale(&data.args))?;
        let numbers: Vec<f32> = numbers.iter().map(|number| number / scale).collect();
        if numbers.iter().any(|number| !number.is_finite()) {
            let message = format!("the {one} has a number that is not finite");
            return Err(Fault::new(codes::DATA_FILE, message).advise("numbers without NaN and infinity"));
        }
        self.prepared(Image::of_numbers(extents(&shape), numbers))
    }

    /// The same of pixels that are in [`Predictor::input`] already: row by row, channel by channel, 0 (black) to 255 (white).
    pub fn pixels(&mut self, pixels: &[u8], shape: &Shape) -> Result<Answer, Fault> {
        if shape != self.input() || pixels.len() != shape.elements() {
            let message = format!(
                "{} pixels of the shape {shape} are given, but the model takes {}",
                pixels.len(),
                self.input()
            );
            return Err(
                Fault::new(codes::DATA_SHAPE, message).advise("pixels of the model's shape, a byte each")
            );
        }
        self.prepared(Image::of_bytes(extents(shape), pixels.to_vec()))
    }

    /// What the model makes of an image alone.
    fn prepared(&mut self, image: Image) -> Result<Answer, Fault> {
        further::paired(&self.given, &[])?;
        let numbers = self.numbers(image)?;
        self.asked(&numbers, &[])
    }

    /// An image as it reaches the model.
    fn numbers(&self, image: Image) -> Result<Vec<f32>, Fault> {
        match &self.data {
            Some(data) => {
                let sample = Sample::of(image, Target::Unknown);
                prepare(data, sample, Mode::Eval, &mut Random::new(0, "", 0))
            }
            None => Ok(image.into_numbers()),
        }
    }

    fn asked(&mut self, image: &[f32], given: &[Vec<f32>]) -> Result<Answer, Fault> {
        self.session.put(0, IMAGES, image)?;
        for (name, numbers) in INPUTS.into_iter().zip(given) {
            self.session.put(0, name, numbers)?;
        }
        self.session.step(0)?;
        let mut answer = Answer::new(self.session.read(0, SCORES)?, &self.end)?;
        for ((name, end), port) in self.further.iter().zip(outputs::SCORES) {
            let own = Answer::new(self.session.read(0, port)?, end).map_err(|fault| Fault {
                message: format!("the output `{name}`: {}", fault.message),
                ..fault
            })?;
            answer.outputs.push((name.clone(), own));
        }
        Ok(answer)
    }
}

fn extents(shape: &Shape) -> [usize; 3] {
    sample::extents(shape).unwrap_or([1, 1, shape.elements()])
}

#[cfg(test)]
mod tests;
