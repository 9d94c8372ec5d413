//! TIFF files with a palette, which `image` does not decode → their colours.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use crate::data::decode::{MAX_MEMORY, affordable, damaged};
use crate::diag::Fault;

/// The picture of a TIFF file's bytes, upright, where it has a palette of at most 256 colours.
pub fn palette(bytes: &[u8]) -> Result<Option<DynamicImage>, Fault> {
    let broken = |e: TiffError| damaged(e);
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_MEMORY as usize;
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(broken)?.with_limits(limits);
    if decoder.colortype().map_err(broken)? != ColorType::Palette(8) {
        return Ok(None);
    }
    let (width, height) = decoder.dimensions().map_err(broken)?;
    affordable(width.into(), height.into(), 4)?;
    // Reds, greens and blues, one behind the other, of 16 bits each.
    let colours = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(broken)?;
    let n = colours.len() / 3;
    let colour = |at: usize| [0, 1, 2].map(|channel| (colours[channel * n + at] >> 8) as u8);
    let orientation = decoder.find_tag_unsigned::<u8>(Tag::Orientation).map_err(broken)?;
    let places = match decoder.read_image().map_err(broken)? {
        DecodingResult::U8(places) => places,
        _ => return Err(damaged("its palette is not one of bytes")),
    };
    if places.iter().any(|place| usize::from(*place) >= n) {
        return Err(damaged("a pixel has no colour in its palette"));
    }
    let pixels = places.iter().flat_map(|place| colour(usize::from(*place))).collect();
    let picture = RgbImage::from_raw(width, height, pixels).ok_or_else(|| damaged("it has too few pixels"))?;
    let mut picture = DynamicImage::from(picture);
    picture.apply_orientation(
        orientation.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms),
    );
    Ok(Some(picture))
}
