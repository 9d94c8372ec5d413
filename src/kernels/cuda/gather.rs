//! Images that stay in a device's memory → the batch of a step, and a step's numbers → a log: what `gather.cu` is asked
//! to do, and where what it reads lies.

use std::ops::Range;

use crate::diag::Fault;
use crate::kernels::cuda::launch::{Argument, Command, Kernel, blocks, each, int, size};

/// `PART_OF_IMAGE`, `MOST_DRAWS` and `DRAW` of `gather.cu`.
const PART_OF_IMAGE: usize = 1024;
pub const MOST_DRAWS: usize = 8;
const DRAW: usize = 8;

/// Values of a step that one launch notes.
const NOTED: usize = 4;

/// A change of an image, in the numbers that `gather.cu` reads.
pub type Change = [f32; DRAW];

/// A window of one of so many places in an image of the extents `from` with black around it; see `CROP` of `gather.cu`.
pub fn crop(places: [u32; 2], before: [usize; 2], from: [usize; 2]) -> Result<Change, Fault> {
    let [top, left] = [int(before[0])?, int(before[1])?];
    let [height, width] = [int(from[0])?, int(from[1])?];
    Ok(change(&[0, places[0] as i32, places[1] as i32, top, left, height, width]))
}

/// An image of this width mirrored left to right where the first 24 bits of a word are below a number; see `FLIP`.
pub fn flip(width: usize, below: u32) -> Result<Change, Fault> {
    Ok(change(&[1, below as i32, int(width)?]))
}

fn change(own: &[i32]) -> Change {
    let mut numbers = [0.0; DRAW];
    numbers.iter_mut().zip(own).for_each(|(number, own)| *number = f32::from_bits(*own as u32));
    numbers
}

/// What a batch is made with.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Images of the batch.
    pub n: usize,
    /// Channels, height and width of an image.
    pub shape: [usize; 3],
    pub n_changes: usize,
    pub seed: u64,
    /// The stream of random words of an image without its number.
    pub stream: u32,
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
    /// A table of 256 numbers for each channel, and behind them the changes.
    pub recipe: usize,
}

/// Makes a batch.
pub fn gather(work: &Work, at: &Places) -> Result<Command<usize>, Fault> {
    let [channels, height, width] = work.shape;
    let image = channels * height * width;
    int(work.n * image)?;
    if work.n_changes > MOST_DRAWS {
        return Err(Fault::internal(format!("a device changes an image {MOST_DRAWS} times at most")));
    }
    let changes = at.recipe + 256 * channels;
    let mut arguments = vec![Argument::Memory(at.images)];
    arguments.push(at.labels.map_or(Argument::Nothing, Argument::Memory));
    let read = [at.bytes, at.classes, at.order, at.control, at.recipe, changes];
    arguments.extend(read.map(Argument::Memory));
    for extent in [image, height, width, work.n_changes] {
        arguments.push(size(extent)?);
    }
    let words = [work.seed as u32, (work.seed >> 32) as u32, work.stream];
    arguments.extend(words.map(|word| Argument::Int(word as i32)));
    blocks(Kernel::Named("gather"), work.n * image.div_ceil(PART_OF_IMAGE), arguments)
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
