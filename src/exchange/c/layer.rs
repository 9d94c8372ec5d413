//! A layer's operation → a call in C, over its places in memory.

use crate::diag::Fault;
use crate::exchange::portable::{Border, Function, Method, Operation, Spread, Statistic};
use crate::shape::{Shape, Window};

/// Where a call's operands are, as C has it.
pub struct Places<'a> {
    pub inputs: &'a [String],
    pub shapes: &'a [&'a Shape],
    pub output: &'a str,
    pub shape: &'a Shape,
    /// The arrays of the layer's numbers.
    pub weight: &'a str,
    pub bias: &'a str,
    /// Of its second projection.
    pub out: [&'a str; 2],
}

/// How many numbers a call needs for itself, which lie behind its result.
pub fn scratch(operation: &Operation, shape: &Shape) -> usize {
    match operation {
        Operation::Attention { groups, .. } => 4 * shape.elements() + groups.places(),
        _ => 0,
    }
}

/// A call and the functions that it needs.
#[derive(Default)]
pub struct Call {
    pub lines: Vec<String>,
    pub kernels: Vec<&'static str>,
}

/// Channels, height and width; of a sequence, one row, of a volume the rows of all its planes.
pub fn image(shape: &Shape) -> [usize; 3] {
    match *shape.dims() {
        [channels, height, width] => [channels, height, width],
        [channels, length] => [channels, 1, length],
        [channels, depth, height, width] => [channels, depth * height, width],
        _ => [shape.elements(), 1, 1],
    }
}

fn call(kernel: &'static str, arguments: impl IntoIterator<Item = String>) -> Call {
    let arguments: Vec<String> = arguments.into_iter().collect();
    Call { lines: vec![format!("{kernel}({});", arguments.join(", "))], kernels: vec![kernel] }
}

fn numbers(values: &[usize]) -> Vec<String> {
    values.iter().map(usize::to_string).collect()
}

/// A number as C has it, exactly.
pub fn float(number: f32) -> String {
    match number {
        _ if number.is_nan() => "NAN".to_owned(),
        _ if number.is_infinite() => if number > 0.0 { "INFINITY" } else { "-INFINITY" }.to_owned(),
        _ => {
            let text = format!("{number:e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let digits = if digits.contains('.') { digits.to_owned() } else { format!("{digits}.0") };
            if exponent == "0" { format!("{digits}f") } else { format!("{digits}e{exponent}f") }
        }
    }
}

/// The windows over an image, of which a sequence is the only row.
fn over_image(windows: &[Window]) -> [Window; 2] {
    let row = Window { kernel: 1, stride: 1, before: 0, after: 0, dilation: 1, ceil: false };
    match *windows {
        [rows, columns] => [rows, columns],
        [columns] => [row, columns],
        _ => [row, row],
    }
}

/// Whether the result may stand where the operand was.
pub fn in_place(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::BatchNorm { .. }
            | Operation::Function(_)
            | Operation::Prelu
            | Operation::Scale { .. }
            | Operation::LearnedScale
    )
}

pub fn write(operation: &Operation, places: &Places<'_>) -> Result<Call, Fault> {
    let [channels, height, width] = image(places.shapes[0]);
    let [out_channels, out_height, out_width] = image(places.shape);
    let (x, y) = (places.inputs[0].clone(), places.output.to_owned());
    let (weight, bias) = (places.weight.to_owned(), places.bias.to_owned());
    let n = places.shape.elements();
    let over = height * width;
    let both = |more: Vec<String>| [vec![x.clone(), y.clone()], more].concat();
    let sizes = [channels, height, width, out_height, out_width];
    if let Some(call) = volume(operation, places) {
        return Ok(call);
    }
    Ok(match operation {
        Operation::Convolution { windows, groups } => {
            let [a, b] = over_image(windows);
            let own = numbers(&[
                channels,
                height,
                width,
                out_channels,
                out_height,
                out_width,
                a.kernel,
                b.kernel,
                a.stride,
                b.stride,
                a.before,
                b.before,
                a.dilation,
                b.dilation,
                *groups,
            ]);
            call("convolve", both([vec![weight, bias], own].concat()))
        }
        Operation::TransposedConvolution(own) => {
            let row = Spread { kernel: 1, stride: 1, dilation: 1, cut: [0, 0] };
            let [a, b] = match *own.axes {
                [rows, columns] => [rows, columns],
                [columns] => [row, columns],
                _ => [row, row],
            };
            let list = numbers(&[
                channels,
                height,
                width,
                out_channels,
                out_height,
                out_width,
                a.kernel,
                b.kernel,
                a.stride,
                b.stride,
                a.cut[0],
                b.cut[0],
                a.dilation,
                b.dilation,
                own.groups,
            ]);
            call("convolve_transposed", both([vec![weight, bias], list].concat()))
        }
        Operation::Linear { .. } => {
            call("linear", both([vec![weight, bias], numbers(&[places.shapes[0].elements(), n])].concat()))
        }
        Operation::MaxPool { windows } => {
            let [a, b] = over_image(windows);
            let own = [a.kernel, b.kernel, a.stride, b.stride, a.before, b.before];
            call("pool_max", both(numbers(&[sizes.as_slice(), &own].concat())))
        }
        Operation::AveragePool { windows, count_padding } => {
            let [a, b] = over_image(windows);
            let own = [
                a.kernel,
                b.kernel,
                a.stride,
                b.stride,
                a.before,
                b.before,
                a.after,
                b.after,
                usize::from(*count_padding),
            ];
            call("pool_mean", both(numbers(&[sizes.as_slice(), &own].concat())))
        }
        Operation::AdaptiveAverage | Operation::AdaptiveMax => {
            let largest = usize::from(*operation == Operation::AdaptiveMax);
            call("pool_adaptive", both(numbers(&[sizes.as_slice(), &[largest]].concat())))
        }
        Operation::GlobalAverage | Operation::GlobalMax => {
            let largest = usize::from(*operation == Operation::GlobalMax);
            call("pool_adaptive", both(numbers(&[channels, height, width, 1, 1, largest])))
        }
        Operation::BatchNorm { .. } => {
            call("scale_channels", both([vec![weight, bias], numbers(&[channels, over])].concat()))
        }
        Operation::LearnedScale => {
            call("scale_channels", both([vec![weight, "0".to_owned()], numbers(&[channels, over])].concat()))
        }
        Operation::GroupNorm { groups, epsilon } => {
            let length = n / groups;
            call(
                "standardize",
                both(vec![
                    groups.to_string(),
                    length.to_string(),
                    float(*epsilon),
                    weight,
                    bias,
                    over.to_string(),
                ]),
            )
        }
        Operation::LayerNorm { epsilon } => call(
            "standardize",
            both(vec!["1".to_owned(), n.to_string(), float(*epsilon), weight, bias, "1".to_owned()]),
        ),
        Operation::ChannelNorm { epsilon } => call(
            "standardize_channels",
            both(vec![channels.to_string(), over.to_string(), float(*epsilon), weight, bias]),
        ),
        Operation::InstanceNorm { epsilon } => {
            let own =
                vec![channels.to_string(), over.to_string(), float(*epsilon), weight, bias, over.to_string()];
            call("standardize", both(own))
        }
        Operation::LocalResponseNorm { size, alpha, beta, k } => {
            let own =
                [numbers(&[channels, over, *size]), vec![float(*alpha), float(*beta), float(*k)]].concat();
            call("response_norm", both(own))
        }
        Operation::Function(function) => each(&x, &y, n, &formula(*function)),
        Operation::Scale { factor } => each(&x, &y, n, &format!("{} * v", float(*factor))),
        Operation::Prelu => call("prelu", both([vec![weight], numbers(&[channels, over])].concat())),
        Operation::Softmax => call("softmax", both(numbers(&[channels, over, 0]))),
        Operation::LogSoftmax => call("softmax", both(numbers(&[channels, over, 1]))),
        // The same numbers in the same order: no call.
        Operation::Same | Operation::Arrange => Call::default(),
        Operation::Pad { sides, border } => {
            let (mode, number) = match border {
                Border::Constant(number) => (0, *number),
                Border::Reflect => (1, 0.0),
                Border::Replicate => (2, 0.0),
            };
            let own = numbers(&[sizes.as_slice(), &[sides[0], sides[2], mode]].concat());
            call("pad_image", both([own, vec![float(number)]].concat()))
        }
        Operation::Crop { start } => call("crop_image", both(numbers(&[sizes.as_slice(), start].concat()))),
        Operation::Slice { axis, range: [from, _] } => {
            let [_, depth, rows, _] = volume_of(places.shapes[0]);
            let [mut channel, mut top, mut left] = [0; 3];
            let mut planes = [out_channels, height, out_height];
            // Of a volume all planes lie one below the other, and rows of each are kept where its planes stand for channels.
            match (places.shape.rank(), *axis) {
                (_, 0) => channel = *from,
                (4, 1) => top = from * rows,
                (4, 2) => (planes, top) = ([out_channels * depth, rows, out_height / depth.max(1)], *from),
                (3, 1) => top = *from,
                (_, _) => left = *from,
            }
            let from = if channel == 0 { x } else { format!("({x}) + {}", channel * over) };
            let [n_planes, height, out_height] = planes;
            let own = numbers(&[n_planes, height, width, out_height, out_width, top, left]);
            call("crop_image", [vec![from, y], own].concat())
        }
        Operation::Upsample { method, .. } => {
            let mode = match method {
                Method::Nearest => 0,
                Method::Bilinear => 1,
                Method::BilinearCorners => 2,
            };
            call("upsample", both(numbers(&[sizes.as_slice(), &[mode]].concat())))
        }
        Operation::PixelShuffle { factor } => {
            call("pixel_shuffle", both(numbers(&[out_channels, height, width, *factor])))
        }
        Operation::ChannelShuffle { groups } => {
            call("channel_shuffle", both(numbers(&[channels, over, *groups])))
        }
        Operation::Add if places.shapes.iter().any(|shape| *shape != places.shape) => repeated(places, '+'),
        Operation::Multiply if !places.shapes.iter().all(|shape| is_run(shape, places.shape)) => {
            repeated(places, '*')
        }
        Operation::Add => pairwise(places, |a, b, y| format!("add({a}, {b}, {y}, {n});"), "add"),
        Operation::Multiply => {
            let eaches: Vec<usize> = places.shapes.iter().map(|shape| n / shape.elements().max(1)).collect();
            let mut lines = Vec::new();
            let (mut whole, mut each) = (places.inputs[0].clone(), eaches[0]);
            for (input, own) in places.inputs.iter().zip(&eaches).skip(1) {
                lines.push(format!("multiply({whole}, {input}, {y}, {n}, {each}, {own});"));
                (whole, each) = (y.clone(), 1);
            }
            Call { lines, kernels: vec!["multiply"] }
        }
        Operation::Reduce { of, axes } => {
            let [outer, count, inner] = if *axes == [0] { [1, channels, over] } else { [channels, over, 1] };
            let (how, correction, epsilon) = match *of {
                Statistic::Mean => (0, 0, 0.0),
                Statistic::Max => (1, 0, 0.0),
                Statistic::Sum => (2, 0, 0.0),
                Statistic::Deviation { correction, epsilon } => (3, correction, epsilon),
            };
            let own = [numbers(&[outer, count, inner, how, correction]), vec![float(epsilon)]].concat();
            call("reduce", both(own))
        }
        Operation::UnitLength { epsilon } => {
            call("unit_length", both([numbers(&[channels, over]), vec![float(*epsilon)]].concat()))
        }
        Operation::Parameter => {
            Call { lines: vec![format!("memcpy({y}, {weight}, {n} * sizeof(float));")], kernels: Vec::new() }
        }
        Operation::Positions => call("add", vec![x, weight, y, n.to_string()]),
        Operation::ClassToken => {
            let line = format!(
                "for (int c = 0; c < {channels}; c++) {{ ({y})[c * {out_width}] = {weight}[c]; memcpy({y} + c * {out_width} + 1, {x} + c * {width}, {width} * sizeof(float)); }}"
            );
            Call { lines: vec![line], kernels: Vec::new() }
        }
        Operation::Attention { heads, groups } => {
            let (projected, found) = (format!("{y} + {n}"), format!("{y} + {}", 4 * n));
            let row = format!("{y} + {}", 5 * n);
            let ([rows, columns], [down, across]) = (groups.patch, groups.patches);
            let lines = vec![
                format!("project({x}, {projected}, {weight}, {bias}, {channels}, {}, {over});", 3 * channels),
                format!(
                    "attend({projected}, {found}, {row}, {channels}, {}, {}, {rows}, {columns}, {heads});",
                    rows * down,
                    columns * across
                ),
                format!(
                    "project({found}, {y}, {}, {}, {channels}, {channels}, {over});",
                    places.out[0], places.out[1]
                ),
            ];
            Call { lines, kernels: vec!["project", "attend"] }
        }
        Operation::Transpose => {
            let &[.., rows, columns] = places.shapes[0].dims() else {
                return Err(Fault::internal("rows and columns of features"));
            };
            let each = n / (rows * columns).max(1);
            call("transpose", both(numbers(&[each, rows, columns])))
        }
        Operation::MatrixProduct => {
            let (&[.., rows, middle], &[.., columns]) = (places.shapes[0].dims(), places.shape.dims()) else {
                return Err(Fault::internal("a product of features"));
            };
            let each = n / (rows * columns).max(1);
            let own = numbers(&[each, rows, middle, columns]);
            call("matrix_product", [vec![x, places.inputs[1].clone(), y], own].concat())
        }
        Operation::Concat => {
            let (mut lines, mut at) = (Vec::new(), 0);
            for (input, shape) in places.inputs.iter().zip(places.shapes) {
                let own = shape.elements();
                lines.push(format!("memcpy({y} + {at}, {input}, {own} * sizeof(float));"));
                at += own;
            }
            Call { lines, kernels: Vec::new() }
        }
    })
}

/// What slides along depth, height and width.
fn volume(operation: &Operation, places: &Places<'_>) -> Option<Call> {
    let (&[channels, depth, height, width], &[filters, out_depth, out_height, out_width]) =
        (places.shapes[0].dims(), places.shape.dims())
    else {
        return None;
    };
    let sizes = |channels: usize| {
        numbers(&[channels, depth, height, width, filters, out_depth, out_height, out_width])
    };
    let begin = vec![places.inputs[0].clone(), places.output.to_owned()];
    let of = |pick: fn(&Window) -> usize, windows: &[Window]| windows.iter().map(pick).collect::<Vec<_>>();
    Some(match operation {
        Operation::Convolution { windows, groups } => {
            let own = [
                of(|window| window.kernel, windows),
                of(|window| window.stride, windows),
                of(|window| window.before, windows),
                of(|window| window.dilation, windows),
                vec![*groups],
            ];
            let weights = vec![places.weight.to_owned(), places.bias.to_owned()];
            call("convolve_volume", [begin, weights, sizes(channels), numbers(&own.concat())].concat())
        }
        Operation::TransposedConvolution(own) => {
            let of = |pick: fn(&Spread) -> usize| own.axes.iter().map(pick).collect::<Vec<_>>();
            let list = [
                of(|axis| axis.kernel),
                of(|axis| axis.stride),
                of(|axis| axis.cut[0]),
                of(|axis| axis.dilation),
                vec![own.groups],
            ];
            let weights = vec![places.weight.to_owned(), places.bias.to_owned()];
            let list = numbers(&list.concat());
            call("convolve_volume_transposed", [begin, weights, sizes(channels), list].concat())
        }
        Operation::MaxPool { windows } | Operation::AveragePool { windows, .. } => {
            let mode = match operation {
                Operation::AveragePool { count_padding, .. } => 1 + usize::from(*count_padding),
                _ => 0,
            };
            let own = [
                of(|window| window.kernel, windows),
                of(|window| window.stride, windows),
                of(|window| window.before, windows),
                of(|window| window.after, windows),
                vec![mode],
            ];
            call("pool_volume", [begin, sizes(channels), numbers(&own.concat())].concat())
        }
        _ => return None,
    })
}

fn pairwise(places: &Places<'_>, write: impl Fn(&str, &str, &str) -> String, kernel: &'static str) -> Call {
    let mut whole = places.inputs[0].clone();
    let mut lines = Vec::new();
    for input in &places.inputs[1..] {
        lines.push(write(&whole, input, places.output));
        whole = places.output.to_owned();
    }
    Call { lines, kernels: vec![kernel] }
}

/// Whether each number of a value stands for a run of the whole.
fn is_run(shape: &Shape, whole: &Shape) -> bool {
    shape == whole
        || shape.dims()[0] == whole.dims()[0] && shape.dims()[1..].iter().all(|&extent| extent == 1)
}

/// Channels, depth, height and width; what the shape lacks is 1.
fn volume_of(shape: &Shape) -> [usize; 4] {
    match *shape.dims() {
        [channels, depth, height, width] => [channels, depth, height, width],
        _ => {
            let [channels, height, width] = image(shape);
            [channels, 1, height, width]
        }
    }
}

/// Values joined two at a time, each repeated along its axes of extent 1.
fn repeated(places: &Places<'_>, operator: char) -> Call {
    let [channels, depth, height, width] = volume_of(places.shape);
    let whole = (places.output.to_owned(), places.shape);
    let is_volume = places.shape.rank() == 4;
    let at = |(value, shape): &(String, &Shape)| {
        let [c, d, h, w] = volume_of(shape);
        let step = |extent: usize, step: usize| if extent == 1 { 0 } else { step };
        let plane = if is_volume { format!(" + k * {}", step(d, h * w)) } else { String::new() };
        format!("({value})[c * {}{plane} + i * {} + j * {}]", step(c, d * h * w), step(h, w), step(w, 1))
    };
    let planes = if is_volume { format!(" for (int k = 0; k < {depth}; k++)") } else { String::new() };
    let mut values = places.inputs.iter().cloned().zip(places.shapes.iter().copied());
    let (mut lines, mut left) = (Vec::new(), values.next());
    for right in values {
        if let Some(own) = &left {
            lines.push(format!(
                "for (int c = 0; c < {channels}; c++){planes} for (int i = 0; i < {height}; i++) for (int j = 0; j < {width}; j++) {} = {} {operator} {};",
                at(&whole),
                at(own),
                at(&right)
            ));
        }
        left = Some(whole.clone());
    }
    Call { lines, kernels: Vec::new() }
}

/// A function of each number `v`.
fn each(x: &str, y: &str, n: usize, formula: &str) -> Call {
    let line = format!("for (int i = 0; i < {n}; i++) {{ const float v = ({x})[i]; ({y})[i] = {formula}; }}");
    Call { lines: vec![line], kernels: Vec::new() }
}

fn formula(function: Function) -> String {
    match function {
        Function::Relu => "v > 0.0f ? v : 0.0f".to_owned(),
        Function::Relu6 => "v < 0.0f ? 0.0f : v < 6.0f ? v : 6.0f".to_owned(),
        Function::LeakyRelu(alpha) => format!("v > 0.0f ? v : {} * v", float(alpha)),
        Function::Elu(alpha) => format!("v > 0.0f ? v : {} * expm1f(v)", float(alpha)),
        Function::Selu => "1.050701f * (v > 0.0f ? v : 1.6732632f * expm1f(v))".to_owned(),
        Function::Gelu => "0.5f * v * (1.0f + erff(v * 0.70710678f))".to_owned(),
        Function::Silu => "v / (1.0f + expf(-v))".to_owned(),
        Function::Mish => "v * tanhf(v > 20.0f ? v : log1pf(expf(v)))".to_owned(),
        Function::Hardswish => "v * (v < -3.0f ? 0.0f : v < 3.0f ? v + 3.0f : 6.0f) / 6.0f".to_owned(),
        Function::Hardsigmoid => "v < -3.0f ? 0.0f : v < 3.0f ? v / 6.0f + 0.5f : 1.0f".to_owned(),
        Function::Tanh => "tanhf(v)".to_owned(),
        Function::Sigmoid => "1.0f / (1.0f + expf(-v))".to_owned(),
        Function::Softplus => "v > 20.0f ? v : log1pf(expf(v))".to_owned(),
        Function::Exp => "expf(v)".to_owned(),
        Function::Sqrt => "sqrtf(v)".to_owned(),
        Function::Power(exponent) => format!("powf(v, {})", float(exponent)),
        Function::Clamp([least, most]) => {
            let [least, most] = [least, most].map(float);
            format!("v < {least} ? {least} : v > {most} ? {most} : v")
        }
    }
}
