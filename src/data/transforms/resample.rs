//! An image → the same in another size, as Pillow and torchvision resample: each pixel is the weighted mean of those that it
//! covers. Bytes stay bytes, rounded along each axis as Pillow does.

use fast_image_resize::images::{Image as Target, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::data::sample::{Image, Layer, Values};
use crate::diag::Fault;

/// The filters' names.
pub const FILTERS: &[&str] = &["bilinear", "bicubic", "box", "nearest"];

/// Resamples with a filter of [`FILTERS`]; of a mask each pixel is the nearest one, whatever the filter.
pub fn resample_layer(
    image: &mut Image,
    layer: Layer,
    [height, width]: [usize; 2],
    filter: &str,
) -> Result<(), Fault> {
    let filter = match layer {
        Layer::Picture => filter,
        Layer::Mask => "nearest",
    };
    resample(image, height, width, filter)
}

/// Resamples with a filter of [`FILTERS`].
pub fn resample(image: &mut Image, height: usize, width: usize, filter: &str) -> Result<(), Fault> {
    if [image.height, image.width] == [height, width] {
        return Ok(());
    }
    let algorithm = match filter {
        "bicubic" => ResizeAlg::Convolution(FilterType::CatmullRom),
        "box" => ResizeAlg::Convolution(FilterType::Box),
        "nearest" => ResizeAlg::Nearest,
        _ => ResizeAlg::Convolution(FilterType::Bilinear),
    };
    let options = ResizeOptions::new().resize_alg(algorithm).use_alpha(false);
    let internal = |e: &dyn std::fmt::Display| Fault::internal(format!("resampling: {e}"));
    let size = |extent: usize| u32::try_from(extent).map_err(|e| internal(&e));
    let [from_width, from_height, width_, height_] =
        [size(image.width)?, size(image.height)?, size(width)?, size(height)?];
    let mut resizer = Resizer::new();
    let mut plane = |bytes: &[u8], kind: PixelType| -> Result<Vec<u8>, Fault> {
        let source = ImageRef::new(from_width, from_height, bytes, kind).map_err(|e| internal(&e))?;
        let mut target = Target::new(width_, height_, kind);
        resizer.resize(&source, &mut target, &options).map_err(|e| internal(&e))?;
        Ok(target.into_vec())
    };
    let size = (image.height * image.width).max(1);
    match &mut image.values {
        Values::Bytes(bytes) => {
            let planes = bytes.chunks_exact(size).map(|own| plane(own, PixelType::U8));
            *bytes = planes.collect::<Result<Vec<_>, _>>()?.concat();
        }
        Values::Numbers(numbers) => {
            let mut resampled = Vec::with_capacity(image.channels * height * width);
            for own in numbers.chunks_exact(size) {
                // Not of numbers in place: what lies in a buffer of bytes need not be aligned for them.
                let bytes: Vec<u8> = own.iter().flat_map(|number| number.to_ne_bytes()).collect();
                let mut aligned = Target::new(from_width, from_height, PixelType::F32);
                aligned.buffer_mut().copy_from_slice(&bytes);
                let mut target = Target::new(width_, height_, PixelType::F32);
                resizer.resize(&aligned, &mut target, &options).map_err(|e| internal(&e))?;
                let (words, _) = target.buffer().as_chunks::<4>();
                resampled.extend(words.iter().map(|&word| f32::from_ne_bytes(word)));
            }
            *numbers = resampled;
        }
    }
    (image.height, image.width) = (height, width);
    Ok(())
}
