//! Processes of one machine that the first of them has started. Each talks to the first one through a socket.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::diag::{Fault, codes};
use crate::kernels::cpu::peers::{Filled, Peers, Rank};
use crate::tensor::host;

/// Tells a process that it was started by another one: `NUMBER of N at SOCKET`.
const VARIABLE: &str = "DSLC_LOCAL";
/// How long the first process waits for those that it has started.
const START: Duration = Duration::from_secs(60);
/// How long it looks for one of them at a time.
const LOOK: Duration = Duration::from_millis(2);
/// How often it looks whether they still run.
const WATCH: Duration = Duration::from_millis(500);
/// How long those that have nothing more to do may take to end.
const END: Duration = Duration::from_secs(10);

/// What a process does that others no longer answer, with the reason unless another process tells it. It must not come back.
pub type GiveUp = fn(Option<Fault>) -> !;

/// One of the processes.
pub struct Local {
    rank: Rank,
    inner: Mutex<Inner>,
    patience: Duration,
    give_up: GiveUp,
}

#[derive(Default)]
struct Inner {
    /// Of the first process to each of the others, in their order; of another one to the first.
    streams: Vec<UnixStream>,
    /// The others, where this is the first.
    started: Arc<Mutex<Vec<Child>>>,
    /// Whether this process knows that others have ended.
    is_told: Arc<AtomicBool>,
    /// What this process gives to exchanges that were begun, the oldest first.
    begun: VecDeque<Vec<f32>>,
}

fn fault(what: impl std::fmt::Display) -> Fault {
    Fault::new(codes::DEVICE, format!("`--devices` cannot start its processes: {what}"))
}

impl Local {
    /// Starts this program `n - 1` times more, with its own arguments. Who waits for longer than `patience` gives up.
    pub fn start(n: usize, patience: Duration, give_up: GiveUp) -> Result<Local, Fault> {
        let folder = Folder::new().map_err(fault)?;
        let socket = folder.0.join("socket");
        let listener = UnixListener::bind(&socket).map_err(fault)?;
        listener.set_nonblocking(true).map_err(fault)?;
        let program = std::env::current_exe().map_err(fault)?;
        let mut inner = Inner::default();
        for number in 1..n {
            let mut told = OsString::from(format!("{number} of {n} at "));
            told.push(&socket);
            let mut command = Command::new(&program);
            command.args(std::env::args_os().skip(1)).env(VARIABLE, told);
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().map_err(fault)?;
            inner.started().push(child);
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
                    *place.ok_or_else(|| fault("an unknown process has connected"))? = Some(stream);
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
        inner.watch(give_up);
        Ok(Local { rank: Rank { number: 0, n }, inner: Mutex::new(inner), patience, give_up })
    }

    /// Joins the process that has started this one, which tells people why it ends; `None` where none has.
    pub fn join(patience: Duration, give_up: GiveUp) -> Option<Result<Local, Fault>> {
        let told = std::env::var_os(VARIABLE)?;
        Some(Local::joined(&told.to_string_lossy(), patience, give_up))
    }

    fn joined(told: &str, patience: Duration, give_up: GiveUp) -> Result<Local, Fault> {
        let parts =
            told.split_once(" of ").and_then(|(number, rest)| Some((number, rest.split_once(" at ")?)));
        let wrong = || {
            let message = format!("`{VARIABLE}={told}` was not set by dslc");
            Fault::new(codes::DEVICE, message).advise(format!("`env -u {VARIABLE} dslc …`"))
        };
        let (number, (n, socket)) = parts.ok_or_else(wrong)?;
        let (number, n): (u8, u8) = (number.parse().map_err(|_| wrong())?, n.parse().map_err(|_| wrong())?);
        let rank = Rank { number: usize::from(number), n: usize::from(n) };
        if rank.number == 0 || rank.number >= rank.n {
            return Err(wrong());
        }
        // It may be anywhere when the first one ends.
        host::end_with_parent().map_err(fault)?;
        let mut stream = UnixStream::connect(Path::new(socket)).map_err(fault)?;
        stream.set_read_timeout(Some(patience)).map_err(fault)?;
        stream.write_all(&[number]).map_err(fault)?;
        let mut inner = Inner::default();
        inner.streams.push(stream);
        Ok(Local { rank, inner: Mutex::new(inner), patience, give_up })
    }

    fn lock(&self) -> Result<MutexGuard<'_, Inner>, Fault> {
        self.inner.lock().map_err(|_| Fault::internal("an exchange panicked"))
    }
}

impl Inner {
    fn started(&self) -> MutexGuard<'_, Vec<Child>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses to go on where one that was started has ended.
    fn all_run(&self) -> Result<(), Fault> {
        first_gone(&mut self.started()).map_or(Ok(()), Err)
    }

    /// Looks whether the others still run, as this process may wait for one of them in other ways than here.
    fn watch(&self, give_up: GiveUp) {
        let (started, is_told) = (Arc::clone(&self.started), Arc::clone(&self.is_told));
        std::thread::spawn(move || {
            while !is_told.load(Ordering::Relaxed) {
                let found = first_gone(&mut started.lock().unwrap_or_else(PoisonError::into_inner));
                if let Some(fault) = found {
                    std::thread::sleep(END);
                    if !is_told.load(Ordering::Relaxed) {
                        give_up(Some(fault));
                    }
                }
                std::thread::sleep(WATCH);
            }
        });
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
            received.map_err(|error| self.lost(number, &error))?;
        }
        for number in others {
            let theirs: Vec<usize> = (0..rank.n).filter(|&other| other != number).collect();
            let sent = send(&mut self.streams[number - 1], memory, filled, &theirs);
            sent.map_err(|error| self.lost(number, &error))?;
        }
        Ok(())
    }

    /// Why another process does not answer.
    fn lost(&self, number: usize, error: &std::io::Error) -> Fault {
        self.is_told.store(true, Ordering::Relaxed);
        let begin = Instant::now();
        while !is_late(error) && begin.elapsed() < END {
            if let Some(fault) = first_gone(&mut self.started()) {
                return fault;
            }
            std::thread::sleep(LOOK);
        }
        match self.streams[number - 1].read_timeout() {
            Ok(Some(patience)) if is_late(error) => late(number, patience),
            _ => gone(number, &format!("does not answer ({error})")),
        }
    }
}

fn late(number: usize, patience: Duration) -> Fault {
    gone(number, &format!("has not answered for {} s", patience.as_secs()))
        .advise("`DSLC_PATIENCE` with more seconds, if a process may take that long")
}

/// The first of the processes that has ended otherwise than well.
fn first_gone(started: &mut [Child]) -> Option<Fault> {
    let ended = started.iter_mut().map(|child| child.try_wait().ok().flatten());
    let status = ended.enumerate().find_map(|(i, status)| Some((i, status.filter(|own| !own.success())?)));
    status.map(|(i, status)| gone(i + 1, &format!("has ended ({status})")))
}

/// Whether it is a process that takes too long, rather than one that has ended.
fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The other processes end with this one.
fn gone(number: usize, how: &str) -> Fault {
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
            _ => inner.follow(self.rank, memory, filled).or_else(|error| {
                // Else the first process has ended, and has said why.
                (self.give_up)(is_late(&error).then(|| late(0, self.patience)))
            }),
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
        self.is_told.store(true, Ordering::Relaxed);
        // Before they have all been reached, they have nothing to end.
        let time = if self.streams.is_empty() { Duration::ZERO } else { END };
        self.streams.clear();
        let begin = Instant::now();
        for child in self.started().iter_mut() {
            while begin.elapsed() < time && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(LOOK);
            }
            // One that has ended is left alone by this.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Of a path in which a socket still has room.
const LONG: usize = 50;

/// A folder that only this user can look into, for as long as it is needed.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Folder> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!("dslc-{}-{}", std::process::id(), now.as_nanos());
        // A socket's path has 100 bytes or so.
        let common = std::env::temp_dir();
        let common = if common.as_os_str().len() > LONG { PathBuf::from("/tmp") } else { common };
        let path = common.join(name);
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
