//! `loss dice`: how much of each class's area is missed, of masks (Milletari et al., 2016).

use crate::data::sample::Task;
use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::ops::slice::SLICE;
use crate::ops::softmax::SOFTMAX;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::losses::formula::Formula;
use crate::train::losses::per_class::right;
use crate::train::losses::{Given, Loss, Losses, SHARE, Sides, once};

pub struct Dice;

static SPEC: Spec = Spec {
    name: "dice",
    summary: "how much of each class's area in a mask is missed",
    docs: "`1 - (2 I + 1e-5) / (P + G + 1e-5)` for each image and class, averaged over both. `P` sums the probability over the \
           image's pixels, `G` the mask, and `I` their product. Same as `DiceLoss(softmax=True)` in MONAI. Pixels that the mask \
           ignores are left out. It is often combined with `cross_entropy`, on a `loss` line of its own.",
    params: &[
        keyword("background", Kind::Bool, Preset::Bool(true), "whether the first class counts, too"),
        SHARE,
    ],
    example: "loss dice",
    elsewhere: &["DiceLoss", "dice_loss", "soft_dice", "GeneralizedDiceLoss"],
};

impl Loss for Dice {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn takes(&self) -> &'static [Task] {
        &[Task::Masks]
    }

    fn check(&self, _args: &Args, sides: &Sides<'_>) -> Result<(), Fault> {
        once(SPEC.name, sides)
    }

    fn lower(&self, args: &Args, given: &Given, formula: &mut Formula<'_>) -> Result<Losses, Fault> {
        let shape = formula.builder.shape(given.output).clone();
        let n_classes = shape.dims()[1];
        let right = right(given, n_classes, formula)?;
        let counts = formula.over_classes(right)?;
        let p = formula.of(&SOFTMAX, given.output)?;
        let p = formula.multiply(p, counts)?;
        let both = formula.multiply(p, right)?;
        let [both, p, right] =
            [formula.over_pixels(both)?, formula.over_pixels(p)?, formula.over_pixels(right)?];
        let above = formula.affine(both, 2.0, 1e-5)?;
        let below = formula.add(p, right)?;
        let below = formula.affine(below, 1.0, 1e-5)?;
        let mut found = formula.divide(above, below)?;
        if !args.bool("background")? && n_classes > 1 {
            let attrs = Attrs::new().ints("start", [0, 1]).ints("shape", [shape.dims()[0], n_classes - 1]);
            found = formula.builder.apply(&SLICE, attrs, &[found])?;
        }
        let found = formula.mean(found)?;
        Ok(Losses { sums: formula.affine(found, -1.0, 1.0)?, weights: None })
    }
}
