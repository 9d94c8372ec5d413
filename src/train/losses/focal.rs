//! `loss focal`: cross-entropy in which what is found already counts less (Lin et al., 2017).

use crate::data::sample::Task;
use crate::diag::Fault;
use crate::ops::activation::sigmoid::SIGMOID;
use crate::ops::activation::softplus::SOFTPLUS;
use crate::ops::softmax::SOFTMAX;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::losses::formula::Formula;
use crate::train::losses::per_class::{IGNORE, PerClass, WEIGHTS, check_weights};
use crate::train::losses::{Given, Loss, Losses, SHARE, Sides, once};

pub struct Focal;

static SPEC: Spec = Spec {
    name: "focal",
    summary: "cross-entropy that counts examples less the better the model gets them right",
    docs: "`(1 - p)^gamma` times `-log p` of the right class, with `p = softmax(output)`. For several labels it is the mean over \
           the labels of the same formula with `p = sigmoid(output)`, where a label that is present has the weight `alpha` and \
           one that is absent `1 - alpha`, as in torchvision's `sigmoid_focal_loss`. `weights` is for classes only, and `alpha` \
           for labels only.",
    params: &[
        keyword(
            "gamma",
            Kind::Number { min: 0.0, max: 10.0 },
            Preset::Number(2.0),
            "how strongly examples that are already right are discounted",
        ),
        keyword(
            "alpha",
            Kind::Number { min: 0.0, max: 1.0 },
            Preset::Number(0.25),
            "the weight of labels that are present",
        ),
        WEIGHTS,
        IGNORE,
        SHARE,
    ],
    example: "loss focal gamma=2",
    elsewhere: &[
        "FocalLoss",
        "sigmoid_focal_loss",
        "CategoricalFocalCrossentropy",
        "BinaryFocalCrossentropy",
    ],
};

impl Loss for Focal {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn takes(&self) -> &'static [Task] {
        &[Task::Classes, Task::Masks, Task::Labels]
    }

    fn check(&self, args: &Args, sides: &Sides<'_>) -> Result<(), Fault> {
        once(SPEC.name, sides)?;
        check_weights(args, sides)
    }

    fn lower(&self, args: &Args, given: &Given, formula: &mut Formula<'_>) -> Result<Losses, Fault> {
        let gamma = args.number("gamma")? as f32;
        let (output, target) = (given.output, given.target);
        if given.task == Task::Labels {
            let p = formula.of(&SIGMOID, output)?;
            let (soft, hit) = (formula.of(&SOFTPLUS, output)?, formula.multiply(output, target)?);
            let surprise = formula.subtract(soft, hit)?;
            let (sum, product) = (formula.add(p, target)?, formula.multiply(p, target)?);
            let twice = formula.affine(product, 2.0, 0.0)?;
            let missed = formula.subtract(sum, twice)?;
            let alpha = args.number("alpha")? as f32;
            let share = formula.affine(target, 2.0 * alpha - 1.0, 1.0 - alpha)?;
            let less = formula.power(missed, gamma)?;
            let own = formula.multiply(surprise, less)?;
            let own = formula.multiply(own, share)?;
            return Ok(Losses { sums: formula.mean(own)?, weights: None });
        }
        let own = PerClass::of(args, given, formula)?;
        let p = formula.of(&SOFTMAX, output)?;
        let hit = formula.multiply(p, own.right)?;
        let hit = formula.over_classes(hit)?;
        let missed = formula.affine(hit, -1.0, 1.0)?;
        let less = formula.power(missed, gamma)?;
        let logs = formula.multiply(own.weighted, own.logs)?;
        let logs = formula.over_classes(logs)?;
        let sums = formula.multiply(logs, less)?;
        let sums = formula.sum(sums)?;
        let sums = formula.affine(sums, -1.0, 0.0)?;
        Ok(Losses { sums, weights: own.amount(args, given, formula)? })
    }
}
