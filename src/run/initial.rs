//! How a state begins → its numbers, drawn from one stream.

use crate::graph::Init;
use crate::run::compiled::StateInfo;
use crate::shape::Shape;
use crate::tensor::random::Random;

/// The standard deviation of a normal number that is cut off at two of its own.
const CUT: f64 = 0.879_625_661_034_239_8;

/// The numbers that a state begins with; random ones depend on the seed and the state's stream alone.
pub fn initial(state: &StateInfo, seed: u64) -> Vec<f32> {
    numbers(&state.init, &state.shape, &mut Random::new(seed, &state.stream, 0))
}

fn numbers(init: &Init, shape: &Shape, random: &mut Random) -> Vec<f32> {
    let n = shape.elements();
    match init {
        Init::Constant(number) => vec![*number; n],
        Init::Repeated(numbers) => (0..n).map(|i| numbers[i % numbers.len()]).collect(),
        Init::Uniform { bound } => (0..n).map(|_| (2.0 * random.uniform() - 1.0) * bound).collect(),
        Init::Normal { deviation } => (0..n).map(|_| random.normal() * deviation).collect(),
        Init::Truncated { deviation } => {
            let factor = f64::from(*deviation) / CUT;
            (0..n).map(|_| (f64::from(within_two(random)) * factor) as f32).collect()
        }
        Init::Orthogonal { gain } => orthogonal(shape, random).into_iter().map(|x| x * gain).collect(),
        Init::Identity { groups } => identity(shape, *groups),
        Init::Waves => waves(shape),
    }
}

/// Sines and cosines of the places.
pub fn waves(shape: &Shape) -> Vec<f32> {
    let (channels, places) = match shape.dims().split_first() {
        Some((channels, places)) => (*channels, places),
        None => return Vec::new(),
    };
    let n_places: usize = places.iter().product();
    let (across, of_axis) = (places.last().copied().unwrap_or(1), channels / places.len().max(1));
    let wave = |i: usize| {
        let (channel, place) = (i / n_places, i % n_places);
        let is_row = places.len() > 1 && channel < of_axis;
        let (own, at) = match is_row {
            true => (channel, place / across),
            false => (channel - of_axis * (places.len() - 1), place % across),
        };
        let angle = at as f64 / 10_000f64.powf((own - own % 2) as f64 / of_axis.max(1) as f64);
        (if own % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
    };
    (0..shape.elements()).map(wave).collect()
}

fn within_two(random: &mut Random) -> f32 {
    loop {
        let drawn = random.normal();
        if drawn.abs() <= 2.0 {
            return drawn;
        }
    }
}

/// A matrix of the filters, one a row, whose shorter side is orthonormal: by Gram and Schmidt, each direction twice.
fn orthogonal(shape: &Shape, random: &mut Random) -> Vec<f32> {
    let rows = shape.dims().first().copied().unwrap_or(1);
    let columns = shape.elements() / rows.max(1);
    let (n, len) = (rows.min(columns), rows.max(columns));
    let mut directions: Vec<Vec<f64>> = Vec::with_capacity(n);
    while directions.len() < n {
        let mut own: Vec<f64> = (0..len).map(|_| f64::from(random.normal())).collect();
        for _ in 0..2 {
            for other in &directions {
                let along: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
                own.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let length = own.iter().map(|x| x * x).sum::<f64>().sqrt();
        // What lies in the span of the others is drawn again.
        if length > 1e-6 {
            directions.push(own.into_iter().map(|x| x / length).collect());
        }
    }
    let at = |row: usize, column: usize| {
        if rows <= columns { directions[row][column] } else { directions[column][row] }
    };
    (0..rows * columns).map(|i| at(i / columns, i % columns) as f32).collect()
}

/// Filters that give the channel of their own number within their group.
fn identity(shape: &Shape, groups: usize) -> Vec<f32> {
    let (filters, channels) = match *shape.dims() {
        [filters, channels, ..] => (filters, channels),
        _ => return vec![0.0; shape.elements()],
    };
    let taps = &shape.dims()[2..];
    let area: usize = taps.iter().product();
    let middle = taps.iter().fold(0, |at, extent| at * extent + extent / 2);
    let of_group = (filters / groups.max(1)).max(1);
    let mut numbers = vec![0.0; shape.elements()];
    for filter in 0..filters {
        let channel = filter % of_group;
        if channel < channels {
            numbers[(filter * channels + channel) * area + middle] = 1.0;
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::numbers;
    use crate::graph::Init;
    use crate::shape::Shape;
    use crate::tensor::random::Random;

    fn drawn(init: Init, dims: &[usize]) -> Vec<f32> {
        numbers(&init, &Shape::new(dims), &mut Random::new(1, "w", 0))
    }

    fn moments(numbers: &[f32]) -> (f64, f64) {
        let n = numbers.len() as f64;
        let mean = numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        (mean, (numbers.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n).sqrt())
    }

    #[test]
    fn distributions_have_their_mean_and_spread() {
        let spread = |init: Init| moments(&drawn(init, &[100, 200]));
        let deviations = [
            (Init::Normal { deviation: 0.3 }, 0.3),
            (Init::Uniform { bound: 0.3 }, 0.3 / 3f64.sqrt()),
            (Init::Truncated { deviation: 0.3 }, 0.3),
            (Init::Orthogonal { gain: 2.0 }, 2.0 / 200f64.sqrt()),
        ];
        for (init, expected) in deviations {
            let (mean, deviation) = spread(init.clone());
            assert!(mean.abs() < 0.02 * expected, "{init:?}: mean {mean}");
            assert!((deviation / expected - 1.0).abs() < 0.02, "{init:?}: {deviation}, not {expected}");
        }
        let cut = drawn(Init::Truncated { deviation: 1.0 }, &[20_000]);
        assert!(cut.iter().all(|x| x.abs() <= 2.0 / 0.879), "no tails");
        assert!(cut.iter().any(|x| x.abs() > 2.2), "as wide as it was");
    }

    #[test]
    fn orthogonal_filters_are_at_right_angles() {
        for dims in [&[6, 2, 3, 3][..], &[20, 2, 2, 2], &[5, 5]] {
            let matrix = drawn(Init::Orthogonal { gain: 1.5 }, dims);
            let (rows, columns) = (dims[0], matrix.len() / dims[0]);
            let line = |i: usize, k: usize| match rows <= columns {
                true => matrix[i * columns + k],
                false => matrix[k * columns + i],
            };
            for i in 0..rows.min(columns) {
                for j in 0..rows.min(columns) {
                    let product: f32 = (0..rows.max(columns)).map(|k| line(i, k) * line(j, k)).sum();
                    let expected = if i == j { 1.5 * 1.5 } else { 0.0 };
                    assert!((product - expected).abs() < 1e-5, "{dims:?}: {i} · {j} is {product}");
                }
            }
        }
    }

    #[test]
    fn waves_tell_places_apart() {
        let sequence = drawn(Init::Waves, &[4, 3]);
        let expected: Vec<f32> = [(0, 1.0), (1, 1.0), (0, 0.01), (1, 0.01)]
            .iter()
            .flat_map(|&(is_cosine, frequency): &(i32, f64)| {
                (0..3).map(move |place| {
                    let angle = f64::from(place) * frequency;
                    (if is_cosine == 0 { angle.sin() } else { angle.cos() }) as f32
                })
            })
            .collect();
        assert_eq!(sequence, expected);
        // Of an image: two channels for the row, two for the column.
        let image = drawn(Init::Waves, &[4, 2, 3]);
        let [one, two] = [1.0f64.sin() as f32, 2.0f64.sin() as f32];
        assert_eq!(image[..6], [0.0, 0.0, 0.0, one, one, one]);
        assert_eq!(image[12..18], [0.0, one, two, 0.0, one, two]);
    }

    #[test]
    fn identity_passes_each_channel() {
        assert_eq!(drawn(Init::Identity { groups: 1 }, &[3, 2]), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        // Two groups of two filters over one channel of three taps.
        let grouped = drawn(Init::Identity { groups: 2 }, &[4, 1, 3]);
        assert_eq!(grouped, [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let middle = drawn(Init::Identity { groups: 1 }, &[1, 1, 3, 3]);
        assert_eq!(middle.iter().position(|&x| x == 1.0), Some(4));
    }
}
