//! The CUDA driver as a machine: kernels compiled by NVRTC for the device, one allocation, a stream for each lane of a program's
//! commands (`lanes.rs`). The first run of a program goes command by command; the second is recorded as a CUDA graph, which is
//! launched from then on.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;
#[cfg(feature = "nccl")]
use std::time::Instant;

use crate::diag::Fault;
use crate::kernels::cpu::peers::Peers;
use crate::kernels::cuda::blas::Blas;
#[cfg(feature = "cudnn")]
use crate::kernels::cuda::dnn::Dnn;
use crate::kernels::cuda::lanes::{self, lanes};
use crate::kernels::cuda::launch::{Argument, Command, Launch, Place, Task};
use crate::kernels::cuda::machine::Machine;
use crate::kernels::cuda::module::Module;
use crate::kernels::cuda::nvrtc;
use crate::kernels::cuda::precision::Precision;
#[cfg(feature = "nccl")]
use crate::kernels::cuda::ring::Ring;
use crate::kernels::cuda::storage::Stored;
use crate::kernels::cuda::transfer::Transfers;
use crate::tensor::cudarc::driver::sys::{CUevent_flags, CUgraphInstantiate_flags, CUstreamCaptureMode};
use crate::tensor::cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaGraph, CudaSlice, CudaStream, DevicePtr, DeviceRepr,
    DriverError, LaunchConfig, PushKernelArg, result,
};
use crate::tensor::{Device, device_fault};

pub struct Driver {
    // Dropped in this order: what uses the stream goes before it.
    programs: Vec<Program>,
    lanes: Vec<Lane>,
    transfers: Option<Transfers>,
    memory: Option<CudaSlice<f32>>,
    base: u64,
    #[cfg(feature = "nccl")]
    ring: Option<Ring>,
    stream: Arc<CudaStream>,
    context: Arc<CudaContext>,
    precision: Precision,
}

// SAFETY: nothing of it belongs to a thread. The driver's and the libraries' handles work in the context of whichever thread
// calls them, and each call binds it first; a machine is lent to one caller at a time, and nobody else has its handles.
unsafe impl Send for Driver {}

/// A stream, and the libraries that work on it in memory of their own. The first one's stream is that of transfers and programs.
struct Lane {
    blas: Blas,
    #[cfg(feature = "cudnn")]
    dnn: Dnn,
    stream: Arc<CudaStream>,
}

impl Lane {
    fn new(stream: Arc<CudaStream>, precision: Precision) -> Result<Lane, Fault> {
        Ok(Lane {
            blas: Blas::new(&stream, precision)?,
            #[cfg(feature = "cudnn")]
            dnn: Dnn::new(&stream, precision)?,
            stream,
        })
    }
}

struct Program {
    commands: Vec<Queued>,
    /// The lanes beside the first one, with what says that they may begin and what says that they have ended.
    others: Vec<(usize, CudaEvent, CudaEvent)>,
    recorded: Recorded,
}

/// A command in its lane.
struct Queued {
    work: Ready,
    lane: usize,
    /// Commands of other lanes that must be done before.
    after: Vec<usize>,
    /// What says that it is done, where other lanes wait for that.
    done: Option<CudaEvent>,
}

enum Recorded {
    /// After so many runs.
    Not(u32),
    Graph(CudaGraph),
    /// This driver does not record one of the commands: the program runs command by command, with the same results.
    Refused,
}

/// A command with everything that its call needs.
enum Ready {
    Launch {
        function: CudaFunction,
        config: LaunchConfig,
        parameters: Vec<Parameter>,
    },
    Product(usize),
    #[cfg(feature = "cudnn")]
    Convolution(usize),
    Copy {
        from: u64,
        to: u64,
        bytes: usize,
    },
    #[cfg(feature = "nccl")]
    Sum(Vec<(u64, usize)>),
}

/// How long a session that ends waits for sums with other processes.
#[cfg(feature = "nccl")]
const PARTING: Duration = Duration::from_secs(5);

/// How often a command runs to be timed.
const REPEATS: usize = 20;

/// A parameter of a kernel as it lies in memory, from its first byte on; none is larger.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Parameter([u32; PARAMETER]);
const PARAMETER: usize = 40;

// SAFETY: plain numbers without padding. The driver copies as many bytes as the kernel's parameter has, which are at
// most these (`parameter` refuses more).
unsafe impl DeviceRepr for Parameter {}

/// By their names in the module.
type Functions = BTreeMap<String, CudaFunction>;

pub(super) fn driver_fault(error: DriverError) -> Fault {
    device_fault("the CUDA driver", &error.to_string())
}

impl Driver {
    /// On a device that candle has opened; with the devices of other processes where these open theirs at the same time.
    pub fn new(
        device: &Device,
        precision: Precision,
        peers: Option<&Arc<dyn Peers>>,
    ) -> Result<Driver, Fault> {
        let context = Arc::clone(device.as_cuda_device()?.cuda_stream().context());
        let capability = context.compute_capability().map_err(driver_fault)?;
        let precision = precision.on(capability)?;
        // SAFETY: all work of this machine is on its own stream, in the order in which it is asked for; candle's tensors
        // are not used beside it. Events between streams would forbid recording.
        unsafe { context.disable_event_tracking() };
        // Work on the default stream cannot be recorded.
        let stream = context.new_stream().map_err(driver_fault)?;
        let mut lanes = vec![Lane::new(Arc::clone(&stream), precision)?];
        for _ in 1..lanes::count()? {
            lanes.push(Lane::new(context.new_stream().map_err(driver_fault)?, precision)?);
        }
        #[cfg(feature = "nccl")]
        let ring = peers.map(|peers| Ring::new(&context, peers)).transpose()?;
        #[cfg(not(feature = "nccl"))]
        if peers.is_some() {
            return Err(Fault::internal("several GPUs without NCCL"));
        }
        Ok(Driver {
            programs: Vec::new(),
            lanes,
            transfers: None,
            memory: None,
            base: 0,
            #[cfg(feature = "nccl")]
            ring,
            stream,
            context,
            precision,
        })
    }

    fn address(&self, at: usize) -> u64 {
        self.base + (at * size_of::<f32>()) as u64
    }

    fn functions(&self, module: &Module, programs: &[Vec<Task<Stored<usize>>>]) -> Result<Functions, Fault> {
        let ptx = nvrtc::compiled(module, self.context.compute_capability().map_err(driver_fault)?)?;
        let loaded = self.context.load_module(ptx).map_err(driver_fault)?;
        let mut functions = BTreeMap::new();
        for task in programs.iter().flatten() {
            let Command::Launch(launch) = &task.command else { continue };
            let name = module.name(launch).ok_or_else(|| Fault::internal("a kernel without a name"))?;
            if let Entry::Vacant(place) = functions.entry(name) {
                let function = loaded.load_function(place.key()).map_err(driver_fault)?;
                place.insert(function);
            }
        }
        Ok(functions)
    }

    fn ready(
        &mut self,
        command: &Command<Stored<usize>>,
        lane: usize,
        module: &Module,
        functions: &Functions,
    ) -> Result<Ready, Fault> {
        let command = command.at(&|own: Stored<usize>| own.map(|at| self.address(at)));
        Ok(match command {
            Command::Launch(launch) => {
                let function = module.name(&launch).and_then(|name| functions.get(&name)).cloned();
                let function = function.ok_or_else(|| Fault::internal("a kernel that was not compiled"))?;
                let Launch { blocks, threads, arguments, .. } = launch;
                let config = LaunchConfig {
                    grid_dim: (blocks, 1, 1),
                    block_dim: (threads, 1, 1),
                    shared_mem_bytes: 0,
                };
                let parameters = arguments.iter().map(parameter).collect::<Result<_, _>>()?;
                Ready::Launch { function, config, parameters }
            }
            Command::Product(product) => Ready::Product(self.lanes[lane].blas.add(product)?),
            #[cfg(feature = "cudnn")]
            Command::Convolution(convolution) => Ready::Convolution(self.lanes[lane].dnn.add(&convolution)?),
            #[cfg(not(feature = "cudnn"))]
            Command::Convolution(_) => {
                return Err(Fault::internal("a convolution for cuDNN, which is not there"));
            }
            Command::Copy { from, to, len } => {
                Ready::Copy { from: from.at, to: to.at, bytes: len * size_of::<f32>() }
            }
            #[cfg(feature = "nccl")]
            Command::Sum(parts) => Ready::Sum(parts.into_iter().map(|(own, len)| (own.at, len)).collect()),
            #[cfg(not(feature = "nccl"))]
            Command::Sum(_) => return Err(Fault::internal("a sum for NCCL, which is not there")),
        })
    }

    fn issue(&self, command: &Ready, lane: &Lane) -> Result<(), Fault> {
        match command {
            Ready::Launch { function, config, parameters } => {
                let mut builder = lane.stream.launch_builder(function);
                parameters.iter().for_each(|parameter| {
                    builder.arg(parameter);
                });
                // SAFETY: the parameters are what the kernel is declared to take: the host's suite of kernels compares
                // their number and sizes with the declarations. Pointers lie inside the allocation, by the plan.
                unsafe { builder.launch(*config) }.map(|_| ()).map_err(driver_fault)
            }
            Ready::Product(number) => lane.blas.run(*number),
            #[cfg(feature = "cudnn")]
            Ready::Convolution(number) => lane.dnn.run(*number),
            &Ready::Copy { from, to, bytes } => {
                // SAFETY: both ranges lie inside the allocation and apart, by the plan.
                unsafe { result::memcpy_dtod_async(to, from, bytes, lane.stream.cu_stream()) }
                    .map_err(driver_fault)
            }
            #[cfg(feature = "nccl")]
            Ready::Sum(parts) => {
                let ring = self.ring.as_ref().ok_or_else(|| Fault::internal("a sum of one process"))?;
                // SAFETY: the ranges lie inside the allocation, by the plan.
                unsafe { ring.sum(parts, &lane.stream) }
            }
        }
    }

    /// Issues a program's commands, each to its lane, between what the first lane was given before and is given next.
    fn issue_all(&self, program: &Program) -> Result<(), Fault> {
        for (lane, begun, _) in &program.others {
            begun.record(&self.stream).map_err(driver_fault)?;
            self.lanes[*lane].stream.wait(begun).map_err(driver_fault)?;
        }
        for Queued { work, lane, after, done } in &program.commands {
            let lane = &self.lanes[*lane];
            for earlier in after.iter().filter_map(|&number| program.commands[number].done.as_ref()) {
                lane.stream.wait(earlier).map_err(driver_fault)?;
            }
            self.issue(work, lane)?;
            if let Some(done) = done {
                done.record(&lane.stream).map_err(driver_fault)?;
            }
        }
        for (lane, _, ended) in &program.others {
            ended.record(&self.lanes[*lane].stream).map_err(driver_fault)?;
            self.stream.wait(ended).map_err(driver_fault)?;
        }
        Ok(())
    }

    /// The time of one command among equal ones that follow each other without the host.
    fn time(&self, command: &Queued) -> Result<Duration, Fault> {
        let lane = &self.lanes[command.lane];
        let repeat = || (0..REPEATS).try_for_each(|_| self.issue(&command.work, lane));
        let recorded = record(&lane.stream, repeat);
        let run = || match &recorded {
            Some(graph) => graph.launch().map_err(driver_fault),
            None => repeat(),
        };
        let mark = || lane.stream.record_event(Some(CUevent_flags::CU_EVENT_DEFAULT)).map_err(driver_fault);
        run()?;
        let from = mark()?;
        run()?;
        let milliseconds = from.elapsed_ms(&mark()?).map_err(driver_fault)?;
        Ok(Duration::from_secs_f64(f64::from(milliseconds.max(0.0)) / 1e3 / REPEATS as f64))
    }

    /// A program in its lanes.
    fn program(
        &mut self,
        tasks: &[Task<Stored<usize>>],
        module: &Module,
        functions: &Functions,
    ) -> Result<Program, Fault> {
        let after: Vec<Vec<usize>> = tasks.iter().map(|task| task.after.clone()).collect();
        let lanes = lanes(&after, self.lanes.len());
        let event = |context: &Arc<CudaContext>| {
            context.new_event(Some(CUevent_flags::CU_EVENT_DISABLE_TIMING)).map_err(driver_fault)
        };
        let mut commands: Vec<Queued> = Vec::with_capacity(tasks.len());
        for ((task, &lane), after) in tasks.iter().zip(&lanes).zip(after) {
            let after: Vec<usize> = after.into_iter().filter(|&earlier| lanes[earlier] != lane).collect();
            for &earlier in &after {
                if commands[earlier].done.is_none() {
                    commands[earlier].done = Some(event(&self.context)?);
                }
            }
            let work = self.ready(&task.command, lane, module, functions)?;
            commands.push(Queued { work, lane, after, done: None });
        }
        let others = (1..self.lanes.len()).filter(|lane| lanes.contains(lane));
        let others = others.map(|lane| Ok((lane, event(&self.context)?, event(&self.context)?)));
        let others = others.collect::<Result<_, Fault>>()?;
        Ok(Program { commands, others, recorded: Recorded::Not(0) })
    }
}

#[cfg(feature = "nccl")]
impl Driver {
    /// Whether everything that was asked for is done, or will be in this time.
    fn is_done_within(&self, time: Duration) -> bool {
        let begin = Instant::now();
        let marks =
            self.lanes.iter().map(|lane| lane.stream.record_event(None)).collect::<Result<Vec<_>, _>>();
        let Ok(marks) = marks else { return false };
        loop {
            match marks.iter().all(CudaEvent::is_complete) {
                true => return true,
                false if begin.elapsed() > time => return false,
                false => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

/// Records what is issued to a stream; `None` where the driver does not record one of its commands.
fn record(stream: &Arc<CudaStream>, issue: impl FnOnce() -> Result<(), Fault>) -> Option<CudaGraph> {
    stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).ok()?;
    let issued = issue();
    // Recording ends in any case; nothing was run by it.
    let graph = stream.end_capture(CUgraphInstantiate_flags(0));
    issued.ok().and_then(|()| graph.ok().flatten())
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Sums wait for the other processes, one of which may have ended.
        #[cfg(feature = "nccl")]
        if let Some(mut ring) = self.ring.take() {
            ring.is_done = self.is_done_within(PARTING);
        }
        // Kernels, descriptors and work spaces go when nothing uses them any more. Whether the device still answers is
        // of no consequence to a session that ends.
        let _ = self.finish();
    }
}

/// An argument as the kernel's parameter lies in memory.
fn parameter(argument: &Argument<Stored<u64>>) -> Result<Parameter, Fault> {
    let mut words = [0; PARAMETER];
    match argument {
        Argument::Memory(own) => (words[0], words[1]) = (own.at as u32, (own.at >> 32) as u32),
        Argument::Nothing => {}
        Argument::Int(number) => words[0] = *number as u32,
        Argument::Float(number) => words[0] = number.to_bits(),
        Argument::Ints(numbers) => {
            if numbers.len() > PARAMETER {
                return Err(Fault::internal("a kernel's parameter is too large"));
            }
            words.iter_mut().zip(numbers).for_each(|(word, &number)| *word = number as u32);
        }
    }
    Ok(Parameter(words))
}

impl Machine for Driver {
    fn precision(&self) -> Precision {
        self.precision
    }

    fn offers(&self, command: &Command<Place>) -> Result<bool, Fault> {
        match command {
            Command::Product(_) => Ok(true),
            #[cfg(feature = "cudnn")]
            Command::Convolution(own) => {
                self.context.bind_to_thread().map_err(driver_fault)?;
                self.lanes[0].dnn.offers(own)
            }
            #[cfg(not(feature = "cudnn"))]
            Command::Convolution(_) => Ok(false),
            Command::Launch(_) | Command::Copy { .. } | Command::Sum(_) => Ok(false),
        }
    }

    fn begin(&mut self, len: usize, programs: Vec<Vec<Task<Stored<usize>>>>) -> Result<(), Fault> {
        let memory = self.stream.alloc_zeros::<f32>(len.max(1)).map_err(driver_fault)?;
        self.base = memory.device_ptr(&self.stream).0;
        self.memory = Some(memory);
        self.transfers = Some(Transfers::new(&self.context, &self.stream)?);
        let module = Module::of(programs.iter().flatten().map(|task| &task.command));
        let functions = self.functions(&module, &programs)?;
        for tasks in &programs {
            let program = self.program(tasks, &module, &functions)?;
            self.programs.push(program);
        }
        for lane in &mut self.lanes {
            lane.blas.begin(&lane.stream)?;
            #[cfg(feature = "cudnn")]
            lane.dnn.begin(&lane.stream)?;
        }
        // Memory was set to zero on each lane's stream.
        self.finish()
    }

    fn write(&mut self, at: usize, numbers: &[f32]) -> Result<(), Fault> {
        if numbers.is_empty() {
            return Ok(());
        }
        let address = self.address(at);
        self.context.bind_to_thread().map_err(driver_fault)?;
        let transfers =
            self.transfers.as_mut().ok_or_else(|| Fault::internal("written before the memory"))?;
        // SAFETY: the range lies inside the allocation, by the plan, which this machine's stream alone uses.
        unsafe { transfers.write(address, numbers) }
    }

    fn read(&self, at: usize, numbers: &mut [f32]) -> Result<(), Fault> {
        if !numbers.is_empty() {
            self.context.bind_to_thread().map_err(driver_fault)?;
            // SAFETY: the range lies inside the allocation, by the plan; the numbers are looked at behind the wait.
            unsafe { result::memcpy_dtoh_async(numbers, self.address(at), self.stream.cu_stream()) }
                .map_err(driver_fault)?;
        }
        self.finish()
    }

    fn run(&mut self, number: usize) -> Result<(), Fault> {
        // Libraries work in the context of the thread that calls them.
        self.context.bind_to_thread().map_err(driver_fault)?;
        let program = &self.programs[number];
        let recorded = match program.recorded {
            // Libraries and kernels load what they need in the first run, which recording would forbid.
            Recorded::Not(0) => Recorded::Not(1),
            Recorded::Not(_) => {
                let graph = record(&self.stream, || self.issue_all(program));
                graph.map_or(Recorded::Refused, Recorded::Graph)
            }
            Recorded::Graph(ref graph) => return graph.launch().map_err(driver_fault),
            Recorded::Refused => return self.issue_all(program),
        };
        self.programs[number].recorded = recorded;
        let program = &self.programs[number];
        match &program.recorded {
            Recorded::Graph(graph) => graph.launch().map_err(driver_fault),
            Recorded::Not(_) | Recorded::Refused => self.issue_all(program),
        }
    }

    fn profile(&mut self, number: usize) -> Result<Vec<Duration>, Fault> {
        self.context.bind_to_thread().map_err(driver_fault)?;
        self.programs[number].commands.iter().map(|command| self.time(command)).collect()
    }

    fn finish(&self) -> Result<(), Fault> {
        self.lanes.iter().try_for_each(|lane| lane.stream.synchronize().map_err(driver_fault))
    }
}
