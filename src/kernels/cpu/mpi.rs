//! Processes that MPI has started together.
//!
//! Messages go from each process to each other, as there are few of them. Who waits looks again and again for a moment, then lets
//! others run, then sleeps between two looks: MPI's own waiting would keep a core busy.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};
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

/// Numbers of a message that nobody waits for yet. MPI moves messages only while it is called, but over TCP it hands one of this
/// size to the system at once, which moves it while this process computes.
const CHUNK: usize = 15_000;
/// An exchange sends one part in so many at a time: what is sent next arrives only behind what is on its way.
const SHARE: usize = 4;

/// What marks messages that are waited for, and those that are not. Messages of a kind between two processes arrive in the order
/// in which they are sent.
const PROMPT: i32 = 0;
const BEGUN: i32 = 1;

/// What is done by who has waited for too long. It must not come back.
pub type Late = fn();

/// The processes of this program's start.
pub struct Mpi {
    inner: Mutex<Inner>,
    rank: Rank,
    late: (Duration, Late),
}

struct Inner {
    /// Exchanges that were begun, the oldest first.
    open: VecDeque<Messages>,
    /// Memory of earlier exchanges.
    spare: Vec<Messages>,
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
    receives: Vec<ffi::MPI_Request>,
    sends: Vec<ffi::MPI_Request>,
    /// The parts of `own` that are to be sent when those before have arrived.
    rest: VecDeque<Range<usize>>,
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
        let inner = Inner { open: VecDeque::new(), spare: Vec::new(), world, _universe: universe };
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
        let mut inner = self.lock()?;
        let mut messages = inner.begin(self.rank, memory, filled, PROMPT)?;
        self.wait(|| {
            inner.advance();
            messages.are_done()
        });
        inner.end(messages, memory, filled);
        Ok(())
    }

    fn begin(&self, memory: &[f32], filled: &Filled) -> Result<(), Fault> {
        let mut inner = self.lock()?;
        let messages = inner.begin(self.rank, memory, filled, BEGUN)?;
        inner.open.push_back(messages);
        inner.advance();
        Ok(())
    }

    fn complete(&self, memory: &mut [f32], filled: &Filled) -> Result<(), Fault> {
        let mut inner = self.lock()?;
        self.wait(|| {
            inner.advance();
            inner.open.front_mut().is_none_or(Messages::are_done)
        });
        let messages = inner.open.pop_front();
        let mut messages = messages.ok_or_else(|| Fault::internal("an exchange was not begun"))?;
        let Messages { own, theirs, .. } = &mut messages;
        std::mem::swap(own, &mut theirs[self.rank.number]);
        inner.end(messages, memory, filled);
        Ok(())
    }
}

impl Inner {
    /// Begins to send what this process has filled to all others, and to receive what they have.
    fn begin(&mut self, rank: Rank, memory: &[f32], filled: &Filled, tag: i32) -> Result<Messages, Fault> {
        let len = |ranges: &Vec<Range<usize>>| ranges.iter().map(Range::len).sum::<usize>();
        if filled.iter().any(|ranges| i32::try_from(len(ranges)).is_err()) {
            return Err(Fault::internal("an exchange of more numbers than MPI counts"));
        }
        let mut messages = self.spare.pop().unwrap_or_default();
        let chunk = if tag == BEGUN { CHUNK } else { usize::MAX };
        let Messages { own, theirs, receives, rest, .. } = &mut messages;
        own.clear();
        filled[rank.number].iter().for_each(|range| own.extend_from_slice(&memory[range.clone()]));
        theirs.resize_with(rank.n, Vec::new);
        let world = self.world.as_raw();
        for (number, (room, ranges)) in theirs.iter_mut().zip(filled).enumerate() {
            // Its own are not sent.
            room.resize(if number == rank.number { 0 } else { len(ranges) }, 0.0);
            for part in room.chunks_mut(chunk) {
                let (start, len) = (part.as_mut_ptr().cast(), part.len() as i32);
                // SAFETY: the memory is of this length and stays until `are_done`.
                receives.push(request(|request| unsafe {
                    ffi::MPI_Irecv(start, len, kind(), number as i32, tag, world, request)
                }));
            }
        }
        let len = own.len();
        rest.extend((0..len).step_by(chunk.min(len.max(1))).map(|at| at..len.min(at.saturating_add(chunk))));
        // The others wait for those before them.
        if tag == PROMPT {
            messages.send(&self.world, tag);
        }
        Ok(messages)
    }

    /// Sends more of the open exchanges, the oldest first.
    fn advance(&mut self) {
        for messages in &mut self.open {
            if !messages.send(&self.world, BEGUN) {
                return;
            }
        }
    }

    /// Puts what has come where it belongs.
    fn end(&mut self, mut messages: Messages, memory: &mut [f32], filled: &Filled) {
        for (room, ranges) in messages.theirs.iter().zip(filled) {
            let mut rest = &room[..];
            for range in ranges.iter().filter(|_| !room.is_empty()) {
                let (numbers, behind) = rest.split_at(range.len());
                memory[range.clone()].copy_from_slice(numbers);
                rest = behind;
            }
        }
        messages.receives.clear();
        messages.sends.clear();
        self.spare.push(messages);
    }
}

impl Messages {
    /// Sends the next chunks if those before have arrived; whether none is left.
    fn send(&mut self, world: &SimpleCommunicator, tag: i32) -> bool {
        if self.rest.is_empty() || !are_done(&mut self.sends) {
            return self.rest.is_empty();
        }
        self.sends.clear();
        let (number, n) = (world.rank(), world.size());
        let n_chunks = self.own.len().div_ceil(CHUNK);
        for range in self.rest.drain(..self.rest.len().min(n_chunks.div_ceil(SHARE).max(2))) {
            let part = &self.own[range];
            let (start, len, raw) = (part.as_ptr().cast(), part.len() as i32, world.as_raw());
            for to in (0..n).filter(|&to| to != number) {
                // SAFETY: the memory is of this length, stays until `are_done`, and nobody writes to it.
                self.sends.push(request(|request| unsafe {
                    match tag {
                        // Done when it has arrived.
                        BEGUN => ffi::MPI_Issend(start, len, kind(), to, tag, raw, request),
                        _ => ffi::MPI_Isend(start, len, kind(), to, tag, raw, request),
                    }
                }));
            }
        }
        self.rest.is_empty()
    }

    /// Whether all have come and gone.
    fn are_done(&mut self) -> bool {
        self.rest.is_empty() && are_done(&mut self.sends) && are_done(&mut self.receives)
    }
}

/// MPI's name for the numbers.
fn kind() -> ffi::MPI_Datatype {
    f32::equivalent_datatype().as_raw()
}

/// What a call of MPI begins. An error there ends all processes.
fn request(begin: impl FnOnce(*mut ffi::MPI_Request) -> i32) -> ffi::MPI_Request {
    // SAFETY: a constant of MPI.
    let mut request = unsafe { ffi::RSMPI_REQUEST_NULL };
    begin(&mut request);
    request
}

/// Whether all requests are done, as one who has the lock learns from MPI.
fn are_done(requests: &mut [ffi::MPI_Request]) -> bool {
    let mut done = 0;
    // SAFETY: the requests are MPI's, or have become the null request, which is done.
    unsafe {
        ffi::MPI_Testall(requests.len() as i32, requests.as_mut_ptr(), &mut done, ffi::RSMPI_STATUSES_IGNORE);
    }
    done != 0
}

impl Mpi {
    fn lock(&self) -> Result<MutexGuard<'_, Inner>, Fault> {
        self.inner.lock().map_err(|_| Fault::internal("an exchange panicked"))
    }

    fn wait(&self, mut is_over: impl FnMut() -> bool) {
        for _ in 0..LOOKS {
            if is_over() {
                return;
            }
            std::hint::spin_loop();
        }
        let (begin, wake) = (Instant::now(), if threads::are_crowded() { Duration::ZERO } else { WAKE });
        let (patience, late) = self.late;
        while !is_over() {
            match begin.elapsed() {
                waited if waited < wake => std::thread::yield_now(),
                waited if waited < patience => std::thread::sleep(NAP),
                _ => late(),
            }
        }
    }
}
