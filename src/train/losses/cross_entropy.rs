//! `loss cross_entropy`: how surprised the model is by the right class, of an image or of each pixel.

use crate::data::sample::Task;
use crate::diag::{Fault, codes};
use crate::graph::attrs::Attrs;
use crate::ops::cross_entropy::CROSS_ENTROPY;
use crate::spec::{Arg, Args, Kind, Preset, Spec, keyword};
use crate::train::losses::formula::Formula;
use crate::train::losses::per_class::{FROM, IGNORE, PerClass, WEIGHTS, check_end, check_weights, logits};
use crate::train::losses::{Given, Loss, Losses, SHARE, Sides};

pub struct CrossEntropy;

static SPEC: Spec = Spec {
    name: "cross_entropy",
    summary: "how surprised the model is by the right class of an image, or of each pixel",
    docs: "`-log p(class)` with `p = softmax(output)`. The model ends in logits, one per class, or for masks one map per class; \
           with `from=probabilities` it ends in a softmax. `smoothing` spreads that fraction of the target over all \
           classes.\n\n`weights=[1, 5]` multiplies the loss of each class by its weight, `balanced` by `n / (K n_class)`, counted \
           in the training images. The sum over images or pixels is then divided by the sum of their weights, as in PyTorch. \
           Pixels that a mask ignores are left out, and so is the class with index `ignore`.",
    params: &[
        keyword("smoothing", Kind::Number { min: 0.0, max: 0.99 }, Preset::Number(0.0), "label smoothing"),
        FROM,
        WEIGHTS,
        IGNORE,
        SHARE,
    ],
    example: "loss cross_entropy smoothing=0.1",
    elsewhere: &[
        "CrossEntropyLoss",
        "categorical_crossentropy",
        "sparse_categorical_crossentropy",
        "SoftmaxWithLoss",
        "ce",
    ],
};

impl Loss for CrossEntropy {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn takes(&self) -> &'static [Task] {
        &[Task::Classes, Task::Masks]
    }

    fn check(&self, args: &Args, sides: &Sides<'_>) -> Result<(), Fault> {
        let output = sides.output;
        if sides.task == Task::Classes && output.rank() != 1 {
            return Err(Fault::new(
                codes::LOSS,
                format!(
                    "`loss cross_entropy` needs one number per class, but the model gives an image of {output}"
                ),
            )
            .label(format!("{output} arrives at the loss"))
            .advise("`loss mse target=input`, if the model should reproduce the image"));
        }
        check_end(SPEC.name, args, sides.last)?;
        check_weights(args, sides)
    }

    fn plain(&self, args: &Args) -> Option<Args> {
        let smooth = args.number("smoothing").is_ok_and(|share| share > 0.0);
        smooth.then(|| args.with("smoothing", &Arg::Number(0.0)))
    }

    fn lower(&self, args: &Args, given: &Given, formula: &mut Formula<'_>) -> Result<Losses, Fault> {
        let smoothing = args.number("smoothing")? as f32;
        if given.task == Task::Classes && !args.has("weights") && !args.has("ignore") {
            let logits = logits(args, given, formula)?;
            let attrs = Attrs::new().float("smoothing", smoothing);
            let sums = formula.builder.apply(&CROSS_ENTROPY, attrs, &[logits, given.target])?;
            return Ok(Losses { sums, weights: None });
        }
        let own = PerClass::of(args, given, formula)?;
        let hits = formula.multiply(own.weighted, own.logs)?;
        let mut sums = formula.sum(hits)?;
        if smoothing > 0.0 {
            let all = match own.weights {
                Some(weights) => formula.multiply(own.logs, weights)?,
                None => own.logs,
            };
            let counted = formula.multiply(all, own.counts)?;
            let counted = formula.sum(counted)?;
            let share = formula.affine(counted, smoothing / own.n_classes as f32, 0.0)?;
            let hit = formula.affine(sums, 1.0 - smoothing, 0.0)?;
            sums = formula.add(hit, share)?;
        }
        let sums = formula.affine(sums, -1.0, 0.0)?;
        Ok(Losses { sums, weights: own.amount(args, given, formula)? })
    }
}
