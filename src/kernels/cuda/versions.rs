//! Versions of the driver and of the libraries that a build with CUDA is linked to, as they say themselves.
#![allow(unsafe_code)]

use std::ffi::c_int;

use crate::tensor::cudarc::cublas::sys::cublasGetProperty;
use crate::tensor::cudarc::cublas::sys::libraryPropertyType;
use crate::tensor::cudarc::driver::sys::{CUDA_VERSION, cuDriverGetVersion};
use crate::tensor::cudarc::nvrtc::sys::nvrtcVersion;

/// What each is of, and its version; what does not answer says so.
pub fn versions() -> Vec<(&'static str, String)> {
    let mut versions = vec![("CUDA that dslc was built for", of_cuda(i64::from(CUDA_VERSION)))];
    versions.push(("newest CUDA of the driver", driver().map_or_else(|| "no answer".to_owned(), of_cuda)));
    versions.push(("NVRTC", nvrtc()));
    versions.push(("cuBLAS", cublas()));
    #[cfg(feature = "cudnn")]
    versions.push(("cuDNN", cudnn()));
    versions
}

/// `13000` is 13.0.
fn of_cuda(version: i64) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

fn driver() -> Option<i64> {
    let mut version: c_int = 0;
    // SAFETY: the driver writes one number to the place that it is given.
    let result = unsafe { cuDriverGetVersion(&mut version) }.result();
    result.ok().map(|()| i64::from(version))
}

pub fn nvrtc() -> String {
    let (mut major, mut minor): (c_int, c_int) = (0, 0);
    // SAFETY: the library writes two numbers to the places that it is given.
    match unsafe { nvrtcVersion(&mut major, &mut minor) }.result() {
        Ok(()) => format!("{major}.{minor}"),
        Err(_) => "no answer".to_owned(),
    }
}

fn cublas() -> String {
    let parts = [
        libraryPropertyType::MAJOR_VERSION,
        libraryPropertyType::MINOR_VERSION,
        libraryPropertyType::PATCH_LEVEL,
    ];
    let parts = parts.map(|part| {
        let mut number: c_int = 0;
        // SAFETY: the library writes one number to the place that it is given.
        unsafe { cublasGetProperty(part, &mut number) }.result().map(|()| number.to_string())
    });
    match parts.into_iter().collect::<Result<Vec<_>, _>>() {
        Ok(parts) => parts.join("."),
        Err(_) => "no answer".to_owned(),
    }
}

/// `91002` is 9.10.2.
#[cfg(feature = "cudnn")]
fn cudnn() -> String {
    let version = crate::tensor::cudarc::cudnn::result::get_version();
    format!("{}.{}.{}", version / 10_000, version % 10_000 / 100, version % 100)
}
