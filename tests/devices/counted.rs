//! A machine → the same with counts of what the host does with it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use dslc::diag::Fault;
use dslc::kernels::cuda::launch::{Command, Place};
use dslc::kernels::cuda::machine::Machine;
use dslc::kernels::cuda::storage::Stored;
use dslc::run::Precision;

#[derive(Default)]
pub struct Counts {
    /// How often it waits for the machine: reads numbers, or finishes.
    pub waits: Cell<usize>,
    /// Numbers that it writes.
    pub written: Cell<usize>,
}

pub struct Counted {
    machine: Box<dyn Machine>,
    counts: Rc<Counts>,
}

impl Counted {
    pub fn new(machine: Box<dyn Machine>) -> (Box<Counted>, Rc<Counts>) {
        let counts = Rc::new(Counts::default());
        (Box::new(Counted { machine, counts: Rc::clone(&counts) }), counts)
    }

    fn waits(&self) {
        self.counts.waits.update(|waits| waits + 1);
    }
}

impl Machine for Counted {
    fn precision(&self) -> Precision {
        self.machine.precision()
    }

    fn offers(&self, command: &Command<Place>) -> Result<bool, Fault> {
        self.machine.offers(command)
    }

    fn begin(&mut self, len: usize, programs: Vec<Vec<Command<Stored<usize>>>>) -> Result<(), Fault> {
        self.machine.begin(len, programs)
    }

    fn write(&mut self, at: usize, numbers: &[f32]) -> Result<(), Fault> {
        self.counts.written.update(|written| written + numbers.len());
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
