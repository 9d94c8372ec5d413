//! How long each step of a chain took, summed over threads and calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Clock(Vec<AtomicU64>);

impl Clock {
    pub fn new(n_steps: usize) -> Clock {
        Clock((0..n_steps).map(|_| AtomicU64::new(0)).collect())
    }

    /// Adds the time since `start` to a step.
    pub fn add(&self, step: usize, start: Instant) {
        if let Some(time) = self.0.get(step) {
            time.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        }
    }

    pub fn times(&self) -> impl Iterator<Item = Duration> + '_ {
        self.0.iter().map(|time| Duration::from_nanos(time.load(Ordering::Relaxed)))
    }
}
