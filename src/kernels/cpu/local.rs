//! Processes of one machine that the first of them has started. Each talks to the first one through a socket.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use crate::diag::{Fault, codes};
use crate::kernels::cpu::peers::{Filled, Peers, Rank};

/// Tells a process that it was started by another one: `NUMBER of N at SOCKET`.
const VARIABLE: &str = "DSLC_LOCAL";
/// How long the first process waits for those that it has started.
const START: Duration = Duration::from_secs(60);
/// How long it looks for one of them at a time.
const LOOK: Duration = Duration::from_millis(2);
/// How long those that have nothing more to do may take to end.
const END: Duration = Duration::from_secs(10);

/// What a process does that the first one has left. It must not come back.
pub type Left = fn() -> !;

/// One of the processes.
pub struct Local {
    rank: Rank,
    inner: Mutex<Inner>,
    left: Left,
}

struct Inner {
    /// Of the first process to each of the others, in their order; of another one to the first.
    streams: Vec<UnixStream>,
    /// The others, where this is the first.
    started: Vec<Child>,
    /// What this process gives to exchanges that were begun, the oldest first.
    begun: VecDeque<Vec<f32>>,
}

fn fault(what: impl std::fmt::Display) -> Fault {
    Fault::new(codes::DEVICE, format!("processes of this machine: {what}"))
}

impl Local {
    /// Starts this program `n - 1` times more, with its own arguments. Who waits for longer than `patience` gives up.
    pub fn start(n: usize, patience: Duration, left: Left) -> Result<Local, Fault> {
        let folder = Folder::new().map_err(fault)?;
        let socket = folder.0.join("socket");
        let listener = UnixListener::bind(&socket).map_err(fault)?;
        listener.set_nonblocking(true).map_err(fault)?;
        let program = std::env::current_exe().map_err(fault)?;
        let mut inner = Inner { streams: Vec::new(), started: Vec::new(), begun: VecDeque::new() };
        for number in 1..n {
            let mut told = OsString::from(format!("{number} of {n} at "));
            told.push(&socket);
            let mut command = Command::new(&program);
            command.args(std::env::args_os().skip(1)).env(VARIABLE, told);
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().map_err(fault)?;
            inner.started.push(child);
        }
        let mut streams: Vec<Option<UnixStream>> = (1..n).map(|_| None).collect();
        let begin = Instant::now();
        while streams.iter().any(Option::is_none) {
            match listener.accept() {
                Ok((mut stream, _)) => {
                    let mut number = [0];
                    stream.set_nonblocking(false).map_err(fault)?;
                    stream.set_read_timeout(Some(START)).map_err(fault)?;
                    stream.read_exact(&mut number).map_err(fault)?;
                    stream.set_read_timeout(Some(patience)).map_err(fault)?;
                    let place = usize::from(number[0]).checked_sub(1).and_then(|own| streams.get_mut(own));
                    *place.ok_or_else(|| fault("one that was not started"))? = Some(stream);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    inner.all_run()?;
                    if begin.elapsed() > START {
                        return Err(fault(format!("they have not begun in {} s", START.as_secs())));
                    }
                    std::thread::sleep(LOOK);
                }
                Err(error) => return Err(fault(error)),
            }
        }
        inner.streams = streams.into_iter().flatten().collect();
        Ok(Local { rank: Rank { number: 0, n }, inner: Mutex::new(inner), left })
    }

    /// Joins the process that has started this one, which tells people why it ends; `None` where none has.
    pub fn join(patience: Duration, left: Left) -> Option<Result<Local, Fault>> {
        let told = std::env::var_os(VARIABLE)?;
        Some(Local::joined(&told.to_string_lossy(), patience, left))
    }

    fn joined(told: &str, patience: Duration, left: Left) -> Result<Local, Fault> {
        let parts =
            told.split_once(" of ").and_then(|(number, rest)| Some((number, rest.split_once(" at ")?)));
        let wrong =
            || fault(format!("`{VARIABLE}={told}` is not what dslc tells the processes that it starts"));
        let (number, (n, socket)) = parts.ok_or_else(wrong)?;
        let (number, n): (u8, u8) = (number.parse().map_err(|_| wrong())?, n.parse().map_err(|_| wrong())?);
        let rank = Rank { number: usize::from(number), n: usize::from(n) };
        if rank.number == 0 || rank.number >= rank.n {
            return Err(wrong());
        }
        let mut stream = UnixStream::connect(Path::new(socket)).map_err(fault)?;
        stream.set_read_timeout(Some(patience)).map_err(fault)?;
        stream.write_all(&[number]).map_err(fault)?;
        let inner = Inner { streams: vec![stream], started: Vec::new(), begun: VecDeque::new() };
        Ok(Local { rank, inner: Mutex::new(inner), left })
    }

    fn lock(&self) -> Result<MutexGuard<'_, Inner>, Fault> {
        self.inner.lock().map_err(|_| Fault::internal("an exchange panicked"))
    }
}

impl Inner {
    /// Refuses to go on where one that was started has ended.
    fn all_run(&mut self) -> Result<(), Fault> {
        for (i, child) in self.started.iter_mut().enumerate() {
            if let Some(status) = child.try_wait().map_err(fault)? {
                return Err(gone(i + 1, format!("has ended ({status})")));
            }
        }
        Ok(())
    }

    /// What another process than the first does.
    fn follow(&mut self, rank: Rank, memory: &mut [f32], filled: &Filled) -> std::io::Result<()> {
        let first = &mut self.streams[0];
        send(first, memory, filled, &[rank.number])?;
        let mut others = (0..rank.n).filter(|&number| number != rank.number);
        others.try_for_each(|number| receive(first, memory, filled, number))
    }

    /// What the first process does.
    fn lead(&mut self, rank: Rank, memory: &mut [f32], filled: &Filled) -> Result<(), Fault> {
        let others = 1..rank.n;
        for number in others.clone() {
            let received = receive(&mut self.streams[number - 1], memory, filled, number);
            received.map_err(|error| self.lost(number, error))?;
        }
        for number in others {
            let theirs: Vec<usize> = (0..rank.n).filter(|&other| other != number).collect();
            let sent = send(&mut self.streams[number - 1], memory, filled, &theirs);
            sent.map_err(|error| self.lost(number, error))?;
        }
        Ok(())
    }

    /// Why another process does not answer.
    fn lost(&mut self, number: usize, error: std::io::Error) -> Fault {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(1) {
            match self.started[number - 1].try_wait() {
                Ok(Some(status)) => return gone(number, format!("has ended ({status})")),
                Ok(None) if error.kind() == ErrorKind::UnexpectedEof => std::thread::sleep(LOOK),
                Ok(None) | Err(_) => break,
            }
        }
        gone(number, format!("does not answer ({error})"))
    }
}

/// The other processes end with this one.
fn gone(number: usize, how: String) -> Fault {
    Fault::new(codes::DEVICE, format!("process {number} {how}"))
        .advise("`dslc resume` with the run's folder, if there is one")
}

/// Sends what these processes have filled.
fn send(to: &mut UnixStream, memory: &[f32], filled: &Filled, whose: &[usize]) -> std::io::Result<()> {
    let ranges = whose.iter().flat_map(|&number| &filled[number]);
    let bytes: Vec<u8> =
        ranges.flat_map(|range| &memory[range.clone()]).flat_map(|number| number.to_le_bytes()).collect();
    to.write_all(&bytes)
}

/// Receives what a process has filled.
fn receive(from: &mut UnixStream, memory: &mut [f32], filled: &Filled, whose: usize) -> std::io::Result<()> {
    for range in &filled[whose] {
        let mut bytes = vec![0; range.len() * size_of::<f32>()];
        from.read_exact(&mut bytes)?;
        for (number, bytes) in memory[range.clone()].iter_mut().zip(bytes.as_chunks().0) {
            *number = f32::from_le_bytes(*bytes);
        }
    }
    Ok(())
}

impl Peers for Local {
    fn rank(&self) -> Rank {
        self.rank
    }

    fn exchange(&self, memory: &mut [f32], filled: &Filled) -> Result<(), Fault> {
        let mut inner = self.lock()?;
        match self.rank.number {
            0 => inner.lead(self.rank, memory, filled),
            _ => inner.follow(self.rank, memory, filled).or_else(|_| (self.left)()),
        }
    }

    /// Nothing is sent before [`Peers::complete`]: on one machine it does not take long.
    fn begin(&self, memory: &[f32], filled: &Filled) -> Result<(), Fault> {
        let own = filled[self.rank.number].iter().flat_map(|range| memory[range.clone()].iter().copied());
        let own = own.collect();
        self.lock()?.begun.push_back(own);
        Ok(())
    }

    fn complete(&self, memory: &mut [f32], filled: &Filled) -> Result<(), Fault> {
        let own = self.lock()?.begun.pop_front();
        let own = own.ok_or_else(|| Fault::internal("an exchange was not begun"))?;
        let mut rest = own.as_slice();
        for range in &filled[self.rank.number] {
            let (numbers, behind) = rest.split_at(range.len());
            memory[range.clone()].copy_from_slice(numbers);
            rest = behind;
        }
        self.exchange(memory, filled)
    }
}

impl Drop for Inner {
    /// Waits for those that were started; without this process they end, too.
    fn drop(&mut self) {
        self.streams.clear();
        let begin = Instant::now();
        for child in &mut self.started {
            while begin.elapsed() < END && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(LOOK);
            }
            // One that has ended is left alone by this.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A folder that only this user can look into, for as long as it is needed.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Folder> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!("dslc-{}-{}", std::process::id(), now.as_nanos());
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it in a folder for such things does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
