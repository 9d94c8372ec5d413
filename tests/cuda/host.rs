//! A machine that runs CUDA kernels on the host, in a process of its own: the kernels' text, compiled as C++ together
//! with `host.cpp`.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command as Process, Stdio};
use std::time::{Duration, Instant};

use dslc::diag::Fault;
use dslc::kernels::cuda::launch::{Argument, Command, Place};
use dslc::kernels::cuda::machine::Machine;
use dslc::kernels::cuda::module::{Module, names};

/// The first compiler for C++ that answers.
pub fn compiler() -> Option<String> {
    let named = std::env::var("CXX").ok();
    let all = named.into_iter().chain(["c++", "g++", "clang++"].map(str::to_owned));
    all.into_iter().find(|name| {
        let run = Process::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    })
}

pub struct Host {
    compiler: String,
    process: Option<RefCell<Pipes>>,
    programs: Vec<Vec<Vec<u8>>>,
}

struct Pipes {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
}

impl Drop for Pipes {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Host {
    /// `None` where the host has no compiler.
    pub fn new() -> Option<Host> {
        compiler().map(|compiler| Host { compiler, process: None, programs: Vec::new() })
    }

    fn compile(&self, text: &str) -> Pipes {
        let folder = tempfile::tempdir().unwrap();
        let list: String = names(text).iter().map(|name| format!("KERNEL({name})\n")).collect();
        std::fs::write(folder.path().join("kernels.inc"), text).unwrap();
        std::fs::write(folder.path().join("list.inc"), list).unwrap();
        std::fs::write(folder.path().join("host.cpp"), include_str!("host.cpp")).unwrap();
        let done = Process::new(&self.compiler)
            .args(["-std=c++17", "-O1", "-w", "host.cpp", "-o", "host"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let mut child = Process::new(folder.path().join("host"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Pipes { child, to, from }
    }

    fn tell(&self, words: &[u64], bytes: &[u8]) -> Result<(), Fault> {
        let mut pipes = self.process.as_ref().unwrap().borrow_mut();
        let words: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let told = pipes.to.write_all(&words).and_then(|()| pipes.to.write_all(bytes));
        told.and_then(|()| pipes.to.flush()).map_err(|e| Fault::internal(format!("the host's kernels: {e}")))
    }
}

fn encoded(command: &Command<usize>, module: &Module, names: &[&str]) -> Vec<u8> {
    let mut words: Vec<u64> = Vec::new();
    match command {
        &Command::Copy { from, to, len } => {
            words.extend([u64::from(b'C'), from as u64, to as u64, len as u64])
        }
        Command::Launch(launch) => {
            let name = module.name(&launch.kernel).unwrap();
            let kernel =
                names.iter().position(|own| *own == name).unwrap_or_else(|| panic!("no kernel {name}"));
            words.extend([u64::from(b'L'), kernel as u64, launch.blocks.into(), launch.threads.into()]);
            words.push(launch.arguments.len() as u64);
            for argument in &launch.arguments {
                match argument {
                    Argument::Memory(at) => words.extend([0, *at as u64]),
                    Argument::Nothing => words.extend([0, u64::MAX]),
                    Argument::Int(number) => words.extend([1, 1, u64::from(*number as u32)]),
                    Argument::Float(number) => words.extend([1, 1, u64::from(number.to_bits())]),
                    Argument::Ints(numbers) => {
                        words.extend([1, numbers.len() as u64]);
                        words.extend(numbers.iter().map(|&number| u64::from(number as u32)));
                    }
                }
            }
        }
        Command::Product(_) | Command::Convolution(_) => panic!("the host offers no library"),
    }
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

impl Machine for Host {
    fn offers(&self, _command: &Command<Place>) -> bool {
        false
    }

    fn begin(&mut self, len: usize, programs: Vec<Vec<Command<usize>>>) -> Result<(), Fault> {
        let module = Module::of(programs.iter().flatten());
        let text = module.text();
        let names = names(&text);
        let encode = |program: &Vec<Command<usize>>| {
            program.iter().map(|command| encoded(command, &module, &names)).collect::<Vec<_>>()
        };
        self.programs = programs.iter().map(encode).collect();
        self.process = Some(RefCell::new(self.compile(&text)));
        self.tell(&[u64::from(b'M'), len as u64], &[])
    }

    fn write(&mut self, at: usize, numbers: &[f32]) -> Result<(), Fault> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.tell(&[u64::from(b'W'), at as u64, numbers.len() as u64], &bytes)
    }

    fn read(&self, at: usize, numbers: &mut [f32]) -> Result<(), Fault> {
        self.tell(&[u64::from(b'R'), at as u64, numbers.len() as u64], &[])?;
        let mut bytes = vec![0; 4 * numbers.len()];
        let mut pipes = self.process.as_ref().unwrap().borrow_mut();
        pipes.from.read_exact(&mut bytes).map_err(|e| Fault::internal(format!("the host's kernels: {e}")))?;
        for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(4)) {
            *number = f32::from_le_bytes(bytes.try_into().unwrap());
        }
        Ok(())
    }

    fn run(&mut self, program: usize) -> Result<(), Fault> {
        self.programs[program].iter().try_for_each(|command| self.tell(&[], command))
    }

    fn profile(&mut self, program: usize) -> Result<Vec<Duration>, Fault> {
        let timed = |command: &Vec<u8>| {
            let start = Instant::now();
            self.tell(&[], command)?;
            self.finish()?;
            Ok(start.elapsed())
        };
        self.programs[program].iter().map(timed).collect()
    }

    fn finish(&self) -> Result<(), Fault> {
        self.read(0, &mut [])
    }
}
