//! A library's command + how its operands are stored → which of them it needs in another storage.
//!
//! With bf16 a library multiplies bf16 factors. A product's result may be f32; a convolution's is stored as its factors.

use crate::kernels::cuda::launch::{Command, Direction, Place};
use crate::kernels::cuda::precision::Precision;
use crate::kernels::cuda::storage::Storage;

/// What a library's command has as bf16 that is f32.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversions {
    /// The node's inputs of these numbers.
    pub inputs: Vec<usize>,
    pub output: bool,
}

/// What has to be converted for a command, where `storage` says how each of its operands is stored.
pub fn conversions(
    command: &Command<Place>,
    precision: Precision,
    storage: &dyn Fn(Place) -> Storage,
) -> Conversions {
    let (factors, result) = match (precision, command) {
        (Precision::F32 | Precision::Tf32, _) | (_, Command::Launch(_) | Command::Copy { .. }) => {
            return Conversions::default();
        }
        (Precision::Bf16, Command::Product(own)) => ([own.a, own.b], None),
        (Precision::Bf16, Command::Convolution(own)) => match own.direction {
            Direction::Output => ([own.images, own.weight], Some(own.output)),
            Direction::GradInput => ([own.weight, own.output], Some(own.images)),
            Direction::GradWeight => ([own.images, own.output], Some(own.weight)),
        },
    };
    let inputs = factors.into_iter().filter_map(|factor| match factor {
        Place::Input(number) if storage(factor) == Storage::F32 => Some(number),
        Place::Input(_) | Place::Output | Place::Scratch(_) | Place::Table(_) => None,
    });
    let output = result.is_some_and(|result| storage(result) == Storage::F32);
    Conversions { inputs: inputs.collect(), output }
}
