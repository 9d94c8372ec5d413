//! A device's name, as a command line has it (`cpu`, `cuda`, `cuda:1`, `metal`, `auto`) → candle's device; and what
//! devices there are. A build without a backend says so instead of taking another device.
//!
//! Devices are opened through candle. No code of this file but the CPU's has ever run on such a device.

use std::fmt;
use std::str::FromStr;

use crate::diag::{Fault, codes};
use crate::tensor::{Device, host};

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    #[default]
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
    Metal,
    /// The first of CUDA, Metal and the CPU that is compiled in and there.
    Auto,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Choice, String> {
        let number = |text: &str| text.parse::<u16>().map(|n| Choice::Cuda(usize::from(n))).ok();
        let known = match text {
            "cpu" => Some(Choice::Cpu),
            "cuda" => Some(Choice::Cuda(0)),
            "metal" => Some(Choice::Metal),
            "auto" => Some(Choice::Auto),
            _ => text.strip_prefix("cuda:").and_then(number),
        };
        known.ok_or_else(|| "a device is `cpu`, `cuda`, `cuda:N`, `metal` or `auto`".to_owned())
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Cpu => f.write_str("cpu"),
            Choice::Cuda(number) => write!(f, "cuda:{number}"),
            Choice::Metal => f.write_str("metal"),
            Choice::Auto => f.write_str("auto"),
        }
    }
}

/// A device that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub choice: Choice,
    /// As its maker calls it; empty where nobody says.
    pub name: String,
    pub total_bytes: Option<u64>,
    pub free_bytes: Option<u64>,
    /// CUDA's compute capability.
    pub capability: Option<(i32, i32)>,
}

/// The CPU, and every device of the backends that are compiled in.
pub fn list() -> Result<Vec<Found>, Fault> {
    let cpu = Found {
        choice: Choice::Cpu,
        name: String::new(),
        total_bytes: host::total_bytes(),
        free_bytes: host::free_bytes(),
        capability: None,
    };
    let mut found = vec![cpu];
    found.extend(cuda::list()?);
    found.extend(metal::list());
    Ok(found)
}

/// Opens the device, and says which one it is.
pub fn open(choice: Choice) -> Result<(Device, Choice), Fault> {
    let device = match choice {
        Choice::Cpu => Device::Cpu,
        Choice::Cuda(number) => cuda::open(number)?,
        Choice::Metal => metal::open()?,
        Choice::Auto => {
            let best = [Choice::Cuda(0), Choice::Metal].into_iter().find_map(|choice| open(choice).ok());
            return Ok(best.unwrap_or((Device::Cpu, Choice::Cpu)));
        }
    };
    Ok((device, choice))
}

/// Bytes that can still be had on a device other than the CPU, where its driver says.
pub fn free_bytes(device: &Device) -> Option<u64> {
    match device {
        Device::Cuda(_) => cuda::free_bytes(device),
        Device::Cpu | Device::Metal(_) => None,
    }
}

/// Bytes that a device other than the CPU has, where its driver says.
pub fn total_bytes(device: &Device) -> Option<u64> {
    match device {
        Device::Cuda(_) => cuda::total_bytes(device),
        Device::Cpu | Device::Metal(_) => None,
    }
}

/// Why a device cannot be opened.
fn absent(message: String) -> Fault {
    Fault::new(codes::DEVICE, message).advise("`dslc devices` lists what is there; `--device cpu` always is")
}

#[cfg(feature = "cuda")]
mod cuda {
    use candle_core::cuda_backend::cudarc::driver::{CudaContext, DriverError, result};

    use super::{Choice, Found, absent};
    use crate::diag::Fault;
    use crate::tensor::Device;

    /// 0 where there is no driver, or one without a device.
    fn count() -> Result<usize, DriverError> {
        CudaContext::device_count().map(|n| usize::try_from(n).unwrap_or(0))
    }

    pub(super) fn list() -> Result<Vec<Found>, Fault> {
        (0..count().unwrap_or(0)).map(|number| found(number).map_err(|e| broken(number, &e))).collect()
    }

    fn found(number: usize) -> Result<Found, DriverError> {
        let context = CudaContext::new(number)?;
        let (free, total) = context.mem_get_info()?;
        Ok(Found {
            choice: Choice::Cuda(number),
            name: context.name()?,
            total_bytes: Some(total as u64),
            free_bytes: Some(free as u64),
            capability: Some(context.compute_capability()?),
        })
    }

    pub(super) fn open(number: usize) -> Result<Device, Fault> {
        let there = count().map_err(|e| absent(format!("the CUDA driver does not answer: {e}")))?;
        if number >= there {
            let devices = if there == 1 { "device" } else { "devices" };
            return Err(absent(format!(
                "there is no device `cuda:{number}`: the driver knows {there} {devices}"
            )));
        }
        Device::new_cuda(number).map_err(|e| absent(format!("`cuda:{number}` cannot be opened: {e}")))
    }

    fn broken(number: usize, error: &DriverError) -> Fault {
        absent(format!("`cuda:{number}` does not answer: {error}"))
    }

    pub(super) fn free_bytes(device: &Device) -> Option<u64> {
        let stream = device.as_cuda_device().ok()?.cuda_stream();
        stream.context().bind_to_thread().ok()?;
        result::mem_get_info().ok().map(|(free, _)| free as u64)
    }

    pub(super) fn total_bytes(device: &Device) -> Option<u64> {
        let stream = device.as_cuda_device().ok()?.cuda_stream();
        stream.context().bind_to_thread().ok()?;
        result::mem_get_info().ok().map(|(_, total)| total as u64)
    }
}

#[cfg(not(feature = "cuda"))]
mod cuda {
    use super::{Found, absent};
    use crate::diag::Fault;
    use crate::tensor::Device;

    pub(super) fn list() -> Result<Vec<Found>, Fault> {
        Ok(Vec::new())
    }

    pub(super) fn open(_number: usize) -> Result<Device, Fault> {
        Err(absent("this dslc was built without CUDA".to_owned()).advise(
            "a build with it: `cargo build --release --features cuda,cudnn` (README.md, \"On a GPU\")",
        ))
    }

    pub(super) fn free_bytes(_device: &Device) -> Option<u64> {
        None
    }

    pub(super) fn total_bytes(_device: &Device) -> Option<u64> {
        None
    }
}

#[cfg(feature = "metal")]
mod metal {
    use super::{Choice, Found, absent};
    use crate::diag::Fault;
    use crate::tensor::Device;

    pub(super) fn list() -> Vec<Found> {
        let there = Device::new_metal(0).is_ok();
        let found = Found {
            choice: Choice::Metal,
            name: String::new(),
            total_bytes: None,
            free_bytes: None,
            capability: None,
        };
        there.then_some(found).into_iter().collect()
    }

    pub(super) fn open() -> Result<Device, Fault> {
        Device::new_metal(0).map_err(|e| absent(format!("`metal` cannot be opened: {e}")))
    }
}

#[cfg(not(feature = "metal"))]
mod metal {
    use super::{Found, absent};
    use crate::diag::Fault;
    use crate::tensor::Device;

    pub(super) fn list() -> Vec<Found> {
        Vec::new()
    }

    pub(super) fn open() -> Result<Device, Fault> {
        Err(absent("this dslc was built without Metal".to_owned()).advise(
            "a build with it, on macOS: `cargo build --release --features metal` (README.md, \"On a GPU\")",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, list, open};

    #[test]
    fn devices_are_read_as_they_are_written() {
        for (text, choice) in [
            ("cpu", Choice::Cpu),
            ("cuda:0", Choice::Cuda(0)),
            ("cuda:17", Choice::Cuda(17)),
            ("metal", Choice::Metal),
            ("auto", Choice::Auto),
        ] {
            assert_eq!(text.parse(), Ok(choice));
            assert_eq!(choice.to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(Choice::Cuda(0)));
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:99999", "CPU"] {
            assert!(wrong.parse::<Choice>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_cpu_is_always_there_and_auto_takes_something_that_is() {
        let found = list().unwrap();
        assert_eq!(found[0].choice, Choice::Cpu);
        let (_, taken) = open(Choice::Auto).unwrap();
        assert!(found.iter().any(|found| found.choice == taken), "{taken} is not listed");
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_backend_that_is_not_compiled_in_is_refused_with_the_way_to_have_it() {
        for choice in [Choice::Cuda(0), Choice::Metal] {
            let fault = format!("{:?}", open(choice).unwrap_err());
            assert!(fault.contains("built without") && fault.contains("--features"), "{fault}");
        }
    }
}
