//! `schedule multistep`: the learning rate drops at given epochs.

use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::schedules::{Progress, Schedule, WARMUP};

pub struct Multistep;

static SPEC: Spec = Spec {
    name: "multistep",
    summary: "the learning rate drops after each of the given epochs",
    docs: "`lr gamma^k` after `k` of the `milestones`: with `milestones=[80, 120]` the first 80 epochs have the whole \
           learning rate, the next 40 a tenth, all after them a hundredth. As in PyTorch's MultiStepLR.",
    params: &[
        keyword("milestones", Kind::Rising, Preset::Required, "the epochs after which it drops"),
        keyword("gamma", Kind::Number { min: 0.0, max: 1.0 }, Preset::Number(0.1), "the factor of a drop"),
        WARMUP,
    ],
    example: "schedule multistep milestones=[80, 120] gamma=0.1",
    elsewhere: &["MultiStepLR", "multi_step", "piecewise_constant", "PiecewiseConstantDecay", "milestones"],
};

impl Schedule for Multistep {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn factor(&self, args: &Args, progress: Progress, _start: u64) -> Result<f64, Fault> {
        let epoch = (progress.step / progress.steps_per_epoch.max(1)) as f64;
        let drops = args.numbers("milestones")?.iter().filter(|&&milestone| milestone <= epoch).count();
        Ok(args.number("gamma")?.powi(drops.min(i32::MAX as usize) as i32))
    }
}

#[cfg(test)]
mod tests {
    use super::SPEC;
    use crate::diag::Diagnostics;
    use crate::source::Sources;
    use crate::spec::{NoNames, resolve};
    use crate::syntax::parse;
    use crate::train::schedules::{Progress, factor};

    /// The learning rates of the epochs, at the first and the last step of each.
    fn rates(lr: f64, line: &str, epochs: u64, steps_per_epoch: u64) -> Vec<[f64; 2]> {
        let mut sources = Sources::default();
        let file = sources.add("test.net", line.to_owned());
        let (ast, _) = parse(&sources, file);
        let statement = &ast.chains[0].links[0].statement;
        let args = resolve(&SPEC, &statement.word, &statement.arguments, &NoNames, &mut Diagnostics::new());
        let args = args.unwrap();
        let rate = |step| {
            let total = epochs * steps_per_epoch;
            let progress = Progress { step, total, steps_per_epoch, plateau: 1.0 };
            lr * factor(&super::Multistep, &args, progress).unwrap()
        };
        (0..epochs)
            .map(|epoch| [rate(epoch * steps_per_epoch), rate((epoch + 1) * steps_per_epoch - 1)])
            .collect()
    }

    /// The example of PyTorch's documentation: lr 0.05 for epochs below 30, 0.005 below 80, then 0.0005.
    #[test]
    fn the_rates_are_those_of_pytorch() {
        let found = rates(0.05, "multistep milestones=[30, 80] gamma=0.1", 100, 7);
        for (epoch, rates) in found.into_iter().enumerate() {
            let expected = match epoch {
                0..30 => 0.05,
                30..80 => 0.005,
                _ => 0.0005,
            };
            assert!(rates.iter().all(|rate| (rate - expected).abs() < 1e-15), "{epoch}: {rates:?}");
        }
        let halves = rates(1.0, "multistep milestones=2 gamma=0.5", 4, 1);
        assert_eq!(halves, [[1.0; 2], [1.0; 2], [0.5; 2], [0.5; 2]]);
    }

    #[test]
    fn warm_up_comes_first_and_moves_no_milestone() {
        let found = rates(1.0, "multistep milestones=[1, 2] gamma=0.1 warmup=25%", 4, 4);
        assert_eq!(found[0], [0.25, 1.0]);
        assert!((found[1][0] - 0.1).abs() < 1e-15 && (found[2][0] - 0.01).abs() < 1e-15, "{found:?}");
    }
}
