//! An ONNX file on disk → its messages without the large numbers, which stay in the file until somebody wants them: a network's
//! weights are never in memory with the file that has them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::diag::Fault;
use crate::exchange::import;
use crate::exchange::onnx::file::{Beside, PLACE};
use crate::exchange::onnx::wire::{damaged, number};
use crate::protobuf::Message;

/// Numbers of fewer bytes stay in their message.
const LEAST: u64 = 256;

/// The messages on the way to numbers (onnx.proto), and the numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Numbers,
}

impl Part {
    /// What a field holds; `None` of one that leads to no numbers.
    fn inner(self, field: u64) -> Option<Part> {
        match (self, field) {
            (Part::Model, 7) => Some(Part::Graph),
            (Part::Graph, 1) => Some(Part::Node),
            (Part::Graph, 5) | (Part::Attribute, 5) => Some(Part::Tensor),
            (Part::Node, 5) => Some(Part::Attribute),
            // Raw bytes, and floats and doubles that are packed, which are raw as well.
            (Part::Tensor, 4 | 9 | 10) => Some(Part::Numbers),
            (Part::Model | Part::Graph | Part::Node | Part::Attribute | Part::Tensor | Part::Numbers, _) => {
                None
            }
        }
    }
}

/// The messages of a file, for [`crate::exchange::onnx::file::model`], and where their numbers lie.
///
/// # Errors
/// A file that cannot be read, or whose parts do not lie in each other.
pub fn skim(path: &Path) -> Result<(Vec<u8>, Beside), Fault> {
    let (file, length) = import::open(path)?;
    let own = file.try_clone().map_err(|e| import::unreadable(path, &e))?;
    let mut reader = Reader { file: BufReader::with_capacity(1 << 16, file), at: 0, path };
    let mut model = Message::default();
    reader.message(Part::Model, length, &mut model)?;
    Ok((model.0, Beside::within(path, own, length)))
}

/// A position in a file.
struct Reader<'p> {
    file: BufReader<File>,
    at: u64,
    path: &'p Path,
}

impl Reader<'_> {
    /// Copies the fields up to `end`.
    fn message(&mut self, part: Part, end: u64, out: &mut Message) -> Result<(), Fault> {
        while self.at < end {
            let tag = self.number(end)?;
            let (field, kind) = (tag >> 3, tag & 7);
            let length = match kind {
                0 => 0,
                1 => 8,
                2 => self.number(end)?,
                5 => 4,
                kind => return Err(damaged(format!("a field of the unknown kind {kind}"))),
            };
            let left = end - self.at;
            if length > left {
                return Err(damaged(format!(
                    "a field of {length} bytes ends beyond the file, where {left} are left"
                )));
            }
            // A file's own fields of these numbers mean nothing.
            let is_ours = part == Part::Tensor && PLACE.iter().any(|&own| u64::from(own) == field);
            if kind == 0 {
                let value = self.number(end)?;
                if !is_ours {
                    out.tagged(tag, value);
                }
                continue;
            }
            match part.inner(field).filter(|_| kind == 2) {
                Some(Part::Numbers) if length >= LEAST => {
                    for (own, value) in PLACE.into_iter().zip([self.at, length]) {
                        out.tagged(u64::from(own) << 3, value);
                    }
                    self.skip(length)?;
                }
                _ if is_ours => self.skip(length)?,
                Some(inner @ (Part::Graph | Part::Node | Part::Attribute | Part::Tensor)) => {
                    let mut own = Message::default();
                    self.message(inner, self.at + length, &mut own)?;
                    out.tagged(tag, own.0.len() as u64);
                    out.0.extend(own.0);
                }
                Some(Part::Model | Part::Numbers) | None => {
                    if kind == 2 {
                        out.tagged(tag, length);
                    } else {
                        out.bare(tag);
                    }
                    self.copy(length, out)?;
                }
            }
        }
        Ok(())
    }

    fn copy(&mut self, length: u64, out: &mut Message) -> Result<(), Fault> {
        let read = (&mut self.file).take(length).read_to_end(&mut out.0);
        if read.map_err(|e| import::unreadable(self.path, &e))? as u64 != length {
            return Err(damaged("it ends while it is read"));
        }
        self.at += length;
        Ok(())
    }

    fn skip(&mut self, length: u64) -> Result<(), Fault> {
        let step = i64::try_from(length).map_err(|_| damaged("a field is larger than any file"))?;
        self.file.seek_relative(step).map_err(|e| import::unreadable(self.path, &e))?;
        self.at += length;
        Ok(())
    }

    /// A number that ends before `end`.
    fn number(&mut self, end: u64) -> Result<u64, Fault> {
        let Reader { file, at, .. } = self;
        number(|| {
            let mut byte = [0];
            let read = *at < end && file.read_exact(&mut byte).is_ok();
            *at += u64::from(read);
            read.then_some(byte[0])
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{LEAST, skim};
    use crate::exchange::onnx::file::{PLACE, model};
    use crate::protobuf::Message;

    /// A file with one tensor of these fields.
    fn with(tensor: &Message) -> Vec<u8> {
        let graph = Message::default().text(2, "g").message(5, tensor);
        Message::default().int(1, 8).message(7, &graph).0
    }

    #[test]
    fn numbers_stay_in_the_file_and_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.onnx");
        let numbers: Vec<f32> = (0..LEAST as i64).map(|n| n as f32).collect();
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let head = || Message::default().ints(1, [LEAST as i64]).int(2, 1).text(8, "w");
        for (field, more) in [(9, false), (4, false), (9, true)] {
            let mut tensor = head().bytes(field, &bytes);
            if more {
                // What claims to lie elsewhere lies where it is.
                tensor = tensor.int(PLACE[0], 0).int(PLACE[1], 4);
            }
            std::fs::write(&path, with(&tensor)).unwrap();
            let (messages, beside) = skim(&path).unwrap();
            assert!(messages.len() < 100);
            let read = model(&messages).unwrap();
            assert_eq!(read.graph.tensors[0].floats(&beside).unwrap(), numbers);
        }
        let twice = head().bytes(9, &bytes).bytes(9, &bytes);
        std::fs::write(&path, with(&twice)).unwrap();
        let (messages, _) = skim(&path).unwrap();
        assert!(model(&messages).unwrap_err().message.contains("in two places"));
    }

    #[test]
    fn what_ends_beyond_the_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.onnx");
        let whole = with(&Message::default().text(8, "w").bytes(9, &[1; 1000]));
        for end in 1..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert!(skim(&path).is_err() || end == 2, "{end}");
        }
        assert!(skim(Path::new("nowhere")).is_err() && skim(folder.path()).is_err());
    }
}
