//! Steps → lines: those that nobody needs fall away, and parts of layers that were not completed are said with the layers that
//! there are: factors of each channel are a learned `scale`, a shift too is a batch norm with statistics that change nothing.

use std::rc::Rc;

use crate::diag::{Fault, codes};
use crate::exchange::import::line::{Line, Origin, Weight};
use crate::exchange::onnx::file::Beside;
use crate::exchange::onnx::read::turned::exchanges;
use crate::exchange::onnx::read::{Act, Step, pair, shown, sides};
use crate::shape::Shape;

/// The lines behind the output's steps, in order, and the value that is the output; `image` is the input's shape.
pub fn settle<'a>(
    steps: Vec<Step<'a>>,
    image: &[usize],
    output: usize,
    beside: &Beside,
) -> Result<(Vec<Line<'a>>, usize), Fault> {
    let mut live = vec![false; steps.len() + 1];
    live[output] = true;
    for at in (0..steps.len()).rev() {
        if live[at + 1] {
            steps[at].inputs.iter().for_each(|&input| live[input] = true);
        }
    }
    let mut places = vec![0; steps.len() + 1];
    let mut lines: Vec<Line<'a>> = Vec::new();
    // How many take a value, so that factors and shifts in a row may become one.
    let mut n_takers = vec![0usize; steps.len() + 1];
    for (at, step) in steps.iter().enumerate() {
        if live[at + 1] {
            step.inputs.iter().for_each(|&input| n_takers[input] += 1);
        }
    }
    for (at, step) in steps.into_iter().enumerate() {
        if !live[at + 1] {
            continue;
        }
        let alone = step.inputs.first().is_some_and(|&input| n_takers[input] == 1);
        let mut step = step;
        step.inputs.iter_mut().for_each(|input| *input = places[*input]);
        let before = step.inputs.first().and_then(|&input| input.checked_sub(1)).filter(|_| alone);
        let line_before = before.and_then(|before| lines.get_mut(before));
        match line_before.and_then(|line| Some((joined(line, &step.act, beside)?, line))) {
            Some((both, line)) => {
                let [factors, shifts] = both?;
                affine(line, factors, shifts);
                places[at + 1] = step.inputs[0];
            }
            None => {
                let source = step.inputs.first().and_then(|&input| lines.get(input.checked_sub(1)?));
                let arriving = source.map_or(image, |line| &line.shape).to_vec();
                places[at + 1] = line(step, &arriving, &mut lines)?;
            }
        }
    }
    Ok((lines, places[output]))
}

/// The factors and shifts of a line and of what follows it together, where both are nothing else.
fn joined<'a>(line: &Line<'a>, act: &Act<'a>, beside: &Beside) -> Option<Result<[Weight<'a>; 2], Fault>> {
    let n = channels(&line.shape);
    let own =
        |name: &str| line.weights.iter().find(|(own, _)| *own == name).map(|(_, weight)| weight.clone());
    let is_ours = line.word == "batch_norm"
        && line.args.contains(&("epsilon", "0".to_owned()))
        && own("running_mean").is_some_and(|mean| mean.is_all(0.0))
        && own("running_var").is_some_and(|variance| variance.is_all(1.0));
    let [factors, shifts] = match line.word {
        "scale" => [own("weight")?, Weight::All(n, 0.0)],
        _ if is_ours => [own("weight")?, own("bias")?],
        _ => return None,
    };
    let [more, by] = match act {
        Act::Shift(by) => [Weight::All(n, 1.0), Weight::All(n, f64::from(*by))],
        Act::Shifts(weight) => [Weight::All(n, 1.0), weight.clone()],
        Act::Factors(weight) if is_ours => [weight.clone(), Weight::All(n, 0.0)],
        Act::Factor(by) if is_ours => [Weight::All(n, f64::from(*by)), Weight::All(n, 0.0)],
        _ => return None,
    };
    // What stays as it is stays where it lies.
    if more.is_all(1.0) && shifts.is_all(0.0) {
        return Some(Ok([factors, by]));
    }
    let numbers = |weight: &Weight<'a>| weight.numbers(beside);
    let both = || -> Result<[Weight<'a>; 2], Fault> {
        let (factors, shifts) = (numbers(&factors)?, numbers(&shifts)?);
        let (more, by) = (numbers(&more)?, numbers(&by)?);
        if [shifts.len(), more.len(), by.len()].iter().any(|&len| len != factors.len()) {
            return Err(Fault::internal("factors and shifts of other channels"));
        }
        let own =
            |number: &dyn Fn(usize) -> f64| Weight::Own(Rc::new((0..factors.len()).map(number).collect()));
        let at = |numbers: &[f32], i: usize| f64::from(numbers[i]);
        Ok([own(&|i| at(&factors, i) * at(&more, i)), own(&|i| at(&shifts, i) * at(&more, i) + at(&by, i))])
    };
    Some(both())
}

/// Makes a line multiply each channel by a factor and add a number to it: a batch norm whose statistics change nothing.
fn affine<'a>(line: &mut Line<'a>, factors: Weight<'a>, shifts: Weight<'a>) {
    let n = channels(&line.shape);
    line.word = "batch_norm";
    line.args = vec![("momentum", "0.1".to_owned()), ("epsilon", "0".to_owned())];
    line.weights = vec![
        ("weight", factors),
        ("bias", shifts),
        ("running_mean", Weight::All(n, 0.0)),
        ("running_var", Weight::All(n, 1.0)),
    ];
}

/// Adds the lines that arrange numbers anew, if that changes anything, and gives the value.
fn arranged(lines: &mut Vec<Line<'_>>, input: usize, from: &[usize], to: &[usize], origin: &Origin) -> usize {
    if from == to {
        return input;
    }
    lines.push(Line {
        word: "reshape",
        args: vec![("shape", Shape::new(to).to_string())],
        inputs: vec![input],
        shape: to.to_vec(),
        weights: Vec::new(),
        origin: origin.clone(),
    });
    lines.len()
}

/// Adds the lines that make axis `i` of a value its axis `axes[i]`, and gives the value.
fn exchanged(
    lines: &mut Vec<Line<'_>>,
    input: usize,
    shape: &[usize],
    axes: &[usize],
    origin: &Origin,
) -> usize {
    let (mut at, mut own) = (input, shape.to_vec());
    for extents in exchanges(axes, shape) {
        // Without axes before the two, there are but two.
        let wanted = if extents[0] == 1 { extents[1..].to_vec() } else { extents.to_vec() };
        at = arranged(lines, at, &own, &wanted, origin);
        own = wanted;
        if let [.., a, b] = own.as_mut_slice() {
            std::mem::swap(a, b);
        }
        lines.push(Line {
            word: "transpose",
            args: Vec::new(),
            inputs: vec![at],
            shape: own.clone(),
            weights: Vec::new(),
            origin: origin.clone(),
        });
        at = lines.len();
    }
    let end: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
    arranged(lines, at, &own, &end, origin)
}

fn channels(shape: &[usize]) -> usize {
    shape.first().copied().unwrap_or(1)
}

/// Adds the lines of a step, and gives the value that is its own; `arriving` is the shape of its first input.
fn line<'a>(step: Step<'a>, arriving: &[usize], lines: &mut Vec<Line<'a>>) -> Result<usize, Fault> {
    let channels = channels(&step.shape);
    let name = step.origin.name.clone();
    let cannot = |what: &str| {
        Fault::new(
            codes::EXCHANGE_IN,
            format!("the node `{name}` ({}) cannot be said in the language: {what}", step.op),
        )
    };
    let plain = |word: &'static str, args: Vec<(&'static str, String)>, step: &Step<'a>| Line {
        word,
        args,
        inputs: step.inputs.clone(),
        shape: step.shape.clone(),
        weights: Vec::new(),
        origin: step.origin.clone(),
    };
    let affine = |factors: Weight<'a>, shifts: Weight<'a>, step: &Step<'a>| {
        let mut line = plain("batch_norm", Vec::new(), step);
        affine(&mut line, factors, shifts);
        line
    };
    let last = match step.act.clone() {
        Act::Layer(word) => Line {
            word,
            args: step.args.clone(),
            inputs: step.inputs.clone(),
            shape: step.shape.clone(),
            weights: step.weights.clone(),
            origin: step.origin.clone(),
        },
        Act::Factor(by) => {
            plain("scale", vec![("factor", shown(by)), ("learned", "false".to_owned())], &step)
        }
        Act::Shift(by) => affine(Weight::All(channels, 1.0), Weight::All(channels, f64::from(by)), &step),
        Act::Shifts(weight) => affine(Weight::All(channels, 1.0), weight, &step),
        Act::Factors(weight) => Line {
            weights: vec![("weight", weight)],
            ..plain("scale", vec![("factor", "1".to_owned()), ("learned", "true".to_owned())], &step)
        },
        Act::Clip([low, high]) => plain("clamp", vec![("least", shown(low)), ("most", shown(high))], &step),
        Act::Pad { sides: ends, mode, value } if ends.len() == 2 => {
            let args = vec![("padding", sides(&ends)), ("mode", mode.to_owned()), ("value", shown(value))];
            plain("pad", args, &step)
        }
        Act::Cut(start) if step.shape.len() == 3 => {
            let args = vec![
                ("size", pair(&step.shape[1..])),
                ("top", start[1].to_string()),
                ("left", start[2].to_string()),
            ];
            plain("crop", args, &step)
        }
        Act::Power(0.5) => plain("sqrt", Vec::new(), &step),
        Act::Power(by) => plain("power", vec![("exponent", shown(by))], &step),
        Act::Length => {
            let square = plain("power", vec![("exponent", "2".to_owned())], &step);
            lines.push(Line { shape: arriving.to_vec(), ..square });
            let sum = plain("sum", vec![("over", "channels".to_owned())], &step);
            lines.push(Line { inputs: vec![lines.len()], ..sum });
            Line { inputs: vec![lines.len()], ..plain("sqrt", Vec::new(), &step) }
        }
        Act::Softmax(axis) => {
            let front: Vec<usize> =
                [axis].into_iter().chain((0..step.shape.len()).filter(|&own| own != axis)).collect();
            let back: Vec<usize> =
                (0..front.len()).map(|own| front.iter().position(|&at| at == own).unwrap_or(own)).collect();
            let turned: Vec<usize> = front.iter().map(|&own| step.shape[own]).collect();
            let input = exchanged(lines, step.inputs[0], &step.shape, &front, &step.origin);
            // Over the first axis, whatever the others are.
            let flat = vec![turned[0], turned[1..].iter().product()];
            let input = arranged(lines, input, &turned, &flat, &step.origin);
            lines.push(Line {
                inputs: vec![input],
                shape: flat.clone(),
                ..plain("softmax", Vec::new(), &step)
            });
            let input = arranged(lines, lines.len(), &flat, &turned, &step.origin);
            return Ok(exchanged(lines, input, &turned, &back, &step.origin));
        }
        Act::AtLeast(low) => {
            return Err(cannot(&format!(
                "it bounds numbers only from below, at {low}; `clamp` needs both bounds"
            )));
        }
        Act::Expand => return Err(cannot("there is no layer that repeats numbers; joins do")),
        Act::Above(_) => return Err(cannot("there is no layer that compares")),
        Act::Erf => return Err(cannot("there is no layer of the error function alone")),
        Act::Transpose(axes) => {
            return Ok(exchanged(lines, step.inputs[0], arriving, &axes, &step.origin));
        }
        Act::Normal { epsilon, .. } => {
            plain("instance_norm", vec![("affine", "false".to_owned()), ("epsilon", shown(epsilon))], &step)
        }
        Act::Pad { sides: ends, mode, value } if ends.len() == 1 => {
            let [before, after] = ends[0];
            let padding =
                if before == after { before.to_string() } else { format!("[0, 0, {before}, {after}]") };
            let args = vec![("padding", padding), ("mode", mode.to_owned()), ("value", shown(value))];
            plain("pad", args, &step)
        }
        Act::Pad { .. } => return Err(cannot("it pads more than two axes")),
        Act::Largest(1) if step.shape.len() == 2 => plain("max", vec![("over", "space".to_owned())], &step),
        Act::Cut(start) => {
            let cut: Vec<usize> =
                (0..start.len()).filter(|&i| arriving.get(i) != step.shape.get(i)).collect();
            let (at, axis) = match (start.len(), cut.as_slice()) {
                (4, &[at]) => (at, ["channels", "depth", "height", "width"][at]),
                (4, _) => return Err(cannot("it cuts several axes of a volume at once")),
                (rank, _) => (rank - 1, "length"),
            };
            let (from, to) = (start[at], start[at] + step.shape[at]);
            let args = vec![("from", from.to_string()), ("to", to.to_string()), ("axis", axis.to_owned())];
            plain("slice", args, &step)
        }
        Act::Largest(_) | Act::Rows { .. } => {
            return Err(cannot("there is no layer that pools one axis alone"));
        }
    };
    lines.push(last);
    Ok(lines.len())
}
