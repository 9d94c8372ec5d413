//! Numbers to bf16 and back on one device, bit by bit as candle rounds them.

use dslc::kernels::cuda::format::Format;
use dslc::kernels::cuda::launch::in_order;
use dslc::kernels::cuda::machine::Machine;
use dslc::kernels::cuda::moving::converted;
use dslc::kernels::cuda::storage::{Storage, Stored};
use dslc::shape::Shape;
use dslc::tensor::random::Random;

use crate::words::{rounded, unpack};

/// What is rounded or read in another way.
pub fn casts(mut machine: Box<dyn Machine>) -> Vec<String> {
    let special = [
        0x0000_0000u32, // Zeros.
        0x8000_0000,
        0x3f80_8000, // Ties, to an even number below and above.
        0x3f81_8000,
        0xbf80_8001,
        0x3f80_7fff,
        0x7f7f_ffff, // The largest number: infinite when rounded.
        0x7f7f_7fff,
        0x7f80_0000,
        0xff80_0000,
        0x0000_8001, // Below the normal numbers.
        0x8000_8000,
        0x0001_8000,
        0x7fc0_0000, // NaN.
        0x7f80_0001,
    ];
    let mut random = Random::new(0, "casts", 0);
    let drawn = (0..500).map(|_| random.word());
    let numbers: Vec<f32> = special.into_iter().chain(drawn).map(f32::from_bits).collect();
    let n = numbers.len();
    let (from, half, back) = (0, n, 2 * n);
    let as_bf16 = Stored { at: half, storage: Storage::Bf16 };
    let cast = |from, to| converted(&Shape::from([n]), [Format::ChannelsFirst; 2], [from, to]);
    let commands = [cast(Stored::f32(from), as_bf16), cast(as_bf16, Stored::f32(back))];
    let commands: Vec<_> = commands.into_iter().collect::<Result<_, _>>().unwrap();
    machine.begin(3 * n, vec![in_order::<Stored<usize>>(commands)]).unwrap();
    machine.write(from, &numbers).unwrap();
    machine.run(0).unwrap();
    let mut memory = vec![0.0; 3 * n];
    machine.read(0, &mut memory).unwrap();
    let stored = unpack(&memory[half..], Storage::Bf16, n);
    let mut wrong = Vec::new();
    for (i, expected) in rounded(&numbers, Storage::Bf16).into_iter().enumerate() {
        for found in [stored[i], memory[back + i]] {
            if found.to_bits() != expected.to_bits() && !(found.is_nan() && expected.is_nan()) {
                wrong.push(format!("{:08x} became {found}, not {expected}", numbers[i].to_bits()));
            }
        }
    }
    wrong
}
