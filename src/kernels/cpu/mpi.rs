//! Processes that MPI has started together.
//!
//! Messages go from each process to each other, as there are few of them. Who waits looks again and again for a moment, then lets
//! others run, then sleeps between two looks: MPI's own waiting would keep a core busy.
#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::environment::{Universe, is_finalized, is_initialized};
use mpi::request::{RequestCollection, multiple_scope};
use mpi::topology::{Communicator, SimpleCommunicator};
use mpi::traits::{Destination, Source};

use crate::diag::{Fault, codes};
use crate::kernels::cpu::peers::{Filled, Peers, Rank};
use crate::kernels::cpu::threads;

/// How often one who waits looks before it lets others run,
const LOOKS: u32 = 500;
/// how long it does that before it sleeps, as a large message takes many looks,
const WAKE: Duration = Duration::from_millis(20);
/// and how long it then sleeps at a time.
const NAP: Duration = Duration::from_micros(50);

/// What is done by who has waited for too long. It must not come back.
pub type Late = fn();

/// The processes of this program's start.
pub struct Mpi {
    inner: Mutex<Inner>,
    rank: Rank,
    late: (Duration, Late),
}

struct Inner {
    /// What is sent, and what comes from each process.
    own: Vec<f32>,
    theirs: Vec<Vec<f32>>,
    world: SimpleCommunicator,
    // Dropped last: it ends MPI, and waits until the others do.
    _universe: Universe,
}

// SAFETY: MPI was asked for threads that call it one at a time, and the lock sees to that.
unsafe impl Send for Inner {}

impl Mpi {
    /// Joins them. Called once. Who waits for longer than `late` says calls it.
    pub fn join(late: (Duration, Late)) -> Result<Mpi, Fault> {
        let refused = |what: &str| Fault::new(codes::DEVICE, format!("MPI {what}"));
        let (universe, threading) = mpi::initialize_with_threading(Threading::Serialized)
            .ok_or_else(|| refused("was begun before"))?;
        if threading < Threading::Serialized {
            return Err(refused("was built without threads").advise("an MPI with `MPI_THREAD_SERIALIZED`"));
        }
        let world = universe.world();
        let number = |number: i32| usize::try_from(number).map_err(|_| refused("counts wrong"));
        let rank = Rank { number: number(world.rank())?, n: number(world.size())? };
        let inner = Inner { own: Vec::new(), theirs: vec![Vec::new(); rank.n], world, _universe: universe };
        Ok(Mpi { inner: Mutex::new(inner), rank, late })
    }
}

/// Ends all processes at once; comes back where there is no MPI to do it.
pub fn abort(code: i32) {
    if is_initialized() && !is_finalized() {
        SimpleCommunicator::world().abort(code);
    }
}

impl Peers for Mpi {
    fn rank(&self) -> Rank {
        self.rank
    }

    fn exchange(&self, memory: &mut [f32], filled: &Filled) -> Result<(), Fault> {
        let len = |ranges: &Vec<Range<usize>>| ranges.iter().map(Range::len).sum::<usize>();
        if filled.iter().any(|ranges| i32::try_from(len(ranges)).is_err()) {
            return Err(Fault::internal("an exchange of more numbers than MPI counts"));
        }
        let mut inner = self.inner.lock().map_err(|_| Fault::internal("an exchange panicked"))?;
        let Inner { own, theirs, world, .. } = &mut *inner;
        own.clear();
        filled[self.rank.number].iter().for_each(|range| own.extend_from_slice(&memory[range.clone()]));
        for (room, ranges) in theirs.iter_mut().zip(filled) {
            room.resize(len(ranges), 0.0);
        }
        let is_other = |number: usize| number != self.rank.number;
        multiple_scope(2 * self.rank.n, |scope, open: &mut RequestCollection<'_, [f32]>| {
            for (number, room) in theirs.iter_mut().enumerate() {
                if is_other(number) && !room.is_empty() {
                    open.add(
                        world.process_at_rank(number as i32).immediate_receive_into(scope, &mut room[..]),
                    );
                }
            }
            for number in (0..self.rank.n).filter(|&number| is_other(number) && !own.is_empty()) {
                open.add(world.process_at_rank(number as i32).immediate_send(scope, &own[..]));
            }
            self.wait(open);
        });
        for (number, (room, ranges)) in theirs.iter().zip(filled).enumerate() {
            let mut rest = &room[..];
            for range in ranges.iter().filter(|_| is_other(number)) {
                let (numbers, behind) = rest.split_at(range.len());
                memory[range.clone()].copy_from_slice(numbers);
                rest = behind;
            }
        }
        Ok(())
    }
}

impl Mpi {
    fn wait(&self, open: &mut RequestCollection<'_, [f32]>) {
        let mut done = Vec::new();
        for _ in 0..LOOKS {
            if open.test_all(&mut done) {
                return;
            }
            std::hint::spin_loop();
        }
        let (begin, wake) = (Instant::now(), if threads::are_crowded() { Duration::ZERO } else { WAKE });
        let (patience, late) = self.late;
        while !open.test_all(&mut done) {
            match begin.elapsed() {
                waited if waited < wake => std::thread::yield_now(),
                waited if waited < patience => std::thread::sleep(NAP),
                _ => late(),
            }
        }
    }
}
