//! Weights + a data set → how well they do on its test images.

use std::path::{Path, PathBuf};

use crate::data::section::DataSection;
use crate::data::{self, Dataset, Wanted};
use crate::diag::{Fault, codes};
use crate::predict::held::experiment;
use crate::run::Backend;
use crate::runs::folder;
use crate::runs::record::Record;
use crate::spec::{Arg, Args, Kind};
use crate::tensor::Device;
use crate::tensor::device::{self, Choice};
use crate::train::auto_batch;
use crate::train::checkpoint::Weights;
use crate::train::evaluate::evaluate_on;
use crate::train::metrics::Evaluation;
use crate::train::programs::Sizes;
use crate::train::trainer::Job;

/// What an evaluation found.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The model's name.
    pub model: String,
    /// The classes' names, in the order of the labels.
    pub classes: Vec<String>,
    pub evaluation: Evaluation,
}

/// The images that are measured on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    Train,
    Validation,
    #[default]
    Test,
}

/// Measures a run's weights on test images: RUN is its folder (its best weights are taken) or a weights file.
///
/// The images are those of the run's own data set, or of one of the same kind in the folder `data`; no other file of it
/// needs to be there.
///
/// # Errors
/// A run without weights, or with damaged ones; images that cannot be read, or of other classes; a device that is not there
/// or has too little memory; a network that gives NaN.
pub fn evaluate(run: impl AsRef<Path>, data: Option<&Path>, device: Choice) -> Result<Evaluated, Fault> {
    let (weights, folder) = folder::weights(run.as_ref())?;
    let base = base_of(&folder, data)?;
    let device = device::open(device)?.device;
    evaluate_weights(&weights, &base, (data, Part::Test), &device, &|job, _| Ok(job.backend()))
}

/// The folder that the paths of a run's own data are relative to; of other data it does not matter.
pub fn base_of(folder: &Path, data: Option<&Path>) -> Result<PathBuf, Fault> {
    match data {
        None => Ok(Record::read(folder)?.map(|record| record.base).unwrap_or_default()),
        Some(_) => Ok(PathBuf::new()),
    }
}

/// What measures a job on a data set.
pub type On<'a> = &'a dyn Fn(&Job<'_>, &Dataset) -> Result<Box<dyn Backend>, Fault>;

/// The same with weights that are open, whose own data's paths are relative to `base`, on the images of any part.
pub fn evaluate_weights(
    weights: &Weights,
    base: &Path,
    (data, part): (Option<&Path>, Part),
    device: &Device,
    on: On<'_>,
) -> Result<Evaluated, Fault> {
    let experiment = experiment(weights)?;
    let other = data;
    let (Some(model), Some(section), Some(train)) = (&experiment.model, &experiment.data, &experiment.train)
    else {
        let message = format!("{} does not describe a whole experiment", weights.path().display());
        return Err(
            Fault::new(codes::MISSING_SECTION, message).advise("a weights file that `dslc run` wrote")
        );
    };
    let mut section = section.clone();
    let base = match other {
        None => base.to_owned(),
        Some(other) => {
            section.args = other_paths(&section, other)?;
            PathBuf::new()
        }
    };
    let wanted = if part == Part::Test { Wanted::Test } else { Wanted::All };
    let mut dataset = data::open(&mut section, &base, train.seed, wanted)?;
    let parts = &mut dataset.parts;
    match part {
        Part::Train => parts.test = std::mem::take(&mut parts.train),
        Part::Validation => parts.test = std::mem::take(&mut parts.validation),
        Part::Test => {}
    }
    if parts.test.is_empty() {
        return Err(Fault::new(codes::DATA_FILE, "the data set has no images in this part")
            .advise("`--part test` or `--part train`"));
    }
    let train = &train.settled(&section);
    let known = &weights.card.classes;
    if !known.is_empty() && *known != dataset.classes() {
        let [own, other] = [known, dataset.classes()].map(listed);
        let message = format!("the data has the classes {other}, but the weights were trained on {own}");
        return Err(Fault::new(codes::CLASSES, message)
            .advise("data of the classes that the weights were trained on"));
    }
    // Only the images that are measured on count.
    let n_images = dataset.parts.test.len();
    let sizes = Sizes { train: n_images, evaluated: [0, n_images] };
    let batch = auto_batch::batch(model, train, sizes, device)?.images;
    let job = Job { model, data: &section, train, batch, device };
    let backend = on(&job, &dataset)?;
    let evaluation = evaluate_on(job, &dataset, weights, &*backend, backend.available())?;
    Ok(Evaluated { model: model.name.clone(), classes: dataset.classes().to_vec(), evaluation })
}

/// The source's arguments with its paths in another folder: the path itself, or of several those called as before in it.
fn other_paths(section: &DataSection, other: &Path) -> Result<Args, Fault> {
    let params = section.source.spec().params;
    let paths: Vec<&str> =
        params.iter().filter(|param| param.kind == Kind::Text).map(|param| param.name).collect();
    let mut args = section.args.clone();
    for name in &paths {
        let own = Path::new(section.args.word(name)?);
        let there = match (paths.len(), own.file_name()) {
            (0 | 1, _) | (_, None) => other.to_owned(),
            (_, Some(own)) => other.join(own),
        };
        args = args.with(name, &Arg::Text(there.display().to_string()));
    }
    Ok(args)
}

/// `0, 1, 2 and 7 more`
fn listed(names: &[String]) -> String {
    match names {
        [a, b, c, _, _, ..] => format!("{a}, {b}, {c} and {} more", names.len() - 3),
        few => few.join(", "),
    }
}
