//! Kernels → one text for the device's compiler: the files beside this one, and every kernel that was written for a
//! node, once.

use std::collections::BTreeMap;

use crate::kernels::cuda::launch::{Command, Kernel};

/// The files, each of which may use what stands before it.
pub const FILES: &[&str] = &[
    include_str!("common.cu"),
    include_str!("functions.cu"),
    include_str!("windows.cu"),
    include_str!("pool.cu"),
    include_str!("product.cu"),
    include_str!("conv.cu"),
    include_str!("norm.cu"),
    include_str!("classes.cu"),
    include_str!("moving.cu"),
];

/// The kernels that a session needs.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Written kernels, and the numbers of their names.
    written: BTreeMap<String, usize>,
}

impl Module {
    /// Everything that these commands launch.
    pub fn of<'a, P: 'a>(commands: impl IntoIterator<Item = &'a Command<P>>) -> Module {
        let mut module = Module::default();
        for command in commands {
            if let Command::Launch(launch) = command
                && let Kernel::Written(text) = &launch.kernel
                && !module.written.contains_key(text)
            {
                module.written.insert(text.clone(), module.written.len());
            }
        }
        module
    }

    /// The name of a kernel; `None` for one that no command of the module launches.
    pub fn name(&self, kernel: &Kernel) -> Option<String> {
        match kernel {
            Kernel::Named(name) => Some((*name).to_owned()),
            Kernel::Written(text) => self.written.get(text).map(|number| format!("written_{number}")),
        }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        let mut text = FILES.join("\n");
        for (own, number) in &self.written {
            text.push_str(&format!("\nextern \"C\" __global__ void written_{number}{own}"));
        }
        text
    }
}

/// The names of the kernels in a text.
pub fn names(text: &str) -> Vec<&str> {
    let behind = text.split("extern \"C\" __global__ void ").skip(1);
    behind.filter_map(|rest| rest.split('(').next()).collect()
}
