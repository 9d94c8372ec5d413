//! A device's name, as a command line has it (`cpu`, `cuda`, `cuda:1`, `metal`, `auto`) → candle's device; and what
//! devices there are. A build without a backend says so instead of taking another device.
//!
//! Devices are opened through candle.

use std::fmt;
use std::str::FromStr;

use crate::diag::{Fault, codes};
use crate::tensor::{Device, host};

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    #[default]
    Cpu,
    /// The first CUDA device; of several processes on a machine, each one's own.
    OwnCuda,
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
            "cuda" => Some(Choice::OwnCuda),
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
            Choice::OwnCuda => f.write_str("cuda"),
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

/// A device that is there and does not answer, or a backend (`cuda`) whose driver is there and fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub device: String,
    /// As the driver said it.
    pub reason: String,
}

/// The CPU, and every device of the backends that are compiled in.
pub fn list() -> Vec<Result<Found, Failure>> {
    let cpu = Found {
        choice: Choice::Cpu,
        name: String::new(),
        total_bytes: host::total_bytes(),
        free_bytes: host::free_bytes(),
        capability: None,
    };
    let mut all = vec![Ok(cpu)];
    all.extend(cuda::list());
    all.extend(metal::list());
    all
}

/// A device for use.
pub struct Opened {
    pub device: Device,
    /// Which one it is.
    pub choice: Choice,
    /// Why [`Choice::Auto`] could not take what it would rather have had, where a driver is there and fails.
    pub failed: Vec<String>,
}

/// Why a device was not opened.
struct Refusal {
    fault: Fault,
    /// Whether its driver is there and fails. Else there is no such device, no driver for it, or no backend in this build.
    is_there: bool,
}

/// Opens the device, and says which one it is.
pub fn open(choice: Choice) -> Result<Opened, Fault> {
    open_own(choice, 0)
}

/// The same for process number `own` of those on this machine. A launcher may let each see its own GPU alone.
pub fn open_own(choice: Choice, own: usize) -> Result<Opened, Fault> {
    let is_asked = matches!(choice, Choice::OwnCuda | Choice::Auto) && own > 0;
    let number = if is_asked && cuda::count().is_ok_and(|n| n > 1) { own } else { 0 };
    let (choice, device) = match choice {
        Choice::Cpu => (choice, Ok(Device::Cpu)),
        Choice::OwnCuda => (Choice::Cuda(number), cuda::open(number)),
        Choice::Cuda(number) => (choice, cuda::open(number)),
        Choice::Metal => (choice, metal::open()),
        Choice::Auto => {
            let cuda = std::iter::once_with(|| (Choice::Cuda(number), cuda::open(number)));
            return Ok(best(cuda.chain(std::iter::once_with(|| (Choice::Metal, metal::open())))));
        }
    };
    match device {
        Ok(device) => Ok(Opened { device, choice, failed: Vec::new() }),
        Err(refusal) => Err(refusal.fault),
    }
}

/// The first that was opened, else the CPU.
fn best(tries: impl Iterator<Item = (Choice, Result<Device, Refusal>)>) -> Opened {
    let mut failed = Vec::new();
    for (choice, device) in tries {
        match device {
            Ok(device) => return Opened { device, choice, failed },
            Err(refusal) if refusal.is_there => failed.push(refusal.fault.message),
            Err(_) => {}
        }
    }
    Opened { device: Device::Cpu, choice: Choice::Cpu, failed }
}

/// What kind of device it is, by the name of its backend.
pub fn kind(device: &Device) -> &'static str {
    match device {
        Device::Cpu => "cpu",
        Device::Cuda(_) => "cuda",
        Device::Metal(_) => "metal",
    }
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
    Fault::new(codes::DEVICE, message)
        .advise("`dslc devices` lists what this machine has; `--device cpu` always works")
}

#[cfg(feature = "cuda")]
mod cuda {
    use candle_core::cuda_backend::cudarc::driver::sys::CUresult;
    use candle_core::cuda_backend::cudarc::driver::{CudaContext, DriverError, result};

    use super::{Choice, Failure, Found, Refusal, absent};
    use crate::tensor::Device;

    /// 0 where there is a driver's stub alone, or a driver without a device.
    pub(super) fn count() -> Result<usize, DriverError> {
        match CudaContext::device_count() {
            Ok(n) => Ok(usize::try_from(n).unwrap_or(0)),
            Err(DriverError(CUresult::CUDA_ERROR_NO_DEVICE | CUresult::CUDA_ERROR_STUB_LIBRARY)) => Ok(0),
            Err(error) => Err(error),
        }
    }

    pub(super) fn list() -> Vec<Result<Found, Failure>> {
        let failure = |device: String, error: DriverError| Failure { device, reason: error.to_string() };
        match count() {
            Ok(n) => (0..n)
                .map(|number| found(number).map_err(|e| failure(Choice::Cuda(number).to_string(), e)))
                .collect(),
            Err(error) => vec![Err(failure("cuda".to_owned(), error))],
        }
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

    pub(super) fn open(number: usize) -> Result<Device, Refusal> {
        let failed = |message: String| Refusal { fault: absent(message), is_there: true };
        let there = count().map_err(|e| failed(format!("the CUDA driver does not answer: {e}")))?;
        if number >= there {
            let devices = if there == 1 { "device" } else { "devices" };
            let message = format!("there is no device `cuda:{number}`: the driver knows {there} {devices}");
            return Err(Refusal { fault: absent(message), is_there: false });
        }
        Device::new_cuda(number).map_err(|e| failed(format!("`cuda:{number}` cannot be opened: {e}")))
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
    use super::{Failure, Found, Refusal, absent};
    use crate::tensor::Device;

    pub(super) fn list() -> Vec<Result<Found, Failure>> {
        Vec::new()
    }

    pub(super) fn count() -> Result<usize, std::convert::Infallible> {
        Ok(0)
    }

    pub(super) fn open(_number: usize) -> Result<Device, Refusal> {
        let fault = absent("this dslc was built without CUDA".to_owned())
            .advise("a build with it: `cargo build --release --features cuda,cudnn` (docs/gpu.md)");
        Err(Refusal { fault, is_there: false })
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
    use super::{Choice, Failure, Found, Refusal, absent};
    use crate::tensor::Device;

    pub(super) fn list() -> Vec<Result<Found, Failure>> {
        let found = Found {
            choice: Choice::Metal,
            name: String::new(),
            total_bytes: None,
            free_bytes: None,
            capability: None,
        };
        let failure = |e: candle_core::Error| Failure { device: "metal".to_owned(), reason: e.to_string() };
        vec![Device::new_metal(0).map(|_| found).map_err(failure)]
    }

    pub(super) fn open() -> Result<Device, Refusal> {
        let fault = |e| absent(format!("`metal` cannot be opened: {e}"));
        Device::new_metal(0).map_err(|e| Refusal { fault: fault(e), is_there: true })
    }
}

#[cfg(not(feature = "metal"))]
mod metal {
    use super::{Failure, Found, Refusal, absent};
    use crate::tensor::Device;

    pub(super) fn list() -> Vec<Result<Found, Failure>> {
        Vec::new()
    }

    pub(super) fn open() -> Result<Device, Refusal> {
        let fault = absent("this dslc was built without Metal".to_owned())
            .advise("a build with it, on macOS: `cargo build --release --features metal` (docs/gpu.md)");
        Err(Refusal { fault, is_there: false })
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, Refusal, absent, best, list, open};
    use crate::tensor::Device;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for (text, choice) in [
            ("cpu", Choice::Cpu),
            ("cuda", Choice::OwnCuda),
            ("cuda:0", Choice::Cuda(0)),
            ("cuda:17", Choice::Cuda(17)),
            ("metal", Choice::Metal),
            ("auto", Choice::Auto),
        ] {
            assert_eq!(text.parse(), Ok(choice));
            assert_eq!(choice.to_string(), text);
        }
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:99999", "CPU"] {
            assert!(wrong.parse::<Choice>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_cpu_is_always_there_and_auto_takes_something_that_is() {
        let found = list();
        let choices: Vec<Choice> = found.iter().flatten().map(|found| found.choice).collect();
        assert_eq!(choices[0], Choice::Cpu);
        let taken = open(Choice::Auto).unwrap().choice;
        assert!(choices.contains(&taken), "{taken} is not listed");
    }

    #[test]
    fn auto_tells_of_what_is_there_and_fails_and_of_nothing_else() {
        let refused = |choice: Choice, is_there| {
            (choice, Err(Refusal { fault: absent(format!("{choice} fails")), is_there }))
        };
        let (absent, failed) = (|choice| refused(choice, false), |choice| refused(choice, true));
        let (cuda, metal) = (Choice::Cuda(0), Choice::Metal);
        let opened = |choice| (choice, Ok(Device::Cpu));
        for (tries, taken, told) in [
            (vec![absent(cuda), absent(metal)], Choice::Cpu, vec![]),
            (vec![failed(cuda), absent(metal)], Choice::Cpu, vec!["cuda:0 fails"]),
            (vec![failed(cuda), failed(metal)], Choice::Cpu, vec!["cuda:0 fails", "metal fails"]),
            (vec![failed(cuda), opened(metal)], metal, vec!["cuda:0 fails"]),
            (vec![opened(cuda), failed(metal)], cuda, vec![]),
        ] {
            let best = best(tries.into_iter());
            assert_eq!((best.choice, best.failed), (taken, told.into_iter().map(str::to_owned).collect()));
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_backend_that_is_not_compiled_in_is_refused_with_the_way_to_have_it() {
        for choice in [Choice::Cuda(0), Choice::Metal] {
            let fault = format!("{:?}", open(choice).err().unwrap());
            assert!(fault.contains("built without") && fault.contains("--features"), "{fault}");
        }
    }
}
