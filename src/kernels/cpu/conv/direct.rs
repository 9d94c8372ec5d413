//! Direct convolution in all three directions, for any stride, padding, dilation and groups.
//!
//! Forward and input gradient are both sums of shifted planes ([`super::engine`]): the input gradient of a
//! strided convolution falls into one stride-1 sum for each residue of the stride.

use super::engine;
use super::outer::{self, Outer};
use super::planes::{Planes, Runs, SLACK};
use super::residue::{Residue, backward, interleave, offsets};
use super::terms::Terms;
use super::{Activation, Place, Placed, Shape};
use crate::kernels::cpu::simd::{Level, Simd, dispatch, level_of_lanes};

/// Bytes of padded planes that are kept in flight at once; about half of a core's L2.
const PLANES_BYTES: usize = 256 << 10;
/// Bytes of planes and transposed output gradients that a block of a weight gradient covers.
const BLOCK_BYTES: usize = 256 << 10;

/// A direct convolution of one shape, with the tables of its geometry.
#[derive(Clone, Debug)]
pub struct Direct {
    shape: Shape,
    /// The padded input, and where the taps of one output read it, `[channel of a group][tap]`.
    pub(super) planes: Planes,
    pub(super) offsets: Vec<u32>,
    /// The same in the order in which forward adds them up.
    terms: Terms,
    pub(super) runs: Runs,
    /// Plane position of every output.
    positions: Vec<u32>,
    /// Of the weight gradient, whose vectors are output channels.
    outer: Level,
    /// The padded output gradient, and the parts of the input gradient.
    pub(super) backward: Planes,
    pub(super) residues: Vec<Residue>,
    /// Consecutive residues that share their rows.
    pub(super) residues_across: usize,
}

impl Direct {
    /// The tables for `shape`, bound to the CPU's current vector width.
    pub fn new(shape: &Shape) -> Direct {
        let (planes, taps) = Planes::forward(shape);
        let runs = Runs::new(shape.output(), planes.pitch);
        let (backward, residues, residues_across) = backward(shape);
        let offsets = offsets(shape.inputs / shape.groups, &planes, &taps);
        let [out_h, out_w] = shape.output();
        let row = |row: usize| (0..out_w).map(move |column| (row, column));
        let positions = (0..out_h).flat_map(row).map(|(r, c)| (r * planes.pitch + c) as u32).collect();
        let outer = level_of_lanes(shape.outputs / shape.groups);
        let terms = Terms::new(shape.inputs / shape.groups, &planes, &taps, &runs, out_w);
        Direct {
            shape: *shape,
            terms,
            planes,
            offsets,
            runs,
            positions,
            outer,
            backward,
            residues,
            residues_across,
        }
    }

    /// The shape this was made for.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Values that [`Direct::pack_forward`] writes.
    pub fn packed_forward_len(&self) -> usize {
        self.shape.weights_len()
    }

    /// Arranges OIHW weights for [`Direct::forward`].
    pub fn pack_forward(&self, weights: &[f32], packed: &mut [f32]) {
        let (terms, outputs) = (&self.terms, self.shape.outputs / self.shape.groups);
        let (k, area) = (terms.len(), self.shape.kernel[0] * self.shape.kernel[1]);
        let groups = weights.chunks_exact(outputs * k).zip(packed.chunks_exact_mut(outputs * k));
        for (weights, packed) in groups {
            engine::pack(outputs, k, packed, |output, term| {
                let (input, kernel) = terms.weights[term];
                weights[output * k + input * area + kernel]
            });
        }
    }

    /// Images whose planes are kept at once.
    fn images(planes: &Planes, n: usize) -> usize {
        (PLANES_BYTES / (4 * planes.image())).clamp(1, n.max(1))
    }

    /// Scratch values that [`Direct::forward`] needs for `n` images.
    pub fn forward_scratch_len(&self, n: usize) -> usize {
        Self::images(&self.planes, n) * self.planes.image() + SLACK
    }

    /// `y = activation(x ⋆ w + bias)` for `n` images; overwrites `y`.
    #[allow(clippy::too_many_arguments)]
    pub fn forward(
        &self,
        n: usize,
        x: &[f32],
        packed: &[f32],
        bias: Option<&[f32]>,
        activation: Activation,
        y: &mut [f32],
        scratch: &mut [f32],
    ) {
        assert!(x.len() >= n * self.shape.input_len() && y.len() >= n * self.shape.output_len());
        // SAFETY: all lengths were checked, here and there.
        unsafe { self.forward_at(n, Place::dense(&self.shape, x, y), packed, bias, activation, scratch) }
    }

    /// Values that [`Direct::pack_input`] writes.
    pub fn packed_input_len(&self) -> usize {
        self.shape.weights_len()
    }

    /// Arranges OIHW weights for [`Direct::input_gradient`].
    pub fn pack_input(&self, weights: &[f32], packed: &mut [f32]) {
        let shape = &self.shape;
        let (inputs, outputs) = (shape.inputs / shape.groups, shape.outputs / shape.groups);
        let area = shape.kernel[0] * shape.kernel[1];
        let len = inputs * outputs * area;
        for (weights, packed) in weights.chunks_exact(len).zip(packed.chunks_exact_mut(len)) {
            for residue in &self.residues {
                let terms = &residue.terms;
                engine::pack(inputs, terms.len(), &mut packed[residue.packed..], |input, term| {
                    let (output, kernel) = terms.weights[term];
                    weights[(output * inputs + input) * area + kernel]
                });
            }
        }
    }

    /// Scratch values that [`Direct::input_gradient`] needs for `n` images.
    pub fn input_gradient_scratch_len(&self, n: usize) -> usize {
        Self::images(&self.backward, n) * (self.backward.image() + self.residue_len()) + SLACK
    }

    /// Values of one image's gradient at one row residue, for a strided convolution.
    pub(super) fn residue_len(&self) -> usize {
        if self.residues.len() == 1 {
            return 0;
        }
        let inputs = self.shape.inputs / self.shape.groups;
        let rows = self.residues.chunks(self.residues_across);
        rows.map(|row| row.iter().map(|r| inputs * r.runs_len()).sum()).max().unwrap_or(0)
    }

    /// `dx = dy ⋆ᵀ w` for `n` images; overwrites `dx`.
    pub fn input_gradient(&self, n: usize, dy: &[f32], packed: &[f32], dx: &mut [f32], scratch: &mut [f32]) {
        assert!(dx.len() >= n * self.shape.input_len() && dy.len() >= n * self.shape.output_len());
        assert!(
            packed.len() >= self.packed_input_len() && scratch.len() >= self.input_gradient_scratch_len(n)
        );
        // SAFETY: all lengths were checked above.
        unsafe { input_gradient(self, n, dy.as_ptr(), packed.as_ptr(), dx.as_mut_ptr(), scratch) }
    }

    /// Images that one block of a weight gradient covers.
    fn block(&self, n: usize) -> usize {
        (BLOCK_BYTES / (4 * (self.planes.image() + self.panels()))).clamp(1, n.max(1))
    }

    /// Output channels of a group in whole vectors, as values.
    fn width(&self) -> usize {
        (self.shape.outputs / self.shape.groups).next_multiple_of(self.outer.lanes())
    }

    /// Values of one image's transposed output gradients, for one group at a time.
    fn panels(&self) -> usize {
        self.positions.len() * self.width().next_multiple_of(2 * self.outer.lanes())
    }

    /// Scratch values that [`Direct::weight_gradient`] needs for `n` images.
    pub fn weight_gradient_scratch_len(&self, n: usize) -> usize {
        self.block(n) * (self.planes.image() + self.panels()) + SLACK
    }

    /// Values of the sums that are a weight gradient in the order in which they are added up.
    pub fn weight_sums_len(&self) -> usize {
        self.shape.groups * self.width() * self.offsets.len()
    }

    /// Adds `Σ_images x ⋆ dy` to the sums.
    pub fn weight_gradient(&self, n: usize, x: &[f32], dy: &[f32], sums: &mut [f32], scratch: &mut [f32]) {
        assert!(x.len() >= n * self.shape.input_len() && dy.len() >= n * self.shape.output_len());
        assert!(sums.len() >= self.weight_sums_len() && scratch.len() >= self.weight_gradient_scratch_len(n));
        // SAFETY: all lengths were checked above.
        unsafe { weight_gradient(self, n, x.as_ptr(), dy.as_ptr(), sums.as_mut_ptr(), scratch) }
    }

    /// Adds sums to the weight gradient, OIHW.
    pub fn add_weight_sums(&self, sums: &[f32], dw: &mut [f32]) {
        assert!(sums.len() >= self.weight_sums_len() && dw.len() >= self.shape.weights_len());
        // SAFETY: all lengths were checked above.
        unsafe { add_weight_sums(self, sums.as_ptr(), dw.as_mut_ptr()) }
    }
}

impl Placed for Direct {
    unsafe fn forward_at(
        &self,
        n: usize,
        place: Place,
        packed: &[f32],
        bias: Option<&[f32]>,
        activation: Activation,
        scratch: &mut [f32],
    ) {
        assert!(packed.len() >= self.packed_forward_len() && scratch.len() >= self.forward_scratch_len(n));
        assert!(bias.is_none_or(|bias| bias.len() >= self.shape.outputs));
        let bias = bias.map_or(std::ptr::null(), <[f32]>::as_ptr);
        // SAFETY: lengths were checked above, places are the caller's contract.
        unsafe { forward(self, n, place, packed.as_ptr(), bias, activation.floor(), scratch) }
    }
}

/// Clears the planes of `images` images.
///
/// # Safety
/// `S` is available.
#[inline(always)]
unsafe fn clear<S: Simd>(planes: &Planes, images: usize, scratch: &mut [f32]) {
    for image in scratch[..images * planes.image()].chunks_exact_mut(planes.image()) {
        // SAFETY: the chunk holds an image's planes, the rest is the caller's contract.
        unsafe { planes.clear::<S>(image.as_mut_ptr()) }
    }
}

dispatch!(unsafe fn forward(
    conv: &Direct, n: usize, place: Place, packed: *const f32, bias: *const f32, floor: f32, scratch: &mut [f32],
) = forward_body);

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn forward_body<S: Simd>(
    conv: &Direct,
    n: usize,
    place: Place,
    packed: *const f32,
    bias: *const f32,
    floor: f32,
    scratch: &mut [f32],
) {
    let shape = &conv.shape;
    let Direct { planes, terms, runs, .. } = conv;
    let at_once = Direct::images(planes, n);
    let (inputs, outputs) = (shape.inputs / shape.groups, shape.outputs / shape.groups);
    let [x_plane, y_plane] = place.planes;
    // SAFETY: the caller's contract.
    unsafe { clear::<S>(planes, at_once, scratch) };
    for start in (0..n).step_by(at_once) {
        let images = at_once.min(n - start);
        // SAFETY: the caller's contract.
        unsafe {
            for image in 0..images {
                let from = place.x.add((start + image) * shape.inputs * x_plane);
                let to = scratch.as_mut_ptr().add(image * planes.image());
                planes.copy::<S>(from, x_plane, place.end, to);
            }
            for group in 0..shape.groups {
                engine::forward::<S>(&engine::Forward {
                    terms,
                    runs,
                    images,
                    x: scratch.as_ptr().add(group * inputs * planes.channel),
                    x_image: planes.image(),
                    weights: packed.add(group * outputs * terms.len()),
                    outputs,
                    bias: if bias.is_null() { bias } else { bias.add(group * outputs) },
                    floor,
                    y: place.y.add((start * shape.outputs + group * outputs) * y_plane),
                    y_plane,
                    y_image: shape.outputs * y_plane,
                });
            }
        }
    }
}

dispatch!(unsafe fn input_gradient(
    conv: &Direct, n: usize, dy: *const f32, packed: *const f32, dx: *mut f32, scratch: &mut [f32],
) = input_gradient_body);

#[inline(always)]
unsafe fn input_gradient_body<S: Simd>(
    conv: &Direct,
    n: usize,
    dy: *const f32,
    packed: *const f32,
    dx: *mut f32,
    scratch: &mut [f32],
) {
    let (shape, planes) = (&conv.shape, &conv.backward);
    let at_once = Direct::images(planes, n);
    let (inputs, outputs) = (shape.inputs / shape.groups, shape.outputs / shape.groups);
    let area = shape.kernel[0] * shape.kernel[1];
    let (scratch, partial) = scratch.split_at_mut(at_once * planes.image() + SLACK);
    // SAFETY: the caller's contract.
    unsafe { clear::<S>(planes, at_once, scratch) };
    for start in (0..n).step_by(at_once) {
        let images = at_once.min(n - start);
        // SAFETY: the caller checked all lengths against the shape.
        unsafe {
            for image in 0..images {
                let from = dy.add((start + image) * shape.output_len());
                let end = dy.add(n * shape.output_len());
                let plane = shape.output_len() / shape.outputs;
                planes.copy::<S>(from, plane, end, scratch.as_mut_ptr().add(image * planes.image()));
            }
            for group in 0..shape.groups {
                let dx = dx.add(start * shape.input_len() + group * inputs * shape.size[0] * shape.size[1]);
                for pair in conv.residues.chunks(conv.residues_across) {
                    let mut to = if conv.residues.len() == 1 { dx } else { partial.as_mut_ptr() };
                    for residue in pair {
                        let dense = conv.residues.len() == 1;
                        let y_image = if dense { shape.input_len() } else { inputs * residue.runs_len() };
                        engine::forward::<S>(&engine::Forward {
                            terms: &residue.terms,
                            runs: &residue.runs,
                            images,
                            x: scratch.as_ptr().add(group * outputs * planes.channel),
                            x_image: planes.image(),
                            weights: packed.add(group * inputs * outputs * area + residue.packed),
                            outputs: inputs,
                            bias: std::ptr::null(),
                            floor: f32::NEG_INFINITY,
                            y: to,
                            y_plane: residue.runs_len(),
                            y_image,
                        });
                        to = to.add(images * y_image);
                    }
                    if conv.residues.len() > 1 {
                        for image in 0..images {
                            let dx = dx.add(image * shape.input_len());
                            interleave::<S>(shape, pair, inputs, images, image, partial.as_ptr(), dx);
                        }
                    }
                }
            }
        }
    }
}

dispatch!(at(conv.outer) unsafe fn weight_gradient(
    conv: &Direct, n: usize, x: *const f32, dy: *const f32, sums: *mut f32, scratch: &mut [f32],
) = weight_gradient_body);

#[inline(always)]
unsafe fn weight_gradient_body<S: Simd>(
    conv: &Direct,
    n: usize,
    x: *const f32,
    dy: *const f32,
    sums: *mut f32,
    scratch: &mut [f32],
) {
    let shape = &conv.shape;
    let at_once = conv.block(n);
    let (inputs, outputs) = (shape.inputs / shape.groups, shape.outputs / shape.groups);
    let (plane, depth, width) = (conv.positions.len(), conv.offsets.len(), conv.width());
    let (planes, panels) = scratch.split_at_mut(at_once * conv.planes.image() + SLACK);
    // SAFETY: the caller's contract.
    unsafe { clear::<S>(&conv.planes, at_once, planes) };
    for start in (0..n).step_by(at_once) {
        let images = at_once.min(n - start);
        // SAFETY: the caller checked all lengths against the shape.
        unsafe {
            for image in 0..images {
                let from = x.add((start + image) * shape.input_len());
                let end = x.add(n * shape.input_len());
                let to = planes.as_mut_ptr().add(image * conv.planes.image());
                conv.planes.copy::<S>(from, shape.size[0] * shape.size[1], end, to);
            }
            for group in 0..shape.groups {
                for image in 0..images {
                    let from = dy.add(((start + image) * shape.outputs + group * outputs) * plane);
                    outer::pack::<S>(outputs, plane, images * plane, image, from, panels.as_mut_ptr());
                }
                outer::outer::<S>(&Outer {
                    offsets: &conv.offsets,
                    positions: &conv.positions,
                    images,
                    x: planes.as_ptr().add(group * inputs * conv.planes.channel),
                    x_image: conv.planes.image(),
                    dy: panels.as_ptr(),
                    vectors: width / S::LANES,
                    sums: sums.add(group * width * depth),
                });
            }
        }
    }
}

dispatch!(at(conv.outer) unsafe fn add_weight_sums(conv: &Direct, sums: *const f32, dw: *mut f32) = add_weight_sums_body);

#[inline(always)]
unsafe fn add_weight_sums_body<S: Simd>(conv: &Direct, sums: *const f32, dw: *mut f32) {
    let (outputs, depth, width) = (conv.shape.outputs / conv.shape.groups, conv.offsets.len(), conv.width());
    for group in 0..conv.shape.groups {
        // SAFETY: the caller checked all lengths against the shape.
        unsafe {
            let sums = sums.add(group * width * depth);
            outer::unpack::<S>(outputs, width, depth, sums, dw.add(group * outputs * depth));
        }
    }
}
