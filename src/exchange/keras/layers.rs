//! A layer of Keras with one value → layers of ours. Pixels of Keras have their channels together; ours have each channel together:
//! kernels are turned, and what follows a flatten takes its numbers in the other order.

use crate::diag::Fault;
use crate::exchange::import::building::{Given, Weights, sides};
use crate::exchange::import::line::Weight;
use crate::exchange::keras::config::{Config, parts};
use crate::exchange::keras::wiring::{Flow, Network};
use crate::exchange::keras::{activations, wrong};
use crate::spec::{Arg, Padding};
use crate::weights::carry::turned;
use crate::weights::hdf5::Array;
use crate::weights::keras::store::Place;

/// A layer, and the activation that is part of it.
pub fn layer(network: &mut Network<'_>, config: &Config<'_>, place: &Place, x: Flow) -> Result<Flow, Fault> {
    if config.text("data_format", "channels_last")? == "channels_first" {
        return Err(config.refuse("its images have their channels first (`data_format`)"));
    }
    let arrays = network.store.arrays(place, &parts(config.class, config.values)).map_err(wrong)?;
    let mut layer = Layer { network, config, arrays };
    let flow = layer.read(x)?;
    match config.get("activation") {
        Some(activation) if config.class != "Activation" => {
            activations::named(layer.network, config, activation, flow)
        }
        Some(_) | None => Ok(flow),
    }
}

struct Layer<'n, 'a, 'c> {
    network: &'n mut Network<'a>,
    config: &'n Config<'c>,
    arrays: Vec<Array>,
}

/// Numbers of an array in these extents, with its axes in another order.
fn reordered<'a>(array: Array, extents: Vec<usize>, axes: Vec<usize>) -> Weight<'a> {
    let n = extents.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent)).unwrap_or(usize::MAX);
    Weight::later(n, move || Ok(turned(&array.numbers().map_err(wrong)?, &extents, &axes)))
}

/// A number for each channel; a single one stands for all.
fn spread(numbers: Vec<f64>, channels: usize) -> Weight<'static> {
    match numbers.as_slice() {
        &[one] => Weight::All(channels, one),
        _ => Weight::Own(std::rc::Rc::new(numbers)),
    }
}

/// Numbers of an array as they are.
fn plain<'a>(array: Array) -> Result<Weight<'a>, Fault> {
    let n = array.elements().map_err(wrong)?;
    Ok(Weight::later(n, move || array.numbers().map_err(wrong)))
}

impl Layer<'_, '_, '_> {
    fn read(&mut self, x: Flow) -> Result<Flow, Fault> {
        match self.config.class {
            "InputLayer"
            | "ActivityRegularization"
            | "GaussianNoise"
            | "GaussianDropout"
            | "AlphaDropout" => Ok(x),
            class if class.starts_with("Random") => {
                let name = &self.config.origin.name;
                self.network.remarks.push(format!(
                    "`{name}` ({class}) changes pictures at random, in training only: in dslc that belongs in the `data` section"
                ));
                Ok(x)
            }
            "Dropout" => self.dropout("dropout", x),
            "SpatialDropout2D" => self.dropout("dropout2d", x),
            "Conv2D" | "Conv1D" => self.conv(x),
            "DepthwiseConv2D" => self.depthwise(x),
            "SeparableConv2D" => self.separable(x),
            "Conv2DTranspose" => self.conv_transpose(x),
            "Dense" => self.dense(x),
            "BatchNormalization" => self.batch_norm(x),
            "LayerNormalization" | "GroupNormalization" => self.norm(x),
            "MaxPooling2D" => self.pool("max_pool2d", 2, x),
            "AveragePooling2D" => self.pool("avg_pool2d", 2, x),
            "MaxPooling1D" => self.pool("max_pool1d", 1, x),
            "AveragePooling1D" => self.pool("avg_pool1d", 1, x),
            "GlobalAveragePooling2D" => self.whole(["global_avg_pool", "adaptive_avg_pool2d"], x),
            "GlobalMaxPooling2D" => self.whole(["global_max_pool", "adaptive_max_pool2d"], x),
            "GlobalAveragePooling1D" => self.whole(["global_avg_pool", "adaptive_avg_pool1d"], x),
            "GlobalMaxPooling1D" => self.whole(["global_max_pool", "adaptive_max_pool1d"], x),
            "Flatten" => self.flatten(x),
            "Reshape" => self.reshape(x),
            "ZeroPadding2D" => self.pad(x),
            "Cropping2D" => self.crop(x),
            "UpSampling2D" => self.upsample(x),
            "Rescaling" => self.rescaling(x),
            "Normalization" => self.normalization(x),
            "PReLU" => self.prelu(x),
            class => activations::layer(self.network, self.config, class, x),
        }
    }

    /// Adds a layer that changes the extents, so that nothing of a flatten before it is left.
    fn put(
        &mut self,
        word: &'static str,
        x: &Flow,
        given: Given,
        weights: Vec<(&'static str, Weight<'static>)>,
    ) -> Result<Flow, Fault> {
        let weights: Weights<'_> = weights;
        let at = self.network.building.layer(word, x.at, given, weights, &self.config.origin)?;
        Ok(Flow { at, flat: None })
    }

    /// The same of a layer that works on each number by itself.
    fn keep(
        &mut self,
        word: &'static str,
        x: &Flow,
        given: Given,
        weights: Vec<(&'static str, Weight<'static>)>,
    ) -> Result<Flow, Fault> {
        Ok(Flow { flat: x.flat.clone(), ..self.put(word, x, given, weights)? })
    }

    fn dropout(&mut self, word: &'static str, x: Flow) -> Result<Flow, Fault> {
        let rate = self.config.number("rate", 0.5)?;
        match rate > 0.0 {
            true => self.keep(word, &x, vec![("p", Arg::Number(rate.min(0.99)))], Vec::new()),
            false => Ok(x),
        }
    }

    /// Which of its windows' extents a layer has, in our words: a pair, or a number of a sequence.
    fn window(&self, key: &str, rank: usize, default: &[usize]) -> Result<Arg, Fault> {
        let extents = self.config.extents(key, rank, default)?;
        Ok(match extents.as_slice() {
            &[a, b] => Arg::Pair([a, b]),
            extents => Arg::Whole(extents.first().copied().unwrap_or(1)),
        })
    }

    fn padding(&self) -> Result<Arg, Fault> {
        match self.config.text("padding", "valid")? {
            "valid" => Ok(sides([0; 4])),
            "same" => Ok(Arg::Padding(Padding::Same)),
            other => Err(self.config.refuse(format!("its padding is `{other}`"))),
        }
    }

    /// Padding of a convolution, with the zeros that a layer of their own put around the image before it.
    fn padded(&self, x: &Flow) -> Result<(usize, Arg), Fault> {
        let rank = if self.config.class == "Conv1D" { 1 } else { 2 };
        // A window of one pixel reaches nothing around it.
        let is_point = self.config.extents("kernel_size", rank, &[])?.iter().all(|&extent| extent == 1);
        let padding = if is_point { sides([0; 4]) } else { self.padding()? };
        let before = self.network.building.line(x.at).filter(|line| line.word == "pad");
        let zeros = before.and_then(|line| {
            let given =
                line.args.iter().find(|(name, _)| *name == "padding").map(|(_, value)| value.as_str())?;
            Some((line.inputs.first().copied()?, parsed(given)?))
        });
        Ok(match (zeros, &padding) {
            (Some((input, ends)), Arg::Padding(Padding::Sides([0, 0, 0, 0]))) => (input, sides(ends)),
            _ => (x.at, padding),
        })
    }

    fn bias(&self, at: usize) -> Result<Option<Weight<'static>>, Fault> {
        self.arrays.get(at).cloned().map(plain).transpose()
    }

    /// The array at a place, which must have so many axes.
    fn array(&self, at: usize, rank: usize) -> Result<Array, Fault> {
        let array = self.arrays.get(at).filter(|array| array.shape.len() == rank).cloned();
        array.ok_or_else(|| {
            wrong(format!("has weights of another kind of layer for `{}`", self.config.origin.name))
        })
    }

    /// Adds a layer with a kernel and, where there is one, a bias.
    fn convolution(
        &mut self,
        word: &'static str,
        input: usize,
        mut given: Given,
        kernel: Weight<'static>,
        bias: Option<Weight<'static>>,
    ) -> Result<Flow, Fault> {
        given.push(("bias", Arg::Bool(bias.is_some())));
        let mut weights = vec![("weight", kernel)];
        weights.extend(bias.map(|bias| ("bias", bias)));
        self.put(word, &Flow { at: input, flat: None }, given, weights)
    }

    fn conv(&mut self, x: Flow) -> Result<Flow, Fault> {
        let (rank, word) = if self.config.class == "Conv1D" { (1, "conv1d") } else { (2, "conv2d") };
        let kernel = self.array(0, rank + 2)?;
        let shape = kernel.shape.clone();
        let axes = if rank == 1 { vec![2, 1, 0] } else { vec![3, 2, 0, 1] };
        let (input, padding) = self.padded(&x)?;
        let given = vec![
            ("channels", Arg::Whole(self.config.count("filters", None)?)),
            ("kernel", self.window("kernel_size", rank, &[])?),
            ("stride", self.window("strides", rank, &[1])?),
            ("padding", padding),
            ("dilation", self.window("dilation_rate", rank, &[1])?),
            ("groups", Arg::Whole(self.config.count("groups", Some(1))?)),
        ];
        let bias = self.bias(1)?;
        self.convolution(word, input, given, reordered(kernel, shape, axes), bias)
    }

    /// The depthwise part, and how many filters each channel has.
    fn filters(&mut self, x: &Flow, bias: Option<Weight<'static>>) -> Result<Flow, Fault> {
        let kernel = self.array(0, 4)?;
        let shape = kernel.shape.clone();
        let (input, padding) = self.padded(x)?;
        let given = vec![
            ("kernel", self.window("kernel_size", 2, &[])?),
            ("multiplier", Arg::Whole(self.config.count("depth_multiplier", Some(1))?)),
            ("stride", self.window("strides", 2, &[1])?),
            ("padding", padding),
            ("dilation", self.window("dilation_rate", 2, &[1])?),
        ];
        self.convolution("depthwise_conv2d", input, given, reordered(kernel, shape, vec![2, 3, 0, 1]), bias)
    }

    fn depthwise(&mut self, x: Flow) -> Result<Flow, Fault> {
        let bias = self.bias(1)?;
        self.filters(&x, bias)
    }

    fn separable(&mut self, x: Flow) -> Result<Flow, Fault> {
        let apart = self.filters(&x, None)?;
        let kernel = self.array(1, 4)?;
        let shape = kernel.shape.clone();
        let given = vec![
            ("channels", Arg::Whole(self.config.count("filters", None)?)),
            ("kernel", Arg::Pair([1, 1])),
        ];
        let bias = self.bias(2)?;
        self.convolution("conv2d", apart.at, given, reordered(kernel, shape, vec![3, 2, 0, 1]), bias)
    }

    fn conv_transpose(&mut self, x: Flow) -> Result<Flow, Fault> {
        let kernel = self.array(0, 4)?;
        let shape = kernel.shape.clone();
        if self.config.get("output_padding").is_some() {
            return Err(self.config.refuse("it has an `output_padding`"));
        }
        let (size, stride) =
            (self.config.extents("kernel_size", 2, &[])?, self.config.extents("strides", 2, &[1])?);
        let dilation = self.config.extents("dilation_rate", 2, &[1])?;
        let is_same = self.padding()? == Arg::Padding(Padding::Same);
        // `same` gives the input's extents times the stride, `valid` never less than the windows reach.
        let (mut cuts, mut more) = ([0; 4], [0; 2]);
        for i in 0..2 {
            let reach = dilation[i].saturating_mul(size[i] - 1) + 1;
            let cut = if is_same { reach.saturating_sub(stride[i]) } else { 0 };
            (cuts[2 * i], cuts[2 * i + 1]) = (cut / 2, cut - cut / 2);
            more[i] = stride[i].saturating_sub(reach);
        }
        if more[0] != more[1] {
            return Err(self
                .config
                .refuse("its kernel and its stride differ by other amounts down than across"));
        }
        if cuts[0] != cuts[1] || cuts[2] != cuts[3] {
            let name = self.config.origin.name.clone();
            self.network.remarks.push(format!(
                "`{name}` cuts an odd number of pixels, the smaller half first, as TensorFlow does; Keras on PyTorch differs"
            ));
        }
        let given = vec![
            ("channels", Arg::Whole(self.config.count("filters", None)?)),
            ("kernel", Arg::Pair([size[0], size[1]])),
            ("stride", Arg::Pair([stride[0], stride[1]])),
            ("padding", sides(cuts)),
            ("output_padding", Arg::Whole(more[0])),
            ("dilation", Arg::Pair([dilation[0], dilation[1]])),
        ];
        let bias = self.bias(1)?;
        self.convolution("conv_transpose2d", x.at, given, reordered(kernel, shape, vec![3, 2, 0, 1]), bias)
    }

    fn dense(&mut self, x: Flow) -> Result<Flow, Fault> {
        let kernel = self.array(0, 2)?;
        let &[inputs, outputs] = kernel.shape.as_slice() else {
            return Err(wrong("has a kernel of other axes"));
        };
        if self.config.count("units", None)? != outputs {
            return Err(wrong(format!("says another number of `units` for `{}`", self.config.origin.name)));
        }
        let rank = self.network.building.shape(x.at).len();
        let bias = self.bias(1)?;
        let units = Arg::Whole(outputs);
        if rank > 1 {
            // On each pixel by itself: a convolution of one pixel.
            let (word, size) =
                if rank == 3 { ("conv2d", Arg::Pair([1, 1])) } else { ("conv1d", Arg::Whole(1)) };
            let kernel = reordered(kernel, vec![inputs, outputs], vec![1, 0]);
            return self.convolution(word, x.at, vec![("channels", units), ("kernel", size)], kernel, bias);
        }
        let kernel = match &x.flat {
            Some(extents) if extents.iter().product::<usize>() == inputs => {
                let (last, axes) = last(extents);
                let axes = std::iter::once(last.len()).chain(axes).collect();
                reordered(kernel, [last, vec![outputs]].concat(), axes)
            }
            Some(_) | None => reordered(kernel, vec![inputs, outputs], vec![1, 0]),
        };
        self.convolution("linear", x.at, vec![("features", units)], kernel, bias)
    }

    /// Whether the layer's axis is that of the channels.
    fn has_last_axis(&self, x: &Flow) -> Result<bool, Fault> {
        let rank = self.network.building.shape(x.at).len() as i64;
        let axis = match self.config.get("axis") {
            None => -1.0,
            Some(_) => match self.config.numbers("axis")?.as_slice() {
                &[axis] => axis,
                _ => return Ok(false),
            },
        };
        Ok(axis == -1.0 || axis == rank as f64)
    }

    /// A number for each channel, in our order of them.
    fn each(&self, array: Array, x: &Flow) -> Result<Weight<'static>, Fault> {
        match &x.flat {
            Some(extents) if array.elements().map_err(wrong)? == extents.iter().product::<usize>() => {
                let (last, axes) = last(extents);
                Ok(reordered(array, last, axes))
            }
            Some(_) | None => plain(array),
        }
    }

    /// The numbers of a norm by our names, one array after another; a scale or a shift that it is without changes nothing.
    fn normed(&self, x: &Flow, names: &[&'static str]) -> Result<Weights<'static>, Fault> {
        let channels = self.network.building.channels(x.at);
        let mut arrays = self.arrays.iter().cloned();
        let mut weights = Vec::new();
        for &name in names {
            let without = match name {
                "weight" if !self.config.bool("scale", Some(true))? => Some(1.0),
                "bias" if !self.config.bool("center", Some(true))? => Some(0.0),
                _ => None,
            };
            let weight = match without {
                Some(number) => Weight::All(channels, number),
                None => self.each(arrays.next().ok_or_else(|| wrong("lost an array"))?, x)?,
            };
            weights.push((name, weight));
        }
        Ok(weights)
    }

    fn batch_norm(&mut self, x: Flow) -> Result<Flow, Fault> {
        if !self.has_last_axis(&x)? {
            return Err(self.config.refuse("it normalises another axis than that of the channels"));
        }
        let weights = self.normed(&x, &["weight", "bias", "running_mean", "running_var"])?;
        // Keras keeps what ours lets go.
        let momentum = ((1.0 - self.config.number("momentum", 0.99)?) * 1e6).round() / 1e6;
        let given = vec![
            ("momentum", Arg::Number(momentum)),
            ("epsilon", Arg::Number(self.config.number("epsilon", 1e-3)?)),
        ];
        self.keep("batch_norm", &x, given, weights)
    }

    fn norm(&mut self, x: Flow) -> Result<Flow, Fault> {
        let is_layer = self.config.class == "LayerNormalization";
        let rank = self.network.building.shape(x.at).len();
        if !self.has_last_axis(&x)? || (is_layer && rank != 1) {
            return Err(self.config.refuse("it normalises the channels of each pixel by themselves"));
        }
        let weights = self.normed(&x, &["weight", "bias"])?;
        let epsilon = ("epsilon", Arg::Number(self.config.number("epsilon", 1e-3)?));
        if is_layer {
            return self.keep("layer_norm", &x, vec![epsilon], weights);
        }
        let groups = match self.config.number("groups", 32.0)? {
            -1.0 => self.network.building.channels(x.at),
            _ => self.config.count("groups", Some(32))?,
        };
        self.keep("group_norm", &x, vec![("groups", Arg::Whole(groups)), epsilon], weights)
    }

    fn pool(&mut self, word: &'static str, rank: usize, x: Flow) -> Result<Flow, Fault> {
        let size = self.config.extents("pool_size", rank, &[2])?;
        let mut given = vec![
            ("kernel", self.window("pool_size", rank, &[2])?),
            ("stride", self.window("strides", rank, &size)?),
            ("padding", self.padding()?),
        ];
        if word.starts_with("avg") && self.padding()? == Arg::Padding(Padding::Same) {
            given.push(("count_padding", Arg::Bool(false)));
        }
        self.put(word, &x, given, Vec::new())
    }

    fn whole(&mut self, [flat, kept]: [&'static str; 2], x: Flow) -> Result<Flow, Fault> {
        if !self.config.bool("keepdims", Some(false))? {
            return self.put(flat, &x, Vec::new(), Vec::new());
        }
        let one = if kept.ends_with("2d") { Arg::Pair([1, 1]) } else { Arg::Whole(1) };
        self.put(kept, &x, vec![("size", one)], Vec::new())
    }

    fn flatten(&mut self, x: Flow) -> Result<Flow, Fault> {
        let shape = self.network.building.shape(x.at).to_vec();
        if shape.len() == 1 {
            return Ok(x);
        }
        let flow = self.put("flatten", &x, Vec::new(), Vec::new())?;
        let is_mixed = shape[0] > 1 && shape[1..].iter().any(|&extent| extent > 1);
        Ok(Flow { flat: is_mixed.then_some(shape), ..flow })
    }

    fn reshape(&mut self, x: Flow) -> Result<Flow, Fault> {
        let shape = self.network.building.shape(x.at).to_vec();
        let whole: usize = shape.iter().product();
        let wanted = self.config.numbers("target_shape")?;
        let known: f64 = wanted.iter().filter(|&&n| n != -1.0).product();
        let open = if known >= 1.0 { (whole as f64 / known).floor() } else { 0.0 };
        let mut ours: Vec<usize> =
            wanted.iter().map(|&n| if n == -1.0 { open as usize } else { n as usize }).collect();
        let n = ours.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
        if ours.is_empty() || ours.len() > 3 || n != Some(whole) {
            return Err(self.config.refuse(format!("it makes {wanted:?} of {whole} numbers")));
        }
        if ours.len() == 1 {
            return self.flatten(x);
        }
        ours.rotate_right(1);
        if ours == shape {
            return Ok(x);
        }
        let point = |shape: &[usize]| shape.iter().filter(|&&extent| extent > 1).count() <= 1;
        let is_one_channel = |shape: &[usize]| shape.len() == 1 || shape[0] == 1;
        let fits = match &x.flat {
            Some(extents) => *extents == ours,
            None => (point(&shape) && point(&ours)) || (is_one_channel(&shape) && is_one_channel(&ours)),
        };
        if !fits {
            return Err(self.config.refuse(
                "it deals numbers out to pixels with their channels together, where ours has each channel together",
            ));
        }
        // The mean of each channel as an image of one pixel.
        let before =
            self.network.building.line(x.at).filter(|line| ours[1..] == [1, 1] && line.inputs.len() == 1);
        let whole = before.and_then(|line| match line.word {
            "global_avg_pool" => Some(("adaptive_avg_pool2d", line.inputs[0])),
            "global_max_pool" => Some(("adaptive_max_pool2d", line.inputs[0])),
            _ => None,
        });
        if let Some((word, at)) = whole {
            return self.put(word, &Flow { at, flat: None }, vec![("size", Arg::Pair([1, 1]))], Vec::new());
        }
        let shape = Arg::Shape(crate::shape::Shape::new(&ours));
        self.put("reshape", &x, vec![("shape", shape)], Vec::new())
    }

    fn pad(&mut self, x: Flow) -> Result<Flow, Fault> {
        let ends = self.config.ends("padding")?;
        if ends == [0; 4] {
            return Ok(x);
        }
        self.put("pad", &x, vec![("padding", sides(ends))], Vec::new())
    }

    fn crop(&mut self, x: Flow) -> Result<Flow, Fault> {
        let [top, bottom, left, right] = self.config.ends("cropping")?;
        let shape = self.network.building.shape(x.at).to_vec();
        let &[_, height, width] = shape.as_slice() else {
            return Err(self.config.refuse("it takes no image"));
        };
        let rest = |whole: usize, ends: usize| whole.checked_sub(ends).filter(|&n| n > 0);
        match (rest(height, top + bottom), rest(width, left + right)) {
            (Some(height), Some(width)) => {
                let given = vec![
                    ("size", Arg::Pair([height, width])),
                    ("top", Arg::Whole(top)),
                    ("left", Arg::Whole(left)),
                ];
                self.put("crop", &x, given, Vec::new())
            }
            _ => Err(self.config.refuse("it leaves nothing")),
        }
    }

    fn upsample(&mut self, x: Flow) -> Result<Flow, Fault> {
        let mode = match self.config.text("interpolation", "nearest")? {
            own @ ("nearest" | "bilinear") => own.to_owned(),
            other => return Err(self.config.refuse(format!("its interpolation is `{other}`"))),
        };
        let given = vec![("scale", self.window("size", 2, &[2])?), ("mode", Arg::Word(mode))];
        self.put("upsample", &x, given, Vec::new())
    }

    /// What a first layer says of the pixels that it expects.
    fn told(&mut self, x: &Flow) {
        if x.at == 0 {
            let name = &self.config.origin.name;
            self.network.remarks.push(format!(
                "`{name}` prepares the pixels inside the network, mostly 0 to 255: add `scale 255` in front of it for pixels of 0 to 1"
            ));
        }
    }

    fn rescaling(&mut self, x: Flow) -> Result<Flow, Fault> {
        let (scale, offset) = (self.config.numbers("scale")?, self.config.numbers("offset")?);
        let channels = self.network.building.channels(x.at);
        self.told(&x);
        if let (&[factor], true) = (scale.as_slice(), offset.iter().all(|&n| n == 0.0)) {
            let at = self.network.building.scale(x.at, factor, &self.config.origin)?;
            return Ok(Flow { at, ..x });
        }
        let weight = |numbers: Vec<f64>, otherwise: f64| match numbers.is_empty() {
            true => Weight::All(channels, otherwise),
            false => spread(numbers, channels),
        };
        let (factor, offset) = (weight(scale, 1.0), weight(offset, 0.0));
        let at = self.network.building.affine(x.at, factor, offset, &self.config.origin)?;
        Ok(Flow { at, ..x })
    }

    /// `(x - mean) / max(√variance, 1e-7)`
    fn normalization(&mut self, x: Flow) -> Result<Flow, Fault> {
        if self.config.bool("invert", Some(false))? || !self.has_last_axis(&x)? {
            return Err(self
                .config
                .refuse("it is inverted, or works on another axis than that of the channels"));
        }
        self.told(&x);
        let channels = self.network.building.channels(x.at);
        let [mean, variance] = match (self.arrays.first().cloned(), self.arrays.get(1).cloned()) {
            (Some(mean), Some(variance)) => [mean, variance].map(|array| array.numbers().map_err(wrong)),
            _ => ["mean", "variance"]
                .map(|key| Ok(self.config.numbers(key)?.iter().map(|number| *number as f32).collect())),
        };
        let least = |variance: f64| variance.sqrt().max(1e-7).powi(2);
        let mean: Vec<f64> = mean?.into_iter().map(f64::from).collect();
        let variance: Vec<f64> = variance?.into_iter().map(f64::from).map(least).collect();
        let weights = vec![
            ("weight", Weight::All(channels, 1.0)),
            ("bias", Weight::All(channels, 0.0)),
            ("running_mean", spread(mean, channels)),
            ("running_var", spread(variance, channels)),
        ];
        self.keep("batch_norm", &x, vec![("epsilon", Arg::Number(0.0))], weights)
    }

    fn prelu(&mut self, x: Flow) -> Result<Flow, Fault> {
        let array = self.arrays.first().cloned().ok_or_else(|| wrong("lost an array"))?;
        let channels = self.network.building.channels(x.at);
        if array.elements().map_err(wrong)? != channels {
            return Err(self.config.refuse(
                "it has a slope for each pixel; ours has one for each channel (`shared_axes=[1, 2]`)",
            ));
        }
        let weight = self.each(array, &x)?;
        self.keep("prelu", &x, Vec::new(), vec![("weight", weight)])
    }
}

/// Extents with the channels last, and where their axes stand in ours.
fn last(extents: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut last = extents.to_vec();
    last.rotate_left(1);
    let n = extents.len();
    (last, std::iter::once(n - 1).chain(0..n - 1).collect())
}

/// Padding as it is written → its sides.
fn parsed(text: &str) -> Option<[usize; 4]> {
    let numbers: Vec<usize> = text
        .split(['[', ']', ',', 'x', ' '])
        .filter(|part| !part.is_empty())
        .map(|n| n.parse().ok())
        .collect::<Option<_>>()?;
    match *numbers.as_slice() {
        [n] => Some([n; 4]),
        [rows, columns] => Some([rows, rows, columns, columns]),
        [top, bottom, left, right] => Some([top, bottom, left, right]),
        _ => None,
    }
}
