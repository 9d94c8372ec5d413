//! Samples in the order of a pass → the batches of a session's graphs, in one of three ways that give the same numbers: made
//! on a device that keeps the images; written into the graph's memory by the loader; or, where steps go on while the host
//! does something else, made by the loader on a thread of its own, some batches ahead.

use std::ops::ControlFlow;
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use crate::data::loader::{Loader, Mode};
use crate::diag::Fault;
use crate::kernels::cpu::threads;
use crate::run::Session;

/// Batches that are under way at the same time on a thread of its own: one is made, one waits, one is written.
const UNDER_WAY: usize = 3;

/// Samples and how they reach a session.
pub struct Feed<'a> {
    pub loader: Loader<'a>,
    /// Whether the session's device keeps them in its stock.
    pub in_stock: InStock,
    pub seed: u64,
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

/// The numbers of a batch, field by field.
#[derive(Default)]
struct Made {
    images: Vec<f32>,
    others: Vec<Vec<f32>>,
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
        let batches: Vec<(usize, usize, &[u32])> = (pass.order.chunks(pass.batch).enumerate())
            .filter(|(i, _)| i * pass.batch >= pass.from)
            .filter_map(|(i, batch)| Some((i * pass.batch, graph(i * pass.batch, batch.len())?, batch)))
            .collect();
        threads::start()?;
        if self.in_stock == InStock::Yes {
            return gathered(session, pass, &batches, step);
        }
        if session.is_done() {
            let mut others = self.others();
            for (_, graph, batch) in batches {
                self.write(session, pass, graph, batch, &mut others)?;
                if step(session, graph, batch)?.is_break() {
                    break;
                }
            }
            return Ok(());
        }
        self.ahead(session, pass, &batches, step)
    }

    /// Room for the fields beside the image.
    fn others(&self) -> Vec<Vec<f32>> {
        vec![Vec::new(); self.loader.fields().len().saturating_sub(1)]
    }

    fn write(
        &self,
        session: &mut Session,
        pass: Pass<'_>,
        graph: usize,
        batch: &[u32],
        others: &mut [Vec<f32>],
    ) -> Result<(), Fault> {
        let [image, fields @ ..] = self.loader.fields() else { return Ok(()) };
        let mut result = Ok(());
        session.write(graph, image.name, |out| {
            result = self.loader.fill(batch, pass.epoch, pass.mode, self.seed, out, others);
        })?;
        result?;
        fields.iter().zip(others).try_for_each(|(field, numbers)| session.put(graph, field.name, numbers))
    }

    fn ahead(
        &self,
        session: &mut Session,
        pass: Pass<'_>,
        batches: &[(usize, usize, &[u32])],
        step: Step<'_>,
    ) -> Result<(), Fault> {
        let make = |batch: &[u32], mut made: Made| {
            made.images.resize(batch.len() * self.loader.fields()[0].shape.elements(), 0.0);
            made.others.resize(self.loader.fields().len() - 1, Vec::new());
            let Made { images, others } = &mut made;
            self.loader.fill(batch, pass.epoch, pass.mode, self.seed, images, others).map(|()| made)
        };
        thread::scope(|scope| {
            let (to_here, made) = sync_channel(1);
            let (used, free) = channel::<Made>();
            let mut unused = UNDER_WAY;
            let maker = thread::Builder::new().name("batches".to_owned());
            let started = maker.spawn_scoped(scope, move || {
                for (_, _, batch) in batches {
                    let room = match unused.checked_sub(1) {
                        Some(left) => {
                            unused = left;
                            Made::default()
                        }
                        None => match free.recv() {
                            Ok(room) => room,
                            Err(_) => return,
                        },
                    };
                    // Nobody listens any more where the pass was broken off.
                    if to_here.send(make(batch, room)).is_err() {
                        return;
                    }
                }
            });
            started.map_err(threads::cannot_start)?;
            for &(_, graph, batch) in batches {
                let made =
                    made.recv().map_err(|_| Fault::internal("the thread that makes batches ended"))??;
                let numbers = std::iter::once(&made.images).chain(&made.others);
                for (field, numbers) in self.loader.fields().iter().zip(numbers) {
                    session.put(graph, field.name, numbers)?;
                }
                // The thread has ended behind its last batch.
                let _ = used.send(made);
                if step(session, graph, batch)?.is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// Lets the session's device make each batch.
fn gathered(
    session: &mut Session,
    pass: Pass<'_>,
    batches: &[(usize, usize, &[u32])],
    step: Step<'_>,
) -> Result<(), Fault> {
    let too_many = |_| Fault::internal("more images than can be counted");
    session.order(pass.order)?;
    for &(first, graph, batch) in batches {
        session.gather(graph, u32::try_from(first).map_err(too_many)?, pass.epoch)?;
        if step(session, graph, batch)?.is_break() {
            break;
        }
    }
    Ok(())
}
