//! A network of another program as layers of ours, before it is a text: each with every argument, where its numbers lie and
//! what it was called.

use std::rc::Rc;

use crate::diag::Fault;
use crate::exchange::onnx::file::{Beside, Tensor};

/// What a file of another program says, in our words.
pub struct Found<'a> {
    pub name: String,
    /// The shape of one image.
    pub input: Vec<usize>,
    pub lines: Vec<Line<'a>>,
    /// The value that the network gives.
    pub output: usize,
    pub classes: Vec<String>,
    /// What should be known of how it was read.
    pub remarks: Vec<String>,
    /// What it is and from which program, in words: `A network from Keras 3.15`.
    pub origin: String,
    pub pixels: Pixels,
    /// The same of an image that the network gives.
    pub given: Pixels,
    pub sums: Sums,
}

/// In which order the text has the two values of a sum, which decides about rounding alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sums {
    /// A shortcut after what it shortens, whichever the file has first.
    Readable,
    /// As the file has them: what was written here comes back as the same network.
    AsGiven,
}

/// How images lie in arrays of the other program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// As ours: the channels one after the other.
    ChannelsFirst,
    /// The channels of each pixel together.
    ChannelsLast,
}

/// A layer. Values are numbered: 0 is the input, `i + 1` what line `i` gives.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    pub word: &'static str,
    /// Every argument that was thought of, in the declaration's order, as it is written.
    pub args: Vec<(&'static str, String)>,
    pub inputs: Vec<usize>,
    /// What it gives for one image.
    pub shape: Vec<usize>,
    pub weights: Vec<(&'static str, Weight<'a>)>,
    /// What it was called there.
    pub origin: Origin,
}

/// What a layer was called, and the module that it was part of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub name: String,
    /// Words for the modules around it, the outermost first, where the file has them.
    pub classes: Vec<String>,
}

/// Numbers where they lie, or changed on the way.
#[derive(Clone, Debug)]
pub enum Weight<'a> {
    Stored(&'a Tensor<'a>),
    /// A matrix with its rows and columns exchanged.
    Turned(&'a Tensor<'a>),
    Own(Rc<Vec<f64>>),
    /// So many times one number, which take no memory before they are needed.
    All(usize, f64),
    /// Numbers that another format keeps in its own way.
    Later(Later<'a>),
}

/// So many numbers, which are read when somebody wants them.
#[derive(Clone)]
pub struct Later<'a> {
    n: usize,
    read: Rc<dyn Fn() -> Result<Vec<f32>, Fault> + 'a>,
}

impl std::fmt::Debug for Later<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} numbers", self.n)
    }
}

impl<'a> Weight<'a> {
    /// `n` numbers that `read` gives.
    pub fn later(n: usize, read: impl Fn() -> Result<Vec<f32>, Fault> + 'a) -> Weight<'a> {
        Weight::Later(Later { n, read: Rc::new(read) })
    }
}

impl Weight<'_> {
    /// Whether it was made here and has nothing but this number.
    pub fn is_all(&self, number: f64) -> bool {
        match self {
            Weight::Own(own) => own.iter().all(|x| *x == number),
            Weight::All(_, own) => *own == number,
            Weight::Stored(_) | Weight::Turned(_) | Weight::Later(_) => false,
        }
    }

    /// How many numbers it has.
    pub fn count(&self) -> usize {
        match self {
            Weight::Stored(tensor) | Weight::Turned(tensor) => tensor.elements(),
            Weight::Own(own) => own.len(),
            Weight::All(n, _) | Weight::Later(Later { n, .. }) => *n,
        }
    }

    pub fn numbers(&self, beside: &Beside) -> Result<Vec<f32>, Fault> {
        match self {
            Weight::Stored(tensor) => tensor.floats(beside),
            Weight::Turned(tensor) => {
                let numbers = tensor.floats(beside)?;
                let &[rows, columns] = tensor.dims.as_slice() else {
                    return Err(Fault::internal("a matrix that is none is turned"));
                };
                Ok((0..rows * columns).map(|i| numbers[i % rows * columns + i / rows]).collect())
            }
            Weight::Own(numbers) => Ok(numbers.iter().map(|number| *number as f32).collect()),
            Weight::All(n, number) => Ok(vec![*number as f32; *n]),
            Weight::Later(later) => (later.read)(),
        }
    }
}
