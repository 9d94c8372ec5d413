//! The changes that policies of augmentation draw from: of places and of colours, each with a strength, as torchvision makes
//! them (`_AutoAugmentBase`).

use crate::data::sample::{Form, Image, Sample, Values};
use crate::data::transforms::warp::{Change, Sampling, warp};
use crate::diag::{Fault, codes};
use crate::tensor::random::Random;

/// Strengths that a policy draws from: 0 to 30.
pub const BINS: usize = 31;

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

/// In the order in which they are drawn.
pub const KINDS: [Kind; 14] = [
    Kind::Identity,
    Kind::ShearX,
    Kind::ShearY,
    Kind::TranslateX,
    Kind::TranslateY,
    Kind::Rotate,
    Kind::Brightness,
    Kind::Color,
    Kind::Contrast,
    Kind::Sharpness,
    Kind::Posterize,
    Kind::Solarize,
    Kind::AutoContrast,
    Kind::Equalize,
];

/// The strongest change of each kind.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    pub shear: f64,
    /// Pixels for images of these extents.
    pub translate: fn(usize) -> f64,
    pub degrees: f64,
    pub colour: f64,
    /// Bits that go.
    pub bits: f64,
}

impl Space {
    /// What a kind's change is at a strength of 0 to `BINS - 1`, without its sign.
    fn magnitude(&self, kind: Kind, bin: usize, [height, width]: [usize; 2]) -> f64 {
        match kind {
            Kind::Identity | Kind::AutoContrast | Kind::Equalize => 0.0,
            Kind::ShearX | Kind::ShearY => evenly([0.0, self.shear], bin),
            Kind::TranslateX => evenly([0.0, (self.translate)(width)], bin),
            Kind::TranslateY => evenly([0.0, (self.translate)(height)], bin),
            Kind::Rotate => evenly([0.0, self.degrees], bin),
            Kind::Brightness | Kind::Color | Kind::Contrast | Kind::Sharpness => {
                evenly([0.0, self.colour], bin)
            }
            Kind::Posterize => (8.0 - self.bits * bin as f64 / (BINS - 1) as f64).round_ties_even(),
            Kind::Solarize => evenly([1.0, 0.0], bin),
        }
    }

    /// Draws a kind and, where that has one, a sign, and changes a sample; `bin` draws a strength.
    pub fn apply(
        &self,
        sample: &mut Sample,
        sampling: Sampling,
        random: &mut Random,
        bin: impl FnOnce(&mut Random) -> usize,
    ) -> Result<(), Fault> {
        let kind = KINDS[random.below(KINDS.len() as u32) as usize];
        let bin = bin(random);
        let mut magnitude = self.magnitude(kind, bin, [sample.image.height, sample.image.width]);
        let has_sign = match kind {
            Kind::ShearX | Kind::ShearY | Kind::TranslateX | Kind::TranslateY | Kind::Rotate => true,
            Kind::Brightness | Kind::Color | Kind::Contrast | Kind::Sharpness => true,
            Kind::Identity | Kind::Posterize | Kind::Solarize | Kind::AutoContrast | Kind::Equalize => false,
        };
        if has_sign && random.uniform() <= 0.5 {
            magnitude = -magnitude;
        }
        change(sample, kind, magnitude, sampling)
    }
}

/// One of [`BINS`] numbers from the first to the last, rounded as PyTorch's `linspace` does.
fn evenly(ends: [f64; 2], bin: usize) -> f64 {
    let [first, last] = ends.map(|end| end as f32);
    let step = (last - first) / (BINS - 1) as f32;
    f64::from(match bin < BINS / 2 {
        true => step.mul_add(bin as f32, first),
        false => (-step).mul_add((BINS - 1 - bin) as f32, last),
    })
}

/// Refuses images whose channels are no colours and no brightness.
pub fn form(input: Form, name: &str) -> Result<Form, Fault> {
    match input.channels {
        Some(1 | 3) | None => Ok(input),
        Some(channels) => {
            let message = format!("`{name}` needs 1 or 3 channels, but {channels} arrive ({input})");
            Err(Fault::new(codes::DATA_SHAPE, message))
        }
    }
}

/// Changes a sample: its places together with those of a mask or image that is the target, its colours alone.
pub fn change(sample: &mut Sample, kind: Kind, magnitude: f64, sampling: Sampling) -> Result<(), Fault> {
    let image = &mut sample.image;
    let corner = [-(image.width as f64) / 2.0, -(image.height as f64) / 2.0];
    let sheared = magnitude.atan().to_degrees();
    let place = match kind {
        Kind::ShearX => Change { shear: [sheared, 0.0], center: corner, ..Change::NONE },
        Kind::ShearY => Change { shear: [0.0, sheared], center: corner, ..Change::NONE },
        Kind::TranslateX => Change { translate: [magnitude.trunc(), 0.0], ..Change::NONE },
        Kind::TranslateY => Change { translate: [0.0, magnitude.trunc()], ..Change::NONE },
        // Counter-clockwise.
        Kind::Rotate => Change { angle: -magnitude, ..Change::NONE },
        Kind::Identity => return Ok(()),
        Kind::Brightness => return blend(image, Other::Black, 1.0 + magnitude as f32),
        Kind::Color => return blend(image, Other::Grey, 1.0 + magnitude as f32),
        Kind::Contrast => return blend(image, Other::Mean, 1.0 + magnitude as f32),
        Kind::Sharpness => {
            sharpen(image, 1.0 + magnitude as f32);
            return Ok(());
        }
        Kind::Posterize => {
            let bits = magnitude.clamp(0.0, 8.0) as u32;
            bytes(image, |plane| plane.iter_mut().for_each(|byte| *byte &= (0xff00u32 >> bits) as u8));
            return Ok(());
        }
        Kind::Solarize => {
            let inverted = |byte: u8| if f64::from(byte) >= 255.0 * magnitude { 255 - byte } else { byte };
            bytes(image, |plane| plane.iter_mut().for_each(|byte| *byte = inverted(*byte)));
            return Ok(());
        }
        Kind::AutoContrast => {
            bytes(image, stretch);
            return Ok(());
        }
        Kind::Equalize => {
            bytes(image, equalize);
            return Ok(());
        }
    };
    let affine = place.affine();
    sample.each(|image, layer| {
        warp(image, layer, &affine, sampling);
        Ok(())
    })
}

/// A brightness that pixels are drawn away from or towards.
#[derive(Clone, Copy)]
enum Other {
    Black,
    /// That of the image on average.
    Mean,
    /// The pixel's own, without its colours.
    Grey,
}

/// Takes so much of bytes, and the rest to 1 of another brightness. As torchvision does with bytes: brightness is rounded down, and
/// so is the result.
fn blend(image: &mut Image, other: Other, factor: f32) -> Result<(), Fault> {
    let (n_channels, size) = (image.channels, (image.height * image.width).max(1));
    let were_numbers = matches!(image.values, Values::Numbers(_));
    image.round();
    if let Values::Bytes(bytes) = &mut image.values {
        let grey: Vec<f32> = match n_channels {
            3 => (0..size)
                .map(|i| [bytes[i], bytes[size + i], bytes[2 * size + i]].map(f32::from))
                .map(|[red, green, blue]| (0.2989 * red + 0.587 * green + 0.114 * blue).floor())
                .collect(),
            _ => bytes.iter().take(size).map(|&byte| f32::from(byte)).collect(),
        };
        let mean = (grey.iter().map(|&x| f64::from(x)).sum::<f64>() / size as f64) as f32;
        for plane in bytes.chunks_exact_mut(size) {
            for (byte, &own) in plane.iter_mut().zip(&grey) {
                let rest = match other {
                    Other::Black => 0.0,
                    Other::Mean => mean,
                    Other::Grey => own,
                };
                // `as` keeps within the bytes.
                *byte = (f32::from(*byte) * factor + rest * (1.0 - factor)) as u8;
            }
        }
    }
    if were_numbers {
        image.change(|_| ());
    }
    Ok(())
}

/// Changes each channel in bytes. Numbers become bytes for it and are such again.
fn bytes(image: &mut Image, mut change: impl FnMut(&mut [u8])) {
    let were_numbers = matches!(image.values, Values::Numbers(_));
    image.round();
    let plane = (image.height * image.width).max(1);
    if let Values::Bytes(bytes) = &mut image.values {
        bytes.chunks_exact_mut(plane).for_each(&mut change);
    }
    if were_numbers {
        image.change(|_| ());
    }
}

/// The darkest becomes black and the lightest white.
fn stretch(plane: &mut [u8]) {
    let (least, most) = plane.iter().fold((255, 0), |(least, most), &byte| (byte.min(least), byte.max(most)));
    if least < most {
        let scale = f32::from(most - least) / 255.0;
        plane.iter_mut().for_each(|byte| *byte = (f32::from(*byte - least) / scale) as u8);
    }
}

/// Every brightness about as often as every other (Pillow: `ImageOps.equalize`).
fn equalize(plane: &mut [u8]) {
    let mut counts = [0usize; 256];
    plane.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    let most = counts.iter().rposition(|&count| count > 0).map_or(0, |last| counts[last]);
    let step = (plane.len() - most) / 255;
    if step == 0 {
        return;
    }
    let mut below = 0;
    let table = counts.map(|count| {
        let own = ((below + step / 2) / step).min(255) as u8;
        below += count;
        own
    });
    plane.iter_mut().for_each(|byte| *byte = table[usize::from(*byte)]);
}

/// Away from what the 3x3 pixels around each are on average, itself weighing five times; the border stays.
fn sharpen(image: &mut Image, factor: f32) {
    let (height, width) = (image.height, image.width);
    if height <= 2 || width <= 2 {
        return;
    }
    let was_bytes = matches!(image.values, Values::Bytes(_));
    image.change(|values| {
        let mut whole = vec![0.0; height * width];
        for plane in values.chunks_exact_mut(height * width) {
            whole.copy_from_slice(plane);
            for y in 1..height - 1 {
                for x in 1..width - 1 {
                    let at = y * width + x;
                    let rows = [at - width, at, at + width];
                    let sum: f32 = rows.iter().map(|&row| whole[row - 1] + whole[row] + whole[row + 1]).sum();
                    let mut blurred = (sum + 4.0 * whole[at]) / 13.0;
                    if was_bytes {
                        blurred = (blurred * 255.0).round_ties_even() / 255.0;
                    }
                    plane[at] = (blurred + factor * (whole[at] - blurred)).clamp(0.0, 1.0);
                }
            }
        }
    });
    if was_bytes {
        image.round();
    }
}

#[cfg(test)]
mod tests {
    use super::evenly;

    /// `torch.linspace(0, 32, 31)` and `torch.linspace(1, 0, 31)`: a move of strength 15 is one of 15 pixels.
    #[test]
    fn strengths_are_rounded_as_pytorchs() {
        assert_eq!(evenly([0.0, 32.0], 15), 15.999_999_046_325_684);
        assert_eq!([0, 15, 30].map(|bin| evenly([1.0, 0.0], bin)), [1.0, 0.5, 0.0]);
    }
}
