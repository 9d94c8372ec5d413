//! The threads that share the work of a step. One leads; the others wait for shares of what it hands out.
//!
//! Handing out has to be cheap: for a single image an op takes some ten microseconds, and waking a thread takes
//! longer. So those who wait look again and again for a while before they sleep. Who takes a share may depend on
//! chance; that no result depends on it is up to the work, whose shares are the same for any number of threads.
#![allow(unsafe_code)]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::kernels::cpu::arena::Pieces;

/// How often one who waits looks for work before it lets other processes run, and before it sleeps.
const LOOKS: [u32; 2] = [2_000, 2_200];

/// Bits of the end of a lane, and of its next share.
const SHARE_BITS: u32 = 18;
/// More shares are handed out in several rounds.
const MOST_SHARES: usize = (1 << SHARE_BITS) - 1;
/// Bits of the number of workers.
const WORKER_BITS: u32 = 12;
/// More threads than these do not work on a round.
const MOST_WORKERS: usize = (1 << WORKER_BITS) - 1;

/// Those who work on a step, as the leader sees them.
pub struct Team<'a> {
    desk: Option<&'a Desk>,
}

/// Called with the number of the worker and of the share.
type Work<'a> = &'a (dyn Fn(usize, usize) + Sync);

impl Team<'_> {
    /// The leader and nobody else.
    pub const ALONE: Team<'static> = Team { desk: None };

    /// Runs `body` on this thread while the other threads of the current pool wait for shares.
    pub fn gather<R>(body: impl FnOnce(&Team<'_>) -> R) -> R {
        let n_threads = rayon::current_num_threads();
        if n_threads == 1 {
            return body(&Team::ALONE);
        }
        let desk = Desk::new(n_threads);
        rayon::in_place_scope(|scope| {
            let desk = &desk;
            for worker in 1..n_threads {
                scope.spawn(move |_| desk.help(worker));
            }
            let open = Open(desk);
            body(&Team { desk: Some(open.0) })
        })
    }

    /// Calls `work(0)` to `work(n - 1)`, each once, on any thread and in any order, and waits for all.
    pub fn share(&self, n: usize, work: impl Fn(usize) + Sync) {
        self.share_among(MOST_WORKERS, n, |_, i| work(i));
    }

    /// As [`Team::share`] for up to `n_workers` threads, whose numbers `work` learns before those of its shares.
    pub fn share_among(&self, n_workers: usize, n: usize, work: impl Fn(usize, usize) + Sync) {
        match self.desk {
            Some(desk) if n > 1 => {
                for first in (0..n).step_by(MOST_SHARES) {
                    desk.round(n_workers, MOST_SHARES.min(n - first), &|worker, i| work(worker, first + i));
                }
            }
            _ => (0..n).for_each(|i| work(0, i)),
        }
    }

    /// Calls `work(i, piece)` with the pieces of `size` values, of which the last may have fewer.
    pub fn share_pieces(&self, values: &mut [f32], size: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
        let pieces = Pieces::new(values, size);
        // SAFETY: each share is handed out once.
        self.share(pieces.count(), |i| work(i, unsafe { pieces.get(i) }));
    }

    /// As [`Team::share_pieces`], with a second slice that is cut into pieces, too; as many as both have.
    pub fn share_pairs(
        &self,
        (values, size): (&mut [f32], usize),
        (others, other_size): (&mut [f32], usize),
        work: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
    ) {
        let (pieces, pairs) = (Pieces::new(values, size), Pieces::new(others, other_size));
        // SAFETY: each share is handed out once.
        self.share(pieces.count().min(pairs.count()), |i| {
            work(i, unsafe { pieces.get(i) }, unsafe { pairs.get(i) })
        });
    }
}

/// Where the leader lays out work and the others take it.
///
/// The shares of a round lie in as many lanes as there are threads, in order. A thread empties its own lane first and
/// then looks into the others', so that from round to round the same images, or the same rows of one, are as a rule
/// worked on by the thread in whose cache they are, and nobody waits for one who is late.
#[derive(Default)]
struct Desk {
    /// Shares that are not taken, a lane a thread; the leader's is the first.
    lanes: Vec<Lane>,
    round: AtomicU64,
    /// A [`Work`] of the round; valid while a share of the round is not done.
    work: AtomicPtr<()>,
    n_done: AtomicUsize,
    closed: AtomicBool,
    /// What a share of the round died of.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    n_asleep: AtomicUsize,
    bed: Mutex<()>,
    wake: Condvar,
}

/// The round, its number of workers, the end of the lane and its next share, in one word so that none of them changes
/// alone; on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Lane(AtomicU64);

fn pack(round: u64, n_workers: usize, end: usize, share: usize) -> u64 {
    let high = round << WORKER_BITS | n_workers as u64;
    high << (2 * SHARE_BITS) | (end as u64) << SHARE_BITS | share as u64
}

/// The number of workers, the end, and the next share.
fn unpack(word: u64) -> (usize, usize, usize) {
    let low = |word: u64, most: usize| (word & most as u64) as usize;
    (
        low(word >> (2 * SHARE_BITS), MOST_WORKERS),
        low(word >> SHARE_BITS, MOST_SHARES),
        low(word, MOST_SHARES),
    )
}

impl Desk {
    fn new(n_threads: usize) -> Desk {
        Desk { lanes: (0..n_threads).map(|_| Lane::default()).collect(), ..Desk::default() }
    }

    /// Lays out `n` shares for `n_workers`, works on them itself, too, and returns when all are done.
    fn round(&self, n_workers: usize, n: usize, work: Work<'_>) {
        let round = self.round.load(Ordering::Relaxed).wrapping_add(1);
        self.n_done.store(0, Ordering::Relaxed);
        self.work.store((&raw const work).cast_mut().cast(), Ordering::Relaxed);
        let n_workers = n_workers.clamp(1, self.lanes.len().min(MOST_WORKERS));
        for (i, lane) in self.lanes.iter().enumerate() {
            let [first, end] = [i, i + 1].map(|i| n * i.min(n_workers) / n_workers);
            lane.0.store(pack(round, n_workers, end, first), Ordering::Release);
        }
        self.round.store(round, Ordering::SeqCst);
        self.wake();
        self.work_as(0);
        let mut looks = 0;
        while self.n_done.load(Ordering::Acquire) < n {
            pause(&mut looks);
        }
        if let Some(panic) = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take() {
            resume_unwind(panic);
        }
    }

    /// Does shares as `worker` until none is left, of its own lane first.
    fn work_as(&self, worker: usize) {
        let (before, from) = self.lanes.split_at(worker);
        for lane in from.iter().chain(before) {
            while self.take(worker, lane) {}
        }
    }

    /// Does one share of a lane; `false` if there is none for this worker.
    fn take(&self, worker: usize, lane: &Lane) -> bool {
        let word = lane.0.load(Ordering::Acquire);
        let (n_workers, end, share) = unpack(word);
        if share >= end || worker >= n_workers {
            return false;
        }
        if lane.0.compare_exchange(word, word + 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return true;
        }
        // SAFETY: the round is not over before the share, which is ours now, is counted as done; so `work`, which was laid
        // out before the round's lanes and is not changed before it is over, is the round's.
        let work = unsafe { *self.work.load(Ordering::Relaxed).cast::<Work<'_>>() };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(worker, share))) {
            *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
        }
        self.n_done.fetch_add(1, Ordering::Release);
        true
    }

    /// Does shares as `worker` until the desk is closed.
    fn help(&self, worker: usize) {
        let (mut seen, mut looks) = (0, 0);
        while !self.closed.load(Ordering::Acquire) {
            let round = self.round.load(Ordering::Acquire);
            if round != seen {
                self.work_as(worker);
                (seen, looks) = (round, 0);
            } else if looks < LOOKS[1] {
                pause(&mut looks);
            } else {
                self.sleep(seen);
                looks = 0;
            }
        }
    }

    /// Sleeps until there is another round than `seen`.
    fn sleep(&self, seen: u64) {
        self.n_asleep.fetch_add(1, Ordering::SeqCst);
        let bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        if self.round.load(Ordering::SeqCst) == seen && !self.closed.load(Ordering::SeqCst) {
            // Whoever lays out work afterwards sees a sleeper, and cannot wake before the wait has begun.
            drop(self.wake.wait(bed).unwrap_or_else(PoisonError::into_inner));
        }
        self.n_asleep.fetch_sub(1, Ordering::SeqCst);
    }

    fn wake(&self) {
        if self.n_asleep.load(Ordering::SeqCst) > 0 {
            drop(self.bed.lock().unwrap_or_else(PoisonError::into_inner));
            self.wake.notify_all();
        }
    }
}

fn pause(looks: &mut u32) {
    *looks += 1;
    if *looks < LOOKS[0] { std::hint::spin_loop() } else { std::thread::yield_now() }
}

/// Sends the helpers away in the end, also if the leader panics.
struct Open<'a>(&'a Desk);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::SeqCst);
        self.0.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::Team;

    fn with_threads(n: usize, body: impl FnOnce() + Send) {
        rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(body);
    }

    #[test]
    fn every_share_is_done_once_before_the_leader_goes_on() {
        for n_threads in [1, 2, 5] {
            with_threads(n_threads, || {
                Team::gather(|team| {
                    for n in [0, 1, 2, 3, 7, 100].into_iter().cycle().take(2_000) {
                        let counts: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
                        team.share(n, |i| {
                            counts[i].fetch_add(1, Ordering::Relaxed);
                        });
                        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
                    }
                });
            });
        }
    }

    #[test]
    fn workers_have_numbers_of_their_own() {
        with_threads(5, || {
            Team::gather(|team| {
                for n_workers in [1, 2, 3, 5, 9].into_iter().cycle().take(500) {
                    let busy: Vec<AtomicUsize> = (0..n_workers.min(5)).map(|_| AtomicUsize::new(0)).collect();
                    team.share_among(n_workers, 23, |worker, _| {
                        assert_eq!(busy[worker].fetch_add(1, Ordering::SeqCst), 0);
                        std::hint::black_box((0..100).sum::<u64>());
                        busy[worker].store(0, Ordering::SeqCst);
                    });
                }
            });
        });
    }

    #[test]
    fn sleepers_are_woken() {
        with_threads(3, || {
            Team::gather(|team| {
                for _ in 0..5 {
                    std::thread::sleep(Duration::from_millis(20));
                    // Neither share ends before the other has begun.
                    let both = std::sync::Barrier::new(2);
                    team.share(2, |_| {
                        both.wait();
                    });
                }
            });
        });
    }

    #[test]
    fn a_panic_of_a_share_is_the_leaders() {
        with_threads(3, || {
            for bad in 0..8 {
                let panic = catch_unwind(AssertUnwindSafe(|| {
                    Team::gather(|team| team.share(8, |i| assert!(i != bad, "share {i}")));
                }));
                let message = panic.unwrap_err().downcast::<String>().unwrap();
                assert_eq!(*message, format!("share {bad}"));
            }
        });
    }

    #[test]
    fn pieces_cover_a_slice() {
        with_threads(2, || {
            let mut values = vec![0.0; 10];
            Team::gather(|team| {
                team.share_pieces(&mut values, 4, |i, piece| piece.fill(i as f32 + piece.len() as f32))
            });
            assert_eq!(values, [4.0, 4.0, 4.0, 4.0, 5.0, 5.0, 5.0, 5.0, 4.0, 4.0]);
        });
    }
}
