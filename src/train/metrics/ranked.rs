//! Scores of each class or label over all images, for what depends on their order alone.

/// For each class or label the scores of all images, and whether it holds.
#[derive(Clone, Debug)]
pub struct Ranked {
    scores: Vec<Vec<(f64, bool)>>,
}

impl Ranked {
    pub fn new(n: usize) -> Ranked {
        Ranked { scores: vec![Vec::new(); n] }
    }

    /// One image.
    pub fn add(&mut self, image: impl Iterator<Item = (f64, bool)>) {
        self.scores.iter_mut().zip(image).for_each(|(scores, own)| scores.push(own));
    }

    /// What comes of the scores of each, from the highest on in groups of equal ones: how many hold, and how many do not.
    pub fn each(&self, of: fn(&[[u64; 2]]) -> Option<f64>) -> impl Iterator<Item = f64> {
        self.scores.iter().filter_map(move |scores| {
            let mut sorted = scores.clone();
            sorted.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            let groups = sorted.chunk_by(|(a, _), (b, _)| a == b).map(|group| {
                let holds = group.iter().filter(|(_, holds)| *holds).count() as u64;
                [holds, group.len() as u64 - holds]
            });
            of(&groups.collect::<Vec<_>>())
        })
    }
}
