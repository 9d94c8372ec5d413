//! `adaptive_avg_pool1d`: the mean of each of a given number of windows of a sequence.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::adaptive_avg_pool2d::windows;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, adaptive_avg_pool2d, spatial};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct AdaptiveAvgPool1d;

static SPEC: Spec = Spec {
    name: "adaptive_avg_pool1d",
    summary: "the mean of each of a given number of windows of a sequence",
    docs: "`C x L` becomes `C x SIZE`: output `i` looks at places `floor(i L / SIZE)` to `ceil((i + 1) L / SIZE)`, as in \
           PyTorch. A sequence of that length passes unchanged.",
    params: &[positional("size", Kind::Count, Preset::Required, "the output's length")],
    example: "reshape 12x36 -> adaptive_avg_pool1d 5",
    elsewhere: &["AdaptiveAvgPool1d", "nn.AdaptiveAvgPool1d", "AdaptiveAveragePooling1D"],
};

impl Layer for AdaptiveAvgPool1d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let (channels, [length]) = spatial(SPEC.name, input)?;
        let size = args.whole("size")?;
        Ok(Inferred {
            arithmetic: windows(length, size).into(),
            ..Inferred::shape(Shape::from([channels, size]))
        })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Everything
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let images = lowering.as_image(input)?;
        let pooled = adaptive_avg_pool2d::lower(images, [1, args.whole("size")?], lowering)?;
        lowering.from_image::<1>(pooled)
    }
}
