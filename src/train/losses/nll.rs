//! `loss nll`: minus the logarithm of the right class's probability, of a model that ends in `log_softmax`.

use crate::data::sample::Task;
use crate::diag::{Fault, Remedy, codes};
use crate::spec::{Args, Spec};
use crate::train::losses::formula::Formula;
use crate::train::losses::per_class::{IGNORE, PerClass, WEIGHTS, check_weights};
use crate::train::losses::{Given, Loss, Losses, SHARE, Sides};

pub struct NegativeLogLikelihood;

static SPEC: Spec = Spec {
    name: "nll",
    summary: "minus the logarithm of the right class's probability, for a model that ends in `log_softmax`",
    docs: "`cross_entropy` for models that output log-probabilities instead of logits. Same as `NLLLoss` in PyTorch.",
    params: &[WEIGHTS, IGNORE, SHARE],
    example: "loss nll",
    elsewhere: &["NLLLoss", "negative_log_likelihood", "nll_loss"],
};

impl Loss for NegativeLogLikelihood {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn takes(&self) -> &'static [Task] {
        &[Task::Classes, Task::Masks]
    }

    fn check(&self, args: &Args, sides: &Sides<'_>) -> Result<(), Fault> {
        if sides.last != "log_softmax" {
            let message = format!(
                "`loss nll` needs a model that ends in `log_softmax`, but it ends in `{}`",
                sides.last
            );
            return Err(Fault::new(codes::LOSS, message)
                .label("these are no logarithms of probabilities")
                .remedy(Remedy::Instead("loss cross_entropy".to_owned()))
                .advise("put `log_softmax` after the last layer"));
        }
        check_weights(args, sides)
    }

    fn lower(&self, args: &Args, given: &Given, formula: &mut Formula<'_>) -> Result<Losses, Fault> {
        let own = PerClass::of_logs(args, given, given.output, formula)?;
        let hits = formula.multiply(own.weighted, own.logs)?;
        let sums = formula.sum(hits)?;
        let sums = formula.affine(sums, -1.0, 0.0)?;
        Ok(Losses { sums, weights: own.amount(args, given, formula)? })
    }
}
