//! Values that a join cannot take → edits that would make them fit: the padding of a layer on the way, `pad` or `crop`
//! where they meet, or another input.

use std::collections::BTreeSet;

use crate::layers::joins::Join;
use crate::model::scope::Flow;
use crate::model::{Instance, Model, Unit, Wire, solve};
use crate::shape::Shape;
use crate::source::{LIBRARY, Span};
use crate::spec::{Arg, Padding};

/// A value that is joined.
#[derive(Clone, Debug)]
pub struct Side {
    pub flow: Flow,
    /// The place that it is told of.
    pub from: Span,
    /// Where a layer can be put that it goes through.
    pub end: Option<End>,
}

/// Where a layer can be put that a joined value goes through, as an empty span.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// In front of the join.
    Front(Span),
    /// Behind the last layer of its branch.
    Back(Span),
    /// Behind the layer that `as` names; the layers that follow there go through it, too.
    Through(Span),
}

impl End {
    /// Puts a layer there.
    fn put(self, layer: &str) -> Way {
        match self {
            End::Front(at) => {
                Way { title: format!("put `{layer}` before the join"), at, text: format!("{layer} -> ") }
            }
            End::Back(at) => Way {
                title: format!("put `{layer}` at the end of that branch"),
                at,
                text: format!(" -> {layer}"),
            },
            End::Through(at) => {
                Way { title: format!("put `{layer}` before the `as`"), at, text: format!(" -> {layer}") }
            }
        }
    }
}

/// An edit of the text.
#[derive(Clone, Debug)]
pub struct Way {
    pub title: String,
    pub at: Span,
    pub text: String,
}

/// The first two values that cannot be joined with each other.
pub fn odd_pair<'s>(join: &dyn Join, sides: &'s [Side]) -> Option<[(&'s Side, &'s Shape); 2]> {
    let known = || sides.iter().filter_map(|side| Some((side, side.flow.shape.as_ref()?)));
    let with = |first: (&'s Side, &'s Shape), after: usize| {
        let other = known().skip(after + 1).find(|(_, shape)| join.infer(&[first.1, shape]).is_err())?;
        Some([first, other])
    };
    known().enumerate().find_map(|(at, first)| with(first, at))
}

/// Ways to make the values fit, the nearest first. `work` is how many layers may still be inferred for such questions.
pub fn ways(model: &Model, join: &'static dyn Join, sides: &[Side], work: &mut usize) -> Vec<Way> {
    let Some([a, b]) = odd_pair(join, sides) else { return Vec::new() };
    if a.1.rank() != b.1.rank() {
        return Vec::new();
    }
    if a.1.dims()[1..] == b.1.dims()[1..] {
        return other_channels(model, join, sides, [a, b], work).into_iter().collect();
    }
    // Where they differ by more, one side was halved on purpose.
    let near = |(x, y): (&usize, &usize)| x.abs_diff(*y) * 4 <= *x.max(y);
    if !a.1.dims()[1..].iter().zip(&b.1.dims()[1..]).all(near) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let inside = |x: &Shape, y: &Shape| x.dims()[1..].iter().zip(&y.dims()[1..]).all(|(x, y)| x <= y);
    let ordered = match (inside(a.1, b.1), inside(b.1, a.1)) {
        (true, _) => Some([a, b]),
        (_, true) => Some([b, a]),
        (false, false) => None,
    };
    if let Some([small, large]) = ordered {
        found.extend(padded(model, join, sides, [small, large], work));
        found.extend(pad_or_crop(model, join, sides, [small, large], work));
    }
    let wires: Vec<Wire> = sides.iter().map(|side| side.flow.wire).collect();
    let rank = model.input.as_ref().map_or(0, Shape::rank);
    let differ = |axis: &usize| rank != a.1.rank() || a.1.dims()[*axis] != b.1.dims()[*axis];
    let axes: Vec<usize> = (1..rank).filter(differ).collect();
    for input in solve::fitting_inputs(model, join, &wires, &axes, work) {
        let title = format!("an input of {input}");
        found.push(Way { title, at: model.input_span, text: input.to_string() });
    }
    found
}

/// The channels of one with the extents of another.
fn with_extents(own: &Shape, extents: &Shape) -> Shape {
    own.dims().iter().take(1).chain(&extents.dims()[1..]).copied().collect()
}

/// Whether the sides fit once the value of a wire has another shape.
fn fits(
    model: &Model,
    join: &dyn Join,
    sides: &[Side],
    changed: (Wire, &Shape),
    work: &mut usize,
) -> Option<()> {
    *work = work.checked_sub(model.layers.len() + 1)?;
    let shapes = solve::shapes(model, model.input.as_ref()?, Some(changed)).ok()?;
    let joined: Option<Vec<&Shape>> = sides.iter().map(|side| shapes.get(side.flow.wire.index())).collect();
    join.infer(&joined?).ok().map(|_| ())
}

/// Whether the sides fit once one of them alone has another shape.
fn fits_alone(join: &dyn Join, sides: &[Side], changed: &Side, shape: &Shape) -> bool {
    let own = |side: &Side| std::ptr::eq(side, changed);
    let joined: Option<Vec<&Shape>> =
        sides.iter().map(|side| if own(side) { Some(shape) } else { side.flow.shape.as_ref() }).collect();
    joined.is_some_and(|joined| join.infer(&joined).is_ok())
}

/// The padding of the last window on the smaller side's own way.
fn padded(
    model: &Model,
    join: &dyn Join,
    sides: &[Side],
    [small, large]: [(&Side, &Shape); 2],
    work: &mut usize,
) -> Option<Way> {
    let shared = above(model, large.0.flow.wire);
    let mut wire = small.0.flow.wire;
    while let Some(at) = wire.layer().filter(|at| !shared.contains(at)) {
        let instance = model.layers.get(at)?;
        let output = instance.output.as_ref()?;
        if output.rank() != small.1.rank() || output.dims()[1..] != small.1.dims()[1..] {
            return None;
        }
        let once = || model.layers.iter().filter(|other| other.span == instance.span).count() == 1;
        let own = instance.span.file == small.0.from.file && instance.span.file != LIBRARY;
        if let (Unit::Layer(layer), Some(input)) = (instance.unit, &instance.input)
            && own
            && windowed(instance)
            && once()
        {
            let wanted = with_extents(output, large.1);
            let value = solve::padding(layer, &instance.args, input, &wanted)?;
            fits(model, join, sides, (Wire::of_layer(at), &wanted), work)?;
            let title = format!("`padding={value}` for the `{}` on the smaller side", layer.spec().name);
            return Some(match instance.args.span("padding") {
                Some(at) => Way { title, at, text: value },
                None => Way { title, at: instance.span.after(), text: format!(" padding={value}") },
            });
        }
        wire = *instance.inputs.first()?;
    }
    None
}

/// Whether a layer looks at more than one place.
fn windowed(instance: &Instance) -> bool {
    let kernel = instance.args.get("kernel").map(|given| &given.arg);
    let larger = match kernel {
        Some(Arg::Whole(n)) => *n > 1,
        Some(Arg::Pair(kernel)) => *kernel != [1; 2],
        Some(Arg::Triple(kernel)) => *kernel != [1; 3],
        _ => false,
    };
    instance.args.has("padding") && larger
}

/// Every layer that a value is made by.
fn above(model: &Model, wire: Wire) -> BTreeSet<usize> {
    let (mut open, mut found) = (vec![wire], BTreeSet::new());
    while let Some(wire) = open.pop() {
        if let Some(at) = wire.layer().filter(|at| found.insert(*at)) {
            open.extend(model.layers.get(at).iter().flat_map(|instance| &instance.inputs));
        }
    }
    found
}

/// Pixels around the smaller side, or a part of the larger one; of images and volumes.
fn pad_or_crop(
    model: &Model,
    join: &dyn Join,
    sides: &[Side],
    [small, large]: [(&Side, &Shape); 2],
    work: &mut usize,
) -> Vec<Way> {
    let extents = &small.1.dims()[1..];
    let ends = extents.iter().zip(&large.1.dims()[1..]).map(|(from, to)| {
        let more = to - from;
        [more / 2, more - more / 2]
    });
    let padding = match *ends.collect::<Vec<_>>() {
        [[top, bottom], [left, right]] => Padding::Sides([top, bottom, left, right]),
        [planes, rows, columns] => Padding::Around([planes, rows, columns]),
        _ => return Vec::new(),
    };
    let (padding, size) = (Arg::Padding(padding), Shape::new(extents));
    let (mut found, mut further) = (Vec::new(), Vec::new());
    let cut = with_extents(large.1, small.1);
    let grown = with_extents(small.1, large.1);
    let choices = [
        (small.0, large.1, format!("pad {padding}"), grown),
        (large.0, small.1, format!("crop {size}"), cut),
    ];
    for (side, other, layer, shape) in choices {
        let (layer, holds) = match side.end {
            // The channels may differ, too.
            Some(End::Front(_)) if !fits_alone(join, sides, side, &shape) => {
                (format!("{layer} -> {}", pointwise(other)), fits_alone(join, sides, side, other))
            }
            Some(End::Front(_) | End::Back(_)) => (layer, fits_alone(join, sides, side, &shape)),
            Some(End::Through(_)) => {
                (layer, fits(model, join, sides, (side.flow.wire, &shape), work).is_some())
            }
            None => (layer, false),
        };
        // What only one side goes through comes first.
        match side.end.filter(|_| holds) {
            Some(end @ (End::Front(_) | End::Back(_))) => found.push(end.put(&layer)),
            Some(end @ End::Through(_)) => further.push(end.put(&layer)),
            None => {}
        }
    }
    found.append(&mut further);
    found
}

/// Where only the channels differ: a 1x1 convolution in front of the join, or the channels of the last convolution on the
/// second side's own way.
fn other_channels(
    model: &Model,
    join: &dyn Join,
    sides: &[Side],
    [a, b]: [(&Side, &Shape); 2],
    work: &mut usize,
) -> Option<Way> {
    let front = |(side, _): &(&Side, &Shape)| matches!(side.end, Some(End::Front(_)));
    let (own, other) = if front(&a) { (a, b) } else { (b, a) };
    let layer = pointwise(other.1);
    match own.0.end {
        Some(end @ End::Front(_)) => fits_alone(join, sides, own.0, other.1).then(|| end.put(&layer)),
        Some(End::Back(_)) => resized(model, join, sides, [own, other], work),
        Some(End::Through(_)) | None => None,
    }
}

/// A layer that gives what arrives the channels of a shape of its rank.
fn pointwise(like: &Shape) -> String {
    let channels = like.dims().first().copied().unwrap_or(1);
    match like.rank() {
        1 => format!("linear {channels}"),
        2 => format!("conv1d {channels} 1"),
        4 => format!("conv3d {channels} 1x1x1"),
        _ => format!("conv2d {channels} 1x1"),
    }
}

/// The channels of the layer that gives one side its own, made those of another.
fn resized(
    model: &Model,
    join: &dyn Join,
    sides: &[Side],
    [own, other]: [(&Side, &Shape); 2],
    work: &mut usize,
) -> Option<Way> {
    let shared = above(model, other.0.flow.wire);
    let mut wire = own.0.flow.wire;
    while let Some(at) = wire.layer().filter(|at| !shared.contains(at)) {
        let instance = model.layers.get(at)?;
        let output = instance.output.as_ref()?;
        let given = ["channels", "features"].iter().find_map(|name| instance.args.span(name));
        if let Some(span) = given {
            let once = model.layers.iter().filter(|other| other.span == instance.span).count() == 1;
            let wanted: Shape = other.1.dims().iter().take(1).chain(&output.dims()[1..]).copied().collect();
            let own_file = span.file == own.0.from.file;
            (once && own_file && output.dims().first() == own.1.dims().first()).then_some(())?;
            fits(model, join, sides, (Wire::of_layer(at), &wanted), work)?;
            let channels = other.1.dims().first()?.to_string();
            let title = format!("`{} {channels}` on the other side", instance.unit.spec().name);
            return Some(Way { title, at: span, text: channels });
        }
        wire = *instance.inputs.first()?;
    }
    None
}
