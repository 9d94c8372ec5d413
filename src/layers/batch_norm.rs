//! `batch_norm`: each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted.

use crate::diag::{Fault, codes};
use crate::graph::attrs::Attrs;
use crate::graph::{Init, Value};
use crate::layers::lowering::{Lowering, Mode};
use crate::layers::{Inferred, Layer, Parameter};
use crate::ops::batch_norm::{BATCH_NORM, VARIANCE, statistics_axes};
use crate::ops::binary::{ADD, MULTIPLY};
use crate::ops::reduce::REDUCE_MEAN;
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
        let attrs = Attrs::new().float("epsilon", args.number("epsilon")? as f32);
        let names = ["running_mean", "running_var", "weight", "bias"];
        let mut parts = Vec::with_capacity(names.len());
        for name in names {
            let value = lowering.parameter(name)?;
            parts.push(lowering.per_channel(value, input)?);
        }
        let &[running_mean, running_variance, scale, shift] = parts.as_slice() else {
            return Err(Fault::internal("`batch_norm` has four states"));
        };
        if lowering.mode == Mode::Infer {
            let attrs = attrs.text("statistics", "running");
            return lowering.apply(
                &BATCH_NORM,
                attrs,
                &[input, running_mean, running_variance, scale, shift],
            );
        }
        let axes = statistics_axes(&shape);
        let n_summands: usize = axes.iter().map(|&axis| shape.dims()[axis]).product();
        if n_summands < 2 {
            return Err(Fault::new(
                codes::BATCH_OF_ONE,
                format!(
                    "`batch_norm` sees one value a channel in a batch of {}: its variance is 0",
                    shape.dims()[0]
                ),
            )
            .advise("a batch of at least 2"));
        }
        let mean = lowering.apply(&REDUCE_MEAN, Attrs::new().ints("axes", axes), &[input])?;
        let variance = lowering.apply(&VARIANCE, Attrs::new(), &[input, mean])?;
        let momentum = args.number("momentum")? as f32;
        let unbiased = n_summands as f32 / (n_summands as f32 - 1.0);
        for (name, old, new, factor) in [
            ("running_mean", running_mean, mean, momentum),
            ("running_var", running_variance, variance, momentum * unbiased),
        ] {
            let keep = lowering.builder.scalar(1.0 - momentum);
            let take = lowering.builder.scalar(factor);
            let kept = lowering.apply(&MULTIPLY, Attrs::new(), &[old, keep])?;
            let taken = lowering.apply(&MULTIPLY, Attrs::new(), &[new, take])?;
            let sum = lowering.apply(&ADD, Attrs::new(), &[kept, taken])?;
            let state = lowering.parameter(name)?;
            let flat = lowering.shape(state);
            let sum = lowering.reshape(sum, &flat)?;
            lowering.builder.update(state, sum)?;
        }
        lowering.apply(&BATCH_NORM, attrs.text("statistics", "batch"), &[input, mean, variance, scale, shift])
    }
}
