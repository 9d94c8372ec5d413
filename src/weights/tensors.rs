//! What every file of weights comes to: tensors by name, in an order, whose numbers are read when they are wanted.

use std::path::{Path, PathBuf};

use crate::diag::{Fault, codes};
use crate::train::checkpoint::Card;
use crate::weights::elements::Element;

/// Tensors of one file that are looked at.
pub const MAX_TENSORS: usize = 100_000;

/// A tensor as a file declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub element: Element,
    /// Why its numbers cannot be read, if they cannot.
    pub trouble: Option<String>,
}

impl Tensor {
    /// How many numbers it has; `None` where no machine has so many.
    pub fn elements(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent))
    }
}

/// What the order of the tensors in a file means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// That in which the program that wrote it has its layers.
    Kept,
    /// None: they are sorted by something else.
    Lost,
}

/// How layers of parallel branches stand in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Branches {
    /// Branch by branch, as a text of ours has them, or by their names.
    Apart,
    /// In turns, as nothing says which layer is of which branch.
    Mixed,
    /// In turns, but these are the orders of the tensors in which branches come one after another.
    Orders(Vec<Vec<usize>>),
}

/// Where a file's numbers come from.
pub trait Numbers {
    /// Those of the tensor at this place, the last axis fastest. Its count is known to be within reason.
    fn read(&mut self, at: usize) -> Result<Vec<f32>, Fault>;
}

/// A file whose tensors are known and whose numbers are not read yet.
pub struct File {
    pub path: PathBuf,
    /// In words: `a PyTorch file`.
    pub kind: &'static str,
    pub tensors: Vec<Tensor>,
    pub sequence: Sequence,
    pub branches: Branches,
    /// What it says of itself, where dslc wrote it.
    pub card: Option<Card>,
    /// What was seen through on the way to the tensors: `state_dict`.
    pub within: Option<String>,
    pub(super) numbers: Box<dyn Numbers>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("path", &self.path).field("tensors", &self.tensors).finish()
    }
}

impl File {
    /// A file that does not describe itself.
    pub fn new(
        path: &Path,
        kind: &'static str,
        tensors: Vec<Tensor>,
        sequence: Sequence,
        numbers: Box<dyn Numbers>,
    ) -> File {
        File {
            path: path.to_owned(),
            kind,
            tensors,
            sequence,
            branches: Branches::Apart,
            card: None,
            within: None,
            numbers,
        }
    }

    /// The numbers of a tensor, of which the caller knows that it wants `n`.
    pub fn read(&mut self, at: usize, n: usize) -> Result<Vec<f32>, Fault> {
        let tensor = &self.tensors[at];
        if let Some(trouble) = &tensor.trouble {
            return Err(fault(&self.path, format!("has `{}`, which {trouble}", tensor.name))
                .advise("a file in which it is a plain tensor of numbers"));
        }
        if tensor.elements() != Some(n) {
            return Err(Fault::internal(format!("`{}` is read for another shape", tensor.name)));
        }
        let numbers = self.numbers.read(at)?;
        match numbers.len() == n {
            true => Ok(numbers),
            false => Err(Fault::internal(format!("`{}` has another number of elements", tensor.name))),
        }
    }
}

/// A fault of a file.
pub fn fault(path: &Path, message: impl std::fmt::Display) -> Fault {
    Fault::new(codes::DATA_FILE, format!("{} {message}", path.display()))
}

/// `64x3x7x7`; `1` of a single number.
pub fn shown(shape: &[usize]) -> String {
    match shape {
        [] => "1".to_owned(),
        shape => shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x"),
    }
}

/// Some of a file's tensors, in another order.
pub(super) struct Chosen {
    pub places: Vec<usize>,
    pub numbers: Box<dyn Numbers>,
}

impl Numbers for Chosen {
    fn read(&mut self, at: usize) -> Result<Vec<f32>, Fault> {
        let place = self.places.get(at).ok_or_else(|| Fault::internal("a tensor that was not chosen"))?;
        self.numbers.read(*place)
    }
}
