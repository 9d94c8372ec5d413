//! `loss bce`: binary cross-entropy, of several labels or of pixels from 0 to 1.

use crate::data::sample::Task;
use crate::diag::{Fault, Remedy, codes};
use crate::ops::activation::log::LOG;
use crate::ops::activation::softplus::SOFTPLUS;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::losses::distance::{self, TARGET};
use crate::train::losses::formula::Formula;
use crate::train::losses::per_class::{FROM, from_probabilities};
use crate::train::losses::{Given, Loss, Losses, SHARE, Sides, Target};

pub struct BinaryCrossEntropy;

static SPEC: Spec = Spec {
    name: "bce",
    summary: "binary cross-entropy: every label is a yes or no of its own",
    docs: "The mean over labels (or over the pixels of a target image from 0 to 1) of `-y log p - (1 - y) log(1 - p)` with `p = \
           sigmoid(output)`. The model ends in logits, one per label; with `from=probabilities` it ends in a `sigmoid`. \
           `pos_weight` multiplies the loss where a label is present, which helps with rare labels: one number, or a list with \
           one per label. Same as `BCEWithLogitsLoss` in PyTorch.",
    params: &[
        keyword("pos_weight", Kind::Numbers, Preset::Absent, "the weight of labels that are present"),
        FROM,
        TARGET,
        SHARE,
    ],
    example: "loss bce",
    elsewhere: &[
        "BCEWithLogitsLoss",
        "BCELoss",
        "binary_crossentropy",
        "BinaryCrossentropy",
        "binary_cross_entropy",
        "SigmoidCrossEntropyLoss",
    ],
};

impl Loss for BinaryCrossEntropy {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target(&self, args: &Args) -> Result<Target, Fault> {
        distance::target(args)
    }

    fn takes(&self) -> &'static [Task] {
        &[Task::Labels, Task::Images]
    }

    fn check(&self, args: &Args, sides: &Sides<'_>) -> Result<(), Fault> {
        let probabilities = from_probabilities(args)?;
        match (sides.last, probabilities) {
            ("sigmoid", false) => {
                return Err(Fault::warning(
                    codes::SOFTMAX_TWICE,
                    "`loss bce` applies the sigmoid itself, and the model ends in one: it would be applied twice",
                )
                .label("this loss takes logits")
                .note("the network would still learn, but slowly and to a worse result, without any message")
                .set("from", "probabilities")
                .advise("remove the `sigmoid` at the model's end"));
            }
            ("softmax", _) => {
                return Err(Fault::new(
                    codes::LOSS,
                    "the model ends in a `softmax`, whose numbers share one whole: with several labels each holds by itself",
                )
                .label("this loss takes logits")
                .advise("remove the `softmax` at the model's end"));
            }
            ("sigmoid", true) | (_, false) => {}
            (other, true) => {
                return Err(Fault::new(
                    codes::LOSS,
                    format!(
                        "`from=probabilities` needs a model that ends in `sigmoid`, but it ends in `{other}`"
                    ),
                )
                .at("from")
                .label("these are not probabilities")
                .remedy(Remedy::Unset { name: "from" }));
            }
        }
        let weights = args.numbers("pos_weight").unwrap_or_default();
        let n =
            if sides.task == Task::Labels { sides.output.dims().first().copied().unwrap_or(1) } else { 1 };
        if weights.iter().any(|&weight| weight <= 0.0 || !weight.is_finite()) {
            return Err(Fault::new(codes::BAD_VALUE, "`pos_weight` is above 0").at("pos_weight"));
        }
        if weights.len() > 1 && weights.len() != n {
            let message = format!("`pos_weight` has {} numbers, but there are {n} labels", weights.len());
            return Err(Fault::new(codes::BAD_VALUE, message)
                .at("pos_weight")
                .advise("one number, or one a label"));
        }
        Ok(())
    }

    fn lower(&self, args: &Args, given: &Given, formula: &mut Formula<'_>) -> Result<Losses, Fault> {
        let (output, target) = (given.output, given.target);
        let rank = formula.builder.shape(output).rank();
        let weight = match args.numbers("pos_weight") {
            Ok(numbers) => Some(formula.vector(numbers, rank)?),
            Err(_) => None,
        };
        // What a label costs that holds, and one that does not.
        let [positive, negative] = match from_probabilities(args)? {
            true => {
                let (p, q) =
                    (formula.affine(output, 1.0, 1e-12)?, formula.affine(output, -1.0, 1.0 + 1e-12)?);
                let (p, q) = (formula.of(&LOG, p)?, formula.of(&LOG, q)?);
                [formula.affine(p, -1.0, 0.0)?, formula.affine(q, -1.0, 0.0)?]
            }
            false => {
                let opposite = formula.affine(output, -1.0, 0.0)?;
                [formula.of(&SOFTPLUS, opposite)?, formula.of(&SOFTPLUS, output)?]
            }
        };
        let positive = match weight {
            Some(weight) => formula.multiply(positive, weight)?,
            None => positive,
        };
        let holds = formula.multiply(positive, target)?;
        let fails = formula.affine(target, -1.0, 1.0)?;
        let fails = formula.multiply(negative, fails)?;
        let own = formula.add(holds, fails)?;
        Ok(Losses { sums: formula.mean(own)?, weights: None })
    }
}
