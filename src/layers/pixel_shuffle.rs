//! `pixel_shuffle`: channels become pixels between the pixels.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach, image};
use crate::ops::transpose::TRANSPOSE;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct PixelShuffle;

static SPEC: Spec = Spec {
    name: "pixel_shuffle",
    summary: "channels become pixels between the pixels",
    docs: "`C·F² x H x W` becomes `C x F·H x F·W`: channel `c F² + i F + j` gives the pixels of row `i` and column `j` in \
           each square of `F x F`. Shi et al., 2016.",
    params: &[positional(
        "factor",
        Kind::Count,
        Preset::Required,
        "how much higher and wider the image becomes",
    )],
    example: "conv2d 12 3x3 padding=1 -> pixel_shuffle 2",
    elsewhere: &["PixelShuffle", "nn.PixelShuffle", "depth_to_space", "DepthToSpace"],
};

impl Layer for PixelShuffle {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let [channels, height, width] = image(SPEC.name, input)?;
        let factor = args.whole("factor")?;
        let square = factor.saturating_mul(factor);
        if channels % square != 0 {
            let mut fault = Fault::new(
                codes::GROUPS,
                format!(
                    "`pixel_shuffle {factor}` needs a multiple of {square} channels, but {channels} arrive"
                ),
            )
            .at("factor")
            .label(format!("{input} arrives"));
            let fits = (2..=channels).take_while(|f| f * f <= channels).filter(|f| channels % (f * f) == 0);
            if let Some(near) = fits.min_by_key(|f| f.abs_diff(factor)) {
                fault = fault.set("factor", near);
            }
            return Err(fault);
        }
        let output = Shape::from([channels / square, factor * height, factor * width]);
        let arithmetic = format!("{channels} = {}·{factor}·{factor}", channels / square);
        Ok(Inferred { arithmetic: arithmetic.into(), ..Inferred::shape(output) })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Rescaled
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shape = lowering.shape(input);
        let &[n, channels, height, width] = shape.dims() else {
            return Err(Fault::internal(format!("`pixel_shuffle` of {shape}")));
        };
        let f = args.whole("factor")?;
        let c = channels / (f * f);
        let apart = lowering.reshape(input, &Shape::from([n, c, f, f, height, width]))?;
        let beside = lowering.apply(&TRANSPOSE, Attrs::new().ints("axes", [0, 1, 4, 2, 5, 3]), &[apart])?;
        lowering.reshape(beside, &Shape::from([n, c, f * height, f * width]))
    }
}
