//! `attention`: every place gathers values from all places, weighed by how well they match its query.

use crate::diag::{Fault, codes};
use crate::graph::attrs::Attrs;
use crate::graph::{Init, Value};
use crate::layers::initial::Fans;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Parameter, Reach, nearest_divisor};
use crate::ops::batch_matmul::BATCH_MATMUL;
use crate::ops::binary::MULTIPLY;
use crate::ops::conv2d::CONV2D;
use crate::ops::matmul;
use crate::ops::slice::SLICE;
use crate::ops::softmax::SOFTMAX;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Attention;

static SPEC: Spec = Spec {
    name: "attention",
    summary: "self-attention: every place gathers values from all places, weighed by how well they match",
    docs: "The shape stays: `C x L`, or `C x H x W`, whose places are taken row by row. Queries, keys and values are learned \
           projections of the input, split into HEADS parts of d = C / HEADS channels. In each part, \
           `softmax(queries · keys / sqrt(d))` over all places weighs the values; a last projection mixes the parts. \
           `torch.nn.MultiheadAttention(C, HEADS)`. Vaswani et al., 2017.",
    params: &[
        positional(
            "heads",
            Kind::Count,
            Preset::Required,
            "the number of parts that attend independently; divides the channels",
        ),
        keyword("bias", Kind::Bool, Preset::Bool(true), "adds learned numbers to all projections"),
    ],
    example: "conv2d 8 4x4 stride=4 -> attention heads=2",
    elsewhere: &[
        "MultiheadAttention",
        "MultiHeadAttention",
        "SelfAttention",
        "self_attention",
        "nn.MultiheadAttention",
    ],
};

/// Channels and places, after every check.
fn checked(args: &Args, input: &Shape) -> Result<[usize; 2], Fault> {
    let Some((&channels, places)) = input.dims().split_first().filter(|(_, places)| !places.is_empty())
    else {
        let message = format!("`attention` needs an image or a sequence, but {input} features arrive");
        return Err(Fault::new(codes::WRONG_RANK, message).label(format!("{input} arrives")));
    };
    let heads = args.whole("heads")?;
    if !channels.is_multiple_of(heads) {
        return Err(Fault::new(
            codes::GROUPS,
            format!("{heads} heads do not divide the {channels} channels of `attention`"),
        )
        .at("heads")
        .label(format!("{channels} / {heads} leaves {}", channels % heads))
        .set("heads", nearest_divisor(channels, heads))
        .assume(input.clone()));
    }
    Ok([channels, places.iter().product()])
}

impl Layer for Attention {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let [channels, places] = checked(args, input)?;
        let heads = args.whole("heads")?;
        let wide = channels
            .checked_mul(3)
            .ok_or_else(|| Fault::new(codes::TOO_BIG, "`attention` over so many channels is too large"))?;
        if Shape::from([heads, places, places]).checked_elements().is_none() {
            let message = format!("`attention` compares {places} places with each other: too many");
            return Err(Fault::new(codes::TOO_BIG, message)
                .label(format!("{input} arrives"))
                .advise("fewer places: a pool or a convolution with stride before it")
                .assume(input.clone()));
        }
        // As in PyTorch: Xavier's over all three projections, then a linear layer's without a bias.
        let bound = |fan: usize| (fan as f32).sqrt().recip();
        let trained = |name, shape: [usize; 2], bound| {
            let fans = Some(Fans { into: shape[1], out: shape[0], groups: 1 });
            Parameter { fans, ..Parameter::trained(name, shape, Init::Uniform { bound }) }
        };
        let xavier = (6.0 / (wide as f32 + channels as f32)).sqrt();
        let mut parameters = vec![trained("weight", [wide, channels], xavier)];
        let has_bias = args.bool("bias")?;
        if has_bias {
            parameters.push(Parameter::trained("bias", [wide], Init::Constant(0.0)));
        }
        parameters.push(trained("out_weight", [channels, channels], bound(channels)));
        if has_bias {
            parameters.push(Parameter::trained("out_bias", [channels], Init::Constant(0.0)));
        }
        let arithmetic = format!("{heads} · {} channels at {places} places", channels / heads);
        Ok(Inferred { arithmetic, parameters, ..Inferred::shape(input.clone()) })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Everything
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shape = lowering.shape(input);
        let [channels, places] = checked(args, &shape.unbatched())?;
        let (batch, heads) = (shape.dims()[0], args.whole("heads")?);
        let size = channels / heads;
        let row = lowering.reshape(input, &Shape::from([batch, channels, 1, places]))?;
        let projected = projection(row, ["weight", "bias"], 3 * channels, lowering)?;
        let by_head = lowering.reshape(projected, &Shape::from([batch, 3 * heads, size, places]))?;
        let part = |lowering: &mut Lowering<'_>, at: usize| {
            let attrs = Attrs::new().ints("start", [0, at * heads, 0, 0]);
            lowering.apply(&SLICE, attrs.ints("shape", [batch, heads, size, places]), &[by_head])
        };
        let (queries, keys, values) = (part(lowering, 0)?, part(lowering, 1)?, part(lowering, 2)?);
        let root = lowering.builder.scalar((size as f32).sqrt().recip());
        let queries = lowering.apply(&MULTIPLY, Attrs::new(), &[queries, root])?;
        let scores = lowering.apply(&BATCH_MATMUL, matmul::attrs(1, 0), &[queries, keys])?;
        let weights = lowering.apply(&SOFTMAX, Attrs::new().int("axis", 3), &[scores])?;
        let found = lowering.apply(&BATCH_MATMUL, matmul::attrs(0, 1), &[values, weights])?;
        let found = lowering.reshape(found, &Shape::from([batch, channels, 1, places]))?;
        let mixed = projection(found, ["out_weight", "out_bias"], channels, lowering)?;
        lowering.reshape(mixed, &shape)
    }
}

/// The same matrix of each place's channels, and a bias.
fn projection(
    input: Value,
    [weight, bias]: [&str; 2],
    channels: usize,
    lowering: &mut Lowering<'_>,
) -> Result<Value, Fault> {
    let inputs = lowering.shape(input).dims()[1];
    let weight = lowering.parameter(weight)?;
    let weight = lowering.reshape(weight, &Shape::from([channels, inputs, 1, 1]))?;
    let attrs = Attrs::new().ints("stride", [1, 1]).ints("padding", [0; 4]);
    let attrs = attrs.ints("dilation", [1, 1]).int("groups", 1);
    let value = lowering.apply(&CONV2D, attrs, &[input, weight])?;
    lowering.add_per_channel(bias, value)
}
