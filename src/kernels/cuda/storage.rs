//! How the numbers of a value lie in a device's memory, and a place of memory together with that. Kernels compute in f32
//! whatever they load and store.

use crate::kernels::cuda::format::Format;

/// The type of numbers in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Storage {
    /// The upper half of an f32, rounded to nearest, ties to even: its range, with 7 bits of its fraction.
    Bf16,
    #[default]
    F32,
}

impl Storage {
    /// How much of the memory, which is counted in f32, so many numbers take.
    pub fn words(self, n: usize) -> usize {
        match self {
            Storage::F32 => n,
            Storage::Bf16 => n.div_ceil(2),
        }
    }

    /// The type in CUDA C++.
    pub fn name(self) -> &'static str {
        match self {
            Storage::F32 => "float",
            Storage::Bf16 => "bf16",
        }
    }
}

/// All of how a value lies in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Form {
    pub storage: Storage,
    pub format: Format,
}

/// Numbers at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored<P> {
    pub at: P,
    pub storage: Storage,
}

impl<P> Stored<P> {
    /// Numbers of 32 bits.
    pub fn f32(at: P) -> Stored<P> {
        Stored { at, storage: Storage::F32 }
    }

    /// The same with memory somewhere else.
    pub fn map<Q>(self, place: impl FnOnce(P) -> Q) -> Stored<Q> {
        Stored { at: place(self.at), storage: self.storage }
    }
}
