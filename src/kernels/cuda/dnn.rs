//! cuDNN for convolutions and both of their gradients, in full f32 or, where it is asked for, with factors in TF32 or
//! values in bf16, whose sums are f32; only with algorithms that give the same bits each time. cuDNN's heuristics choose
//! among those.
//!
//! Written against cuDNN's documentation of `cudnnConvolutionForward`,
//! `cudnnConvolutionBackwardData`, `cudnnConvolutionBackwardFilter` and their `Get…Algorithm_v7`.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::mem::zeroed;
use std::sync::Arc;

use crate::diag::Fault;
use crate::kernels::cuda::descriptors::{Shapes, fault};
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::launch::{Convolution, Direction};
use crate::kernels::cuda::machine::CONVOLUTIONS_WORKSPACE;
use crate::kernels::cuda::precision::Precision;
use crate::kernels::cuda::storage::Stored;
use crate::tensor::cudarc::cudnn::result::{self, CudnnError};
use crate::tensor::cudarc::cudnn::sys::{
    cudnnConvolutionBwdDataAlgo_t, cudnnConvolutionBwdFilterAlgo_t, cudnnConvolutionDescriptor_t,
    cudnnConvolutionFwdAlgo_t, cudnnDeterminism_t, cudnnHandle_t, cudnnMathType_t, cudnnStatus_t,
};
use crate::tensor::cudarc::driver::{CudaSlice, CudaStream, DevicePtr};
use crate::tensor::device_fault;

/// Algorithms that are asked for: there are 8 at most, each without and with tensor cores
/// (`cudnnGetConvolutionForwardAlgorithmMaxCount` in cuDNN's API reference).
const MOST: usize = 16;

pub struct Dnn {
    calls: Vec<Call>,
    handle: cudnnHandle_t,
    precision: Precision,
    workspace: Option<CudaSlice<u8>>,
    /// Where the workspace lies, and what the largest convolution wants of it.
    address: u64,
    bytes: usize,
}

struct Call {
    shapes: Shapes,
    algorithm: Algorithm,
    images: u64,
    weight: u64,
    output: u64,
}

#[derive(Clone, Copy)]
enum Algorithm {
    Output(cudnnConvolutionFwdAlgo_t),
    GradInput(cudnnConvolutionBwdDataAlgo_t),
    GradWeight(cudnnConvolutionBwdFilterAlgo_t),
}

/// The algorithms that work in the work space and repeat their bits, the fastest first, with the arithmetic that each
/// wants. None rounds f32 to less than TF32, and with a precision of f32 the descriptor forbids that, too.
macro_rules! candidates {
    ($asked:expr, $found:expr, $n:expr, $which:path) => {{
        let n = if supported($asked)?.is_some() { usize::try_from($n).unwrap_or(0) } else { 0 };
        let fit = $found.iter().take(n).filter(|own| {
            own.status == cudnnStatus_t::CUDNN_STATUS_SUCCESS
                && own.memory <= CONVOLUTIONS_WORKSPACE
                && own.determinism == cudnnDeterminism_t::CUDNN_DETERMINISTIC
                && own.mathType != cudnnMathType_t::CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION
        });
        fit.map(|own| ($which(own.algo), own.mathType)).collect::<Vec<_>>()
    }};
}

/// What cuDNN answered; nothing where it does not support what it was asked for.
fn supported<T>(asked: Result<T, CudnnError>) -> Result<Option<T>, Fault> {
    // From version 9 on there is a status for each reason.
    let is_lack = |status| format!("{status:?}").starts_with("CUDNN_STATUS_NOT_SUPPORTED");
    match asked {
        Ok(answer) => Ok(Some(answer)),
        Err(CudnnError(status)) if is_lack(status) => Ok(None),
        Err(error) => Err(fault(error)),
    }
}

impl Dnn {
    pub fn new(stream: &Arc<CudaStream>, precision: Precision) -> Result<Dnn, Fault> {
        stream.context().bind_to_thread().map_err(super::driver::driver_fault)?;
        let handle = result::create_handle().map_err(fault)?;
        let dnn = Dnn { calls: Vec::new(), handle, precision, workspace: None, address: 0, bytes: 0 };
        // SAFETY: the handle was just made; the machine keeps the stream for longer than this.
        unsafe { result::set_stream(dnn.handle, stream.cu_stream() as *mut _) }.map_err(fault)?;
        Ok(dnn)
    }

    /// Whether there is a way to compute a convolution in its format that repeats its bits within the work space.
    pub fn offers<P>(&self, own: &Convolution<P>) -> Result<bool, Fault> {
        let shapes = Shapes::new(own, self.precision.storage(), self.precision);
        let choice = shapes.and_then(|shapes| self.choice(own.direction, &shapes));
        match (choice, own.format) {
            (Ok(choice), _) => Ok(choice.is_some()),
            // Whatever it has against channels last: if something is wrong with the device, the question about channels
            // first, which comes next, tells.
            (Err(_), Format::ChannelsLast) => Ok(false),
            (Err(fault), Format::ChannelsFirst) => Err(fault),
        }
    }

    /// What cuDNN's heuristics put first of what it can do, and the bytes of its work space; the descriptor has its
    /// arithmetic then.
    fn choice(&self, direction: Direction, shapes: &Shapes) -> Result<Option<(Algorithm, usize)>, Fault> {
        for (algorithm, math) in self.candidates(direction, shapes)? {
            self.take_up(shapes.convolution, math)?;
            let bytes = self.workspace(shapes, algorithm)?;
            if let Some(bytes) = bytes.filter(|&bytes| bytes <= CONVOLUTIONS_WORKSPACE) {
                return Ok(Some((algorithm, bytes)));
            }
        }
        Ok(None)
    }

    /// The bytes of an algorithm's work space; nothing where it does not do this convolution.
    fn workspace(&self, shapes: &Shapes, algorithm: Algorithm) -> Result<Option<usize>, Fault> {
        let &Shapes { images, weight, output, convolution } = shapes;
        let handle = self.handle;
        // SAFETY: handle and descriptors are alive.
        supported(unsafe {
            match algorithm {
                Algorithm::Output(own) => result::get_convolution_forward_workspace_size(
                    handle,
                    images,
                    weight,
                    convolution,
                    output,
                    own,
                ),
                Algorithm::GradInput(own) => result::get_convolution_backward_data_workspace_size(
                    handle,
                    weight,
                    output,
                    convolution,
                    images,
                    own,
                ),
                Algorithm::GradWeight(own) => result::get_convolution_backward_filter_workspace_size(
                    handle,
                    images,
                    output,
                    convolution,
                    weight,
                    own,
                ),
            }
        })
    }

    fn candidates(
        &self,
        direction: Direction,
        shapes: &Shapes,
    ) -> Result<Vec<(Algorithm, cudnnMathType_t)>, Fault> {
        let &Shapes { images, weight, output, convolution } = shapes;
        let (handle, most) = (self.handle, MOST as c_int);
        let mut n: c_int = 0;
        // SAFETY: handle and descriptors are alive; `n` and the array of `MOST` results are written only within their
        // bounds; all-zero bytes are valid in such a result.
        Ok(unsafe {
            match direction {
                Direction::Output => {
                    let mut found = [zeroed(); MOST];
                    let at = found.as_mut_ptr();
                    let asked = result::get_convolution_forward_algorithm(
                        handle,
                        images,
                        weight,
                        convolution,
                        output,
                        most,
                        &mut n,
                        at,
                    );
                    candidates!(asked, found, n, Algorithm::Output)
                }
                Direction::GradInput => {
                    let mut found = [zeroed(); MOST];
                    let at = found.as_mut_ptr();
                    let asked = result::get_convolution_backward_data_algorithm(
                        handle,
                        weight,
                        output,
                        convolution,
                        images,
                        most,
                        &mut n,
                        at,
                    );
                    candidates!(asked, found, n, Algorithm::GradInput)
                }
                Direction::GradWeight => {
                    let mut found = [zeroed(); MOST];
                    let at = found.as_mut_ptr();
                    let asked = result::get_convolution_backward_filter_algorithm(
                        handle,
                        images,
                        output,
                        convolution,
                        weight,
                        most,
                        &mut n,
                        at,
                    );
                    candidates!(asked, found, n, Algorithm::GradWeight)
                }
            }
        })
    }

    /// Takes a convolution, chooses how to compute it, and gives its number.
    pub fn add(&mut self, own: &Convolution<Stored<u64>>) -> Result<usize, Fault> {
        let storage = self.precision.storage();
        if [own.images, own.weight, own.output].iter().any(|value| value.storage != storage) {
            return Err(Fault::internal("a convolution for cuDNN of values that are stored otherwise"));
        }
        let shapes = Shapes::new(own, storage, self.precision)?;
        let found = self.choice(own.direction, &shapes)?;
        let (algorithm, bytes) = found.ok_or_else(|| {
            device_fault("cuDNN", "it refused a convolution algorithm that it had just offered")
        })?;
        self.bytes = self.bytes.max(bytes);
        let (images, weight, output) = (own.images.at, own.weight.at, own.output.at);
        self.calls.push(Call { shapes, algorithm, images, weight, output });
        Ok(self.calls.len() - 1)
    }

    /// Gives a convolution the arithmetic that its algorithm was found with, where that is not asked to be full f32.
    fn take_up(&self, convolution: cudnnConvolutionDescriptor_t, math: cudnnMathType_t) -> Result<(), Fault> {
        match self.precision {
            Precision::F32 => Ok(()),
            // SAFETY: the caller's descriptor is alive.
            Precision::Tf32 | Precision::Bf16 => {
                unsafe { result::set_convolution_math_type(convolution, math) }.map_err(fault)
            }
        }
    }

    /// Takes the memory that the convolutions want; they run one after another and share it.
    pub fn begin(&mut self, stream: &Arc<CudaStream>) -> Result<(), Fault> {
        if self.bytes > 0 {
            let workspace = stream.alloc_zeros::<u8>(self.bytes).map_err(super::driver::driver_fault)?;
            self.address = workspace.device_ptr(stream).0;
            self.workspace = Some(workspace);
        }
        Ok(())
    }

    pub fn run(&self, number: usize) -> Result<(), Fault> {
        let Call { shapes, algorithm, images, weight, output } = &self.calls[number];
        let (one, zero) = (1.0f32, 0.0f32);
        let one = (&raw const one).cast::<c_void>();
        let zero = (&raw const zero).cast::<c_void>();
        let workspace = self.address as *mut c_void;
        // SAFETY: handle and descriptors are alive; addresses are those of whole values of the described shapes inside
        // the machine's allocation, by the plan; the workspace has the bytes that the largest call wants.
        unsafe {
            match algorithm {
                Algorithm::Output(algorithm) => result::convolution_forward(
                    self.handle,
                    one,
                    shapes.images,
                    *images as *const c_void,
                    shapes.weight,
                    *weight as *const c_void,
                    shapes.convolution,
                    *algorithm,
                    workspace,
                    self.bytes,
                    zero,
                    shapes.output,
                    *output as *mut c_void,
                ),
                Algorithm::GradInput(algorithm) => result::convolution_backward_data(
                    self.handle,
                    one,
                    shapes.weight,
                    *weight as *const c_void,
                    shapes.output,
                    *output as *const c_void,
                    shapes.convolution,
                    *algorithm,
                    workspace,
                    self.bytes,
                    zero,
                    shapes.images,
                    *images as *mut c_void,
                ),
                Algorithm::GradWeight(algorithm) => result::convolution_backward_filter(
                    self.handle,
                    one,
                    shapes.images,
                    *images as *const c_void,
                    shapes.output,
                    *output as *const c_void,
                    shapes.convolution,
                    *algorithm,
                    workspace,
                    self.bytes,
                    zero,
                    shapes.weight,
                    *weight as *mut c_void,
                ),
            }
        }
        .map_err(fault)
    }
}

impl Drop for Dnn {
    fn drop(&mut self) {
        self.calls.clear();
        // SAFETY: made by `Dnn::new`; nobody else has it, and nothing uses it behind this.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}
