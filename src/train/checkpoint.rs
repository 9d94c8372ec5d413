//! Weights on disk: one safetensors file holds every state (weights, statistics, optimizer) and, in its
//! metadata, a card: where the training stood, a checksum of the numbers, and the resolved source, so that the file
//! explains itself. Written beside its place and renamed: a reader never sees half a file. Read through one open file: a
//! file that is replaced meanwhile is not mixed with its successor.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use flate2::Crc;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::{Deserialize, Serialize};

use crate::diag::{Fault, codes};
use crate::graph::{AVERAGE, Graph, StateKind};
use crate::run::{Session, StateInfo};
use crate::shape::Shape;
use crate::train::progress::Progress;

/// What a file of weights says about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The dslc version that wrote it.
    pub version: String,
    pub model: String,
    /// Steps behind these weights, and the epoch that they belong to, counted from 1.
    pub step: u64,
    pub epoch: usize,
    /// The experiment with every default filled in.
    pub source: String,
    /// The classes' names in the order of the model's outputs; empty where there are none, or where an older dslc wrote it.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The names of the model's further outputs, each with those of its classes or numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<(String, Vec<String>)>,
    /// Where the training stood, for going on from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// CRC-32 of the numbers as they lie in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<u32>,
}

/// The one metadata key: a map with several would be written in an order that changes from run to run.
pub const KEY: &str = "dslc";

/// A header of more bytes than this is not one that dslc wrote.
const MAX_HEADER: u64 = 1 << 25;

/// Added to a file's name while it is written.
pub const PART: &str = ".part";

fn fault(path: &Path, message: impl std::fmt::Display) -> Fault {
    Fault::new(codes::DATA_FILE, format!("{} {message}", path.display()))
}

/// What has states to be written.
pub trait States {
    fn states(&self) -> &[StateInfo];
    fn read_state(&self, name: &str) -> Result<Vec<f32>, Fault>;
    /// Shows a state, without a copy where that can be.
    fn show_state(&self, name: &str, see: &mut dyn FnMut(&[f32]) -> Result<(), Fault>) -> Result<(), Fault> {
        see(&self.read_state(name)?)
    }
}

impl States for Session {
    fn states(&self) -> &[StateInfo] {
        self.states()
    }

    fn read_state(&self, name: &str) -> Result<Vec<f32>, Fault> {
        self.read_state(name)
    }

    fn show_state(&self, name: &str, see: &mut dyn FnMut(&[f32]) -> Result<(), Fault>) -> Result<(), Fault> {
        self.show_state(name, see)
    }
}

/// The states that a session is judged by, under the names that every graph has for them: running means stand for what they
/// are the means of.
pub struct Judged<'a> {
    session: &'a Session,
    states: Vec<StateInfo>,
}

impl<'a> Judged<'a> {
    pub fn of(session: &'a Session) -> Judged<'a> {
        let own = session.states().iter().filter(|state| state.kind != StateKind::Average);
        Judged { session, states: own.cloned().collect() }
    }

    /// The session's state that stands for one of this name.
    fn meant(&self, name: &str) -> String {
        let mean = format!("{name}{AVERAGE}");
        match self.session.states().iter().any(|state| state.name == mean) {
            true => mean,
            false => name.to_owned(),
        }
    }
}

impl States for Judged<'_> {
    fn states(&self) -> &[StateInfo] {
        &self.states
    }

    fn read_state(&self, name: &str) -> Result<Vec<f32>, Fault> {
        self.session.read_state(&self.meant(name))
    }

    fn show_state(&self, name: &str, see: &mut dyn FnMut(&[f32]) -> Result<(), Fault>) -> Result<(), Fault> {
        self.session.show_state(&self.meant(name), see)
    }
}

/// The states of a session as they were, to be written later.
pub struct Snapshot {
    states: Vec<StateInfo>,
    numbers: HashMap<String, Vec<f32>>,
}

impl Snapshot {
    pub fn of(session: &impl States) -> Result<Snapshot, Fault> {
        let states = session.states().to_vec();
        let read = |state: &StateInfo| Ok((state.name.clone(), session.read_state(&state.name)?));
        let numbers = states.iter().map(read).collect::<Result<_, Fault>>()?;
        Ok(Snapshot { states, numbers })
    }
}

impl States for Snapshot {
    fn states(&self) -> &[StateInfo] {
        &self.states
    }

    fn read_state(&self, name: &str) -> Result<Vec<f32>, Fault> {
        let numbers = self.numbers.get(name).cloned();
        numbers.ok_or_else(|| Fault::internal(format!("a snapshot without `{name}`")))
    }
}

/// Writes all states of a session, one after another and in small pieces: of a session on the CPU none is copied whole.
pub fn save(path: &Path, session: &impl States, card: &Card) -> Result<(), Fault> {
    let mut states: Vec<&StateInfo> = session.states().iter().collect();
    states.sort_by(|a, b| a.name.cmp(&b.name));
    let mut checksum = Crc::new();
    each(session, &states, |bytes| {
        checksum.update(bytes);
        Ok(())
    })?;
    let card = Card { checksum: Some(checksum.sum()), ..card.clone() };
    let header = header(&states, &card).map_err(|e| fault(path, format!("cannot be written: {e}")))?;
    write(path, |file| {
        let unwritten = |e: std::io::Error| unwritten(path, &e);
        file.write_all(&(header.len() as u64).to_le_bytes()).map_err(unwritten)?;
        file.write_all(&header).map_err(unwritten)?;
        each(session, &states, |bytes| file.write_all(bytes).map_err(unwritten))
    })
}

/// The bytes of such a file.
pub fn to_bytes(session: &impl States, card: &Card) -> Result<Vec<u8>, Fault> {
    let mut states: Vec<&StateInfo> = session.states().iter().collect();
    states.sort_by(|a, b| a.name.cmp(&b.name));
    let header = header(&states, card).map_err(Fault::internal)?;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    each(session, &states, |own| {
        bytes.extend_from_slice(own);
        Ok(())
    })?;
    Ok(bytes)
}

/// The bytes of each state in turn, in pieces.
fn each(
    session: &impl States,
    states: &[&StateInfo],
    mut take: impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    const PIECE: usize = 1 << 14;
    let mut bytes = Vec::with_capacity(size_of::<f32>() * PIECE);
    states.iter().try_for_each(|state| {
        session.show_state(&state.name, &mut |numbers| {
            numbers.chunks(PIECE).try_for_each(|piece| {
                bytes.clear();
                bytes.extend(piece.iter().flat_map(|number| number.to_le_bytes()));
                take(&bytes)
            })
        })
    })
}

/// The header of these states' file, padded so that the numbers begin at a multiple of 8 bytes, as the format recommends.
fn header(states: &[&StateInfo], card: &Card) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut end = 0;
    let tensors = states.iter().map(|state| {
        let start = end;
        end += size_of::<f32>() * state.shape.elements();
        let shape = state.shape.dims().to_vec();
        (state.name.clone(), TensorInfo { dtype: Dtype::F32, shape, data_offsets: (start, end) })
    });
    let metadata = [(KEY.to_owned(), serde_json::to_string(card)?)];
    let metadata = Metadata::new(Some(metadata.into()), tensors.collect())?;
    let mut bytes = serde_json::to_vec(&metadata)?;
    bytes.resize(bytes.len().next_multiple_of(8), b' ');
    Ok(bytes)
}

/// Writes a file so that it is there whole or not at all, whatever ends the program.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    write(path, |file| file.write_all(bytes).map_err(|e| unwritten(path, &e)))
}

fn write(path: &Path, content: impl FnOnce(&mut BufWriter<File>) -> Result<(), Fault>) -> Result<(), Fault> {
    let mut name = path.as_os_str().to_owned();
    name.push(PART);
    let part = PathBuf::from(name);
    let written = File::create(&part).map_err(|e| unwritten(path, &e)).and_then(|file| {
        let mut file = BufWriter::with_capacity(1 << 20, file);
        content(&mut file)?;
        let whole = file.into_inner().map_err(std::io::IntoInnerError::into_error);
        whole.and_then(|file| file.sync_all()).map_err(|e| unwritten(path, &e))?;
        std::fs::rename(&part, path).map_err(|e| unwritten(path, &e))
    });
    if written.is_err() {
        // What is not whole takes room that others may need.
        let _ = std::fs::remove_file(&part);
    }
    written
}

fn unwritten(path: &Path, e: &std::io::Error) -> Fault {
    let remedy = match e.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            "free some space there, or `--out DIR` on another disk"
        }
        _ => "`--out DIR` with a folder that you may write to",
    };
    Fault::new(codes::UNWRITTEN, format!("{} cannot be written: {e}", path.display())).advise(remedy)
}

/// A file of weights whose header was read and whose numbers have their checksum; a session takes them from the file that
/// was opened, whatever has its name by then.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    content: Mutex<Box<dyn Content>>,
    header: Metadata,
    /// Where the numbers begin.
    start: u64,
    pub card: Card,
}

/// A file that is open, or its bytes.
trait Content: Read + Seek + Send + std::fmt::Debug {}

impl Content for File {}

impl Content for Cursor<Vec<u8>> {}

impl Weights {
    /// Reads the header, and all numbers once where the file has a checksum of them. Nothing is allocated on the word of a
    /// size that the file does not have.
    pub fn open(path: &Path) -> Result<Weights, Fault> {
        let unreadable = |e: std::io::Error| fault(path, format!("cannot be read: {e}"));
        // Opening a pipe would wait for its writer.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(not_weights(path, "it is not a regular file"));
        }
        let file = File::open(path).map_err(unreadable)?;
        let len = file.metadata().map_err(unreadable)?.len();
        Weights::of(path, Box::new(file), len)
    }

    /// The same of a file's bytes. In errors they are called `weights`.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Weights, Fault> {
        let len = bytes.len() as u64;
        Weights::of(Path::new("weights"), Box::new(Cursor::new(bytes)), len)
    }

    fn of(path: &Path, mut content: Box<dyn Content>, len: u64) -> Result<Weights, Fault> {
        let not_weights = |what: &str| not_weights(path, what);
        let unreadable = |e: std::io::Error| fault(path, format!("cannot be read: {e}"));
        let mut size = [0; 8];
        if len < 8 {
            return Err(not_weights(&format!("it has {len} bytes")));
        }
        content.read_exact(&mut size).map_err(unreadable)?;
        let size = u64::from_le_bytes(size);
        if size > MAX_HEADER {
            return Err(not_weights(&format!("its header claims {size} bytes")));
        }
        let mut bytes = Vec::new();
        (&mut content).take(size).read_to_end(&mut bytes).map_err(unreadable)?;
        if (bytes.len() as u64) < size {
            return Err(not_weights("it is cut short in its header"));
        }
        let header: Metadata = serde_json::from_slice(&bytes)
            .map_err(|e| not_weights(&format!("its header is damaged ({e})")))?;
        let start = 8 + size;
        let end = start.saturating_add(header.data_len() as u64);
        if end != len {
            return Err(not_weights(&format!("its header says {end} bytes, it has {len}")));
        }
        let text = header.metadata().as_ref().and_then(|map| map.get(KEY)).ok_or_else(|| {
            fault(path, "was not written by dslc: it does not say which model it belongs to")
                .advise("a weights file from a run's folder")
        })?;
        let card: Card = serde_json::from_str(text)
            .map_err(|e| not_weights(&format!("its description is damaged ({e})")))?;
        if let Some(expected) = card.checksum {
            let found = checksum(&mut content).map_err(unreadable)?;
            if found != expected {
                return Err(not_weights("its numbers are damaged: the checksum does not match"));
            }
        }
        Ok(Weights { path: path.to_owned(), content: Mutex::new(content), header, start, card })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same numbers with another description: of the model that they are used in.
    pub fn described(self, card: Card) -> Weights {
        Weights { card, ..self }
    }

    /// Refuses a graph with a parameter or statistic that is not in the file with its shape. The optimizer's
    /// moments may be missing.
    pub fn fit(&self, graph: &Graph) -> Result<(), Fault> {
        graph.states.iter().try_for_each(|state| {
            let names = judged(&state.name, &state.stream, state.kind);
            self.find(&names, &state.name, state.kind, graph.shape(state.value)).map(|_| ())
        })
    }

    /// The same of the states of a training; refuses a file without the moments of its optimizer, too.
    pub fn fit_whole(&self, states: &[StateInfo]) -> Result<(), Fault> {
        for state in states {
            let names = judged(&state.name, &state.stream, state.kind);
            self.find(&names, &state.name, state.kind, &state.shape)?;
        }
        let lacks =
            |state: &&StateInfo| self.own_name(&whole(&state.name, &state.stream, state.kind)).is_none();
        match states.iter().find(lacks) {
            Some(state) => Err(fault(
                &self.path,
                format!("has no `{}`, so training cannot continue from it", state.name),
            )),
            None => Ok(()),
        }
    }

    /// Puts the weights into a session that they fit, to be used: running means where the file has them.
    pub fn load(&self, session: &mut Session) -> Result<(), Fault> {
        for state in session.states().to_vec() {
            if let Some(numbers) = self.state(&state)? {
                session.write_state(&state.name, &numbers)?;
            }
        }
        Ok(())
    }

    /// Puts every state into a session as it was saved, to train on.
    pub fn load_whole(&self, session: &mut Session) -> Result<(), Fault> {
        for state in session.states().to_vec() {
            if let Some(numbers) = self.numbers(&whole(&state.name, &state.stream, state.kind), &state)? {
                session.write_state(&state.name, &numbers)?;
            }
        }
        Ok(())
    }

    /// The numbers that stand for a session's state where it is used: of its running mean, where the file has one. `None`
    /// for moments that the file does not have.
    pub fn state(&self, state: &StateInfo) -> Result<Option<Vec<f32>>, Fault> {
        self.numbers(&judged(&state.name, &state.stream, state.kind), state)
    }

    /// The numbers under the first of these names, of the kind and shape of a state.
    fn numbers(&self, names: &[String], state: &StateInfo) -> Result<Option<Vec<f32>>, Fault> {
        let Some((start, end)) = self.find(names, &state.name, state.kind, &state.shape)? else {
            return Ok(None);
        };
        let mut bytes = vec![0; end - start];
        let mut file = self.content.lock().map_err(|_| Fault::internal("a reader of weights panicked"))?;
        let read = file.seek(SeekFrom::Start(self.start + start as u64));
        read.and_then(|_| file.read_exact(&mut bytes))
            .map_err(|e| fault(&self.path, format!("cannot be read: {e}")))?;
        Ok(Some(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()))
    }

    /// The first of these names that the file has.
    fn own_name<'n>(&self, names: &'n [String]) -> Option<&'n String> {
        names.iter().find(|name| self.header.info(name).is_some())
    }

    /// The first of these states that the file has under an older name: that one, and its name now.
    pub fn renamed(&self, states: &[StateInfo]) -> Option<[String; 2]> {
        states.iter().find_map(|state| {
            let names = whole(&state.name, &state.stream, state.kind);
            let own = self.own_name(&names)?;
            (*own != state.name).then(|| [own.clone(), state.name.clone()])
        })
    }

    /// Where the bytes of the state `own` lie behind the header, under one of these names; `None` for moments that the file does
    /// not have.
    fn find(
        &self,
        names: &[String],
        own: &str,
        kind: StateKind,
        shape: &Shape,
    ) -> Result<Option<(usize, usize)>, Fault> {
        let name = self.own_name(names).map_or(own, String::as_str);
        let other = |what: String| {
            fault(&self.path, format!("{what}: these are the weights of another model"))
                .note(format!("they were written for the model `{}`", self.card.model))
                .advise("the weights of a run of this model")
        };
        let Some(info) = self.header.info(name) else {
            return match kind {
                StateKind::Moment => Ok(None),
                StateKind::Parameter | StateKind::Buffer | StateKind::Average => {
                    Err(other(format!("has no `{name}`")))
                }
            };
        };
        if info.dtype != Dtype::F32 || info.shape != shape.dims() {
            let found = Shape::new(info.shape.clone());
            return Err(other(format!("has `{name}` as {:?} of {found}, not F32 of {shape}", info.dtype)));
        }
        let (start, end) = info.data_offsets;
        match end.checked_sub(start) == Some(4 * shape.elements()) && end <= self.header.data_len() {
            true => Ok(Some((start, end))),
            false => Err(fault(&self.path, format!("is damaged: the place of `{name}` is not of its size"))),
        }
    }
}

/// Under what names the numbers of a state may lie: its own, and that of before layers had names of their own, when there were
/// no running means.
fn whole(name: &str, stream: &str, kind: StateKind) -> Vec<String> {
    match kind {
        StateKind::Average => vec![name.to_owned()],
        StateKind::Parameter | StateKind::Buffer | StateKind::Moment => {
            vec![name.to_owned(), stream.to_owned()]
        }
    }
}

/// The same of the numbers that stand for a state where it is used.
fn judged(name: &str, stream: &str, kind: StateKind) -> Vec<String> {
    let own = name.strip_suffix(AVERAGE).filter(|_| kind == StateKind::Average).unwrap_or(name);
    match kind {
        StateKind::Moment => whole(name, stream, kind),
        StateKind::Parameter | StateKind::Buffer | StateKind::Average => {
            vec![format!("{own}{AVERAGE}"), own.to_owned(), stream.to_owned()]
        }
    }
}

fn not_weights(path: &Path, what: &str) -> Fault {
    fault(path, format!("is not a complete weights file: {what}"))
        .advise("a weights file from a run's folder, such as runs/mnist-1/best.safetensors")
}

/// Of everything from here on.
fn checksum(file: &mut dyn Read) -> std::io::Result<u32> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut checksum = Crc::new();
    loop {
        let bytes = std::io::BufRead::fill_buf(&mut reader)?;
        if bytes.is_empty() {
            return Ok(checksum.sum());
        }
        checksum.update(bytes);
        let n = bytes.len();
        std::io::BufRead::consume(&mut reader, n);
    }
}
