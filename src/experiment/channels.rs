//! An `input` whose channels seem to come last, as Keras writes them → a warning with the order that is meant here.

use crate::diag::{Diagnostic, codes};
use crate::model::Model;

/// Channels that pictures have.
const PICTURES: [usize; 3] = [1, 3, 4];
/// Pictures are at least so high and wide.
const SMALLEST: usize = 8;

/// A warning for `input 224x224x3`: nothing else is wrong with it, but few images are three pixels wide.
pub fn check(model: &Model) -> Option<Diagnostic> {
    let &[height, width, channels] = model.input.as_ref()?.dims() else { return None };
    if !PICTURES.contains(&channels) || height.min(width) < SMALLEST {
        return None;
    }
    let meant = format!("{channels}x{height}x{width}");
    let message =
        format!("this input has {height} channels of {width}x{channels} pixels: channels come first");
    let d = Diagnostic::warning(codes::CHANNELS_LAST, model.input_span, message);
    Some(d.label("channels x height x width").replace(format!("`input {meant}`"), model.input_span, meant))
}
