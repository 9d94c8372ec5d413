//! Which commands of a program are done one after another: each has a lane, and lanes run at the same time.

use crate::diag::{Fault, codes};

/// The environment variable that says how many lanes a device has.
pub const VARIABLE: &str = "DSLC_LANES";
const MOST: usize = 4;

/// Lanes of a device: one unless [`VARIABLE`] says otherwise, as more have not been measured. Each has work space of its own for the
/// libraries.
pub fn count() -> Result<usize, Fault> {
    parsed(std::env::var(VARIABLE).ok().as_deref())
}

fn parsed(text: Option<&str>) -> Result<usize, Fault> {
    match text.map(str::parse) {
        None => Ok(1),
        Some(Ok(count)) if (1..=MOST).contains(&count) => Ok(count),
        Some(_) => {
            let text = text.unwrap_or_default();
            let message = format!("the environment variable `{VARIABLE}` is `{text}`");
            Err(Fault::new(codes::DEVICE, message).advise(format!("a number of lanes from 1 to {MOST}")))
        }
    }
}

/// The lane, of `count`, of each command. `after` has, for each, the earlier commands that it waits for. A command follows one
/// of those where a lane ends with it; the others go to the lane that has been left longest.
pub fn lanes(after: &[Vec<usize>], count: usize) -> Vec<usize> {
    let mut ends = vec![None::<usize>; count.max(1)];
    let mut lanes = Vec::with_capacity(after.len());
    for (number, waits) in after.iter().enumerate() {
        let follows = |lane: &usize| ends[*lane].is_some_and(|end| waits.contains(&end));
        let latest = (0..ends.len()).filter(follows).max_by_key(|&lane| ends[lane]);
        let own = latest.or_else(|| (0..ends.len()).min_by_key(|&lane| ends[lane])).unwrap_or(0);
        ends[own] = Some(number);
        lanes.push(own);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::{lanes, parsed};

    #[test]
    fn a_command_follows_what_it_waits_for_and_others_go_beside_it() {
        // Two gradients of one thing, and what follows from each.
        let after = [vec![], vec![0], vec![0], vec![2], vec![1], vec![4, 3]];
        assert_eq!(lanes(&after, 2), [0, 0, 1, 1, 0, 0]);
        assert_eq!(lanes(&after, 1), [0; 6]);
        // A chain stays in its lane.
        assert_eq!(lanes(&[vec![], vec![0], vec![1], vec![2]], 2), [0; 4]);
        assert_eq!(lanes(&[], 2), [0; 0]);
    }

    #[test]
    fn a_number_of_lanes_is_one_or_a_few() {
        assert_eq!([None, Some("1"), Some("4")].map(parsed), [Ok(1), Ok(1), Ok(4)]);
        for wrong in ["", "0", "5", "two", "-1"] {
            let fault = format!("{:?}", parsed(Some(wrong)).unwrap_err());
            assert!(fault.contains("DSLC_LANES") && fault.contains("from 1 to 4"), "{fault}");
        }
    }
}
