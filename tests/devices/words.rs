//! Numbers ↔ a device's memory, which is counted in words of 32 bits: one number a word, or two as bf16, rounded by
//! candle.

use dslc::kernels::cuda::format::Format;
use dslc::kernels::cuda::storage::Storage;
use dslc::shape::Shape;
use dslc::tensor::{self, DType, Device, Tensor};

/// The numbers as a storage can have them.
pub fn rounded(numbers: &[f32], storage: Storage) -> Vec<f32> {
    match storage {
        Storage::F32 => numbers.to_vec(),
        Storage::Bf16 => {
            let tensor = tensor::from_slice(numbers, &Shape::from([numbers.len()]), &Device::Cpu).unwrap();
            let rounded = tensor.to_dtype(DType::BF16).unwrap().to_dtype(DType::F32).unwrap();
            tensor::to_vec(&rounded).unwrap()
        }
    }
}

/// Numbers as words. Where they end in the middle of one, its other half is that of `rest`.
pub fn pack(numbers: &[f32], storage: Storage, rest: f32) -> Vec<f32> {
    let numbers = rounded(numbers, storage);
    match storage {
        Storage::F32 => numbers,
        Storage::Bf16 => {
            let upper = |number: f32| number.to_bits() >> 16;
            let word = |pair: &[f32]| match pair {
                [low, high] => upper(*low) | upper(*high) << 16,
                _ => upper(pair[0]) | rest.to_bits() & 0xffff_0000,
            };
            numbers.chunks(2).map(|pair| f32::from_bits(word(pair))).collect()
        }
    }
}

/// The first `n` numbers in words.
pub fn unpack(words: &[f32], storage: Storage, n: usize) -> Vec<f32> {
    let halves = |word: &f32| [word.to_bits() << 16, word.to_bits() & 0xffff_0000].map(f32::from_bits);
    match storage {
        Storage::F32 => words[..n].to_vec(),
        Storage::Bf16 => words.iter().flat_map(halves).take(n).collect(),
    }
}

/// Images in the order of their memory.
pub fn laid(images: &Tensor, format: Format) -> Tensor {
    match format {
        Format::ChannelsFirst => images.clone(),
        Format::ChannelsLast => images.permute(format.axes()).unwrap().contiguous().unwrap(),
    }
}

/// Images that lie so, in the order of their shape.
pub fn logical(images: &Tensor, format: Format) -> Tensor {
    match format {
        Format::ChannelsFirst => images.clone(),
        Format::ChannelsLast => {
            let places = [0, 1, 2, 3].map(|axis| format.place(axis));
            images.permute(places).unwrap().contiguous().unwrap()
        }
    }
}
