//! Images that a session keeps in its device's memory, as bytes, so that batches are made there: what they are and where
//! they lie.

use crate::data::recipe::{Draw, Recipe, STREAM};
use crate::diag::Fault;
use crate::kernels::cuda::gather::{MOST_DRAWS, Work, crop, flip};
use crate::kernels::cuda::machine::Machine;
use crate::plan::memory::aligned;
use crate::tensor::random::stream;

/// Bytes in a number of the memory; each set begins at a whole one.
const BYTES: usize = size_of::<f32>();
/// Numbers that are written at once.
const CHUNK: usize = 1 << 20;

/// What a session's graphs make their batches of.
pub struct Stock<'a> {
    /// Images of one shape, one behind another, a byte a value.
    pub pixels: &'a [u8],
    pub classes: &'a [u32],
    /// How each graph's images are made.
    pub recipes: Vec<Recipe>,
    /// Images in the longest pass.
    pub longest: usize,
    /// The names of the graphs' inputs.
    pub images: &'static str,
    pub labels: &'static str,
}

/// Whether a device can follow a recipe.
pub fn is_short(recipe: &Recipe) -> bool {
    recipe.draws.len() <= MOST_DRAWS
}

/// What a device keeps of a recipe: the tables, and behind them the changes.
fn numbers(recipe: &Recipe) -> Result<Vec<f32>, Fault> {
    let change = |draw: &Draw| match *draw {
        Draw::Crop { places, before, from } => crop(places, before, from),
        Draw::Flip { width, below } => flip(width, below),
    };
    let changes = recipe.draws.iter().map(change).collect::<Result<Vec<_>, _>>()?;
    Ok(recipe.tables.iter().flatten().chain(changes.iter().flatten()).copied().collect())
}

/// What the batches of `n` images are made with.
pub fn work(recipe: &Recipe, n: usize) -> Work {
    Work { n, shape: recipe.shape, n_changes: recipe.draws.len(), seed: recipe.seed, stream: stream(STREAM) }
}

/// Where a stock lies.
#[derive(Clone, Debug)]
pub struct Laid {
    pub bytes: usize,
    pub classes: usize,
    pub order: usize,
    pub longest: usize,
    /// The numbers of each graph's recipe.
    pub recipes: Vec<usize>,
    /// Behind everything.
    pub end: usize,
}

impl Stock<'_> {
    /// Lays it from `begin` on.
    pub fn lay(&self, begin: usize) -> Result<Laid, Fault> {
        let classes = begin + aligned(self.pixels.len().div_ceil(BYTES));
        let order = classes + aligned(self.classes.len());
        let mut end = order + aligned(self.longest);
        let mut recipes = Vec::with_capacity(self.recipes.len());
        for recipe in &self.recipes {
            recipes.push(end);
            end += aligned(numbers(recipe)?.len());
        }
        Ok(Laid { bytes: begin, classes, order, longest: self.longest, recipes, end })
    }

    /// Writes everything but the order.
    pub fn write(&self, at: &Laid, machine: &mut dyn Machine) -> Result<(), Fault> {
        let mut part = Vec::with_capacity(CHUNK);
        let mut to = at.bytes;
        for bytes in self.pixels.chunks(CHUNK * BYTES) {
            part.clear();
            let (words, rest) = bytes.as_chunks::<BYTES>();
            part.extend(words.iter().map(|&word| f32::from_bits(u32::from_le_bytes(word))));
            if !rest.is_empty() {
                let mut word = [0; BYTES];
                word[..rest.len()].copy_from_slice(rest);
                part.push(f32::from_bits(u32::from_le_bytes(word)));
            }
            machine.write(to, &part)?;
            to += part.len();
        }
        let classes: Vec<f32> = self.classes.iter().map(|&class| class as f32).collect();
        machine.write(at.classes, &classes)?;
        at.recipes.iter().zip(&self.recipes).try_for_each(|(&to, own)| machine.write(to, &numbers(own)?))
    }
}
