//! `batch_norm`: each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted.

use crate::diag::{Fault, codes};
use crate::graph::attrs::Attrs;
use crate::graph::{Init, Value};
use crate::layers::lowering::{Lowering, Mode};
use crate::layers::{Inferred, Layer, Parameter};
use crate::ops::batch_norm::BATCH_NORM;
use crate::ops::concat::CONCAT;
use crate::ops::moments::{MOMENTS, RUNNING_MOMENT, channels};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword};

pub struct BatchNorm;

static SPEC: Spec = Spec {
    name: "batch_norm",
    summary: "each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted",
    docs: "The shape stays. In training the statistics are the batch's, and running means of them are kept: \
           `running = (1 - momentum) running + momentum batch`, the variance corrected for the batch's size, as in \
           PyTorch; in inference the running ones are used. Ioffe and Szegedy, 2015.",
    params: &[
        keyword(
            "momentum",
            Kind::Number { min: 0.0, max: 1.0 },
            Preset::Number(0.1),
            "the weight of the newest batch in the running statistics",
        ),
        keyword(
            "epsilon",
            Kind::Number { min: 0.0, max: 1.0 },
            Preset::Number(1e-5),
            "added to the variance",
        ),
    ],
    example: "conv2d 8 3x3 bias=false -> batch_norm -> relu",
    elsewhere: &[
        "BatchNorm2d",
        "BatchNorm1d",
        "BatchNorm3d",
        "batch_norm3d",
        "BatchNormalization",
        "BatchNorm",
        "batchnorm",
        "bn",
        "batch_normalize",
    ],
};

impl Layer for BatchNorm {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let channels = input.dims().first().copied().unwrap_or(1);
        Ok(Inferred {
            parameters: vec![
                Parameter::trained("weight", [channels], Init::Constant(1.0)),
                Parameter::trained("bias", [channels], Init::Constant(0.0)),
                Parameter::buffer("running_mean", [channels], 0.0),
                Parameter::buffer("running_var", [channels], 1.0),
            ],
            ..Inferred::shape(input.clone())
        })
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shape = lowering.shape(input);
        let channels = channels("batch_norm", &shape)?;
        let attrs = Attrs::new().float("epsilon", args.number("epsilon")? as f32);
        let (scale, shift) = (lowering.parameter("weight")?, lowering.parameter("bias")?);
        let running = ["running_mean", "running_var"].map(|name| lowering.parameter(name));
        if lowering.mode == Mode::Infer {
            let row = Shape::from([1, channels]);
            let mut rows = Vec::with_capacity(running.len());
            for state in running {
                rows.push(lowering.reshape(state?, &row)?);
            }
            let moments = lowering.apply(&CONCAT, Attrs::new().int("axis", 0), &rows)?;
            let attrs = attrs.text("statistics", "running");
            return lowering.apply(&BATCH_NORM, attrs, &[input, moments, scale, shift]);
        }
        let n_summands = shape.elements() / channels.max(1);
        if n_summands < 2 {
            return Err(Fault::new(
                codes::BATCH_OF_ONE,
                format!(
                    "`batch_norm` sees one value per channel in a batch of {}: its variance is 0",
                    shape.dims()[0]
                ),
            )
            .advise("a batch of at least 2"));
        }
        let moments = lowering.apply(&MOMENTS, Attrs::new(), &[input])?;
        let momentum = args.number("momentum")? as f32;
        let unbiased = n_summands as f32 / (n_summands as f32 - 1.0);
        for ((row, state), take) in (0..).zip(running).zip([momentum, momentum * unbiased]) {
            let state = state?;
            let attrs = Attrs::new().int("row", row).float("keep", 1.0 - momentum).float("take", take);
            let next = lowering.apply(&RUNNING_MOMENT, attrs, &[state, moments])?;
            lowering.builder.update(state, next)?;
        }
        lowering.apply(&BATCH_NORM, attrs.text("statistics", "batch"), &[input, moments, scale, shift])
    }
}
