//! A hint to the operating system: large memory in large pages.
//!
//! A training step streams through a hundred megabytes; with pages of 4 KiB the CPU looks up where each of them lies.
//! Linux gives pages of 2 MiB to those who ask, before they first write there.
#![allow(unsafe_code)]

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
