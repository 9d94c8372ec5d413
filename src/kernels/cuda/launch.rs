//! What a kernel is asked to do: launches, products and convolutions, in terms of places that the plan turns into
//! memory.

use crate::diag::{Fault, codes};
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::format::Format;
use crate::ops::conv2d::Geometry;
use crate::shape::Shape;

/// Where an operand of one node lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The node's input of this number.
    Input(usize),
    Output,
    /// This many numbers behind the start of the node's own memory, which holds f32.
    Scratch(usize),
    /// The node's table of this number.
    Table(usize),
}

/// What a launch passes to a kernel, in the order of the kernel's parameters. `P` says where memory lies: a [`Place`]
/// before the plan is made, a position in the arena behind it.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument<P> {
    Memory(P),
    /// A null pointer, for an operand that is not there.
    Nothing,
    Int(i32),
    Float(f32),
    /// A structure of whole numbers.
    Ints(Vec<i32>),
}

/// Which kernel runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kernel {
    /// One of the files beside this one.
    Named(&'static str),
    /// One that was written for the node: everything behind its name.
    Written(String),
}

/// Blocks of threads of one kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch<P> {
    pub kernel: Kernel,
    pub blocks: u32,
    pub threads: u32,
    pub arguments: Vec<Argument<P>>,
}

/// `out = a · b`, summed in f32, of `m x k` and `k x n`, all row by row; a transposed operand is stored the other way round.
#[derive(Clone, Debug, PartialEq)]
pub struct Product<P> {
    pub sizes: [usize; 3],
    pub transpose_a: bool,
    pub transpose_b: bool,
    pub a: P,
    pub b: P,
    pub out: P,
}

/// Which of a convolution's three values is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Output,
    GradInput,
    GradWeight,
}

/// A convolution or one of its gradients; in place of what is computed stands where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution<P> {
    pub direction: Direction,
    pub geometry: Geometry,
    /// Of all three values.
    pub format: Format,
    /// `N x C x H x W`, or its gradient.
    pub images: P,
    pub weight: P,
    /// `N x O x H' x W'`, or its gradient.
    pub output: P,
}

/// One thing that a device does.
#[derive(Clone, Debug, PartialEq)]
pub enum Command<P> {
    Launch(Launch<P>),
    Product(Product<P>),
    Convolution(Convolution<P>),
    /// So many numbers of 32 bits from the first place to the second.
    Copy {
        from: P,
        to: P,
        len: usize,
    },
    /// What lies there, so many f32 at each place, becomes the sum of what lies there in all processes that share the batch.
    Sum(Vec<(P, usize)>),
}

/// A command of a program, and the numbers of the earlier ones that must be done before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Task<P> {
    pub command: Command<P>,
    pub after: Vec<usize>,
}

/// A program of commands that are done one after another.
pub fn in_order<P>(commands: impl IntoIterator<Item = Command<P>>) -> Vec<Task<P>> {
    let task =
        |(number, command): (usize, _)| Task { command, after: number.checked_sub(1).into_iter().collect() };
    commands.into_iter().enumerate().map(task).collect()
}

impl<P: Copy> Command<P> {
    /// The same with memory somewhere else.
    pub fn at<Q>(&self, place: &impl Fn(P) -> Q) -> Command<Q> {
        match self {
            Command::Launch(launch) => Command::Launch(Launch {
                kernel: launch.kernel.clone(),
                blocks: launch.blocks,
                threads: launch.threads,
                arguments: launch.arguments.iter().map(|argument| argument.at(place)).collect(),
            }),
            Command::Product(product) => Command::Product(Product {
                sizes: product.sizes,
                transpose_a: product.transpose_a,
                transpose_b: product.transpose_b,
                a: place(product.a),
                b: place(product.b),
                out: place(product.out),
            }),
            Command::Convolution(convolution) => Command::Convolution(Convolution {
                direction: convolution.direction,
                geometry: convolution.geometry,
                format: convolution.format,
                images: place(convolution.images),
                weight: place(convolution.weight),
                output: place(convolution.output),
            }),
            &Command::Copy { from, to, len } => Command::Copy { from: place(from), to: place(to), len },
            Command::Sum(parts) => Command::Sum(parts.iter().map(|&(at, len)| (place(at), len)).collect()),
        }
    }
}

impl<P: Copy> Argument<P> {
    fn at<Q>(&self, place: &impl Fn(P) -> Q) -> Argument<Q> {
        match self {
            Argument::Memory(memory) => Argument::Memory(place(*memory)),
            Argument::Nothing => Argument::Nothing,
            Argument::Int(number) => Argument::Int(*number),
            Argument::Float(number) => Argument::Float(*number),
            Argument::Ints(numbers) => Argument::Ints(numbers.clone()),
        }
    }
}

/// A node's work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prepared {
    pub commands: Vec<Command<Place>>,
    /// Numbers of memory of its own.
    pub scratch: usize,
    /// Numbers that never change, written once.
    pub tables: Vec<Vec<f32>>,
    /// Whether own kernels do better than the library of a device that has one for it, and channels lie last for its sake there.
    pub leads: bool,
    /// What to do instead where the device has a library for the first command.
    pub library: Option<Vec<Command<Place>>>,
}

/// Attributes, input shapes, output shape → the work of a node.
#[derive(Clone, Copy)]
pub enum Prepare {
    /// On values that lie with channels first.
    First(fn(&Attrs, &[&Shape], &Shape) -> Result<Prepared, Fault>),
    /// On values that all lie in a format. Without commands where own kernels have no such format.
    Any(fn(&Attrs, &[&Shape], &Shape, Format) -> Result<Prepared, Fault>),
}

impl Prepared {
    pub fn of(command: Command<Place>) -> Result<Prepared, Fault> {
        Ok(Prepared { commands: vec![command], ..Prepared::default() })
    }
}

/// Threads of a block where each element has one.
pub const THREADS: u32 = 256;

/// Blocks of [`THREADS`] that are enough for every device to be busy: one of the largest holds a thousand at once.
pub const FEW_BLOCKS: usize = 1024;

/// A launch of one thread an element.
pub fn each<P>(kernel: Kernel, n: usize, arguments: Vec<Argument<P>>) -> Result<Command<P>, Fault> {
    blocks(kernel, n.div_ceil(THREADS as usize), arguments)
}

/// Elements of a thread that has several: `SEVERAL` of `common.cu`.
const SEVERAL: usize = 4;

/// A launch of one thread for several elements.
pub fn several<P>(kernel: Kernel, n: usize, arguments: Vec<Argument<P>>) -> Result<Command<P>, Fault> {
    blocks(kernel, n.div_ceil(SEVERAL * THREADS as usize), arguments)
}

/// A launch of so many blocks of [`THREADS`] threads.
pub fn blocks<P>(kernel: Kernel, n: usize, arguments: Vec<Argument<P>>) -> Result<Command<P>, Fault> {
    let blocks = u32::try_from(n.max(1)).ok().filter(|&n| n <= i32::MAX as u32).ok_or_else(too_large)?;
    Ok(Command::Launch(Launch { kernel, blocks, threads: THREADS, arguments }))
}

pub fn input(number: usize) -> Argument<Place> {
    Argument::Memory(Place::Input(number))
}

pub fn output() -> Argument<Place> {
    Argument::Memory(Place::Output)
}

/// The input of this number where the node has so many.
pub fn optional(inputs: &[&Shape], number: usize) -> Argument<Place> {
    if number < inputs.len() { input(number) } else { Argument::Nothing }
}

/// A size as kernels count.
pub fn int(n: usize) -> Result<i32, Fault> {
    i32::try_from(n).map_err(|_| too_large())
}

pub fn size<P>(n: usize) -> Result<Argument<P>, Fault> {
    int(n).map(Argument::Int)
}

/// Kernels count elements in 32 bits.
pub fn too_large() -> Fault {
    Fault::new(codes::TOO_BIG, "a tensor on a GPU can hold at most 2,147,483,647 numbers")
        .advise("a smaller `batch`, such as `--set train.batch=16`")
}
