//! What a session asks of a device with kernels: one piece of memory, and programs of commands on it. The driver is
//! one; the tests have another that runs the kernels on the host.

use std::time::Duration;

use crate::diag::Fault;
use crate::kernels::cuda::launch::{Command, Place};
use crate::kernels::cuda::precision::Precision;
use crate::kernels::cuda::storage::Stored;

pub trait Machine {
    /// How it computes, from which it follows how the values of its programs are stored.
    fn precision(&self) -> Precision;

    /// Whether a library of the device does this itself, so that no kernel is needed.
    fn offers(&self, command: &Command<Place>) -> bool;

    /// Takes memory for `len` numbers, all zero, and makes the programs ready; places of commands are counted in numbers
    /// from the memory's start, in numbers of 32 bits whatever lies there. Called once.
    fn begin(&mut self, len: usize, programs: Vec<Vec<Command<Stored<usize>>>>) -> Result<(), Fault>;

    /// Writes numbers from place `at` on. The slice may change as soon as this returns.
    fn write(&mut self, at: usize, numbers: &[f32]) -> Result<(), Fault>;

    /// Reads numbers from place `at` on, after everything that was asked for before.
    fn read(&self, at: usize, numbers: &mut [f32]) -> Result<(), Fault>;

    /// Runs a program; may return before it is done.
    fn run(&mut self, program: usize) -> Result<(), Fault>;

    /// Runs a program command by command and tells the time of each.
    fn profile(&mut self, program: usize) -> Result<Vec<Duration>, Fault>;

    /// Waits until everything that was asked for is done.
    fn finish(&self) -> Result<(), Fault>;
}
