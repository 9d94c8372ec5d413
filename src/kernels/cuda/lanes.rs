//! Which commands of a program are done one after another: each has a lane, and lanes run at the same time.

/// Lanes of a device. Each has work space of its own for the libraries.
pub const LANES: usize = 2;

/// The lane of each command. `after` has, for each, the earlier commands that it waits for. A command follows one of those
/// where a lane ends with it; the others go to the lane that has been left longest.
pub fn lanes(after: &[Vec<usize>]) -> Vec<usize> {
    let mut ends = [None::<usize>; LANES];
    let mut lanes = Vec::with_capacity(after.len());
    for (number, waits) in after.iter().enumerate() {
        let follows = |lane: &usize| ends[*lane].is_some_and(|end| waits.contains(&end));
        let latest = (0..LANES).filter(follows).max_by_key(|&lane| ends[lane]);
        let own = latest.or_else(|| (0..LANES).min_by_key(|&lane| ends[lane])).unwrap_or(0);
        ends[own] = Some(number);
        lanes.push(own);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::lanes;

    #[test]
    fn a_command_follows_what_it_waits_for_and_others_go_beside_it() {
        // Two gradients of one thing, and what follows from each.
        let after = [vec![], vec![0], vec![0], vec![2], vec![1], vec![4, 3]];
        assert_eq!(lanes(&after), [0, 0, 1, 1, 0, 0]);
        // A chain stays in its lane.
        assert_eq!(lanes(&[vec![], vec![0], vec![1], vec![2]]), [0; 4]);
        assert_eq!(lanes(&[]), [0; 0]);
    }
}
