//! The GPUs of several processes, one each. NCCL adds up their numbers.
#![allow(unsafe_code)]

use std::ffi::c_char;
use std::ptr::null_mut;
use std::sync::Arc;

use crate::diag::Fault;
use crate::kernels::cpu::peers::Peers;
use crate::kernels::cuda::driver::driver_fault;
use crate::tensor::cudarc::driver::{CudaContext, CudaStream};
use crate::tensor::cudarc::nccl::result::{self, NcclError};
use crate::tensor::cudarc::nccl::sys;
use crate::tensor::device_fault;

/// Bytes of what the first process tells the others, so that they find each other.
const ID: usize = 128;

pub struct Ring {
    comm: sys::ncclComm_t,
    /// Whether all that was asked of it is done, so that it need not be cut off.
    pub is_done: bool,
}

fn fault(error: NcclError) -> Fault {
    device_fault("NCCL", &format!("{:?}", error.0)).advise("`NCCL_DEBUG=WARN` in the environment, to see why")
}

impl Ring {
    /// Of all processes, which must call this at the same time. The device of the context is that of this one, and of no other.
    pub fn new(context: &Arc<CudaContext>, peers: &Arc<dyn Peers>) -> Result<Ring, Fault> {
        let rank = peers.rank();
        let (own, failed) = match rank.number {
            0 => match result::get_uniqueid() {
                Ok(id) => (id.internal.iter().map(|&byte| byte as u8).collect(), None),
                Err(error) => (Vec::new(), Some(fault(error))),
            },
            _ => (Vec::new(), None),
        };
        let told = peers.bytes(&own)?.into_iter().next().unwrap_or_default();
        if let Some(failed) = failed {
            return Err(failed);
        }
        let told: [u8; ID] =
            told.try_into().map_err(|_| device_fault("NCCL", "the first process could not begin"))?;
        let id = sys::ncclUniqueId { internal: told.map(|byte| byte as c_char) };
        context.bind_to_thread().map_err(driver_fault)?;
        let mut comm = null_mut();
        let int = |n: usize| i32::try_from(n).map_err(Fault::internal);
        // SAFETY: the pointer is written before the call returns, and the context is this thread's.
        unsafe { result::comm_init_rank(&raw mut comm, int(rank.n)?, id, int(rank.number)?) }
            .map_err(fault)?;
        Ok(Ring { comm, is_done: false })
    }

    /// Adds up what lies at these addresses, so many f32 at each, with what the other processes have there. All must do the same
    /// in the same order.
    ///
    /// # Safety
    /// The numbers lie in memory of the ring's device that lives until the stream has done this.
    pub unsafe fn sum(&self, parts: &[(u64, usize)], stream: &CudaStream) -> Result<(), Fault> {
        let (float, sum) = (sys::ncclDataType_t::ncclFloat32, sys::ncclRedOp_t::ncclSum);
        result::group_start().map_err(fault)?;
        let added = parts.iter().try_for_each(|&(at, len)| {
            let (from, to) = (at as *const _, at as *mut _);
            // SAFETY: the caller's.
            unsafe { result::all_reduce(from, to, len, float, sum, self.comm, stream.cu_stream().cast()) }
                .map(|_| ())
        });
        // A group ends in any case.
        let ended = result::group_end().map(|_| ());
        added.and(ended).map_err(fault)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Whether the others still answer is of no consequence to a session that ends.
        // SAFETY: nobody uses it any more.
        let _ = match self.is_done {
            true => unsafe { result::comm_destroy(self.comm) },
            false => unsafe { result::comm_abort(self.comm) },
        };
    }
}
