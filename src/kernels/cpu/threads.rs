//! The threads that share the work of kernels: started once, before anything counts on them, so that a system that starts
//! none is an error and no panic.

use std::error::Error;
use std::sync::OnceLock;

use crate::diag::{Fault, codes};

/// Starts the threads of this process, if they have not been started, and gives their number: that of the current pool.
pub fn start() -> Result<usize, Fault> {
    static FAILED: OnceLock<Option<String>> = OnceLock::new();
    // A thread of a pool works in that pool.
    if rayon::current_thread_index().is_none() {
        let failed = FAILED.get_or_init(|| {
            let started = rayon::ThreadPoolBuilder::new().build_global();
            // An error without a source says that they have been started before.
            started.err().as_ref().and_then(Error::source).map(ToString::to_string)
        });
        if let Some(reason) = failed {
            return Err(cannot_start(reason));
        }
    }
    Ok(rayon::current_num_threads())
}

/// What is said where the system starts no thread.
pub fn cannot_start(reason: impl std::fmt::Display) -> Fault {
    Fault::new(codes::DEVICE, format!("the system cannot start enough threads: {reason}"))
        .advise("fewer threads: set the environment variable `RAYON_NUM_THREADS=1`")
        .advise("a higher limit on processes or memory (`ulimit -u`, `ulimit -v`, or the container's)")
}

#[cfg(test)]
mod tests {
    use super::start;

    #[test]
    fn the_current_pool_counts() {
        assert!(start().unwrap() >= 1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(pool.install(start), Ok(3));
    }
}
