//! Where a training stands → the numbers that a step is told beside its images: the optimizer's, for each group of parameters
//! with a learning rate or a weight decay of its own, and those of running means and of accumulation.

use std::collections::BTreeMap;

use crate::diag::Fault;
use crate::model::Model;
use crate::spec::{Arg, Args};
use crate::train::average;
use crate::train::groups::{parameters, terms};
use crate::train::section::TrainSection;

/// Input of a graph behind whose step the update comes: by what the sum of a window's gradients is multiplied.
pub const SHARE: &str = "window_share";
/// Inputs where a schedule moves the momentum: it, and `1 -` it.
pub const CARRIED: &str = "carried";
pub const REST: &str = "not_carried";

/// Where a schedule stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// By which it changes every learning rate.
    pub factor: f64,
    /// Where it moves it.
    pub momentum: Option<f64>,
}

/// The argument of the optimizer that the schedule moves, if it does.
pub fn carries(train: &TrainSection) -> Option<&'static str> {
    let moves = train.schedule.args.get("cycle_momentum").is_some_and(|given| given.arg == Arg::Bool(true));
    train.optimizer.what.carries().filter(|_| moves)
}

/// The optimizer's arguments for every parameter that is trained. The first of the lots is the section's own.
pub struct Lots {
    pub args: Vec<Args>,
    of: BTreeMap<String, usize>,
}

impl Lots {
    pub fn of(model: &Model, train: &TrainSection) -> Lots {
        let mut lots = Lots { args: vec![train.optimizer.args.clone()], of: BTreeMap::new() };
        for name in parameters(model) {
            let terms = terms(&train.groups, &name);
            if terms.freeze {
                continue;
            }
            let given = [("lr", terms.lr), ("weight_decay", terms.weight_decay)];
            let mut args =
                given.iter().fold(train.optimizer.args.clone(), |args, (name, number)| match number {
                    Some(number) => args.with(name, &Arg::Number(*number)),
                    None => args,
                });
            // A second rate goes along with the first.
            if let (Some(lr), Ok(base), Ok(other)) =
                (terms.lr, train.optimizer.args.number("lr"), args.number("adam_lr"))
            {
                args = args.with("lr", &Arg::Number(lr.max(1e-30)));
                args = args.with("adam_lr", &Arg::Number(other * (lr / base)));
            }
            let known = lots.args.iter().position(|own| *own == args);
            let at = known.unwrap_or(lots.args.len());
            if known.is_none() {
                lots.args.push(args);
            }
            lots.of.insert(name, at);
        }
        lots
    }

    /// The lot of a parameter; `None` for one that is frozen.
    pub fn lot(&self, parameter: &str) -> Option<usize> {
        self.of.get(parameter).copied()
    }
}

/// What an optimizer's number is called as an input, for the parameters of a lot.
pub fn input(name: &str, lot: usize) -> String {
    match lot {
        0 => name.to_owned(),
        lot => format!("{name}@{lot}"),
    }
}

/// The numbers of steps by the names of their inputs.
pub struct Numbers<'a> {
    train: &'a TrainSection,
    lots: Vec<Args>,
}

impl<'a> Numbers<'a> {
    pub fn of(model: &Model, train: &'a TrainSection) -> Numbers<'a> {
        Numbers { train, lots: Lots::of(model, train).args }
    }

    /// Of the update counted from 1, where the schedule stands there and the window has so many images.
    pub fn at(&self, place: Place, update: u64, images: usize) -> Result<Vec<(String, f64)>, Fault> {
        let mut numbers = Vec::new();
        let carried = match (carries(self.train), place.momentum) {
            (Some(name), Some(momentum)) => Some((name, momentum)),
            // Where no schedule is followed, it is the optimizer's own.
            (Some(name), None) => Some((name, self.train.optimizer.args.number(name)?)),
            (None, _) => None,
        };
        for (lot, args) in self.lots.iter().enumerate() {
            let lr = args.number("lr")? * place.factor;
            let own = match carried {
                Some((name, momentum)) => {
                    let args = args.with(name, &Arg::Number(momentum));
                    self.train.optimizer.what.scalars(&args, lr, update)?
                }
                None => self.train.optimizer.what.scalars(args, lr, update)?,
            };
            numbers.extend(own.into_iter().map(|(name, number)| (input(name, lot), number)));
        }
        if let Some((_, momentum)) = carried {
            numbers.extend([(CARRIED.to_owned(), momentum), (REST.to_owned(), 1.0 - momentum)]);
        }
        if let Some(ema) = self.train.ema {
            numbers.extend(average::numbers(ema, update).map(|(name, number)| (name.to_owned(), number)));
        }
        if self.train.accumulate > 1 {
            numbers.push((SHARE.to_owned(), 1.0 / images as f64));
        }
        Ok(numbers)
    }
}
