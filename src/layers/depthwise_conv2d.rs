//! `depthwise_conv2d`: each channel filtered by itself, a convolution of as many groups as channels.

use crate::diag::{Fault, codes};
use crate::graph::{Init, Value};
use crate::layers::initial::{self, Fans};
use crate::layers::lowering::Lowering;
use crate::layers::windowed::Sliding;
use crate::layers::{Inferred, Layer, Reach, image, windowed};
use crate::ops::conv2d::CONV2D;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct DepthwiseConv2d;

static SPEC: Spec = Spec {
    name: "depthwise_conv2d",
    summary: "each channel filtered by itself",
    docs: "`C x H x W` becomes `C·multiplier x H' x W'`, with `H'` as for `conv2d`: a convolution whose groups are the \
           channels. Weights and bias begin uniform in ±1/sqrt(kernel area), as in PyTorch. Howard et al., 2017.",
    params: &[
        positional(
            "kernel",
            Kind::Pair,
            Preset::Required,
            "the filter's height x width; one number for both",
        ),
        keyword("multiplier", Kind::Count, Preset::Count(1), "how many filters each channel has"),
        keyword("stride", Kind::Pair, Preset::Pair(1, 1), "how far the filter moves"),
        keyword(
            "padding",
            Kind::Padding,
            Preset::Padding(0),
            "zeros around the image; `same` keeps the size at stride 1",
        ),
        keyword("dilation", Kind::Pair, Preset::Pair(1, 1), "the distance between the filter's taps"),
        keyword("bias", Kind::Bool, Preset::Bool(true), "adds one learned number per channel"),
        initial::INIT,
    ],
    example: "depthwise_conv2d 3x3 padding=1",
    elsewhere: &["DepthwiseConv2D", "DepthwiseConv2d", "depthwise_conv", "ConvolutionDepthwise"],
};

impl Layer for DepthwiseConv2d {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let [channels, height, width] = image(SPEC.name, input)?;
        let sliding = Sliding::new(args, [height, width])?;
        let [out_height, out_width] = sliding.output(SPEC.name, [height, width])?;
        let multiplier = args.whole("multiplier")?;
        let filters = channels.checked_mul(multiplier).ok_or_else(|| {
            Fault::new(codes::TOO_BIG, format!("`{}` would make too many channels", SPEC.name))
                .at("multiplier")
        })?;
        let kernel = sliding.axes.map(|window| window.kernel);
        let init = Init::Uniform { bound: 1.0 / (kernel[0] as f32 * kernel[1] as f32).sqrt() };
        let area = kernel[0].saturating_mul(kernel[1]);
        let fans = Fans { into: area, out: multiplier.saturating_mul(area), groups: channels };
        let weight = [filters, 1, kernel[0], kernel[1]];
        let parameters = initial::learned(args, weight, fans, init, filters)?;
        Ok(Inferred {
            output: Shape::from([filters, out_height, out_width]),
            arithmetic: sliding.arithmetic([height, width]),
            parameters,
            warnings: sliding.dropped(SPEC.name, [height, width]).into_iter().collect(),
        })
    }

    fn reach(&self, args: &Args, input: &Shape) -> Reach {
        windowed::reach::<2>(args, input)
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let [channels, height, width] = image(SPEC.name, &lowering.shape(input).unbatched())?;
        let sliding = Sliding::new(args, [height, width])?;
        let attrs = sliding.attrs().ints("dilation", sliding.dilation()).int("groups", channels as i64);
        let weight = lowering.parameter("weight")?;
        let value = lowering.apply(&CONV2D, attrs, &[input, weight])?;
        lowering.add_bias(value)
    }
}
