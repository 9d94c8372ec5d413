//! Steps → lines: those that nobody needs fall away, and parts of layers that were not completed are said with the layers that
//! there are: factors of each channel are a learned `scale`, a shift too is a batch norm with statistics that change nothing.

use crate::diag::{Fault, codes};
use crate::exchange::import::line::{Line, Weight};
use crate::exchange::onnx::read::{Act, Step, pair, shown, sides};

/// The lines behind the output's steps, in order, and the value that is the output.
pub fn settle<'a>(steps: Vec<Step<'a>>, output: usize) -> Result<(Vec<Line<'a>>, usize), Fault> {
    let mut live = vec![false; steps.len() + 1];
    live[output] = true;
    for at in (0..steps.len()).rev() {
        if live[at + 1] {
            steps[at].inputs.iter().for_each(|&input| live[input] = true);
        }
    }
    let mut places = vec![0; steps.len() + 1];
    let mut lines: Vec<Line<'a>> = Vec::new();
    // How many take a value, so that a shift may become part of the factor before it.
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
        match before.and_then(|before| lines.get_mut(before)).filter(|line| shifts(line, &step.act)) {
            Some(line) => {
                let n = channels(&line.shape);
                let shift = shift_of(&step.act, n)?;
                let factors = line.weights.iter().find(|(name, _)| *name == "weight");
                let factors = factors.map_or(Weight::All(n, 1.0), |(_, factors)| factors.clone());
                affine(line, factors, shift);
                places[at + 1] = step.inputs[0];
            }
            None => {
                line(step, &mut lines)?;
                places[at + 1] = lines.len();
            }
        }
    }
    Ok((lines, places[output]))
}

/// Whether a line is the factors that this shift follows.
fn shifts(line: &Line<'_>, act: &Act<'_>) -> bool {
    line.word == "scale" && !line.weights.is_empty() && matches!(act, Act::Shift(_) | Act::Shifts(_))
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

fn channels(shape: &[usize]) -> usize {
    shape.first().copied().unwrap_or(1)
}

fn shift_of<'a>(act: &Act<'a>, n: usize) -> Result<Weight<'a>, Fault> {
    match act {
        Act::Shifts(weight) => Ok(weight.clone()),
        Act::Shift(by) => Ok(Weight::All(n, f64::from(*by))),
        _ => Err(Fault::internal("a shift that is none")),
    }
}

fn line<'a>(step: Step<'a>, lines: &mut Vec<Line<'a>>) -> Result<(), Fault> {
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
        Act::Clip([low, high]) => {
            // low + (high - low) / 6 · min(max(6 (x - low) / (high - low), 0), 6)
            let (low, width) = (f64::from(low), f64::from(high) - f64::from(low));
            let (first, at) = (lines.len(), Step { act: Act::Erf, ..step.clone() });
            lines.push(affine(
                Weight::All(channels, 6.0 / width),
                Weight::All(channels, -6.0 * low / width),
                &at,
            ));
            lines.push(Line { inputs: vec![first + 1], ..plain("relu6", Vec::new(), &at) });
            Line {
                inputs: vec![first + 2],
                ..affine(Weight::All(channels, width / 6.0), Weight::All(channels, low), &at)
            }
        }
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
        Act::Power(by) => return Err(cannot(&format!("there is no layer that raises to the power {by}"))),
        Act::Above(_) => return Err(cannot("there is no layer that compares")),
        Act::Erf => return Err(cannot("there is no layer of the error function alone")),
        Act::Transpose(axes) => {
            return Err(cannot(&format!("there is no layer that exchanges axes ({axes:?})")));
        }
        Act::Normal { .. } => return Err(cannot("it normalises parts that are no groups of channels")),
        Act::Pad { .. } => return Err(cannot("there is no layer that pads a sequence")),
        Act::Cut(start) => {
            let at = start.len() - 1;
            let (from, to) = (start[at], start[at] + step.shape[at]);
            let args =
                vec![("from", from.to_string()), ("to", to.to_string()), ("axis", "length".to_owned())];
            plain("slice", args, &step)
        }
        Act::Largest(_) | Act::Rows { .. } => {
            return Err(cannot("there is no layer that pools one axis alone"));
        }
    };
    lines.push(last);
    Ok(())
}
