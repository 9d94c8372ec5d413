//! Kernels → one text for the device's compiler: the files beside this one, and every kernel that was written for a
//! node, once for each choice of types that its operands are stored as.
//!
//! A kernel's text declares its pointers as `float *`; where a launch has bf16 there, the declaration is made `bf16 *`.
//! A kernel's body therefore says `auto` of what it finds behind a pointer.

use std::collections::{BTreeMap, BTreeSet};

use crate::kernels::cuda::launch::{Argument, Command, Kernel, Launch};
use crate::kernels::cuda::storage::{Storage, Stored};

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

/// The kernels that a session needs, each with the storages of its pointers.
#[derive(Clone, Debug, Default)]
pub struct Module {
    named: BTreeMap<&'static str, BTreeSet<Storages>>,
    /// Written kernels, and the numbers of their names.
    written: BTreeMap<String, (usize, BTreeSet<Storages>)>,
}

/// Of each parameter that is a pointer.
type Storages = Vec<Storage>;

fn storages<A>(launch: &Launch<Stored<A>>) -> Storages {
    let storage = |argument: &Argument<Stored<A>>| match argument {
        Argument::Memory(memory) => Some(memory.storage),
        Argument::Nothing => Some(Storage::F32),
        Argument::Int(_) | Argument::Float(_) | Argument::Ints(_) => None,
    };
    launch.arguments.iter().filter_map(storage).collect()
}

impl Module {
    /// Everything that these commands launch.
    pub fn of<'a, A: 'a>(commands: impl IntoIterator<Item = &'a Command<Stored<A>>>) -> Module {
        let mut module = Module::default();
        for command in commands {
            let Command::Launch(launch) = command else { continue };
            let own = match &launch.kernel {
                Kernel::Named(name) => module.named.entry(name).or_default(),
                Kernel::Written(text) => {
                    let number = module.written.len();
                    &mut module.written.entry(text.clone()).or_insert((number, BTreeSet::new())).1
                }
            };
            own.insert(storages(launch));
        }
        module
    }

    /// The name of the kernel of a launch; `None` for one that the module has not.
    pub fn name<A>(&self, launch: &Launch<Stored<A>>) -> Option<String> {
        let storages = storages(launch);
        let (name, all) = match &launch.kernel {
            Kernel::Named(name) => ((*name).to_owned(), self.named.get(name)?),
            Kernel::Written(text) => {
                let (number, all) = self.written.get(text)?;
                (format!("written_{number}"), all)
            }
        };
        all.contains(&storages).then(|| full_name(&name, &storages))
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
                let name = name_of(kernel);
                for storages in self.named.get(name).into_iter().flatten() {
                    text.push_str(&instance(name, &format!("{}\n}}\n", &kernel[name.len()..]), storages));
                }
                text.push_str(behind);
            }
        }
        for (own, (number, all)) in &self.written {
            for storages in all {
                text.push('\n');
                text.push_str(&instance(&format!("written_{number}"), own, storages));
            }
        }
        text
    }
}

/// A kernel with a letter for each pointer where what one points at is stored otherwise than its text says.
fn full_name(name: &str, storages: &[Storage]) -> String {
    if storages.iter().all(|&storage| storage == Storage::F32) {
        return name.to_owned();
    }
    let letters = storages.iter().map(|storage| &storage.name()[..1]);
    format!("{name}_{}", letters.collect::<String>())
}

/// A kernel of everything that stands behind its name, with the types of its pointers.
fn instance(name: &str, text: &str, storages: &[Storage]) -> String {
    let (parameters, body) = text.split_once(')').unwrap_or((text, ""));
    let mut storages_left = storages.iter();
    let own = parameters.split(',').map(|parameter| match parameter.contains('*') {
        true => {
            let storage = storages_left.next().copied().unwrap_or_default();
            parameter.replace("float *", &format!("{} *", storage.name()))
        }
        false => parameter.to_owned(),
    });
    format!("{KERNEL}{}{}){body}", full_name(name, storages), own.collect::<Vec<_>>().join(","))
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
    use crate::kernels::cuda::launch::{Argument, Command, Kernel, Launch};
    use crate::kernels::cuda::storage::{Storage, Stored};

    fn launch(kernel: Kernel, storages: &[Storage]) -> Command<Stored<usize>> {
        let argument = |&storage| Argument::Memory(Stored { at: 0, storage });
        let arguments = storages.iter().map(argument).collect();
        Command::Launch(Launch { kernel, blocks: 1, threads: 1, arguments })
    }

    fn name(module: &Module, command: &Command<Stored<usize>>) -> Option<String> {
        let Command::Launch(launch) = command else { panic!("no launch") };
        module.name(launch)
    }

    #[test]
    fn a_module_has_what_is_launched_once_and_no_other_kernel() {
        let all: Vec<&str> = FILES.iter().flat_map(|file| names(file)).collect();
        let named = all.iter().map(|name| launch(Kernel::Named(name), &[]));
        assert_eq!(names(&Module::of(&named.collect::<Vec<_>>()).text()), all);
        let written = launch(Kernel::Written("(float *out) {}\n".to_owned()), &[]);
        let [softmax, fill] = ["softmax", "fill"].map(|name| launch(Kernel::Named(name), &[]));
        let module = Module::of(&[softmax, written.clone(), fill, written.clone()]);
        assert_eq!(names(&module.text()), ["softmax", "fill", "written_0"]);
        assert_eq!(name(&module, &written).as_deref(), Some("written_0"));
        let other = launch(Kernel::Written("() {}\n".to_owned()), &[]);
        assert_eq!(name(&module, &other), None);
        assert_eq!(name(&module, &launch(Kernel::Named("moments"), &[])), None);
    }

    #[test]
    fn a_kernel_is_there_once_for_each_choice_of_types() {
        use Storage::{Bf16, F32};
        let text = "(float *out, const float *a0, int n) { out[n] = a0[n]; }\n";
        let written = |storages: &[Storage]| launch(Kernel::Written(text.to_owned()), storages);
        let commands =
            [written(&[F32, F32]), written(&[Bf16, F32]), written(&[F32, Bf16]), written(&[Bf16, F32])];
        let module = Module::of(&commands);
        let own = module.text();
        assert_eq!(names(&own), ["written_0_bf", "written_0_fb", "written_0"]);
        assert!(own.contains("written_0_bf(bf16 *out, const float *a0, int n) { out"), "{own}");
        assert!(own.contains("written_0_fb(float *out, const bf16 *a0, int n) { out"), "{own}");
        assert!(own.contains("written_0(float *out, const float *a0, int n) { out"), "{own}");
        let found = commands.iter().map(|command| name(&module, command).unwrap());
        assert_eq!(found.collect::<Vec<_>>(), ["written_0", "written_0_bf", "written_0_fb", "written_0_bf"]);
        assert_eq!(name(&module, &written(&[Bf16, Bf16])), None);
    }
}
