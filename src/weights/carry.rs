//! A model and a file → the numbers of the model's states, with the table of what came from where.

use crate::diag::{Fault, codes};
use crate::graph::StateKind;
use crate::model::Model;
use crate::run::{StateInfo, initial};
use crate::train::checkpoint::States;
use crate::weights::elements::Element;
use crate::weights::matching::{Change, Fate, Way, Wishes, plan, targets};
use crate::weights::tensors::{File, shown};

/// A line of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Our state; `None` for a tensor that is left.
    pub ours: Option<String>,
    pub shape: String,
    /// Their tensor; `None` where ours begins anew.
    pub theirs: Option<String>,
    pub how: String,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Taken,
    /// Taken under another name.
    Renamed,
    /// Begins anew.
    Fresh,
    Left,
}

/// What a model takes of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    /// Those states that take something, in the model's order.
    pub numbers: Vec<(String, Vec<f32>)>,
    pub rows: Vec<Row>,
}

impl Carried {
    pub fn count(&self, outcome: Outcome) -> usize {
        self.rows.iter().filter(|row| row.outcome == outcome).count()
    }
}

/// Finds and reads what each state of the model takes.
pub fn carry(model: &Model, file: &mut File, wishes: &Wishes) -> Result<Carried, Fault> {
    let targets = targets(model);
    if targets.is_empty() && file.tensors.is_empty() {
        return Ok(Carried { numbers: Vec::new(), rows: Vec::new() });
    }
    if targets.is_empty() {
        let message = format!("the model `{}` has no weights to be taken from a file", model.name);
        return Err(Fault::new(codes::TRAINING_NEEDS, message).advise("no weights file"));
    }
    let plan = plan(&targets, file, wishes)?;
    let (mut numbers, mut rows) = (Vec::new(), Vec::new());
    for (target, fate) in targets.iter().zip(&plan.fates) {
        let row = |theirs, how, outcome| Row {
            ours: Some(target.name.clone()),
            shape: shown(&target.shape),
            theirs,
            how,
            outcome,
        };
        match fate {
            Fate::Taken { from, way, change } => {
                let n = target.shape.iter().product();
                let read = file.read(*from, n)?;
                let tensor = &file.tensors[*from];
                if let Some(wrong) = read.iter().find(|number| !number.is_finite()) {
                    let message = format!("{} has {wrong} in `{}`", file.path.display(), tensor.name);
                    return Err(Fault::new(codes::NOT_FINITE, message)
                        .advise("weights of a training that did not fail"));
                }
                let read = match change {
                    Change::Nothing | Change::Reshaped => read,
                    Change::Turned(axes) => turned(&read, &tensor.shape, axes),
                    Change::Unflattened { extents, axes } => turned(&read, extents, axes),
                };
                let how = [
                    match way {
                        Way::Name => None,
                        Way::Order => Some("by order and shape".to_owned()),
                        Way::Map => Some("by the map".to_owned()),
                    },
                    match change {
                        Change::Nothing => None,
                        Change::Reshaped => Some(format!("reshaped from {}", shown(&tensor.shape))),
                        Change::Turned(_) => Some(format!("transposed from {}", shown(&tensor.shape))),
                        Change::Unflattened { extents, .. } => Some(format!(
                            "transposed from {}, flattened from {}",
                            shown(&tensor.shape),
                            shown(&extents[..3])
                        )),
                    },
                    (tensor.element != Element::F32).then(|| format!("was {}", tensor.element.name())),
                ];
                let how = how.into_iter().flatten().collect::<Vec<_>>().join(", ");
                let same = tensor.name == target.name;
                let outcome = if same { Outcome::Taken } else { Outcome::Renamed };
                rows.push(row(Some(tensor.name.clone()), how, outcome));
                numbers.push((target.name.clone(), read));
            }
            Fate::Fresh(why) => rows.push(row(None, format!("starts afresh: {why}"), Outcome::Fresh)),
        }
    }
    rows.extend(plan.left.iter().map(|(at, why)| {
        let tensor = &file.tensors[*at];
        let (shape, theirs) = (shown(&tensor.shape), Some(tensor.name.clone()));
        Row { ours: None, shape, theirs, how: format!("left: {why}"), outcome: Outcome::Left }
    }));
    Ok(Carried { numbers, rows })
}

/// The numbers with axes in another order: `axes` names the old axis of each new one.
pub fn turned(numbers: &[f32], shape: &[usize], axes: &[usize]) -> Vec<f32> {
    let mut strides = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1];
    }
    let extents: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
    let mut place = vec![0; axes.len()];
    let mut out = Vec::with_capacity(numbers.len());
    for _ in 0..numbers.len() {
        let at: usize = place.iter().zip(axes).map(|(i, &axis)| i * strides[axis]).sum();
        out.push(numbers[at]);
        for (i, extent) in place.iter_mut().zip(&extents).rev() {
            *i += 1;
            if *i < *extent {
                break;
            }
            *i = 0;
        }
    }
    out
}

/// Every state of a model with its numbers, ready to be written: those that were carried, and the others as they begin.
pub struct Whole {
    states: Vec<StateInfo>,
    carried: Carried,
    seed: u64,
}

impl Whole {
    pub fn new(model: &Model, carried: Carried, seed: u64) -> Whole {
        let own = model.layers.iter().flat_map(|instance| {
            let parameters = instance.inferred.iter().flat_map(|inferred| &inferred.parameters);
            parameters.map(|p| StateInfo {
                name: format!("{}.{}", instance.name, p.name),
                stream: format!("{}.{}", instance.stream, p.name),
                kind: p.kind,
                shape: p.shape.clone(),
                init: p.init.clone(),
            })
        });
        let states = own.filter(|state| state.kind != StateKind::Moment).collect();
        Whole { states, carried, seed }
    }

    pub fn rows(&self) -> &[Row] {
        &self.carried.rows
    }
}

impl States for Whole {
    fn states(&self) -> &[StateInfo] {
        &self.states
    }

    fn read_state(&self, name: &str) -> Result<Vec<f32>, Fault> {
        if let Some((_, numbers)) = self.carried.numbers.iter().find(|(own, _)| own == name) {
            return Ok(numbers.clone());
        }
        let state = self.states.iter().find(|state| state.name == name);
        Ok(initial(state.ok_or_else(|| Fault::internal("a state of no model"))?, self.seed))
    }
}

#[cfg(test)]
mod tests {
    use super::turned;

    #[test]
    fn axes_change_places() {
        let numbers: Vec<f32> = (0..6).map(|n| n as f32).collect();
        assert_eq!(turned(&numbers, &[2, 3], &[1, 0]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(turned(&numbers, &[1, 2, 3], &[2, 0, 1]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }
}
