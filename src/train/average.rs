//! `ema`: running means of the weights, as nodes of the training graph. Evaluation sees them instead of what they are the
//! means of.

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::graph::{AVERAGE, Graph, StateKind, Update, Value};
use crate::ops::binary::{ADD, MULTIPLY};
use crate::shape::Shape;
use crate::train::groups::{Statistics, layer_of, terms, terms_of_layer};
use crate::train::section::{Ema, TrainSection};

const KEEP: &str = "ema_keep";
const TAKE: &str = "ema_take";

/// The shares of the mean so far and of the weights behind the update counted from 1. The first update's weights are the first
/// mean; with a warm-up the share that is kept is at most `1 - update^(-2/3)`.
pub fn numbers(ema: Ema, update: u64) -> [(&'static str, f64); 2] {
    let keep = match (update, ema.warmup) {
        (0 | 1, _) => 0.0,
        (_, Warmup::On) => ema.decay.min(1.0 - (update as f64).powf(-2.0 / 3.0)),
        (_, Warmup::Off) => ema.decay,
    };
    [(KEEP, keep), (TAKE, 1.0 - keep)]
}

/// Whether the first means of a run forget faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmup {
    On,
    Off,
}

/// Adds the means of every weight and statistic that the graph updates.
pub fn add(builder: &mut Builder, train: &TrainSection) -> Result<(), Fault> {
    if train.ema.is_none() {
        return Ok(());
    }
    let [keep, take] = [KEEP, TAKE].map(|name| builder.input(name, &Shape::default()));
    for Update { state, value } in builder.graph().updates.clone() {
        let Some(of) = builder.graph().state_of(state).filter(|state| is_averaged(state.kind)).cloned()
        else {
            continue;
        };
        let shape = builder.shape(state).clone();
        let name = format!("{}{AVERAGE}", of.name);
        let mean = builder.drawn_state(&name, &of.stream, StateKind::Average, &shape, of.init)?;
        let kept = builder.apply(&MULTIPLY, Attrs::new(), &[mean, keep])?;
        let taken = builder.apply(&MULTIPLY, Attrs::new(), &[value, take])?;
        let next = builder.apply(&ADD, Attrs::new(), &[kept, taken])?;
        builder.update(mean, next)?;
    }
    Ok(())
}

/// Lets an evaluation graph read the means of what is trained.
pub fn judge(graph: &mut Graph, train: &TrainSection) {
    if train.ema.is_none() {
        return;
    }
    let states =
        graph.states.iter().filter(|state| is_averaged(state.kind) && moves(train, state.kind, &state.name));
    let states: Vec<Value> = states.map(|state| state.value).collect();
    states.into_iter().for_each(|state| graph.take_average(state));
}

/// Whether a training changes a weight or statistic.
fn moves(train: &TrainSection, kind: StateKind, name: &str) -> bool {
    match kind {
        StateKind::Parameter => !terms(&train.groups, name).freeze,
        StateKind::Buffer => {
            let terms = terms_of_layer(&train.groups, layer_of(name));
            !terms.freeze || terms.statistics == Statistics::Batch
        }
        StateKind::Moment | StateKind::Average => false,
    }
}

fn is_averaged(kind: StateKind) -> bool {
    match kind {
        StateKind::Parameter | StateKind::Buffer => true,
        StateKind::Moment | StateKind::Average => false,
    }
}
