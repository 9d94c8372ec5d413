//! Matrix products: what `product.cu` is asked to do, and what a library is where the device has one.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cuda::end::{End, add_parts, finish};
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::launch::{
    Argument, Command, Kernel, Place, Prepared, Product, blocks, input, output, size,
};
use crate::ops::batch_matmul;
use crate::ops::matmul as op;
use crate::shape::Shape;

/// `TILE` of `product.cu`.
const TILE: usize = 64;
/// Fewer tiles than this are cut along K, into parts of at least this length.
const FEW_TILES: usize = 128;
const PART: usize = 512;

/// Tiles of `m x n`.
pub fn tiles(m: usize, n: usize) -> usize {
    m.div_ceil(TILE) * n.div_ceil(TILE)
}

/// How many parts a product's K is cut into; by its sizes alone, so that every device adds in the same order.
pub fn n_parts(n_tiles: usize, k: usize) -> usize {
    if n_tiles >= FEW_TILES { 1 } else { (FEW_TILES / n_tiles).min(k.div_ceil(PART)).max(1) }
}

pub fn matmul(attrs: &Attrs, inputs: &[&Shape], to: &Shape) -> Result<Prepared, Fault> {
    let [m, k, n] = op::sizes(attrs, inputs[0], inputs[1])?;
    let (transpose_a, transpose_b) = (attrs.get_int("transpose_a") == 1, attrs.get_int("transpose_b") == 1);
    let end = End::of(attrs, inputs, to, Format::ChannelsFirst);
    let n_tiles = tiles(m, n);
    let n_parts = n_parts(n_tiles, k);
    let (target, bias, relu) = match n_parts {
        1 => (output(), end.bias.clone(), end.relu()),
        _ => (Argument::Memory(Place::Scratch(0)), Argument::Nothing, Argument::Int(0)),
    };
    let mut arguments = vec![target, input(0), input(1), bias];
    for extent in [m, k, n] {
        arguments.push(size(extent)?);
    }
    arguments.extend([transpose_a, transpose_b].map(|turned| Argument::Int(i32::from(turned))));
    arguments.extend([relu, size(n_parts)?]);
    let mut commands = vec![blocks(Kernel::Named("matmul"), n_tiles * n_parts, arguments)?];
    let product = Product {
        sizes: [m, k, n],
        transpose_a,
        transpose_b,
        a: Place::Input(0),
        b: Place::Input(1),
        out: Place::Output,
    };
    let mut library = vec![Command::Product(product)];
    if !end.is_none() {
        library.push(finish(m * n, End::of(attrs, inputs, to, Format::ChannelsFirst))?);
    }
    if n_parts > 1 {
        commands.push(add_parts(Place::Scratch(0), m * n, n_parts, end)?);
    }
    let scratch = if n_parts > 1 { m * n * n_parts } else { 0 };
    Ok(Prepared { commands, scratch, library: Some(library), ..Prepared::default() })
}

/// A product for each pair of matrices, none of which is cut along K.
pub fn batched(attrs: &Attrs, inputs: &[&Shape], to: &Shape) -> Result<Prepared, Fault> {
    let [m, k, n] = batch_matmul::sizes(attrs, inputs[0], inputs[1])?;
    let n_tiles = tiles(m, n);
    let mut arguments = vec![output(), input(0), input(1)];
    for extent in [m, k, n] {
        arguments.push(size(extent)?);
    }
    for name in ["transpose_a", "transpose_b"] {
        arguments.push(Argument::Int(i32::from(attrs.get_int(name) == 1)));
    }
    arguments.push(size(n_tiles)?);
    let n_blocks = n_tiles * (to.elements() / (m * n).max(1));
    Prepared::of(blocks(Kernel::Named("batch_matmul"), n_blocks, arguments)?)
}
