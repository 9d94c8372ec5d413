//! The steps of one pass over the training images → its sums, as the numbers of the steps come in; and, at any time, what
//! of the pass is behind.

use std::time::Instant;

use crate::diag::{Fault, codes};
use crate::run::Session;
use crate::train::progress::Begun;
use crate::train::trainer::StepDone;

pub struct Pass {
    /// The epoch, counted from 1.
    epoch: usize,
    begun: Begun,
    /// Images that this process has trained on, from `begin` on.
    own: usize,
    begin: Instant,
    /// Seconds of `begun` before that.
    before: f64,
    open: Vec<Open>,
    pub interrupted: bool,
    /// Images of the epoch in front of the batch whose loss is no number, where there is one.
    pub broken: Option<usize>,
}

/// A step whose numbers were not read yet.
struct Open {
    images: usize,
    step: u64,
    learning_rate: f64,
}

impl Pass {
    /// Begins, or goes on with what has begun.
    pub fn new(epoch: usize, begun: Begun) -> Pass {
        let before = begun.seconds;
        Pass {
            epoch,
            begun,
            own: 0,
            begin: Instant::now(),
            before,
            open: Vec::new(),
            interrupted: false,
            broken: None,
        }
    }

    /// A step that was asked for, counted from 1 over all epochs.
    pub fn push(&mut self, images: usize, step: u64, learning_rate: f64) {
        self.open.push(Open { images, step, learning_rate });
    }

    /// Takes in what the open steps left.
    pub fn settle(&mut self, session: &mut Session) -> Result<(), Fault> {
        let noted = session.noted()?;
        // The loss, and where there are classes how many were found.
        let n = 1 + usize::from(self.begun.correct.is_some());
        if noted.len() != n * self.open.len() {
            return Err(Fault::internal(format!("{} numbers of {} steps", noted.len(), self.open.len())));
        }
        for (Open { images, step, learning_rate }, numbers) in self.open.drain(..).zip(noted.chunks_exact(n))
        {
            let loss = f64::from(numbers[0]);
            if !loss.is_finite() {
                self.broken = Some(self.begun.images);
                return Err(diverged(loss, self.epoch, step, learning_rate));
            }
            self.begun.loss_sum += loss * images as f64;
            if let Some(correct) = &mut self.begun.correct {
                *correct += f64::from(numbers[1]);
            }
            self.begun.images += images;
            self.begun.learning_rate = learning_rate;
            self.own += images;
        }
        Ok(())
    }

    /// What is behind, of the steps that were taken in.
    pub fn begun(&self) -> Begun {
        Begun { seconds: self.before + self.seconds(), ..self.begun.clone() }
    }

    /// Images that were trained on in this epoch.
    pub fn seen(&self) -> usize {
        self.begun.images
    }

    /// The last step that was taken in, of an epoch of so many images.
    pub fn done(&self, epoch_images: usize) -> StepDone {
        let images = self.begun.images;
        StepDone {
            epoch: self.epoch,
            images,
            epoch_images,
            loss: self.begun.loss_sum / images as f64,
            accuracy: self.begun.correct.map(|correct| correct / images as f64),
            images_per_second: self.own as f64 / self.seconds(),
        }
    }

    fn seconds(&self) -> f64 {
        self.begin.elapsed().as_secs_f64().max(1e-9)
    }
}

fn diverged(loss: f64, epoch: usize, step: u64, learning_rate: f64) -> Fault {
    let message = format!(
        "the loss became {loss} in step {step} (epoch {epoch}), at a learning rate of {learning_rate:.3e}"
    );
    let fault = Fault::new(codes::TRAINING_NEEDS, message).label("the weights diverge");
    let fault = match epoch {
        0 | 1 => fault,
        _ => fault.note(format!("the weights of epoch {} are kept in the run's folder", epoch - 1)),
    };
    fault
        .advise(format!("a smaller learning rate, such as `lr={:.0e}`", learning_rate / 10.0))
        .advise("`schedule cosine warmup=5%`, or a `batch_norm` after each convolution")
}
