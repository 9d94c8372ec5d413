//! Values in the forms of their readers: what a step needs in another form than its own is copied before its first reader
//! and kept to its last; what depends on states alone, in a graph that changes none, once for many steps.

use std::collections::BTreeMap;

use crate::graph::Value;
use crate::kernels::cuda::storage::Form;

/// A value in a form.
pub type Key = (Value, Form);

/// A copy: the step that needs it first, when its memory is taken and until when, and its block.
pub struct Copied {
    pub first: usize,
    pub start: usize,
    pub last: usize,
    pub block: usize,
}

#[derive(Default)]
pub struct Copies(BTreeMap<Key, Copied>);

impl Copies {
    /// A step needs this at `time`, where its memory is taken from `start` until `last`.
    pub fn want(&mut self, key: Key, time: usize, start: usize, last: usize) {
        let copied = self.0.entry(key).or_insert(Copied { first: time, start, last, block: 0 });
        copied.last = copied.last.max(last);
    }

    /// Gives each its block.
    pub fn place(&mut self, mut want: impl FnMut(Key, &Copied) -> usize) {
        for (&key, copied) in &mut self.0 {
            copied.block = want(key, copied);
        }
    }

    pub fn find(&self, key: Key) -> Option<&Copied> {
        self.0.get(&key)
    }
}
