//! Layers and functions of Keras that take several values, or a value and a number → joins of ours.

use crate::diag::Fault;
use crate::exchange::import::line::Weight;
use crate::exchange::keras::config::Config;
use crate::exchange::keras::wiring::{Flow, Network, Operand};

pub fn merge(network: &mut Network<'_>, config: &Config<'_>, operands: &[Operand]) -> Result<Flow, Fault> {
    let flows: Option<Vec<Flow>> = operands
        .iter()
        .map(|operand| match operand {
            Operand::Flow(flow) => Some(flow.clone()),
            Operand::Number(_) => None,
        })
        .collect();
    match (flows, operands) {
        (Some(flows), _) => values(network, config, flows),
        (None, [Operand::Flow(x), Operand::Number(number)]) => {
            constant(network, config, x, *number, Side::Right)
        }
        (None, [Operand::Number(number), Operand::Flow(x)]) => {
            constant(network, config, x, *number, Side::Left)
        }
        (None, _) => Err(config.refuse("it takes no image")),
    }
}

/// Where the number stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

fn constant(
    network: &mut Network<'_>,
    config: &Config<'_>,
    x: &Flow,
    number: f64,
    side: Side,
) -> Result<Flow, Fault> {
    let [factor, offset] = match (config.class, side) {
        ("Add", _) => [1.0, number],
        ("Subtract", Side::Right) => [1.0, -number],
        ("Subtract", Side::Left) => [-1.0, number],
        ("Multiply", _) => [number, 0.0],
        ("Divide" | "TrueDivide", Side::Right) if number != 0.0 => [1.0 / number, 0.0],
        _ => return Err(config.refuse("there is no layer for it")),
    };
    let building = &mut network.building;
    let at = match offset == 0.0 {
        true => building.scale(x.at, factor, &config.origin)?,
        false => {
            let n = building.channels(x.at);
            building.affine(x.at, Weight::All(n, factor), Weight::All(n, offset), &config.origin)?
        }
    };
    Ok(Flow { at, flat: x.flat.clone() })
}

fn values(network: &mut Network<'_>, config: &Config<'_>, flows: Vec<Flow>) -> Result<Flow, Fault> {
    let first = flows.first().cloned().ok_or_else(|| config.refuse("it takes nothing"))?;
    let inputs: Vec<usize> = flows.iter().map(|flow| flow.at).collect();
    let n = inputs.len();
    let origin = &config.origin;
    let same = || match flows.iter().all(|flow| flow.flat == first.flat) {
        true => Ok(()),
        false => Err(config.refuse("its values were flattened in different orders")),
    };
    let joined = |at: usize| Flow { at, flat: first.flat.clone() };
    match config.class {
        "Add" | "Average" | "Subtract" | "Multiply" => {
            same()?;
            let building = &mut network.building;
            let is_apart = |shape: &[usize]| shape.len() == 1;
            if flows
                .iter()
                .any(|flow| is_apart(building.shape(flow.at)) != is_apart(building.shape(first.at)))
            {
                return Err(config.refuse("its values have different axes"));
            }
            match (config.class, inputs.as_slice()) {
                ("Add", _) => building.join("add", inputs, origin).map(joined),
                ("Multiply", _) => building.join("multiply", inputs, origin).map(joined),
                ("Average", _) => {
                    let sum = building.join("add", inputs, origin)?;
                    building.scale(sum, 1.0 / n as f64, origin).map(joined)
                }
                (_, &[a, b]) => {
                    let negated = building.scale(b, -1.0, origin)?;
                    building.join("add", vec![a, negated], origin).map(joined)
                }
                _ => Err(config.refuse("it takes more than two values")),
            }
        }
        "Concatenate" => {
            let rank = network.building.shape(first.at).len();
            let axis = config.number("axis", -1.0)?;
            if axis != -1.0 && axis != rank as f64 {
                return Err(config.refuse("it joins along another axis than that of the channels"));
            }
            if flows.iter().any(|flow| flow.flat.is_some()) {
                return Err(config.refuse("it joins what was flattened with its channels together"));
            }
            network.building.join("concat", inputs, origin).map(joined)
        }
        _ => Err(config.refuse("there is no layer for it")),
    }
}
