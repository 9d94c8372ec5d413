//! `avg_pool1d`: the mean of each window of a sequence.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::max_pool2d::{infer_pool, lower_pool};
use crate::layers::{Inferred, Layer, Reach, windowed};
use crate::ops::avg_pool2d::AVG_POOL2D;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct AvgPool1d;

static SPEC: Spec = Spec {
    name: "avg_pool1d",
    summary: "the mean of each window of a sequence",
    docs: "`C x L` becomes `C x L'` with `L' = (L + padding - kernel) / stride + 1`, rounded down, or up with `ceil=true`. \
           The stride is the kernel unless it is given. As in PyTorch, padding is at most half the kernel, also where its \
           zeros count: a mean of zeros alone would say nothing of the sequence.",
    params: &[
        positional("kernel", Kind::Count, Preset::Required, "the window's length"),
        keyword("stride", Kind::Count, Preset::Like("kernel"), "how far the window moves"),
        keyword("padding", Kind::Ends, Preset::Padding(0), "zeros at both ends; at most half the kernel"),
        keyword("ceil", Kind::Bool, Preset::Bool(false), "a window that is partly outside counts"),
        keyword("count_padding", Kind::Bool, Preset::Bool(true), "zeros of the padding count as summands"),
    ],
    example: "reshape 12x36 -> avg_pool1d 2",
    elsewhere: &["AvgPool1d", "AveragePooling1D", "nn.AvgPool1d"],
};

impl Layer for AvgPool1d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        infer_pool::<1>(SPEC.name, args, input)
    }

    fn reach(&self, args: &Args, input: &Shape) -> Reach {
        windowed::reach::<1>(args, input)
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        lower_pool::<1>(SPEC.name, args, input, lowering, &AVG_POOL2D)
    }
}
