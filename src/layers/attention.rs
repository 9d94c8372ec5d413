//! `attention`: every place gathers values from all places, or from those at its position in other patches, weighed by how well
//! they match its query.

use crate::diag::{Fault, Remedy, codes};
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
use crate::ops::transpose::TRANSPOSE;
use crate::shape::Shape;
use crate::spec::{Arg, Args, Kind, Preset, Spec, keyword, positional};

pub struct Attention;

static SPEC: Spec = Spec {
    name: "attention",
    summary: "self-attention: every place gathers values from all places, weighed by how well they match",
    docs: "The shape stays: `C x L`, or `C x H x W`, whose places are taken row by row. Queries, keys and values are learned \
           projections of the input, split into HEADS parts of d = C / HEADS channels. In each part, \
           `softmax(queries · keys / sqrt(d))` over all places weighs the values; a last projection mixes the parts. \
           `torch.nn.MultiheadAttention(C, HEADS)`. Vaswani et al., 2017.\n\n\
           With `patch=RxC`, the image is divided into patches of R x C places, and each place attends only to the places at the \
           same position within the patches: R·C independent groups of (H/R)·(W/C) places. This is how MobileViT attends (Mehta and Rastegari, 2022).",
    params: &[
        positional(
            "heads",
            Kind::Count,
            Preset::Required,
            "the number of parts that attend independently; divides the channels",
        ),
        keyword("bias", Kind::Bool, Preset::Bool(true), "adds learned numbers to all projections"),
        keyword(
            "patch",
            Kind::Pair,
            Preset::Absent,
            "the height x width of a patch, which divides those of the image; only places at the same position within the patches attend to each other",
        ),
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

/// Which places of an image or a sequence attend to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    /// The extents of a patch; 1 x 1 where all places are one group.
    pub patch: [usize; 2],
    /// How many patches there are, down and across; without patches, one row of all places.
    pub patches: [usize; 2],
}

impl Groups {
    /// How many groups there are: as many as a patch has places.
    pub fn count(&self) -> usize {
        self.patch[0] * self.patch[1]
    }

    /// The places of one group.
    pub fn places(&self) -> usize {
        self.patches[0] * self.patches[1]
    }

    /// The extents of `heads` x `size` x places, and the order of these axes in which the places of each group lie together: `heads` x
    /// (rows and columns of a patch) x `size` x patches.
    pub fn apart(&self, heads: usize, size: usize) -> ([usize; 5], [usize; 5]) {
        let ([rows, columns], [down, across]) = (self.patch, self.patches);
        ([heads, size * down, rows, across, columns], [0, 2, 4, 1, 3])
    }

    /// The extents of what [`Groups::apart`] makes, and the order of these axes that puts every place back.
    pub fn together(&self, heads: usize, size: usize) -> ([usize; 5], [usize; 5]) {
        let ([rows, columns], [down, across]) = (self.patch, self.patches);
        ([heads, rows, columns, size * down, across], [0, 3, 1, 4, 2])
    }
}

/// How the places of `input` are grouped.
///
/// # Errors
/// Features, patches of a sequence, or patches that do not divide the image.
pub fn groups(args: &Args, input: &Shape) -> Result<Groups, Fault> {
    let extents = input.dims().get(1..).unwrap_or_default();
    let Some(Arg::Pair(patch)) = args.get("patch").map(|given| &given.arg) else {
        return Ok(Groups { patch: [1, 1], patches: [1, extents.iter().product()] });
    };
    let &[height, width] = extents else {
        let message =
            format!("`attention` has a `patch`, which is for images, but the sequence {input} arrives");
        return Err(Fault::new(codes::WRONG_RANK, message)
            .at("patch")
            .label(format!("{input} arrives: only an image can be divided into patches"))
            .remedy(Remedy::Unset { name: "patch" })
            .assume(input.clone()));
    };
    let [rows, columns] = *patch;
    if !height.is_multiple_of(rows) || !width.is_multiple_of(columns) {
        let near = Arg::Pair([nearest_divisor(height, rows), nearest_divisor(width, columns)]);
        let message =
            format!("patches of {rows}x{columns} do not divide the {height}x{width} places of `attention`");
        return Err(Fault::new(codes::GROUPS, message)
            .at("patch")
            .label(format!("{input} arrives"))
            .set("patch", near)
            .assume(input.clone()));
    }
    Ok(Groups { patch: *patch, patches: [height / rows, width / columns] })
}

/// The channels and the groups of places, after every check.
fn checked(args: &Args, input: &Shape) -> Result<(usize, Groups), Fault> {
    let channels = input.dims().first().copied().unwrap_or(1);
    if input.rank() < 2 {
        let message = format!("`attention` needs an image or a sequence, but {input} features arrive");
        return Err(Fault::new(codes::WRONG_RANK, message).label(format!("{input} arrives")));
    }
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
    Ok((channels, groups(args, input)?))
}

impl Layer for Attention {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let (channels, groups) = checked(args, input)?;
        let (heads, places) = (args.whole("heads")?, groups.places());
        let wide = channels
            .checked_mul(3)
            .ok_or_else(|| Fault::new(codes::TOO_BIG, "`attention` over so many channels is too large"))?;
        if Shape::from([heads, groups.count(), places, places]).checked_elements().is_none() {
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
        let arithmetic = match groups.count() {
            1 => format!("{heads} · {} channels at {places} places", channels / heads),
            n => format!("{heads} · {} channels at {places} places, {n} times", channels / heads),
        };
        Ok(Inferred { arithmetic: arithmetic.into(), parameters, ..Inferred::shape(input.clone()) })
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Everything
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let shape = lowering.shape(input);
        let (channels, groups) = checked(args, &shape.unbatched())?;
        let (batch, heads, n_places) =
            (shape.dims()[0], args.whole("heads")?, groups.count() * groups.places());
        let size = channels / heads;
        let row = lowering.reshape(input, &Shape::from([batch, channels, 1, n_places]))?;
        let projected = projection(row, ["weight", "bias"], 3 * channels, lowering)?;
        // Each group attends by itself, as each head does.
        let (heads, places) = (heads * groups.count(), groups.places());
        let by_head = grouped(projected, groups, [3 * heads, size], lowering)?;
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
        let found = ungrouped(found, groups, lowering)?;
        let found = lowering.reshape(found, &Shape::from([batch, channels, 1, n_places]))?;
        let mixed = projection(found, ["out_weight", "out_bias"], channels, lowering)?;
        lowering.reshape(mixed, &shape)
    }
}

/// The channels of an image as `heads` x `size` x places of a group, where `heads` counts the groups of each head.
fn grouped(
    value: Value,
    groups: Groups,
    [heads, size]: [usize; 2],
    lowering: &mut Lowering<'_>,
) -> Result<Value, Fault> {
    let batch = lowering.shape(value).dims()[0];
    let value = match groups.count() {
        1 => value,
        n => exchanged(value, groups.apart(heads / n, size), lowering)?,
    };
    lowering.reshape(value, &Shape::from([batch, heads, size, groups.places()]))
}

/// The same back: the places of an image in their order.
fn ungrouped(value: Value, groups: Groups, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
    let &[_, heads, size, _] = lowering.shape(value).dims() else {
        return Err(Fault::internal("attention without heads"));
    };
    match groups.count() {
        1 => Ok(value),
        n => exchanged(value, groups.together(heads / n, size), lowering),
    }
}

/// The value under these extents for each image, with its axes in this order.
fn exchanged(
    value: Value,
    (extents, axes): ([usize; 5], [usize; 5]),
    lowering: &mut Lowering<'_>,
) -> Result<Value, Fault> {
    let batch = lowering.shape(value).dims()[0];
    let apart = lowering.reshape(value, &Shape::from(extents).batched(batch))?;
    let axes: Vec<usize> = std::iter::once(0).chain(axes.map(|axis| axis + 1)).collect();
    lowering.apply(&TRANSPOSE, Attrs::new().ints("axes", axes), &[apart])
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
