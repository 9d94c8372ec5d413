//! What users write in a model: one layer a file, with its words, documentation, shape rule, parameters and
//! lowering to ops. Adding one is a file and its line in [`LAYERS`].

pub mod activation;
pub mod adaptive_avg_pool1d;
pub mod adaptive_avg_pool2d;
pub mod adaptive_max_pool1d;
pub mod adaptive_max_pool2d;
pub mod arithmetic;
pub mod attention;
pub mod avg_pool1d;
pub mod avg_pool2d;
pub mod avg_pool3d;
pub mod batch_norm;
pub mod channel_shuffle;
pub mod clamp;
pub mod class_token;
pub mod conv1d;
pub mod conv2d;
pub mod conv3d;
pub mod conv_transpose1d;
pub mod conv_transpose2d;
pub mod conv_transpose3d;
pub mod crop;
pub mod depthwise_conv1d;
pub mod depthwise_conv2d;
pub mod depthwise_conv3d;
pub mod drop_path;
pub mod dropout;
pub mod dropout2d;
pub mod filter2d;
pub mod flatten;
pub mod given;
pub mod global_avg_pool;
pub mod global_max_pool;
pub mod group_norm;
pub mod identity;
pub mod initial;
pub mod instance_norm;
pub mod joins;
pub mod l2_normalize;
pub mod layer_norm;
pub mod linear;
pub mod local_response_norm;
pub mod log_softmax;
pub mod lowering;
pub mod max_pool1d;
pub mod max_pool2d;
pub mod max_pool3d;
pub mod pad;
pub mod parameter;
pub mod pixel_shuffle;
pub mod positions;
pub mod power;
pub mod prelu;
pub mod reduction;
pub mod reshape;
pub mod scale;
pub mod slice;
pub mod softmax;
pub mod standardize;
pub mod transpose;
pub mod upsample;
pub mod volume;
pub mod windowed;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::diag::{Fault, codes};
use crate::graph::{Init, StateKind, Value};
use crate::layers::arithmetic::Arithmetic;
use crate::layers::initial::Fans;
use crate::layers::lowering::Lowering;
use crate::shape::{Shape, Window};
use crate::spec::section::Registry;
use crate::spec::{Arg, Args, Spec};

/// Every layer, in the order of the reference.
pub static LAYERS: &[&dyn Layer] = &[
    &conv2d::Conv2d,
    &conv1d::Conv1d,
    &conv3d::Conv3d,
    &conv_transpose2d::ConvTranspose2d,
    &conv_transpose1d::ConvTranspose1d,
    &conv_transpose3d::ConvTranspose3d,
    &depthwise_conv2d::DepthwiseConv2d,
    &depthwise_conv1d::DepthwiseConv1d,
    &depthwise_conv3d::DepthwiseConv3d,
    &filter2d::Filter2d,
    &linear::Linear,
    &max_pool2d::MaxPool2d,
    &max_pool1d::MaxPool1d,
    &max_pool3d::MaxPool3d,
    &avg_pool2d::AvgPool2d,
    &avg_pool1d::AvgPool1d,
    &avg_pool3d::AvgPool3d,
    &adaptive_avg_pool2d::AdaptiveAvgPool2d,
    &adaptive_avg_pool1d::AdaptiveAvgPool1d,
    &adaptive_max_pool2d::AdaptiveMaxPool2d,
    &adaptive_max_pool1d::AdaptiveMaxPool1d,
    &global_avg_pool::GlobalAvgPool,
    &global_max_pool::GlobalMaxPool,
    &batch_norm::BatchNorm,
    &group_norm::GroupNorm,
    &layer_norm::LayerNorm,
    &instance_norm::InstanceNorm,
    &local_response_norm::LocalResponseNorm,
    &l2_normalize::L2Normalize,
    &activation::RELU,
    &activation::RELU6,
    &activation::LEAKY_RELU,
    &prelu::Prelu,
    &activation::ELU,
    &activation::SELU,
    &activation::GELU,
    &activation::SILU,
    &activation::MISH,
    &activation::HARDSWISH,
    &activation::HARDSIGMOID,
    &activation::TANH,
    &activation::SIGMOID,
    &activation::SOFTPLUS,
    &softmax::Softmax,
    &log_softmax::LogSoftmax,
    &activation::EXP,
    &activation::SQRT,
    &power::Power,
    &clamp::Clamp,
    &attention::Attention,
    &positions::Positions,
    &class_token::ClassToken,
    &reduction::MEAN,
    &reduction::MAX,
    &reduction::SUM,
    &reduction::STD,
    &dropout::Dropout,
    &dropout2d::Dropout2d,
    &drop_path::DropPath,
    &flatten::Flatten,
    &reshape::Reshape,
    &transpose::Transpose,
    &slice::Slice,
    &pad::Pad,
    &crop::Crop,
    &upsample::Upsample,
    &pixel_shuffle::PixelShuffle,
    &channel_shuffle::ChannelShuffle,
    &scale::Scale,
    &parameter::ParameterLayer,
    &identity::Identity,
];

pub static REGISTRY: Registry = Registry {
    title: "Layers",
    intro: "One line each, or several joined by `->`.",
    one: "layer",
    specs: || LAYERS.iter().map(|layer| layer.spec()).collect(),
};

/// What is known of a layer before anything runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inferred {
    /// Without the batch axis.
    pub output: Shape,
    /// The arithmetic that gives the output shape.
    pub arithmetic: Arithmetic,
    pub parameters: Vec<Parameter>,
    /// Findings that do not stop the layer from working.
    pub warnings: Vec<Fault>,
}

impl Inferred {
    pub fn shape(output: Shape) -> Inferred {
        Inferred { output, ..Inferred::default() }
    }
}

/// A value that the layer keeps from step to step.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: &'static str,
    pub shape: Shape,
    pub kind: StateKind,
    pub init: Init,
    /// Of weights that an initialiser may draw.
    pub fans: Option<Fans>,
}

impl Parameter {
    pub fn trained(name: &'static str, shape: impl Into<Shape>, init: Init) -> Parameter {
        Parameter { name, shape: shape.into(), kind: StateKind::Parameter, init, fans: None }
    }

    pub fn buffer(name: &'static str, shape: impl Into<Shape>, value: f32) -> Parameter {
        Parameter {
            name,
            shape: shape.into(),
            kind: StateKind::Buffer,
            init: Init::Constant(value),
            fans: None,
        }
    }
}

/// What of a layer's input one pixel of its output is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nothing of it.
    Nothing,
    /// The pixel at its place.
    Pixel,
    /// A window of pixels: along depth, height and width, of which a sequence has the last.
    Window([Window; 3]),
    /// All of them.
    Everything,
    /// Pixels at another scale.
    Rescaled,
}

/// Any number at all.
pub const UNBOUNDED: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];

pub trait Layer: Sync {
    fn spec(&self) -> &'static Spec;

    /// The output shape, the arithmetic behind it and the parameters; or why the input is refused.
    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault>;

    /// What of its input one pixel of the output is made of, without what all pixels share, such as their mean in a
    /// norm. Asked only of an input that [`Layer::infer`] has accepted.
    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Pixel
    }

    /// Bounds of the numbers that it can give, whatever arrives; infinite where there are none.
    fn range(&self, _args: &Args) -> [f64; 2] {
        UNBOUNDED
    }

    /// The layer as ops; the value has the shape of [`Layer::infer`] behind a batch axis.
    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault>;
}

impl std::fmt::Debug for dyn Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.spec().name)
    }
}

/// The layer of that name.
pub fn find(name: &str) -> Option<&'static dyn Layer> {
    static BY_NAME: LazyLock<HashMap<&str, &dyn Layer>> =
        LazyLock::new(|| LAYERS.iter().map(|&layer| (layer.spec().name, layer)).collect());
    BY_NAME.get(name).copied()
}

/// The divisor of a number that is nearest to another one; of two, the smaller.
pub(crate) fn nearest_divisor(number: usize, to: usize) -> usize {
    let pairs = (1..=number.isqrt()).filter(|n| number.is_multiple_of(*n)).flat_map(|n| [n, number / n]);
    pairs.min_by_key(|n| (n.abs_diff(to), *n)).unwrap_or(1)
}

/// Channels, height and width of a layer's input; refuses anything else.
pub(crate) fn image(layer: &str, input: &Shape) -> Result<[usize; 3], Fault> {
    let (channels, [height, width]) = spatial(layer, input)?;
    Ok([channels, height, width])
}

/// Refuses what has no places: everything but sequences, images and volumes.
pub(crate) fn with_places(layer: &str, input: &Shape) -> Result<(), Fault> {
    match input.rank() {
        2..=4 => Ok(()),
        _ => Err(wrong_rank(layer, "a sequence, an image or a volume", input)),
    }
}

/// Depth, height and width; those that an image or a sequence lacks are 1.
pub(crate) fn volume_extents(input: &Shape) -> [usize; 3] {
    let extents = input.dims().get(1..).unwrap_or_default();
    std::array::from_fn(|i| (i + extents.len()).checked_sub(3).map_or(1, |axis| extents[axis]))
}

/// The shape with other depth, height and width, as far as what arrives has them.
pub(crate) fn with_extents(arriving: &Shape, extents: [usize; 3]) -> Shape {
    let (channels, rank) = (arriving.dims()[0], arriving.rank());
    std::iter::once(channels).chain(extents.into_iter().skip(4 - rank)).collect()
}

/// An argument of extents along depth, height and width; 1 along what an image or a sequence lacks.
pub(crate) fn extents_of(
    layer: &str,
    args: &Args,
    argument: &'static str,
    input: &Shape,
) -> Result<[usize; 3], Fault> {
    let given = args.get(argument).map(|given| &given.arg);
    let (takes, why) = match (input.rank(), given) {
        (2, Some(Arg::Pair([rows, columns]))) if rows == columns => return Ok([1, 1, *columns]),
        (3, Some(Arg::Pair([rows, columns]))) => return Ok([1, *rows, *columns]),
        (4, Some(Arg::Pair([rows, columns]))) if rows == columns => return Ok([*rows; 3]),
        (4, Some(Arg::Triple(extents))) => return Ok(*extents),
        (2, _) => ("a sequence takes one number", "a sequence has no height"),
        (3, _) => ("an image takes one number or two", "an image has no depth"),
        _ => ("a volume takes one number or three", "depth, height and width"),
    };
    let (written, own) = match given {
        Some(Arg::Pair([rows, columns])) => (format!("{rows}x{columns}"), [*rows, *rows, *columns]),
        Some(Arg::Triple(extents)) => (Shape::from(*extents).to_string(), *extents),
        _ => return Err(Fault::internal(format!("`{argument}` of `{layer}` is no size"))),
    };
    Err(Fault::new(codes::BAD_VALUE, format!("`{layer}` of {takes}, not {written}"))
        .at(argument)
        .label(format!("{input} arrives: {why}"))
        .set(argument, Shape::new(&own[4 - input.rank().clamp(2, 4)..])))
}

/// Channels and the `N` extents behind them: 3 of a volume, 2 of an image, 1 of a sequence. Refuses anything else.
pub(crate) fn spatial<const N: usize>(layer: &str, input: &Shape) -> Result<(usize, [usize; N]), Fault> {
    if let Some((&channels, extents)) = input.dims().split_first()
        && let Ok(extents) = <[usize; N]>::try_from(extents)
    {
        return Ok((channels, extents));
    }
    let wanted = match N {
        1 => "a sequence of channels x length",
        2 => "an image of channels x height x width",
        _ => "a volume of channels x depth x height x width",
    };
    Err(wrong_rank(layer, wanted, input))
}

/// That a layer needs something else than what arrives, with its twin that takes it where there is one.
pub(crate) fn wrong_rank(layer: &str, wanted: &str, input: &Shape) -> Fault {
    let arrives = match input.rank() {
        1 => format!("a flat vector of {input} features"),
        2 => format!("the sequence {input}"),
        3 => format!("the image {input}"),
        4 => format!("the volume {input}"),
        _ => format!("the shape {input}"),
    };
    let fault = Fault::new(codes::WRONG_RANK, format!("`{layer}` needs {wanted}, but {arrives} arrives"))
        .label(format!("{input} arrives"));
    let stem = ["1d", "2d", "3d"].iter().find_map(|suffix| layer.strip_suffix(suffix));
    let twin = stem.map(|stem| format!("{stem}{}d", input.rank().saturating_sub(1)));
    match twin.filter(|twin| find(twin).is_some()) {
        Some(twin) => fault.advise(format!("`{twin}`, which takes {input}")),
        // What made it so is known to whoever sees the layers above.
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::nearest_divisor;

    #[test]
    fn the_nearest_divisor_is_found_of_any_number() {
        let simply = |number: usize, to: usize| {
            (1..=number).filter(|n| number.is_multiple_of(*n)).min_by_key(|n| n.abs_diff(to)).unwrap()
        };
        for number in 1..=72 {
            for to in 1..=80 {
                assert_eq!(nearest_divisor(number, to), simply(number, to), "{number} near {to}");
            }
        }
        assert_eq!(nearest_divisor(1 << 34, 1000), 1024);
    }
}
