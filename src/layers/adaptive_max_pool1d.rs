//! `adaptive_max_pool1d`: the largest number of each of a given number of windows of a sequence.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::layers::adaptive_avg_pool2d::windows;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, adaptive_max_pool2d, spatial};
use crate::ops::concat::MAX_INPUTS;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct AdaptiveMaxPool1d;

static SPEC: Spec = Spec {
    name: "adaptive_max_pool1d",
    summary: "the largest number of each of a given number of windows of a sequence",
    docs: "`C x L` becomes `C x SIZE`: output `i` looks at places `floor(i L / SIZE)` to `ceil((i + 1) L / SIZE)`, as in \
           PyTorch. A sequence of that length passes unchanged. Where SIZE does not divide the length, it is at most 64.",
    params: &[positional("size", Kind::Count, Preset::Required, "the output's length")],
    example: "reshape 12x36 -> adaptive_max_pool1d 5",
    elsewhere: &["AdaptiveMaxPool1d", "nn.AdaptiveMaxPool1d", "AdaptiveMaxPooling1D"],
};

impl Layer for AdaptiveMaxPool1d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let (channels, [length]) = spatial(SPEC.name, input)?;
        let size = args.whole("size")?;
        if !length.is_multiple_of(size) && size > MAX_INPUTS {
            let name = SPEC.name;
            return Err(Fault::new(
                codes::WINDOW_TOO_LARGE,
                format!("`{name}` cuts {length} places into at most {MAX_INPUTS} uneven windows, not {size}"),
            )
            .at("size")
            .label(format!("{length} places arrive"))
            .set("size", MAX_INPUTS)
            .assume(Shape::from([channels, size])));
        }
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
        let pooled = adaptive_max_pool2d::lower(images, [1, args.whole("size")?], lowering)?;
        lowering.from_image::<1>(pooled)
    }
}
