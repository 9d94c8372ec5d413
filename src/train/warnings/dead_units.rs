//! An activation most of whose units give the same bound for every image: nothing flows back through them.

use crate::diag::codes;
use crate::train::warnings::{Warning, Watched, warning};

pub const CODE: &str = codes::DEAD_UNITS;

/// Some units are silent in every healthy network; not nearly all of them.
const MOST: f64 = 0.9;

pub fn judge(watched: &Watched<'_>) -> Option<Warning> {
    let dead = watched.dead.iter().zip(&watched.model.layers);
    let dead: Vec<(&str, f64)> = dead
        .filter_map(|(share, layer)| Some((layer.name.as_str(), share.filter(|&share| share >= MOST)?)))
        .collect();
    let &(first, share) = dead.first()?;
    let others = match dead.len() {
        1 => String::new(),
        n => format!(", and {} more layers are like it", n - 1),
    };
    let message = format!(
        "{:.0} % of the units of `{first}` are dead: they give the same for every image{others}",
        100.0 * share
    );
    Some(
        warning(codes::DEAD_UNITS, message)
            .advise("a smaller learning rate: one large step is enough to push them there")
            .advise("a `batch_norm` before it, or `leaky_relu`, whose units can recover"),
    )
}
