//! How exactly a device with kernels of its own computes, by the name that a file gives it.

use crate::diag::{Fault, codes};
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::storage::Storage;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    #[default]
    F32,
    /// Libraries round factors to 10 bits of their fraction, sums not.
    Tf32,
    /// What follows from the images is stored, and multiplied, as bf16; sums, weights and statistics are f32.
    Bf16,
}

/// The first devices whose tensor cores multiply TF32, and bf16 with f32 sums.
const CAPABILITY: (i32, i32) = (8, 0);

impl Precision {
    pub const ALL: [Precision; 3] = [Precision::F32, Precision::Tf32, Precision::Bf16];

    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
        }
    }

    /// The precision of a name that is one of theirs.
    pub fn of(name: &str) -> Precision {
        Precision::ALL.into_iter().find(|precision| precision.name() == name).unwrap_or_default()
    }

    /// How the values of libraries' convolutions are stored.
    pub fn storage(self) -> Storage {
        match self {
            Precision::F32 | Precision::Tf32 => Storage::F32,
            Precision::Bf16 => Storage::Bf16,
        }
    }

    /// The format of libraries' convolutions: with tensor cores channels last.
    pub fn format(self) -> Format {
        match self {
            Precision::F32 => Format::ChannelsFirst,
            Precision::Tf32 | Precision::Bf16 => Format::ChannelsLast,
        }
    }

    /// What devices of a compute capability have of it: f32 for `tf32` where there is none; `bf16` is refused.
    pub fn on(self, capability: (i32, i32)) -> Result<Precision, Fault> {
        match self {
            Precision::Bf16 if capability < CAPABILITY => {
                let ((major, minor), (own, own_minor)) = (CAPABILITY, capability);
                Err(Fault::new(
                    codes::DEVICE,
                    format!("`precision bf16` needs a GPU of compute capability {major}.{minor} or newer"),
                )
                .note(format!("this one has {own}.{own_minor}"))
                .advise("`--set train.precision=f32`"))
            }
            Precision::Tf32 if capability < CAPABILITY => Ok(Precision::F32),
            Precision::F32 | Precision::Tf32 | Precision::Bf16 => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Precision;

    #[test]
    fn a_name_is_of_one_precision() {
        for precision in Precision::ALL {
            assert_eq!(Precision::of(precision.name()), precision);
        }
    }

    #[test]
    fn an_older_device_computes_in_f32_or_refuses() {
        for precision in Precision::ALL {
            assert_eq!(precision.on((8, 0)), Ok(precision));
        }
        for precision in [Precision::F32, Precision::Tf32] {
            assert_eq!(precision.on((7, 5)), Ok(Precision::F32));
        }
        let fault = Precision::Bf16.on((7, 5)).unwrap_err();
        assert!(format!("{fault:?}").contains("train.precision=f32"), "{fault:?}");
    }
}
