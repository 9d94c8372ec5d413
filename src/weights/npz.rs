//! NumPy's arrays in an archive → tensors by name.

use std::path::{Path, PathBuf};

use crate::data::sources::npy;
use crate::diag::Fault;
use crate::weights::elements::Element;
use crate::weights::tensors::{File, MAX_TENSORS, Numbers, Sequence, Tensor, fault};

/// Reads what the archive declares.
pub fn open(path: &Path) -> Result<File, Fault> {
    let mut store = npy::Store::open(path)?;
    let names = store.names().to_vec();
    if names.is_empty() || names.len() > MAX_TENSORS {
        let message = format!("has {} arrays", names.len());
        return Err(fault(path, message).advise("an archive of `numpy.savez`, an array for each tensor"));
    }
    let mut tensors = Vec::with_capacity(names.len());
    for name in &names {
        let (shape, element, trouble) = match store.head(name) {
            Ok(head) => match element(&head) {
                Some(element) => (head.shape, element, None),
                None => (head.shape, Element::U8, Some("has unsigned elements of several bytes".to_owned())),
            },
            Err(fault) => (Vec::new(), Element::U8, Some(format!("cannot be read ({})", fault.message))),
        };
        tensors.push(Tensor { name: name.clone(), shape, element, trouble });
    }
    let numbers = Box::new(Stored { path: path.to_owned(), store, names });
    Ok(File::new(path, "NumPy", tensors, Sequence::Lost, numbers))
}

fn element(head: &npy::Head) -> Option<Element> {
    Some(match (head.element, head.size) {
        (npy::Element::Bool, _) => Element::Bool,
        (npy::Element::Unsigned, 1) => Element::U8,
        (npy::Element::Unsigned, _) => return None,
        (npy::Element::Signed, 1) => Element::I8,
        (npy::Element::Signed, 2) => Element::I16,
        (npy::Element::Signed, 4) => Element::I32,
        (npy::Element::Signed, _) => Element::I64,
        (npy::Element::Float, 2) => Element::F16,
        (npy::Element::Float, 4) => Element::F32,
        (npy::Element::Float, _) => Element::F64,
    })
}

struct Stored {
    path: PathBuf,
    store: npy::Store,
    names: Vec<String>,
}

impl Numbers for Stored {
    fn read(&mut self, at: usize) -> Result<Vec<f32>, Fault> {
        let name = self.names.get(at).ok_or_else(|| fault(&self.path, "has lost an array"))?;
        Ok(match self.store.array(name)?.values {
            npy::Numbers::Bytes(bytes) => bytes.into_iter().map(f32::from).collect(),
            npy::Numbers::Whole(numbers) => numbers.into_iter().map(|number| number as f32).collect(),
            npy::Numbers::Floats(numbers) => numbers,
        })
    }
}
