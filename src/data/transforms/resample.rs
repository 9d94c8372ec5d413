//! An image → the same in another size, as Pillow and torchvision resample: each pixel is the weighted mean of those that it
//! covers. Bytes stay bytes, rounded along each axis as Pillow does.

use fast_image_resize::images::{CroppedImage, Image as Target, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::data::sample::{Image, Layer, Values};
use crate::data::samples::Lent;
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
    match &mut image.values {
        Values::Bytes(bytes) => {
            let lent = Lent { shape: [image.channels, image.height, image.width], bytes };
            *image = resampled(&lent, [0, 0, image.height, image.width], [height, width], filter)?;
        }
        Values::Numbers(numbers) => {
            let options = options(filter);
            let [from_width, from_height, width_, height_] =
                [side(image.width)?, side(image.height)?, side(width)?, side(height)?];
            let mut resizer = Resizer::new();
            let mut resampled = Vec::with_capacity(image.channels * height * width);
            for own in numbers.chunks_exact((image.height * image.width).max(1)) {
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
            (image.height, image.width) = (height, width);
        }
    }
    Ok(())
}

/// A part (top, left, height, width) of an image, resampled with a filter of [`FILTERS`] as if nothing were around it.
pub fn resampled(
    image: &Lent<'_>,
    [top, left, part_height, part_width]: [usize; 4],
    [height, width]: [usize; 2],
    filter: &str,
) -> Result<Image, Fault> {
    let [channels, own_height, own_width] = image.shape;
    let mut bytes = vec![0; channels * height * width];
    let planes = image.bytes.chunks_exact((own_height * own_width).max(1));
    let targets = bytes.chunks_exact_mut((height * width).max(1));
    if [part_height, part_width] == [height, width] {
        for (plane, target) in planes.zip(targets) {
            let rows = plane.chunks_exact(own_width.max(1)).skip(top);
            for (row, out) in rows.zip(target.chunks_exact_mut(width.max(1))) {
                out.copy_from_slice(&row[left..left + width]);
            }
        }
        return Ok(Image::of_bytes([channels, height, width], bytes));
    }
    let (options, mut resizer) = (options(filter), Resizer::new());
    let [top, left, part_height, part_width] =
        [side(top)?, side(left)?, side(part_height)?, side(part_width)?];
    let [new_height, new_width] = [side(height)?, side(width)?];
    for (plane, target) in planes.zip(targets) {
        let whole = ImageRef::new(side(own_width)?, side(own_height)?, plane, PixelType::U8);
        let whole = whole.map_err(|e| internal(&e))?;
        let part = CroppedImage::new(&whole, left, top, part_width, part_height).map_err(|e| internal(&e))?;
        let target = Target::from_slice_u8(new_width, new_height, target, PixelType::U8);
        let mut target = target.map_err(|e| internal(&e))?;
        // Where weights are negative, what is cut off between the axes depends on which comes first: in Pillow the rows.
        if filter == "bicubic" && new_width != part_width && new_height != part_height {
            let mut narrow = Target::new(new_width, part_height, PixelType::U8);
            resizer.resize(&part, &mut narrow, &options).map_err(|e| internal(&e))?;
            resizer.resize(&narrow, &mut target, &options).map_err(|e| internal(&e))?;
        } else {
            resizer.resize(&part, &mut target, &options).map_err(|e| internal(&e))?;
        }
    }
    Ok(Image::of_bytes([channels, height, width], bytes))
}

fn options(filter: &str) -> ResizeOptions {
    let algorithm = match filter {
        "bicubic" => ResizeAlg::Convolution(FilterType::CatmullRom),
        "box" => ResizeAlg::Convolution(FilterType::Box),
        "nearest" => ResizeAlg::Nearest,
        _ => ResizeAlg::Convolution(FilterType::Bilinear),
    };
    ResizeOptions::new().resize_alg(algorithm).use_alpha(false)
}

fn internal(e: &dyn std::fmt::Display) -> Fault {
    Fault::internal(format!("resampling: {e}"))
}

fn side(extent: usize) -> Result<u32, Fault> {
    u32::try_from(extent).map_err(|e| internal(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A part that is resampled in its place has the bits of one that was cut out before.
    #[test]
    fn what_is_around_a_part_does_not_matter() {
        let bytes: Vec<u8> =
            (0..3 * 40 * 50u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let lent = Lent { shape: [3, 40, 50], bytes: &bytes };
        for part in [[0, 0, 40, 50], [7, 11, 20, 31], [3, 40, 37, 10], [12, 5, 8, 8]] {
            for filter in FILTERS {
                let [top, left, height, width] = part;
                let mut cut = Image::of_bytes([3, 40, 50], bytes.clone());
                cut.moved(height, width, |y, x| Some((top + y) * 50 + left + x));
                resample(&mut cut, 8, 8, filter).unwrap();
                assert_eq!(resampled(&lent, part, [8, 8], filter).unwrap(), cut, "{part:?} {filter}");
            }
        }
    }
}
