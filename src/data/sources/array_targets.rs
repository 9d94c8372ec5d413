//! An array beside the images → what is to be learnt of them, which its shape and its elements tell: classes, labels, numbers,
//! masks or images.

use std::path::Path;

use crate::data::sample::{IGNORED, Task};
use crate::data::samples::{Images, Targets};
use crate::data::sources::idx::fault;
use crate::data::sources::npy::{Array, Element, Head, Numbers};
use crate::diag::Fault;
use crate::shape::Shape;

const MAX_CLASSES: i64 = 1_000_000;

/// What an array of such elements and such a shape holds.
///
/// Whole numbers N or Nx1 are classes, NxK are labels, NxHxW (or Nx1xHxW, NxHxWx1) the classes of pixels; floats N or NxK are
/// numbers, and with four axes images.
pub fn task(path: &Path, name: &str, head: &Head) -> Result<Task, Fault> {
    let is_float = matches!(head.element, Element::Float);
    match (is_float, head.shape.as_slice()) {
        (false, [_] | [_, 1]) => Ok(Task::Classes),
        (false, [_, _]) => Ok(Task::Labels),
        (true, [_] | [_, _]) => Ok(Task::Numbers),
        (false, [_, _, _] | [_, 1, _, _] | [_, _, _, 1]) => Ok(Task::Masks),
        (true, [_, _, _] | [_, _, _, _]) | (false, [_, 3, _, _] | [_, _, _, 3]) => Ok(Task::Images),
        (_, shape) => {
            let shown = Shape::new(shape);
            let what = format!("`{name}` has the shape {shown}, which fits no kind of target");
            Err(fault(path, &what).advise(
                "classes N, labels NxK or masks NxHxW of whole numbers; numbers N or NxK or images NxCxHxW of floats",
            ))
        }
    }
}

/// The targets of an array that holds those of a [`Task`], without names; `planar` lays out images.
pub fn targets(
    path: &Path,
    name: &str,
    task: Task,
    array: Array,
    images: impl FnOnce(Array) -> Result<Images, Fault>,
) -> Result<Targets, Fault> {
    // Where there are no rows, nothing holds a claim of columns to what is there.
    let columns = match *array.shape.as_slice() {
        [rows, columns, ..] if rows > 0 => columns,
        _ => 1,
    };
    let names = (0..columns).map(|column| column.to_string()).collect::<Vec<_>>();
    Ok(match task {
        Task::Classes => Targets::Classes { names: Vec::new(), values: classes(path, name, array)? },
        Task::Labels => {
            let whole = whole(path, name, array)?;
            if let Some(at) = whole.iter().position(|value| ![0, 1].contains(value)) {
                let what = format!("`{name}` has {} for image {}", whole[at], at / columns.max(1));
                return Err(fault(path, &what).advise("0 or 1 for each label of each image"));
            }
            Targets::Labels { names, values: whole.into_iter().map(|value| value as f32).collect() }
        }
        Task::Numbers => {
            let values = match array.values {
                Numbers::Floats(numbers) => numbers,
                Numbers::Bytes(_) | Numbers::Whole(_) => {
                    whole(path, name, array)?.into_iter().map(|value| value as f32).collect()
                }
            };
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                let what =
                    format!("`{name}` has a number that is not finite for image {}", at / columns.max(1));
                return Err(fault(path, &what).advise("numbers without NaN and infinity"));
            }
            Targets::Numbers { names, values }
        }
        Task::Masks => {
            let extents: Vec<usize> =
                array.shape[1..].iter().copied().filter(|&extent| extent != 1).collect();
            let &[height, width] = extents.as_slice() else {
                return Err(fault(path, &format!("`{name}` has masks of one row or column"))
                    .advise("masks of at least 2x2 pixels"));
            };
            let whole = whole(path, name, array)?;
            // -1 is what others ignore as well.
            let class = |&value: &i64| if value == -1 { Ok(IGNORED) } else { u8::try_from(value) };
            let values = whole.iter().map(class).collect::<Result<Vec<u8>, _>>().map_err(|_| {
                fault(path, &format!("`{name}` has classes outside of 0 to 254"))
                    .advise("classes from 0; 255 or -1 for pixels to ignore")
            })?;
            Targets::Masks { names: Vec::new(), masks: Images::Bytes { shape: [1, height, width], values } }
        }
        Task::Images => Targets::Images(images(array)?),
    })
}

/// The number of classes, labels or numbers that targets show, or of channels.
pub fn shown(targets: &Targets) -> Option<usize> {
    match targets {
        Targets::Classes { values, .. } => Some(values.iter().max().map_or(0, |&most| most as usize + 1)),
        Targets::Labels { names, .. } | Targets::Numbers { names, .. } => Some(names.len()),
        Targets::Masks { masks: Images::Bytes { values, .. }, .. } => {
            let most = values.iter().filter(|&&class| class != IGNORED).max();
            Some(most.map_or(0, |&most| usize::from(most) + 1))
        }
        Targets::Images(images) => images.form().channels,
        Targets::Masks { .. } => None,
    }
}

fn classes(path: &Path, name: &str, array: Array) -> Result<Vec<u32>, Fault> {
    let whole = whole(path, name, array)?;
    if let Some(at) = whole.iter().position(|label| !(0..MAX_CLASSES).contains(label)) {
        let what = format!("`{name}` has the label {} for image {at}", whole[at]);
        return Err(fault(path, &what).advise("one whole number from 0 per image"));
    }
    Ok(whole.into_iter().map(|label| label as u32).collect())
}

fn whole(path: &Path, name: &str, array: Array) -> Result<Vec<i64>, Fault> {
    match array.values {
        Numbers::Bytes(bytes) => Ok(bytes.into_iter().map(i64::from).collect()),
        Numbers::Whole(numbers) => Ok(numbers),
        Numbers::Floats(_) => {
            Err(fault(path, &format!("`{name}` has floats, which cannot be classes")).advise("whole numbers"))
        }
    }
}
