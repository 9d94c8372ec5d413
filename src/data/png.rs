//! A map of numbers → a PNG file's bytes: what a model that gives images is run for.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};

use crate::data::sample::extents;
use crate::diag::{Fault, codes};
use crate::shape::Shape;

/// Whether a value of this shape (without batch) can be written as a picture: 1 (grey) or 3 (red, green, blue)
/// channels x height x width.
pub fn fits(shape: &Shape) -> bool {
    matches!(shape.dims(), [1 | 3, _, _])
}

/// Encodes a map that [`fits`], its values row by row, channel by channel.
///
/// A number x becomes the pixel `round(255 x)`, below 0 black (0) and above 1 white (255); halves are rounded up.
/// Nothing else is done to the numbers. One that is none (NaN) is refused.
pub fn encode(values: &[f32], shape: &Shape) -> Result<Vec<u8>, Fault> {
    let [channels, height, width] = extents(shape)?;
    if values.len() != shape.elements() {
        return Err(Fault::internal(format!("{} numbers for a picture of {shape}", values.len())));
    }
    let plane = (height * width).max(1);
    if let Some(at) = values.iter().position(|value| value.is_nan()) {
        let (channel, row, column) = (at / plane, at % plane / width, at % width);
        let message =
            format!("the model gives no number (NaN) in channel {channel}, row {row}, column {column}");
        return Err(Fault::new(codes::DATA_FILE, message)
            .advise("look for a division by 0 or a logarithm of 0 in it"));
    }
    let pixel = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    let pixels: Vec<u8> = (0..plane)
        .flat_map(|at| (0..channels).map(move |channel| pixel(values[channel * plane + at])))
        .collect();
    let sides = u32::try_from(width).ok().zip(u32::try_from(height).ok());
    let picture: Option<DynamicImage> = sides.and_then(|(width, height)| match channels {
        1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        3 => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
        _ => None,
    });
    let picture = picture.ok_or_else(|| {
        Fault::new(codes::DATA_SHAPE, format!("{shape} cannot be written as a picture of 1 or 3 channels"))
    })?;
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|e| Fault::new(codes::DATA_FILE, format!("a picture of {shape} cannot be encoded: {e}")))?;
    Ok(bytes.into_inner())
}

/// A mask as a PNG with a palette: the class of each pixel, row by row, in colours that tell neighbours apart (those of PASCAL
/// VOC). Programs read the numbers, people see the colours.
pub fn encode_mask(classes: &[u8], [height, width]: [usize; 2]) -> Result<Vec<u8>, Fault> {
    let cannot = |e: &dyn std::fmt::Display| {
        Fault::new(codes::DATA_FILE, format!("a mask of {height}x{width} cannot be encoded: {e}"))
    };
    let side = |extent: usize| u32::try_from(extent).map_err(|e| cannot(&e));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(width)?, side(height)?);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette((0..=255).flat_map(colour).collect::<Vec<u8>>());
    let mut writer = encoder.write_header().map_err(|e| cannot(&e))?;
    writer.write_image_data(classes).map_err(|e| cannot(&e))?;
    writer.finish().map_err(|e| cannot(&e))?;
    Ok(bytes)
}

/// The colour of a class: the bits of its number, dealt out to red, green and blue from the highest on.
fn colour(class: u8) -> [u8; 3] {
    let mut colour = [0; 3];
    for place in 0..3 {
        let dealt = class >> (3 * place);
        (0..3).for_each(|channel| colour[channel] |= (dealt >> channel & 1) << (7 - place));
    }
    colour
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(values: &[f32], shape: [usize; 3]) -> DynamicImage {
        image::load_from_memory(&encode(values, &Shape::from(shape)).unwrap()).unwrap()
    }

    #[test]
    fn numbers_become_pixels_by_255_clamped_and_rounded() {
        let values = [0.0, 1.0, -3.0, 7.0, 0.2, 0.5, 1.49 / 255.0, 2.51 / 255.0];
        let picture = decoded(&values, [1, 2, 4]);
        let DynamicImage::ImageLuma8(grey) = picture else { panic!("not grey: {picture:?}") };
        assert_eq!((grey.dimensions(), grey.into_raw()), ((4, 2), vec![0, 255, 0, 255, 51, 128, 1, 3]));
        assert_eq!(decoded(&[f32::INFINITY, f32::NEG_INFINITY], [1, 1, 2]).to_luma8().into_raw(), [255, 0]);
    }

    #[test]
    fn channels_lie_one_behind_the_other_before_and_side_by_side_after() {
        let picture = decoded(&[1.0, 0.0, 0.0, 0.2, 0.0, 0.4], [3, 2, 1]);
        let DynamicImage::ImageRgb8(colours) = picture else { panic!("not coloured: {picture:?}") };
        assert_eq!((colours.dimensions(), colours.into_raw()), ((1, 2), vec![255, 0, 0, 0, 51, 102]));
    }

    #[test]
    fn masks_keep_their_numbers_and_have_vocs_colours() {
        let bytes = encode_mask(&[0, 1, 15, 255, 2, 21], [2, 3]).unwrap();
        let numbers = crate::data::mask::decode(&bytes).unwrap();
        assert_eq!(numbers, crate::data::sample::Image::of_bytes([1, 2, 3], vec![0, 1, 15, 255, 2, 21]));
        let shown = image::load_from_memory(&bytes).unwrap().to_rgb8();
        let pixel = |x, y| shown.get_pixel(x, y).0;
        assert_eq!([pixel(0, 0), pixel(1, 0), pixel(2, 0)], [[0, 0, 0], [128, 0, 0], [192, 128, 128]]);
        assert_eq!((pixel(0, 1), pixel(1, 1)), ([224, 224, 192], [0, 128, 0]));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let fault = encode(&[0.5, 0.5, 0.5, f32::NAN], &Shape::from([1, 2, 2])).unwrap_err();
        assert_eq!(fault.message, "the model gives no number (NaN) in channel 0, row 1, column 1");
        assert!(encode(&[0.0; 2], &Shape::from([2, 1, 1])).is_err());
        assert!(fits(&Shape::from([3, 1, 9])) && !fits(&Shape::from([2, 4, 4])) && !fits(&Shape::from([3])));
    }
}
