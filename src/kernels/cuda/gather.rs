//! Images that stay in a device's memory → the batch of a step, and a step's numbers → a log: what `gather.cu` is asked
//! to do, and where what it reads lies.

use std::ops::Range;

use crate::diag::Fault;
use crate::kernels::cuda::launch::{Argument, Command, Kernel, blocks, each, int, size};
use crate::tensor::random::stream;

/// What the name of the stream of an image's random words begins with; behind it stands the image's position.
pub const STREAM: &str = "augment ";

/// `PART_OF_IMAGE`, `MOST_DRAWS` and `DRAW` of `gather.cu`.
const PART_OF_IMAGE: usize = 1024;
const MOST_DRAWS: usize = 8;
const DRAW: usize = 8;

/// Values of a step that one launch notes.
const NOTED: usize = 4;

/// A change of an image that is drawn at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// A window of one of so many places (rows first, as in all pairs) in an image of the extents `from` with black
    /// around it, `before` of which stands above and to the left.
    Crop { places: [u32; 2], before: [usize; 2], from: [usize; 2] },
    /// An image of this width mirrored left to right where the first 24 bits of a word are below a number.
    Flip { width: usize, below: u32 },
}

impl Draw {
    fn numbers(self) -> Result<[f32; DRAW], Fault> {
        let bits = |number: i32| f32::from_bits(number as u32);
        let mut numbers = [0.0; DRAW];
        match self {
            Draw::Crop { places, before, from } => {
                let own = [0, places[0] as i32, places[1] as i32, int(before[0])?, int(before[1])?];
                let [height, width] = [int(from[0])?, int(from[1])?];
                let own = own.into_iter().chain([height, width]);
                numbers.iter_mut().zip(own).for_each(|(number, own)| *number = bits(own));
            }
            Draw::Flip { width, below } => {
                let own = [1, below as i32, int(width)?];
                numbers.iter_mut().zip(own).for_each(|(number, own)| *number = bits(own));
            }
        }
        Ok(numbers)
    }
}

/// How the bytes of an image become what reaches the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Channels, height and width, before and behind.
    pub shape: [usize; 3],
    /// In order.
    pub draws: Vec<Draw>,
    /// What each byte becomes in each channel.
    pub tables: Vec<[f32; 256]>,
    pub seed: u64,
}

impl Recipe {
    /// Whether the kernel can follow it.
    pub fn is_short(&self) -> bool {
        self.draws.len() <= MOST_DRAWS
    }

    /// What a device keeps of it: the tables, and behind them the changes.
    pub fn numbers(&self) -> Result<Vec<f32>, Fault> {
        let draws = self.draws.iter().map(|draw| draw.numbers()).collect::<Result<Vec<_>, _>>()?;
        Ok(self.tables.iter().flatten().chain(draws.iter().flatten()).copied().collect())
    }

    /// Numbers of [`Recipe::numbers`] in front of the changes.
    fn tables_len(&self) -> usize {
        256 * self.tables.len()
    }
}

/// Where in a device's memory a batch is made, and of what.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    pub images: usize,
    /// Not where images are the target.
    pub labels: Option<usize>,
    /// All images one behind another, a byte a value.
    pub bytes: usize,
    /// The class of each image.
    pub classes: usize,
    /// The positions of images in the order of a pass, as whole numbers.
    pub order: usize,
    /// The place in the order where the batch begins, and the epoch, as whole numbers.
    pub control: usize,
    /// The recipe's numbers.
    pub recipe: usize,
}

/// Makes a batch of `n` images.
pub fn gather(recipe: &Recipe, n: usize, at: &Places) -> Result<Command<usize>, Fault> {
    let [channels, height, width] = recipe.shape;
    let image = channels * height * width;
    int(n * image)?;
    if !recipe.is_short() {
        return Err(Fault::internal(format!("a device changes an image {MOST_DRAWS} times at most")));
    }
    let draws = at.recipe + recipe.tables_len();
    let mut arguments = vec![Argument::Memory(at.images)];
    arguments.push(at.labels.map_or(Argument::Nothing, Argument::Memory));
    let read = [at.bytes, at.classes, at.order, at.control, at.recipe, draws];
    arguments.extend(read.map(Argument::Memory));
    for extent in [image, height, width, recipe.draws.len()] {
        arguments.push(size(extent)?);
    }
    let words = [recipe.seed as u32, (recipe.seed >> 32) as u32, stream(STREAM)];
    arguments.extend(words.map(|word| Argument::Int(word as i32)));
    blocks(Kernel::Named("gather"), n * image.div_ceil(PART_OF_IMAGE), arguments)
}

/// Notes the numbers at these places, one behind another, in the log from the place on that the number at `slot` tells.
pub fn notes(values: &[Range<usize>], log: usize, slot: usize) -> Result<Vec<Command<usize>>, Fault> {
    let mut behind = 0;
    let alike = values.chunk_by(|a, b| a.len() == b.len()).flat_map(|values| values.chunks(NOTED));
    let launch = |values: &[Range<usize>]| {
        let n = values[0].len();
        let mut arguments = vec![Argument::Memory(log), Argument::Memory(slot), size(behind)?, size(n)?];
        let at = |value: &Range<usize>| Argument::Memory(value.start);
        arguments.extend((0..NOTED).map(|i| values.get(i).map_or(Argument::Nothing, at)));
        behind += n * values.len();
        each(Kernel::Named("note"), n, arguments)
    };
    alike.map(launch).collect()
}
