//! Weights + a data set → how well they do on its test images.

use std::path::{Path, PathBuf};

use crate::diag::{Fault, codes};
use crate::predict::held::experiment;
use crate::spec::Arg;
use crate::tensor::Device;
use crate::train::auto_batch;
use crate::train::checkpoint::Weights;
use crate::train::evaluate::evaluate_only;
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

/// Where the test images lie.
#[derive(Clone, Debug)]
pub enum Place {
    /// Where the weights' own description says, relative to this folder.
    Own(PathBuf),
    /// In this folder, with files of the same kind.
    Other(PathBuf),
}

/// Measures a run's weights on test images. No other file of the data set needs to be there.
pub fn evaluate(weights: &Weights, place: &Place, device: &Device) -> Result<Evaluated, Fault> {
    let experiment = experiment(weights)?;
    let (Some(model), Some(data), Some(train)) = (&experiment.model, &experiment.data, &experiment.train)
    else {
        let message = format!("{} does not describe a whole experiment", weights.path().display());
        return Err(
            Fault::new(codes::MISSING_SECTION, message).advise("a weights file that `dslc run` wrote")
        );
    };
    let (args, base) = match place {
        Place::Own(base) => (data.args.clone(), base.as_path()),
        Place::Other(folder) => {
            (data.args.clone().with("path", Arg::Text(folder.display().to_string())), Path::new(""))
        }
    };
    let tested = data.source.load_test(&args, base)?;
    let known = &weights.card.classes;
    if !known.is_empty() && *known != tested.classes {
        let [own, other] = [known, &tested.classes].map(|names| listed(names));
        let message = format!("the data has the classes {other}, but the weights know {own}");
        return Err(Fault::new(codes::CLASSES, message)
            .advise("data of the classes that the weights were trained on"));
    }
    // Only the images that are measured on count.
    let sizes = Sizes { train: tested.images.len(), evaluated: [0, tested.images.len()] };
    let batch = auto_batch::batch(model, train, sizes, device)?.images;
    let job = Job { model, data, train, batch, device };
    let evaluation = evaluate_only(job, &tested.images, weights)?;
    Ok(Evaluated { model: model.name.clone(), classes: tested.classes, evaluation })
}

/// `0, 1, 2 and 7 more`
fn listed(names: &[String]) -> String {
    match names {
        [a, b, c, _, _, ..] => format!("{a}, {b}, {c} and {} more", names.len() - 3),
        few => few.join(", "),
    }
}
