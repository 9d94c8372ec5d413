//! Between NCHW images and strips of channels-last rows, which the transforms work on.
//!
//! In a strip a pixel's channels are consecutive, so that a transform handles a vector of channels at any
//! tile position, without gathers and without waste at ragged borders.

use crate::kernels::cpu::simd::Simd;

/// Rows of one image in a strip: image row `row` is strip row `row - first`, column `c` at `left + c`.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    /// Channels, and the values in an image's plane.
    pub(super) channels: usize,
    pub(super) plane: usize,
    /// Image width.
    pub(super) width: usize,
    /// Image rows `start..end` are present.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Where row `start`, column 0 lies in the strip, in pixels, and the distance between rows.
    pub(super) at: usize,
    pub(super) pitch: usize,
    /// Values between the strip's pixels.
    pub(super) pixel: usize,
}

/// Copies image rows into a strip.
///
/// # Safety
/// `image` and `strip` hold the rows described; `S` is available.
#[inline(always)]
pub(super) unsafe fn gather<S: Simd>(rows: &Rows, image: *const f32, strip: *mut f32) {
    for row in rows.start..rows.end {
        // SAFETY: blocks end at or before the last channel and column; the last ones are moved back.
        unsafe {
            let from = image.add(row * rows.width);
            let to = strip.add((rows.at + (row - rows.start) * rows.pitch) * rows.pixel);
            if rows.width < 8 || rows.channels < 8 {
                for c in 0..rows.channels {
                    for column in 0..rows.width {
                        *to.add(column * rows.pixel + c) = *from.add(c * rows.plane + column);
                    }
                }
                continue;
            }
            for c in (0..rows.channels).step_by(8) {
                let c = c.min(rows.channels - 8);
                for column in (0..rows.width).step_by(8) {
                    let column = column.min(rows.width - 8);
                    let from = from.add(c * rows.plane + column);
                    S::transpose8(from, rows.plane, to.add(column * rows.pixel + c), rows.pixel);
                }
            }
        }
    }
}

/// Copies a strip's rows of channels `0..rows.channels` into an image, whose pointer is at channel 0.
///
/// # Safety
/// `image` and `strip` hold the rows described; `S` is available.
#[inline(always)]
pub(super) unsafe fn scatter<S: Simd>(rows: &Rows, strip: *const f32, image: *mut f32) {
    for row in rows.start..rows.end {
        // SAFETY: blocks end at or before the last channel and column; the last ones are moved back.
        unsafe {
            let to = image.add(row * rows.width);
            let from = strip.add((rows.at + (row - rows.start) * rows.pitch) * rows.pixel);
            if rows.width < 8 || rows.channels < 8 {
                for c in 0..rows.channels {
                    for column in 0..rows.width {
                        *to.add(c * rows.plane + column) = *from.add(column * rows.pixel + c);
                    }
                }
                continue;
            }
            for c in (0..rows.channels).step_by(8) {
                let c = c.min(rows.channels - 8);
                for column in (0..rows.width).step_by(8) {
                    let column = column.min(rows.width - 8);
                    let from = from.add(column * rows.pixel + c);
                    S::transpose8(from, rows.pixel, to.add(c * rows.plane + column), rows.plane);
                }
            }
        }
    }
}
