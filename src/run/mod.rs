//! Graphs + a backend → what it compiled → a session that steps.
//!
//! ```text
//! Graph ── Backend::compile ──▶ Compiled { bytes, states, ports } ── start ──▶ Session
//! ```
//!
//! The graphs of a session share their states: training, evaluation, one for each batch size. On the CPU the whole step is
//! one in-place operation on one candle storage, the arena, and runs own kernels. On CUDA it is a sequence of commands on
//! one piece of the device's memory. On Metal the ops' reference evaluations run on candle tensors.

mod compiled;
pub mod cpu;
pub mod cuda;
mod initial;
mod interpreter;
mod runtime;
mod session;
pub mod stock;
pub mod walk;

pub use compiled::{Compiled, StateInfo};
pub use cpu::{Cpu, FewSteps, Shared};
pub use cuda::{Cuda, SharedCuda, log_len};
pub use initial::{initial, waves};
pub use interpreter::Interpreter;
pub use session::Session;

use std::sync::Arc;

use crate::diag::{Fault, codes};
use crate::graph::Graph;
use crate::kernels::cpu::peers::Peers;
pub use crate::kernels::cuda::precision::Precision;
use crate::plan::layout::Layout;
use crate::run::compiled::Planned;
use crate::tensor::Device;

/// A device with its way of planning and running.
pub trait Backend {
    /// Plans graphs that share their states, and the memory of a step. Takes nothing of that memory yet.
    fn compile(&self, graphs: Vec<Graph>) -> Result<Compiled, Fault> {
        Compiled::new(graphs, |graphs, layout| self.plan(graphs, layout))
    }

    /// Plans the graphs; their values lie after the states and constants of `layout`, which is theirs.
    fn plan(&self, graphs: Vec<Graph>, layout: &Layout) -> Result<Planned, Fault>;

    /// How exactly it computes where it has the choice.
    fn precision(&self) -> Precision {
        Precision::F32
    }

    /// Bytes that a new session can have, where somebody tells: of the machine's or its container's memory without swapping
    /// (Linux), or of the device's.
    fn available(&self) -> Option<u64>;

    /// Bytes of memory that the machine has, or its container, where the system tells (Linux); or those of the device.
    fn total(&self) -> Option<u64>;

    /// Whether it is the host's own processor: its threads are busy in a step, and its memory is the host's.
    fn is_host(&self) -> bool {
        false
    }
}

/// What runs on a device: own kernels on the CPU and on CUDA, in this precision where there is a choice; the ops' reference
/// evaluations on Metal.
pub fn on(device: &Device, precision: Precision) -> Box<dyn Backend> {
    match device {
        Device::Cpu => Box::new(Cpu),
        Device::Cuda(_) => Box::new(Cuda::on(device, precision)),
        Device::Metal(_) => Box::new(Interpreter(device.clone())),
    }
}

/// The same for one of several processes that share every batch; `n_near` of them are on this machine.
pub fn shared(
    device: &Device,
    precision: Precision,
    peers: &Arc<dyn Peers>,
    n_near: usize,
) -> Result<Box<dyn Backend>, Fault> {
    let refused = |message: &str| Fault::new(codes::DEVICE, message).advise("`--device cpu`");
    match device {
        Device::Cpu => Ok(Box::new(Shared { peers: Arc::clone(peers), n_near })),
        Device::Cuda(_) if cfg!(feature = "nccl") => Ok(Box::new(Cuda::joined(device, precision, peers))),
        Device::Cuda(_) => Err(refused("this dslc was built without NCCL, which lets GPUs share a batch")
            .advise("a build with `--features cudnn,nccl`, and with `mpi` for several machines")
            .advise("one process, for one GPU")),
        Device::Metal(_) => {
            Err(refused("several processes cannot share a batch on Metal").advise("one process"))
        }
    }
}
