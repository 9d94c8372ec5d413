//! What an evaluation got most wrong, and what the model answers for these images.

use std::ops::ControlFlow;

use crate::data::loader::Mode;
use crate::diag::Fault;
use crate::run::Session;
use crate::train::feed::{Feed, Pass};
use crate::train::program::SCORES;
use crate::train::programs::Programs;

/// As many as people look at.
const MOST: usize = 24;

/// An image with a large loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrong {
    /// Its place among the samples.
    pub index: u32,
    pub loss: f32,
    /// The class that it was taken for, where there are classes to find.
    pub predicted: Option<u32>,
}

/// The images of the largest losses, the largest first; of equal ones, in the order of the samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worst(Vec<Wrong>);

impl Worst {
    pub fn offer(&mut self, wrong: Wrong) {
        let before =
            |own: &Wrong| own.loss.total_cmp(&wrong.loss).reverse().then(own.index.cmp(&wrong.index)).is_lt();
        let at = self.0.partition_point(before);
        if at < MOST {
            self.0.insert(at, wrong);
            self.0.truncate(MOST);
        }
    }

    pub fn all(&self) -> &[Wrong] {
        &self.0
    }
}

/// The model's output for the first of these images, as many as one batch has; the session's weights stay.
pub fn answers(
    session: &mut Session,
    programs: &Programs,
    feed: &Feed<'_>,
    worst: &Worst,
) -> Result<Vec<Vec<f32>>, Fault> {
    let n = worst.0.len();
    let sizes = programs.evaluation_sizes();
    let size = sizes.iter().copied().filter(|&size| size >= n).min().or(sizes.iter().copied().max());
    let Some(size) = size.filter(|_| n > 0) else { return Ok(Vec::new()) };
    let order: Vec<u32> = worst.0.iter().cycle().take(size).map(|wrong| wrong.index).collect();
    let way = Pass { order: &order, from: 0, batch: size, epoch: 0, mode: Mode::Eval };
    let mut scores = Vec::new();
    feed.batches(session, way, &|_, images| programs.evaluation(images), &mut |session, graph, _| {
        session.step(graph)?;
        scores = session.read(graph, SCORES)?;
        Ok(ControlFlow::Break(()))
    })?;
    let one = (scores.len() / size).max(1);
    Ok(scores.chunks_exact(one).take(n.min(size)).map(<[f32]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::{MOST, Worst, Wrong};

    #[test]
    fn the_largest_losses_stay_in_order() {
        let mut worst = Worst::default();
        for index in 0..100u32 {
            worst.offer(Wrong { index, loss: ((index * 37) % 50) as f32, predicted: None });
        }
        let found: Vec<(f32, u32)> = worst.all().iter().map(|wrong| (wrong.loss, wrong.index)).collect();
        let mut expected: Vec<(f32, u32)> =
            (0..100u32).map(|index| (((index * 37) % 50) as f32, index)).collect();
        expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        assert_eq!(found, expected[..MOST]);
    }
}
