//! `loss mse`: the mean squared distance to the label as a one-hot vector.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::ops::activation::square::SQUARE;
use crate::ops::binary::SUBTRACT;
use crate::ops::one_hot::ONE_HOT;
use crate::ops::reduce::REDUCE_MEAN;
use crate::ops::reshape::RESHAPE;
use crate::shape::Shape;
use crate::spec::{Args, Spec};
use crate::train::losses::Loss;

pub struct MeanSquaredError;

static SPEC: Spec = Spec {
    name: "mse",
    summary: "mean squared distance to the label as a one-hot vector",
    docs: "The mean over the classes of `(output - target)²`; the target is 1 at the label and 0 elsewhere.",
    params: &[],
    example: "loss mse",
    elsewhere: &["MSELoss", "mean_squared_error", "l2", "EuclideanLoss", "sse"],
};

impl Loss for MeanSquaredError {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, _args: &Args, output: &Shape, _last: &str) -> Result<(), Fault> {
        match output.rank() {
            1 => Ok(()),
            _ => Err(Fault::new(
                codes::LOSS,
                format!("`loss mse` needs one number a class, but the model gives an image of {output}"),
            )
            .label(format!("{output} arrives at the loss"))
            .advise("end the model in `flatten -> linear CLASSES` or `global_avg_pool`")),
        }
    }

    fn lower(
        &self,
        _args: &Args,
        output: Value,
        labels: Value,
        builder: &mut Builder,
    ) -> Result<Value, Fault> {
        let shape = builder.shape(output).clone();
        let classes = shape.dims().get(1).copied().unwrap_or(1);
        let target = builder.apply(&ONE_HOT, Attrs::new().int("classes", classes as i64), &[labels])?;
        let distance = builder.apply(&SUBTRACT, Attrs::new(), &[output, target])?;
        let square = builder.apply(&SQUARE, Attrs::new(), &[distance])?;
        let mean = builder.apply(&REDUCE_MEAN, Attrs::new().ints("axes", [1]), &[square])?;
        builder.apply(&RESHAPE, Attrs::new().ints("shape", [shape.dims()[0]]), &[mean])
    }
}
