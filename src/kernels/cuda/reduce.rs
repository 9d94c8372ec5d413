//! Sums and means over axes: what `moving.cu` is asked to do.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::end::{End, add_parts};
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::launch::{
    Argument, FEW_BLOCKS, Kernel, Place, Prepared, THREADS, blocks, input, size,
};
use crate::kernels::cuda::moving::placed;
use crate::kernels::cuda::walk::{self, merged, steps};
use crate::shape::Shape;

/// Summands that a thread of a reduction has where there are enough; neighbouring threads that are enough for memory; the
/// most parts that sums are cut into.
const SUMMANDS: usize = 16;
const NEIGHBOURS: usize = 32;
const MAX_PARTS: usize = 512;

pub fn sum(attrs: &Attrs, inputs: &[&Shape], output: &Shape, format: Format) -> Result<Prepared, Fault> {
    let axes = placed(attrs.get_ints("axes"), inputs[0], format);
    reduce(&axes, &format.in_memory(inputs[0]), output, |_| 1.0)
}

pub fn mean(attrs: &Attrs, inputs: &[&Shape], output: &Shape, format: Format) -> Result<Prepared, Fault> {
    let axes = placed(attrs.get_ints("axes"), inputs[0], format);
    reduce(&axes, &format.in_memory(inputs[0]), output, |count| 1.0 / count as f32)
}

fn reduce(
    axes: &[usize],
    from: &Shape,
    to: &Shape,
    factor: impl Fn(usize) -> f32,
) -> Result<Prepared, Fault> {
    let own = steps(from.dims());
    let axis = |axis: usize| (from.dims()[axis], [own[axis]]);
    let is_reduced = |axis: &usize| axes.contains(axis);
    let (reduced, kept): (Vec<usize>, Vec<usize>) = (0..from.rank()).partition(is_reduced);
    let reduced = merged(reduced.into_iter().map(axis));
    let kept = merged(kept.into_iter().map(axis));
    let count = from.elements() / to.elements().max(1);
    let along = reduced.last().is_some_and(|(_, [step])| *step == 1);
    let Split { lanes, n_parts } = split(to.elements(), count, along);
    let target = if n_parts == 1 { Place::Output } else { Place::Scratch(0) };
    let mut arguments = vec![Argument::Memory(target), input(0)];
    for number in [to.elements(), count, lanes, usize::from(along), n_parts] {
        arguments.push(size(number)?);
    }
    arguments.extend([
        Argument::Float(factor(count)),
        walk::argument(&kept, 0)?,
        walk::argument(&reduced, 0)?,
    ]);
    let n_blocks = to.elements().div_ceil(THREADS as usize / lanes) * n_parts;
    let mut commands = vec![blocks(Kernel::Named("reduce"), n_blocks, arguments)?];
    let mut scratch = 0;
    if n_parts > 1 {
        scratch = to.elements() * n_parts;
        commands.push(add_parts(target, to.elements(), n_parts, End::none())?);
    }
    Ok(Prepared { commands, scratch, ..Prepared::default() })
}

/// How a sum is shared out: threads of a block for each output, and parts; by its sizes alone, so that every device adds
/// in the same order.
struct Split {
    lanes: usize,
    n_parts: usize,
}

fn split(n: usize, count: usize, along: bool) -> Split {
    let threads = THREADS as usize;
    let wanted = count.div_ceil(SUMMANDS).next_power_of_two();
    let lanes = match along {
        true => wanted.max(count.next_power_of_two().min(NEIGHBOURS)).min(threads),
        // Outputs lie beside each other in a block.
        false => wanted.min(threads / n.next_power_of_two().min(NEIGHBOURS)),
    };
    let most = (FEW_BLOCKS / n.div_ceil(threads / lanes)).clamp(1, MAX_PARTS);
    // A few more summands are faster than another kernel.
    let n_parts = if count <= 4 * lanes * SUMMANDS { 1 } else { count.div_ceil(lanes * SUMMANDS).min(most) };
    Split { lanes, n_parts }
}
