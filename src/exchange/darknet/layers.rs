//! Sections of a `.cfg`, one after another → layers of ours with their numbers.

use crate::diag::Fault;
use crate::exchange::darknet::cfg::Section;
use crate::exchange::darknet::numbers::{Numbers, plain, transposed};
use crate::exchange::darknet::wrong;
use crate::exchange::import::building::{Building, Weights, sides};
use crate::exchange::import::line::Weight;
use crate::shape::Shape;
use crate::spec::Arg;

/// Added to the variance under the root: on a GPU, and in every fork. (Without a GPU, pjreddie's adds 1e-6 to the root.)
const EPSILON: f64 = 1e-5;

/// A network that is being read.
pub struct Network<'a> {
    pub building: Building<'a>,
    pub remarks: Vec<String>,
    /// The value that each section gives.
    values: Vec<usize>,
}

impl<'a> Network<'a> {
    /// Reads all sections; the network, and the value that it gives.
    pub fn read(
        sections: &[Section<'_>],
        numbers: &mut Numbers<'a>,
        input: Option<&Shape>,
    ) -> Result<(Network<'a>, usize), Fault> {
        let (net, sections) = sections.split_first().ok_or_else(|| wrong("the file has no sections"))?;
        let own = || -> Result<Shape, Fault> {
            let extent = |key: &str| net.count(key, 0, 1);
            Ok(Shape::new([net.count("channels", 3, 1)?, extent("height")?, extent("width")?]))
        };
        let shape = input.map_or_else(own, |shape| Ok(shape.clone()))?;
        let mut network =
            Network { building: Building::new(shape)?, remarks: Vec::new(), values: Vec::new() };
        let (mut at, mut has_norms) = (0, false);
        for section in sections {
            at = network.section(section, numbers, at)?;
            network.values.push(at);
            has_norms |= section.flag("batch_normalize")?;
        }
        let Some(last) = sections.last() else { return Err(wrong("the file has no layers")) };
        let output = network.flat(at, last)?;
        if has_norms {
            network.remarks.push(
                "batch norms add 1e-5 to the variance, as Darknet does on a GPU; pjreddie's adds 1e-6 to its root on a CPU"
                    .to_owned(),
            );
        }
        Ok((network, output))
    }

    fn section(
        &mut self,
        section: &Section<'_>,
        numbers: &mut Numbers<'a>,
        x: usize,
    ) -> Result<usize, Fault> {
        match section.name {
            "convolutional" | "conv" => self.convolutional(section, numbers, x),
            "connected" | "conn" => self.connected(section, numbers, x),
            "maxpool" | "max" => self.maxpool(section, x),
            "local_avgpool" | "local_avg" => self.local_avgpool(section, x),
            "avgpool" | "avg" => {
                let one = vec![("size", Arg::Pair([1, 1]))];
                self.building.layer("adaptive_avg_pool2d", x, one, Vec::new(), &section.origin)
            }
            "softmax" | "soft" => self.softmax(section, x),
            "shortcut" => self.shortcut(section, x),
            "scale_channels" => {
                let image = self.value(section, section.int("from", 0)?)?;
                let joined = self.building.join("multiply", vec![image, x], &section.origin)?;
                self.activated(section, "linear", joined)
            }
            "route" => self.route(section),
            "dropout" => {
                let p = section.number("probability", 0.5)?;
                match p > 0.0 {
                    true => self.building.layer(
                        "dropout",
                        x,
                        vec![("p", Arg::Number(p.min(0.99)))],
                        Vec::new(),
                        &section.origin,
                    ),
                    false => Ok(x),
                }
            }
            "upsample" => {
                let stride = section.count("stride", 2, 1)?;
                let scale = vec![("scale", Arg::Pair([stride; 2]))];
                let at = self.building.layer("upsample", x, scale, Vec::new(), &section.origin)?;
                self.building.scale(at, section.number("scale", 1.0)?, &section.origin)
            }
            "activation" => self.activated(section, "linear", x),
            "logistic" => self.building.layer("sigmoid", x, Vec::new(), Vec::new(), &section.origin),
            "crop" => self.crop(section, x),
            // The loss of training.
            "cost" => Ok(x),
            "yolo" | "region" | "detection" | "iseg" | "Gaussian_yolo" => {
                Err(section.refuse("it finds objects in a picture; dslc's networks classify or segment"))
            }
            other => {
                let other: String = other.chars().filter(|c| !c.is_control()).take(40).collect();
                Err(section.refuse(format!("there is no layer for `[{other}]`")))
            }
        }
    }

    /// The value of a section, counted from this one where the number is below 0.
    fn value(&self, section: &Section<'_>, at: i64) -> Result<usize, Fault> {
        let own = self.values.len() as i64;
        let place = if at < 0 { own + at } else { at };
        let value = usize::try_from(place).ok().and_then(|place| self.values.get(place));
        value.copied().ok_or_else(|| {
            wrong(format!(
                "line {}: `[{}]` takes layer {at}, which does not come before it",
                section.line, section.name
            ))
        })
    }

    fn refuse_set(section: &Section<'_>, keys: &[&str]) -> Result<(), Fault> {
        for key in keys {
            if section.flag(key)? {
                return Err(section.refuse(format!("it says `{key}`, for which there is no layer")));
            }
        }
        Ok(())
    }

    fn activated(&mut self, section: &Section<'_>, default: &'static str, x: usize) -> Result<usize, Fault> {
        let alpha = |slope: f64| vec![("alpha", Arg::Number(slope))];
        let (word, given) = match section.get("activation").unwrap_or(default) {
            "linear" => return Ok(x),
            "logistic" => ("sigmoid", Vec::new()),
            "relu" => ("relu", Vec::new()),
            "relu6" => ("relu6", Vec::new()),
            "leaky" => ("leaky_relu", alpha(0.1)),
            "relie" => ("leaky_relu", alpha(0.01)),
            "elu" => ("elu", alpha(1.0)),
            "selu" => ("selu", Vec::new()),
            "tanh" => ("tanh", Vec::new()),
            "mish" => ("mish", Vec::new()),
            "swish" => ("silu", Vec::new()),
            other => {
                let other: String = other.chars().filter(|c| !c.is_control()).take(40).collect();
                return Err(section.refuse(format!("there is no layer for its activation `{other}`")));
            }
        };
        self.building.layer(word, x, given, Vec::new(), &section.origin)
    }

    /// A batch norm of the numbers that Darknet has for it.
    fn norm(&mut self, section: &Section<'_>, own: [&'a [u8]; 4], x: usize) -> Result<usize, Fault> {
        let names = ["bias", "weight", "running_mean", "running_var"];
        let weights: Weights<'a> = names.into_iter().zip(own.map(plain)).collect();
        self.building.layer(
            "batch_norm",
            x,
            vec![("epsilon", Arg::Number(EPSILON))],
            weights,
            &section.origin,
        )
    }

    fn convolutional(
        &mut self,
        section: &Section<'_>,
        numbers: &mut Numbers<'a>,
        x: usize,
    ) -> Result<usize, Fault> {
        Self::refuse_set(
            section,
            &[
                "binary",
                "xnor",
                "bin_output",
                "antialiasing",
                "share_index",
                "assisted_excitation",
                "deform",
                "dontloadscales",
                "numload",
                "coordconv",
            ],
        )?;
        let filters = section.count("filters", 1, 1)?;
        let size = section.count("size", 1, 1)?;
        let stride = section.count("stride", 1, 1)?;
        let strides = [section.count("stride_y", stride, 1)?, section.count("stride_x", stride, 1)?];
        let (groups, dilation) = (section.count("groups", 1, 1)?, section.count("dilation", 1, 1)?);
        // Counted in taps of the filter.
        let padding =
            dilation * if section.flag("pad")? { size / 2 } else { section.count("padding", 0, 0)? };
        let &[channels, _, _] = self.building.shape(x) else {
            return Err(section.refuse("it takes no image"));
        };
        if channels % groups != 0 || filters % groups != 0 {
            return Err(wrong(format!(
                "line {}: {groups} groups do not divide {channels} channels and {filters} filters",
                section.line
            )));
        }
        let inside = (channels / groups).checked_mul(size).and_then(|n| n.checked_mul(size));
        let n = inside.and_then(|inside| inside.checked_mul(filters)).unwrap_or(usize::MAX);
        let normed = section.flag("batch_normalize")?;
        let name = &section.origin.name;
        let bias = numbers.next(filters, name)?;
        let norm = match normed {
            true => Some([
                bias,
                numbers.next(filters, name)?,
                numbers.next(filters, name)?,
                numbers.next(filters, name)?,
            ]),
            false => None,
        };
        let own = numbers.next(n, name)?;
        let weight = if section.flag("flipped")? { transposed(own, filters) } else { plain(own) };
        let mut weights = vec![("weight", weight)];
        if !normed {
            weights.push(("bias", plain(bias)));
        }
        let is_depthwise = groups == channels && groups > 1;
        let mut given = vec![
            ("kernel", Arg::Pair([size; 2])),
            ("stride", Arg::Pair(strides)),
            ("padding", sides([padding; 4])),
            ("dilation", Arg::Pair([dilation; 2])),
            ("bias", Arg::Bool(!normed)),
        ];
        let word = match is_depthwise {
            true => {
                given.push(("multiplier", Arg::Whole(filters / groups)));
                "depthwise_conv2d"
            }
            false => {
                given.insert(0, ("channels", Arg::Whole(filters)));
                given.push(("groups", Arg::Whole(groups)));
                "conv2d"
            }
        };
        let mut at = self.building.layer(word, x, given, weights, &section.origin)?;
        if let Some(norm) = norm {
            at = self.norm(section, norm, at)?;
        }
        self.activated(section, "logistic", at)
    }

    /// A value as a vector; a mean of each channel that was kept as an image of one pixel is one.
    fn flat(&mut self, x: usize, section: &Section<'_>) -> Result<usize, Fault> {
        if self.building.shape(x).len() == 1 {
            return Ok(x);
        }
        let mean = self
            .building
            .line(x)
            .filter(|line| line.word == "adaptive_avg_pool2d")
            .map(|line| line.inputs[0]);
        match mean {
            Some(input) => {
                self.building.layer("global_avg_pool", input, Vec::new(), Vec::new(), &section.origin)
            }
            None => self.building.layer("flatten", x, Vec::new(), Vec::new(), &section.origin),
        }
    }

    fn connected(
        &mut self,
        section: &Section<'_>,
        numbers: &mut Numbers<'a>,
        x: usize,
    ) -> Result<usize, Fault> {
        let outputs = section.count("output", 1, 1)?;
        let x = self.flat(x, section)?;
        let inputs = self.building.channels(x);
        let name = &section.origin.name;
        let bias = numbers.next(outputs, name)?;
        let own = numbers.next(outputs.saturating_mul(inputs), name)?;
        let weight: Weight<'a> = if numbers.is_transposed { transposed(own, outputs) } else { plain(own) };
        let normed = section.flag("batch_normalize")?;
        let norm = match normed {
            true => Some([
                bias,
                numbers.next(outputs, name)?,
                numbers.next(outputs, name)?,
                numbers.next(outputs, name)?,
            ]),
            false => None,
        };
        let mut weights = vec![("weight", weight)];
        if !normed {
            weights.push(("bias", plain(bias)));
        }
        let given = vec![("features", Arg::Whole(outputs)), ("bias", Arg::Bool(!normed))];
        let mut at = self.building.layer("linear", x, given, weights, &section.origin)?;
        if let Some(norm) = norm {
            at = self.norm(section, norm, at)?;
        }
        self.activated(section, "logistic", at)
    }

    /// Windows of a pool: the padding counts for both ends together, of which the first gets the smaller half.
    fn windows(section: &Section<'_>) -> Result<Vec<(&'static str, Arg)>, Fault> {
        let stride = section.count("stride", 1, 1)?;
        let strides = [section.count("stride_y", stride, 1)?, section.count("stride_x", stride, 1)?];
        let size = section.count("size", stride, 1)?;
        let padding = section.count("padding", size - 1, 0)?;
        let (before, behind) = (padding / 2, padding - padding / 2);
        Ok(vec![
            ("kernel", Arg::Pair([size; 2])),
            ("stride", Arg::Pair(strides)),
            ("padding", sides([before, behind, before, behind])),
        ])
    }

    fn maxpool(&mut self, section: &Section<'_>, x: usize) -> Result<usize, Fault> {
        Self::refuse_set(section, &["maxpool_depth", "antialiasing"])?;
        let mut given = Self::windows(section)?;
        // Padding that no window reaches is left out.
        if let (&[_, height, width], [_, (_, Arg::Pair(strides)), (_, padding)]) =
            (self.building.shape(x), given.as_mut_slice())
        {
            trim(
                padding,
                [height, width],
                section.count("size", section.count("stride", 1, 1)?, 1)?,
                *strides,
            );
        }
        self.building.layer("max_pool2d", x, given, Vec::new(), &section.origin)
    }

    fn local_avgpool(&mut self, section: &Section<'_>, x: usize) -> Result<usize, Fault> {
        let mut given = Self::windows(section)?;
        given.push(("count_padding", Arg::Bool(false)));
        self.building.layer("avg_pool2d", x, given, Vec::new(), &section.origin)
    }

    fn softmax(&mut self, section: &Section<'_>, x: usize) -> Result<usize, Fault> {
        if section.count("groups", 1, 1)? != 1 || section.get("tree").is_some() || section.flag("spatial")? {
            return Err(section.refuse("it is over groups or a tree of classes"));
        }
        let flat = self.flat(x, section)?;
        let temperature = section.number("temperature", 1.0)?;
        let cooled = self.building.scale(flat, 1.0 / temperature, &section.origin)?;
        self.building.layer("softmax", cooled, Vec::new(), Vec::new(), &section.origin)
    }

    fn shortcut(&mut self, section: &Section<'_>, x: usize) -> Result<usize, Fault> {
        if section.get("weights_type").is_some_and(|kind| kind != "none") {
            return Err(section.refuse("it has weights (`weights_type`)"));
        }
        let mut inputs = vec![x];
        for from in section.ints("from")? {
            inputs.push(self.value(section, from)?);
        }
        let first = self.building.shape(x).to_vec();
        if inputs.iter().any(|&input| self.building.shape(input) != first) {
            return Err(section.refuse("it adds values of different shapes"));
        }
        let at = self.building.join("add", inputs, &section.origin)?;
        self.activated(section, "linear", at)
    }

    fn route(&mut self, section: &Section<'_>) -> Result<usize, Fault> {
        let (groups, own) = (section.count("groups", 1, 1)?, section.count("group_id", 0, 0)?);
        let mut inputs = Vec::new();
        for from in section.ints("layers")? {
            let whole = self.value(section, from)?;
            let channels = self.building.channels(whole);
            if !channels.is_multiple_of(groups) || own >= groups {
                let message = format!("it takes group {own} of {groups} of {channels} channels");
                return Err(section.refuse(&message));
            }
            let each = channels / groups;
            let mut given = vec![("from", Arg::Whole(own * each))];
            if own + 1 < groups {
                given.push(("to", Arg::Whole((own + 1) * each)));
            }
            inputs.push(match groups {
                1 => whole,
                _ => self.building.layer("slice", whole, given, Vec::new(), &section.origin)?,
            });
        }
        self.building.join("concat", inputs, &section.origin)
    }

    /// The middle of the picture, with its pixels brought to -1 … 1 unless the section says `noadjust`.
    fn crop(&mut self, section: &Section<'_>, x: usize) -> Result<usize, Fault> {
        let &[_, height, width] = self.building.shape(x) else {
            return Err(section.refuse("it takes no image"));
        };
        let own = [section.count("crop_height", 1, 1)?, section.count("crop_width", 1, 1)?];
        let (Some(top), Some(left)) = (height.checked_sub(own[0]), width.checked_sub(own[1])) else {
            return Err(wrong(format!("line {}: `[crop]` leaves more than arrives", section.line)));
        };
        let mut at = x;
        if top > 0 || left > 0 {
            let given =
                vec![("size", Arg::Pair(own)), ("top", Arg::Whole(top / 2)), ("left", Arg::Whole(left / 2))];
            at = self.building.layer("crop", x, given, Vec::new(), &section.origin)?;
        }
        if section.flag("noadjust")? {
            return Ok(at);
        }
        let n = self.building.channels(at);
        self.building.affine(at, Weight::All(n, 2.0), Weight::All(n, -1.0), &section.origin)
    }
}

/// Takes away the rows and columns of padding at the end that no window reaches.
fn trim(padding: &mut Arg, image: [usize; 2], size: usize, strides: [usize; 2]) {
    let Arg::Padding(crate::spec::Padding::Sides(own)) = padding else { return };
    for axis in 0..2 {
        let (before, behind) = (own[2 * axis], own[2 * axis + 1]);
        let Some(room) = (image[axis] + before + behind).checked_sub(size) else { continue };
        let spare = room % strides[axis];
        own[2 * axis + 1] = behind - spare.min(behind);
    }
}
