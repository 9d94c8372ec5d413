//! Answers that take a search: inputs with which a model gets through to a layer or fits together at a join, and the
//! padding that gives an asserted shape.

use crate::diag::{Fault, codes};
use crate::layers::Layer;
use crate::layers::joins::Join;
use crate::model::{Model, Unit, Wire};
use crate::shape::Shape;
use crate::spec::{Arg, Args, Kind, Padding};

/// Larger images than this are not proposed.
const LARGEST: usize = 4096;

/// The smallest input, larger than the model's own and in its proportions, with which every layer so far and
/// then `layer`, which takes `wire`, find their windows inside the image. `work` is how many layers may still be
/// inferred for such questions; where that does not suffice, there is no answer.
pub fn smallest_input(
    model: &Model,
    layer: &'static dyn Layer,
    args: &Args,
    wire: Wire,
    work: &mut usize,
) -> Option<Shape> {
    let (channels, extents) = model.input.as_ref()?.dims().split_first().filter(|(_, own)| own.len() > 1)?;
    let side = *extents.iter().max()?;
    let scaled = |larger: usize| {
        let extents = extents.iter().map(|extent| (extent * larger).div_ceil(side));
        std::iter::once(*channels).chain(extents).collect::<Shape>()
    };
    let mut fault = |larger: usize| {
        *work = work.checked_sub(model.layers.len() + 1)?;
        Some(first_fault(model, layer, args, wire, &scaled(larger)))
    };
    // Windows that lie inside an image do so in every larger one; what else there is to refuse may depend on every pixel.
    let (mut low, mut high) = (side + 1, LARGEST);
    while low < high {
        let middle = low.midpoint(high);
        match fault(middle)? {
            Some(codes::WINDOW_TOO_LARGE) => low = middle + 1,
            Some(_) | None => high = middle,
        }
    }
    while low <= LARGEST {
        if fault(low)?.is_none() {
            return Some(scaled(low));
        }
        low += 1;
    }
    None
}

/// The code of the first refusal of an input.
fn first_fault(
    model: &Model,
    last: &'static dyn Layer,
    args: &Args,
    wire: Wire,
    input: &Shape,
) -> Option<&'static str> {
    match shapes(model, input, None) {
        Ok(shapes) => last.infer(args, &shapes[wire.index()]).err().map(|fault| fault.code),
        Err(code) => Some(code),
    }
}

/// The shapes of a model's input and of what each layer gives, for this input; or the code of the first refusal. One of
/// them may be changed to another one.
pub fn shapes(
    model: &Model,
    input: &Shape,
    changed: Option<(Wire, &Shape)>,
) -> Result<Vec<Shape>, &'static str> {
    let mut shapes: Vec<Shape> = Vec::with_capacity(model.layers.len() + 1);
    let push = |shape: Shape, shapes: &mut Vec<Shape>| match changed {
        Some((wire, other)) if wire.index() == shapes.len() => shapes.push(other.clone()),
        _ => shapes.push(shape),
    };
    push(input.clone(), &mut shapes);
    for instance in &model.layers {
        let inputs: Vec<&Shape> = instance.inputs.iter().map(|wire| &shapes[wire.index()]).collect();
        let inferred = match instance.unit {
            Unit::Layer(layer) => layer.infer(&instance.args, inputs[0]),
            Unit::Join(join) => join.infer(&inputs),
        };
        let output = inferred.map(|inferred| inferred.output);
        let shape = output.or_else(|Fault { code, assume, .. }| assume.ok_or(code))?;
        push(shape, &mut shapes);
    }
    Ok(shapes)
}

/// Further from the model's own input than so many pixels none is looked for that fits at a join.
const FURTHEST: usize = 64;

/// The nearest larger and the nearest smaller input with which values of these wires can be joined; only these `axes` of
/// the input are changed. `work` is as for [`smallest_input`].
pub fn fitting_inputs(
    model: &Model,
    join: &'static dyn Join,
    wires: &[Wire],
    axes: &[usize],
    work: &mut usize,
) -> Vec<Shape> {
    let Some(own) = &model.input else { return Vec::new() };
    let mut nearest = |other: fn(usize, usize) -> Option<usize>| {
        (1..=FURTHEST).find_map(|by| {
            let mut input = own.clone();
            for &axis in axes {
                let extent = input.0.get_mut(axis)?;
                *extent = other(*extent, by).filter(|&extent| extent > 0)?;
            }
            *work = work.checked_sub(model.layers.len() + 1)?;
            let shapes = shapes(model, &input, None).ok()?;
            let joined: Option<Vec<&Shape>> = wires.iter().map(|wire| shapes.get(wire.index())).collect();
            join.infer(&joined?).ok().map(|_| input)
        })
    };
    [nearest(usize::checked_add), nearest(usize::checked_sub)].into_iter().flatten().collect()
}

/// More pixels than this on both sides together are not proposed as a padding.
const MOST_PADDING: usize = 32;

/// The padding, as it is written, with which a layer that has one makes `wanted` of `input`: less than its kernel on each
/// side; alike on both sides where that is possible, else with one pixel more behind.
pub fn padding(layer: &'static dyn Layer, args: &Args, input: &Shape, wanted: &Shape) -> Option<String> {
    let kind = layer.spec().params.iter().find(|param| param.name == "padding")?.kind;
    if !args.has("kernel") || wanted.rank() != input.rank() {
        return None;
    }
    if kind == Kind::Around {
        return around(layer, args, input, wanted);
    }
    let kernel = args.pair("kernel").or_else(|_| args.extents::<1>("kernel").map(|[n]| [n, n])).ok()?;
    let dilation = args.pair("dilation").or_else(|_| args.extents::<1>("dilation").map(|[n]| [n, n]));
    let dilation = dilation.unwrap_or([1, 1]);
    let most =
        [0, 1].map(|i| (kernel[i] - 1).saturating_mul(dilation[i]).saturating_mul(2).min(MOST_PADDING));
    let written = |[rows, columns]: [usize; 2]| {
        Arg::Padding(Padding::Sides([rows / 2, rows - rows / 2, columns / 2, columns - columns / 2]))
    };
    let gives = |totals: [usize; 2]| {
        let inferred = layer.infer(&args.with("padding", &written(totals)), input);
        inferred.is_ok_and(|inferred| inferred.output == *wanted)
    };
    let totals = |most: usize| (0..=most).step_by(2).chain((1..=most).step_by(2));
    if kind == Kind::Ends {
        let total = totals(most[0]).find(|&total| gives([total, total]))?;
        return Some(match total % 2 {
            0 => (total / 2).to_string(),
            _ => format!("[{}, {}]", total / 2, total - total / 2),
        });
    }
    let pairs = totals(most[0]).flat_map(|rows| totals(most[1]).map(move |columns| [rows, columns]));
    let even = totals(most[0].min(most[1])).map(|total| [total, total]);
    even.chain(pairs).find(|&pair| gives(pair)).map(|pair| written(pair).to_string())
}

/// The same of a volume: alike along all three axes.
fn around(layer: &'static dyn Layer, args: &Args, input: &Shape, wanted: &Shape) -> Option<String> {
    let kernel = args.extents::<3>("kernel").ok()?.into_iter().min()?;
    let dilation =
        args.extents::<3>("dilation").map_or(1, |dilation| dilation.into_iter().min().unwrap_or(1));
    let most = (kernel - 1).saturating_mul(dilation).saturating_mul(2).min(MOST_PADDING);
    let written = |total: usize| Arg::Padding(Padding::Around([[total / 2, total - total / 2]; 3]));
    let gives = |total: &usize| {
        let inferred = layer.infer(&args.with("padding", &written(*total)), input);
        inferred.is_ok_and(|inferred| inferred.output == *wanted)
    };
    let total = (0..=most).step_by(2).chain((1..=most).step_by(2)).find(gives)?;
    Some(written(total).to_string())
}
