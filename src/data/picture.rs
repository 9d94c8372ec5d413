//! A PNG or JPEG file → numbers for the model, by the same preprocessing as the data set's images, or plain.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, RgbImage};

use crate::data::loader::{Mode, prepare, scale};
use crate::data::section::DataSection;
use crate::data::transforms::extents;
use crate::data::transforms::grayscale::brightness;
use crate::diag::{Fault, codes};
use crate::shape::Shape;
use crate::tensor::random::Random;

/// The largest side of a picture, in pixels.
pub const MAX_SIDE: u32 = 16_384;
const MAX_ALLOCATION: u64 = 1 << 29;
const MAX_FILE: u64 = 1 << 28;

/// Reads a picture of the source's shape, as [`pixels`] does, and prepares it as the section says.
pub fn read(path: &Path, section: &DataSection) -> Result<Vec<f32>, Fault> {
    let pixels = pixels(path, &section.facts.shape)?;
    prepare(section, &pixels, Mode::Eval, &mut Random::new(0, "", 0))
}

/// Reads a picture as numbers of 0 (black) to 1 (white) in this shape, as [`pixels`] does, and leaves it at that.
pub fn read_plain(path: &Path, shape: &Shape) -> Result<Vec<f32>, Fault> {
    if shape.rank() != 3 {
        let message = format!("{}: a picture cannot be brought to the shape {shape}", path.display());
        return Err(Fault::new(codes::DATA_SHAPE, message).advise("an `input` of channels x height x width"));
    }
    Ok(pixels(path, shape)?.into_iter().map(scale).collect())
}

/// The pixels of a picture in a shape of 1 or 3 channels, row by row, channel by channel.
///
/// The camera's orientation is applied; transparent parts are laid on white; 16 bits a channel become 8. For a
/// shape of one channel the brightness is taken (ITU-R BT.601). A picture of another size is scaled to the shape's,
/// bilinear, each pixel averaged over what it covers; the sides' ratio is not kept. Colours are not inverted: for
/// MNIST, draw white on black.
fn pixels(path: &Path, shape: &Shape) -> Result<Vec<u8>, Fault> {
    let [channels, height, width] = extents(shape)?;
    let mut picture = on_white(&decode(path)?);
    let (width, height) = (width as u32, height as u32);
    if picture.dimensions() != (width, height) {
        picture = imageops::resize(&picture, width, height, FilterType::Triangle);
    }
    match channels {
        1 => Ok(picture.pixels().map(|pixel| brightness(pixel.0.map(f32::from)).round() as u8).collect()),
        3 => Ok((0..3).flat_map(|channel| picture.pixels().map(move |pixel| pixel.0[channel])).collect()),
        n => {
            let message = format!("{}: pictures have 1 or 3 channels, not {n}", path.display());
            Err(Fault::new(codes::DATA_SHAPE, message))
        }
    }
}

fn decode(path: &Path) -> Result<DynamicImage, Fault> {
    let fault = |what: String| Fault::new(codes::DATA_FILE, format!("{} {what}", path.display()));
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => fault("does not exist".to_owned()),
        _ => fault(format!("cannot be read: {error}")),
    };
    let explain = |error: ImageError| match error {
        ImageError::Unsupported(_) => {
            fault("is not a PNG or JPEG picture that can be read".to_owned()).advise("save it as PNG")
        }
        ImageError::Limits(_) => fault(format!(
            "is too large: at most {MAX_SIDE}x{MAX_SIDE} pixels and {} MB",
            MAX_ALLOCATION >> 20
        ))
        .advise("scale it down"),
        ImageError::Decoding(error) => fault(format!("is damaged: {error}")).advise("save it again"),
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            fault("is cut short".to_owned()).advise("copy it again")
        }
        ImageError::IoError(error) => unreadable(error),
        ImageError::Encoding(_) | ImageError::Parameter(_) => fault(format!("cannot be decoded: {error}")),
    };

    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(fault("is not a file".to_owned()));
    }
    if metadata.len() > MAX_FILE {
        return Err(fault(format!("is too large: {} bytes, at most {MAX_FILE}", metadata.len())));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOCATION);
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(unreadable)?;
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(explain)?;
    limits.reserve(decoder.total_bytes()).map_err(explain)?;
    let orientation = decoder.orientation().map_err(explain)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(explain)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// The picture without transparency.
fn on_white(picture: &DynamicImage) -> RgbImage {
    let rgba = picture.to_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [red, green, blue, alpha] = rgba.get_pixel(x, y).0;
        let over = |value: u8| {
            let (value, alpha) = (u32::from(value), u32::from(alpha));
            ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        image::Rgb([over(red), over(green), over(blue)])
    })
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma, Rgba, RgbaImage};

    use super::*;
    use crate::data::testing::section;

    fn saved(picture: &DynamicImage, name: &str, lines: &str) -> Vec<f32> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        picture.save(&path).unwrap();
        read(&path, &section(&format!("source mnist \"m\"\n{lines}")).unwrap()).unwrap()
    }

    #[test]
    fn a_picture_of_the_right_size_is_read_as_the_data_set_would_be() {
        let grey = GrayImage::from_fn(28, 28, |x, y| Luma([(x * 9 + y) as u8]));
        let values = saved(&grey.clone().into(), "digit.png", "normalize mean=0.1307 std=0.3081");
        let expected: Vec<f32> =
            grey.pixels().map(|pixel| (f32::from(pixel.0[0]) / 255.0 - 0.1307) / 0.3081).collect();
        assert_eq!(values, expected);
    }

    #[test]
    fn other_sizes_are_averaged_and_transparency_is_white() {
        let checked = RgbaImage::from_fn(280, 140, |x, y| {
            let value = if (x + y) % 2 == 0 { 0 } else { 255 };
            Rgba([value, value, value, 255])
        });
        let values = saved(&checked.into(), "x.png", "");
        assert_eq!(values.len(), 784);
        assert!(values.iter().all(|value| (value - 0.5).abs() < 0.02));
        let clear = saved(&RgbaImage::new(28, 28).into(), "clear.png", "");
        assert!(clear.iter().all(|value| *value == 1.0));
        let jpeg = saved(&GrayImage::from_pixel(28, 28, Luma([51])).into(), "x.jpg", "resize 4x4");
        assert!(jpeg.len() == 16 && jpeg.iter().all(|value| (value - 0.2).abs() < 0.01));
    }

    #[test]
    fn files_that_are_no_pictures_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let section = section("source mnist \"m\"").unwrap();
        let message = |content: &[u8]| {
            let path = folder.path().join("x.png");
            std::fs::write(&path, content).unwrap();
            read(&path, &section).unwrap_err().message.split_once("x.png ").unwrap().1.to_owned()
        };
        assert_eq!(message(b"hello"), "is not a PNG or JPEG picture that can be read");
        let mut png = Vec::new();
        let picture: DynamicImage = GrayImage::new(28, 28).into();
        picture.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
        let cut = message(&png[..png.len() - 20]);
        assert!(cut.starts_with("is damaged") || cut.starts_with("is cut short"), "{cut}");
        let mut huge = png.clone();
        huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let crc = crc32(&huge[12..29]);
        huge[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(message(&huge).starts_with("is too large: at most 16384x16384"));
        let fault = read(Path::new("no/such.png"), &section).unwrap_err();
        assert_eq!(fault.message, "no/such.png does not exist");
        assert!(read(folder.path(), &section).unwrap_err().message.ends_with("is not a file"));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }
}
