//! Whether a short step is shared between threads: what was faster the last times it was tried.
//!
//! A step of a tenth of a millisecond hands over a dozen values. How long that takes depends on where the system lets
//! the threads run, which changes by the second on a shared machine: near each other two threads take half the time of
//! one, far apart they may take longer. As threads change no bit of a result, both ways are tried now and then.

use std::time::Duration;

/// A step that takes longer is always shared.
const SHORT: Duration = Duration::from_millis(2);
/// Steps of a round: first the tries of each way, then the faster one.
const ROUND: u32 = 192;
/// Tries of each way; the fastest counts.
const TRIES: u32 = 3;

/// The two ways of a step, and what is known of them.
#[derive(Debug, Default)]
pub struct Pace {
    /// The place in the round.
    at: u32,
    /// The fastest tries of this round: shared, and by one thread.
    fastest: [Option<Duration>; 2],
}

impl Pace {
    /// Whether the next step is shared.
    pub fn shares(&self) -> bool {
        match self.fastest {
            _ if self.at < TRIES => true,
            [Some(shared), _] if shared > SHORT => true,
            _ if self.at < 2 * TRIES => false,
            [Some(shared), Some(alone)] => shared <= alone,
            _ => true,
        }
    }

    /// Takes note of how long a step took, shared or not as [`Pace::shares`] said.
    pub fn took(&mut self, time: Duration) {
        if self.at < 2 * TRIES {
            let way = &mut self.fastest[usize::from(!self.shares())];
            *way = Some(way.map_or(time, |fastest| fastest.min(time)));
        }
        self.at += 1;
        if self.at == ROUND {
            *self = Pace::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Pace, ROUND, TRIES};

    /// How many steps of a round are shared, by the times in microseconds of the two ways.
    fn shared([shared, alone]: [u64; 2]) -> u32 {
        let mut pace = Pace::default();
        let mut n = 0;
        for _ in 0..ROUND {
            let shares = pace.shares();
            n += u32::from(shares);
            pace.took(Duration::from_micros(if shares { shared } else { alone }));
        }
        n
    }

    #[test]
    fn the_faster_way_is_taken_and_long_steps_are_shared() {
        assert_eq!(shared([100, 200]), ROUND - TRIES);
        assert_eq!(shared([200, 100]), TRIES);
        assert_eq!(shared([3_000, 100]), ROUND);
    }

    #[test]
    fn a_round_forgets_the_one_before() {
        let mut pace = Pace::default();
        for _ in 0..ROUND {
            pace.took(Duration::from_micros(if pace.shares() { 200 } else { 100 }));
        }
        let mut n = 0;
        for _ in 0..ROUND {
            n += u32::from(pace.shares());
            pace.took(Duration::from_micros(if pace.shares() { 100 } else { 200 }));
        }
        assert_eq!(n, ROUND - TRIES);
    }
}
