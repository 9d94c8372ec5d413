//! How a shape came about: one line for each layer on its way that changed it, with the place of that layer.

use crate::model::{Model, Wire};
use crate::shape::Shape;
use crate::source::{FileId, Sources, Span};

/// Layers that are shown; of a longer way, the last ones.
const SHOWN: usize = 10;

/// The lines of a note about a finding in the file `home`; a line of another file (the library, an import) names
/// that file.
pub fn trace(sources: &Sources, model: &Model, wire: Wire, arriving: &Shape, home: FileId) -> Vec<String> {
    let (mut way, mut goes_on) = (Vec::new(), false);
    let mut wire = wire;
    while !goes_on && let Some(instance) = wire.layer().and_then(|at| model.layers.get(at)) {
        goes_on = way.len() == SHOWN && instance.changes_shape();
        if !goes_on && let Some(change) = instance.change() {
            let text: String = sources.slice(instance.span).chars().take(40).collect();
            way.push((instance.span, text.lines().next().unwrap_or_default().to_owned(), change));
        }
        match instance.inputs.first() {
            Some(&input) => wire = input,
            None => break,
        }
    }
    way.reverse();
    if let Some(input) = &model.input {
        way.insert(0, (model.input_span, "input".to_owned(), input.to_string()));
    }
    let place = |span: Span| match span.file == home {
        true => format!("line {:>3}", sources.line(span)),
        false => sources.place(span, home),
    };
    let places: Vec<String> = way.iter().map(|(span, ..)| place(*span)).collect();
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let first = widest(&mut places.iter().map(|place| place.chars().count()));
    let second = widest(&mut way.iter().map(|(_, text, _)| text.chars().count()));
    let mut trace = vec![format!("how {arriving} arose:")];
    for (i, (place, (_, text, change))) in places.iter().zip(&way).enumerate() {
        if i == 1 && goes_on {
            trace.push(format!("{:first$}  … more lines …", ""));
        }
        trace.push(format!("{place:<first$}  {text:<second$}   {change}"));
    }
    trace
}
