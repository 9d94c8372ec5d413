//! An `input` whose channels seem to come last, as Keras writes them → a warning with the order that is meant here.

use crate::diag::{Diagnostic, codes};
use crate::model::Model;
use crate::shape::Shape;

/// Channels that pictures have.
const PICTURES: [usize; 3] = [1, 3, 4];
/// Pictures are at least so high and wide.
const SMALLEST: usize = 8;

/// A warning for `input 224x224x3`: nothing else is wrong with it, but few images are three pixels wide.
pub fn check(model: &Model) -> Option<Diagnostic> {
    let (channels, extents) = model.input.as_ref()?.dims().split_last()?;
    let (planes, within) = match *extents {
        [height, width] => (height, format!("{width}x{channels} pixels")),
        [depth, height, width] => (depth, format!("{height}x{width}x{channels} voxels")),
        _ => return None,
    };
    if !PICTURES.contains(channels) || extents.iter().any(|&extent| extent < SMALLEST) {
        return None;
    }
    let meant = format!("{channels}x{}", Shape::new(extents));
    let message = format!("this input has {planes} channels of {within}: channels come first");
    let label =
        if extents.len() == 2 { "channels x height x width" } else { "channels x depth x height x width" };
    let d = Diagnostic::warning(codes::CHANNELS_LAST, model.input_span, message);
    Some(d.label(label).replace(format!("`input {meant}`"), model.input_span, meant))
}
