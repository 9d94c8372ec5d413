//! A model with its training and the sizes of its sets → every graph that one session needs, for whole batches and
//! for what is left of a set behind them.

use crate::data::Dataset;
use crate::data::loader::Mode;
use crate::diag::{Fault, codes};
use crate::graph::Graph;
use crate::model::Model;
use crate::train::program::{
    HasPlain, evaluation_graph, gathering_graph, loss_columns, optimized, training_graph,
};
use crate::train::section::TrainSection;
use crate::train::window::Windows;

/// The number of images in each set that a run goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub train: usize,
    /// Of validation and test.
    pub evaluated: [usize; 2],
}

impl Sizes {
    /// Those of a data set.
    pub fn of(dataset: &Dataset) -> Sizes {
        let parts = &dataset.parts;
        Sizes { train: parts.train.len(), evaluated: [parts.validation.len(), parts.test.len()] }
    }
}

/// The graphs of one session.
pub struct Programs {
    pub graphs: Vec<Graph>,
    /// Number of images and place of the graph, here and below.
    train: Vec<(usize, usize)>,
    /// Those that only add up gradients.
    gather: Vec<(usize, usize)>,
    evaluate: Vec<(usize, usize)>,
    /// Numbers an image that evaluation gives for each loss.
    pub columns: Vec<usize>,
    pub has_plain: HasPlain,
}

impl Programs {
    /// Graphs for batches of `batch` images and for the remainders of these sets.
    pub fn new(model: &Model, train: &TrainSection, batch: usize, sizes: Sizes) -> Result<Programs, Fault> {
        let (columns, has_plain) = loss_columns(model, train)?;
        let mut programs = Programs {
            graphs: Vec::new(),
            train: Vec::new(),
            gather: Vec::new(),
            evaluate: Vec::new(),
            columns,
            has_plain,
        };
        for size in [batch, sizes.train % batch] {
            if size == 0 || size > sizes.train {
                continue;
            }
            match training_graph(model, train, size).and_then(optimized) {
                Ok(graph) => {
                    let at = programs.push(graph);
                    programs.train.push((size, at));
                }
                // A last batch of one image has no variance: that batch is left out.
                Err(fault) if fault.code == codes::BATCH_OF_ONE && size < batch => {}
                Err(fault) => return Err(fault),
            }
        }
        // A smaller batch is the last of an epoch, behind which there is always an update.
        if train.accumulate > 1 && batch < sizes.train {
            let at = programs.push(gathering_graph(model, train, batch).and_then(optimized)?);
            programs.gather.push((batch, at));
        }
        for size in std::iter::once(batch).chain(sizes.evaluated.map(|n| n % batch)) {
            let wanted = size > 0 && sizes.evaluated.iter().any(|&n| n >= size);
            if wanted && !programs.evaluate.iter().any(|(own, _)| *own == size) {
                let graph = optimized(evaluation_graph(model, train, size)?)?;
                let at = programs.push(graph);
                programs.evaluate.push((size, at));
            }
        }
        Ok(programs)
    }

    /// Refuses sets of which no batch can be trained on: the only one has one image, and a norm needs more.
    pub fn check_steps(&self, model: &Model, sizes: Sizes) -> Result<(), Fault> {
        if !self.train.is_empty() || sizes.train == 0 {
            return Ok(());
        }
        let norm = model.layers.iter().find(|instance| instance.unit.spec().name == "batch_norm");
        let norm = norm.map_or("a norm", |instance| instance.name.as_str());
        let mut fault = Fault::new(
            codes::BATCH_OF_ONE,
            format!(
                "no training step is possible: the only batch has one image, in which `{norm}` sees one value per channel, whose variance is 0"
            ),
        );
        if sizes.evaluated[0] > 0 {
            fault = fault.advise(format!(
                "a smaller `validation`, which sets {} of {} images aside",
                sizes.evaluated[0],
                sizes.evaluated[0] + sizes.train
            ));
        }
        Err(fault
            .advise("more training images: at least 2")
            .advise("`layer_norm` or `group_norm` for `batch_norm`: they look at one image at a time"))
    }

    /// Which graph trains on so many images.
    pub fn training(&self, images: usize) -> Option<usize> {
        graph_for(&self.train, images)
    }

    /// Which graph adds up the gradients of so many images for a later update.
    pub fn gathering(&self, images: usize) -> Option<usize> {
        graph_for(&self.gather, images)
    }

    /// How an epoch of so many images goes: in batches of `batch`, of which `accumulate` make an update.
    pub fn windows(&self, images: usize, batch: usize, accumulate: usize) -> Windows {
        let is_trained = |size: usize| size > 0 && self.training(size).is_some();
        let whole = if is_trained(batch) { images / batch } else { 0 };
        Windows { batch, images, accumulate, n_batches: whole + usize::from(is_trained(images % batch)) }
    }

    /// Which graph evaluates so many images.
    pub fn evaluation(&self, images: usize) -> Option<usize> {
        graph_for(&self.evaluate, images)
    }

    /// The numbers of images that can be evaluated at once.
    pub fn evaluation_sizes(&self) -> Vec<usize> {
        self.evaluate.iter().map(|(size, _)| *size).collect()
    }

    /// What each graph does with the images of a batch.
    pub fn modes(&self) -> Vec<Mode> {
        let is_training = |graph: usize| self.train.iter().chain(&self.gather).any(|&(_, own)| own == graph);
        let mode = |graph: usize| if is_training(graph) { Mode::Train } else { Mode::Eval };
        let n_graphs = self.train.len() + self.gather.len() + self.evaluate.len();
        (0..n_graphs).map(mode).collect()
    }

    /// The graphs, to be compiled.
    pub fn take(&mut self) -> Vec<Graph> {
        std::mem::take(&mut self.graphs)
    }

    fn push(&mut self, graph: Graph) -> usize {
        self.graphs.push(graph);
        self.graphs.len() - 1
    }
}

fn graph_for(programs: &[(usize, usize)], size: usize) -> Option<usize> {
    programs.iter().find(|(own, _)| *own == size).map(|(_, graph)| *graph)
}
