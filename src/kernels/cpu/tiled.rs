//! A chain of kernels over a batch: the batch is cut into a fixed number of parts for the threads, a part into
//! calls of a few images, and one call runs the whole chain while its values are in the thread's own cache.
//!
//! Sums over the images go to one partial sum a part and are added up in a fixed order, first those of neighbouring
//! parts, which as a rule one thread has made: so no result depends on the number of threads, and little goes from one
//! to another.
#![allow(unsafe_code)]

use std::ops::Range;
use std::time::Instant;

use crate::diag::Fault;
use crate::kernels::cpu::arena::{Arena, MAX_INPUTS, Written, overlap};
use crate::kernels::cpu::clock::Clock;
use crate::kernels::cpu::peers::{Filled, Peers, Rank};
use crate::kernels::cpu::team::Team;
use crate::kernels::cpu::{Call, N_TILES, Prepared, Sum, part};

/// Neighbouring parts whose sums are added up first.
const GROUP: usize = 4;

/// Where an operand of a tiled step lies, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The same for all images.
    Whole(Range<usize>),
    /// A row of `row` numbers an image, all images one after another from `start`.
    Rows { start: usize, row: usize },
    /// The same for the images of one call, in the thread's own memory.
    Local { start: usize, row: usize },
    /// A partial sum of `len` numbers in each of [`Cuts::n_slots`].
    Partial { start: usize, len: usize },
}

/// One kernel of the chain.
pub struct TiledStep {
    pub inputs: Vec<Place>,
    pub output: Place,
    /// In the thread's own memory.
    pub scratch: Range<usize>,
    pub packed: Range<usize>,
    /// One for each of [`Cuts::sizes`].
    pub kernels: Vec<Prepared>,
    /// For a sum, where the result goes,
    pub result: Range<usize>,
    /// and for one that is completed later, where its partial sums are then, as other chains use the memory meanwhile.
    pub landing: Option<usize>,
}

/// How a batch is cut.
#[derive(Clone, Debug)]
pub struct Cuts {
    pub batch: usize,
    /// The most images of a call.
    pub largest: usize,
}

impl Cuts {
    /// The first image and the number of images of each call of a part.
    fn calls(&self, number: usize) -> impl Iterator<Item = (usize, usize)> {
        let (first, n) = part(self.batch, number);
        let n_calls = n.div_ceil(self.largest.max(1));
        let (share, rest) = (n / n_calls.max(1), n % n_calls.max(1));
        (0..n_calls).map(move |i| (first + i * share + i.min(rest), share + usize::from(i < rest)))
    }

    /// The different numbers of images of the calls, the largest first.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes: Vec<usize> = (0..N_TILES).flat_map(|i| self.calls(i)).map(|(_, n)| n).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes.dedup();
        sizes
    }

    /// Parts that have images.
    pub fn n_parts(&self) -> usize {
        self.batch.min(N_TILES)
    }

    /// The images of these parts.
    pub fn images(&self, parts: Range<usize>) -> Range<usize> {
        let first = |number: usize| if number < N_TILES { part(self.batch, number).0 } else { self.batch };
        first(parts.start)..first(parts.end)
    }

    fn n_groups(&self) -> usize {
        self.n_parts().div_ceil(GROUP)
    }

    /// Places for the parts' sums. Where these are added up in groups, the first slots are the groups', for their first
    /// parts; then come those of the second parts, and so on.
    pub fn n_slots(&self) -> usize {
        if self.n_groups() == 1 { self.n_parts() } else { self.n_groups() * GROUP }
    }

    fn slot(&self, number: usize, in_groups: bool) -> usize {
        if in_groups { number % GROUP * self.n_groups() + number / GROUP } else { number }
    }
}

/// Sums over the batch that are completed together.
#[derive(Default)]
struct Sums {
    /// The numbers of their steps.
    steps: Vec<usize>,
    have_landed: bool,
    /// What the processes that share the batch give each other.
    filled: Filled,
}

pub struct Tiled {
    cuts: Cuts,
    sizes: Vec<usize>,
    steps: Vec<TiledStep>,
    /// Those that are complete behind the chain,
    sums: Sums,
    /// and those that processes exchange while they go on: where they are made, and where they are completed.
    overlapped: [Sums; 2],
    /// The threads' own memory: where it begins, numbers of one, how many.
    local: (usize, usize, usize),
    /// Which of the processes that share the batch this is.
    rank: Rank,
    /// The groups of parts that this process has whole, and those that no process has.
    groups: [Vec<usize>; 2],
}

impl Tiled {
    /// Refuses steps that would let two threads, or two operands of one call, share what one of them writes.
    pub fn new(
        cuts: Cuts,
        steps: Vec<TiledStep>,
        local: (usize, usize, usize),
        rank: Rank,
    ) -> Result<Tiled, Fault> {
        let is_sum = |i: &usize| matches!(steps[*i].output, Place::Partial { .. });
        let (overlapped, prompt) =
            (0..steps.len()).filter(is_sum).partition(|&i: &usize| steps[i].landing.is_some());
        let (sizes, sums, groups) = (cuts.sizes(), Default::default(), Default::default());
        let mut tiled =
            Tiled { sizes, cuts, steps, sums, overlapped: Default::default(), local, rank, groups };
        let sums = |steps: &Vec<usize>, have_landed: bool| {
            let filled = |number| tiled.filled_by(number, steps, have_landed);
            Sums { steps: steps.clone(), have_landed, filled: (0..rank.n).map(filled).collect() }
        };
        let prompt = sums(&prompt, false);
        let overlapped = [sums(&overlapped, false), sums(&overlapped, true)];
        (tiled.sums, tiled.overlapped) = (prompt, overlapped);
        tiled.groups = [Some(rank.number), None]
            .map(|owner| (0..tiled.cuts.n_groups()).filter(|&group| tiled.owner(group) == owner).collect());
        match tiled.is_sound() {
            true => Ok(tiled),
            false => Err(Fault::internal("the plan gives two threads the same memory")),
        }
    }

    /// The whole range of an operand outside the threads' own memory.
    fn extent(&self, place: &Place) -> Option<Range<usize>> {
        match place {
            Place::Whole(range) => Some(range.clone()),
            Place::Rows { start, row } => Some(*start..start + row * self.cuts.batch),
            Place::Partial { start, len } => Some(*start..start + len * self.cuts.n_slots()),
            Place::Local { .. } => None,
        }
    }

    /// The range of the partial sums of one that is completed later.
    fn landing(&self, step: &TiledStep) -> Option<Range<usize>> {
        let Place::Partial { len, .. } = step.output else { return None };
        step.landing.map(|start| start..start + len * self.cuts.n_slots())
    }

    fn within_local(&self, place: &Place) -> Option<Range<usize>> {
        match place {
            Place::Local { start, row } => Some(*start..start + row * self.cuts.largest),
            _ => None,
        }
    }

    fn is_sound(&self) -> bool {
        let (base, len, n_workers) = self.local;
        let locals = base..base + len * n_workers;
        let outputs: Vec<(&Place, Range<usize>)> = self
            .steps
            .iter()
            .filter_map(|s| self.extent(&s.output).map(|range| (&s.output, range)))
            .collect();
        let Some(written) = Written::apart(outputs.iter().map(|(_, range)| range.clone())) else {
            return false;
        };
        let each = outputs
            .iter()
            .all(|(place, range)| !matches!(place, Place::Whole(_)) && !overlap(range, &locals));
        let results = |later: bool| {
            let own = self.steps.iter().filter(move |step| step.landing.is_some() == later);
            own.map(|step| step.result.clone())
        };
        let landings = self.steps.iter().filter_map(|step| self.landing(step));
        let finishes = Written::apart(results(false)).is_some()
            && results(false).all(|result| written.is_clear(&result))
            && Written::apart(landings.chain(results(true))).is_some();
        each && finishes
            && self.steps.iter().all(|step| {
                let own: Vec<Range<usize>> = [self.within_local(&step.output), Some(step.scratch.clone())]
                    .into_iter()
                    .flatten()
                    .collect();
                let inputs =
                    step.inputs.iter().all(|input| match (self.extent(input), self.within_local(input)) {
                        // Rows that this chain writes are read by the call that wrote them.
                        (Some(range), _) => {
                            let same = matches!(input, Place::Rows { .. }) && *input != step.output;
                            !overlap(&range, &locals)
                                && written.met(&range).all(|number| same && outputs[number].0 == input)
                        }
                        (_, Some(range)) => range.end <= len && own.iter().all(|own| !overlap(own, &range)),
                        _ => false,
                    });
                let [output, scratch] = [own.first(), own.get(1)];
                inputs
                    && step.inputs.len() <= MAX_INPUTS
                    && own.iter().all(|range| range.end <= len)
                    && !output.zip(scratch).is_some_and(|(a, b)| overlap(a, b))
                    && written.is_clear(&step.packed)
                    && !overlap(&step.packed, &locals)
                    && step.kernels.len() == self.sizes.len()
            })
    }

    /// The only process that works on the parts of a group, if one does.
    fn owner(&self, group: usize) -> Option<usize> {
        let parts = group * GROUP..self.cuts.n_parts().min((group + 1) * GROUP);
        let owner = self.rank.of(parts.start);
        parts.into_iter().all(|part| self.rank.of(part) == owner).then_some(owner)
    }

    /// The sums that a process has when its parts are done: of each group that it has whole, else of each part.
    fn filled_by(&self, number: usize, sums: &[usize], have_landed: bool) -> Vec<Range<usize>> {
        let mut filled = Vec::new();
        for &at in sums {
            let step = &self.steps[at];
            let (Some(sum), Place::Partial { start, len }) = (&step.kernels[0].sum, &step.output) else {
                continue;
            };
            let start = step.landing.filter(|_| have_landed).unwrap_or(*start);
            for part in self.own(number) {
                let is_whole = sum.adds && self.owner(part / GROUP).is_some();
                if !is_whole || part % GROUP == 0 {
                    let first = start + len * self.cuts.slot(part, sum.adds);
                    filled.push(first..first + len);
                }
            }
        }
        filled
    }

    /// The parts of a process that have images.
    fn own(&self, number: usize) -> Range<usize> {
        let Range { start, end } = self.rank.parts(number);
        let n_parts = self.cuts.n_parts();
        start.min(n_parts)..end.min(n_parts)
    }

    /// What the processes give each other behind the chain, and what they begin to, if they do.
    pub fn filled(&self) -> [Option<&Filled>; 2] {
        [&self.sums, &self.overlapped[0]]
            .map(|sums| (self.rank.n > 1 && !sums.steps.is_empty()).then_some(&sums.filled))
    }

    pub fn cuts(&self) -> &Cuts {
        &self.cuts
    }

    /// The steps with the place of what they write.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.steps.iter().map(|step| &step.output)
    }

    /// Runs the chain over the batch, with `peers` where other processes have their parts of it; `memory` is the arena. A `clock`
    /// learns how long each step took.
    pub fn run(
        &self,
        memory: &mut [f32],
        team: &Team<'_>,
        clock: Option<&Clock>,
        peers: Option<&dyn Peers>,
    ) -> Result<(), Fault> {
        let own = self.own(self.rank.number);
        {
            let arena = Arena::new(memory);
            team.share_among(self.local.2, own.len(), |worker, number| {
                // SAFETY: each worker has its own number and each part is taken once.
                unsafe { self.part(arena, worker, own.start + number, clock) };
            });
        }
        let [whole, split] = &self.groups;
        let [begun, _] = &self.overlapped;
        self.add_up(memory, team, clock, whole, &self.sums);
        self.add_up(memory, team, clock, whole, begun);
        if let Some(peers) = peers {
            // Those that are waited for come first.
            if !self.sums.steps.is_empty() {
                peers.exchange(memory, &self.sums.filled)?;
            }
            if !begun.steps.is_empty() {
                peers.begin(memory, &begun.filled)?;
            }
        }
        self.add_up(memory, team, clock, split, &self.sums);
        self.finish(memory, team, clock, &self.sums);
        Ok(())
    }

    /// Waits for the sums that were exchanged meanwhile, and makes their results.
    pub fn complete(
        &self,
        memory: &mut [f32],
        team: &Team<'_>,
        peers: Option<&dyn Peers>,
    ) -> Result<(), Fault> {
        let [_, landed] = &self.overlapped;
        if let Some(peers) = peers {
            peers.complete(memory, &landed.filled)?;
        }
        self.add_up(memory, team, None, &self.groups[1], landed);
        self.finish(memory, team, None, landed);
        Ok(())
    }

    /// Adds the sums of the groups' parts to those of their first parts.
    fn add_up(
        &self,
        memory: &mut [f32],
        team: &Team<'_>,
        clock: Option<&Clock>,
        groups: &[usize],
        sums: &Sums,
    ) {
        let (n_sums, n_parts) = (sums.steps.len(), self.cuts.n_parts());
        if groups.is_empty() || n_sums == 0 {
            return;
        }
        let arena = Arena::new(memory);
        team.share(groups.len() * n_sums, |share| {
            let group = groups[share / n_sums];
            self.timed(sums, share % n_sums, clock, &|sum, start, len| {
                for number in (group * GROUP + 1..n_parts.min((group + 1) * GROUP)).filter(|_| sum.adds) {
                    let slot = |number: usize| {
                        let first = start + len * self.cuts.slot(number, true);
                        first..first + len
                    };
                    // SAFETY: all parts are done; slots are apart, and a group's are touched by its share alone.
                    let (total, part) =
                        unsafe { (arena.exclusive(slot(group * GROUP)), arena.shared(slot(number))) };
                    total.iter_mut().zip(part).for_each(|(total, number)| *total += number);
                }
            });
        });
    }

    /// Makes the results of the sums.
    fn finish(&self, memory: &mut [f32], team: &Team<'_>, clock: Option<&Clock>, sums: &Sums) {
        let arena = Arena::new(memory);
        let (n_groups, n_parts) = (self.cuts.n_groups(), self.cuts.n_parts());
        team.share(sums.steps.len(), |i| {
            self.timed(sums, i, clock, &|sum, start, len| {
                let n = if sum.adds { n_groups } else { n_parts };
                // SAFETY: all groups are done; results and partial sums are apart (`is_sound`).
                let (partials, result) = unsafe {
                    let result = arena.exclusive(self.steps[sums.steps[i]].result.clone());
                    (arena.shared(start..start + len * n), result)
                };
                (sum.finish)(partials, result);
            });
        });
    }

    /// Works on one of the sums: where its partial sums begin, and the numbers of one.
    fn timed(&self, sums: &Sums, i: usize, clock: Option<&Clock>, work: &dyn Fn(&Sum, usize, usize)) {
        let step = &self.steps[sums.steps[i]];
        let begin = clock.map(|_| Instant::now());
        if let (Some(sum), Place::Partial { start, len }) = (&step.kernels[0].sum, &step.output) {
            work(sum, step.landing.filter(|_| sums.have_landed).unwrap_or(*start), *len);
        }
        if let (Some(clock), Some(begin)) = (clock, begin) {
            clock.add(sums.steps[i], begin);
        }
    }

    /// # Safety
    /// No other thread runs with the same `worker` or the same part at the same time, and `is_sound` held.
    unsafe fn part(&self, arena: Arena<'_>, worker: usize, number: usize, clock: Option<&Clock>) {
        let base = self.local.0 + worker * self.local.1;
        let slot = |step: &TiledStep, start: usize, len: usize| {
            let in_groups = step.kernels[0].sum.as_ref().is_some_and(|sum| sum.adds);
            let first = start + len * self.cuts.slot(number, in_groups);
            first..first + len
        };
        for step in &self.steps {
            if let Place::Partial { start, len } = step.output {
                // SAFETY: the part's own partial sum.
                unsafe { arena.exclusive(slot(step, start, len)) }.fill(0.0);
            }
        }
        for (first, n) in self.cuts.calls(number) {
            let size = self.sizes.iter().position(|&size| size == n).unwrap_or(0);
            let range = |step: &TiledStep, place: &Place| match place {
                Place::Whole(range) => range.clone(),
                Place::Rows { start, row } => start + first * row..start + (first + n) * row,
                Place::Local { start, row } => base + start..base + start + n * row,
                Place::Partial { start, len } => slot(step, *start, *len),
            };
            for (i, step) in self.steps.iter().enumerate() {
                let start = clock.map(|_| Instant::now());
                let mut inputs: [&[f32]; MAX_INPUTS] = [&[]; MAX_INPUTS];
                // SAFETY: `is_sound`: what this step writes (its rows, its part, its own memory) overlaps
                // neither its inputs nor what another part touches.
                unsafe {
                    for (slice, place) in inputs.iter_mut().zip(&step.inputs) {
                        *slice = arena.shared(range(step, place));
                    }
                    (step.kernels[size].run)(Call {
                        inputs: &inputs[..step.inputs.len()],
                        output: arena.exclusive(range(step, &step.output)),
                        scratch: arena.exclusive(base + step.scratch.start..base + step.scratch.end),
                        packed: arena.shared(step.packed.clone()),
                        first,
                        team: &Team::ALONE,
                    });
                }
                if let (Some(clock), Some(start)) = (clock, start) {
                    clock.add(i, start);
                }
            }
        }
    }
}
