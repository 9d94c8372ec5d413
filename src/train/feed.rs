//! Images in the order of a pass → the batches of a session's graphs, in one of three ways that give the same numbers: made
//! on a device that keeps the images; written into the graph's memory by the loader; or, where steps go on while the host
//! does something else, made by the loader on a thread of its own, some batches ahead.

use std::ops::ControlFlow;
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use crate::data::loader::{Loader, Mode};
use crate::diag::Fault;
use crate::kernels::cpu::threads;
use crate::model::lower::IMAGES;
use crate::run::Session;
use crate::train::program::LABELS;

/// Batches that are under way at the same time on a thread of its own: one is made, one waits, one is written.
const UNDER_WAY: usize = 3;

/// Images of one set and how they reach a session.
pub struct Feed<'a> {
    pub loader: Loader<'a>,
    /// The position of the set's first image in the session's stock, where it has one.
    pub stock: Option<usize>,
    pub seed: u64,
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

/// The numbers of a batch.
#[derive(Default)]
struct Made {
    images: Vec<f32>,
    labels: Vec<f32>,
}

impl Feed<'_> {
    /// Goes through the batches for whose number of images `graph` has a graph, until `step` breaks off.
    pub fn batches(
        &self,
        session: &mut Session,
        pass: Pass<'_>,
        graph: &dyn Fn(usize) -> Option<usize>,
        step: Step<'_>,
    ) -> Result<(), Fault> {
        let batches: Vec<(usize, usize, &[u32])> = (pass.order.chunks(pass.batch).enumerate())
            .filter(|(i, _)| i * pass.batch >= pass.from)
            .filter_map(|(i, batch)| Some((i * pass.batch, graph(batch.len())?, batch)))
            .collect();
        threads::start()?;
        if let Some(start) = self.stock {
            return gathered(session, pass, start, &batches, step);
        }
        if session.is_done() {
            for (_, graph, batch) in batches {
                self.write(session, pass, graph, batch)?;
                if step(session, graph, batch)?.is_break() {
                    break;
                }
            }
            return Ok(());
        }
        self.ahead(session, pass, &batches, step)
    }

    fn write(&self, session: &mut Session, pass: Pass<'_>, graph: usize, batch: &[u32]) -> Result<(), Fault> {
        let mut labels = vec![0.0; batch.len()];
        let mut result = Ok(());
        session.write(graph, IMAGES, |out| {
            result = self.loader.fill(batch, pass.epoch, pass.mode, self.seed, out, &mut labels);
        })?;
        result?;
        session.write(graph, LABELS, |out| out.copy_from_slice(&labels))
    }

    fn ahead(
        &self,
        session: &mut Session,
        pass: Pass<'_>,
        batches: &[(usize, usize, &[u32])],
        step: Step<'_>,
    ) -> Result<(), Fault> {
        let make = |batch: &[u32], mut made: Made| {
            made.images.resize(batch.len() * self.loader.shape().elements(), 0.0);
            made.labels.resize(batch.len(), 0.0);
            let Made { images, labels } = &mut made;
            self.loader.fill(batch, pass.epoch, pass.mode, self.seed, images, labels).map(|()| made)
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
                session.put(graph, IMAGES, &made.images)?;
                session.put(graph, LABELS, &made.labels)?;
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
    start: usize,
    batches: &[(usize, usize, &[u32])],
    step: Step<'_>,
) -> Result<(), Fault> {
    let too_many = |_| Fault::internal("more images than can be counted");
    let start = u32::try_from(start).map_err(too_many)?;
    let positions: Vec<u32> = pass.order.iter().map(|&index| start + index).collect();
    session.order(&positions)?;
    for &(first, graph, batch) in batches {
        session.gather(graph, u32::try_from(first).map_err(too_many)?, pass.epoch)?;
        if step(session, graph, batch)?.is_break() {
            break;
        }
    }
    Ok(())
}
