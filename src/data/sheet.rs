//! A data set → small pictures of it: some of each class as they reach the model, and some training images as augmentation
//! changes them.

use crate::data::loader::{augmented, middle};
use crate::data::parts::Dataset;
use crate::data::sample::{Image, Size, Task};
use crate::data::section::DataSection;
use crate::data::thumbnail::{LONGEST, middle_plane, plot, thumbnail};
use crate::diag::Fault;

/// Pictures of a class, of all classes, and classes.
const A_CLASS: usize = 12;
const IN_ALL: usize = 1200;
const CLASSES: usize = 300;
/// Training images that are shown augmented, and epochs of each.
const AUGMENTED: usize = 6;
const EPOCHS: u32 = 6;

/// Small pictures.
pub struct Sheet {
    /// Of each class or label its name and some of its training images; one group where there are none.
    pub classes: Vec<(String, Vec<Small>)>,
    /// Of some training images how they reach the model in the first epochs.
    pub augmented: Vec<(String, Vec<Small>)>,
}

/// A small picture.
pub struct Small {
    /// The image's name.
    pub name: String,
    /// The kind of the picture's file, such as `image/png`, and its bytes.
    pub kind: &'static str,
    pub file: Vec<u8>,
    /// The size that it is shown in, in pixels.
    pub width: usize,
    pub height: usize,
}

/// The pictures of a data set that was divided by `seed`; those that cannot be read are left out.
pub fn sheet(section: &DataSection, dataset: &Dataset, seed: u64) -> Result<Sheet, Fault> {
    let train = &dataset.parts.train;
    let mut groups: Vec<(String, Vec<u32>)> = match dataset.samples.targets.task() {
        task @ (Task::Classes | Task::Labels) => {
            let mut groups: Vec<_> =
                dataset.classes().iter().map(|name| (name.clone(), Vec::new())).collect();
            for &index in train {
                if task == Task::Classes {
                    groups[dataset.samples.class(index) as usize].1.push(index);
                }
                let labels = groups.iter_mut().zip(dataset.samples.row(index));
                labels.filter(|(_, holds)| **holds > 0.0).for_each(|((_, own), _)| own.push(index));
            }
            groups
        }
        Task::Numbers | Task::Masks | Task::Images => {
            vec![("training images".to_owned(), train.clone())]
        }
    };
    groups.truncate(CLASSES);
    let each = (IN_ALL / groups.len().max(1)).clamp(1, A_CLASS);
    let size = section.facts.form.size;
    let small = |index: u32, image: Image| match size {
        Size::Length(_) => small(dataset.samples.key(index), &plot(&image)),
        Size::Deep([depth, ..]) => small(dataset.samples.key(index), &middle_plane(&image, depth)),
        Size::Fixed(_) | Size::Varied | Size::Unknown => small(dataset.samples.key(index), &image),
    };
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

fn small(name: String, image: &Image) -> Result<Small, Fault> {
    let (kind, file) = thumbnail(image).ok_or_else(|| Fault::internal("an image without pixels"))?;
    let longer = image.height.max(image.width).max(1);
    let [width, height] =
        [image.width, image.height].map(|side| (side * LONGEST as usize).div_ceil(longer).max(1));
    Ok(Small { name, kind, file, width, height })
}
