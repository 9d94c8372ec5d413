//! Samples in the order of a pass → the batches of a session's graphs, in one of three ways that give the same numbers: made
//! on a device that keeps the images; written into the graph's memory by the loader, where that takes next to no time; or made
//! by threads beside the steps, some batches ahead.

use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use crate::data::loader::{Loader, Mode};
use crate::data::sample::extents;
use crate::diag::Fault;
use crate::kernels::cpu::threads;
use crate::run::Session;
use crate::tensor::random::Random;
use crate::train::mixes::{self, Mix};
use crate::train::section::Chosen;

/// Batches that are under way beside the steps at the same time: one is waited for, the others are made.
const UNDER_WAY: usize = 3;
/// Handing over a batch to other threads pays where making it takes longer than this,
const SHORT: Duration = Duration::from_millis(2);
/// so many times in a row: once may be the machine's doing.
const TRIES: usize = 2;

/// Samples and how they reach a session.
pub struct Feed<'a> {
    pub loader: Loader<'a>,
    /// Whether the session's device keeps them in its stock.
    pub in_stock: InStock,
    pub seed: u64,
    /// Of the images of a batch to train on.
    pub mix: Option<&'a Chosen<dyn Mix>>,
}

/// Whether a device keeps samples to make their batches itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InStock {
    Yes,
    No,
}

/// One way through the images.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    pub order: &'a [u32],
    /// Images in front that are passed over: whole batches.
    pub from: usize,
    /// Images of a batch; the last one may have fewer.
    pub batch: usize,
    pub epoch: u32,
    pub mode: Mode,
}

/// What is done behind each batch: with the session, the graph that has it, and the indices of its images.
pub type Step<'a> = &'a mut dyn FnMut(&mut Session, usize, &[u32]) -> Result<ControlFlow<()>, Fault>;

/// What becomes of a batch: with the graph that has it, the indices of its images, and its numbers.
pub type Take<'a> = &'a mut dyn FnMut(usize, &[u32], &Made) -> Result<ControlFlow<()>, Fault>;

/// The numbers of a batch, field by field.
#[derive(Default)]
pub struct Made {
    pub images: Vec<f32>,
    pub others: Vec<Vec<f32>>,
}

#[derive(Clone, Debug)]
struct Batch<'a> {
    /// Of its first image in the order.
    place: usize,
    /// The graph that has it.
    graph: usize,
    /// The indices of its images.
    images: &'a [u32],
    /// Those of its images that this process makes; other processes make the rest.
    own: Range<usize>,
}

/// Like [`Take`], but also told which part of the batch is made here.
type TakeOwn<'a> = &'a mut dyn FnMut(&Batch<'_>, &Made) -> Result<ControlFlow<()>, Fault>;

impl Batch<'_> {
    /// What is made: the place in the order, and the indices.
    fn made(&self) -> (usize, &[u32]) {
        (self.place, &self.images[self.own.clone()])
    }

    /// Writes what was made of it into an input.
    fn give(&self, session: &mut Session, name: &str, numbers: &[f32]) -> Result<(), Fault> {
        match self.own.len() == self.images.len() {
            true => session.put(self.graph, name, numbers),
            false => session.write(self.graph, name, |out| self.part(out).copy_from_slice(numbers)),
        }
    }

    /// Where that lies in what a graph is given of the batch.
    fn part<'o>(&self, out: &'o mut [f32]) -> &'o mut [f32] {
        let row = out.len() / self.images.len().max(1);
        &mut out[self.own.start * row..self.own.end * row]
    }
}

impl Feed<'_> {
    /// Goes through the batches for which there is a graph, by their first place in the order and their number of images, until
    /// `step` breaks off.
    pub fn batches(
        &self,
        session: &mut Session,
        pass: Pass<'_>,
        graph: &dyn Fn(usize, usize) -> Option<usize>,
        step: Step<'_>,
    ) -> Result<(), Fault> {
        let batches: Vec<Batch<'_>> = (pass.order.chunks(pass.batch).enumerate())
            .filter(|(i, _)| i * pass.batch >= pass.from)
            .filter_map(|(i, images)| {
                let place = i * pass.batch;
                let graph = graph(place, images.len())?;
                Some(Batch { place, graph, images, own: self.own(session, pass, graph, images.len()) })
            })
            .collect();
        threads::start()?;
        if self.in_stock == InStock::Yes {
            return gathered(session, pass, &batches, step);
        }
        let mut rest = batches.as_slice();
        if session.is_done() {
            let (mut others, mut slow) = (Vec::new(), 0);
            while let (Some((own, behind)), 0..TRIES) = (rest.split_first(), slow) {
                let begin = Instant::now();
                self.write(session, pass, own, &mut others)?;
                slow = if begin.elapsed() > SHORT { slow + 1 } else { 0 };
                if step(session, own.graph, own.images)?.is_break() {
                    return Ok(());
                }
                rest = behind;
            }
        }
        self.ahead(pass, rest, &mut |batch, made| {
            batch.give(session, self.loader.fields()[0].name, &made.images)?;
            self.put(session, batch, &made.others)?;
            step(session, batch.graph, batch.images)
        })
    }

    /// Which of a batch's images are made here: all where they are mixed with each other.
    fn own(&self, session: &Session, pass: Pass<'_>, graph: usize, n: usize) -> Range<usize> {
        let is_mixed = self.mix.is_some() && pass.mode == Mode::Train;
        session.images(graph).filter(|_| !is_mixed).unwrap_or(0..n)
    }

    /// Makes batches without a session, as beside steps, until `take` breaks off.
    pub fn made(&self, pass: Pass<'_>, take: Take<'_>) -> Result<(), Fault> {
        threads::start()?;
        let batch = |images| Batch { place: 0, graph: 0, images, own: 0..images.len() };
        let batches: Vec<Batch<'_>> = pass.order.chunks(pass.batch).map(batch).collect();
        self.ahead(pass, &batches, &mut |batch, made| take(batch.graph, batch.images, made))
    }

    fn write(
        &self,
        session: &mut Session,
        pass: Pass<'_>,
        batch: &Batch<'_>,
        others: &mut Vec<Vec<f32>>,
    ) -> Result<(), Fault> {
        let mut result = Ok(());
        session.write(batch.graph, self.loader.fields()[0].name, |out| {
            result = self.fill(pass, batch.made(), batch.part(out), others);
        })?;
        result?;
        self.put(session, batch, others)
    }

    /// Gives a graph what a batch holds beside its images.
    fn put(&self, session: &mut Session, batch: &Batch<'_>, others: &[Vec<f32>]) -> Result<(), Fault> {
        self.names().skip(1).zip(others).try_for_each(|(name, numbers)| batch.give(session, name, numbers))
    }

    /// The inputs of a graph that a batch is for, in the order of its numbers: the images, what else is told of them, and what a
    /// mix adds.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.loader.fields().iter().map(|field| field.name).chain(mixes::INPUTS)
    }

    /// Makes a batch, whose first image stands at this place in the order.
    fn fill(
        &self,
        pass: Pass<'_>,
        (place, batch): (usize, &[u32]),
        images: &mut [f32],
        others: &mut Vec<Vec<f32>>,
    ) -> Result<(), Fault> {
        let fields = self.loader.fields();
        others.resize(fields.len() - 1, Vec::new());
        self.loader.fill(batch, pass.epoch, pass.mode, self.seed, images, others)?;
        let (Some(mix), Mode::Train, [targets]) = (self.mix, pass.mode, others.as_mut_slice()) else {
            return Ok(());
        };
        let mut random = Random::new(self.seed, &format!("mix {place}"), pass.epoch);
        let mixed = mixes::mixed(mix, (images, extents(&fields[0].shape)?), targets, &mut random)?;
        others.extend(mixed);
        Ok(())
    }

    /// Makes batches on threads of its own, as many as work on a step, and takes them in order.
    fn ahead(&self, pass: Pass<'_>, batches: &[Batch<'_>], take: TakeOwn<'_>) -> Result<(), Fault> {
        if batches.is_empty() {
            return Ok(());
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(rayon::current_num_threads());
        let pool = pool.thread_name(|i| format!("batches {i}")).build().map_err(threads::cannot_start)?;
        let broken_off = AtomicBool::new(false);
        pool.in_place_scope(|scope| {
            let begin = |batch: &Batch<'_>, room: Made| {
                let (done, made) = sync_channel(1);
                let ((place, images), broken_off) = (batch.made(), &broken_off);
                let images = images.to_vec();
                scope.spawn(move |_| {
                    if !broken_off.load(Ordering::Relaxed) {
                        // Nobody listens any more where the pass was broken off.
                        let _ = done.send(self.make(pass, (place, &images), room));
                    }
                });
                made
            };
            let (first, mut later) = batches.split_at(UNDER_WAY.min(batches.len()));
            let mut under_way: VecDeque<_> =
                first.iter().map(|batch| begin(batch, Made::default())).collect();
            let mut take_all = || {
                for batch in batches {
                    let made = under_way.pop_front().and_then(|made| made.recv().ok());
                    let made = made.ok_or_else(|| Fault::internal("a thread that makes batches ended"))??;
                    let flow = take(batch, &made)?;
                    if flow.is_break() {
                        break;
                    }
                    if let Some((batch, behind)) = later.split_first() {
                        under_way.push_back(begin(batch, made));
                        later = behind;
                    }
                }
                Ok(())
            };
            let taken = take_all();
            broken_off.store(true, Ordering::Relaxed);
            taken
        })
    }

    /// Makes a batch, whose first image stands at this place in the order, in the room of another one.
    pub fn make(&self, pass: Pass<'_>, batch: (usize, &[u32]), mut made: Made) -> Result<Made, Fault> {
        made.images.resize(batch.1.len() * self.loader.fields()[0].shape.elements(), 0.0);
        self.fill(pass, batch, &mut made.images, &mut made.others).map(|()| made)
    }
}

/// Lets the session's device make each batch.
fn gathered(
    session: &mut Session,
    pass: Pass<'_>,
    batches: &[Batch<'_>],
    step: Step<'_>,
) -> Result<(), Fault> {
    let too_many = |_| Fault::internal("more images than can be counted");
    session.order(pass.order)?;
    for batch in batches {
        session.gather(batch.graph, u32::try_from(batch.place).map_err(too_many)?, pass.epoch)?;
        if step(session, batch.graph, batch.images)?.is_break() {
            break;
        }
    }
    Ok(())
}
