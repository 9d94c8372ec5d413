//! A data set → small pictures of it: some of each class as they reach the model, and some training images as augmentation
//! changes them.

use std::io::Cursor;

use image::imageops::{FilterType, resize};
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};

use crate::data::loader::{augmented, middle};
use crate::data::parts::Dataset;
use crate::data::sample::{Image, Task, Values};
use crate::data::section::DataSection;
use crate::diag::Fault;

/// The longer side of a small picture, in pixels, where the image has more.
const SIDE: u32 = 112;
/// Pictures of a class, of all classes, and classes.
const A_CLASS: usize = 12;
const IN_ALL: usize = 1200;
const CLASSES: usize = 300;
/// Training images that are shown augmented, and epochs of each.
const AUGMENTED: usize = 6;
const EPOCHS: u32 = 6;

/// Small pictures.
pub struct Sheet {
    /// Of each class its name and some of its training images; one group where there are no classes.
    pub classes: Vec<(String, Vec<Small>)>,
    /// Of some training images how they reach the model in the first epochs.
    pub augmented: Vec<(String, Vec<Small>)>,
}

/// A PNG file's bytes, the image's name, and the size that the picture is shown in.
pub struct Small {
    pub name: String,
    pub png: Vec<u8>,
    pub width: u32,
    pub height: u32,
}

/// The pictures of a data set that was divided by `seed`; those that cannot be read are left out.
pub fn sheet(section: &DataSection, dataset: &Dataset, seed: u64) -> Result<Sheet, Fault> {
    let train = &dataset.parts.train;
    let mut groups: Vec<(String, Vec<u32>)> = match dataset.samples.targets.task() {
        Task::Classes => {
            let mut groups: Vec<_> =
                dataset.classes().iter().map(|name| (name.clone(), Vec::new())).collect();
            for &index in train {
                groups[dataset.samples.class(index) as usize].1.push(index);
            }
            groups
        }
        Task::Labels | Task::Numbers | Task::Masks | Task::Images => {
            vec![("training images".to_owned(), train.clone())]
        }
    };
    groups.truncate(CLASSES);
    let each = (IN_ALL / groups.len().max(1)).clamp(1, A_CLASS);
    let small = |index: u32, image: Image| small(dataset.samples.key(index), image);
    let mut classes = Vec::new();
    for (name, own) in groups {
        let shown = spread(&own, each)
            .filter_map(|index| Some((index, middle(section, &dataset.samples, index).ok()?)));
        let shown = shown.map(|(index, image)| small(index, image)).collect::<Result<Vec<_>, _>>()?;
        classes.push((name, shown));
    }
    let mut rows = Vec::new();
    if !section.augment.is_empty() {
        for index in spread(train, AUGMENTED) {
            let epochs =
                (0..EPOCHS).filter_map(|epoch| augmented(section, &dataset.samples, index, epoch, seed).ok());
            let shown = epochs.map(|image| small(index, image)).collect::<Result<Vec<_>, _>>()?;
            rows.push((dataset.samples.key(index), shown));
        }
    }
    Ok(Sheet { classes, augmented: rows })
}

/// So many of these, evenly far from each other.
fn spread(all: &[u32], n: usize) -> impl Iterator<Item = u32> {
    let n = n.min(all.len());
    (0..n).map(move |i| all[i * all.len() / n.max(1)])
}

fn small(name: String, mut image: Image) -> Result<Small, Fault> {
    image.round();
    let [channels, height, width] = image.extents();
    let Values::Bytes(bytes) = image.values else { return Err(Fault::internal("numbers that were rounded")) };
    let plane = height * width;
    let shown = if channels == 3 { 3 } else { 1 };
    let pixels = (0..plane).flat_map(|at| (0..shown).map(move |channel| channel * plane + at));
    let pixels: Vec<u8> = pixels.map(|at| bytes[at]).collect();
    let picture: Option<DynamicImage> = match shown {
        3 => RgbImage::from_raw(width as u32, height as u32, pixels).map(DynamicImage::from),
        _ => GrayImage::from_raw(width as u32, height as u32, pixels).map(DynamicImage::from),
    };
    let picture = picture.ok_or_else(|| Fault::internal("a picture of too few pixels"))?;
    let longer = (width.max(height) as u32).max(1);
    let scaled = |side: usize| (side as u32 * SIDE).div_ceil(longer).max(1);
    let [wide, high] = [scaled(width), scaled(height)];
    let picture = match longer > SIDE {
        true if shown == 3 => resize(&picture.to_rgb8(), wide, high, FilterType::Triangle).into(),
        true => resize(&picture.to_luma8(), wide, high, FilterType::Triangle).into(),
        false => picture,
    };
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).map_err(Fault::internal)?;
    Ok(Small { name, png: png.into_inner(), width: wide, height: high })
}
