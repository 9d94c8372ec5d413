//! Weights on disk: one safetensors file holds every state (weights, statistics, optimizer) and, in its
//! metadata, the step and the resolved source, so that the file explains itself. Written atomically: a reader
//! never sees half a file.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use crate::diag::{Fault, codes};
use crate::graph::StateKind;
use crate::run::Session;

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
}

/// The one metadata key: a map with several would be written in an order that changes from run to run.
const KEY: &str = "dslc";

/// Larger files are not weights that dslc wrote.
const MAX_BYTES: u64 = 1 << 38;

fn fault(path: &Path, message: impl std::fmt::Display) -> Fault {
    Fault::new(codes::DATA_FILE, format!("{}: {message}", path.display()))
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
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(|e| fault(path, e))?;
        views.push((name.as_str(), view));
    }
    let text = serde_json::to_string(card).map_err(|e| fault(path, e))?;
    let metadata = HashMap::from([(KEY.to_owned(), text)]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| fault(path, e))?;
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

/// A file of weights in memory.
pub struct Weights {
    bytes: Vec<u8>,
    pub card: Card,
}

impl Weights {
    pub fn open(path: &Path) -> Result<Weights, Fault> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(|e| fault(path, format!("cannot be opened: {e}")))?;
        file.take(MAX_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|e| fault(path, format!("cannot be read: {e}")))?;
        let header = SafeTensors::read_metadata(&bytes).map_err(|e| {
            fault(path, format!("is not a whole safetensors file: {e}"))
                .advise("a weights file that dslc wrote")
        })?;
        SafeTensors::deserialize(&bytes).map_err(|e| fault(path, format!("is damaged: {e}")))?;
        let text = header.1.metadata().as_ref().and_then(|map| map.get(KEY));
        let text = text.ok_or_else(|| {
            fault(path, "was not written by dslc: it does not say which model it belongs to")
                .advise("a weights file out of a run's folder")
        })?;
        let card = serde_json::from_str(text)
            .map_err(|e| fault(path, format!("its description is damaged: {e}")))?;
        Ok(Weights { bytes, card })
    }

    /// Puts the weights into a session. Every parameter and statistic of the session must be there with its
    /// shape; the optimizer's moments may be missing.
    pub fn load(&self, path: &Path, session: &mut Session) -> Result<(), Fault> {
        let file = SafeTensors::deserialize(&self.bytes).map_err(|e| fault(path, e))?;
        for state in session.states().to_vec() {
            let tensor = match file.tensor(&state.name) {
                Ok(tensor) => tensor,
                Err(_) if state.kind == StateKind::Moment => continue,
                Err(_) => {
                    return Err(fault(
                        path,
                        format!("holds no `{}`: these are weights of another model", state.name),
                    )
                    .note(format!("they were written for the model `{}`", self.card.model)));
                }
            };
            if tensor.dtype() != Dtype::F32 || tensor.shape() != state.shape.dims() {
                let found = crate::shape::Shape::new(tensor.shape());
                let message = format!(
                    "`{}` is {:?} of {found} there, but f32 of {} in the model: these are weights of another model",
                    state.name,
                    tensor.dtype(),
                    state.shape
                );
                return Err(fault(path, message)
                    .note(format!("they were written for the model `{}`", self.card.model)));
            }
            let numbers: Vec<f32> =
                tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            session.write_state(&state.name, &numbers)?;
        }
        Ok(())
    }
}
