//! A `.caffemodel` → the numbers of its layers by their names (caffe.proto: NetParameter). Only those are read: what the layers are,
//! the text says, since the network in the file is that of training.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::diag::Fault;
use crate::exchange::import::line::Weight;
use crate::exchange::onnx::wire::{Budget, Content, Fields, damaged};
use crate::weights::elements::{Element, Order};

/// The most axes of an array.
const MAX_AXES: usize = 16;

/// An array of a layer, its numbers where they lie.
#[derive(Clone, Debug, Default)]
pub struct Blob<'a> {
    pub shape: Vec<usize>,
    floats: Cow<'a, [u8]>,
    doubles: Cow<'a, [u8]>,
}

/// The arrays of each layer.
pub type Blobs<'a> = HashMap<&'a str, Vec<Blob<'a>>>;

/// Reads which layers have which arrays. Layers are field 100, in older files field 2, with a layer of a still older form in their
/// field 1.
pub fn blobs(bytes: &[u8]) -> Result<Blobs<'_>, Fault> {
    let (mut found, mut budget) = (Blobs::new(), Budget::default());
    let mut fields = Fields::of(bytes);
    while let Some((field, content)) = fields.following()? {
        let form = match field {
            100 => Form { name: 1, blobs: 7 },
            2 => Form { name: 4, blobs: 6 },
            _ => continue,
        };
        let (name, blobs) = layer(content.bytes()?, form, &mut budget)?;
        // Of a layer that is there for training and for testing, that with numbers.
        if !blobs.is_empty() {
            found.insert(name, blobs);
        }
    }
    Ok(found)
}

/// Where a layer has its name and its arrays.
#[derive(Clone, Copy)]
struct Form {
    name: u32,
    blobs: u32,
}

fn layer<'a>(bytes: &'a [u8], form: Form, budget: &mut Budget) -> Result<(&'a str, Vec<Blob<'a>>), Fault> {
    budget.spend()?;
    let (mut name, mut blobs) = ("", Vec::new());
    let mut fields = Fields::of(bytes);
    while let Some((field, content)) = fields.following()? {
        if field == form.name {
            name = content.text()?;
        } else if field == form.blobs {
            blobs.push(blob(content.bytes()?, budget)?);
        } else if field == 1 && form.name == 4 {
            // V0LayerParameter
            let inner = layer(content.bytes()?, Form { name: 1, blobs: 50 }, budget)?;
            name = inner.0;
            blobs.extend(inner.1);
        }
    }
    Ok((name, blobs))
}

fn blob<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Blob<'a>, Fault> {
    budget.spend()?;
    let mut blob = Blob::default();
    let (mut shape, mut legacy) = (None, [1i64; 4]);
    let mut fields = Fields::of(bytes);
    while let Some((field, content)) = fields.following()? {
        match field {
            1..=4 => legacy[field as usize - 1] = content.int()?,
            5 => behind::<4>(&mut blob.floats, content)?,
            7 => {
                let mut inner = Fields::of(content.bytes()?);
                let mut dims = Vec::new();
                while let Some((field, content)) = inner.following()? {
                    if field == 1 {
                        content.ints(&mut dims)?;
                    }
                }
                shape = Some(dims);
            }
            8 => behind::<8>(&mut blob.doubles, content)?,
            _ => {}
        }
    }
    let dims = shape.unwrap_or_else(|| legacy.to_vec());
    let whole: Option<Vec<usize>> = dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
    blob.shape = whole.filter(|shape| shape.len() <= MAX_AXES).ok_or_else(|| {
        let shown: Vec<i64> = dims.iter().copied().take(MAX_AXES).collect();
        damaged(format!("an array with {} axes: {shown:?}", dims.len()))
    })?;
    let n = blob.shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
    match n == Some(blob.count()) {
        true => Ok(blob),
        false => Err(damaged(format!("an array of {:?} has {} numbers", blob.shape, blob.count()))),
    }
}

/// Numbers behind those that were there: in place where they lie together, as they nearly always do.
fn behind<'a, const N: usize>(into: &mut Cow<'a, [u8]>, content: Content<'a>) -> Result<(), Fault> {
    match content {
        Content::Bytes(bytes) if into.is_empty() && bytes.len() % N == 0 => *into = Cow::Borrowed(bytes),
        content => content.raw::<N>(into.to_mut())?,
    }
    Ok(())
}

impl<'a> Blob<'a> {
    /// How many numbers it has.
    pub fn count(&self) -> usize {
        self.floats.len() / 4 + self.doubles.len() / 8
    }

    pub fn numbers(&self) -> Vec<f32> {
        let float = |own: &[u8]| Element::F32.number(own, Order::Little);
        let double = |own: &[u8]| Element::F64.number(own, Order::Little);
        self.floats.chunks_exact(4).map(float).chain(self.doubles.chunks_exact(8).map(double)).collect()
    }

    /// Its numbers, read when they are wanted.
    pub fn weight(&self) -> Weight<'a> {
        let own = self.clone();
        Weight::later(self.count(), move || Ok(own.numbers()))
    }
}
