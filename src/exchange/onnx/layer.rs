//! A layer's operation → nodes of ONNX's operators, every attribute written out: some runtimes read no defaults, and defaults
//! have changed with the versions. Operators that not every runtime has (GroupNormalization, Selu, Mish, Gelu) are said in
//! simpler ones.

use crate::diag::Fault;
use crate::exchange::network::Network;
use crate::exchange::onnx::graph::{Graph, Node, float, int, ints, text};
use crate::exchange::onnx::pools::{Ceil, adaptive_average, adaptive_max, average_pool, max_pool, window};
use crate::exchange::onnx::{function, learned, reduce};
use crate::exchange::portable::{Border, Method, Operation, Spread, Transposed};
use crate::protobuf::Message;
use crate::shape::Shape;

/// One layer on its way into a graph.
pub struct Layer<'a> {
    pub graph: &'a mut Graph,
    pub name: &'a str,
    /// The name of the layer that has the parameters.
    owner: &'a str,
    /// Of the values that arrive: their names and their shapes for one image.
    pub inputs: Vec<String>,
    pub shapes: Vec<&'a Shape>,
    pub output: &'a Shape,
    pub doc: &'a str,
    nodes: Vec<Node>,
}

impl<'a> Layer<'a> {
    pub fn new(
        graph: &'a mut Graph,
        name: &'a str,
        inputs: Vec<String>,
        shapes: Vec<&'a Shape>,
        output: &'a Shape,
        doc: &'a str,
    ) -> Layer<'a> {
        Layer { graph, name, owner: name, inputs, shapes, output, doc, nodes: Vec::new() }
    }

    /// The same with the parameters of another layer.
    pub fn of(self, owner: &'a str) -> Layer<'a> {
        Layer { owner, ..self }
    }

    /// Writes the nodes; the last one gets the layer's name, and its value the name `result`.
    pub fn finish(mut self, result: String) {
        if let Some(last) = self.nodes.last_mut() {
            (last.name, last.output) = (self.name.to_owned(), result);
        }
        for node in &self.nodes {
            self.graph.node(node);
        }
    }

    /// A node, and the name of its value.
    pub fn node(&mut self, op: &'static str, inputs: &[&str], attributes: Vec<Message>) -> String {
        let name = format!("{}.{}_{}", self.name, op.to_lowercase(), self.nodes.len() + 1);
        let inputs = inputs.iter().map(|input| (*input).to_owned()).collect();
        let output = format!("{name}.output");
        let doc = self.doc.to_owned();
        self.nodes.push(Node { op, name, inputs, output: output.clone(), attributes, doc });
        output
    }

    /// A tensor of given numbers.
    pub fn numbers(&mut self, what: &str, dims: &[usize], numbers: Vec<f32>) -> String {
        self.graph.floats(format!("{}.{what}", self.name), dims.to_vec(), move |_| Ok(numbers.clone()))
    }

    pub fn whole(&mut self, what: &str, values: Vec<i64>) -> String {
        self.graph.whole(format!("{}.{what}", self.name), values)
    }

    /// The layer's parameter, as it is, under other extents.
    pub(super) fn parameter(&mut self, parameter: &'static str, dims: &[usize]) -> String {
        let state = format!("{}.{parameter}", self.owner);
        let layer = self.owner.to_owned();
        self.graph.floats(state, dims.to_vec(), move |network| read(network, &layer, parameter))
    }

    fn parameters(&mut self, names: &[&'static str], dims: &[usize]) -> Vec<String> {
        names.iter().map(|name| self.parameter(name, dims)).collect()
    }

    /// The value arranged anew; the batch stays.
    pub fn reshaped(&mut self, value: &str, what: &str, dims: &[usize]) -> String {
        let target = std::iter::once(0).chain(dims.iter().map(|&dim| dim as i64)).collect();
        let target = self.whole(what, target);
        self.node("Reshape", &[value, &target], vec![int("allowzero", 0)])
    }

    /// One number a channel, with axes to stand beside values of the input's rank.
    fn per_channel(&self) -> Vec<usize> {
        let mut dims = vec![1; self.shapes[0].rank()];
        dims[0] = self.shapes[0].dims()[0];
        dims
    }
}

fn read(network: &Network<'_>, layer: &str, parameter: &str) -> Result<Vec<f32>, Fault> {
    let instance = network.model.layers.iter().find(|instance| instance.name == layer);
    network.numbers(instance.ok_or_else(|| Fault::internal(format!("no layer `{layer}`")))?, parameter)
}

/// Numbers of a layer that were changed on the way, its weight and its bias.
pub type Folded = [Vec<f32>; 2];

/// Adds the nodes of an operation. `folded` stands for the layer's own weight and bias.
pub fn add(
    layer: &mut Layer<'_>,
    operation: &Operation,
    parameters: &[(&'static str, &Shape)],
    folded: Option<Folded>,
) -> Result<(), Fault> {
    let input = layer.inputs[0].clone();
    let x = input.as_str();
    match operation {
        Operation::Convolution { windows, groups } => {
            let weights = weights(layer, parameters, folded);
            let mut attributes = window(windows, Ceil::No, layer.shapes[0], layer.output);
            attributes.push(ints("dilations", windows.iter().map(|window| window.dilation)));
            attributes.push(int("group", *groups as i64));
            layer.node("Conv", &with(x, &weights), attributes);
        }
        Operation::TransposedConvolution(transposed) => {
            let weights = weights(layer, parameters, folded);
            layer.node("ConvTranspose", &with(x, &weights), spread(transposed));
        }
        Operation::Linear { .. } => {
            let weights = weights(layer, parameters, folded);
            let attributes =
                vec![float("alpha", 1.0), float("beta", 1.0), int("transA", 0), int("transB", 1)];
            layer.node("Gemm", &with(x, &weights), attributes);
        }
        Operation::MaxPool { windows } => max_pool(layer, x, windows),
        Operation::AveragePool { windows, count_padding } => average_pool(layer, x, windows, *count_padding),
        Operation::AdaptiveAverage => adaptive_average(layer, x),
        Operation::AdaptiveMax => adaptive_max(layer, x),
        Operation::GlobalAverage | Operation::GlobalMax => {
            let is_mean = *operation == Operation::GlobalAverage;
            let op = if is_mean { "GlobalAveragePool" } else { "GlobalMaxPool" };
            let pooled = layer.node(op, &[x], Vec::new());
            layer.node("Flatten", &[&pooled], vec![int("axis", 1)]);
        }
        Operation::BatchNorm { epsilon } => {
            let channels = [layer.shapes[0].dims()[0]];
            let names = layer.parameters(&["weight", "bias", "running_mean", "running_var"], &channels);
            let attributes =
                vec![float("epsilon", *epsilon), float("momentum", 0.9), int("training_mode", 0)];
            layer.node("BatchNormalization", &with(x, &names), attributes);
        }
        Operation::GroupNorm { groups, epsilon } => {
            let shape = layer.shapes[0].clone();
            let apart = layer.whole("groups", vec![0, *groups as i64, -1]);
            let apart = layer.node("Reshape", &[x, &apart], vec![int("allowzero", 0)]);
            let ones = layer.numbers("ones", &[*groups], vec![1.0; *groups]);
            let zeros = layer.numbers("zeros", &[*groups], vec![0.0; *groups]);
            let normal = layer.node(
                "InstanceNormalization",
                &[&apart, &ones, &zeros],
                vec![float("epsilon", *epsilon)],
            );
            let normal = layer.reshaped(&normal, "shape", shape.dims());
            let dims = layer.per_channel();
            let names = layer.parameters(&["weight", "bias"], &dims);
            let scaled = layer.node("Mul", &[&normal, &names[0]], Vec::new());
            layer.node("Add", &[&scaled, &names[1]], Vec::new());
        }
        Operation::LayerNorm { epsilon } => {
            let dims = layer.shapes[0].dims().to_vec();
            let names = affine(layer, parameters, &dims);
            let attributes = vec![int("axis", 1), float("epsilon", *epsilon), int("stash_type", 1)];
            layer.node("LayerNormalization", &with(x, &names), attributes);
        }
        Operation::ChannelNorm { epsilon } => {
            let (channels, rank) = (layer.shapes[0].dims()[0], layer.shapes[0].rank());
            let names = affine(layer, parameters, &[channels]);
            let to_last = (0..=rank).filter(|&axis| axis != 1).chain([1]);
            let to_first = [0, rank].into_iter().chain(1..rank);
            let last = layer.node("Transpose", &[x], vec![ints("perm", to_last)]);
            let attributes = vec![int("axis", -1), float("epsilon", *epsilon), int("stash_type", 1)];
            let normal = layer.node("LayerNormalization", &with(&last, &names), attributes);
            layer.node("Transpose", &[&normal], vec![ints("perm", to_first)]);
        }
        Operation::InstanceNorm { epsilon } => {
            let channels = [layer.shapes[0].dims()[0]];
            let names = affine(layer, parameters, &channels);
            layer.node("InstanceNormalization", &with(x, &names), vec![float("epsilon", *epsilon)]);
        }
        Operation::LocalResponseNorm { size, alpha, beta, k } => {
            response_norm(layer, x, *size, [*alpha, *beta, *k]);
        }
        Operation::Function(function) => function::apply(layer, x, *function),
        Operation::Reduce { of, axes } => reduce::reduce(layer, x, *of, axes),
        Operation::UnitLength { epsilon } => reduce::unit_length(layer, x, *epsilon),
        Operation::Parameter => drop(learned::for_each_image(layer, x, layer.output.dims())),
        Operation::Positions => learned::positions(layer, x),
        Operation::ClassToken => learned::class_token(layer, x),
        Operation::Attention { heads, groups } => learned::attention(layer, x, *heads, *groups, parameters),
        Operation::Transpose => {
            let rank = layer.output.rank() + 1;
            let perm = (0..rank - 2).chain([rank - 1, rank - 2]);
            layer.node("Transpose", &[x], vec![ints("perm", perm)]);
        }
        Operation::Prelu => {
            let dims = layer.per_channel();
            let slope = layer.parameter("weight", &dims);
            layer.node("PRelu", &[x, &slope], Vec::new());
        }
        Operation::Softmax => {
            layer.node("Softmax", &[x], vec![int("axis", 1)]);
        }
        Operation::LogSoftmax => {
            layer.node("LogSoftmax", &[x], vec![int("axis", 1)]);
        }
        Operation::Same => {
            layer.node("Identity", &[x], Vec::new());
        }
        Operation::Arrange if layer.output.rank() == 1 => {
            layer.node("Flatten", &[x], vec![int("axis", 1)]);
        }
        Operation::Arrange => {
            let dims = layer.output.dims().to_vec();
            layer.reshaped(x, "shape", &dims);
        }
        Operation::Pad { sides, border } => pad(layer, x, *sides, *border),
        Operation::Crop { start } => {
            let [_, rows, columns] = extents(layer.output);
            cut(
                layer,
                x,
                "crop",
                &[2, 3],
                [start[0]..start[0] + rows, start[1]..start[1] + columns].as_slice(),
            );
        }
        Operation::Slice { axis, range: [from, to] } => {
            cut(layer, x, "slice", &[*axis + 1], std::slice::from_ref(&(*from..*to)));
        }
        Operation::Upsample { scale, method } => resize(layer, x, *scale, *method),
        Operation::PixelShuffle { factor } => {
            let attributes = vec![int("blocksize", *factor as i64), text("mode", "CRD")];
            layer.node("DepthToSpace", &[x], attributes);
        }
        Operation::ChannelShuffle { groups } => {
            let [channels, rows, columns] = extents(layer.output);
            let apart = layer.reshaped(x, "groups", &[*groups, channels / groups, rows, columns]);
            let dealt = layer.node("Transpose", &[&apart], vec![ints("perm", [0, 2, 1, 3, 4])]);
            layer.reshaped(&dealt, "shape", &[channels, rows, columns]);
        }
        Operation::Scale { factor } => {
            let factor = layer.numbers("factor", &[], vec![*factor]);
            layer.node("Mul", &[x, &factor], Vec::new());
        }
        Operation::LearnedScale => {
            let dims = layer.per_channel();
            let factor = layer.parameter("weight", &dims);
            layer.node("Mul", &[x, &factor], Vec::new());
        }
        Operation::Add => {
            as_whole(layer);
            fold(layer, "Add");
        }
        Operation::Concat => {
            let names = layer.inputs.clone();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            layer.node("Concat", &names, vec![int("axis", 1)]);
        }
        Operation::Multiply => {
            as_whole(layer);
            fold(layer, "Mul");
        }
        Operation::MatrixProduct => fold(layer, "MatMul"),
    }
    Ok(())
}

/// An input and the parameters beside it.
fn with<'a>(x: &'a str, names: &'a [String]) -> Vec<&'a str> {
    std::iter::once(x).chain(names.iter().map(String::as_str)).collect()
}

/// The names of a layer's weight and, where it has one, its bias.
fn weights(
    layer: &mut Layer<'_>,
    parameters: &[(&'static str, &Shape)],
    folded: Option<Folded>,
) -> Vec<String> {
    let own: Vec<_> = parameters.iter().filter(|(name, _)| ["weight", "bias"].contains(name)).collect();
    match folded {
        None => own.iter().map(|(name, shape)| layer.parameter(name, shape.dims())).collect(),
        Some([weight, bias]) => {
            let dims = own.first().map_or(Vec::new(), |(_, shape)| shape.dims().to_vec());
            let filters = bias.len();
            vec![layer.numbers("weight", &dims, weight), layer.numbers("bias", &[filters], bias)]
        }
    }
}

/// The learned weight and bias of a norm, or what changes nothing.
fn affine(layer: &mut Layer<'_>, parameters: &[(&'static str, &Shape)], dims: &[usize]) -> Vec<String> {
    if parameters.is_empty() {
        let n = dims.iter().product();
        return vec![layer.numbers("ones", dims, vec![1.0; n]), layer.numbers("zeros", dims, vec![0.0; n])];
    }
    layer.parameters(&["weight", "bias"], dims)
}

/// Gives flat inputs the axes of the others.
fn as_whole(layer: &mut Layer<'_>) {
    for i in 0..layer.inputs.len() {
        if layer.shapes[i].rank() < layer.output.rank() {
            let mut dims = layer.shapes[i].dims().to_vec();
            dims.resize(layer.output.rank(), 1);
            let gate = layer.inputs[i].clone();
            layer.inputs[i] = layer.reshaped(&gate, &format!("gate_{}", i + 1), &dims);
        }
    }
}

/// Joins all inputs, two at a time.
fn fold(layer: &mut Layer<'_>, op: &'static str) {
    let names = layer.inputs.clone();
    let mut whole = names[0].clone();
    for name in &names[1..] {
        whole = layer.node(op, &[&whole, name], Vec::new());
    }
    if names.len() == 1 {
        layer.node("Identity", &[&whole], Vec::new());
    }
}

/// These ranges of these axes.
pub(super) fn cut(
    layer: &mut Layer<'_>,
    x: &str,
    what: &str,
    axes: &[usize],
    ranges: &[std::ops::Range<usize>],
) -> String {
    let starts =
        layer.whole(&format!("{what}.starts"), ranges.iter().map(|range| range.start as i64).collect());
    let ends = layer.whole(&format!("{what}.ends"), ranges.iter().map(|range| range.end as i64).collect());
    let along = layer.whole(&format!("{what}.axes"), axes.iter().map(|&axis| axis as i64).collect());
    let steps = layer.whole(&format!("{what}.steps"), vec![1; axes.len()]);
    layer.node("Slice", &[x, &starts, &ends, &along, &steps], Vec::new())
}

fn extents(shape: &Shape) -> [usize; 3] {
    std::array::from_fn(|axis| shape.dims().get(axis).copied().unwrap_or(1))
}

/// An even window lies otherwise in ONNX, and some runtimes have none: the sum over channels is then a convolution.
fn response_norm(layer: &mut Layer<'_>, x: &str, size: usize, [alpha, beta, k]: [f32; 3]) {
    if size % 2 == 1 {
        let attributes =
            vec![int("size", size as i64), float("alpha", alpha), float("beta", beta), float("bias", k)];
        layer.node("LRN", &[x], attributes);
        return;
    }
    let channels = layer.shapes[0].dims()[0];
    let mut band = vec![0.0; channels * channels];
    for output in 0..channels {
        let near = output.saturating_sub(size / 2)..(output + (size - 1) / 2 + 1).min(channels);
        near.for_each(|input| band[output * channels + input] = alpha / size as f32);
    }
    let band = layer.numbers("band", &[channels, channels, 1, 1], band);
    let bias = layer.numbers("k", &[channels], vec![k; channels]);
    let exponent = layer.numbers("beta", &[], vec![beta]);
    let square = layer.node("Mul", &[x, x], Vec::new());
    let attributes = vec![
        text("auto_pad", "NOTSET"),
        ints("kernel_shape", [1, 1]),
        ints("strides", [1, 1]),
        ints("pads", [0; 4]),
        ints("dilations", [1, 1]),
        int("group", 1),
    ];
    let sum = layer.node("Conv", &[&square, &band, &bias], attributes);
    let norm = layer.node("Pow", &[&sum, &exponent], Vec::new());
    layer.node("Div", &[x, &norm], Vec::new());
}

fn spread(own: &Transposed) -> Vec<Message> {
    let of = |pick: fn(&Spread) -> usize| own.axes.iter().map(pick);
    vec![
        text("auto_pad", "NOTSET"),
        ints("kernel_shape", of(|axis| axis.kernel)),
        ints("strides", of(|axis| axis.stride)),
        ints("pads", of(|axis| axis.cut[0]).chain(of(|axis| axis.cut[1]))),
        ints("dilations", of(|axis| axis.dilation)),
        ints("output_padding", own.axes.iter().map(|_| own.more)),
        int("group", own.groups as i64),
    ]
}

fn pad(layer: &mut Layer<'_>, x: &str, [top, bottom, left, right]: [usize; 4], border: Border) {
    let amounts = match layer.output.rank() {
        2 => vec![0, 0, left, 0, 0, right],
        _ => vec![0, 0, top, left, 0, 0, bottom, right],
    };
    let amounts = layer.whole("pads", amounts.into_iter().map(|amount| amount as i64).collect());
    let number = match border {
        Border::Constant(number) => number,
        Border::Reflect | Border::Replicate => 0.0,
    };
    let number = layer.numbers("value", &[], vec![number]);
    let mode = match border {
        Border::Constant(_) => "constant",
        Border::Reflect => "reflect",
        Border::Replicate => "edge",
    };
    layer.node("Pad", &[x, &amounts, &number], vec![text("mode", mode)]);
}

fn resize(layer: &mut Layer<'_>, x: &str, [rows, columns]: [usize; 2], method: Method) {
    // Not every runtime scales sequences: they are images of one row.
    let [channels, length] = [0, 1].map(|axis| layer.shapes[0].dims()[axis]);
    let is_row = layer.output.rank() == 2;
    let image = if is_row { layer.reshaped(x, "row", &[channels, 1, length]) } else { x.to_owned() };
    let scales = layer.numbers("scales", &[4], vec![1.0, 1.0, rows as f32, columns as f32]);
    let (mode, places) = match method {
        Method::Nearest => ("nearest", "asymmetric"),
        Method::Bilinear => ("linear", "half_pixel"),
        Method::BilinearCorners => ("linear", "align_corners"),
    };
    let attributes = vec![
        int("antialias", 0),
        text("coordinate_transformation_mode", places),
        float("cubic_coeff_a", -0.75),
        int("exclude_outside", 0),
        float("extrapolation_value", 0.0),
        text("keep_aspect_ratio_policy", "stretch"),
        text("mode", mode),
        text("nearest_mode", "floor"),
    ];
    let larger = layer.node("Resize", &[&image, "", &scales], attributes);
    if is_row {
        layer.reshaped(&larger, "shape", &[channels, columns * length]);
    }
}
