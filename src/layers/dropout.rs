//! `dropout`: in training, random elements become 0 and the others grow to keep the mean.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::{Lowering, Mode};
use crate::layers::{Inferred, Layer};
use crate::ops::binary::MULTIPLY;
use crate::ops::dropout_mask::DROPOUT_MASK;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct Dropout;

static SPEC: Spec = Spec {
    name: "dropout",
    summary: "in training, random elements become 0",
    docs: "Each element becomes 0 with probability `p`, the others are divided by `1 - p`; in inference nothing \
           happens. Which ones depends on the run's seed and the step alone. Srivastava et al., 2014.",
    params: &[positional(
        "p",
        Kind::Number { min: 0.0, max: 0.99 },
        Preset::Number(0.5),
        "the probability of becoming 0",
    )],
    example: "dropout 0.25",
    elsewhere: &["Dropout", "nn.Dropout"],
};

impl Layer for Dropout {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        Ok(Inferred::shape(input.clone()))
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let mask = lowering.shape(input);
        drop_out(args, input, &mask, lowering)
    }
}

/// In training, multiplies by a random mask of 0 and `1 / (1 - p)`, repeated along axes of extent 1.
pub(crate) fn drop_out(
    args: &Args,
    input: Value,
    mask: &Shape,
    lowering: &mut Lowering<'_>,
) -> Result<Value, Fault> {
    let p = args.number("p")? as f32;
    let seed = match lowering.mode {
        Mode::Infer => return Ok(input),
        Mode::Train { .. } if p == 0.0 => return Ok(input),
        Mode::Train { seed } => seed,
    };
    let step = lowering.step();
    let attrs = Attrs::new()
        .ints("shape", mask.dims())
        .float("p", p)
        .int("seed", seed as i64)
        .int("stream", lowering.stream());
    let mask = lowering.apply(&DROPOUT_MASK, attrs, &[step])?;
    lowering.apply(&MULTIPLY, Attrs::new(), &[input, mask])
}
