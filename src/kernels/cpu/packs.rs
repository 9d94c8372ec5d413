//! Weights on their way into the order that kernels want, several at once on all threads.
#![allow(unsafe_code)]

use std::ops::Range;

use crate::diag::Fault;
use crate::kernels::cpu::Pack;
use crate::kernels::cpu::arena::{Arena, Written};
use crate::kernels::cpu::team::Team;

/// One operand with its place before and after.
pub struct Task {
    pub from: Range<usize>,
    pub to: Range<usize>,
    pub pack: Pack,
}

pub struct Packs(Vec<Task>);

impl Packs {
    /// Refuses tasks that would write what another one reads or writes.
    pub fn new(tasks: Vec<Task>) -> Result<Packs, Fault> {
        let written = Written::apart(tasks.iter().map(|task| task.to.clone()));
        match written.is_some_and(|written| tasks.iter().all(|task| written.is_clear(&task.from))) {
            true => Ok(Packs(tasks)),
            false => Err(Fault::internal("the plan packs two operands into the same memory")),
        }
    }

    /// From where to where.
    pub fn places(&self) -> impl Iterator<Item = (&Range<usize>, &Range<usize>)> {
        self.0.iter().map(|task| (&task.from, &task.to))
    }

    pub fn run(&self, memory: &mut [f32], team: &Team<'_>) {
        let arena = Arena::new(memory);
        team.share(self.0.len(), |i| {
            let task = &self.0[i];
            // SAFETY: `new` saw that nothing else reads or writes what a task writes.
            let (from, to) = unsafe { (arena.shared(task.from.clone()), arena.exclusive(task.to.clone())) };
            (task.pack.run)(from, to);
        });
    }
}
