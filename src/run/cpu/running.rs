//! Plans that run: one arena in one candle storage; a step is one in-place operation on it.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::diag::Fault;
use crate::graph::Value;
use crate::kernels::cpu::arena;
use crate::kernels::cpu::clock::Clock;
use crate::kernels::cpu::pages;
use crate::kernels::cpu::peers::Peers;
use crate::kernels::cpu::team::Team;
use crate::plan::layout::Layout;
use crate::run::cpu::pace::Pace;
use crate::run::cpu::plan::{Action, Plan, Step};
use crate::run::runtime::{Runtime, noted};
use crate::shape::Shape;
use crate::tensor::{self, Device, Memory, Tensor};

pub struct Running {
    memory: Memory,
    layout: Layout,
    plans: Vec<Plan>,
    peers: Option<Arc<dyn Peers>>,
    /// Of each plan.
    paces: Vec<Pace>,
    /// The plan whose setup is in memory, for the states as they are.
    ready: Option<usize>,
    /// What [`Runtime::note`] kept.
    noted: Vec<f32>,
}

impl Running {
    pub fn new(plans: Vec<Plan>, layout: Layout, peers: Option<Arc<dyn Peers>>) -> Result<Running, Fault> {
        let transient = plans.iter().map(|plan| plan.transient).max().unwrap_or(0);
        let memory = Memory::new(layout.len() + transient, pages::zeros)?;
        memory.with(|numbers| {
            pages::prefer_large(numbers);
            layout.constants().for_each(|(number, range)| numbers[range].fill(number));
            Ok(())
        })?;
        let paces = plans.iter().map(|_| Pace::default()).collect();
        Ok(Running { memory, layout, plans, peers, paces, ready: None, noted: Vec::new() })
    }

    fn place(&self, name: &str) -> Result<Range<usize>, Fault> {
        let kept = self.layout.state(name);
        kept.map(|kept| kept.range.clone())
            .ok_or_else(|| Fault::internal(format!("there is no state `{name}`")))
    }
}

impl Runtime for Running {
    fn write(&mut self, graph: usize, value: Value, fill: &mut dyn FnMut(&mut [f32])) -> Result<(), Fault> {
        let range = self.plans[graph].places[&value].clone();
        self.memory.with(|numbers| {
            fill(&mut numbers[range]);
            Ok(())
        })
    }

    fn read(&self, graph: usize, value: Value, take: &mut dyn FnMut(&[f32])) -> Result<(), Fault> {
        let range = self.plans[graph].places[&value].clone();
        self.memory.with(|numbers| {
            take(&numbers[range]);
            Ok(())
        })
    }

    fn write_state(&mut self, name: &str, numbers: &[f32]) -> Result<(), Fault> {
        let range = self.place(name)?;
        if range.len() != numbers.len() {
            return Err(Fault::internal(format!(
                "`{name}` has {} numbers, not {}",
                range.len(),
                numbers.len()
            )));
        }
        self.ready = None;
        self.memory.with(|memory| {
            memory[range].copy_from_slice(numbers);
            Ok(())
        })
    }

    fn read_state(&self, name: &str) -> Result<Vec<f32>, Fault> {
        let range = self.place(name)?;
        self.memory.with(|numbers| Ok(numbers[range].to_vec()))
    }

    fn show_state(&self, name: &str, see: &mut dyn FnMut(&[f32]) -> Result<(), Fault>) -> Result<(), Fault> {
        let range = self.place(name)?;
        self.memory.with(|numbers| see(&numbers[range]))
    }

    fn step(&mut self, graph: usize) -> Result<(), Fault> {
        let plan = &self.plans[graph];
        let ready = self.ready == Some(graph);
        let peers = self.peers.as_deref();
        let pace = &mut self.paces[graph];
        self.memory.with(|numbers| {
            let mut body = |team: &Team<'_>| {
                let setup = plan.setup.iter().filter(|_| !ready);
                setup
                    .chain(&plan.actions)
                    .try_for_each(|action| run(plan, action, numbers, team, None, peers))
            };
            let start = Instant::now();
            if pace.shares() {
                Team::gather(body)?
            } else {
                body(&Team::ALONE)?
            }
            // A step with its setup tells nothing of those that follow.
            if ready {
                pace.took(start.elapsed());
            }
            for (from, to) in &plan.copies {
                numbers.copy_within(from.clone(), to.start);
            }
            Ok(())
        })?;
        self.ready = Some(graph);
        Ok(())
    }

    fn images(&self, graph: usize) -> Option<Range<usize>> {
        self.plans[graph].images.clone().filter(|_| self.peers.is_some())
    }

    fn any(&self, flag: bool) -> Result<bool, Fault> {
        self.peers.as_deref().map_or(Ok(flag), |peers| peers.any(flag))
    }

    fn is_done(&self) -> bool {
        true
    }

    fn note(&mut self, graph: usize) -> Result<(), Fault> {
        let plan = &self.plans[graph];
        self.memory.with(|numbers| {
            for value in noted(&plan.graph) {
                self.noted.extend_from_slice(&numbers[plan.places[&value].clone()]);
            }
            Ok(())
        })
    }

    fn noted(&mut self) -> Result<Vec<f32>, Fault> {
        Ok(std::mem::take(&mut self.noted))
    }

    fn finish(&self) -> Result<(), Fault> {
        Ok(())
    }

    fn profile(&mut self, graph: usize) -> Result<Vec<(Option<Value>, Duration)>, Fault> {
        if self.ready != Some(graph) {
            self.step(graph)?;
        }
        let plan = &self.plans[graph];
        let (mut times, peers) = (Vec::new(), self.peers.as_deref());
        let mut measure = |numbers: &mut [f32], team: &Team<'_>| {
            // Once before, for threads that are asleep.
            plan.actions.iter().try_for_each(|action| run(plan, action, numbers, team, None, peers))?;
            for action in &plan.actions {
                let values: &[Value] = match action {
                    Action::Pack(_) | Action::Exchange(_) | Action::Sums(_) => &[],
                    Action::Whole(step) => std::slice::from_ref(&step.value),
                    Action::Tiled(_, values) => values,
                };
                let clock = Clock::new(values.len());
                let start = Instant::now();
                run(plan, action, numbers, team, Some(&clock), peers)?;
                match action {
                    Action::Tiled(..) => times.extend(values.iter().map(|&v| Some(v)).zip(clock.times())),
                    _ => times.push((values.first().copied(), start.elapsed())),
                }
            }
            Ok(())
        };
        self.memory.with(|numbers| Team::gather(|team| measure(numbers, team)))?;
        Ok(times)
    }

    fn bytes(&self) -> usize {
        self.memory.len() * size_of::<f32>()
    }
}

fn run(
    plan: &Plan,
    action: &Action,
    numbers: &mut [f32],
    team: &Team<'_>,
    clock: Option<&Clock>,
    peers: Option<&dyn Peers>,
) -> Result<(), Fault> {
    let step = match action {
        Action::Pack(packs) => {
            packs.run(numbers, team);
            return Ok(());
        }
        Action::Tiled(tiled, _) => return tiled.run(numbers, team, clock, peers),
        Action::Sums(tiled) => return tiled.complete(numbers, team, peers),
        Action::Exchange(filled) => return peers.map_or(Ok(()), |peers| peers.exchange(numbers, filled)),
        Action::Whole(step) => step,
    };
    let mut shared = [const { 0..0 }; arena::MAX_INPUTS + 1];
    let n = step.inputs.len();
    if n > arena::MAX_INPUTS {
        return Err(Fault::internal("a step with too many inputs"));
    }
    shared[..n].clone_from_slice(&step.inputs);
    shared[n] = step.packed.clone();
    let (output, memory) = (step.output.clone(), step.memory.clone());
    arena::borrow(numbers, &shared[..=n], output, memory, |shared, output, memory| {
        let (inputs, packed) = (&shared[..n], shared[n]);
        match &step.kernel {
            Some(kernel) => {
                kernel.call(inputs, packed, output, memory, team);
                Ok(())
            }
            None => evaluate(plan, step, inputs, output),
        }
    })?
}

/// The op's reference evaluation, for an op without a kernel.
fn evaluate(plan: &Plan, step: &Step, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Fault> {
    let node = plan.graph.node(step.value);
    let shapes: Vec<&Shape> = node.inputs.iter().map(|&input| plan.graph.shape(input)).collect();
    let tensors: Vec<Tensor> = inputs
        .iter()
        .zip(shapes)
        .map(|(numbers, shape)| tensor::from_slice(numbers, shape, &Device::Cpu))
        .collect::<Result<_, _>>()?;
    let result = tensor::to_vec(&node.op.eval(&node.attrs, &tensors, &node.shape)?)?;
    output.copy_from_slice(&result);
    Ok(())
}
