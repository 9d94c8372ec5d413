//! What is to be learnt of pictures that lie in one file with all that belongs to them (tar, Parquet): the arguments that name it,
//! and what was found for each picture → targets.

use std::path::Path;
use std::sync::Arc;

use crate::data::parts::Dataset;
use crate::data::sample::{Form, Task};
use crate::data::samples::{Images, Pictures, Targets};
use crate::data::sources::cells::{Cell, Columns, LABELS, SEPARATOR, TARGET};
use crate::data::sources::files::{CHANNELS, CLASSES, SIZE};
use crate::data::sources::listed::Listed;
use crate::data::sources::masks::{IGNORE, MaskPictures, NAMES, VALUES};
use crate::data::sources::pairs::OUTPUTS;
use crate::data::sources::{Facts, Wanted, files, masks, pairs};
use crate::diag::{Fault, codes};
use crate::spec::{Arg, Args, Kind, Param, Preset, keyword};

/// The argument that names the field of masks.
const MASK: Param = keyword(
    "mask",
    Kind::Name,
    Preset::Absent,
    "the field of masks, to learn the class of each pixel; PNG, as for `masks`",
);

/// The argument that names the field of the pictures to produce.
const OUTPUT: Param = keyword(
    "output",
    Kind::Name,
    Preset::Absent,
    "the field of the pictures that the pictures should become",
);

/// The arguments of a source whose files hold pictures with all that belongs to them, behind those of its own.
pub const PARAMS: [Param; 12] =
    [LABELS, SEPARATOR, TARGET, MASK, NAMES, VALUES, IGNORE, OUTPUT, CLASSES, CHANNELS, OUTPUTS, SIZE];

/// What is to be learnt, by the names of its fields.
pub enum Learnt {
    Columns(Columns),
    Mask(String),
    Output(String),
}

/// What was found of a picture: its place, and what is said of it.
pub struct Found<P> {
    pub at: P,
    pub said: Said<P>,
}

pub enum Said<P> {
    /// The class is that of the list.
    Class,
    Cell(Cell),
    /// The name and place of a mask or another picture.
    Picture(Box<Path>, P),
}

impl Learnt {
    /// As the arguments name it.
    pub fn of(args: &Args) -> Result<Learnt, Fault> {
        let own = ["mask", "output"].into_iter().filter(|name| args.has(name)).collect::<Vec<_>>();
        let is_written = |name: &&str| args.span(name).is_some();
        let others = ["label", "labels", "target"].into_iter().find(is_written);
        match (own.as_slice(), others) {
            ([], _) => Columns::of(args).map(Learnt::Columns),
            (["mask"], None) => Ok(Learnt::Mask(args.word("mask")?.to_owned())),
            (["output"], None) => Ok(Learnt::Output(args.word("output")?.to_owned())),
            ([first, ..], _) => {
                let message =
                    "only one of `label`, `labels`, `target`, `mask` and `output` says what is to be learnt";
                Err(Fault::new(codes::BAD_VALUE, message).at(first).advise("leave the others out"))
            }
        }
    }

    /// The name of the field of masks or other pictures.
    pub fn picture(&self) -> Option<&str> {
        match self {
            Learnt::Columns(_) => None,
            Learnt::Mask(name) | Learnt::Output(name) => Some(name),
        }
    }

    /// The argument that names it.
    pub fn argument(&self) -> &'static str {
        match self {
            Learnt::Columns(columns) => columns.argument(),
            Learnt::Mask(_) => "mask",
            Learnt::Output(_) => "output",
        }
    }

    /// What the arguments alone tell.
    pub fn facts(&self, args: &Args) -> Result<Facts, Fault> {
        let facts = files::facts(args)?;
        Ok(match self {
            Learnt::Columns(columns) => {
                Facts { task: columns.task(), classes: columns.count(facts.classes), ..facts }
            }
            Learnt::Mask(_) => {
                masks::meaning(args)?;
                Facts { task: Task::Masks, classes: Some(masks::names(args)?.len()), ..facts }
            }
            Learnt::Output(_) => Facts { task: Task::Images, classes: Some(pairs::outputs(args)?), ..facts },
        })
    }

    /// What the arguments and the list tell together.
    pub fn look<P>(&self, listed: &Listed<Found<P>>, args: &Args) -> Result<Facts, Fault> {
        let facts = self.facts(args)?;
        let (classes, parts) = listed.counts(facts.classes);
        let classes = match self {
            Learnt::Columns(columns) if columns.task() == Task::Classes => Some(classes),
            Learnt::Columns(columns) => Some(order(columns, listed).len()),
            Learnt::Mask(_) | Learnt::Output(_) => facts.classes,
        };
        Ok(Facts { classes, ..facts }.with_parts(parts))
    }

    /// The data set. `pictures` makes the reader of those with these names and places: of the pictures themselves, and of masks or
    /// outputs.
    pub fn dataset<P>(
        &self,
        listed: Listed<Found<P>>,
        args: &Args,
        wanted: Wanted,
        pictures: impl Fn(Which, Vec<Box<Path>>, Vec<P>, Form) -> Result<Arc<dyn Pictures>, Fault>,
    ) -> Result<Dataset, Fault> {
        let facts = self.facts(args)?;
        let names = match self {
            Learnt::Columns(columns) => order(columns, &listed),
            Learnt::Mask(_) | Learnt::Output(_) => Vec::new(),
        };
        let mut said = Vec::new();
        let mut dataset = listed.dataset(wanted, args.whole_if_given("classes")?, |names, found| {
            let (places, own): (Vec<P>, Vec<Said<P>>) =
                found.into_iter().map(|found| (found.at, found.said)).unzip();
            said = own;
            pictures(Which::Input, names, places, facts.form)
        })?;
        let others = |said: Vec<Said<P>>, channels: usize| {
            let own = said.into_iter().filter_map(|said| match said {
                Said::Picture(name, place) => Some((name, place)),
                Said::Class | Said::Cell(_) => None,
            });
            let (names, places) = own.unzip();
            pictures(Which::Target, names, places, Form { channels: Some(channels), ..facts.form })
        };
        let targets = match self {
            Learnt::Columns(columns) => {
                let cells = said.into_iter().filter_map(|said| match said {
                    Said::Cell(cell) => Some(cell),
                    Said::Class | Said::Picture(..) => None,
                });
                columns.targets(names, cells.collect())
            }
            Learnt::Mask(_) => {
                let pictures = others(said, 1)?;
                let masks = MaskPictures { pictures, meaning: masks::meaning(args)?, size: facts.form.size };
                Some(Targets::Masks { names: masks::names(args)?, masks: Images::Read(Arc::new(masks)) })
            }
            Learnt::Output(_) => Some(Targets::Images(Images::Read(others(said, pairs::outputs(args)?)?))),
        };
        if let Some(targets) = targets {
            dataset.samples.targets = targets;
        }
        Ok(dataset)
    }
}

/// Of two pictures that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Input,
    Target,
}

/// The names of the labels or numbers of a list.
fn order<P>(columns: &Columns, listed: &Listed<Found<P>>) -> Vec<String> {
    if let Some(labels) = &listed.labels {
        return labels.clone();
    }
    columns.order(listed.places().filter_map(|found| match &found.said {
        Said::Cell(cell) => Some(cell),
        Said::Class | Said::Picture(..) => None,
    }))
}

/// The arguments of a source whose classes are what is called `by`.
pub fn by(args: &Args, by: &str) -> Args {
    let others = ["labels", "target", "mask", "output"];
    let args = others.iter().fold(args.clone(), |args, name| args.without(name));
    args.without("label").set("label", Arg::Word(by.to_owned()))
}
