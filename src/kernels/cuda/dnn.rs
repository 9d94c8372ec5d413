//! cuDNN for convolutions and both of their gradients, in full f32 or, where it is asked for, with factors in TF32 or
//! values in bf16, whose sums are f32; only with algorithms that give the same bits each time. cuDNN's heuristics choose among those.
//!
//! **Never run on a GPU.** Written against cuDNN's documentation of `cudnnConvolutionForward`,
//! `cudnnConvolutionBackwardData`, `cudnnConvolutionBackwardFilter` and their `Get…Algorithm_v7`.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::mem::zeroed;
use std::ptr::null_mut;
use std::sync::Arc;

use crate::diag::Fault;
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::launch::{Convolution, Direction, int};
use crate::kernels::cuda::machine::CONVOLUTIONS_WORKSPACE;
use crate::kernels::cuda::precision::Precision;
use crate::kernels::cuda::storage::{Storage, Stored};
use crate::tensor::cudarc::cudnn::result::{self, CudnnError};
use crate::tensor::cudarc::cudnn::sys::{
    cudnnConvolutionBwdDataAlgo_t, cudnnConvolutionBwdFilterAlgo_t, cudnnConvolutionDescriptor_t,
    cudnnConvolutionFwdAlgo_t, cudnnConvolutionMode_t, cudnnDataType_t, cudnnDeterminism_t,
    cudnnFilterDescriptor_t, cudnnHandle_t, cudnnMathType_t, cudnnStatus_t, cudnnTensorDescriptor_t,
    cudnnTensorFormat_t,
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

/// cuDNN's descriptions of a convolution's three values and of how they belong together.
struct Shapes {
    images: cudnnTensorDescriptor_t,
    weight: cudnnFilterDescriptor_t,
    output: cudnnTensorDescriptor_t,
    convolution: cudnnConvolutionDescriptor_t,
}

fn fault(error: CudnnError) -> Fault {
    device_fault("cuDNN", &format!("{error:?}"))
}

impl Drop for Shapes {
    fn drop(&mut self) {
        // SAFETY: each was made by `Shapes::new`, or is null where that failed, and nobody else has it. Whether they are
        // freed well is of no consequence to a session that ends.
        unsafe {
            if !self.images.is_null() {
                let _ = result::destroy_tensor_descriptor(self.images);
            }
            if !self.weight.is_null() {
                let _ = result::destroy_filter_descriptor(self.weight);
            }
            if !self.output.is_null() {
                let _ = result::destroy_tensor_descriptor(self.output);
            }
            if !self.convolution.is_null() {
                let _ = result::destroy_convolution_descriptor(self.convolution);
            }
        }
    }
}

impl Shapes {
    fn new<P>(own: &Convolution<P>, storage: Storage, precision: Precision) -> Result<Shapes, Fault> {
        let g = own.geometry;
        let w = g.windows;
        let four = |dims: [usize; 4]| -> Result<[c_int; 4], Fault> {
            Ok([int(dims[0])?, int(dims[1])?, int(dims[2])?, int(dims[3])?])
        };
        let images = four([g.batch, g.in_channels, w.height, w.width])?;
        let weight = four([g.out_channels, g.in_channels / g.groups, w.rows.kernel, w.columns.kernel])?;
        let output = four([g.batch, g.out_channels, w.out_height, w.out_width])?;
        let [pad_h, pad_w, ..] = four([w.rows.before, w.columns.before, 0, 0])?;
        let [stride_h, stride_w, dilation_h, dilation_w] =
            four([w.rows.stride, w.columns.stride, w.rows.dilation, w.columns.dilation])?;
        // Extents are given as of `N x C x H x W` whatever the format (`cudnnSetTensor4dDescriptor`,
        // `cudnnSetFilter4dDescriptor`).
        let format = match own.format {
            Format::ChannelsFirst => cudnnTensorFormat_t::CUDNN_TENSOR_NCHW,
            Format::ChannelsLast => cudnnTensorFormat_t::CUDNN_TENSOR_NHWC,
        };
        let float = cudnnDataType_t::CUDNN_DATA_FLOAT;
        let data = match storage {
            Storage::F32 => float,
            Storage::Bf16 => cudnnDataType_t::CUDNN_DATA_BFLOAT16,
        };
        let mut shapes =
            Shapes { images: null_mut(), weight: null_mut(), output: null_mut(), convolution: null_mut() };
        shapes.images = result::create_tensor_descriptor().map_err(fault)?;
        shapes.weight = result::create_filter_descriptor().map_err(fault)?;
        shapes.output = result::create_tensor_descriptor().map_err(fault)?;
        shapes.convolution = result::create_convolution_descriptor().map_err(fault)?;
        // SAFETY: the descriptors were just made.
        unsafe {
            result::set_tensor4d_descriptor(shapes.images, format, data, images).map_err(fault)?;
            result::set_filter4d_descriptor(shapes.weight, data, format, weight).map_err(fault)?;
            result::set_tensor4d_descriptor(shapes.output, format, data, output).map_err(fault)?;
            result::set_convolution2d_descriptor(
                shapes.convolution,
                pad_h,
                pad_w,
                stride_h,
                stride_w,
                dilation_h,
                dilation_w,
                cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION,
                float,
            )
            .map_err(fault)?;
            result::set_convolution_group_count(shapes.convolution, int(g.groups)?).map_err(fault)?;
            let math = match precision {
                // Without tensor cores, which would round the factors to TF32.
                Precision::F32 => cudnnMathType_t::CUDNN_FMA_MATH,
                Precision::Tf32 => cudnnMathType_t::CUDNN_DEFAULT_MATH,
                Precision::Bf16 => cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
            };
            result::set_convolution_math_type(shapes.convolution, math).map_err(fault)?;
        }
        Ok(shapes)
    }
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
        let (algorithm, bytes) =
            found.ok_or_else(|| device_fault("cuDNN", "a convolution that it offered is none any more"))?;
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
