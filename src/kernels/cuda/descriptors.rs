//! A convolution → cuDNN's descriptors of it.
//!
//! Written against cuDNN's documentation of `cudnnSetTensor4dDescriptor`,
//! `cudnnSetFilter4dDescriptor` and `cudnnSetConvolution2dDescriptor`.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ptr::null_mut;

use crate::diag::Fault;
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::launch::{Convolution, int};
use crate::kernels::cuda::precision::Precision;
use crate::kernels::cuda::storage::Storage;
use crate::tensor::cudarc::cudnn::result::{self, CudnnError};
use crate::tensor::cudarc::cudnn::sys::{
    cudnnConvolutionDescriptor_t, cudnnConvolutionMode_t, cudnnDataType_t, cudnnFilterDescriptor_t,
    cudnnMathType_t, cudnnTensorDescriptor_t, cudnnTensorFormat_t,
};
use crate::tensor::device_fault;

/// cuDNN's descriptions of a convolution's three values and of how they belong together.
pub struct Shapes {
    pub images: cudnnTensorDescriptor_t,
    pub weight: cudnnFilterDescriptor_t,
    pub output: cudnnTensorDescriptor_t,
    pub convolution: cudnnConvolutionDescriptor_t,
}

pub fn fault(error: CudnnError) -> Fault {
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
    pub fn new<P>(own: &Convolution<P>, storage: Storage, precision: Precision) -> Result<Shapes, Fault> {
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
