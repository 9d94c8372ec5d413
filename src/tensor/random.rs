//! Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy
//! as 1, 2, 3", SC 2011). A number depends on seed, stream and index alone, so any element can be drawn on any
//! device, in any order, by any number of threads, and is the same.

const ROUNDS: usize = 10;
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Four random words for one counter.
#[inline]
pub fn philox(seed: u64, counter: [u32; 4]) -> [u32; 4] {
    let mut key = [seed as u32, (seed >> 32) as u32];
    let mut c = counter;
    for round in 0..ROUNDS {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let p0 = u64::from(MULTIPLIERS[0]) * u64::from(c[0]);
        let p1 = u64::from(MULTIPLIERS[1]) * u64::from(c[2]);
        c = [(p1 >> 32) as u32 ^ c[1] ^ key[0], p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ key[1], p0 as u32];
    }
    c
}

/// A 32-bit name for a stream of random numbers (FNV-1a).
pub fn stream(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Draws numbers of one stream in order.
pub struct Random {
    seed: u64,
    stream: u32,
    epoch: u32,
    next: u64,
    words: [u32; 4],
}

impl Random {
    /// `stream` separates uses (a parameter's name, "shuffle"); `epoch` separates repetitions of one use.
    pub fn new(seed: u64, stream_name: &str, epoch: u32) -> Random {
        Random { seed, stream: stream(stream_name), epoch, next: 0, words: [0; 4] }
    }

    pub fn word(&mut self) -> u32 {
        let lane = (self.next % 4) as usize;
        if lane == 0 {
            let block = self.next / 4;
            self.words = philox(self.seed, [block as u32, (block >> 32) as u32, self.stream, self.epoch]);
        }
        self.next += 1;
        self.words[lane]
    }

    /// Uniform in `[0, 1)`, with 24 bits.
    pub fn uniform(&mut self) -> f32 {
        unit(self.word())
    }

    /// Standard normal, by Box and Muller.
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - f64::from(self.uniform())).ln()).sqrt();
        let angle = 2.0 * std::f64::consts::PI * f64::from(self.uniform());
        (radius * angle.cos()) as f32
    }

    /// Uniform in `0..n`, without bias (Lemire's rejection).
    pub fn below(&mut self, n: u32) -> u32 {
        loop {
            let product = u64::from(self.word()) * u64::from(n);
            if product as u32 >= n.wrapping_neg() % n {
                return (product >> 32) as u32;
            }
        }
    }

    /// Fisher and Yates' shuffle.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

/// A random word as a number in `[0, 1)`, with 24 bits.
#[inline]
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of the authors' own test vectors (Random123, `philox4x32 10`).
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(philox(0, [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox(u64::MAX, [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_the_normal_has_its_moments() {
        let mut items: Vec<u32> = (0..1000).collect();
        Random::new(7, "shuffle", 0).shuffle(&mut items);
        assert_ne!(items[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        items.sort_unstable();
        assert!(items.iter().copied().eq(0..1000));
        let mut random = Random::new(7, "normal", 0);
        let draws: Vec<f32> = (0..20_000).map(|_| random.normal()).collect();
        let mean = draws.iter().sum::<f32>() / 20_000.0;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "mean {mean}, variance {variance}");
    }
}
