//! Large memory from the operating system: none is an error, and it comes in large pages.
//!
//! A training step streams through a hundred megabytes; with pages of 4 KiB the CPU looks up where each of them lies.
//! Linux gives pages of 2 MiB to those who ask, before they first write there.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed};

use crate::diag::{Fault, codes};

/// So many zeros. The system gives their pages when they are first written.
pub fn zeros(len: usize) -> Result<Vec<f32>, Fault> {
    if len == 0 {
        return Ok(Vec::new());
    }
    let refused = || {
        let megabytes = len as f64 * size_of::<f32>() as f64 / 1e6;
        Fault::new(
            codes::TOO_BIG,
            format!("the system cannot provide the {megabytes:.1} MB that are planned"),
        )
        .advise("a smaller `batch`, such as `--set train.batch=16`, or fewer channels or features")
        .advise("a higher memory limit (`ulimit -v`, or the container's)")
    };
    let layout = Layout::array::<f32>(len).map_err(|_| refused())?;
    // SAFETY: the layout is not empty.
    let first = unsafe { alloc_zeroed(layout) };
    if first.is_null() {
        return Err(refused());
    }
    // SAFETY: the global allocator gave this memory for `len` numbers, and zeros are numbers.
    Ok(unsafe { Vec::from_raw_parts(first.cast(), len, len) })
}

/// Numbers below this stay in small pages; two large ones.
#[cfg(target_os = "linux")]
const LEAST: usize = 4 << 20 >> 2;

/// Asks for large pages. Without effect where the system has none, and on what the memory holds.
pub fn prefer_large(numbers: &mut [f32]) {
    #[cfg(target_os = "linux")]
    if numbers.len() >= LEAST {
        const PAGE: usize = 4096;
        let range = numbers.as_mut_ptr_range();
        let first = range.start.addr().next_multiple_of(PAGE);
        let len = (range.end.addr() - first) / PAGE * PAGE;
        // SAFETY: whole pages of memory that the caller lends; the advice changes no content. Where it is refused,
        // pages stay small.
        unsafe {
            libc::madvise(range.start.with_addr(first).cast(), len, libc::MADV_HUGEPAGE);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = numbers;
}

#[cfg(test)]
mod tests {
    use super::zeros;

    #[test]
    fn memory_is_zero_or_refused() {
        for len in [0, 1, 5000] {
            assert_eq!(zeros(len), Ok(vec![0.0; len]));
        }
        // More than a program can name, and more than a machine has.
        for len in [usize::MAX / 2, usize::MAX / 8] {
            let fault = zeros(len).unwrap_err();
            assert!(fault.message.contains("MB that are planned"), "{}", fault.message);
        }
    }
}
