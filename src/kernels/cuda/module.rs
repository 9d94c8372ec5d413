//! Kernels → one text for the device's compiler: the files beside this one, and every kernel that was written for a
//! node, once.

use std::collections::{BTreeMap, BTreeSet};

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
    include_str!("gather.cu"),
];

/// The kernels that a session needs.
#[derive(Clone, Debug, Default)]
pub struct Module {
    named: BTreeSet<&'static str>,
    /// Written kernels, and the numbers of their names.
    written: BTreeMap<String, usize>,
}

impl Module {
    /// Everything that these commands launch.
    pub fn of<'a, P: 'a>(commands: impl IntoIterator<Item = &'a Command<P>>) -> Module {
        let mut module = Module::default();
        for command in commands {
            let Command::Launch(launch) = command else { continue };
            match &launch.kernel {
                Kernel::Named(name) => {
                    module.named.insert(name);
                }
                Kernel::Written(text) => {
                    let number = module.written.len();
                    module.written.entry(text.clone()).or_insert(number);
                }
            }
        }
        module
    }

    /// The name of a kernel; `None` for one that no command of the module launches.
    pub fn name(&self, kernel: &Kernel) -> Option<String> {
        match kernel {
            Kernel::Named(name) => self.named.get(name).map(|name| (*name).to_owned()),
            Kernel::Written(text) => self.written.get(text).map(|number| format!("written_{number}")),
        }
    }

    /// The whole text, without the kernels that nobody launches.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for file in FILES {
            let mut parts = file.split(KERNEL);
            text.push_str(parts.next().unwrap_or_default());
            for part in parts {
                // A kernel ends with the first brace that begins a line.
                let (kernel, behind) = part.split_once("\n}\n").unwrap_or((part, ""));
                if self.named.contains(name_of(kernel)) {
                    text.push_str(&format!("{KERNEL}{kernel}\n}}\n"));
                }
                text.push_str(behind);
            }
        }
        for (own, number) in &self.written {
            text.push_str(&format!("\n{KERNEL}written_{number}{own}"));
        }
        text
    }
}

/// What stands before a kernel's name.
const KERNEL: &str = "extern \"C\" __global__ void ";

fn name_of(kernel: &str) -> &str {
    kernel.split('(').next().unwrap_or_default()
}

/// The names of the kernels in a text.
pub fn names(text: &str) -> Vec<&str> {
    text.split(KERNEL).skip(1).map(name_of).collect()
}

#[cfg(test)]
mod tests {
    use super::{FILES, Module, names};
    use crate::kernels::cuda::launch::{Command, Kernel, Launch};

    fn launch(kernel: Kernel) -> Command<usize> {
        Command::Launch(Launch { kernel, blocks: 1, threads: 1, arguments: Vec::new() })
    }

    #[test]
    fn a_module_has_what_is_launched_once_and_no_other_kernel() {
        let all: Vec<&str> = FILES.iter().flat_map(|file| names(file)).collect();
        let named = all.iter().map(|name| launch(Kernel::Named(name)));
        assert_eq!(names(&Module::of(&named.collect::<Vec<_>>()).text()), all);
        let written = Kernel::Written("(float *out) {}\n".to_owned());
        let other = Kernel::Written("() {}\n".to_owned());
        let kernels = [Kernel::Named("softmax"), written.clone(), Kernel::Named("fill"), written.clone()];
        let module = Module::of(&kernels.map(launch));
        assert_eq!(names(&module.text()), ["softmax", "fill", "written_0"]);
        assert_eq!(module.name(&written).as_deref(), Some("written_0"));
        assert_eq!((module.name(&other), module.name(&Kernel::Named("moments"))), (None, None));
    }
}
