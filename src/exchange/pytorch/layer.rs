//! A layer's operation → Python: the module that its class keeps, where it has numbers of its own, and the expression that
//! computes it. Numbers that a block may take as arguments stand apart, so that blocks that differ in them are one class.

use crate::diag::{Fault, codes};
use crate::exchange::portable::{Border, Function, Method, Operation, Spread, Statistic, Transposed};
use crate::model::Instance;
use crate::shape::{Shape, Window};

/// A piece of a constructor's call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    /// A number and what it is.
    Number {
        role: &'static str,
        value: usize,
    },
}

/// A layer in Python.
#[derive(Clone, Debug, Default)]
pub struct Code {
    /// What the class keeps under the layer's name.
    pub module: Vec<Piece>,
    /// The result, with `{0}`, `{1}`, … for what arrives and `{self}` for the module.
    pub call: String,
}

fn text(text: impl Into<String>) -> Piece {
    Piece::Text(text.into())
}

fn number(role: &'static str, value: usize) -> Piece {
    Piece::Number { role, value }
}

fn function(call: impl Into<String>) -> Result<Code, Fault> {
    Ok(Code { module: Vec::new(), call: call.into() })
}

fn module(module: Vec<Piece>) -> Code {
    Code { module, call: "{self}({0})".to_owned() }
}

/// `3`, or `(3, 5)`
fn tuple(values: &[usize]) -> String {
    match values.iter().all(|value| *value == values[0]) {
        true => values[0].to_string(),
        false => format!("({})", values.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// A number along every axis, which may be a block's argument where it is one.
fn along(role: &'static str, values: &[usize]) -> Piece {
    match values.iter().all(|value| *value == values[0]) {
        true => number(role, values[0]),
        false => text(tuple(values)),
    }
}

fn float(number: f32) -> String {
    let (plain, short) = (format!("{number}"), format!("{number:e}"));
    if short.len() + 2 < plain.len() { short } else { plain }
}

/// `F.pad`'s order: the last axis first.
fn ends(windows: &[Window], after: impl Fn(&Window, usize) -> usize) -> String {
    let each: Vec<String> = windows
        .iter()
        .enumerate()
        .rev()
        .flat_map(|(i, window)| [window.before.to_string(), after(window, i).to_string()])
        .collect();
    format!("({})", each.join(", "))
}

fn dims(windows: &[Window]) -> String {
    format!("{}d", windows.len())
}

/// The axes of what lies behind batch and channels: `2` of a sequence, `(2, 3)` of an image.
fn places(input: &Shape) -> String {
    let axes: Vec<String> = (2..=input.rank()).map(|axis| axis.to_string()).collect();
    if axes.len() == 1 { axes[0].clone() } else { format!("({})", axes.join(", ")) }
}

pub fn code(
    instance: &Instance,
    operation: &Operation,
    shapes: &[&Shape],
    output: &Shape,
) -> Result<Code, Fault> {
    let input = shapes[0];
    let has = |name: &str| {
        instance.inferred.iter().flat_map(|inferred| &inferred.parameters).any(|p| p.name == name)
    };
    let bias = |pieces: &mut Vec<Piece>| {
        if !has("bias") {
            pieces.push(text(", bias=False"));
        }
        pieces.push(text(")"));
    };
    let channels = input.dims().first().copied().unwrap_or(1);
    match operation {
        Operation::Convolution { windows, groups } => {
            let of = |pick: fn(&Window) -> usize| windows.iter().map(pick).collect::<Vec<_>>();
            let even = windows.iter().all(|window| window.before == window.after);
            let mut pieces = vec![
                text(format!("nn.Conv{}(", dims(windows))),
                number("in_channels", channels),
                text(", "),
                number("out_channels", output.dims()[0]),
                text(", "),
                along("kernel_size", &of(|window| window.kernel)),
            ];
            for (name, role, values) in [
                (", stride=", "stride", of(|window| window.stride)),
                (
                    ", padding=",
                    "padding",
                    if even { of(|window| window.before) } else { vec![0; windows.len()] },
                ),
                (", dilation=", "dilation", of(|window| window.dilation)),
            ] {
                let plain = usize::from(role != "padding");
                if role == "stride" || values.iter().any(|&value| value != plain) {
                    pieces.extend([text(name), along(role, &values)]);
                }
            }
            if *groups > 1 {
                pieces.extend([text(", groups="), number("in_channels", *groups)]);
            }
            bias(&mut pieces);
            let mut code = module(pieces);
            if !even {
                code.call = format!("{{self}}(F.pad({{0}}, {}))", ends(windows, |window, _| window.after));
            }
            Ok(code)
        }
        Operation::TransposedConvolution(own) => Ok(transposed(own, channels, output, bias)),
        Operation::Linear { normalize } => {
            let mut pieces = vec![
                text(if *normalize { "UnitLinear(" } else { "nn.Linear(" }),
                number("in_channels", channels),
                text(", "),
                number("out_channels", output.elements()),
            ];
            bias(&mut pieces);
            Ok(module(pieces))
        }
        Operation::MaxPool { windows } => function(pool("max", windows, true, input, output)?),
        Operation::AveragePool { windows, count_padding } => {
            function(pool("avg", windows, *count_padding, input, output)?)
        }
        Operation::AdaptiveAverage | Operation::AdaptiveMax => {
            let name = if *operation == Operation::AdaptiveMax { "max" } else { "avg" };
            let size = &output.dims()[1..];
            function(format!("F.adaptive_{name}_pool{}d({{0}}, {})", size.len(), tuple(size)))
        }
        Operation::GlobalAverage => function(format!("{{0}}.mean({})", places(input))),
        Operation::GlobalMax => function(format!("{{0}}.amax({})", places(input))),
        Operation::BatchNorm { epsilon } => {
            let rank = input.rank().max(2) - 1;
            let momentum = instance.args.number("momentum")?;
            let mut pieces = vec![text(format!("nn.BatchNorm{rank}d(")), number("out_channels", channels)];
            if *epsilon != 1e-5 {
                pieces.push(text(format!(", eps={}", float(*epsilon))));
            }
            if momentum != 0.1 {
                pieces.push(text(format!(", momentum={momentum}")));
            }
            pieces.push(text(")"));
            Ok(module(pieces))
        }
        Operation::GroupNorm { groups, epsilon } => Ok(module(vec![
            text("nn.GroupNorm("),
            number("groups", *groups),
            text(", "),
            number("out_channels", channels),
            text(format!(", eps={})", float(*epsilon))),
        ])),
        Operation::LayerNorm { epsilon } => {
            let affine = if has("weight") { "" } else { ", elementwise_affine=False" };
            let shape: Vec<String> = input.dims().iter().map(usize::to_string).collect();
            Ok(module(vec![text(format!(
                "nn.LayerNorm([{}], eps={}{affine})",
                shape.join(", "),
                float(*epsilon)
            ))]))
        }
        Operation::ChannelNorm { epsilon } => {
            let affine = if has("weight") { "" } else { ", elementwise_affine=False" };
            let end = format!(", eps={}{affine})", float(*epsilon));
            let mut code = module(vec![text("nn.LayerNorm("), number("out_channels", channels), text(end)]);
            code.call = "{self}({0}.movedim(1, -1)).movedim(-1, 1)".to_owned();
            Ok(code)
        }
        Operation::InstanceNorm { epsilon } => {
            let affine = if has("weight") { ", affine=True" } else { "" };
            let end = format!(", eps={}{affine})", float(*epsilon));
            let rank = input.rank() - 1;
            Ok(module(vec![
                text(format!("nn.InstanceNorm{rank}d(")),
                number("out_channels", channels),
                text(end),
            ]))
        }
        Operation::LocalResponseNorm { size, alpha, beta, k } => function(format!(
            "F.local_response_norm({{0}}, {size}, alpha={}, beta={}, k={})",
            float(*alpha),
            float(*beta),
            float(*k)
        )),
        Operation::Function(function_of) => function(named(*function_of)),
        Operation::Reduce { of, axes } => function(reduced(*of, axes)),
        Operation::UnitLength { epsilon } => {
            function(format!("F.normalize({{0}}, dim=1, eps={})", float(*epsilon)))
        }
        Operation::Parameter => Ok(module(vec![text(format!("Parameter({})", listed(output)))])),
        Operation::Positions => {
            let is_fixed = instance.args.word("kind")? == "sinusoidal";
            let fixed = if is_fixed { ", learned=False" } else { "" };
            Ok(module(vec![text(format!("Positions({}{fixed})", listed(output)))]))
        }
        Operation::ClassToken => {
            Ok(module(vec![text("ClassToken("), number("out_channels", channels), text(")")]))
        }
        Operation::Attention { heads, groups } => {
            let end = if has("bias") { ")" } else { ", bias=False)" };
            let mut pieces = match groups.count() {
                1 => vec![text("Attention(")],
                _ => vec![text(format!("PatchAttention({}, ", listed(&Shape::from(groups.patch))))],
            };
            pieces.extend([number("out_channels", channels), text(", "), number("heads", *heads), text(end)]);
            Ok(module(pieces))
        }
        Operation::Transpose => function("{0}.transpose(-2, -1)"),
        Operation::Prelu => Ok(module(vec![text("nn.PReLU("), number("out_channels", channels), text(")")])),
        Operation::Softmax => function("F.softmax({0}, 1)"),
        Operation::LogSoftmax => function("F.log_softmax({0}, 1)"),
        Operation::Same => {
            let p = instance.args.number_if_given("p")?;
            match (instance.unit.spec().name, p) {
                (name @ ("dropout" | "dropout2d"), Some(p)) => {
                    function(format!("F.{name}({{0}}, {p}, self.training)"))
                }
                _ => function("{0}"),
            }
        }
        Operation::Arrange if output.rank() == 1 => function("{0}.flatten(1)"),
        Operation::Arrange => {
            let shape: Vec<String> = output.dims().iter().map(usize::to_string).collect();
            function(
                format!(
                    "{{0}}.unflatten(1, ({},)).flatten(1).unflatten(1, ({}))",
                    channels,
                    shape.join(", ")
                )
                .replace(&format!(".unflatten(1, ({channels},))"), ""),
            )
        }
        Operation::Pad { sides: [top, bottom, left, right], border } => {
            let mode = match border {
                Border::Constant(value) => format!("value={}", float(*value)),
                Border::Reflect => "mode=\"reflect\"".to_owned(),
                Border::Replicate => "mode=\"replicate\"".to_owned(),
            };
            let rows = if input.rank() == 3 { format!(", {top}, {bottom}") } else { String::new() };
            function(format!("F.pad({{0}}, ({left}, {right}{rows}), {mode})"))
        }
        Operation::Crop { start: [top, left] } => {
            let &[_, rows, columns] = output.dims() else {
                return Err(Fault::internal("a crop of no image"));
            };
            function(format!("{{0}}[:, :, {top}:{}, {left}:{}]", top + rows, left + columns))
        }
        Operation::Slice { axis, range: [from, to] } => {
            function(format!("{{0}}[{}, {from}:{to}]", vec![":"; axis + 1].join(", ")))
        }
        Operation::Upsample { scale, method } => {
            let linear = if input.rank() == 3 { "bilinear" } else { "linear" };
            let how = match method {
                Method::Nearest => "mode=\"nearest\"".to_owned(),
                Method::Bilinear => format!("mode=\"{linear}\", align_corners=False"),
                Method::BilinearCorners => format!("mode=\"{linear}\", align_corners=True"),
            };
            let scale = if input.rank() == 3 { tuple(scale) } else { scale[1].to_string() };
            function(format!("F.interpolate({{0}}, scale_factor={scale}, {how})"))
        }
        Operation::PixelShuffle { factor } => function(format!("F.pixel_shuffle({{0}}, {factor})")),
        Operation::ChannelShuffle { groups } => function(format!("F.channel_shuffle({{0}}, {groups})")),
        Operation::Scale { factor } => function(format!("{} * {{0}}", float(*factor))),
        Operation::LearnedScale => {
            let behind = ", 1".repeat(input.rank() - 1);
            Ok(module(vec![text("Scale("), number("out_channels", channels), text(format!("{behind})"))]))
        }
        Operation::Add => function(of_all(shapes, output).join(" + ")),
        Operation::Multiply => function(of_all(shapes, output).join(" * ")),
        Operation::MatrixProduct => function("torch.matmul({0}, {1})"),
        Operation::Concat => function(format!("torch.cat([{}], 1)", joined(shapes.len(), ", "))),
    }
}

/// `3, 8, 8`
fn listed(shape: &Shape) -> String {
    shape.dims().iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn reduced(of: Statistic, axes: &[usize]) -> String {
    let shown: Vec<String> = axes.iter().map(|axis| (axis + 1).to_string()).collect();
    let dims = if shown.len() == 1 { shown[0].clone() } else { format!("({})", shown.join(", ")) };
    match of {
        Statistic::Mean => format!("{{0}}.mean({dims}, keepdim=True)"),
        Statistic::Max => format!("{{0}}.amax({dims}, keepdim=True)"),
        Statistic::Sum => format!("{{0}}.sum({dims}, keepdim=True)"),
        Statistic::Deviation { correction, epsilon } => {
            let variance = format!("{{0}}.var({dims}, correction={correction}, keepdim=True)");
            format!("torch.sqrt({variance} + {})", float(epsilon))
        }
    }
}

/// All that is joined, flat values with the axes of the others.
fn of_all(shapes: &[&Shape], output: &Shape) -> Vec<String> {
    let with_axes = |(i, shape): (usize, &&Shape)| match output.rank() - shape.rank() {
        0 => format!("{{{i}}}"),
        more => format!("{{{i}}}[:, :{}]", ", None".repeat(more)),
    };
    shapes.iter().enumerate().map(with_axes).collect()
}

fn joined(n: usize, between: &str) -> String {
    (0..n).map(|i| format!("{{{i}}}")).collect::<Vec<_>>().join(between)
}

fn named(function: Function) -> String {
    match function {
        Function::Relu => "F.relu({0})".to_owned(),
        Function::Relu6 => "F.relu6({0})".to_owned(),
        Function::LeakyRelu(alpha) => format!("F.leaky_relu({{0}}, {})", float(alpha)),
        Function::Elu(alpha) => format!("F.elu({{0}}, {})", float(alpha)),
        Function::Selu => "F.selu({0})".to_owned(),
        Function::Gelu => "F.gelu({0})".to_owned(),
        Function::Silu => "F.silu({0})".to_owned(),
        Function::Mish => "F.mish({0})".to_owned(),
        Function::Hardswish => "F.hardswish({0})".to_owned(),
        Function::Hardsigmoid => "F.hardsigmoid({0})".to_owned(),
        Function::Tanh => "torch.tanh({0})".to_owned(),
        Function::Sigmoid => "torch.sigmoid({0})".to_owned(),
        Function::Softplus => "F.softplus({0})".to_owned(),
        Function::Exp => "torch.exp({0})".to_owned(),
        Function::Sqrt => "torch.sqrt({0})".to_owned(),
        Function::Power(exponent) => format!("torch.pow({{0}}, {})", float(exponent)),
        Function::Clamp([least, most]) => format!("torch.clamp({{0}}, {}, {})", float(least), float(most)),
    }
}

fn transposed(own: &Transposed, channels: usize, output: &Shape, bias: impl Fn(&mut Vec<Piece>)) -> Code {
    let of = |pick: fn(&Spread) -> usize| own.axes.iter().map(pick).collect::<Vec<_>>();
    let even = own.axes.iter().all(|axis| axis.cut[0] == axis.cut[1]);
    let mut pieces = vec![
        text(format!("nn.ConvTranspose{}d(", own.axes.len())),
        number("in_channels", channels),
        text(", "),
        number("out_channels", output.dims()[0]),
        text(", "),
        along("kernel_size", &of(|axis| axis.kernel)),
        text(", stride="),
        along("stride", &of(|axis| axis.stride)),
    ];
    if even && own.axes.iter().any(|axis| axis.cut[0] > 0) {
        pieces.extend([text(", padding="), along("padding", &of(|axis| axis.cut[0]))]);
    }
    if own.more > 0 {
        pieces.push(text(format!(", output_padding={}", own.more)));
    }
    if own.axes.iter().any(|axis| axis.dilation != 1) {
        pieces.push(text(format!(", dilation={}", tuple(&of(|axis| axis.dilation)))));
    }
    if own.groups > 1 {
        pieces.extend([text(", groups="), number("groups", own.groups)]);
    }
    bias(&mut pieces);
    let mut code = module(pieces);
    if !even {
        let ends = own.axes.iter().zip(&output.dims()[1..]);
        let ranges: Vec<String> =
            ends.map(|(axis, extent)| format!("{}:{}", axis.cut[0], axis.cut[0] + extent)).collect();
        code.call = format!("{{self}}({{0}})[:, :, {}]", ranges.join(", "));
    }
    code
}

fn pool(
    kind: &str,
    windows: &[Window],
    counts: bool,
    input: &Shape,
    output: &Shape,
) -> Result<String, Fault> {
    let of = |pick: fn(&Window) -> usize| tuple(&windows.iter().map(pick).collect::<Vec<_>>());
    let name = format!("F.{kind}_pool{}", dims(windows));
    let (kernel, stride) = (of(|window| window.kernel), of(|window| window.stride));
    let ceil = if windows.iter().any(|window| window.ceil) { ", ceil_mode=True" } else { "" };
    if windows.iter().all(|window| window.before == window.after) {
        let padding = if windows.iter().any(|window| window.before > 0) {
            format!(", padding={}", of(|window| window.before))
        } else {
            String::new()
        };
        let counted =
            if counts || padding.is_empty() || kind == "max" { "" } else { ", count_include_pad=False" };
        return Ok(format!("{name}({{0}}, {kernel}, stride={stride}{padding}{ceil}{counted})"));
    }
    // As much behind as the last window sees.
    let after = |window: &Window, i: usize| {
        let (own, out) = (input.dims()[i + 1], output.dims()[i + 1]);
        ((out - 1) * window.stride + window.kernel).saturating_sub(window.before + own)
    };
    let pads = ends(windows, after);
    let slid = |value: &str| format!("{name}({value}, {kernel}, stride={stride})");
    match (kind, counts, ceil.is_empty()) {
        ("max", _, _) => Ok(slid(&format!("F.pad({{0}}, {pads}, value=-torch.inf)"))),
        (_, true, true) => Ok(slid(&format!("F.pad({{0}}, {pads})"))),
        (_, false, _) => {
            let ones = slid(&format!("F.pad(torch.ones_like({{0}}), {pads})"));
            Ok(format!("{} / {ones}", slid(&format!("F.pad({{0}}, {pads})"))))
        }
        (_, true, false) => Err(Fault::new(
            codes::EXCHANGE_OUT,
            "PyTorch has no mean over windows with uneven padding that counts and `ceil=true`",
        )
        .advise("`count_padding=false`, or padding that is even")),
    }
}
