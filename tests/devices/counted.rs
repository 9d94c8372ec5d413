//! A machine → the same with counts of what the host does with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dslc::diag::Fault;
use dslc::kernels::cuda::launch::{Command, Place, Task};
use dslc::kernels::cuda::machine::Machine;
use dslc::kernels::cuda::storage::Stored;
use dslc::run::Precision;

#[derive(Default)]
pub struct Counts {
    /// How often it waits for the machine: reads numbers, or finishes.
    pub waits: AtomicUsize,
    /// Numbers that it writes.
    pub written: AtomicUsize,
}

pub struct Counted {
    machine: Box<dyn Machine>,
    counts: Arc<Counts>,
}

impl Counted {
    pub fn new(machine: Box<dyn Machine>) -> (Box<Counted>, Arc<Counts>) {
        let counts = Arc::new(Counts::default());
        (Box::new(Counted { machine, counts: Arc::clone(&counts) }), counts)
    }

    fn waits(&self) {
        self.counts.waits.fetch_add(1, Ordering::Relaxed);
    }
}

impl Machine for Counted {
    fn precision(&self) -> Precision {
        self.machine.precision()
    }

    fn offers(&self, command: &Command<Place>) -> Result<bool, Fault> {
        self.machine.offers(command)
    }

    fn begin(&mut self, len: usize, programs: Vec<Vec<Task<Stored<usize>>>>) -> Result<(), Fault> {
        self.machine.begin(len, programs)
    }

    fn write(&mut self, at: usize, numbers: &[f32]) -> Result<(), Fault> {
        self.counts.written.fetch_add(numbers.len(), Ordering::Relaxed);
        self.machine.write(at, numbers)
    }

    fn read(&self, at: usize, numbers: &mut [f32]) -> Result<(), Fault> {
        self.waits();
        self.machine.read(at, numbers)
    }

    fn run(&mut self, program: usize) -> Result<(), Fault> {
        self.machine.run(program)
    }

    fn profile(&mut self, program: usize) -> Result<Vec<Duration>, Fault> {
        self.waits();
        self.machine.profile(program)
    }

    fn finish(&self) -> Result<(), Fault> {
        self.waits();
        self.machine.finish()
    }
}
