//! What a session asks of a device with kernels: one piece of memory, and programs of commands on it. The driver is
//! one; the tests have another that runs the kernels on the host.

use std::time::Duration;

use crate::diag::Fault;
use crate::kernels::cuda::lanes;
use crate::kernels::cuda::launch::{Command, Place, Task};
use crate::kernels::cuda::precision::Precision;
use crate::kernels::cuda::storage::Stored;

/// Bytes of work space that products and convolutions of a device's libraries have at most: what cuBLAS' documentation
/// recommends for Hopper, and what leaves cuDNN its fast algorithms for all but enormous convolutions. Each lane takes it
/// once, as its commands run one after another.
pub const PRODUCTS_WORKSPACE: usize = 32 << 20;
pub const CONVOLUTIONS_WORKSPACE: usize = 256 << 20;

/// Bytes beside the memory in which large writes land while kernels work on it.
pub const LANDING: usize = 32 << 20;

/// The most bytes that a device with libraries wants beside the planned memory for these commands.
pub fn beside<'a, P: 'a>(commands: impl IntoIterator<Item = &'a Command<P>>) -> usize {
    let (mut products, mut convolutions) = (0, 0);
    for command in commands {
        match command {
            Command::Product(_) => products = PRODUCTS_WORKSPACE,
            Command::Convolution(_) => convolutions = CONVOLUTIONS_WORKSPACE,
            Command::Launch(_) | Command::Copy { .. } | Command::Sum(_) => {}
        }
    }
    lanes::count().unwrap_or(1) * (products + convolutions) + LANDING
}

/// It may be sent to another thread, but is used by one at a time.
pub trait Machine: Send {
    /// How it computes, from which it follows how the values of its programs are stored.
    fn precision(&self) -> Precision;

    /// Whether a library of the device does this itself, so that no kernel is needed. Convolutions are asked about before
    /// it is known where they lie; their values have the type that libraries multiply.
    fn offers(&self, command: &Command<Place>) -> Result<bool, Fault>;

    /// Takes memory for `len` numbers, all zero, and makes the programs ready; places of commands are counted in numbers
    /// from the memory's start, in numbers of 32 bits whatever lies there. Called once.
    fn begin(&mut self, len: usize, programs: Vec<Vec<Task<Stored<usize>>>>) -> Result<(), Fault>;

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

#[cfg(test)]
mod tests {
    use super::{LANDING, PRODUCTS_WORKSPACE, beside};
    use crate::kernels::cuda::launch::{Command, Product};

    #[test]
    fn work_space_counts_once_and_only_where_a_library_works() {
        let copy = Command::Copy { from: 0, to: 8, len: 8 };
        let product =
            Product { sizes: [2, 2, 2], transpose_a: false, transpose_b: false, a: 0, b: 4, out: 8 };
        let product = Command::Product(product);
        assert_eq!(beside([&copy, &copy]), LANDING);
        assert_eq!(beside([&product, &copy, &product]), PRODUCTS_WORKSPACE + LANDING);
    }
}
