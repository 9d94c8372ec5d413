//! What the losses of classes share, of images as of pixels: where each class is the right one, and the logarithms of its
//! probability; the weights of classes, and those that count for nothing.

use crate::data::sample::Task;
use crate::diag::{Fault, Remedy, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::ops::activation::log::LOG;
use crate::ops::log_softmax::LOG_SOFTMAX;
use crate::ops::one_hot::ONE_HOT;
use crate::spec::{Args, Kind, Param, Preset, keyword};
use crate::train::losses::formula::Formula;
use crate::train::losses::{Given, Sides};

/// What the model ends in.
pub const FROM: Param = keyword(
    "from",
    Kind::Choice(&["logits", "probabilities"]),
    Preset::Word("logits"),
    "what the model ends in",
);

/// How much each class counts.
pub const WEIGHTS: Param = keyword(
    "weights",
    Kind::NumbersOr(&["balanced"]),
    Preset::Absent,
    "the weight of each class: numbers, or `balanced` for more weight to rare classes",
);

/// The class that does not.
pub const IGNORE: Param = keyword("ignore", Kind::Whole, Preset::Absent, "the index of a class to ignore");

/// Whether it is probabilities that the model ends in.
pub fn from_probabilities(args: &Args) -> Result<bool, Fault> {
    Ok(args.has(FROM.name) && args.word(FROM.name)? == "probabilities")
}

/// Refuses a last layer that is not what `from=` says.
pub fn check_end(loss: &str, args: &Args, last: &str) -> Result<(), Fault> {
    match (last, from_probabilities(args)?) {
        ("softmax", false) => Err(Fault::warning(
            codes::SOFTMAX_TWICE,
            format!("`loss {loss}` applies the softmax itself, and the model ends in one: it would be applied twice"),
        )
        .label("this loss takes logits")
        .note("the network would still learn, but slowly and to a worse accuracy, without any message")
        .set("from", "probabilities")
        .advise("remove the `softmax` at the model's end")),
        ("softmax", true) | (_, false) => Ok(()),
        (other, true) => Err(Fault::new(
            codes::LOSS,
            format!("`from=probabilities` needs a model that ends in `softmax`, but it ends in `{other}`"),
        )
        .at("from")
        .label("these are not probabilities")
        .remedy(Remedy::Unset { name: "from" })),
    }
}

/// Refuses weights of another number than there are classes, and a class to ignore that is none of them.
pub fn check_weights(args: &Args, sides: &Sides<'_>) -> Result<(), Fault> {
    let n = sides.output.dims().first().copied().unwrap_or(1);
    if let Some(weights) = weights(args)
        && (weights.len() != n || weights.iter().any(|&weight| weight < 0.0 || !weight.is_finite()))
    {
        let message = match weights.len() == n {
            true => "a weight of a class is at least 0".to_owned(),
            false => format!("`weights` has {} numbers, but there are {n} classes", weights.len()),
        };
        return Err(Fault::new(codes::BAD_VALUE, message).at("weights").set("weights", "balanced"));
    }
    if let Some(class) = ignored(args)?.filter(|&class| class >= n) {
        let message = format!("`ignore={class}` is none of the {n} classes, which count from 0");
        let fault =
            Fault::new(codes::BAD_VALUE, message).at("ignore").remedy(Remedy::Unset { name: "ignore" });
        return Err(match sides.task {
            Task::Masks => fault.advise("`ignore=` after `source masks`, for a value in the masks"),
            Task::Classes | Task::Labels | Task::Numbers | Task::Images => fault,
        });
    }
    Ok(())
}

/// The weights as numbers; those of `balanced` are known with the data.
fn weights(args: &Args) -> Option<&[f64]> {
    args.numbers("weights").ok()
}

fn ignored(args: &Args) -> Result<Option<usize>, Fault> {
    if args.has("ignore") { args.whole_if_given("ignore") } else { Ok(None) }
}

/// The classes of images `N x K`, or of pixels `N x K x H x W`.
pub struct PerClass {
    /// Logarithms of the probabilities.
    pub logs: Value,
    /// 1 at the right class where that counts, and 0 elsewhere.
    pub right: Value,
    /// The same times the weight of the class.
    pub weighted: Value,
    /// 1 where something counts, and else 0: with one class in place of all.
    pub counts: Value,
    /// The number of each class, where there are some.
    pub weights: Option<Value>,
    pub n_classes: usize,
}

impl PerClass {
    pub fn of(args: &Args, given: &Given, formula: &mut Formula<'_>) -> Result<PerClass, Fault> {
        let logits = logits(args, given, formula)?;
        let logs = formula.of(&LOG_SOFTMAX, logits)?;
        PerClass::of_logs(args, given, logs, formula)
    }

    pub fn of_logs(
        args: &Args,
        given: &Given,
        logs: Value,
        formula: &mut Formula<'_>,
    ) -> Result<PerClass, Fault> {
        let shape = formula.builder.shape(logs).clone();
        let n_classes = shape.dims().get(1).copied().unwrap_or(1);
        let mut right = right(given, n_classes, formula)?;
        if let Some(class) = ignored(args)? {
            let other = formula.class(right, class)?;
            let others = formula.affine(other, -1.0, 1.0)?;
            right = formula.multiply(right, others)?;
        }
        let counts = formula.over_classes(right)?;
        let weights = match weights(args) {
            Some(numbers) => Some(formula.vector(numbers, shape.rank())?),
            // What is balanced is not known yet: all count alike, in a graph of the same form.
            None if args.has("weights") => Some(formula.vector(&vec![1.0; n_classes], shape.rank())?),
            None => None,
        };
        let weighted = match weights {
            Some(weights) => formula.multiply(right, weights)?,
            None => right,
        };
        Ok(PerClass { logs, right, weighted, counts, weights, n_classes })
    }

    /// How much of each image counts, `N`; `None` where that is 1 for every image.
    pub fn amount(
        &self,
        args: &Args,
        given: &Given,
        formula: &mut Formula<'_>,
    ) -> Result<Option<Value>, Fault> {
        let all_alike = given.task == Task::Classes && !args.has("weights") && !args.has("ignore");
        if all_alike { Ok(None) } else { formula.sum(self.weighted).map(Some) }
    }
}

/// 1 at the right class of each image or pixel and 0 elsewhere, also where a pixel counts for nothing.
pub fn right(given: &Given, n_classes: usize, formula: &mut Formula<'_>) -> Result<Value, Fault> {
    formula.builder.apply(&ONE_HOT, Attrs::new().int("classes", n_classes as i64), &[given.target])
}

/// Numbers whose softmax are the model's probabilities.
pub fn logits(args: &Args, given: &Given, formula: &mut Formula<'_>) -> Result<Value, Fault> {
    match from_probabilities(args)? {
        // The logarithm of probabilities serves as logits: the softmax of it gives them back.
        true => {
            let positive = formula.affine(given.output, 1.0, 1e-12)?;
            formula.of(&LOG, positive)
        }
        false => Ok(given.output),
    }
}
