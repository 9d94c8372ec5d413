//! A machine that runs CUDA kernels on the host, in a process of its own: the kernels' text, compiled as C++ together
//! with `host.cpp`.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dslc::diag::Fault;
use dslc::graph::attrs::Attrs;
use dslc::graph::op::Op;
use dslc::kernels::cpu::peers::{Filled, Peers};
use dslc::kernels::cuda::format::Format;
use dslc::kernels::cuda::launch::{Argument, Command, Convolution, Direction, Place, Product, Task};
use dslc::kernels::cuda::machine::Machine;
use dslc::kernels::cuda::module::{Module, names};
use dslc::kernels::cuda::storage::Stored;
use dslc::ops::{conv2d, matmul};
use dslc::run::Precision;
use dslc::shape::Shape;
use dslc::tensor::{self, Device, Tensor};

use crate::words::{laid, logical, pack, unpack};

/// The first compiler for C++ that answers; or why there is none to use.
pub fn compiler() -> Result<String, String> {
    if !cfg!(target_os = "linux") {
        return Err("the host's stand-in for a GPU is written for Linux".to_owned());
    }
    let named = std::env::var("CXX").ok();
    let all = named.into_iter().chain(["c++", "g++", "clang++"].map(str::to_owned));
    let answers = |name: &String| {
        let run = Process::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    };
    all.into_iter().find(answers).ok_or_else(|| "there is no C++ compiler".to_owned())
}

pub struct Host {
    compiler: String,
    /// Whether it stands in for the libraries, too: products and convolutions by the reference.
    libraries: bool,
    precision: Precision,
    /// The machines of other processes, which add up sums with this one.
    peers: Option<Arc<dyn Peers>>,
    process: Option<RefCell<Pipes>>,
    programs: Vec<Vec<Done>>,
    /// The order in which the commands of each program are done.
    orders: Vec<Vec<usize>>,
}

enum Done {
    Told(Vec<u8>),
    Product(Product<Stored<usize>>),
    Convolution(Convolution<Stored<usize>>),
    Sum(Vec<(usize, usize)>),
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
    pub fn new(compiler: &str, libraries: bool, precision: Precision) -> Host {
        Host {
            compiler: compiler.to_owned(),
            libraries,
            precision,
            peers: None,
            process: None,
            programs: Vec::new(),
            orders: Vec::new(),
        }
    }

    /// One of several, each of which has a process of its own.
    pub fn among(self, peers: Arc<dyn Peers>) -> Host {
        Host { peers: Some(peers), ..self }
    }

    /// What lies there becomes the sum over the processes, in their order.
    fn add_up(&self, at: usize, len: usize) -> Result<(), Fault> {
        let peers = self.peers.as_ref().expect("a sum of one process");
        let rank = peers.rank();
        let of = |number: usize| number * len..(number + 1) * len;
        let filled: Filled = (0..rank.n).map(|number| std::iter::once(of(number)).collect()).collect();
        let mut all = vec![0.0; rank.n * len];
        self.read(at, &mut all[of(rank.number)])?;
        peers.exchange(&mut all, &filled)?;
        let sum: Vec<f32> = (0..len).map(|i| all.iter().skip(i).step_by(len).sum()).collect();
        self.tell(&[u64::from(b'W'), at as u64, len as u64], &bytes(&sum))
    }

    fn words(&self, own: Stored<usize>, n: usize) -> Result<Vec<f32>, Fault> {
        let mut words = vec![0.0; own.storage.words(n)];
        self.read(own.at, &mut words)?;
        Ok(words)
    }

    fn numbers(&self, own: Stored<usize>, shape: &Shape, format: Format) -> Result<Tensor, Fault> {
        let n = shape.elements();
        let lies = format.in_memory(shape);
        let numbers = tensor::from_slice(&unpack(&self.words(own, n)?, own.storage, n), &lies, &Device::Cpu)?;
        Ok(logical(&numbers, format))
    }

    fn put(&self, own: Stored<usize>, result: &Tensor, format: Format) -> Result<(), Fault> {
        let numbers = tensor::to_vec(&laid(result, format))?;
        let before = self.words(own, numbers.len())?;
        let words = pack(&numbers, own.storage, before.last().copied().unwrap_or_default());
        self.tell(&[u64::from(b'W'), own.at as u64, words.len() as u64], &bytes(&words))
    }

    fn multiply(&self, own: &Product<Stored<usize>>) -> Result<(), Fault> {
        assert_eq!(own.a.storage, own.b.storage, "cuBLAS has no such product");
        let [m, k, n] = own.sizes;
        let shape =
            |rows, columns, turned| Shape::from(if turned { [columns, rows] } else { [rows, columns] });
        let rows = Format::ChannelsFirst;
        let a = self.numbers(own.a, &shape(m, k, own.transpose_a), rows)?;
        let b = self.numbers(own.b, &shape(k, n, own.transpose_b), rows)?;
        let attrs = matmul::attrs(i64::from(own.transpose_a), i64::from(own.transpose_b));
        self.put(own.out, &matmul::MATMUL.eval(&attrs, &[a, b], &Shape::from([m, n]))?, rows)
    }

    fn convolve(&self, own: &Convolution<Stored<usize>>) -> Result<(), Fault> {
        let storages = [own.images, own.weight, own.output].map(|own| own.storage);
        assert_eq!(storages, [storages[0]; 3], "cuDNN has no such convolution");
        let g = own.geometry;
        let (rows, columns) = (g.windows.rows, g.windows.columns);
        let attrs = Attrs::new()
            .ints("stride", [rows.stride, columns.stride])
            .ints("padding", [rows.before, rows.before, columns.before, columns.before])
            .ints("dilation", [rows.dilation, columns.dilation])
            .int("groups", g.groups as i64)
            .ints("input", [g.windows.height, g.windows.width])
            .ints("kernel", [rows.kernel, columns.kernel]);
        let images = Shape::from([g.batch, g.in_channels, g.windows.height, g.windows.width]);
        let weight = Shape::from([g.out_channels, g.in_channels / g.groups, rows.kernel, columns.kernel]);
        let format = own.format;
        let read = |own: Stored<usize>, shape: &Shape| self.numbers(own, shape, format);
        let (op, inputs, shape, to): (&dyn Op, _, _, _) = match own.direction {
            Direction::Output => {
                let inputs = [read(own.images, &images)?, read(own.weight, &weight)?];
                (&conv2d::CONV2D, inputs, g.output(), own.output)
            }
            Direction::GradInput => {
                let inputs = [read(own.weight, &weight)?, read(own.output, &g.output())?];
                (&conv2d::CONV2D_GRAD_INPUT, inputs, images, own.images)
            }
            Direction::GradWeight => {
                let inputs = [read(own.images, &images)?, read(own.output, &g.output())?];
                (&conv2d::CONV2D_GRAD_WEIGHT, inputs, weight, own.weight)
            }
        };
        self.put(to, &op.eval(&attrs, &inputs, &shape)?, format)
    }

    fn do_task(&self, task: &Done) -> Result<(), Fault> {
        match task {
            Done::Told(words) => self.tell(&[], words),
            Done::Product(product) => self.multiply(product),
            Done::Convolution(convolution) => self.convolve(convolution),
            Done::Sum(parts) => parts.iter().try_for_each(|&(at, len)| self.add_up(at, len)),
        }
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

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn task(command: &Command<Stored<usize>>, module: &Module, names: &[&str]) -> Done {
    let mut words: Vec<u64> = Vec::new();
    match command {
        &Command::Copy { from, to, len } => {
            words.extend([u64::from(b'C'), from.at as u64, to.at as u64, len as u64])
        }
        Command::Launch(launch) => {
            let name = module.name(launch).unwrap();
            let kernel =
                names.iter().position(|own| *own == name).unwrap_or_else(|| panic!("no kernel {name}"));
            words.extend([u64::from(b'L'), kernel as u64, launch.blocks.into(), launch.threads.into()]);
            words.push(launch.arguments.len() as u64);
            for argument in &launch.arguments {
                match argument {
                    Argument::Memory(own) => words.extend([0, own.at as u64]),
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
        Command::Product(product) => return Done::Product(product.clone()),
        Command::Convolution(convolution) => return Done::Convolution(convolution.clone()),
        Command::Sum(parts) => return Done::Sum(parts.iter().map(|&(own, len)| (own.at, len)).collect()),
    }
    Done::Told(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

/// An order that differs as much as it may: of the commands that wait for none the last comes first.
fn another_order<P>(program: &[Task<P>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(program.len());
    let mut is_done = vec![false; program.len()];
    while order.len() < program.len() {
        let is_free =
            |&number: &usize| !is_done[number] && program[number].after.iter().all(|&own| is_done[own]);
        let next = (0..program.len()).rev().find(is_free).expect("a command waits for later ones");
        is_done[next] = true;
        order.push(next);
    }
    order
}

impl Machine for Host {
    fn precision(&self) -> Precision {
        self.precision
    }

    fn offers(&self, command: &Command<Place>) -> Result<bool, Fault> {
        Ok(self.libraries && matches!(command, Command::Product(_) | Command::Convolution(_)))
    }

    fn begin(&mut self, len: usize, programs: Vec<Vec<Task<Stored<usize>>>>) -> Result<(), Fault> {
        self.orders = programs.iter().map(|program| another_order(program)).collect();
        let commands =
            programs.into_iter().map(|program| program.into_iter().map(|task| task.command).collect());
        let programs: Vec<Vec<Command<Stored<usize>>>> = commands.collect();
        let module = Module::of(programs.iter().flatten());
        let text = module.text();
        let names = names(&text);
        let encode = |program: &Vec<Command<Stored<usize>>>| {
            program.iter().map(|command| task(command, &module, &names)).collect()
        };
        self.programs = programs.iter().map(encode).collect();
        self.process = Some(RefCell::new(self.compile(&text)));
        self.tell(&[u64::from(b'M'), len as u64], &[])
    }

    fn write(&mut self, at: usize, numbers: &[f32]) -> Result<(), Fault> {
        self.tell(&[u64::from(b'W'), at as u64, numbers.len() as u64], &bytes(numbers))
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
        let tasks = &self.programs[program];
        self.orders[program].iter().try_for_each(|&number| self.do_task(&tasks[number]))
    }

    fn profile(&mut self, program: usize) -> Result<Vec<Duration>, Fault> {
        let timed = |task: &Done| {
            let start = Instant::now();
            self.do_task(task)?;
            self.finish()?;
            Ok(start.elapsed())
        };
        self.programs[program].iter().map(timed).collect()
    }

    fn finish(&self) -> Result<(), Fault> {
        self.read(0, &mut [])
    }
}
