//! Mixes: the images of a batch → the same, each with a part of another one, and for each what is to be learnt of both with the
//! share that each has. One file each.

pub mod cutmix;
pub mod mixup;

use crate::data::sample::Task;
use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::ops::binary::{ADD, MULTIPLY};
use crate::shape::Shape;
use crate::spec::section::{Chosen, Registry};
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword};
use crate::tensor::random::Random;
use crate::train::losses::formula::Formula;
use crate::train::losses::{Given, Losses};
use crate::train::program::Term;

pub static MIXES: &[&dyn Mix] = &[&mixup::Mixup, &cutmix::Cutmix];

pub static REGISTRY: Registry = Registry {
    title: "Mixes",
    intro: "The name after `mix`.",
    one: "mix",
    specs: || MIXES.iter().map(|mix| mix.spec()).collect(),
};

/// Inputs of a training graph beside the images and their targets, for each image: what is to be learnt of the other one, the
/// share of the first, and that of the other.
pub const INPUTS: [&str; 3] = ["mixed.target", "mixed.share", "mixed.rest"];

pub trait Mix: Sync {
    fn spec(&self) -> &'static Spec;

    /// Mixes each image of a batch, of `shape` (channels, height, width), with the one in front of it, and the first with the
    /// last. Gives the share that an image's own pixels have.
    fn apply(
        &self,
        args: &Args,
        images: &mut [f32],
        shape: [usize; 3],
        random: &mut Random,
    ) -> Result<f64, Fault>;
}

impl std::fmt::Debug for dyn Mix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.spec().name)
    }
}

/// Mixes a batch whose images and targets stand one behind another. Gives the numbers of [`INPUTS`]; the first target is the one
/// with the larger share.
pub fn mixed(
    mix: &Chosen<dyn Mix>,
    (images, shape): (&mut [f32], [usize; 3]),
    targets: &mut Vec<f32>,
    random: &mut Random,
) -> Result<[Vec<f32>; 3], Fault> {
    let n = (images.len() / shape.iter().product::<usize>().max(1)).max(1);
    let share = mix.what.apply(&mix.args, images, shape, random)?;
    let mut others = targets.clone();
    others.rotate_right(targets.len() / n);
    if share < 0.5 {
        std::mem::swap(targets, &mut others);
    }
    let share = share.max(1.0 - share);
    Ok([others, vec![share as f32; n], vec![(1.0 - share) as f32; n]])
}

/// The losses of each image where it is held against two targets: `losses` are those of the terms against `target`.
pub fn weighed(
    builder: &mut Builder,
    task: Task,
    target: Value,
    terms: &[Term<'_>],
    losses: Vec<Losses>,
) -> Result<Vec<Losses>, Fault> {
    let [other, share, rest] = INPUTS;
    let shape = builder.shape(target).clone();
    let images = Shape::from([shape.dims().first().copied().unwrap_or(1)]);
    let other = builder.input(other, &shape);
    let [share, rest] = [share, rest].map(|name| builder.input(name, &images));
    let mut all = Vec::with_capacity(terms.len());
    for (term, own) in terms.iter().zip(losses) {
        let given = Given { output: term.output, target: other, task };
        let others = term.loss.what.lower(&term.loss.args, &given, &mut Formula { builder })?;
        let mut both = |own: Value, other: Value| {
            let own = builder.apply(&MULTIPLY, Attrs::new(), &[own, share])?;
            let other = builder.apply(&MULTIPLY, Attrs::new(), &[other, rest])?;
            builder.apply(&ADD, Attrs::new(), &[own, other])
        };
        let sums = both(own.sums, others.sums)?;
        let weights = match (own.weights, others.weights) {
            (Some(own), Some(other)) => Some(both(own, other)?),
            (_, _) => None,
        };
        all.push(Losses { sums, weights });
    }
    Ok(all)
}

/// Joins each image of so many values with the one in front of it, as that was before, and the first with the last.
fn with_the_one_before(images: &mut [f32], size: usize, join: impl Fn(&mut [f32], &[f32])) {
    let size = size.max(1);
    let Some(last) = images.len().checked_sub(size) else { return };
    let before_first = images[last..].to_vec();
    for at in (1..=last / size).rev().map(|i| i * size) {
        let (before, from) = images.split_at_mut(at);
        join(&mut from[..size], &before[at - size..]);
    }
    join(&mut images[..size], &before_first);
}

/// The argument of both.
const ALPHA: Param = keyword(
    "alpha",
    Kind::Number { min: 1e-3, max: 1e3 },
    Preset::Number(1.0),
    "the share is drawn from Beta(alpha, alpha): the smaller alpha is, the more often the share is near 0 or 1",
);

/// A number of Beta(alpha, alpha).
fn share(args: &Args, random: &mut Random) -> Result<f64, Fault> {
    let alpha = args.number("alpha")?;
    let [a, b] = [gamma(alpha, random), gamma(alpha, random)];
    // Both may be too small to be told from 0.
    Ok(if a + b > 0.0 { a / (a + b) } else { f64::from(random.below(2)) })
}

/// A number of Gamma(shape, 1) (Marsaglia and Tsang: "A simple method for generating gamma variables", 2000).
fn gamma(shape: f64, random: &mut Random) -> f64 {
    if shape < 1.0 {
        let uniform = 1.0 - f64::from(random.uniform());
        return gamma(shape + 1.0, random) * uniform.powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = f64::from(random.normal());
        let v = (1.0 + c * x).powi(3);
        let uniform = 1.0 - f64::from(random.uniform());
        if v > 0.0 && uniform.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Span;
    use crate::spec::preset;

    fn drawn(alpha: f64) -> Vec<f64> {
        let args = preset(mixup::Mixup.spec(), &[Preset::Number(alpha)]);
        let mut random = Random::new(3, "shares", 0);
        (0..4000).map(|_| share(&args, &mut random).unwrap()).collect()
    }

    /// Mean 1/2, variance 1 / (4 (2 alpha + 1)).
    #[test]
    fn shares_have_the_moments_of_their_distribution() {
        for alpha in [0.2, 1.0, 4.0] {
            let shares = drawn(alpha);
            assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
            let mean = shares.iter().sum::<f64>() / 4000.0;
            let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / 4000.0;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!(
                (mean - 0.5).abs() < 0.025 && (variance / expected - 1.0).abs() < 0.1,
                "{alpha}: {mean} {variance}"
            );
        }
    }

    /// torchvision rolls a batch by one, and mixes pixels and one-hot labels with one number.
    #[test]
    fn pixels_and_targets_are_mixed_with_the_one_in_front() {
        let args = preset(mixup::Mixup.spec(), &[]);
        let mix = Chosen { what: &mixup::Mixup as &dyn Mix, args, span: Span::default() };
        for seed in 0..20 {
            let share = share(&mix.args, &mut Random::new(seed, "", 0)).unwrap();
            let (mut images, mut targets) = (vec![0.0, 1.0, 10.0, 20.0, 100.0, 200.0], vec![0.0, 1.0, 2.0]);
            let of = (images.as_mut_slice(), [1, 1, 2]);
            let [others, shares, rests] =
                mixed(&mix, of, &mut targets, &mut Random::new(seed, "", 0)).unwrap();
            let (own, rest) = (share as f32, (1.0 - share) as f32);
            let expected = [100.0 * rest, own + 200.0 * rest, 10.0 * own, 20.0 * own + rest];
            assert_eq!(images[..4], expected);
            let is_own = share >= 0.5;
            let [first, second] = if is_own { [&targets, &others] } else { [&others, &targets] };
            assert_eq!((first.as_slice(), second.as_slice()), (&[0.0, 1.0, 2.0][..], &[2.0, 0.0, 1.0][..]));
            let shares_of_first = if is_own { shares } else { rests };
            assert!(shares_of_first.iter().all(|found| (found - own).abs() < 1e-6));
        }
    }
}
