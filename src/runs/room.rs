//! What a run keeps on disk → whether the disk has room for it, asked before the run begins.

use std::path::Path;

use crate::diag::{Fault, codes};
use crate::numbers::bytes;
use crate::runs::folder::Folder;
use crate::tensor::disk;
use crate::train::prepared::Prepared;
use crate::train::trainer::Job;

/// What a run keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Bytes of one file of weights: all states of the training.
    state: u64,
    /// The most files of weights that there are at once.
    files: usize,
}

/// Files of weights that a run has in any case at its end: the last state and the best weights.
const LEAST: usize = 2;

impl Need {
    pub fn of(prepared: &Prepared<'_>, job: &Job<'_>) -> Need {
        let older = job.train.checkpoint.keep.saturating_sub(1);
        // Each of the older states may know of other best weights.
        let bests = if job.data.watches() == Some(false) { 0 } else { older };
        // What is written takes room next to what it replaces.
        Need { state: prepared.state_bytes(), files: LEAST + older + bests + 1 }
    }
}

/// Asks for a new run in `out`, or in a folder under `runs`. Gives what is to be told where the room may not suffice.
///
/// # Errors
/// A disk that cannot hold what every run leaves.
pub fn for_new(out: Option<&Path>, need: Need) -> Result<Option<String>, Fault> {
    let place = out.unwrap_or(Path::new("runs"));
    let remedy = "free some space there, or `--out DIR` on another disk";
    judge(place, disk::free_bytes(place), need, 0).map_err(|fault| fault.advise(remedy))
}

/// Asks for a run that goes on in its folder.
///
/// # Errors
/// A disk that cannot hold one more state.
pub fn for_stopped(folder: &Folder, need: Need) -> Result<Option<String>, Fault> {
    let remedy = "free some space there, or copy the run's folder to another disk and resume the copy";
    let place = folder.path();
    judge(place, disk::free_bytes(place), need, folder.n_weights()).map_err(|fault| fault.advise(remedy))
}

/// `present` is the number of files of weights that are there already.
fn judge(
    place: &Path,
    free: Result<u64, String>,
    need: Need,
    present: usize,
) -> Result<Option<String>, Fault> {
    let shown = place.display();
    let free = match free {
        Ok(free) => free,
        Err(reason) => return Ok(Some(format!("cannot ask how much room there is for {shown}: {reason}"))),
    };
    let least = LEAST.saturating_sub(present).max(1);
    let most = need.files.saturating_sub(present).max(least);
    let [least, most] = [least, most].map(|files| need.state.saturating_mul(files as u64));
    let each = bytes(need.state);
    if free < least {
        let message = format!(
            "the disk of {shown} has {} free, and this run needs {} for its weights, {each} per file",
            bytes(free),
            bytes(least)
        );
        return Err(Fault::new(codes::UNWRITTEN, message));
    }
    Ok((free < most).then(|| {
        format!(
            "the disk of {shown} has {} free, and this run keeps up to {} of weights, {each} per file: saving may fail\n  \
             try: `--set train.checkpoint.keep=1`, which keeps fewer states",
            bytes(free),
            bytes(most)
        )
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Need, judge};

    #[test]
    fn only_what_surely_does_not_fit_is_refused() {
        let need = Need { state: 1000, files: 5 };
        let judge = |free, present| judge(Path::new("out"), Ok(free), need, present);
        for (free, present) in [(5000, 0), (2000, 3), (1000, 4), (1000, 9), (u64::MAX, 0)] {
            assert_eq!(judge(free, present), Ok(None), "{free} free, {present} there");
        }
        for (free, present) in [(4999, 0), (2000, 0), (3000, 1), (1000, 3)] {
            let told = judge(free, present).unwrap().unwrap();
            assert!(told.contains("saving may fail") && told.contains("checkpoint.keep=1"), "{told}");
        }
        for (free, present) in [(1999, 0), (0, 0), (999, 1), (999, 9)] {
            let fault = judge(free, present).unwrap_err();
            assert!(fault.message.starts_with("the disk of out has"), "{fault}");
        }
        let untold = super::judge(Path::new("out"), Err("no".to_owned()), need, 0).unwrap().unwrap();
        assert_eq!(untold, "cannot ask how much room there is for out: no");
    }
}
