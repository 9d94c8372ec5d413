//! A safetensors file, whoever wrote it → tensors by name. One of dslc has its layers in the order of its model.

use std::fs::File as Disk;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata};

use crate::diag::Fault;
use crate::train::checkpoint::{Card, KEY};
use crate::weights::elements::{Element, Order};
use crate::weights::tensors::{Branches, File, MAX_TENSORS, Numbers, Sequence, Tensor, fault};

/// The longest header, as the format's own readers have it.
const MAX_HEADER: u64 = 100_000_000;
const AGAIN: &str = "copy or download the file again";

/// Reads the header.
pub fn open(path: &Path, mut disk: Disk) -> Result<File, Fault> {
    let unreadable = |e: std::io::Error| fault(path, format!("cannot be read: {e}"));
    let broken =
        |what: String| fault(path, format!("is not a complete safetensors file: {what}")).advise(AGAIN);
    let length = disk.metadata().map_err(unreadable)?.len();
    let mut size = [0; 8];
    disk.read_exact(&mut size).map_err(|_| broken(format!("it has {length} bytes")))?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER || size + 8 > length {
        return Err(broken(format!("its header claims {size} bytes")));
    }
    let mut bytes = Vec::new();
    (&mut disk).take(size).read_to_end(&mut bytes).map_err(unreadable)?;
    let header: Metadata =
        serde_json::from_slice(&bytes).map_err(|e| broken(format!("its header is damaged ({e})")))?;
    let end = (8 + size).saturating_add(header.data_len() as u64);
    if end > length {
        return Err(broken(format!("its header says {end} bytes, it has {length}")));
    }
    let card = header.metadata().as_ref().and_then(|map| map.get(KEY));
    let card = card.and_then(|text| serde_json::from_str::<Card>(text).ok());
    let names = header.offset_keys();
    if names.len() > MAX_TENSORS {
        return Err(broken(format!("it has more than {MAX_TENSORS} tensors")));
    }
    let (mut tensors, mut places) = (Vec::new(), Vec::new());
    for name in names {
        let Some(info) = header.info(&name) else { continue };
        let element = element(info.dtype);
        let trouble = element
            .is_none()
            .then(|| format!("has elements of the kind {:?}, which dslc does not read", info.dtype));
        let (start, end) = info.data_offsets;
        let shape = info.shape.clone();
        let tensor = Tensor { name, shape, element: element.unwrap_or(Element::U8), trouble };
        let bytes = tensor.elements().and_then(|n| n.checked_mul(tensor.element.size()));
        let is_inside = start <= end && end as u64 <= length - 8 - size;
        if !is_inside || (tensor.trouble.is_none() && bytes != Some(end - start)) {
            return Err(broken(format!("`{}` does not lie in the bytes {start} to {end}", tensor.name)));
        }
        places.push((8 + size + start as u64, end.saturating_sub(start)));
        tensors.push(tensor);
    }
    // The format's writer sorts by the size of an element, then by name.
    let sorted = tensors.is_sorted_by(|a, b| (b.element.size(), &a.name) <= (a.element.size(), &b.name));
    let sequence = if sorted { Sequence::Lost } else { Sequence::Kept };
    let kinds = tensors.iter().map(|tensor| tensor.element).collect();
    let numbers = Stored { path: path.to_owned(), disk, places, kinds };
    Ok(File {
        path: path.to_owned(),
        kind: "safetensors",
        tensors,
        sequence,
        branches: Branches::Apart,
        card,
        within: None,
        numbers: Box::new(numbers),
    })
}

fn element(kind: Dtype) -> Option<Element> {
    Some(match kind {
        Dtype::BOOL => Element::Bool,
        Dtype::U8 => Element::U8,
        Dtype::I8 => Element::I8,
        Dtype::I16 => Element::I16,
        Dtype::I32 => Element::I32,
        Dtype::I64 => Element::I64,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        // The format may get more kinds.
        _ => return None,
    })
}

struct Stored {
    path: PathBuf,
    disk: Disk,
    /// Where each tensor begins, and its bytes.
    places: Vec<(u64, usize)>,
    kinds: Vec<Element>,
}

impl Numbers for Stored {
    fn read(&mut self, at: usize) -> Result<Vec<f32>, Fault> {
        let ((start, length), kind) = (self.places[at], self.kinds[at]);
        let unreadable = |e: std::io::Error| fault(&self.path, format!("cannot be read: {e}")).advise(AGAIN);
        let mut bytes = Vec::new();
        let read = self.disk.seek(SeekFrom::Start(start));
        read.and_then(|_| (&mut self.disk).take(length as u64).read_to_end(&mut bytes))
            .map_err(unreadable)?;
        Ok(bytes.chunks_exact(kind.size()).map(|own| kind.number(own, Order::Little)).collect())
    }
}
