//! What Keras saved → tensors by name: `.keras` archives, `.weights.h5`, and the older `.h5` and `.hdf5`. Kernels stay as Keras has
//! them (height, width, in, out); [`crate::weights::fitting`] turns them.

pub mod calls;
pub mod config;
mod order;
pub mod store;

use std::collections::HashMap;
use std::fs::File as Disk;
use std::path::{Path, PathBuf};

use crate::diag::Fault;
use crate::weights::elements::Element;
use crate::weights::hdf5::Array;
use crate::weights::keras::config::Entry;
use crate::weights::keras::store::{Store, Stored};
use crate::weights::tensors::{Branches, File, MAX_TENSORS, Numbers, Sequence, Tensor, fault};

/// Reads what a file of Keras declares.
pub fn open(path: &Path, disk: Disk) -> Result<File, Fault> {
    let wrong = |what: String| fault(path, what).advise(store::AGAIN);
    let store = store::open(disk).map_err(wrong)?;
    let entries = store.config.as_deref().map(config::entries).transpose().map_err(wrong)?;
    let (layers, sequence, orders) = match entries {
        Some((entries, orders)) => {
            (described(&store, &entries).map_err(wrong)?, Sequence::Kept, Some(orders))
        }
        None => {
            let (layers, sequence) = store.layers().map_err(wrong)?;
            (layers.into_iter().enumerate().collect(), sequence, None)
        }
    };
    let (mut tensors, mut sources) = (Vec::new(), Vec::new());
    // Of each entry the tensors.
    let mut own: HashMap<usize, Vec<usize>> = HashMap::new();
    for (entry, Stored { name, parts, trouble }) in layers {
        for (part, source) in parts {
            own.entry(entry).or_default().push(tensors.len());
            let (shape, element) = match &source {
                Source::Array(array) => (array.shape.clone(), array.element),
                Source::All(n, _) => (vec![*n], Some(Element::F32)),
            };
            let unread =
                element.is_none().then(|| "has elements of a kind that dslc does not read".to_owned());
            tensors.push(Tensor {
                name: format!("{name}/{part}"),
                shape,
                element: element.unwrap_or(Element::U8),
                trouble: trouble.clone().or(unread),
            });
            sources.push(source);
        }
    }
    if tensors.is_empty() || tensors.len() > MAX_TENSORS {
        return Err(fault(path, format!("has {} arrays of weights", tensors.len())).advise(store::AGAIN));
    }
    let branches = match orders {
        Some(orders) => {
            let tensors = |order: Vec<usize>| {
                order.iter().flat_map(|entry| own.get(entry).into_iter().flatten().copied()).collect()
            };
            Branches::Orders(orders.into_iter().map(tensors).collect())
        }
        None => Branches::Mixed,
    };
    let numbers = Box::new(Layers { path: path.to_owned(), sources });
    Ok(File { branches, ..File::new(path, "Keras", tensors, sequence, numbers) })
}

/// Numbers of a layer: an array of the file, or what a layer without them uses in their place.
#[derive(Clone, Debug)]
pub enum Source {
    Array(Array),
    /// So many times this number.
    All(usize, f32),
}

struct Layers {
    path: PathBuf,
    sources: Vec<Source>,
}

impl Numbers for Layers {
    fn read(&mut self, at: usize) -> Result<Vec<f32>, Fault> {
        match self.sources.get(at) {
            Some(Source::Array(array)) => {
                array.numbers().map_err(|what| fault(&self.path, what).advise(store::AGAIN))
            }
            Some(Source::All(n, number)) => Ok(vec![*number; *n]),
            None => Err(fault(&self.path, "has lost an array")),
        }
    }
}

/// The layers of a file that describes its network with the entry that each is of, and with what a batch norm without scale or
/// shift has in their place.
fn described(store: &Store, entries: &[Entry]) -> Result<Vec<(usize, Stored)>, String> {
    let mut layers = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let parts = entry.parts();
        let arrays = store.arrays(&entry.place, &parts)?;
        let mut own: Vec<(String, Source)> = parts
            .iter()
            .zip(arrays)
            .map(|(part, array)| (part.name().to_owned(), Source::Array(array)))
            .collect();
        if entry.class == "BatchNormalization" {
            completed(&mut own);
        }
        let stored = store::parted(entry.place.path.clone(), own, None);
        layers.extend(stored.into_iter().map(|stored| (at, stored)));
    }
    Ok(layers)
}

/// Gives the layer of a batch norm the scale or shift that it is without.
pub(super) fn completed(parts: &mut Vec<(String, Source)>) {
    let n = parts.iter().find_map(|(name, source)| match source {
        Source::Array(array) if name == "moving_mean" => array.elements().ok(),
        Source::Array(_) | Source::All(..) => None,
    });
    for (name, number) in [("gamma", 1.0), ("beta", 0.0)] {
        if let Some(n) = n.filter(|_| parts.iter().all(|(own, _)| own != name)) {
            parts.push((name.to_owned(), Source::All(n, number)));
        }
    }
}
