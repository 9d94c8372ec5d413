//! The further outputs of a model, batch by batch → what each of them comes to on a set of images.

use crate::data::sample::Task;
use crate::diag::Fault;
use crate::model::outputs::{SCORES, WANTED};
use crate::run::Session;
use crate::train::feed::Feed;
use crate::train::metrics::tally::Tally;
use crate::train::metrics::{Context, Evaluation, Further};
use crate::train::section::{OutputTraining, TrainSection};
use crate::train::worst::Worst;

/// What is being measured of each further output, in the model's order.
pub struct Tallies<'t> {
    outputs: Vec<One<'t>>,
}

struct One<'t> {
    own: &'t OutputTraining,
    tally: Tally,
    /// Of its classes or numbers.
    names: Vec<String>,
    /// Images whose class was found.
    correct: usize,
    /// What the images of a batch should give.
    wanted: Vec<f32>,
}

impl<'t> Tallies<'t> {
    /// For so many images.
    pub fn new(train: &'t TrainSection, images: usize) -> Tallies<'t> {
        let one = |own: &'t OutputTraining| {
            let context = Context { task: own.task, n: own.n, gives_probabilities: own.gives_probabilities };
            let tally = Tally::new(context, &own.metrics, images);
            One { own, tally, names: Vec::new(), correct: 0, wanted: Vec::new() }
        };
        Tallies { outputs: train.outputs.iter().map(one).collect() }
    }

    /// Adds the outputs of a step's images.
    pub fn add(
        &mut self,
        session: &Session,
        graph: usize,
        feed: &Feed<'_>,
        batch: &[u32],
    ) -> Result<(), Fault> {
        for (at, one) in self.outputs.iter_mut().enumerate() {
            let name = SCORES.get(at).ok_or_else(|| Fault::internal("one output too many"))?;
            let scores = session.read(graph, name)?;
            let field = feed.loader.target_of(at)?;
            if one.names.is_empty() {
                one.names = field.names();
            }
            match WANTED.get(at).filter(|_| field.turns()) {
                Some(wanted) => one.wanted = session.read(graph, wanted)?,
                None => field.targets(batch, &mut one.wanted)?,
            }
            let n = (one.wanted.len() / batch.len().max(1)).max(1);
            let size = (scores.len() / batch.len().max(1)).max(1);
            for (output, wanted) in scores.chunks(size).zip(one.wanted.chunks(n)) {
                if one.own.task == Task::Classes {
                    let (truth, found) = (wanted[0] as usize, highest(output));
                    one.correct += usize::from(truth == found);
                    one.tally.found(truth, found);
                }
                one.tally.add(output, wanted);
            }
        }
        Ok(())
    }

    /// What they came to, with the mean loss of each.
    pub fn evaluations(self, losses: &[f64], images: usize) -> Vec<Further> {
        let of = |(one, &loss): (One<'_>, &f64)| Further {
            name: one.own.name.clone(),
            names: one.names,
            evaluation: Evaluation {
                images,
                loss,
                plain_loss: None,
                classes: one.tally.classes(one.correct as f64 / images.max(1) as f64),
                figures: one.tally.figures(),
                detail: one.tally.detail(),
                worst: Worst::default(),
                outputs: Vec::new(),
            },
        };
        self.outputs.into_iter().zip(losses).map(of).collect()
    }
}

/// The place of the highest score; of equal ones the first.
fn highest(scores: &[f32]) -> usize {
    (1..scores.len()).fold(0, |best, at| if scores[at] > scores[best] { at } else { best })
}
