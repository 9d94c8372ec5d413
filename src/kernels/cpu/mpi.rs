//! Processes that MPI has started together.
//!
//! Messages go from each process to each other, as there are few of them. Who waits looks again and again for a moment, then lets
//! others run, then sleeps between two looks: MPI's own waiting would keep a core busy.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::environment::{Universe, is_finalized, is_initialized};
use mpi::ffi;
use mpi::raw::AsRaw;
use mpi::topology::{Communicator, SimpleCommunicator};
use mpi::traits::Equivalence;

use crate::diag::{Fault, codes};
use crate::kernels::cpu::peers::{Filled, Peers, Rank};
use crate::kernels::cpu::threads;

/// How often one who waits looks before it lets others run,
const LOOKS: u32 = 500;
/// how long it does that before it sleeps, as a large message takes many looks,
const WAKE: Duration = Duration::from_millis(20);
/// and how long it then sleeps at a time.
const NAP: Duration = Duration::from_micros(50);
/// How long MPI is left alone with messages that nobody waits for yet: it moves them only while it is called.
const PAUSE: Duration = Duration::from_micros(200);

/// All messages have it: between two processes they arrive in the order in which they are sent.
const TAG: i32 = 0;

/// What is done by who has waited for too long. It must not come back.
pub type Late = fn();

/// The processes of this program's start.
pub struct Mpi {
    own: Arc<Own>,
    rank: Rank,
    late: (Duration, Late),
    mover: Option<JoinHandle<()>>,
}

/// What this process has of MPI.
struct Own {
    inner: Mutex<Inner>,
    /// Told when an exchange is begun, and at the end.
    begun: Condvar,
}

struct Inner {
    /// Exchanges that were begun, the oldest first.
    open: VecDeque<Messages>,
    /// Memory of earlier exchanges.
    spare: Vec<Messages>,
    is_over: bool,
    world: SimpleCommunicator,
    // Dropped last: it ends MPI, and waits until the others do.
    _universe: Universe,
}

// SAFETY: MPI was asked for threads that call it one at a time, and the lock sees to that.
unsafe impl Send for Inner {}

/// The messages of one exchange. What is in them stays where it is until they are done.
#[derive(Default)]
struct Messages {
    /// What is sent, and what comes from each process.
    own: Vec<f32>,
    theirs: Vec<Vec<f32>>,
    requests: Vec<ffi::MPI_Request>,
}

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
        let (open, spare) = (VecDeque::new(), Vec::new());
        let inner = Inner { open, spare, is_over: false, world, _universe: universe };
        let own = Arc::new(Own { inner: Mutex::new(inner), begun: Condvar::new() });
        let moved = Arc::clone(&own);
        let mover =
            std::thread::Builder::new().name("messages".to_owned()).spawn(move || moved.keep_moving());
        Ok(Mpi { own, rank, late, mover: Some(mover.map_err(Fault::internal)?) })
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        if let Ok(mut inner) = self.own.inner.lock() {
            inner.is_over = true;
        }
        self.own.begun.notify_all();
        // A panic there has been told, and nothing is to be saved any more.
        self.mover.take().map(JoinHandle::join);
    }
}

impl Own {
    fn lock(&self) -> Result<MutexGuard<'_, Inner>, Fault> {
        self.inner.lock().map_err(|_| Fault::internal("an exchange panicked"))
    }

    /// Calls MPI now and then while exchanges are open that nobody waits for.
    fn keep_moving(&self) {
        let Ok(mut inner) = self.inner.lock() else { return };
        while !inner.is_over {
            // A call moves all messages.
            let is_moving = inner.open.iter_mut().any(|messages| !messages.are_done());
            inner = if is_moving {
                drop(inner);
                std::thread::sleep(PAUSE);
                let Ok(inner) = self.inner.lock() else { return };
                inner
            } else {
                let Ok(inner) = self.begun.wait(inner) else { return };
                inner
            };
        }
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
        let mut inner = self.own.lock()?;
        let mut messages = inner.send(self.rank, memory, filled)?;
        self.wait(&mut messages);
        messages.unpack(self.rank, memory, filled);
        inner.spare.push(messages);
        Ok(())
    }

    fn begin(&self, memory: &[f32], filled: &Filled) -> Result<(), Fault> {
        let mut inner = self.own.lock()?;
        let messages = inner.send(self.rank, memory, filled)?;
        inner.open.push_back(messages);
        self.own.begun.notify_all();
        Ok(())
    }

    fn complete(&self, memory: &mut [f32], filled: &Filled) -> Result<(), Fault> {
        let mut inner = self.own.lock()?;
        let messages = inner.open.pop_front();
        let mut messages = messages.ok_or_else(|| Fault::internal("an exchange was not begun"))?;
        self.wait(&mut messages);
        messages.unpack(self.rank, memory, filled);
        inner.spare.push(messages);
        Ok(())
    }
}

impl Inner {
    /// Begins to send what this process has filled to all others, and to receive what they have.
    fn send(&mut self, rank: Rank, memory: &[f32], filled: &Filled) -> Result<Messages, Fault> {
        let len = |ranges: &Vec<Range<usize>>| ranges.iter().map(Range::len).sum::<usize>();
        if filled.iter().any(|ranges| i32::try_from(len(ranges)).is_err()) {
            return Err(Fault::internal("an exchange of more numbers than MPI counts"));
        }
        let mut messages = self.spare.pop().unwrap_or_default();
        let Messages { own, theirs, requests } = &mut messages;
        own.clear();
        filled[rank.number].iter().for_each(|range| own.extend_from_slice(&memory[range.clone()]));
        theirs.resize_with(rank.n, Vec::new);
        for (room, ranges) in theirs.iter_mut().zip(filled) {
            room.resize(len(ranges), 0.0);
        }
        let (kind, world) = (f32::equivalent_datatype().as_raw(), self.world.as_raw());
        let mut add = |call: &dyn Fn(*mut ffi::MPI_Request) -> i32| {
            // SAFETY: a handle of MPI, which the call sets.
            let mut request = unsafe { ffi::RSMPI_REQUEST_NULL };
            // MPI itself ends all processes where this is not 0.
            call(&mut request);
            requests.push(request);
        };
        let is_other = |number: usize| number != rank.number;
        for (number, room) in theirs.iter_mut().enumerate() {
            if is_other(number) && !room.is_empty() {
                let (start, len) = (room.as_mut_ptr().cast(), room.len() as i32);
                // SAFETY: the memory is of this length and stays until `are_done`.
                add(&|request| unsafe {
                    ffi::MPI_Irecv(start, len, kind, number as i32, TAG, world, request)
                });
            }
        }
        for number in (0..rank.n).filter(|&number| is_other(number) && !own.is_empty()) {
            let (start, len) = (own.as_ptr().cast(), own.len() as i32);
            // SAFETY: as above; nobody writes to it meanwhile.
            add(&|request| unsafe { ffi::MPI_Isend(start, len, kind, number as i32, TAG, world, request) });
        }
        Ok(messages)
    }
}

impl Messages {
    /// Whether all have come and gone, as one who has the lock learns from MPI.
    fn are_done(&mut self) -> bool {
        let mut done = 0;
        // SAFETY: the requests are MPI's, or have become the null request, which is done.
        unsafe {
            ffi::MPI_Testall(
                self.requests.len() as i32,
                self.requests.as_mut_ptr(),
                &mut done,
                ffi::RSMPI_STATUSES_IGNORE,
            );
        }
        done != 0
    }

    fn unpack(&mut self, rank: Rank, memory: &mut [f32], filled: &Filled) {
        self.requests.clear();
        for (number, (room, ranges)) in self.theirs.iter().zip(filled).enumerate() {
            let mut rest = &room[..];
            for range in ranges.iter().filter(|_| number != rank.number) {
                let (numbers, behind) = rest.split_at(range.len());
                memory[range.clone()].copy_from_slice(numbers);
                rest = behind;
            }
        }
    }
}

impl Mpi {
    fn wait(&self, messages: &mut Messages) {
        for _ in 0..LOOKS {
            if messages.are_done() {
                return;
            }
            std::hint::spin_loop();
        }
        let (begin, wake) = (Instant::now(), if threads::are_crowded() { Duration::ZERO } else { WAKE });
        let (patience, late) = self.late;
        while !messages.are_done() {
            match begin.elapsed() {
                waited if waited < wake => std::thread::yield_now(),
                waited if waited < patience => std::thread::sleep(NAP),
                _ => late(),
            }
        }
    }
}
