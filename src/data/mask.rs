//! A PNG file of grey or palette pixels → the class of each: the numbers in the file, which no colour stands for.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, DecodingError, Limits, Transformations};

use crate::data::decode::{MAX_FILE, MAX_MEMORY, MAX_PIXELS, whole_png};
use crate::data::sample::{IGNORED, Image, Values};
use crate::diag::{Fault, codes};

/// What the numbers of a mask stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// For each number its class or [`IGNORED`]; `None` for one that may not be there.
    of: Vec<Option<u8>>,
    n_classes: usize,
}

/// The classes of masks, and what their numbers stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legend {
    pub names: Vec<String>,
    pub meaning: Meaning,
    /// Whether the numbers of its classes, or the one to ignore, are written.
    pub is_explained: bool,
}

impl Meaning {
    /// The numbers are classes from 0, and one of them counts for nothing.
    pub fn counted(n_classes: usize, ignore: Option<u8>) -> Meaning {
        let class = |number: usize| (number < n_classes).then_some(number as u8);
        Meaning { of: (0..=255).map(class).collect(), n_classes }.without(ignore)
    }

    /// The number of each class.
    pub fn listed(numbers: &[u8], ignore: Option<u8>) -> Meaning {
        let class = |number: u8| numbers.iter().position(|own| *own == number).map(|class| class as u8);
        Meaning { of: (0..=255).map(class).collect(), n_classes: numbers.len() }.without(ignore)
    }

    fn without(mut self, ignore: Option<u8>) -> Meaning {
        if let Some(own) = ignore.and_then(|number| self.of.get_mut(usize::from(number))) {
            *own = own.or(Some(IGNORED));
        }
        self
    }
}

/// The numbers of a PNG file: one channel of bytes.
///
/// Errors: what is no PNG of grey or palette pixels with up to 8 bits, or is damaged or too large.
pub fn decode(bytes: &[u8]) -> Result<Image, Fault> {
    if bytes.len() as u64 > MAX_FILE {
        return Err(fault(format!("the file has {} bytes, at most {MAX_FILE} are read", bytes.len())));
    }
    if !bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Err(fault("a mask is a PNG file".to_owned())
            .note("other formats change the numbers of its pixels, or have none")
            .advise("save the class of each pixel as PNG, grey or with a palette"));
    }
    whole_png(bytes)?;
    let limits = Limits { bytes: MAX_MEMORY as usize };
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let info = reader.info();
    let (width, height) = (info.width as usize, info.height as usize);
    if (width as u64).saturating_mul(height as u64) > MAX_PIXELS {
        return Err(fault(format!(
            "{width}x{height} pixels, at most {} million are read",
            MAX_PIXELS / 1_000_000
        )));
    }
    let (colour, depth) = (info.color_type, info.bit_depth);
    let bits = match (colour, depth) {
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::One) => 1,
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::Two) => 2,
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::Four) => 4,
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::Eight) => 8,
        (_, BitDepth::Sixteen) => {
            return Err(fault("its pixels have 16 bits".to_owned()).advise("save the classes with 8 bits"));
        }
        (ColorType::Rgb | ColorType::Rgba | ColorType::GrayscaleAlpha, _) => {
            return Err(fault("its pixels are colours, not numbers of classes".to_owned())
                .advise("save it grey or with a palette: the class of each pixel, from 0"));
        }
    };
    let size = reader.output_buffer_size().filter(|size| *size as u64 <= MAX_MEMORY);
    let mut packed = vec![0; size.ok_or_else(|| fault("it takes too much memory".to_owned()))?];
    reader.next_frame(&mut packed).map_err(damaged)?;
    let stride = (width * bits).div_ceil(8);
    let mut numbers = Vec::with_capacity(width * height);
    for row in packed.chunks_exact(stride.max(1)).take(height) {
        let number = |x: usize| {
            let at = x * bits;
            row[at / 8] >> (8 - bits - at % 8) & (0xff >> (8 - bits))
        };
        numbers.extend((0..width).map(number));
    }
    Ok(Image::of_bytes([1, height, width], numbers))
}

/// The class of each pixel.
///
/// Errors: a number that stands for no class.
pub fn classes(mut numbers: Image, meaning: &Meaning) -> Result<Image, Fault> {
    let width = numbers.width.max(1);
    if let Values::Bytes(pixels) = &mut numbers.values {
        for (at, pixel) in pixels.iter_mut().enumerate() {
            match meaning.of.get(usize::from(*pixel)).copied().flatten() {
                Some(class) => *pixel = class,
                None => return Err(stranger(*pixel, [at / width, at % width], meaning.n_classes)),
            }
        }
    }
    Ok(numbers)
}

fn stranger(number: u8, [row, column]: [usize; 2], n_classes: usize) -> Fault {
    let message =
        format!("it has {number} in row {row}, column {column}, which is none of {n_classes} classes");
    fault(message)
        .at("classes")
        .advise("`classes=` with the number of classes, `ignore=` with the value to ignore")
        .advise("`values=[0, 255]`, if the classes have other numbers than 0, 1, 2 and so on")
}

fn fault(message: String) -> Fault {
    Fault::new(codes::DATA_FILE, message)
}

fn damaged(error: DecodingError) -> Fault {
    fault(format!("the mask is damaged: {error}")).advise("copy or save it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(colour: ColorType, depth: BitDepth, [height, width]: [u32; 2], packed: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if colour == ColorType::Indexed {
            encoder.set_palette([9; 3 * 4].as_slice());
        }
        encoder.write_header().unwrap().write_image_data(packed).unwrap();
        bytes
    }

    fn read(bytes: &[u8], meaning: &Meaning) -> Result<Vec<u8>, String> {
        match decode(bytes)
            .and_then(|numbers| classes(numbers, meaning))
            .map_err(|fault| fault.message)?
            .values
        {
            Values::Bytes(bytes) => Ok(bytes),
            Values::Numbers(_) => panic!("numbers"),
        }
    }

    #[test]
    fn grey_and_palette_pixels_are_numbers_of_every_depth() {
        let all = Meaning::counted(4, Some(255));
        let packed = file(ColorType::Indexed, BitDepth::Two, [2, 3], &[0b00_01_10_00, 0b11_10_01_00]);
        assert_eq!(read(&packed, &all).unwrap(), [0, 1, 2, 3, 2, 1]);
        let bits = file(ColorType::Grayscale, BitDepth::One, [1, 9], &[0b1010_0000, 0b1000_0000]);
        assert_eq!(read(&bits, &all).unwrap(), [1, 0, 1, 0, 0, 0, 0, 0, 1]);
        let grey = file(ColorType::Grayscale, BitDepth::Eight, [1, 3], &[0, 255, 3]);
        assert_eq!(read(&grey, &all).unwrap(), [0, IGNORED, 3]);
        assert_eq!(read(&grey, &Meaning::listed(&[3, 255], Some(0))).unwrap(), [IGNORED, 1, 0]);
        assert_eq!(
            read(&grey, &Meaning::counted(4, None)).unwrap_err(),
            "it has 255 in row 0, column 1, which is none of 4 classes"
        );
    }

    #[test]
    fn what_has_no_numbers_of_classes_is_refused() {
        let all = Meaning::counted(4, None);
        let colours = file(ColorType::Rgb, BitDepth::Eight, [1, 1], &[1, 2, 3]);
        assert_eq!(read(&colours, &all).unwrap_err(), "its pixels are colours, not numbers of classes");
        let deep = file(ColorType::Grayscale, BitDepth::Sixteen, [1, 1], &[0, 1]);
        assert_eq!(read(&deep, &all).unwrap_err(), "its pixels have 16 bits");
        assert_eq!(read(b"GIF89a", &all).unwrap_err(), "a mask is a PNG file");
        let whole = file(ColorType::Grayscale, BitDepth::Eight, [2, 3], &[0, 1, 2, 3, 2, 1]);
        for end in 0..whole.len() {
            assert!(read(&whole[..end], &all).is_err(), "cut at {end}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert!(read(&damaged, &all).is_err(), "damaged at {at}");
        }
    }
}
