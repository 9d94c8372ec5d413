//! A module's text → kernels for a device, by NVRTC: machine code where NVRTC knows the device, else PTX, which the
//! device's driver compiles.
//!
//! NVRTC needs no GPU, and runs in the tests of a build with CUDA.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_int};

use crate::diag::{Fault, codes};
use crate::kernels::cuda::cache::Cache;
use crate::kernels::cuda::module::Module;
use crate::kernels::cuda::versions;
use crate::tensor::cudarc::nvrtc::Ptx;
use crate::tensor::cudarc::nvrtc::result::{self, NvrtcError};
use crate::tensor::cudarc::nvrtc::sys::{
    nvrtcGetCUBIN, nvrtcGetCUBINSize, nvrtcGetNumSupportedArchs, nvrtcGetSupportedArchs, nvrtcProgram,
};

/// The module's kernels for devices of a compute capability.
pub fn compiled(module: &Module, capability: (i32, i32)) -> Result<Ptx, Fault> {
    let (text, target) = (module.text(), target(capability)?);
    let key = format!("NVRTC {}, {target:?}\n{text}", versions::nvrtc());
    Cache::open().code(&key, || compile(&text, target)).map(Ptx::from_binary)
}

/// What is compiled for (90 is 9.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The device itself. Its code also loads where the driver is older than NVRTC but of the same major version, which
    /// PTX does not ("CUDA Compatibility", minor version compatibility).
    Device(c_int),
    /// The newest before it that NVRTC knows: drivers make newer devices run PTX for older ones.
    Older(c_int),
}

fn target((major, minor): (i32, i32)) -> Result<Target, Fault> {
    let known = architectures()
        .map_err(|e| uncompiled(&format!("it does not list the architectures it compiles for ({e:?})")))?;
    let wanted = major * 10 + minor;
    match known.iter().copied().filter(|&known| known <= wanted).max() {
        Some(known) if known == wanted => Ok(Target::Device(wanted)),
        Some(known) => Ok(Target::Older(known)),
        None => {
            let oldest = known.iter().copied().min().unwrap_or(0);
            let message = format!(
                "this GPU has compute capability {major}.{minor}, but the CUDA in use compiles for {}.{} and newer",
                oldest / 10,
                oldest % 10
            );
            Err(Fault::new(codes::DEVICE, message)
                .advise("a dslc built with an older CUDA, or `--device cpu`"))
        }
    }
}

/// The architectures that NVRTC compiles for.
fn architectures() -> Result<Vec<c_int>, NvrtcError> {
    let mut n: c_int = 0;
    // SAFETY: the library writes one number to the place that it is given.
    unsafe { nvrtcGetNumSupportedArchs(&mut n) }.result()?;
    let mut architectures = vec![0; usize::try_from(n).unwrap_or(0)];
    // SAFETY: the library writes as many numbers as it said.
    unsafe { nvrtcGetSupportedArchs(architectures.as_mut_ptr()) }.result()?;
    Ok(architectures)
}

struct Program(nvrtcProgram);

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: made by `result::create_program`; nobody else has it. A program that stays is of no consequence.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

/// Machine code, or PTX with a zero behind it: both as the driver loads modules.
fn compile(text: &str, target: Target) -> Result<Vec<u8>, Fault> {
    let text = CString::new(text).map_err(|_| Fault::internal("a zero in the text of kernels"))?;
    let failed = |e: NvrtcError| uncompiled(&format!("{e:?}"));
    let program = Program(result::create_program(&text, None).map_err(failed)?);
    let architecture = match target {
        Target::Device(number) => format!("--gpu-architecture=sm_{number}"),
        Target::Older(number) => format!("--gpu-architecture=compute_{number}"),
    };
    // SAFETY: the program is alive, here and below.
    unsafe { result::compile_program(program.0, &[architecture.clone(), "--std=c++17".to_owned()]) }
        .map_err(|error| match unsafe { result::get_program_log(program.0) } {
            Ok(log) => {
                let log: Vec<u8> = log.into_iter().map(|byte| byte as u8).collect();
                let log = CStr::from_bytes_until_nul(&log).unwrap_or_default().to_string_lossy();
                uncompiled(&format!("{log} ({architecture})"))
            }
            Err(_) => uncompiled(&format!("{error:?} ({architecture})")),
        })?;
    match target {
        Target::Older(_) => {
            // SAFETY: as above.
            let text = unsafe { result::get_ptx(program.0) }.map_err(failed)?;
            Ok(text.into_iter().map(|byte| byte as u8).collect())
        }
        Target::Device(_) => {
            let mut size = 0;
            // SAFETY: the library writes one number, then as many bytes as it says.
            unsafe { nvrtcGetCUBINSize(program.0, &mut size) }.result().map_err(failed)?;
            let mut code = vec![0u8; size];
            unsafe { nvrtcGetCUBIN(program.0, code.as_mut_ptr().cast()) }.result().map_err(failed)?;
            Ok(code)
        }
    }
}

fn uncompiled(why: &str) -> Fault {
    Fault::internal(format!("NVRTC cannot compile the kernels: {why}"))
        .advise("a CUDA release that supports this GPU; `dslc devices` shows the version in use")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Target, compile, target};
    use crate::graph::attrs::Attrs;
    use crate::graph::builder::Builder;
    use crate::graph::op::Backward;
    use crate::kernels::cuda::format::Format;
    use crate::kernels::cuda::launch::{Argument, Command, Kernel, Launch, Place};
    use crate::kernels::cuda::module::{FILES, Module, names};
    use crate::kernels::cuda::prepare;
    use crate::kernels::cuda::storage::{Storage, Stored};
    use crate::kernels::cuda::together::{Together, together};
    use crate::ops::OPS;
    use crate::shape::Shape;

    fn launched(command: &Command<Place>) -> Option<&Launch<Place>> {
        match command {
            Command::Launch(launch) => Some(launch),
            Command::Product(_) | Command::Convolution(_) | Command::Copy { .. } | Command::Sum(_) => None,
        }
    }

    /// Pools and depthwise convolutions, and their gradients.
    fn of_windows() -> Vec<Command<Place>> {
        let convolution = Attrs::new().ints("stride", [2, 1]).ints("padding", [1; 4]);
        let convolution = convolution.ints("dilation", [1, 1]).int("groups", 40);
        let pool = Attrs::new().ints("kernel", [3, 2]).ints("stride", [2, 2]).ints("padding", [1, 1, 0, 1]);
        let mut commands = Vec::new();
        for (name, attrs) in [("conv2d", convolution), ("max_pool2d", pool.clone()), ("avg_pool2d", pool)] {
            let op = OPS.iter().copied().find(|op| op.name() == name).unwrap();
            let mut builder = Builder::new();
            let images = builder.input("images", &Shape::from([2, 40, 9, 8]));
            let mut inputs = vec![images];
            if name == "conv2d" {
                inputs.push(builder.input("weight", &Shape::from([40, 1, 3, 3])));
            }
            let output = builder.apply(op, attrs.clone(), &inputs).unwrap();
            let shape = builder.shape(output).clone();
            let grad = builder.input("grad", &shape);
            let backward = Backward { attrs: &attrs, inputs: &inputs, output, grad };
            op.gradient(&backward, &mut builder).unwrap();
            let graph = builder.finish();
            for value in graph.values().filter(|&value| !graph.node(value).inputs.is_empty()) {
                let node = graph.node(value);
                let shapes: Vec<&Shape> = node.inputs.iter().map(|&input| graph.shape(input)).collect();
                for format in [Format::ChannelsFirst, Format::ChannelsLast] {
                    commands.extend(
                        prepare(node, &shapes, format).unwrap().into_iter().flat_map(|own| own.commands),
                    );
                }
            }
        }
        commands
    }

    /// NVRTC needs no GPU.
    #[test]
    fn nvrtc_compiles_every_kernel() {
        let named = FILES.iter().flat_map(|text| names(text)).map(|name| {
            // More pointers than any kernel has.
            let arguments = vec![Argument::Memory(Place::Output); 16];
            Command::Launch(Launch { kernel: Kernel::Named(name), blocks: 1, threads: 1, arguments })
        });
        let mut commands: Vec<_> = named.collect();
        let n_named = commands.len();
        let shapes = [[2, 6, 9, 8], [2, 6, 1, 1]].map(Shape::from);
        for op in OPS.iter().copied().filter(|op| op.is_elementwise() && op.name() != "pointwise") {
            for n_inputs in [1, 2] {
                let mut builder = Builder::new();
                let shapes: Vec<&Shape> = shapes.iter().take(n_inputs).collect();
                let inputs: Vec<_> = shapes.iter().map(|shape| builder.input("x", shape)).collect();
                let Ok(value) = builder.apply(op, Attrs::new(), &inputs) else { continue };
                for format in [Format::ChannelsFirst, Format::ChannelsLast] {
                    let prepared = prepare(builder.graph().node(value), &shapes, format);
                    commands.extend(prepared.unwrap().unwrap().commands);
                }
            }
        }
        let written: Vec<Launch<Place>> = commands[n_named..].iter().filter_map(launched).cloned().collect();
        // Rules read no operand that is repeated.
        let is_repeated =
            |own: &&Launch<Place>| own.arguments.iter().any(|own| matches!(own, Argument::Ints(_)));
        for launch in written.iter().filter(|own| !is_repeated(own)) {
            let all = together(&[launch, launch], |_| Some(0)).unwrap();
            let Together { kernel, blocks, .. } = all;
            commands.push(Command::Launch(Launch { kernel, blocks, threads: 1, arguments: Vec::new() }));
        }
        let joined = commands.iter().filter_map(launched).filter(|own| own.arguments.is_empty());
        let n_joined = joined.map(|own| &own.kernel).collect::<BTreeSet<_>>().len();
        commands.extend(of_windows());
        // These have whole numbers, by their bits, where others have floats.
        let by_bits = |own: &Command<Place>| {
            launched(own).is_some_and(|own| matches!(own.kernel, Kernel::Named("gather" | "note")))
        };
        let stored = |storage| {
            let own = commands.iter().filter(move |own| storage == Storage::F32 || !by_bits(own));
            own.map(move |own| own.at(&|at: Place| Stored { at, storage })).collect::<Vec<_>>()
        };
        let module = Module::of(&[stored(Storage::F32), stored(Storage::Bf16)].concat());
        let text = module.text();
        // All but those by bits and the joined ones are there in both types.
        let kernels: BTreeSet<&Kernel> =
            commands.iter().filter_map(launched).map(|own| &own.kernel).collect();
        let n_once = n_joined + 2;
        assert_eq!(names(&text).len(), 2 * kernels.len() - n_once);
        assert!(n_named > 20 && kernels.len() > n_named + 50, "{n_named} of {}", kernels.len());
        for capability in [(7, 5), (8, 0), (9, 0), (12, 0), (99, 0)] {
            let target = target(capability).unwrap();
            let is_known = capability.0 < 99;
            assert_eq!(matches!(target, Target::Device(_)), is_known, "{target:?}");
            let code = compile(&text, target).unwrap_or_else(|fault| panic!("{fault:?}"));
            assert!(code.starts_with(if is_known { b"\x7fELF" } else { b"//" }), "{target:?}");
            let code = String::from_utf8_lossy(&code);
            for name in names(&text) {
                let entry = if is_known { format!(".text.{name}\0") } else { format!(".entry {name}(") };
                assert!(code.contains(&entry), "{name} is not there for {target:?}");
            }
        }
    }

    #[test]
    fn a_device_that_is_too_old_is_refused_with_what_would_do() {
        let fault = format!("{:?}", target((3, 5)).unwrap_err());
        assert!(fault.contains("3.5") && fault.contains("--device cpu"), "{fault}");
    }
}
