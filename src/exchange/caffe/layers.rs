//! Caffe's layers, each when what it takes is there → layers of ours with their numbers. Images are channels x height x width there, too.

use std::collections::{HashMap, HashSet};

use crate::diag::{Fault, codes};
use crate::exchange::caffe::blobs::{Blob, Blobs};
use crate::exchange::caffe::forms::{Layer, layers};
use crate::exchange::caffe::text::Message;
use crate::exchange::caffe::wrong;
use crate::exchange::import::building::{Building, Given, sides};
use crate::exchange::import::line::Weight;
use crate::shape::{Shape, Window};
use crate::spec::Arg;

const CONV: &str = "convolution_param";
const POOL: &str = "pooling_param";
const INNER: &str = "inner_product_param";

/// A network that is being read.
pub struct Network<'a, 'b> {
    pub building: Building<'a>,
    pub remarks: Vec<String>,
    blobs: &'b Blobs<'a>,
    /// The value that each name stands for at the moment: a layer may write over what it takes.
    values: HashMap<String, usize>,
    /// Norms whose scale and shift are a layer of their own, which has not come yet.
    bare: HashSet<usize>,
}

impl<'a, 'b> Network<'a, 'b> {
    /// Reads all layers; the network, and the value that it gives.
    pub fn read(
        net: &Message,
        blobs: &'b Blobs<'a>,
        input: Option<&Shape>,
    ) -> Result<(Network<'a, 'b>, usize), Fault> {
        let layers = layers(net)?;
        let data = |layer: &Layer<'_>| layer.kind == "Input" || layer.kind.ends_with("Data");
        let image = match net.word("input") {
            Some(name) => name,
            None => {
                let first =
                    layers.iter().find(|layer| data(layer)).and_then(|layer| layer.tops.first().copied());
                first.ok_or_else(|| wrong("the text does not say what the network takes"))?
            }
        };
        let shape = match input {
            Some(shape) => shape.clone(),
            None => extents(net, layers.iter().find(|layer| layer.kind == "Input"))?,
        };
        let mut network = Network {
            building: Building::new(shape)?,
            remarks: Vec::new(),
            blobs,
            values: HashMap::from([(image.to_owned(), 0)]),
            bare: HashSet::new(),
        };
        network.prepared(layers.iter().find(|layer| data(layer)))?;
        let mut taken: HashSet<&str> = HashSet::new();
        let mut last = None;
        let behind = ["Accuracy", "Silence", "ArgMax"];
        for (at, layer) in layers.iter().enumerate() {
            if data(layer) || behind.contains(&layer.kind.as_str()) {
                continue;
            }
            let rest = layers.get(at + 1..).unwrap_or_default();
            let value = network.layer(layer, rest)?;
            for top in &layer.tops {
                network.values.insert((*top).to_owned(), value);
                // What is written over is taken by what writes.
                taken.remove(top);
            }
            taken.extend(layer.bottoms.iter().filter(|bottom| !layer.tops.contains(bottom)));
            last = Some(value);
        }
        let mut open: Vec<&str> = Vec::new();
        for layer in layers.iter().filter(|layer| !data(layer) && !behind.contains(&layer.kind.as_str())) {
            for top in &layer.tops {
                if !taken.contains(top) && !open.contains(top) {
                    open.push(top);
                }
            }
        }
        match (open.as_slice(), last) {
            (&[top], _) => {
                let value = network.values.get(top).copied();
                value.map(|value| (network, value)).ok_or_else(|| wrong("the network gives nothing"))
            }
            // A loss has no top of its own in older texts.
            ([], Some(value)) => Ok((network, value)),
            (open, _) => {
                let names: Vec<String> = open.iter().map(|name| name.chars().take(60).collect()).collect();
                let message = format!(
                    "the network gives {} values ({}); a model of ours gives one",
                    open.len(),
                    names.join(", ")
                );
                Err(Fault::new(codes::EXCHANGE_IN, message)
                    .advise("the `deploy.prototxt`, without what only training uses"))
            }
        }
    }

    /// What is known of how pixels come to the network, which the network itself does not say.
    fn prepared(&mut self, data: Option<&Layer<'_>>) -> Result<(), Fault> {
        let mut told = "Caffe gives it pixels of 0 to 255, blue first (BGR), less their mean".to_owned();
        if let Some(data) = data {
            let means = data.words("transform_param", "mean_value");
            if !means.is_empty() {
                told.push_str(&format!(
                    " ({})",
                    means.iter().take(4).copied().collect::<Vec<_>>().join(", ")
                ));
            }
            let scale = data.number("transform_param", "scale", 1.0)?;
            if scale != 1.0 {
                told.push_str(&format!(", times {scale}"));
            }
        }
        told.push_str("; dslc gives red first and 0 to 1");
        self.remarks.push(told);
        Ok(())
    }

    fn value(&self, layer: &Layer<'_>, at: usize) -> Result<usize, Fault> {
        let name = layer.bottoms.get(at).ok_or_else(|| layer.wrong("takes nothing"))?;
        self.values.get(*name).copied().ok_or_else(|| {
            let name: String = name.chars().take(60).collect();
            layer.wrong(format!("takes `{name}`, which nothing before it gives"))
        })
    }

    fn blob(&self, layer: &Layer<'_>, at: usize) -> Result<&'b Blob<'a>, Fault> {
        let blobs: Option<&'b Vec<Blob<'a>>> = self.blobs.get(layer.name);
        blobs.and_then(|blobs| blobs.get(at)).ok_or_else(|| layer.wrong("has no such numbers in the weights"))
    }

    fn plain(&mut self, word: &'static str, layer: &Layer<'_>, given: Given) -> Result<usize, Fault> {
        let x = self.value(layer, 0)?;
        self.building.layer(word, x, given, Vec::new(), &layer.origin)
    }

    fn layer(&mut self, layer: &Layer<'_>, rest: &[Layer<'_>]) -> Result<usize, Fault> {
        let alpha = |slope: f64| vec![("alpha", Arg::Number(slope))];
        match layer.kind.as_str() {
            "Convolution" | "ConvolutionDepthwise" | "DepthwiseConvolution" => self.convolution(layer),
            "Deconvolution" => self.deconvolution(layer),
            "InnerProduct" => self.inner_product(layer),
            "Pooling" => self.pooling(layer),
            "BatchNorm" => self.batch_norm(layer),
            "Scale" => self.scale(layer, rest),
            "Bias" => {
                let x = self.value(layer, 0)?;
                let (n, bias) = (self.building.channels(x), self.blob(layer, 0)?.weight());
                self.building.affine(x, Weight::All(n, 1.0), bias, &layer.origin)
            }
            "Power" => {
                let (power, factor, shift) = (
                    layer.number("power_param", "power", 1.0)?,
                    layer.number("power_param", "scale", 1.0)?,
                    layer.number("power_param", "shift", 0.0)?,
                );
                let x = self.value(layer, 0)?;
                let n = self.building.channels(x);
                match (power == 1.0, shift == 0.0) {
                    (false, _) => {
                        Err(layer.refuse(format!("there is no layer that raises to the power {power}")))
                    }
                    (true, true) => self.building.scale(x, factor, &layer.origin),
                    (true, false) => {
                        self.building.affine(x, Weight::All(n, factor), Weight::All(n, shift), &layer.origin)
                    }
                }
            }
            "ReLU" => match layer.number("relu_param", "negative_slope", 0.0)? {
                0.0 => self.plain("relu", layer, Vec::new()),
                slope => self.plain("leaky_relu", layer, alpha(slope)),
            },
            "ReLU6" => self.plain("relu6", layer, Vec::new()),
            "ELU" => {
                let own = alpha(layer.number("elu_param", "alpha", 1.0)?);
                self.plain("elu", layer, own)
            }
            "PReLU" => {
                let x = self.value(layer, 0)?;
                let blob = self.blob(layer, 0)?;
                let weight = match (blob.count(), self.building.channels(x)) {
                    (1, channels) => {
                        Weight::All(channels, f64::from(blob.numbers().first().copied().unwrap_or_default()))
                    }
                    _ => blob.weight(),
                };
                self.building.layer("prelu", x, Vec::new(), vec![("weight", weight)], &layer.origin)
            }
            "Sigmoid" => self.plain("sigmoid", layer, Vec::new()),
            "TanH" => self.plain("tanh", layer, Vec::new()),
            "BNLL" => self.plain("softplus", layer, Vec::new()),
            "Swish" => self.plain("silu", layer, Vec::new()),
            "LRN" => self.response_norm(layer),
            "Dropout" => match layer.number("dropout_param", "dropout_ratio", 0.5)? {
                p if p > 0.0 => self.plain("dropout", layer, vec![("p", Arg::Number(p.min(0.99)))]),
                _ => self.value(layer, 0),
            },
            "Softmax" | "SoftmaxWithLoss" => {
                if layer.number("softmax_param", "axis", 1.0)? != 1.0 {
                    return Err(layer.refuse("it is over another axis than that of the channels"));
                }
                let x = self.value(layer, 0)?;
                let flat = self.pointed(x, layer)?;
                self.building.layer("softmax", flat, Vec::new(), Vec::new(), &layer.origin)
            }
            "Split" => self.value(layer, 0),
            "Flatten" => {
                let x = self.value(layer, 0)?;
                self.pointed(x, layer)
            }
            "Reshape" => self.reshape(layer),
            "Concat" => {
                let axis =
                    layer.number("concat_param", "axis", layer.number("concat_param", "concat_dim", 1.0)?)?;
                if axis != 1.0 {
                    return Err(layer.refuse("it joins along another axis than that of the channels"));
                }
                let inputs = (0..layer.bottoms.len())
                    .map(|at| self.value(layer, at))
                    .collect::<Result<Vec<_>, _>>()?;
                self.building.join("concat", inputs, &layer.origin)
            }
            "Eltwise" => self.eltwise(layer),
            "ShuffleChannel" => {
                let groups = layer.count("shuffle_channel_param", "group", Some(1))?;
                self.plain("channel_shuffle", layer, vec![("groups", Arg::Whole(groups))])
            }
            _ => Err(layer.refuse("there is no layer for it")),
        }
    }

    /// A value as a vector; a pool over everything is one already.
    fn pointed(&mut self, x: usize, layer: &Layer<'_>) -> Result<usize, Fault> {
        if self.building.shape(x).len() == 1 {
            return Ok(x);
        }
        let whole = self.building.line(x).and_then(|line| match line.word {
            "adaptive_avg_pool2d" => Some(("global_avg_pool", line.inputs[0])),
            "adaptive_max_pool2d" => Some(("global_max_pool", line.inputs[0])),
            _ => None,
        });
        let (word, input) = whole.unwrap_or(("flatten", x));
        self.building.layer(word, input, Vec::new(), Vec::new(), &layer.origin)
    }

    fn convolution(&mut self, layer: &Layer<'_>) -> Result<usize, Fault> {
        let x = self.value(layer, 0)?;
        let (channels, filters) = (self.building.channels(x), layer.count(CONV, "num_output", None)?);
        let own = if layer.kind == "Convolution" { 1 } else { channels };
        let groups = layer.count(CONV, "group", Some(own))?;
        if layer.number(CONV, "axis", 1.0)? != 1.0 {
            return Err(layer.refuse("it is along another axis than that of the channels"));
        }
        if channels % groups != 0 || filters % groups != 0 {
            return Err(
                layer.wrong(format!("has {groups} groups of {channels} channels and {filters} filters"))
            );
        }
        let has_bias = layer.bool(CONV, "bias_term", Some(true))?;
        let padding = layer.pair(CONV, "pad", Some(0), 0)?;
        let mut given = vec![
            ("kernel", Arg::Pair(layer.pair(CONV, "kernel_size", None, 1)?)),
            ("stride", Arg::Pair(layer.pair(CONV, "stride", Some(1), 1)?)),
            ("padding", sides([padding[0], padding[0], padding[1], padding[1]])),
            ("dilation", Arg::Pair(layer.pair(CONV, "dilation", Some(1), 1)?)),
            ("bias", Arg::Bool(has_bias)),
        ];
        let mut weights = vec![("weight", self.blob(layer, 0)?.weight())];
        if has_bias {
            weights.push(("bias", self.blob(layer, 1)?.weight()));
        }
        if groups == channels && groups > 1 {
            given.push(("multiplier", Arg::Whole(filters / groups)));
            return self.building.layer("depthwise_conv2d", x, given, weights, &layer.origin);
        }
        given.push(("channels", Arg::Whole(filters)));
        given.push(("groups", Arg::Whole(groups)));
        self.building.layer("conv2d", x, given, weights, &layer.origin)
    }

    fn deconvolution(&mut self, layer: &Layer<'_>) -> Result<usize, Fault> {
        let x = self.value(layer, 0)?;
        let has_bias = layer.bool(CONV, "bias_term", Some(true))?;
        let padding = layer.pair(CONV, "pad", Some(0), 0)?;
        let given = vec![
            ("channels", Arg::Whole(layer.count(CONV, "num_output", None)?)),
            ("kernel", Arg::Pair(layer.pair(CONV, "kernel_size", None, 1)?)),
            ("stride", Arg::Pair(layer.pair(CONV, "stride", Some(1), 1)?)),
            ("padding", sides([padding[0], padding[0], padding[1], padding[1]])),
            ("dilation", Arg::Pair(layer.pair(CONV, "dilation", Some(1), 1)?)),
            ("groups", Arg::Whole(layer.count(CONV, "group", Some(1))?)),
            ("bias", Arg::Bool(has_bias)),
        ];
        let mut weights = vec![("weight", self.blob(layer, 0)?.weight())];
        if has_bias {
            weights.push(("bias", self.blob(layer, 1)?.weight()));
        }
        self.building.layer("conv_transpose2d", x, given, weights, &layer.origin)
    }

    fn inner_product(&mut self, layer: &Layer<'_>) -> Result<usize, Fault> {
        if layer.number(INNER, "axis", 1.0)? != 1.0 || layer.bool(INNER, "transpose", Some(false))? {
            return Err(layer.refuse("its matrix is turned, or it is along another axis"));
        }
        let x = self.value(layer, 0)?;
        let flat = self.pointed(x, layer)?;
        let has_bias = layer.bool(INNER, "bias_term", Some(true))?;
        let mut weights = vec![("weight", self.blob(layer, 0)?.weight())];
        if has_bias {
            weights.push(("bias", self.blob(layer, 1)?.weight()));
        }
        let given = vec![
            ("features", Arg::Whole(layer.count(INNER, "num_output", None)?)),
            ("bias", Arg::Bool(has_bias)),
        ];
        self.building.layer("linear", flat, given, weights, &layer.origin)
    }

    fn pooling(&mut self, layer: &Layer<'_>) -> Result<usize, Fault> {
        let x = self.value(layer, 0)?;
        let is_mean = match layer.word(POOL, "pool").unwrap_or("MAX") {
            "MAX" | "0" => false,
            "AVE" | "1" => true,
            other => {
                return Err(
                    layer.refuse(format!("it pools by `{}`", other.chars().take(40).collect::<String>()))
                );
            }
        };
        if layer.bool(POOL, "global_pooling", Some(false))? {
            let word = if is_mean { "adaptive_avg_pool2d" } else { "adaptive_max_pool2d" };
            return self.building.layer(
                word,
                x,
                vec![("size", Arg::Pair([1, 1]))],
                Vec::new(),
                &layer.origin,
            );
        }
        let (kernel, stride) =
            (layer.pair(POOL, "kernel_size", None, 1)?, layer.pair(POOL, "stride", Some(1), 1)?);
        let padding = layer.pair(POOL, "pad", Some(0), 0)?;
        let &[_, height, width] = self.building.shape(x) else {
            return Err(layer.refuse("it takes no image"));
        };
        // As the whole image has it, whatever the stride.
        if is_mean && kernel == [height, width] && padding == [0, 0] {
            let one = vec![("size", Arg::Pair([1, 1]))];
            return self.building.layer("adaptive_avg_pool2d", x, one, Vec::new(), &layer.origin);
        }
        let rounds_down = match (layer.word(POOL, "round_mode"), layer.bool(POOL, "ceil_mode", Some(true))?) {
            (Some("FLOOR" | "1"), _) | (_, false) => true,
            (Some(_) | None, true) => false,
        };
        let windows = |ceil: bool| {
            [height, width].into_iter().enumerate().map(move |(i, extent)| {
                let [before, after] = [padding[i]; 2];
                Window { kernel: kernel[i], stride: stride[i], before, after, dilation: 1, ceil }
                    .output(extent)
            })
        };
        let ceil = !rounds_down && !windows(true).eq(windows(false));
        let mut given = vec![
            ("kernel", Arg::Pair(kernel)),
            ("stride", Arg::Pair(stride)),
            ("padding", sides([padding[0], padding[0], padding[1], padding[1]])),
            ("ceil", Arg::Bool(ceil)),
        ];
        if is_mean {
            given.push(("count_padding", Arg::Bool(true)));
        }
        let word = if is_mean { "avg_pool2d" } else { "max_pool2d" };
        self.building.layer(word, x, given, Vec::new(), &layer.origin)
    }

    /// Mean and variance are sums there, to be divided by the third array.
    fn batch_norm(&mut self, layer: &Layer<'_>) -> Result<usize, Fault> {
        let x = self.value(layer, 0)?;
        let channels = self.building.channels(x);
        let [mean, variance, count] = [self.blob(layer, 0)?, self.blob(layer, 1)?, self.blob(layer, 2)?];
        let count = count.numbers().first().copied().unwrap_or_default();
        let factor = if count == 0.0 { 0.0 } else { 1.0 / count };
        let divided = |blob: &Blob<'a>| {
            let own = blob.clone();
            Weight::later(blob.count(), move || Ok(own.numbers().into_iter().map(|n| n * factor).collect()))
        };
        let kept = layer.number("batch_norm_param", "moving_average_fraction", 0.999)?;
        let given = vec![
            ("momentum", Arg::Number(((1.0 - kept) * 1e6).round() / 1e6)),
            ("epsilon", Arg::Number(layer.number("batch_norm_param", "eps", 1e-5)?)),
        ];
        let weights = vec![
            ("weight", Weight::All(channels, 1.0)),
            ("bias", Weight::All(channels, 0.0)),
            ("running_mean", divided(mean)),
            ("running_var", divided(variance)),
        ];
        let at = self.building.layer("batch_norm", x, given, weights, &layer.origin)?;
        self.bare.insert(at);
        Ok(at)
    }

    fn scale(&mut self, layer: &Layer<'_>, rest: &[Layer<'_>]) -> Result<usize, Fault> {
        const PARAM: &str = "scale_param";
        let x = self.value(layer, 0)?;
        let axis = layer.number(PARAM, "axis", 1.0)?;
        if layer.bottoms.len() > 1 {
            let gate = self.value(layer, 1)?;
            let shape = self.building.shape(gate).to_vec();
            let gate = match (shape.as_slice(), self.building.shape(x).len()) {
                (&[channels], 3) => {
                    let own = vec![("shape", Arg::Shape(Shape::new([channels, 1, 1])))];
                    self.building.layer("reshape", gate, own, Vec::new(), &layer.origin)?
                }
                _ => gate,
            };
            return self.building.join("multiply", vec![x, gate], &layer.origin);
        }
        if axis != 1.0 || layer.number(PARAM, "num_axes", 1.0)? != 1.0 {
            return Err(layer.refuse("it has a factor for other axes than that of the channels"));
        }
        let has_bias = layer.bool(PARAM, "bias_term", Some(false))?;
        let n = self.building.channels(x);
        let factor = self.blob(layer, 0)?.weight();
        let offset = if has_bias { self.blob(layer, 1)?.weight() } else { Weight::All(n, 0.0) };
        // The other half of a norm, which is one layer here, unless somebody wants the first half alone.
        let is_taken = self.building.lines.iter().skip(x).any(|line| line.inputs.contains(&x));
        let mut later = rest.iter().flat_map(|other| &other.bottoms);
        let is_wanted =
            is_taken || later.any(|name| !layer.tops.contains(name) && self.values.get(*name) == Some(&x));
        if self.bare.remove(&x)
            && !is_wanted
            && let Some(line) = x.checked_sub(1).and_then(|at| self.building.lines.get_mut(at))
            && factor.count() == n
            && offset.count() == n
        {
            for (name, weight) in &mut line.weights {
                match *name {
                    "weight" => *weight = factor.clone(),
                    "bias" => *weight = offset.clone(),
                    _ => {}
                }
            }
            return Ok(x);
        }
        self.building.affine(x, factor, offset, &layer.origin)
    }

    fn response_norm(&mut self, layer: &Layer<'_>) -> Result<usize, Fault> {
        const PARAM: &str = "lrn_param";
        if !matches!(layer.word(PARAM, "norm_region"), None | Some("ACROSS_CHANNELS" | "0")) {
            return Err(
                layer.refuse("it is over the pixels around each (`WITHIN_CHANNEL`), not over channels")
            );
        }
        let given = vec![
            ("size", Arg::Whole(layer.count(PARAM, "local_size", Some(5))?)),
            ("alpha", Arg::Number(layer.number(PARAM, "alpha", 1.0)?)),
            ("beta", Arg::Number(layer.number(PARAM, "beta", 0.75)?)),
            ("k", Arg::Number(layer.number(PARAM, "k", 1.0)?)),
        ];
        self.plain("local_response_norm", layer, given)
    }

    /// To a vector, or to the image of one pixel that it was.
    fn reshape(&mut self, layer: &Layer<'_>) -> Result<usize, Fault> {
        let x = self.value(layer, 0)?;
        let dims: Vec<&str> = layer
            .message("reshape_param", "shape")
            .map(|shape| shape.words("dim").collect())
            .unwrap_or_default();
        let shape = self.building.shape(x).to_vec();
        let n: usize = shape.iter().product();
        let is = |word: &str, extent: usize| word == extent.to_string() || word == "-1";
        match dims.as_slice() {
            ["0", rest] if is(rest, n) => self.pointed(x, layer),
            ["0", channels, "1", "1"]
                if is(channels, n) || (*channels == "0" && shape.first() == Some(&n)) =>
            {
                match shape.len() {
                    1 => {
                        let own = vec![("shape", Arg::Shape(Shape::new([n, 1, 1])))];
                        self.building.layer("reshape", x, own, Vec::new(), &layer.origin)
                    }
                    _ => Ok(x),
                }
            }
            _ => Err(layer.refuse(format!("it makes {dims:?} of {shape:?}"))),
        }
    }

    fn eltwise(&mut self, layer: &Layer<'_>) -> Result<usize, Fault> {
        const PARAM: &str = "eltwise_param";
        let mut inputs =
            (0..layer.bottoms.len()).map(|at| self.value(layer, at)).collect::<Result<Vec<_>, _>>()?;
        match layer.word(PARAM, "operation").unwrap_or("SUM") {
            "PROD" | "0" => self.building.join("multiply", inputs, &layer.origin),
            "SUM" | "1" => {
                let factors = layer.words(PARAM, "coeff");
                if !factors.is_empty() && factors.len() != inputs.len() {
                    return Err(layer.wrong(format!(
                        "has {} factors for {} values",
                        factors.len(),
                        inputs.len()
                    )));
                }
                for (input, factor) in inputs.iter_mut().zip(factors) {
                    let factor = factor.parse::<f64>().ok().filter(|n| n.is_finite());
                    let factor = factor.ok_or_else(|| layer.wrong("has a factor that is no number"))?;
                    *input = self.building.scale(*input, factor, &layer.origin)?;
                }
                self.building.join("add", inputs, &layer.origin)
            }
            other => {
                let other: String = other.chars().take(40).collect();
                Err(layer.refuse(format!("there is no join for `{other}`")))
            }
        }
    }
}

/// The shape of one image, where the text says it.
fn extents(net: &Message, data: Option<&Layer<'_>>) -> Result<Shape, Fault> {
    let own = data.and_then(|layer| layer.message("input_param", "shape"));
    let dims: Vec<&str> = match (net.words("input_dim").collect::<Vec<_>>(), net.message("input_shape"), own)
    {
        (dims, _, _) if !dims.is_empty() => dims,
        (_, Some(shape), _) | (_, None, Some(shape)) => shape.words("dim").collect(),
        (_, None, None) => Vec::new(),
    };
    let whole: Option<Vec<usize>> = dims.iter().skip(1).map(|dim| dim.parse().ok()).collect();
    let whole = whole.filter(|whole: &Vec<usize>| (1..=3).contains(&whole.len()));
    whole.map(Shape::new).ok_or_else(|| {
        Fault::new(codes::EXCHANGE_IN, "the text leaves the extents of its input open")
            .advise("`--input 3x224x224` with the channels, height and width of one image")
    })
}
