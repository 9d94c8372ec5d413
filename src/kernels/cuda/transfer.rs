//! Numbers of the host → the device's memory, while the host and the device go on: out of pinned memory, which the device
//! reads by itself.
//!
//! Small writes go on the stream of the kernels. A large one goes on a stream of its own to a place beside the memory while
//! the kernels of earlier steps run, and is moved from there, on the device, when their stream comes to it. There are two
//! halves of everything, so that one is filled while the other is read; the host waits only for a half that it needs again.
//!
//! Written against the driver's documentation of `cuMemHostAlloc`, `cuMemcpyHtoDAsync`,
//! `cuEventRecord`, `cuStreamWaitEvent` and "API synchronization behavior".
#![allow(unsafe_code)]

use std::sync::Arc;

use crate::diag::Fault;
use crate::kernels::cuda::driver::driver_fault;
use crate::kernels::cuda::machine::LANDING;
use crate::tensor::cudarc::driver::{
    CudaContext, CudaEvent, CudaSlice, CudaStream, DevicePtr, PinnedHostSlice, result,
};

/// The most numbers of a small write, and how many of them share a half.
const SMALL: usize = 1 << 14;
const SMALL_HALF: usize = 1 << 18;
/// Numbers of a half of a large one.
const LARGE_HALF: usize = LANDING / size_of::<f32>() / 2;

pub struct Transfers {
    small: [Half; 2],
    large: [Half; 2],
    /// The halves that are written next, and the numbers in the small one.
    next_small: usize,
    next_large: usize,
    filled: usize,
    /// Where large writes land.
    landing: CudaSlice<f32>,
    /// The stream of large writes, and that of the kernels.
    side: Arc<CudaStream>,
    stream: Arc<CudaStream>,
}

struct Half {
    host: PinnedHostSlice<f32>,
    /// Behind the last copy out of `host`.
    copied: CudaEvent,
    /// Behind the last copy out of this half's landing.
    taken: CudaEvent,
}

impl Half {
    fn new(context: &Arc<CudaContext>, len: usize) -> Result<Half, Fault> {
        // SAFETY: numbers are written before they are read: what is copied from was filled before.
        let host = unsafe { context.alloc_pinned::<f32>(len) }.map_err(driver_fault)?;
        let event = || context.new_event(None).map_err(driver_fault);
        Ok(Half { host, copied: event()?, taken: event()? })
    }
}

impl Transfers {
    pub fn new(context: &Arc<CudaContext>, stream: &Arc<CudaStream>) -> Result<Transfers, Fault> {
        let small = [Half::new(context, SMALL_HALF)?, Half::new(context, SMALL_HALF)?];
        let large = [Half::new(context, LARGE_HALF)?, Half::new(context, LARGE_HALF)?];
        let landing = stream.alloc_zeros::<f32>(2 * LARGE_HALF).map_err(driver_fault)?;
        let side = context.new_stream().map_err(driver_fault)?;
        // The landing is there when the stream of the kernels has come so far.
        side.join(stream).map_err(driver_fault)?;
        let stream = Arc::clone(stream);
        Ok(Transfers { small, large, next_small: 0, next_large: 0, filled: 0, landing, side, stream })
    }

    /// Writes numbers to an address, behind everything that the stream of the kernels was asked for; they may change as
    /// soon as this returns.
    ///
    /// # Safety
    /// So many numbers from the address on are memory of the device that nothing but the stream of the kernels uses.
    pub unsafe fn write(&mut self, address: u64, numbers: &[f32]) -> Result<(), Fault> {
        if numbers.len() <= SMALL {
            // SAFETY: the caller's.
            return unsafe { self.write_small(address, numbers) };
        }
        let mut to = address;
        for part in numbers.chunks(LARGE_HALF) {
            // SAFETY: the caller's, for a part of the range.
            unsafe { self.write_large(to, part) }?;
            to += size_of_val(part) as u64;
        }
        Ok(())
    }

    /// # Safety
    /// As [`Transfers::write`], of at most [`SMALL`] numbers.
    unsafe fn write_small(&mut self, address: u64, numbers: &[f32]) -> Result<(), Fault> {
        if self.filled + numbers.len() > SMALL_HALF {
            self.small[self.next_small].copied.record(&self.stream).map_err(driver_fault)?;
            self.next_small = 1 - self.next_small;
            self.filled = 0;
            self.small[self.next_small].copied.synchronize().map_err(driver_fault)?;
        }
        let host = self.small[self.next_small].host.as_mut_slice().map_err(driver_fault)?;
        let host = &mut host[self.filled..self.filled + numbers.len()];
        host.copy_from_slice(numbers);
        self.filled += numbers.len();
        // SAFETY: the target is the caller's; this part of the half is written again only behind `copied`.
        unsafe { result::memcpy_htod_async(address, host, self.stream.cu_stream()) }.map_err(driver_fault)
    }

    /// # Safety
    /// As [`Transfers::write`], of at most [`LARGE_HALF`] numbers.
    unsafe fn write_large(&mut self, address: u64, numbers: &[f32]) -> Result<(), Fault> {
        let landing = self.landing.device_ptr(&self.side).0;
        let landing = landing + (self.next_large * LARGE_HALF * size_of::<f32>()) as u64;
        let half = &mut self.large[self.next_large];
        self.next_large = 1 - self.next_large;
        half.copied.synchronize().map_err(driver_fault)?;
        let host = &mut half.host.as_mut_slice().map_err(driver_fault)?[..numbers.len()];
        host.copy_from_slice(numbers);
        self.side.wait(&half.taken).map_err(driver_fault)?;
        // SAFETY: the landing's half has this many numbers; what was in it has been taken when the copy begins, and what
        // is copied from is written again only behind `copied`.
        unsafe { result::memcpy_htod_async(landing, host, self.side.cu_stream()) }.map_err(driver_fault)?;
        half.copied.record(&self.side).map_err(driver_fault)?;
        self.stream.wait(&half.copied).map_err(driver_fault)?;
        // SAFETY: the target is the caller's; the landing lies apart from it, and is written again only behind `taken`.
        unsafe { result::memcpy_dtod_async(address, landing, size_of_val(numbers), self.stream.cu_stream()) }
            .map_err(driver_fault)?;
        half.taken.record(&self.stream).map_err(driver_fault)
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        // Nothing may be on its way out of memory that is given back. A device that fails here has failed before.
        let _ = self.side.synchronize();
        let _ = self.stream.synchronize();
    }
}
