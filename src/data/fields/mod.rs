//! `field NAME [columns]`: what else a table says of each sample, numbers, a second picture, a class, labels or a mask → the values
//! of a batch for the model's further inputs and outputs. `written` reads the lines, `held` what their columns hold.

mod held;
mod written;

use std::sync::Arc;

use flate2::Crc;

use crate::data::loader::{Loader, Mode};
use crate::data::mask::Legend;
use crate::data::sample::Task;
use crate::data::samples::Samples;
use crate::data::section::DataSection;
use crate::diag::Fault;
use crate::layers::given::INPUTS;
use crate::model::outputs::TARGETS;
use crate::shape::Shape;
use crate::source::Span;

pub use held::{Cells, cells, finite, hold, join};
pub use written::{of, suits};

/// A field of the samples beside their images and targets.
#[derive(Clone)]
pub struct DataField {
    pub name: String,
    pub columns: Vec<String>,
    pub what: What,
    /// What takes it.
    pub end: End,
    pub span: Span,
    held: Held,
}

/// The input or output of the model that a field is for, by its place among the named ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Input(usize),
    Output(usize),
}

/// What a field has of each sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A number of each of its columns.
    Numbers,
    /// A picture, which its one column names, with so many channels, or as many as the first one has.
    Picture(Option<usize>),
    /// One of so many classes, which its one column names.
    Class(usize),
    /// Yes or no for each of its columns, or the names of those that hold in one column that lists them.
    Labels(Vec<String>),
    /// The class of each pixel, in a picture that its one column names.
    Mask(Legend),
    /// Unknown: its line is refused already.
    Unread,
}

/// What is known of it once the data are open.
#[derive(Clone)]
enum Held {
    Nothing,
    /// Numbers or labels, sample by sample.
    Numbers(Arc<Vec<f32>>),
    /// The names of the classes in their order, and the place of each sample's.
    Classes(Arc<(Vec<String>, Vec<u32>)>),
    /// With the section that prepares them as the first pictures are.
    Pictures(Arc<(DataSection, Samples)>),
    /// Among the samples themselves, whose images they turn with.
    Samples,
}

/// One for each further input and output that a model may have.
const MAX_FIELDS: usize = INPUTS.len() + TARGETS.len();

impl DataField {
    /// The same for another part of the model.
    pub fn of(self, end: End) -> DataField {
        DataField { end, ..self }
    }

    /// The shape of a sample's value, where images reach the model in `image`.
    pub fn shape(&self, image: &Shape) -> Shape {
        match self.what {
            What::Numbers | What::Labels(_) => Shape::from([self.n()]),
            What::Picture(channels) => with_channels(channels, image),
            What::Mask(_) => Shape::new(image.dims().get(1..).unwrap_or_default()),
            What::Class(_) | What::Unread => Shape::default(),
        }
    }

    /// The shape of an output that learns it, as far as that is known.
    pub fn learnt(&self, image: Option<&Shape>) -> Option<Shape> {
        match self.what {
            What::Numbers | What::Labels(_) | What::Class(_) => Some(Shape::from([self.n()])),
            What::Picture(channels) => image.map(|image| with_channels(channels, image)),
            What::Mask(_) => image.map(|image| with_channels(Some(self.n()), image)),
            What::Unread => None,
        }
    }

    /// What is to be learnt of it, where it is the target of an output.
    pub fn task(&self) -> Task {
        match self.what {
            What::Numbers | What::Unread => Task::Numbers,
            What::Picture(_) => Task::Images,
            What::Class(_) => Task::Classes,
            What::Labels(_) => Task::Labels,
            What::Mask(_) => Task::Masks,
        }
    }

    /// How many numbers, labels or classes it has.
    pub fn n(&self) -> usize {
        match &self.what {
            What::Numbers => self.columns.len(),
            What::Picture(_) | What::Unread => 0,
            What::Class(classes) => *classes,
            What::Labels(names) => names.len(),
            What::Mask(legend) => legend.names.len(),
        }
    }

    /// Whether flips, crops and rotations move it along with the image that it belongs to: a mask or picture to be learnt.
    pub fn turns(&self) -> bool {
        matches!(self.end, End::Output(_)) && matches!(self.what, What::Mask(_) | What::Picture(_))
    }

    /// The input of a graph that holds it.
    pub fn port(&self) -> Result<&'static str, Fault> {
        let port = match self.end {
            End::Input(at) => INPUTS.get(at),
            End::Output(at) => TARGETS.get(at),
        };
        port.copied().ok_or_else(|| Fault::internal("one field too many"))
    }

    /// The names of its numbers or labels, or once the data are open of its classes; none of a picture.
    pub fn names(&self) -> Vec<String> {
        match (&self.what, &self.held) {
            (What::Class(_), Held::Classes(held)) => held.0.clone(),
            (What::Class(classes), _) => (0..*classes).map(|class| class.to_string()).collect(),
            (What::Labels(names), _) => names.clone(),
            (What::Mask(legend), _) => legend.names.clone(),
            (What::Picture(_), _) if self.turns() => Vec::new(),
            (What::Numbers | What::Picture(_) | What::Unread, _) => self.columns.clone(),
        }
    }

    /// Writes what these samples should give, where it is numbers, labels or classes.
    pub fn targets(&self, indices: &[u32], out: &mut Vec<f32>) -> Result<(), Fault> {
        self.fill(indices, 0, Mode::Eval, 0, out)
    }

    /// Writes its values for these samples, unless it [turns](DataField::turns).
    pub fn fill(
        &self,
        indices: &[u32],
        epoch: u32,
        mode: Mode,
        seed: u64,
        out: &mut Vec<f32>,
    ) -> Result<(), Fault> {
        match &self.held {
            Held::Nothing => Err(Fault::internal(format!("the field `{}` is not read", self.name))),
            Held::Samples => {
                Err(Fault::internal(format!("the field `{}` is read with its pictures", self.name)))
            }
            Held::Numbers(values) => {
                out.clear();
                let n = self.n();
                let row = |&index: &u32| values[index as usize * n..][..n].iter().copied();
                out.extend(indices.iter().flat_map(row));
                Ok(())
            }
            Held::Classes(held) => {
                out.clear();
                out.extend(indices.iter().map(|&index| held.1[index as usize] as f32));
                Ok(())
            }
            Held::Pictures(held) => {
                let loader = Loader::new(&held.0, &held.1)?;
                out.resize(indices.len() * loader.fields()[0].shape.elements(), 0.0);
                loader.fill(indices, epoch, mode, seed, out, &mut [Vec::new()])
            }
        }
    }

    /// Adds what tells its values from others. Those that lie among the samples are told with these.
    pub fn digest(&self, sum: &mut Crc) {
        sum.update(self.name.as_bytes());
        match &self.held {
            Held::Nothing | Held::Samples => {}
            Held::Numbers(values) => values.iter().for_each(|number| sum.update(&number.to_le_bytes())),
            Held::Classes(held) => {
                held.0.iter().for_each(|name| sum.update(format!("{name}\n").as_bytes()));
                held.1.iter().for_each(|class| sum.update(&class.to_le_bytes()));
            }
            Held::Pictures(held) => held.1.digest(&(0..held.1.len() as u32).collect::<Vec<_>>(), sum),
        }
    }
}

/// An image's shape with as many channels.
fn with_channels(channels: Option<usize>, image: &Shape) -> Shape {
    let [own, size @ ..] = image.dims() else { return Shape::default() };
    std::iter::once(channels.unwrap_or(*own)).chain(size.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use image::{Rgb, RgbImage};

    use super::*;
    use crate::data::testing::section;
    use crate::data::{Wanted, open};

    #[test]
    fn another_number_or_second_picture_is_another_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: String| folder.path().join(name);
        let picture = |name: String, red: u8| RgbImage::from_pixel(2, 2, Rgb([red, 0, 0])).save(path(name));
        let mut rows = "left,right,age,kind\n".to_owned();
        for i in 0..8u8 {
            picture(format!("l{i}.bmp"), i).unwrap();
            picture(format!("r{i}.bmp"), i).unwrap();
            rows.push_str(&format!("l{i}.bmp,r{i}.bmp,{i}.5,{}\n", i % 2));
        }
        let table = path("t.csv".to_owned());
        std::fs::write(&table, &rows).unwrap();
        let fingerprint = |field: &str| {
            let source = format!("source table \"{}\" image=left label=kind", table.display());
            let mut section = section(&format!("{source}\nsplit test=25%\nresize 4x4\n{field}")).unwrap();
            let dataset = open(&mut section, Path::new(""), 1, Wanted::All)?;
            Ok::<_, Fault>(section.fingerprint(&dataset))
        };
        let [none, age, right] = ["", "field age [age]", "field right image=right"].map(fingerprint);
        let [none, age, right] = [none.unwrap(), age.unwrap(), right.unwrap()];
        assert!(age != none && right != none && age != right);
        assert_eq!(fingerprint("field right image=right").unwrap(), right);
        // As many bytes as before.
        picture("r3.bmp".to_owned(), 200).unwrap();
        assert_ne!(fingerprint("field right image=right").unwrap(), right);
        std::fs::write(&table, rows.replace("4.5", "4.6")).unwrap();
        assert_ne!(fingerprint("field age [age]").unwrap(), age);
        assert_eq!(fingerprint("").unwrap(), none);
        let fault = fingerprint("field age [aeg]").unwrap_err();
        assert!(fault.message.starts_with("the field `age`: ") && fault.argument.is_none(), "{fault}");
    }
}
