//! Values with the calls that they live between → places in one piece of memory, the lowest that is free.

/// A value: how many numbers it has, the call that makes it, and the last one that reads it.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    pub len: usize,
    pub from: usize,
    pub to: usize,
}

/// The place of each value, and how many numbers the memory has. Values are given in the order in which they are made.
pub fn places(lives: &[Life]) -> (Vec<usize>, usize) {
    let mut placed: Vec<(usize, Life)> = Vec::with_capacity(lives.len());
    let mut most = 0;
    for life in lives {
        let mut beside: Vec<(usize, usize)> = placed
            .iter()
            .filter(|(_, other)| other.from <= life.to && life.from <= other.to)
            .map(|(at, other)| (*at, at + other.len))
            .collect();
        beside.sort_unstable();
        let at =
            beside.iter().fold(0, |at, &(start, end)| if at + life.len <= start { at } else { at.max(end) });
        // The first gap that is large enough.
        let gap = std::iter::once(0)
            .chain(beside.iter().map(|(_, end)| *end))
            .find(|&at| beside.iter().all(|&(start, end)| at + life.len <= start || end <= at));
        let at = gap.unwrap_or(at);
        most = most.max(at + life.len);
        placed.push((at, *life));
    }
    (placed.into_iter().map(|(at, _)| at).collect(), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_live_together_lie_apart() {
        let life = |len, from, to| Life { len, from, to };
        let lives = [life(4, 0, 1), life(2, 1, 2), life(4, 2, 3), life(2, 1, 3)];
        let (places, most) = places(&lives);
        assert_eq!((places.as_slice(), most), ([0, 4, 0, 6].as_slice(), 8));
    }
}
