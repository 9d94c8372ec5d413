//! `loss kl`: how far the model's probabilities are from those of the target (Kullback and Leibler, 1951).

use crate::data::sample::Task;
use crate::diag::Fault;
use crate::ops::activation::log::LOG;
use crate::ops::log_softmax::LOG_SOFTMAX;
use crate::spec::{Args, Spec};
use crate::train::losses::formula::Formula;
use crate::train::losses::{Given, Loss, Losses, SHARE, Sides, once};

pub struct KullbackLeibler;

static SPEC: Spec = Spec {
    name: "kl",
    summary: "how far the model's probabilities are from those in the data",
    docs: "The sum over the numbers of `t (log t - log p)` with `p = softmax(output)` and the target `t`: numbers of at least 0 \
           that add up to 1, such as the shares of votes. Same as `KLDivLoss(reduction=\"batchmean\")` in PyTorch.",
    params: &[SHARE],
    example: "loss kl",
    elsewhere: &["KLDivLoss", "KLDivergence", "kl_div", "kullback_leibler_divergence"],
};

impl Loss for KullbackLeibler {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn takes(&self) -> &'static [Task] {
        &[Task::Numbers]
    }

    fn check(&self, _args: &Args, sides: &Sides<'_>) -> Result<(), Fault> {
        once(SPEC.name, sides)
    }

    fn lower(&self, _args: &Args, given: &Given, formula: &mut Formula<'_>) -> Result<Losses, Fault> {
        let logs = formula.of(&LOG_SOFTMAX, given.output)?;
        // 0 log 0 is 0.
        let own = formula.affine(given.target, 1.0, 1e-12)?;
        let own = formula.of(&LOG, own)?;
        let gap = formula.subtract(own, logs)?;
        let gap = formula.multiply(given.target, gap)?;
        Ok(Losses { sums: formula.sum(gap)?, weights: None })
    }
}
