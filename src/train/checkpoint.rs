//! Weights on disk: one safetensors file holds every state (weights, statistics, optimizer) and, in its
//! metadata, the step and the resolved source, so that the file explains itself. Written atomically: a reader
//! never sees half a file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata, TensorView};
use serde::{Deserialize, Serialize};

use crate::diag::{Fault, codes};
use crate::graph::{Graph, StateKind};
use crate::run::Session;
use crate::shape::Shape;

/// What a file of weights says about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The dslc version that wrote it.
    pub version: String,
    pub model: String,
    pub step: u64,
    pub epoch: usize,
    /// The experiment with every default filled in.
    pub source: String,
    /// The classes' names in the order of the model's outputs; empty where there are none, or where an older dslc wrote it.
    #[serde(default)]
    pub classes: Vec<String>,
}

/// The one metadata key: a map with several would be written in an order that changes from run to run.
const KEY: &str = "dslc";

/// A header of more bytes than this is not one that dslc wrote.
const MAX_HEADER: u64 = 1 << 25;

fn fault(path: &Path, message: impl std::fmt::Display) -> Fault {
    Fault::new(codes::DATA_FILE, format!("{} {message}", path.display()))
}

/// Writes all states of a session.
pub fn save(path: &Path, session: &Session, card: &Card) -> Result<(), Fault> {
    let mut numbers = Vec::new();
    for state in session.states() {
        let bytes: Vec<u8> = session.read_state(&state.name)?.iter().flat_map(|x| x.to_le_bytes()).collect();
        numbers.push((state.name.clone(), state.shape.dims().to_vec(), bytes));
    }
    let mut views = Vec::new();
    for (name, shape, bytes) in &numbers {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes)
            .map_err(|e| fault(path, format!("cannot be written: {e}")))?;
        views.push((name.as_str(), view));
    }
    let text = serde_json::to_string(card).map_err(|e| fault(path, format!("cannot be written: {e}")))?;
    let metadata = HashMap::from([(KEY.to_owned(), text)]);
    let bytes = safetensors::serialize(views, Some(metadata))
        .map_err(|e| fault(path, format!("cannot be written: {e}")))?;
    write_atomically(path, &bytes)
}

/// Writes a file so that it is there whole or not at all.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let write = || {
        let mut file = atomic_write_file::AtomicWriteFile::open(path)?;
        file.write_all(bytes)?;
        file.commit()
    };
    write().map_err(|e: std::io::Error| {
        fault(path, format!("cannot be written: {e}"))
            .advise("a folder with free space that you may write to, by `--out DIR`")
    })
}

/// A file of weights whose header was read; its numbers are read when a session takes them.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    header: Metadata,
    /// Where the numbers begin.
    start: u64,
    pub card: Card,
}

impl Weights {
    /// Reads the header. Nothing is allocated on the word of a size that the file does not have.
    pub fn open(path: &Path) -> Result<Weights, Fault> {
        let not_weights = |what: &str| {
            fault(path, format!("is not a whole file of weights: {what}"))
                .advise("a weights file out of a run's folder, such as runs/mnist-1/best.safetensors")
        };
        let unreadable = |e: std::io::Error| fault(path, format!("cannot be read: {e}"));
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(not_weights("it is not a file"));
        }
        let mut file = File::open(path).map_err(unreadable)?;
        let mut size = [0; 8];
        if metadata.len() < 8 {
            return Err(not_weights(&format!("it has {} bytes", metadata.len())));
        }
        file.read_exact(&mut size).map_err(unreadable)?;
        let size = u64::from_le_bytes(size);
        if size > MAX_HEADER {
            return Err(not_weights(&format!("its header claims {size} bytes")));
        }
        let mut bytes = Vec::new();
        file.take(size).read_to_end(&mut bytes).map_err(unreadable)?;
        if (bytes.len() as u64) < size {
            return Err(not_weights("it is cut short in its header"));
        }
        let header: Metadata = serde_json::from_slice(&bytes)
            .map_err(|e| not_weights(&format!("its header is damaged ({e})")))?;
        let start = 8 + size;
        let end = start.saturating_add(header.data_len() as u64);
        if end != metadata.len() {
            return Err(not_weights(&format!("its header says {end} bytes, it has {}", metadata.len())));
        }
        let text = header.metadata().as_ref().and_then(|map| map.get(KEY)).ok_or_else(|| {
            fault(path, "was not written by dslc: it does not say which model it belongs to")
                .advise("a weights file out of a run's folder")
        })?;
        let card = serde_json::from_str(text)
            .map_err(|e| not_weights(&format!("its description is damaged ({e})")))?;
        Ok(Weights { path: path.to_owned(), header, start, card })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a graph with a parameter or statistic that is not in the file with its shape. The optimizer's
    /// moments may be missing.
    pub fn fit(&self, graph: &Graph) -> Result<(), Fault> {
        graph
            .states
            .iter()
            .try_for_each(|state| self.find(&state.name, state.kind, graph.shape(state.value)).map(|_| ()))
    }

    /// Puts the weights into a session that they fit.
    pub fn load(&self, session: &mut Session) -> Result<(), Fault> {
        let unreadable = |e: std::io::Error| fault(&self.path, format!("cannot be read: {e}"));
        let mut file = File::open(&self.path).map_err(unreadable)?;
        for state in session.states().to_vec() {
            let Some((start, end)) = self.find(&state.name, state.kind, &state.shape)? else { continue };
            file.seek(SeekFrom::Start(self.start + start as u64)).map_err(unreadable)?;
            let mut bytes = vec![0; end - start];
            file.read_exact(&mut bytes).map_err(unreadable)?;
            let numbers: Vec<f32> =
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            session.write_state(&state.name, &numbers)?;
        }
        Ok(())
    }

    /// Where a state's bytes lie behind the header; `None` for moments that the file does not have.
    fn find(&self, name: &str, kind: StateKind, shape: &Shape) -> Result<Option<(usize, usize)>, Fault> {
        let other = |what: String| {
            fault(&self.path, format!("{what}: these are weights of another model"))
                .note(format!("they were written for the model `{}`", self.card.model))
                .advise("the weights of a run of this very model")
        };
        let Some(info) = self.header.info(name) else {
            return match kind {
                StateKind::Moment => Ok(None),
                StateKind::Parameter | StateKind::Buffer => Err(other(format!("holds no `{name}`"))),
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
