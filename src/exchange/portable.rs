//! A layer in its place → what it computes in words that every framework has, with its numbers worked out: windows with their
//! paddings, targets of pools, starts of crops. A format matches on [`Operation`]; a kind of layer that it cannot write does not
//! compile, and a layer without an operation fails a test.

use crate::diag::{Fault, codes};
use crate::layers::attention::{self, Groups};
use crate::layers::windowed::Sliding;
use crate::layers::{crop, extents_of, pad, slice};
use crate::model::{Instance, Unit};
use crate::shape::{Shape, Window};
use crate::spec::Args;

/// What a layer computes in inference.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Parameters `weight` (filters x channels of a group x kernel) and perhaps `bias`.
    Convolution {
        windows: Vec<Window>,
        groups: usize,
    },
    /// Parameters `weight` (channels x filters of a group x kernel) and perhaps `bias`.
    TransposedConvolution(Transposed),
    /// Parameters `weight` (outputs x inputs), each of whose rows is divided by its length if `normalize`, and perhaps `bias`.
    Linear {
        normalize: bool,
    },
    MaxPool {
        windows: Vec<Window>,
    },
    AveragePool {
        windows: Vec<Window>,
        count_padding: bool,
    },
    /// To the extents of the output.
    AdaptiveAverage,
    AdaptiveMax,
    /// The result is flat.
    GlobalAverage,
    GlobalMax,
    /// Parameters `weight`, `bias`, `running_mean` and `running_var`.
    BatchNorm {
        epsilon: f32,
    },
    /// Parameters `weight` and `bias`.
    GroupNorm {
        groups: usize,
        epsilon: f32,
    },
    /// Over a whole image; parameters `weight` and `bias` of its shape, or none.
    LayerNorm {
        epsilon: f32,
    },
    /// Over the channels of each place; parameters `weight` and `bias` of one number a channel, or none.
    ChannelNorm {
        epsilon: f32,
    },
    /// Parameters `weight` and `bias`, or none.
    InstanceNorm {
        epsilon: f32,
    },
    LocalResponseNorm {
        size: usize,
        alpha: f32,
        beta: f32,
        k: f32,
    },
    Function(Function),
    /// One number of several along these axes, which stay with extent 1; the batch is not counted.
    Reduce {
        of: Statistic,
        axes: Vec<usize>,
    },
    /// The channels of each place divided by their length, or by `epsilon` where that is more.
    UnitLength {
        epsilon: f32,
    },
    /// Parameter `weight` of the output's shape, for every image.
    Parameter,
    /// What arrives plus a parameter or buffer `weight` of its shape.
    Positions,
    /// A sequence behind a place of its own: parameter `weight`, a number for each channel.
    ClassToken,
    /// Over the places of each group: parameters `weight` (3 · channels x channels: queries, keys, values) and `out_weight`
    /// (channels x channels), perhaps `bias` and `out_bias`.
    Attention {
        heads: usize,
        groups: Groups,
    },
    /// The last two axes exchanged.
    Transpose,
    /// Parameter `weight`: a slope for each channel.
    Prelu,
    /// Over the channels.
    Softmax,
    LogSoftmax,
    /// What arrives, as dropout in inference.
    Same,
    /// The same numbers in the output's shape.
    Arrange,
    Pad {
        sides: [usize; 4],
        border: Border,
    },
    /// The rectangle of the output's extents that begins at this row and column.
    Crop {
        start: [usize; 2],
    },
    /// Places `from` to `to - 1` along this axis, without the batch.
    Slice {
        axis: usize,
        range: [usize; 2],
    },
    Upsample {
        scale: [usize; 2],
        method: Method,
    },
    PixelShuffle {
        factor: usize,
    },
    ChannelShuffle {
        groups: usize,
    },
    Scale {
        factor: f32,
    },
    /// Parameter `weight`: a factor for each channel.
    LearnedScale,
    /// Of values of one shape, or repeated along axes of extent 1; flat ones have one number a channel.
    Add,
    Concat,
    /// Of the same.
    Multiply,
    /// Of the matrices along the last two axes.
    MatrixProduct,
}

/// A transposed convolution along two axes, or along the one of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transposed {
    pub axes: Vec<Spread>,
    /// Places more at the end of each axis.
    pub more: usize,
    pub groups: usize,
}

/// How a kernel is laid out along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
    /// Cut off the ends.
    pub cut: [usize; 2],
}

/// What becomes of several numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    Mean,
    Max,
    Sum,
    /// The root of the sum of squared distances from the mean, over their number less `correction`, plus `epsilon`.
    Deviation {
        correction: usize,
        epsilon: f32,
    },
}

/// A function of each number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    Relu,
    Relu6,
    LeakyRelu(f32),
    Elu(f32),
    Selu,
    Gelu,
    Silu,
    Mish,
    Hardswish,
    Hardsigmoid,
    Tanh,
    Sigmoid,
    Softplus,
    Exp,
    Sqrt,
    /// To this power.
    Power(f32),
    /// Not below the first, not above the second.
    Clamp([f32; 2]),
}

/// What lies around an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Border {
    Constant(f32),
    Reflect,
    Replicate,
}

/// How new pixels come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Nearest,
    /// Pixel centres at half units.
    Bilinear,
    /// The corner pixels' centres stay.
    BilinearCorners,
}

/// What the layer computes.
///
/// # Errors
/// A layer that nothing is known of, or that has a fault in it.
pub fn operation(instance: &Instance) -> Result<Operation, Fault> {
    let name = instance.unit.spec().name;
    let input = instance.input.as_ref().ok_or_else(|| faulty(instance))?;
    let args = &instance.args;
    match instance.unit {
        Unit::Join(_) => match name {
            "add" => Ok(Operation::Add),
            "concat" => Ok(Operation::Concat),
            "multiply" => Ok(Operation::Multiply),
            "matmul" => Ok(Operation::MatrixProduct),
            _ => Err(unknown(name)),
        },
        Unit::Layer(_) => layer(name, args, input),
    }
}

fn layer(name: &str, args: &Args, input: &Shape) -> Result<Operation, Fault> {
    let float = |name: &str| args.number(name).map(|number| number as f32);
    Ok(match name {
        "conv2d" => {
            Operation::Convolution { windows: windows::<2>(args, input)?, groups: args.whole("groups")? }
        }
        "conv1d" => {
            Operation::Convolution { windows: windows::<1>(args, input)?, groups: args.whole("groups")? }
        }
        "conv3d" => {
            Operation::Convolution { windows: windows::<3>(args, input)?, groups: args.whole("groups")? }
        }
        "depthwise_conv3d" => {
            Operation::Convolution { windows: windows::<3>(args, input)?, groups: input.dims()[0] }
        }
        "depthwise_conv1d" => {
            Operation::Convolution { windows: windows::<1>(args, input)?, groups: input.dims()[0] }
        }
        "depthwise_conv2d" | "filter2d" => {
            Operation::Convolution { windows: windows::<2>(args, input)?, groups: input.dims()[0] }
        }
        "conv_transpose2d" => Operation::TransposedConvolution(transposed::<2>(args)?),
        "conv_transpose3d" => Operation::TransposedConvolution(transposed::<3>(args)?),
        "conv_transpose1d" => Operation::TransposedConvolution(transposed::<1>(args)?),
        "linear" => Operation::Linear { normalize: args.bool("normalize")? },
        "max_pool2d" => Operation::MaxPool { windows: windows::<2>(args, input)? },
        "max_pool3d" => Operation::MaxPool { windows: windows::<3>(args, input)? },
        "max_pool1d" => Operation::MaxPool { windows: windows::<1>(args, input)? },
        "avg_pool2d" => {
            let count_padding = args.bool("count_padding")?;
            Operation::AveragePool { windows: windows::<2>(args, input)?, count_padding }
        }
        "avg_pool3d" => {
            let count_padding = args.bool("count_padding")?;
            Operation::AveragePool { windows: windows::<3>(args, input)?, count_padding }
        }
        "avg_pool1d" => {
            let count_padding = args.bool("count_padding")?;
            Operation::AveragePool { windows: windows::<1>(args, input)?, count_padding }
        }
        "adaptive_avg_pool2d" | "adaptive_avg_pool1d" => Operation::AdaptiveAverage,
        "adaptive_max_pool2d" | "adaptive_max_pool1d" => Operation::AdaptiveMax,
        "global_avg_pool" => Operation::GlobalAverage,
        "global_max_pool" => Operation::GlobalMax,
        "batch_norm" => Operation::BatchNorm { epsilon: float("epsilon")? },
        "group_norm" => Operation::GroupNorm { groups: args.whole("groups")?, epsilon: float("epsilon")? },
        "layer_norm" if args.word("over")? == "channels" && input.rank() > 1 => {
            Operation::ChannelNorm { epsilon: float("epsilon")? }
        }
        "layer_norm" => Operation::LayerNorm { epsilon: float("epsilon")? },
        "instance_norm" => Operation::InstanceNorm { epsilon: float("epsilon")? },
        "local_response_norm" => Operation::LocalResponseNorm {
            size: args.whole("size")?,
            alpha: float("alpha")?,
            beta: float("beta")?,
            k: float("k")?,
        },
        "relu" => Operation::Function(Function::Relu),
        "relu6" => Operation::Function(Function::Relu6),
        "leaky_relu" => Operation::Function(Function::LeakyRelu(float("alpha")?)),
        "elu" => Operation::Function(Function::Elu(float("alpha")?)),
        "selu" => Operation::Function(Function::Selu),
        "gelu" => Operation::Function(Function::Gelu),
        "silu" => Operation::Function(Function::Silu),
        "mish" => Operation::Function(Function::Mish),
        "hardswish" => Operation::Function(Function::Hardswish),
        "hardsigmoid" => Operation::Function(Function::Hardsigmoid),
        "tanh" => Operation::Function(Function::Tanh),
        "sigmoid" => Operation::Function(Function::Sigmoid),
        "softplus" => Operation::Function(Function::Softplus),
        "exp" => Operation::Function(Function::Exp),
        "sqrt" => Operation::Function(Function::Sqrt),
        "power" => Operation::Function(Function::Power(float("exponent")?)),
        "clamp" => Operation::Function(Function::Clamp([float("least")?, float("most")?])),
        "mean" => reduce(Statistic::Mean, args, input)?,
        "max" => reduce(Statistic::Max, args, input)?,
        "sum" => reduce(Statistic::Sum, args, input)?,
        "std" => {
            let of =
                Statistic::Deviation { correction: args.whole("correction")?, epsilon: float("epsilon")? };
            reduce(of, args, input)?
        }
        "l2_normalize" => Operation::UnitLength { epsilon: float("epsilon")? },
        "parameter" => Operation::Parameter,
        "positions" => Operation::Positions,
        "class_token" => Operation::ClassToken,
        "attention" => {
            Operation::Attention { heads: args.whole("heads")?, groups: attention::groups(args, input)? }
        }
        "transpose" => Operation::Transpose,
        "prelu" => Operation::Prelu,
        "softmax" => Operation::Softmax,
        "log_softmax" => Operation::LogSoftmax,
        "dropout" | "dropout2d" | "drop_path" | "identity" => Operation::Same,
        "flatten" | "reshape" => Operation::Arrange,
        "pad" | "crop" | "upsample" if input.rank() == 4 => {
            return Err(Fault::new(codes::EXCHANGE_OUT, format!("`{name}` of a volume cannot be exported")));
        }
        "pad" => {
            let [_, [top, bottom], [left, right]] = pad::ends(args, input)?;
            let border = match args.word("mode")? {
                "reflect" => Border::Reflect,
                "replicate" => Border::Replicate,
                _ => Border::Constant(float("value")?),
            };
            Operation::Pad { sides: [top, bottom, left, right], border }
        }
        "crop" => match (crop::start(args, input)?, extents_of(name, args, "size", input)?) {
            ([.., left], [.., columns]) if input.rank() == 2 => {
                Operation::Slice { axis: 1, range: [left, left + columns] }
            }
            ([_, top, left], _) => Operation::Crop { start: [top, left] },
        },
        "slice" => {
            let (axis, range) = slice::range(args, input)?;
            Operation::Slice { axis, range }
        }
        "upsample" => {
            let method = match (args.word("mode")?, args.bool("align_corners")?) {
                ("bilinear", true) => Method::BilinearCorners,
                ("bilinear", false) => Method::Bilinear,
                _ => Method::Nearest,
            };
            let [_, rows, columns] = extents_of(name, args, "scale", input)?;
            Operation::Upsample { scale: [rows, columns], method }
        }
        "pixel_shuffle" => Operation::PixelShuffle { factor: args.whole("factor")? },
        "channel_shuffle" => Operation::ChannelShuffle { groups: args.whole("groups")? },
        "scale" if args.bool("learned")? => Operation::LearnedScale,
        "scale" => Operation::Scale { factor: float("factor")? },
        _ => return Err(unknown(name)),
    })
}

fn reduce(of: Statistic, args: &Args, input: &Shape) -> Result<Operation, Fault> {
    let axes = if args.word("over")? == "channels" { vec![0] } else { (1..input.rank()).collect() };
    Ok(Operation::Reduce { of, axes })
}

fn transposed<const N: usize>(args: &Args) -> Result<Transposed, Fault> {
    let same = || Fault::internal("a transposed convolution with `same`");
    let ends = args.ends::<N>("padding")?.ok_or_else(same)?;
    let of = |name: &str| args.extents::<N>(name);
    let (kernel, stride, dilation) = (of("kernel")?, of("stride")?, of("dilation")?);
    let spread =
        |i: usize| Spread { kernel: kernel[i], stride: stride[i], dilation: dilation[i], cut: ends[i] };
    let axes = (0..N).map(spread).collect();
    Ok(Transposed { axes, more: args.whole("output_padding")?, groups: args.whole("groups")? })
}

/// The windows along the axes behind the channels.
fn windows<const N: usize>(args: &Args, input: &Shape) -> Result<Vec<Window>, Fault> {
    let extents = input.dims().get(1..).and_then(|extents| <[usize; N]>::try_from(extents).ok());
    let extents = extents.ok_or_else(|| Fault::internal(format!("windows over {input}")))?;
    Ok(Sliding::<N>::new(args, extents)?.axes.to_vec())
}

fn unknown(name: &str) -> Fault {
    Fault::new(
        codes::EXCHANGE_OUT,
        format!("`{name}` cannot be exported: no other program's word for it is known"),
    )
}

fn faulty(instance: &Instance) -> Fault {
    Fault::internal(format!("`{}` is exported with a fault in it", instance.name))
}
