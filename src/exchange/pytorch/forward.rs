//! Calls in the order of the wire → the lines of a `forward`: what only the next call takes is written inside of it, what is
//! needed later has a name of its own.

use std::collections::HashMap;

use crate::diag::Fault;
use crate::model::Wire;

/// How wide a line may be.
const WIDTH: usize = 88;

/// A call: `{0}`, `{1}`, … stand for what it takes.
pub struct Unit {
    pub call: String,
    pub inputs: Vec<Wire>,
    pub output: Wire,
}

/// The lines that make `outputs` of `inputs`, which have these names.
///
/// # Errors
/// A value that nothing before makes: an internal fault.
pub fn forward(units: &[Unit], inputs: &[(Wire, String)], outputs: &[Wire]) -> Result<Vec<String>, Fault> {
    let unnamed = || Fault::internal("a value without a name");
    let mut uses: HashMap<Wire, usize> = HashMap::new();
    for unit in units {
        for (i, wire) in unit.inputs.iter().enumerate() {
            *uses.entry(*wire).or_default() += unit.call.matches(&format!("{{{i}}}")).count();
        }
    }
    for output in outputs {
        *uses.entry(*output).or_default() += 1;
    }
    let mut names: HashMap<Wire, String> = inputs.iter().cloned().collect();
    let mut left = uses.clone();
    let mut lines = Vec::new();
    // What was not given a name yet, and is part of the next call.
    let mut pending: Option<(Wire, String)> = None;
    for (at, unit) in units.iter().enumerate() {
        let mut call = unit.call.clone();
        for (i, wire) in unit.inputs.iter().enumerate() {
            let place = format!("{{{i}}}");
            let n = unit.call.matches(&place).count();
            if n == 0 {
                continue;
            }
            let value = match &pending {
                Some((own, text)) if own == wire => text.clone(),
                _ => names.get(wire).cloned().ok_or_else(unnamed)?,
            };
            // A sum in front of `.flatten(1)` stands in parentheses.
            let bare = value.contains(' ') && !value.ends_with(')');
            let value = if bare && call != place { format!("({value})") } else { value };
            call = call.replace(&place, &value);
            if let Some(left) = left.get_mut(wire) {
                *left = left.saturating_sub(n);
            }
        }
        pending = None;
        names.retain(|wire, _| left.get(wire).is_some_and(|&left| left > 0));
        let next = units.get(at + 1);
        let taken_next = next.is_some_and(|next| next.inputs.contains(&unit.output));
        let fits = next.is_some_and(|next| call.len() + next.call.len() < WIDTH)
            && !(call.contains(" + ") || call.contains(" * "));
        if uses.get(&unit.output) == Some(&1) && taken_next && fits {
            pending = Some((unit.output, call));
            continue;
        }
        if call == "x" || names.values().any(|name| *name == call) {
            // Nothing happens: the value has a name already.
            names.insert(unit.output, call);
            continue;
        }
        if *outputs == [unit.output] && at + 1 == units.len() {
            lines.push(format!("return {call}"));
            return Ok(lines);
        }
        let free = ["x", "y", "z", "u", "v", "w"]
            .iter()
            .map(|name| (*name).to_owned())
            .chain((1..).map(|n| format!("x{n}")));
        let mut free = free.filter(|name| names.values().all(|other| other != name));
        let name = free.next().unwrap_or_default();
        lines.push(format!("{name} = {call}"));
        names.insert(unit.output, name);
    }
    let named = outputs.iter().map(|output| names.get(output).cloned().ok_or_else(unnamed));
    lines.push(format!("return {}", named.collect::<Result<Vec<_>, _>>()?.join(", ")));
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_needed_later_keep_their_names() {
        let wire = Wire::of_layer;
        let unit = |call: &str, inputs: Vec<Wire>, at: usize| Unit {
            call: call.to_owned(),
            inputs,
            output: wire(at),
        };
        let units = [
            unit("self.conv({0})", vec![Wire::INPUT], 0),
            unit("F.relu({0})", vec![wire(0)], 1),
            unit("{0} + {1}", vec![wire(1), Wire::INPUT], 2),
            unit("{0}.flatten(1)", vec![wire(2)], 3),
        ];
        assert_eq!(
            forward(&units, &[(Wire::INPUT, "x".to_owned())], &[wire(3)]),
            Ok(vec!["x = F.relu(self.conv(x)) + x".to_owned(), "return x.flatten(1)".to_owned()])
        );
    }
}
