//! The convolution ops by the kernels of [`conv`]: for a few images on one thread; and for a whole batch on all
//! threads, in bands of images, where the weights are too large to be read again for every few images.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::kernels::cpu::conv::{self, Activation, Conv, Purpose};
use crate::kernels::cpu::{IMAGES_OF_A_CALL, Prepared, one_image};
use crate::ops::conv2d::{Conv2dGradInput, Conv2dGradWeight, Geometry};
use crate::ops::epilogue::has_relu;
use crate::shape::Shape;

/// One image's share of a convolution, in the kernels' terms.
fn shape_of(g: &Geometry) -> conv::Shape {
    let w = &g.windows;
    conv::Shape {
        inputs: g.in_channels,
        outputs: g.out_channels,
        groups: g.groups,
        size: [w.height, w.width],
        kernel: [w.rows.kernel, w.columns.kernel],
        stride: [w.rows.stride, w.columns.stride],
        dilation: [w.rows.dilation, w.columns.dilation],
        padding: [w.rows.before, w.columns.before, w.rows.after, w.columns.after],
    }
}

/// The algorithm for calls as large as the plan says; the same for all calls of a node, for they share the
/// packed weights.
fn choose(attrs: &Attrs, g: &Geometry, purpose: Purpose) -> Conv {
    let n = match attrs.get_int(IMAGES_OF_A_CALL) {
        0 => g.batch,
        n => n as usize,
    };
    Conv::new(&shape_of(g), n, purpose)
}

fn activation(attrs: &Attrs) -> Activation {
    if has_relu(attrs) { Activation::Relu } else { Activation::Identity }
}

pub fn forward(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let g = Geometry::new(attrs, inputs[0], inputs[1])?;
    let conv = choose(attrs, &g, Purpose::Inference);
    let (len, scratch, packing) =
        (conv.packed_forward_len(), conv.forward_scratch_len(g.batch), conv.clone());
    let activation = activation(attrs);
    let run = Prepared::with_call(scratch, move |call| {
        let (x, bias) = (call.inputs[0], call.inputs.get(2).copied());
        conv.forward(g.batch, x, call.packed, bias, activation, call.output, call.scratch);
    })?;
    Ok(run.packing(1, len, move |weights, packed| packing.pack_forward(weights, packed)))
}

pub fn grad_input(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let g = Conv2dGradInput::geometry(attrs, inputs[0], inputs[1])?;
    let conv = choose(attrs, &g, Purpose::Training);
    let (len, scratch, packing) = (conv.packed_input_len(), conv.backward_scratch_len(g.batch), conv.clone());
    let run = Prepared::with_call(scratch, move |call| {
        conv.backward(g.batch, call.inputs[1], Some((call.packed, call.output)), None, call.scratch);
    })?;
    Ok(run.packing(0, len, move |weights, packed| packing.pack_input(weights, packed)))
}

pub fn grad_weight(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let g = Conv2dGradWeight::geometry(attrs, inputs[0], inputs[1])?;
    let conv = choose(attrs, &g, Purpose::Training);
    let (len, scratch, sums) = (conv.weight_sums_len(), conv.backward_scratch_len(g.batch), conv.clone());
    let run = Prepared::with_call(scratch, move |call| {
        let (x, dy) = (call.inputs[0], call.inputs[1]);
        conv.backward(g.batch, dy, None, Some((x, call.output)), call.scratch);
    })?;
    Ok(run.summing(len, move |partials, dw| {
        dw.fill(0.0);
        partials.chunks_exact(len.max(1)).for_each(|partial| sums.add_weight_sums(partial, dw));
    }))
}

/// Bands of images that a whole batch is cut into: few, so that weights are read few times; fixed, so that sums
/// do not depend on the number of threads.
const N_BANDS: usize = 4;

/// How a batch is cut into bands.
#[derive(Clone, Copy)]
struct Bands {
    batch: usize,
    /// Images of a band; the last one may have fewer.
    size: usize,
}

impl Bands {
    fn new(batch: usize) -> Bands {
        Bands { batch, size: batch.div_ceil(N_BANDS).max(1) }
    }

    fn count(self) -> usize {
        self.batch.div_ceil(self.size)
    }

    /// A band's rows of a value with `row` numbers an image.
    fn of(self, value: &[f32], row: usize, band: usize) -> &[f32] {
        &value[band * self.size * row..((band + 1) * self.size).min(self.batch) * row]
    }
}

pub fn forward_parallel(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let g = Geometry::new(attrs, inputs[0], inputs[1])?;
    if g.batch == 1 {
        let n_shares = rayon::current_num_threads();
        if let Some(shared) = one_image::forward(&shape_of(&g), activation(attrs), n_shares) {
            return shared;
        }
    }
    let bands = Bands::new(g.batch);
    let conv = Conv::new(&shape_of(&g), bands.size, Purpose::Inference);
    let (input, output) = (conv.shape().input_len(), conv.shape().output_len());
    let (len, each, packing) =
        (conv.packed_forward_len(), conv.forward_scratch_len(bands.size).max(1), conv.clone());
    let activation = activation(attrs);
    let run = Prepared::with_call(bands.count() * each, move |call| {
        let (x, packed, bias) = (call.inputs[0], call.packed, call.inputs.get(2).copied());
        let (outputs, scratch) = ((call.output, bands.size * output), (call.scratch, each));
        call.team.share_pairs(outputs, scratch, |band, y, scratch| {
            let n = y.len() / output;
            conv.forward(n, bands.of(x, input, band), packed, bias, activation, y, scratch);
        });
    })?;
    Ok(run.packing(1, len, move |weights, packed| packing.pack_forward(weights, packed)))
}

pub fn grad_input_parallel(attrs: &Attrs, inputs: &[&Shape], _output: &Shape) -> Result<Prepared, Fault> {
    let g = Conv2dGradInput::geometry(attrs, inputs[0], inputs[1])?;
    let bands = Bands::new(g.batch);
    let conv = Conv::new(&shape_of(&g), bands.size, Purpose::Training);
    let (input, output) = (conv.shape().input_len(), conv.shape().output_len());
    let (len, each, packing) =
        (conv.packed_input_len(), conv.backward_scratch_len(bands.size).max(1), conv.clone());
    let run = Prepared::with_call(bands.count() * each, move |call| {
        let (dy, packed) = (call.inputs[1], call.packed);
        let (outputs, scratch) = ((call.output, bands.size * input), (call.scratch, each));
        call.team.share_pairs(outputs, scratch, |band, dx, scratch| {
            let n = dx.len() / input;
            conv.backward(n, bands.of(dy, output, band), Some((packed, dx)), None, scratch);
        });
    })?;
    Ok(run.packing(0, len, move |weights, packed| packing.pack_input(weights, packed)))
}

pub fn grad_weight_parallel(attrs: &Attrs, inputs: &[&Shape], output: &Shape) -> Result<Prepared, Fault> {
    /// Weights that one thread adds up at a time.
    const CHUNK: usize = 1 << 14;
    let g = Conv2dGradWeight::geometry(attrs, inputs[0], inputs[1])?;
    let bands = Bands::new(g.batch);
    let conv = Conv::new(&shape_of(&g), bands.size, Purpose::Training);
    let (n_weights, input, output) = (output.elements(), conv.shape().input_len(), conv.shape().output_len());
    let n_sums = conv.weight_sums_len();
    let each = n_weights + n_sums + conv.backward_scratch_len(bands.size);
    Prepared::with_call(bands.count() * each, move |call| {
        let (x, dy, team, scratch) = (call.inputs[0], call.inputs[1], call.team, call.scratch);
        team.share_pieces(scratch, each, |band, scratch| {
            let (sum, scratch) = scratch.split_at_mut(n_weights);
            let (sums, scratch) = scratch.split_at_mut(n_sums);
            let (x, dy) = (bands.of(x, input, band), bands.of(dy, output, band));
            sums.fill(0.0);
            conv.backward(x.len() / input, dy, None, Some((x, sums)), scratch);
            sum.fill(0.0);
            conv.add_weight_sums(sums, sum);
        });
        team.share_pieces(call.output, CHUNK, |i, dw| {
            dw.fill(0.0);
            for sum in scratch.chunks(each) {
                dw.iter_mut().zip(&sum[i * CHUNK..n_weights]).for_each(|(total, sum)| *total += sum);
            }
        });
    })
}
