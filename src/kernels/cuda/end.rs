//! What follows sums: the parts of one are added, and a product is finished with a bias and a relu.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::launch::{
    Argument, Command, Kernel, Place, THREADS, blocks, optional, output, several, size,
};
use crate::kernels::cuda::walk::divisor;
use crate::ops::epilogue;
use crate::shape::Shape;

/// Parts that a thread adds.
const PARTS: usize = 8;

/// What happens to a product before it counts: a bias for each of `channels` places of `inner` numbers, a relu.
pub struct End {
    pub bias: Argument<Place>,
    channels: usize,
    inner: usize,
    relu: bool,
}

impl End {
    pub fn none() -> End {
        End { bias: Argument::Nothing, channels: 1, inner: 1, relu: false }
    }

    /// The end of a product with this output, whose axis 1 has the channels.
    pub fn of(attrs: &Attrs, inputs: &[&Shape], output: &Shape, format: Format) -> End {
        End {
            bias: optional(inputs, 2),
            channels: output.dims()[1],
            inner: match format {
                Format::ChannelsFirst => output.dims()[2..].iter().product(),
                Format::ChannelsLast => 1,
            },
            relu: epilogue::has_relu(attrs),
        }
    }

    pub fn is_none(&self) -> bool {
        self.bias == Argument::Nothing && !self.relu
    }

    pub fn relu(&self) -> Argument<Place> {
        Argument::Int(i32::from(self.relu))
    }
}

/// A product's numbers are finished where they are.
pub fn finish(n: usize, end: End) -> Result<Command<Place>, Fault> {
    let relu = end.relu();
    let mut arguments = vec![output(), output(), end.bias];
    arguments.extend([size(n)?, divisor(end.channels)?, divisor(end.inner)?, relu]);
    several(Kernel::Named("finish"), n, arguments)
}

/// The output is the sum of `n_parts` parts of `n` numbers, finished.
pub fn add_parts(parts: Place, n: usize, n_parts: usize, end: End) -> Result<Command<Place>, Fault> {
    let (relu, lanes) = (end.relu(), lanes(n_parts));
    let mut arguments = vec![output(), Argument::Memory(parts), end.bias];
    for number in [n, n_parts, lanes] {
        arguments.push(size(number)?);
    }
    arguments.extend([divisor(end.channels)?, divisor(end.inner)?, relu]);
    blocks(Kernel::Named("add_parts"), n.div_ceil(lanes), arguments)
}

/// Columns of a block that adds parts, a power of two: so many that a thread has few parts of one to add.
pub fn lanes(n_parts: usize) -> usize {
    let each = n_parts.div_ceil(PARTS).next_power_of_two().min(THREADS as usize);
    THREADS as usize / each
}
