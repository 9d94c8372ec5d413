//! The preparation of pictures as nodes in front of a network, so that nothing of it is left to whoever runs the file: bytes,
//! batch x height x width x channels, become the numbers that the model takes. As in training, steps before `normalize` round
//! to whole bytes.

use crate::data::section::Step;
use crate::diag::{Fault, codes};
use crate::exchange::network::Network;
use crate::exchange::onnx::graph::{Element, Extent, Graph, int, ints, text};
use crate::exchange::onnx::layer::Layer;
use crate::exchange::onnx::resample::{self, Filter, resample};
use crate::protobuf::Message;
use crate::shape::Shape;

/// The name of the graph's input.
const IMAGE: &str = "image";
/// ITU-R BT.601, as `grayscale` has it.
const BRIGHTNESS: [f32; 3] = [0.299, 0.587, 0.114];

/// A step as it is written, with every argument.
pub fn line(step: &Step) -> String {
    let args = step.args.iter().map(|given| format!(" {}={}", given.name, given.arg));
    format!("{}{}", step.transform.spec().name, args.collect::<String>())
}

/// Puts the nodes into a graph and gives the name of what the model takes.
pub fn add(graph: &mut Graph, network: &Network<'_>) -> Result<String, Fault> {
    let data = network.data.ok_or_else(|| {
        Fault::new(codes::EXCHANGE_OUT, "there is no preparation: the network has no `data` section")
            .advise("no `--with-preparation`; the graph then takes the numbers that the model takes")
    })?;
    let input = network.input()?;
    let form = data.facts.form;
    let channels = form.channels.unwrap_or(3);
    let [height, width] = match form.extents() {
        Some([_, height, width]) => [Extent::Of(height), Extent::Of(width)],
        None => [Extent::Named("height"), Extent::Named("width")],
    };
    graph.input(IMAGE, Element::Byte, &[Extent::Named("batch"), height, width, Extent::Of(channels)]);
    let mut layer = Layer::new(graph, "preparation", Vec::new(), Vec::new(), input, "data { … }");
    let numbers = layer.node("Cast", &[IMAGE], vec![int("to", Element::Float as i64)]);
    let value = layer.node("Transpose", &[&numbers], vec![ints("perm", [0, 3, 1, 2])]);
    let mut pixels = Pixels { layer, value, channels, are_bytes: true, n_steps: 0 };
    for step in &data.preprocess {
        pixels.step(step)?;
    }
    pixels.scaled();
    let Pixels { mut layer, value, .. } = pixels;
    layer.node("Identity", &[&value], Vec::new());
    layer.finish("prepared".to_owned());
    check(input, &data.preprocess)?;
    Ok("prepared".to_owned())
}

fn check(input: &Shape, steps: &[Step]) -> Result<(), Fault> {
    match input.rank() {
        3 => Ok(()),
        _ => Err(Fault::new(
            codes::EXCHANGE_OUT,
            format!("a preparation of {} steps gives pictures, but the model takes {input}", steps.len()),
        )),
    }
}

/// Pictures on their way through the steps.
struct Pixels<'a> {
    layer: Layer<'a>,
    value: String,
    channels: usize,
    /// From 0 to 255 and whole, else as they reach the model.
    are_bytes: bool,
    n_steps: usize,
}

impl Pixels<'_> {
    fn node(&mut self, op: &'static str, inputs: &[&str], attributes: Vec<Message>) -> String {
        self.layer.node(op, inputs, attributes)
    }

    fn scalar(&mut self, what: &str, number: f32) -> String {
        let n = self.n_steps;
        self.layer.numbers(&format!("{what}_{n}"), &[], vec![number])
    }

    fn whole(&mut self, what: &str, values: &[i64]) -> String {
        let n = self.n_steps;
        self.layer.whole(&format!("{what}_{n}"), values.to_vec())
    }

    /// From here on numbers, 0 to 1 where they were bytes.
    fn scaled(&mut self) {
        if self.are_bytes {
            let most = self.layer.numbers("most", &[], vec![255.0]);
            self.value = self.layer.node("Div", &[&self.value.clone(), &most], Vec::new());
            self.are_bytes = false;
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), Fault> {
        self.n_steps += 1;
        match step.transform.spec().name {
            "resize" => self.resize(step)?,
            "center_crop" => self.center_crop(step.args.pair("size")?),
            "grayscale" if self.channels == 3 => {
                self.brightness();
            }
            "rgb" if self.channels == 1 => {
                let grey = self.value.clone();
                self.value = self.node("Concat", &[&grey, &grey, &grey], vec![int("axis", 1)]);
                self.channels = 3;
            }
            "grayscale" | "rgb" => {}
            _ => self.pointwise(step)?,
        }
        Ok(())
    }

    /// Each pixel's brightness, in numbers from 0 to 1, the colours added in their order, so that what is rounded is the same.
    fn brightness(&mut self) {
        let white = self.scalar("white", 255.0);
        let mut pixels = self.value.clone();
        if self.are_bytes {
            pixels = self.node("Div", &[&pixels, &white], Vec::new());
        }
        let mut sum: Option<String> = None;
        for (channel, weight) in BRIGHTNESS.into_iter().enumerate() {
            let (at, weight) = (
                self.whole(&format!("colour_{channel}"), &[channel as i64]),
                self.scalar(&format!("share_{channel}"), weight),
            );
            let colour = self.node("Gather", &[&pixels, &at], vec![int("axis", 1)]);
            let share = self.node("Mul", &[&colour, &weight], Vec::new());
            sum = Some(match sum {
                None => share,
                Some(sum) => self.node("Add", &[&sum, &share], Vec::new()),
            });
        }
        self.channels = 1;
        self.value = sum.unwrap_or(pixels);
        if self.are_bytes {
            let half = self.scalar("half", 0.5);
            let scaled = self.node("Mul", &[&self.value.clone(), &white], Vec::new());
            let up = self.node("Add", &[&scaled, &half], Vec::new());
            self.value = self.node("Floor", &[&up], Vec::new());
        }
    }

    /// A step that multiplies and shifts each value, as two of them tell.
    fn pointwise(&mut self, step: &Step) -> Result<(), Fault> {
        let name = step.transform.spec().name;
        if is_unmeasured(step) {
            return Err(refused(name, "`auto` is measured when the network is trained")
                .advise("export the run, which knows the numbers"));
        }
        let at = |channel: usize, value: f32| step.transform.pointwise(&step.args, channel, value);
        let (mut factors, mut shifts) = (Vec::new(), Vec::new());
        for channel in 0..self.channels {
            let (Some(zero), Some(one), Some(two)) = (at(channel, 0.0), at(channel, 1.0), at(channel, 2.0))
            else {
                return Err(refused(name, "no other program has this step"));
            };
            let (zero, one, two) = (zero?, one?, two?);
            if ((two - one) - (one - zero)).abs() > 1e-4 * (one - zero).abs() {
                return Err(refused(name, "it does more than to multiply and to shift"));
            }
            factors.push(one - zero);
            shifts.push(zero);
        }
        self.scaled();
        let n = self.n_steps;
        let factors = self.layer.numbers(&format!("factor_{n}"), &[self.channels, 1, 1], factors);
        let shifts = self.layer.numbers(&format!("shift_{n}"), &[self.channels, 1, 1], shifts);
        let scaled = self.node("Mul", &[&self.value.clone(), &factors], Vec::new());
        self.value = self.node("Add", &[&scaled, &shifts], Vec::new());
        Ok(())
    }

    /// Height and width as they are when the network runs.
    fn extents(&mut self) -> String {
        let (start, end) = (self.whole("first", &[2]), self.whole("end", &[4]));
        let shape = self.node("Shape", &[&self.value.clone()], Vec::new());
        self.node("Slice", &[&shape, &start, &end], Vec::new())
    }

    fn resize(&mut self, step: &Step) -> Result<(), Fault> {
        let word = step.args.word("filter")?;
        let filter = Filter::of(word, step.args.bool("antialias")?)
            .ok_or_else(|| refused("resize", &format!("`filter={word}` has no counterpart")))?;
        let sizes = match step.args.whole_if_given("short")? {
            None => {
                let [height, width] = step.args.pair("size")?;
                self.whole("size", &[height as i64, width as i64])
            }
            Some(short) => {
                let extents = self.extents();
                let short = self.whole("short", &[short as i64]);
                let least = self.node(
                    "ReduceMin",
                    &[&extents],
                    vec![int("keepdims", 1), int("noop_with_empty_axes", 0)],
                );
                let product = self.node("Mul", &[&extents, &short], Vec::new());
                let sizes = self.node("Div", &[&product, &least], Vec::new());
                let one = self.whole("one", &[1]);
                self.node("Max", &[&sizes, &one], Vec::new())
            }
        };
        let pixels = if self.are_bytes { resample::Pixels::Bytes } else { resample::Pixels::Numbers };
        self.value = resample(&mut self.layer, &self.value, &sizes, filter, pixels, self.n_steps);
        Ok(())
    }

    /// As torchvision: black around what is too small, then the window from half of what is left over, half to even.
    fn center_crop(&mut self, [height, width]: [usize; 2]) {
        let window = self.whole("window", &[height as i64, width as i64]);
        let (zero, two) = (self.whole("zero", &[0]), self.whole("two", &[2]));
        let own = self.extents();
        let short = self.node("Sub", &[&window, &own], Vec::new());
        let short = self.node("Max", &[&short, &zero], Vec::new());
        let before = self.node("Div", &[&short, &two], Vec::new());
        let after = self.node("Sub", &[&short, &before], Vec::new());
        let none = self.whole("none", &[0, 0]);
        let pads = self.node("Concat", &[&none, &before, &none, &after], vec![int("axis", 0)]);
        let black = self.scalar("outside", 0.0);
        let padded = self.node("Pad", &[&self.value.clone(), &pads, &black], vec![text("mode", "constant")]);
        let large = self.node("Max", &[&own, &window], Vec::new());
        let over = self.node("Sub", &[&large, &window], Vec::new());
        let half = self.node("Div", &[&over, &two], Vec::new());
        let odd = self.node("Mod", &[&over, &two], vec![int("fmod", 0)]);
        let odd_half = self.node("Mod", &[&half, &two], vec![int("fmod", 0)]);
        let up = self.node("Mul", &[&odd, &odd_half], Vec::new());
        let start = self.node("Add", &[&half, &up], Vec::new());
        let end = self.node("Add", &[&start, &window], Vec::new());
        let axes = self.whole("axes", &[2, 3]);
        self.value = self.node("Slice", &[&padded, &start, &end, &axes], Vec::new());
    }
}

/// Whether a step's numbers are still to be measured on the data.
pub fn is_unmeasured(step: &Step) -> bool {
    step.args.has("by") && step.args.word("by").is_ok_and(|word| word == "auto")
}

fn refused(step: &str, why: &str) -> Fault {
    Fault::new(codes::EXCHANGE_OUT, format!("`{step}` cannot be part of the graph: {why}"))
        .advise("no `--with-preparation`; prepare the pictures before, as the file's metadata says")
}
