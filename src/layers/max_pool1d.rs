//! `max_pool1d`: the largest number of each window of a sequence.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::lowering::Lowering;
use crate::layers::max_pool2d::{infer_pool, lower_pool};
use crate::layers::{Inferred, Layer, Reach, windowed};
use crate::ops::max_pool2d::MAX_POOL2D;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct MaxPool1d;

static SPEC: Spec = Spec {
    name: "max_pool1d",
    summary: "the largest number of each window of a sequence",
    docs: "`C x L` becomes `C x L'` with `L' = (L + padding - kernel) / stride + 1`, rounded down, or up with `ceil=true`. \
           The padding never wins, and is at most half the kernel, as in PyTorch: in a window of padding alone nothing \
           would. The stride is the kernel unless it is given.",
    params: &[
        positional("kernel", Kind::Count, Preset::Required, "the window's length"),
        keyword("stride", Kind::Count, Preset::Like("kernel"), "how far the window moves"),
        keyword(
            "padding",
            Kind::Ends,
            Preset::Padding(0),
            "places at both ends that never win; at most half the kernel",
        ),
        keyword("ceil", Kind::Bool, Preset::Bool(false), "a window that is partly outside counts"),
    ],
    example: "reshape 12x36 -> max_pool1d 2",
    elsewhere: &["MaxPool1d", "MaxPooling1D", "nn.MaxPool1d"],
};

impl Layer for MaxPool1d {
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
        lower_pool::<1>(SPEC.name, args, input, lowering, &MAX_POOL2D)
    }
}
