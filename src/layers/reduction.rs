//! `mean`, `max`, `sum`, `std`: one number of all channels at each place, or of all places in each channel.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, UNBOUNDED};
use crate::numbers::plural;
use crate::ops::activation::{sqrt::SQRT, square::SQUARE};
use crate::ops::binary::{ADD, MULTIPLY, SUBTRACT};
use crate::ops::max_pool2d::MAX_POOL2D;
use crate::ops::reduce::{REDUCE_MEAN, REDUCE_SUM};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword, positional};

/// A layer that makes one number of several.
pub struct Reduction {
    spec: &'static Spec,
    of: Statistic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Statistic {
    Mean,
    Max,
    Sum,
    Std,
}

const OVER: Param = positional(
    "over",
    Kind::Choice(&["channels", "space"]),
    Preset::Required,
    "the `channels` of each place or the places of each channel (`space`), which become one",
);

pub static MEAN: Reduction = Reduction {
    spec: &Spec {
        name: "mean",
        summary: "the mean over the channels, or over space",
        docs: "`mean channels` makes `1 x H x W` of `C x H x W`, `mean space` makes `C x 1 x 1`; of a sequence `1 x L` or `C x 1`; \
               of a volume `1 x D x H x W` or `C x 1 x 1 x 1`. `torch.mean(…, keepdim=True)`. `global_avg_pool` gives the mean over space flat.",
        params: &[OVER],
        example: "mean channels -> conv2d 1 7x7 padding=same -> sigmoid",
        elsewhere: &["reduce_mean", "ReduceMean", "torch.mean"],
    },
    of: Statistic::Mean,
};

pub static MAX: Reduction = Reduction {
    spec: &Spec {
        name: "max",
        summary: "the largest number of the channels, or of space",
        docs: "`max channels` makes `1 x H x W` of `C x H x W`, `max space` makes `C x 1 x 1`; of a sequence `1 x L` or `C x 1`. \
               `torch.amax(…, keepdim=True)`.",
        params: &[OVER],
        example: "max channels -> sigmoid",
        elsewhere: &["reduce_max", "ReduceMax", "amax", "torch.max", "torch.amax"],
    },
    of: Statistic::Max,
};

pub static SUM: Reduction = Reduction {
    spec: &Spec {
        name: "sum",
        summary: "the sum over the channels, or over space",
        docs: "`sum channels` makes `1 x H x W` of `C x H x W`, `sum space` makes `C x 1 x 1`; of a sequence `1 x L` or `C x 1`. \
               `torch.sum(…, keepdim=True)`. Values of several layers are added by `add`.",
        params: &[OVER],
        example: "sum space -> flatten -> linear 10",
        elsewhere: &["reduce_sum", "ReduceSum", "torch.sum"],
    },
    of: Statistic::Sum,
};

pub static STD: Reduction = Reduction {
    spec: &Spec {
        name: "std",
        summary: "the standard deviation over the channels, or over space",
        docs: "`std channels` makes `1 x H x W` of `C x H x W`, `std space` makes `C x 1 x 1`; of a sequence `1 x L` or `C x 1`: the \
               root of `Σ (x - mean)² / (n - correction) + epsilon`. As `torch.std(…, keepdim=True)`, but for `epsilon`, which \
               keeps the slope finite where all numbers are the same.",
        params: &[
            OVER,
            keyword(
                "correction",
                Kind::Whole,
                Preset::Count(1),
                "subtracted from the number of values in the divisor",
            ),
            keyword(
                "epsilon",
                Kind::Number { min: 0.0, max: 1.0 },
                Preset::Number(1e-8),
                "added to the variance",
            ),
        ],
        example: "std space -> flatten -> linear 10",
        elsewhere: &["torch.std", "reduce_std", "StdPool"],
    },
    of: Statistic::Std,
};

/// The axes that become one, of a value with a batch; refuses a flat value that has no space.
fn axes(args: &Args, layer: &str, input: &Shape) -> Result<Vec<usize>, Fault> {
    if args.word("over")? == "channels" {
        return Ok(vec![1]);
    }
    if input.rank() < 2 {
        let message =
            format!("`{layer} space` needs an image, a volume or a sequence, but {input} features arrive");
        return Err(Fault::new(codes::WRONG_RANK, message)
            .at("over")
            .label(format!("{input} arrives"))
            .set("over", "channels"));
    }
    Ok((2..=input.rank()).collect())
}

impl Layer for Reduction {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let axes = axes(args, self.spec.name, input)?;
        let mut output = input.clone();
        axes.iter().for_each(|axis| output.0[axis - 1] = 1);
        let n = input.elements() / output.elements().max(1);
        if self.of == Statistic::Std && n <= args.whole("correction")? {
            let message = format!(
                "`std` of {} with a correction of {} has nothing to divide by",
                plural(n as u64, "number", "numbers"),
                args.whole("correction")?
            );
            return Err(Fault::new(codes::SINGLE_VALUE_NORM, message)
                .label(format!("{input} arrives"))
                .advise("`correction=0`, or more numbers")
                .assume(output));
        }
        Ok(Inferred { arithmetic: format!("of {n} numbers each").into(), ..Inferred::shape(output) })
    }

    fn reach(&self, args: &Args, _input: &Shape) -> Reach {
        match args.word("over") {
            Ok("channels") => Reach::Pixel,
            _ => Reach::Everything,
        }
    }

    fn range(&self, _args: &Args) -> [f64; 2] {
        match self.of {
            Statistic::Std => [0.0, f64::INFINITY],
            Statistic::Mean | Statistic::Max | Statistic::Sum => UNBOUNDED,
        }
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shape = lowering.shape(input);
        let axes = axes(args, self.spec.name, &shape.unbatched())?;
        let attrs = Attrs::new().ints("axes", axes.clone());
        match self.of {
            Statistic::Mean => lowering.apply(&REDUCE_MEAN, attrs, &[input]),
            Statistic::Sum => lowering.apply(&REDUCE_SUM, attrs, &[input]),
            Statistic::Max => largest(args, input, &axes, lowering),
            Statistic::Std => {
                let centred = centred(input, &axes, lowering)?;
                let variance = mean_square(centred, &axes, lowering)?;
                let n = shape.elements() / lowering.shape(variance).elements().max(1);
                let more = n as f32 / (n - args.whole("correction")?) as f32;
                let more = lowering.builder.scalar(more);
                let variance = lowering.apply(&MULTIPLY, Attrs::new(), &[variance, more])?;
                deviation(variance, args.number("epsilon")?, lowering)
            }
        }
    }
}

/// The numbers without their mean over some axes.
pub(crate) fn centred(input: Value, axes: &[usize], lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
    let mean = lowering.apply(&REDUCE_MEAN, Attrs::new().ints("axes", axes), &[input])?;
    lowering.apply(&SUBTRACT, Attrs::new(), &[input, mean])
}

/// The mean square of numbers over some axes.
pub(crate) fn mean_square(input: Value, axes: &[usize], lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
    let square = lowering.apply(&SQUARE, Attrs::new(), &[input])?;
    lowering.apply(&REDUCE_MEAN, Attrs::new().ints("axes", axes), &[square])
}

/// `sqrt(variance + epsilon)`
pub(crate) fn deviation(variance: Value, epsilon: f64, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
    let epsilon = lowering.builder.scalar(epsilon as f32);
    let variance = lowering.apply(&ADD, Attrs::new(), &[variance, epsilon])?;
    lowering.apply(&SQRT, Attrs::new(), &[variance])
}

/// The maximum, by one pooling window over all that becomes one number.
fn largest(args: &Args, input: Value, axes: &[usize], lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
    let shape = lowering.shape(input);
    let (batch, channels) = (shape.dims()[0], shape.dims()[1]);
    let places: usize = shape.dims()[2..].iter().product();
    let (picture, window) = match args.word("over")? {
        "channels" => ([batch, 1, channels, places], [channels, 1]),
        _ => ([batch, channels, 1, places], [1, places]),
    };
    let picture = lowering.reshape(input, &Shape::from(picture))?;
    let attrs = Attrs::new().ints("kernel", window).ints("stride", window).ints("padding", [0; 4]);
    let largest = lowering.apply(&MAX_POOL2D, attrs, &[picture])?;
    let mut output = shape;
    axes.iter().for_each(|&axis| output.0[axis] = 1);
    lowering.reshape(largest, &output)
}
