//! A module's text → kernels for a device, by NVRTC.
//!
//! **What it compiles has never run on a GPU.** NVRTC itself needs none, and runs in the tests of a build with CUDA.
#![allow(unsafe_code)]

use std::ffi::c_int;

use crate::diag::Fault;
use crate::kernels::cuda::module::Module;
use crate::tensor::cudarc::nvrtc::sys::{nvrtcGetNumSupportedArchs, nvrtcGetSupportedArchs};
use crate::tensor::cudarc::nvrtc::{CompileError, CompileOptions, Ptx, compile_ptx_with_opts};

/// The module's kernels for devices of a compute capability, or of the newest one before it that NVRTC knows.
pub fn compiled(module: &Module, capability: (i32, i32)) -> Result<Ptx, Fault> {
    let wanted = capability.0 * 10 + capability.1;
    let known = architectures();
    // The driver makes newer devices run what was compiled for an older one.
    let architecture = known.iter().copied().filter(|&known| known <= wanted).max().unwrap_or(wanted);
    let options = vec![format!("--gpu-architecture=compute_{architecture}"), "--std=c++17".to_owned()];
    let options = CompileOptions { options, ..CompileOptions::default() };
    compile_ptx_with_opts(module.text(), options).map_err(|e| uncompiled(&e))
}

/// The architectures that NVRTC compiles for (90 is 9.0); none where it does not say.
fn architectures() -> Vec<c_int> {
    let mut n: c_int = 0;
    // SAFETY: the library writes one number to the place that it is given.
    if unsafe { nvrtcGetNumSupportedArchs(&mut n) }.result().is_err() {
        return Vec::new();
    }
    let mut architectures = vec![0; usize::try_from(n).unwrap_or(0)];
    // SAFETY: the library writes as many numbers as it said.
    match unsafe { nvrtcGetSupportedArchs(architectures.as_mut_ptr()) }.result() {
        Ok(()) => architectures,
        Err(_) => Vec::new(),
    }
}

fn uncompiled(error: &CompileError) -> Fault {
    let text = match error {
        CompileError::CompileError { log, options, .. } => {
            format!("with {}: {}", options.join(" "), log.to_string_lossy())
        }
        other => format!("{other:?}"),
    };
    Fault::internal(format!("NVRTC did not compile the kernels {text}"))
        .advise("NVRTC of a CUDA that knows the device; `dslc devices` shows its version")
}

#[cfg(test)]
mod tests {
    use super::{architectures, compiled};
    use crate::graph::attrs::Attrs;
    use crate::graph::builder::Builder;
    use crate::kernels::cuda::launch::{Argument, Command, Kernel, Launch, Place};
    use crate::kernels::cuda::module::{FILES, Module, names};
    use crate::kernels::cuda::prepare;
    use crate::kernels::cuda::storage::{Storage, Stored};
    use crate::ops::OPS;
    use crate::shape::Shape;

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
        let shape = Shape::from([2, 3]);
        for op in OPS.iter().copied().filter(|op| op.is_elementwise() && op.name() != "pointwise") {
            for n_inputs in [1, 2] {
                let mut builder = Builder::new();
                let inputs: Vec<_> = (0..n_inputs).map(|_| builder.input("x", &shape)).collect();
                let Ok(value) = builder.apply(op, Attrs::new(), &inputs) else { continue };
                let shapes = vec![&shape; n_inputs];
                commands.extend(prepare(builder.graph().node(value), &shapes).unwrap().commands);
            }
        }
        let stored = |storage| {
            commands.iter().map(move |own| own.at(&|at: Place| Stored { at, storage })).collect::<Vec<_>>()
        };
        let module = Module::of(&[stored(Storage::F32), stored(Storage::Bf16)].concat());
        let text = module.text();
        assert!(names(&text).len() > 2 * (n_named + 30) && n_named > 30, "{n_named}");
        assert!(architectures().contains(&90));
        for capability in [(7, 5), (8, 0), (9, 0), (99, 0)] {
            let ptx = compiled(&module, capability).unwrap_or_else(|fault| panic!("{fault:?}")).to_src();
            for name in names(&text) {
                assert!(ptx.contains(&format!(".entry {name}(")), "{name} is not there");
            }
        }
    }
}
