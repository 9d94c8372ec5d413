//! Processes that share work, as threads of the test's own process, which exchange through a table.

use std::collections::VecDeque;
use std::sync::{Arc, Barrier, Mutex};

use dslc::diag::Fault;
use dslc::graph::Graph;
use dslc::kernels::cpu::peers::{Filled, Peers, Rank};
use dslc::run::Session;

use crate::support::Numbers;

/// What each process has laid out, and where all wait for each other.
struct Table {
    laid: Vec<Mutex<Vec<f32>>>,
    gate: Barrier,
}

struct Seat {
    table: Arc<Table>,
    rank: Rank,
    /// What was laid out in exchanges that are begun, the oldest first.
    begun: Mutex<VecDeque<Vec<f32>>>,
}

impl Seat {
    fn own(&self, memory: &[f32], filled: &Filled) -> Vec<f32> {
        filled[self.rank.number].iter().flat_map(|range| memory[range.clone()].to_vec()).collect()
    }

    fn lay(&self, own: Vec<f32>, memory: &mut [f32], filled: &Filled) {
        assert_eq!(filled.len(), self.rank.n);
        *self.table.laid[self.rank.number].lock().unwrap() = own;
        self.table.gate.wait();
        for (ranges, laid) in filled.iter().zip(&self.table.laid) {
            let (laid, mut at) = (laid.lock().unwrap(), 0);
            for range in ranges {
                memory[range.clone()].copy_from_slice(&laid[at..at + range.len()]);
                at += range.len();
            }
            assert_eq!(at, laid.len());
        }
        self.table.gate.wait();
    }
}

impl Peers for Seat {
    fn rank(&self) -> Rank {
        self.rank
    }

    fn exchange(&self, memory: &mut [f32], filled: &Filled) -> Result<(), Fault> {
        self.lay(self.own(memory, filled), memory, filled);
        Ok(())
    }

    fn begin(&self, memory: &[f32], filled: &Filled) -> Result<(), Fault> {
        self.begun.lock().unwrap().push_back(self.own(memory, filled));
        Ok(())
    }

    fn complete(&self, memory: &mut [f32], filled: &Filled) -> Result<(), Fault> {
        let own = self.begun.lock().unwrap().pop_front().unwrap();
        self.lay(own, memory, filled);
        Ok(())
    }
}

/// What each of `n` processes comes to, with one or two threads.
pub fn together<T: Send>(n: usize, work: impl Fn(Arc<dyn Peers>) -> T + Sync) -> Vec<T> {
    let laid = (0..n).map(|_| Mutex::default()).collect();
    let table = Arc::new(Table { laid, gate: Barrier::new(n) });
    let one = |number: usize| {
        let seat = Seat { table: Arc::clone(&table), rank: Rank { number, n }, begun: Mutex::default() };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1 + number % 2).build().unwrap();
        pool.install(|| work(Arc::new(seat)))
    };
    std::thread::scope(|scope| {
        let one = &one;
        let all: Vec<_> = (0..n).map(|number| scope.spawn(move || one(number))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// Writes the inputs of a step on `batch` images. What a process need not write of them is no number.
pub fn write_own(session: &mut Session, graph: &Graph, batch: usize, step: usize) {
    let own = session.images(0);
    for &input in &graph.inputs {
        let name = graph.node(input).name.clone().unwrap();
        let numbers = match name.as_str() {
            "labels" => Numbers::Whole(10),
            "step" => Numbers::Whole(100),
            _ => Numbers::Between(0.01, 0.2),
        };
        let has_rows = !graph.shape(input).dims().is_empty();
        let write = |out: &mut [f32]| {
            let drawn = numbers.draw(&format!("{name} {step}"), out.len());
            let row = out.len() / batch;
            let images = own.clone().filter(|_| has_rows);
            let own = images.map_or(0..out.len(), |images| images.start * row..images.end * row);
            out.fill(f32::NAN);
            out[own.clone()].copy_from_slice(&drawn[own]);
        };
        session.write(0, &name, write).unwrap();
    }
}
