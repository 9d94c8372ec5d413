//! The threads that share the work of a step. One leads; the others wait for shares of what it hands out.
//!
//! Handing out has to be cheap: for a single image an op takes some ten microseconds, and waking a thread takes
//! longer. So those who wait look again and again for a while before they sleep. Who takes a share is left to chance;
//! that no result depends on it is up to the work, whose shares are the same for any number of threads.
#![allow(unsafe_code)]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::kernels::cpu::arena::Pieces;

/// How often one who waits looks for work before it lets other processes run, and before it sleeps.
const LOOKS: [u32; 2] = [2_000, 2_200];

/// Bits of a round's number of shares, and of the next share.
const SHARE_BITS: u32 = 20;
/// More shares are handed out in several rounds.
const MOST_SHARES: usize = (1 << SHARE_BITS) - 1;

/// Those who work on a step, as the leader sees them.
pub struct Team<'a> {
    desk: Option<&'a Desk>,
}

type Work<'a> = &'a (dyn Fn(usize) + Sync);

impl Team<'_> {
    /// The leader and nobody else.
    pub const ALONE: Team<'static> = Team { desk: None };

    /// Runs `body` on this thread while the other threads of the current pool wait for shares.
    pub fn gather<R>(body: impl FnOnce(&Team<'_>) -> R) -> R {
        let n_threads = rayon::current_num_threads();
        if n_threads == 1 {
            return body(&Team::ALONE);
        }
        let desk = Desk { n_threads, ..Desk::default() };
        rayon::in_place_scope(|scope| {
            for _ in 1..n_threads {
                scope.spawn(|_| desk.help());
            }
            let open = Open(&desk);
            body(&Team { desk: Some(open.0) })
        })
    }

    /// The leader and those who wait for shares.
    pub fn n_threads(&self) -> usize {
        self.desk.map_or(1, |desk| desk.n_threads)
    }

    /// Calls `work(0)` to `work(n - 1)`, each once, on any thread and in any order, and waits for all.
    pub fn share(&self, n: usize, work: impl Fn(usize) + Sync) {
        match self.desk {
            Some(desk) if n > 1 => {
                for first in (0..n).step_by(MOST_SHARES) {
                    desk.round(MOST_SHARES.min(n - first), &|i| work(first + i));
                }
            }
            _ => (0..n).for_each(work),
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
#[derive(Default)]
struct Desk {
    n_threads: usize,
    /// The round, its number of shares, and the next one, in one word so that none of them changes alone.
    next: AtomicU64,
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

fn pack(round: u64, n: usize, share: usize) -> u64 {
    round << (2 * SHARE_BITS) | (n as u64) << SHARE_BITS | share as u64
}

fn unpack(word: u64) -> (u64, usize, usize) {
    let low = |word: u64| (word & MOST_SHARES as u64) as usize;
    (word >> (2 * SHARE_BITS), low(word >> SHARE_BITS), low(word))
}

impl Desk {
    /// Lays out `n` shares, works on them itself, too, and returns when all are done.
    fn round(&self, n: usize, work: Work<'_>) {
        let (round, ..) = unpack(self.next.load(Ordering::Relaxed));
        self.n_done.store(0, Ordering::Relaxed);
        self.work.store((&raw const work).cast_mut().cast(), Ordering::Relaxed);
        self.next.store(pack(round.wrapping_add(1), n, 0), Ordering::SeqCst);
        self.wake();
        while self.take() {}
        let mut looks = 0;
        while self.n_done.load(Ordering::Acquire) < n {
            pause(&mut looks);
        }
        if let Some(panic) = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take() {
            resume_unwind(panic);
        }
    }

    /// Does one share; `false` if there is none.
    fn take(&self) -> bool {
        let word = self.next.load(Ordering::Acquire);
        let (_, n, share) = unpack(word);
        let work = self.work.load(Ordering::Relaxed);
        if share >= n {
            return false;
        }
        if self.next.compare_exchange(word, word + 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return true;
        }
        // SAFETY: the share is of the round that `word` names, which is not over before the share is counted as done;
        // so `work`, which was laid out before the round began and is not changed before it is over, is the round's.
        let work = unsafe { *work.cast::<Work<'_>>() };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(share))) {
            *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
        }
        self.n_done.fetch_add(1, Ordering::Release);
        true
    }

    /// Does shares until the desk is closed.
    fn help(&self) {
        let mut looks = 0;
        while !self.closed.load(Ordering::Acquire) {
            if self.take() {
                looks = 0;
            } else if looks < LOOKS[1] {
                pause(&mut looks);
            } else {
                self.sleep();
                looks = 0;
            }
        }
    }

    fn sleep(&self) {
        self.n_asleep.fetch_add(1, Ordering::SeqCst);
        let bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, n, share) = unpack(self.next.load(Ordering::SeqCst));
        if share >= n && !self.closed.load(Ordering::SeqCst) {
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
