//! Images that a session keeps in its device's memory, as bytes, so that batches are made there: what they are and where
//! they lie.

use crate::diag::Fault;
use crate::kernels::cuda::gather::Recipe;
use crate::kernels::cuda::machine::Machine;
use crate::plan::memory::aligned;

/// Bytes in a number of the memory; each set begins at a whole one.
const BYTES: usize = size_of::<f32>();
/// Numbers that are written at once.
const CHUNK: usize = 1 << 20;

/// Images of one shape with their classes.
#[derive(Clone, Copy)]
pub struct Set<'a> {
    /// All images one behind another, a byte a value.
    pub pixels: &'a [u8],
    pub labels: &'a [u32],
}

/// What a session's graphs make their batches of.
pub struct Stock<'a> {
    pub sets: Vec<Set<'a>>,
    /// How each graph's images are made.
    pub recipes: Vec<Recipe>,
    /// Images in the longest pass.
    pub longest: usize,
    /// The names of the graphs' inputs.
    pub images: &'static str,
    pub labels: &'static str,
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
    /// The position of each set's first image; the images of a set follow each other.
    pub fn starts(&self) -> Vec<usize> {
        let lengths = self.sets.iter().map(|set| set.labels.len());
        starts(lengths).0
    }

    /// Lays it from `begin` on.
    pub fn lay(&self, begin: usize) -> Result<Laid, Fault> {
        let image: usize = self.recipes.first().map_or(0, |recipe| recipe.shape.iter().product());
        let (_, n) = starts(self.sets.iter().map(|set| set.labels.len()));
        let classes = begin + aligned((n * image).div_ceil(BYTES));
        let order = classes + aligned(n);
        let mut end = order + aligned(self.longest);
        let mut recipes = Vec::with_capacity(self.recipes.len());
        for recipe in &self.recipes {
            recipes.push(end);
            end += aligned(recipe.numbers()?.len());
        }
        Ok(Laid { bytes: begin, classes, order, longest: self.longest, recipes, end })
    }

    /// Writes everything but the order.
    pub fn write(&self, at: &Laid, machine: &mut dyn Machine) -> Result<(), Fault> {
        let mut numbers = Vec::with_capacity(CHUNK);
        for (set, start) in self.sets.iter().zip(self.starts()) {
            let image = set.pixels.len() / set.labels.len().max(1);
            let mut to = at.bytes + start * image / BYTES;
            for bytes in set.pixels.chunks(CHUNK * BYTES) {
                numbers.clear();
                let (words, rest) = bytes.as_chunks::<BYTES>();
                numbers.extend(words.iter().map(|&word| f32::from_bits(u32::from_le_bytes(word))));
                if !rest.is_empty() {
                    let mut word = [0; BYTES];
                    word[..rest.len()].copy_from_slice(rest);
                    numbers.push(f32::from_bits(u32::from_le_bytes(word)));
                }
                machine.write(to, &numbers)?;
                to += numbers.len();
            }
            let classes: Vec<f32> = set.labels.iter().map(|&label| label as f32).collect();
            machine.write(at.classes + start, &classes)?;
        }
        at.recipes.iter().zip(&self.recipes).try_for_each(|(&to, own)| machine.write(to, &own.numbers()?))
    }
}

/// Where sets of these lengths begin, and what is behind the last. Each begins at a multiple of [`BYTES`] images, and so
/// its bytes at a whole number.
fn starts(lengths: impl Iterator<Item = usize>) -> (Vec<usize>, usize) {
    let (mut starts, mut end) = (Vec::new(), 0usize);
    for length in lengths {
        starts.push(end);
        end = (end + length).next_multiple_of(BYTES);
    }
    (starts, end)
}
