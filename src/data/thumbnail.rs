//! An image of a data set → a small picture file for a page; a signal is drawn as a curve first, of a volume the plane in its middle is taken.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};

use crate::data::sample::{Image, Values};

/// The longer side of a picture in pixels, at the most.
pub const LONGEST: u32 = 112;
/// Pictures with a longer side are kept as JPEG if they have colours.
const SMALL: u32 = 64;
const QUALITY: u8 = 80;

/// The kind of the file (`image/png`) and its bytes; `None` of what is no picture. One channel is grey, of three or more
/// the first three are red, green and blue, and of two the first is shown. Numbers are black at 0 and white at 1, or from
/// their least to their largest where they go beyond.
pub fn thumbnail(image: &Image) -> Option<(&'static str, Vec<u8>)> {
    let plane = image.height * image.width;
    let bytes = match &image.values {
        Values::Bytes(bytes) => bytes.clone(),
        Values::Numbers(numbers) => shades(numbers),
    };
    if plane == 0 || bytes.len() != image.channels * plane {
        return None;
    }
    let (width, height) = (u32::try_from(image.width).ok()?, u32::try_from(image.height).ok()?);
    let picture: DynamicImage = match image.channels {
        0 => return None,
        1 | 2 => GrayImage::from_raw(width, height, bytes[..plane].to_vec())?.into(),
        _ => {
            let pixels = (0..plane).flat_map(|at| [bytes[at], bytes[plane + at], bytes[2 * plane + at]]);
            RgbImage::from_raw(width, height, pixels.collect())?.into()
        }
    };
    let longest = width.max(height);
    let picture = if longest > LONGEST { picture.thumbnail(LONGEST, LONGEST) } else { picture };
    let mut out = Cursor::new(Vec::new());
    let kind = match longest > SMALL && image.channels > 2 {
        true => {
            picture.write_with_encoder(JpegEncoder::new_with_quality(&mut out, QUALITY)).ok()?;
            "image/jpeg"
        }
        false => {
            picture.write_to(&mut out, ImageFormat::Png).ok()?;
            "image/png"
        }
    };
    Some((kind, out.into_inner()))
}

/// The plane in the middle of a volume, whose numbers are black at their least and white at their largest.
pub fn middle_plane(volume: &Image, depth: usize) -> Image {
    let height = volume.height / depth.max(1);
    let (plane, middle) = (height * volume.width, depth / 2);
    let numbers = volume.clone().into_numbers();
    let own = numbers.chunks_exact(plane.max(1) * depth.max(1));
    let own: Vec<f32> =
        own.flat_map(|channel| &channel[middle * plane..(middle + 1) * plane]).copied().collect();
    let finite = own.iter().copied().filter(|x| x.is_finite());
    let (low, high) = finite.fold((f32::MAX, f32::MIN), |(low, high), x| (low.min(x), high.max(x)));
    let share = |x: &f32| if high > low { (x - low) / (high - low) } else { 0.5 };
    // `as` keeps within the bytes, and what is no number is black.
    let bytes = own.iter().map(|x| (share(x) * 255.0).round() as u8).collect();
    Image::of_bytes([volume.channels, height, volume.width], bytes)
}

/// Rows of a drawn signal.
const ROWS: usize = 56;

/// A signal as a grey picture of [`LONGEST`] columns: dark where a channel goes, which from its least to its largest number
/// takes the whole height.
pub fn plot(signal: &Image) -> Image {
    let (columns, length) = (LONGEST as usize, signal.width.max(1));
    let mut pixels = vec![255u8; ROWS * columns];
    let numbers = signal.clone().into_numbers();
    let finite = numbers.iter().copied().filter(|x| x.is_finite());
    let (low, high) = finite.fold((f32::MAX, f32::MIN), |(low, high), x| (low.min(x), high.max(x)));
    let row = |x: f32| {
        let share = if high > low { (x - low) / (high - low) } else { 0.5 };
        ((1.0 - share) * (ROWS - 1) as f32).round() as usize
    };
    for (channel, own) in numbers.chunks_exact(length).enumerate() {
        // Channels are darker and lighter in turn.
        let shade = if channel % 2 == 0 { 0 } else { 140 };
        for column in 0..columns {
            // From this column's first number to the next one's, so that the curve has no gaps.
            let from = column * length / columns;
            let to = ((column + 1) * length / columns).clamp(from, length - 1);
            let rows = own[from..=to].iter().filter(|x| x.is_finite()).map(|&x| row(x));
            let (Some(top), Some(bottom)) = (rows.clone().min(), rows.max()) else { continue };
            (top..=bottom.min(ROWS - 1)).for_each(|y| pixels[y * columns + column] = shade);
        }
    }
    Image::of_bytes([1, ROWS, columns], pixels)
}

fn shades(numbers: &[f32]) -> Vec<u8> {
    let finite = numbers.iter().copied().filter(|x| x.is_finite());
    let (low, high) = finite.fold((0.0f32, 1.0f32), |(low, high), x| (low.min(x), high.max(x)));
    // `as` keeps within the bytes, and what is no number is black.
    numbers.iter().map(|x| ((x - low) / (high - low) * 255.0).round() as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, middle_plane, plot, thumbnail};
    use crate::data::sample::{Image, Values};

    #[test]
    fn of_a_volume_the_middle_plane_is_shown() {
        let volume = Image::of_numbers([2, 6, 2], (0..24).map(|i| i as f32 - 9.0).collect());
        let shown = middle_plane(&volume, 3);
        let Values::Bytes(pixels) = &shown.values else { panic!("bytes") };
        assert_eq!(
            (shown.extents(), pixels.as_slice()),
            ([2, 2, 2], [0, 17, 34, 51, 204, 221, 238, 255].as_slice())
        );
        assert!(thumbnail(&middle_plane(&Image::of_numbers([1, 3, 2], vec![f32::NAN; 6]), 3)).is_some());
    }

    #[test]
    fn a_signal_is_drawn_from_its_least_to_its_largest_number() {
        let rising = Image::of_numbers([1, 1, 224], (0..224).map(|i| i as f32).collect());
        let Values::Bytes(pixels) = plot(&rising).values else { panic!("bytes") };
        let dark = |y: usize, x: usize| pixels[y * LONGEST as usize + x] == 0;
        assert!(dark(55, 0) && dark(0, 111) && dark(28, 55) && !dark(0, 0));
        for odd in [vec![1.0; 3], vec![f32::NAN; 3], vec![f32::NAN, f32::INFINITY, 2.0], vec![7.0]] {
            assert_eq!(plot(&Image::of_numbers([1, 1, odd.len()], odd)).extents(), [1, 56, 112]);
        }
    }

    #[test]
    fn any_image_becomes_a_small_picture() {
        for (shape, kind) in [
            ([1, 28, 28], "image/png"),
            ([2, 5, 7], "image/png"),
            ([3, 32, 32], "image/png"),
            ([4, 300, 200], "image/jpeg"),
        ] {
            let n: usize = shape.iter().product();
            let bytes = Image::of_bytes(shape, (0..n).map(|i| i as u8).collect());
            let numbers = Image::of_numbers(shape, (0..n).map(|i| i as f32 - 7.0).collect());
            for image in [bytes, numbers] {
                let (own, file) = thumbnail(&image).unwrap();
                let read = image::load_from_memory(&file).unwrap();
                assert_eq!(own, kind);
                assert!(read.width() <= 112 && read.height() <= 112);
            }
        }
        assert_eq!(thumbnail(&Image::of_bytes([1, 0, 3], Vec::new())), None);
        assert!(thumbnail(&Image::of_numbers([1, 1, 2], vec![f32::NAN, f32::INFINITY])).is_some());
    }
}
