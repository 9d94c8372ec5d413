//! `schedule plateau`: the learning rate falls when the validation loss no longer does.

use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::progress::Plateau as State;
use crate::train::schedules::{Progress, Schedule, WARMUP};

pub struct Plateau;

static SPEC: Spec = Spec {
    name: "plateau",
    summary: "the learning rate falls when the validation loss no longer does",
    docs: "An epoch is an improvement if its validation loss is below the best so far times `1 - threshold`. After more than \
           `patience` epochs in a row without one, the learning rate is multiplied by `factor`, but never falls below `final` \
           times `lr`; the next `cooldown` epochs do not count. As PyTorch's ReduceLROnPlateau. Needs `validation` in `data`.",
    params: &[
        keyword("factor", Kind::Number { min: 0.0, max: 1.0 }, Preset::Number(0.1), "the factor of a drop"),
        keyword("patience", Kind::Whole, Preset::Count(10), "epochs in a row that may bring no improvement"),
        keyword(
            "threshold",
            Kind::Number { min: 0.0, max: 1.0 },
            Preset::Number(1e-4),
            "the fraction by which a loss must be lower to count as better",
        ),
        keyword("cooldown", Kind::Whole, Preset::Count(0), "epochs after a drop that do not count"),
        keyword(
            "final",
            Kind::Number { min: 0.0, max: 1.0 },
            Preset::Number(0.0),
            "the lowest rate, as a fraction of `lr`",
        ),
        WARMUP,
    ],
    example: "schedule plateau patience=5",
    elsewhere: &["ReduceLROnPlateau", "reduce_on_plateau", "reduce_lr_on_plateau"],
};

impl Schedule for Plateau {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn factor(&self, _args: &Args, progress: Progress, _start: u64) -> Result<f64, Fault> {
        Ok(progress.plateau)
    }

    fn watches(&self) -> bool {
        true
    }

    fn behind(&self, args: &Args, state: State, loss: f64) -> Result<State, Fault> {
        let State { mut factor, mut best, mut waited, mut cooling } = state;
        match best {
            Some(least) if loss < least * (1.0 - args.number("threshold")?) => {
                (best, waited) = (Some(loss), 0)
            }
            Some(_) => waited += 1,
            None => (best, waited) = (Some(loss), 0),
        }
        if cooling > 0 {
            (cooling, waited) = (cooling - 1, 0);
        }
        if waited > args.whole("patience")? {
            factor = (factor * args.number("factor")?).max(args.number("final")?);
            (cooling, waited) = (args.whole("cooldown")?, 0);
        }
        Ok(State { factor, best, waited, cooling })
    }
}
