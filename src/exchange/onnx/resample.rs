//! `resize` as nodes: along each axis a product with a matrix of every input pixel's share in every output pixel, which the graph
//! works out from the picture's extents. ONNX's own `Resize` will not do: runtimes round otherwise, and some know nothing of
//! `antialias`. Positions are whole numbers (in halves of an input pixel over the output's extent), so that none is rounded.

use crate::exchange::onnx::graph::{Element, int, ints};
use crate::exchange::onnx::layer::Layer;

/// How an axis' pixels are made of the old ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Each covered pixel counts by how much it is covered.
    Box,
    /// A triangle over the covered pixels.
    Bilinear,
    /// Catmull-Rom's cubic over twice as many.
    Bicubic,
    /// The two pixels around the middle, however many are covered.
    TwoPixels,
}

impl Filter {
    /// The filter of `resize`, by its words.
    pub fn of(word: &str, antialias: bool) -> Option<Filter> {
        match (word, antialias) {
            ("bilinear", false) => Some(Filter::TwoPixels),
            ("bilinear", true) => Some(Filter::Bilinear),
            ("bicubic", true) => Some(Filter::Bicubic),
            ("box", true) => Some(Filter::Box),
            _ => None,
        }
    }
}

/// What pictures are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// 0 to 255, whole: they are rounded along each axis.
    Bytes,
    Numbers,
}

/// Resamples `value` (batch x channels x height x width) to the height and width in `sizes`, a list of two whole numbers.
pub fn resample(
    layer: &mut Layer<'_>,
    value: &str,
    sizes: &str,
    filter: Filter,
    pixels: Pixels,
    tag: usize,
) -> String {
    let mut nodes = Nodes { layer, tag, n: 0 };
    if filter == Filter::TwoPixels {
        return nodes.interpolated(value, sizes, pixels);
    }
    // Bytes are rounded after the first axis: in the order of what prepares pictures for training.
    let axes = if (filter, pixels) == (Filter::Bicubic, Pixels::Bytes) { [3, 2] } else { [2, 3] };
    let first = nodes.along(value, sizes, axes[0], filter, pixels);
    nodes.along(&first, sizes, axes[1], filter, pixels)
}

/// What positions along an axis need: lists of one whole number, and of the output's positions.
struct Axis {
    from: String,
    to: String,
    /// `2 o + 1` for each output `o`.
    middles: String,
}

struct Nodes<'l, 'a> {
    layer: &'l mut Layer<'a>,
    tag: usize,
    n: usize,
}

impl Nodes<'_, '_> {
    fn node(&mut self, op: &'static str, inputs: &[&str]) -> String {
        self.layer.node(op, inputs, Vec::new())
    }

    fn whole(&mut self, values: &[i64]) -> String {
        self.n += 1;
        self.layer.whole(&format!("whole_{}_{}", self.tag, self.n), values.to_vec())
    }

    fn number(&mut self, number: f32) -> String {
        self.n += 1;
        self.layer.numbers(&format!("number_{}_{}", self.tag, self.n), &[], vec![number])
    }

    fn float(&mut self, value: &str) -> String {
        self.layer.node("Cast", &[value], vec![int("to", Element::Float as i64)])
    }

    /// `2 i + 1` for `i` from 0 to a list's one number.
    fn odd(&mut self, extent: &str) -> String {
        let (axes, one, two) = (self.whole(&[0]), self.whole(&[1]), self.whole(&[2]));
        let scalar = |nodes: &mut Self, list: &str| nodes.layer.node("Squeeze", &[list, &axes], Vec::new());
        let (start, step) = (scalar(self, &one), scalar(self, &two));
        let doubled = self.node("Mul", &[extent, &two]);
        let doubled = self.node("Add", &[&doubled, &one]);
        let end = scalar(self, &doubled);
        self.node("Range", &[&start, &end, &step])
    }

    fn axis(&mut self, value: &str, sizes: &str, axis: i64) -> Axis {
        let shape = self.node("Shape", &[value]);
        let (start, end) = (self.whole(&[axis]), self.whole(&[axis + 1]));
        let from = self.node("Slice", &[&shape, &start, &end]);
        let (start, end) = (self.whole(&[axis - 2]), self.whole(&[axis - 1]));
        let to = self.node("Slice", &[sizes, &start, &end]);
        let middles = self.odd(&to);
        Axis { from, to, middles }
    }

    /// A product with the matrix of shares along an axis.
    fn along(&mut self, value: &str, sizes: &str, axis: i64, filter: Filter, pixels: Pixels) -> String {
        let shares = self.shares(value, sizes, axis, filter);
        let shares = if pixels == Pixels::Bytes { self.in_whole_parts(&shares) } else { shares };
        let product = match axis {
            2 => self.node("MatMul", &[&shares, value]),
            _ => {
                let turned = self.layer.node("Transpose", &[&shares], vec![ints("perm", [1, 0])]);
                self.node("MatMul", &[value, &turned])
            }
        };
        if pixels == Pixels::Numbers { product } else { self.rounded(&product) }
    }

    /// The nearest byte; a half goes up.
    fn rounded(&mut self, value: &str) -> String {
        let (half, black, white) = (self.number(0.5), self.number(0.0), self.number(255.0));
        let up = self.node("Add", &[value, &half]);
        let whole = self.node("Floor", &[&up]);
        self.node("Clip", &[&whole, &black, &white])
    }

    /// `to x from`: the shares, which add up to 1 for each output.
    fn shares(&mut self, value: &str, sizes: &str, axis: i64, filter: Filter) -> String {
        let Axis { from, to, middles } = self.axis(value, sizes, axis);
        // (2 x + 1) to - (2 o + 1) from: how far an input's middle is from an output's.
        let inputs = self.odd(&from);
        let inputs = self.node("Mul", &[&inputs, &to]);
        let outputs = self.node("Mul", &[&middles, &from]);
        let one = self.whole(&[1]);
        let outputs = self.node("Unsqueeze", &[&outputs, &one]);
        let gap = self.node("Sub", &[&inputs, &outputs]);
        // In the same parts, the distance at which a triangle ends: a pixel of the output, or of the input where it grows.
        let (two, larger) = (self.whole(&[2]), self.node("Max", &[&from, &to]));
        let reach = self.node("Mul", &[&larger, &two]);
        let weights = match filter {
            Filter::Box => {
                let doubled = self.node("Mul", &[&gap, &two]);
                let before = self.node("Neg", &[&reach]);
                let begins = self.node("Greater", &[&doubled, &before]);
                let ends = self.node("LessOrEqual", &[&doubled, &reach]);
                let covered = self.node("And", &[&begins, &ends]);
                self.float(&covered)
            }
            Filter::Bilinear | Filter::TwoPixels => {
                let distance = self.node("Abs", &[&gap]);
                let inside = self.node("Sub", &[&reach, &distance]);
                let (inside, none) = (self.float(&inside), self.number(0.0));
                self.node("Max", &[&inside, &none])
            }
            Filter::Bicubic => {
                let distance = self.node("Abs", &[&gap]);
                self.cubic(&distance, &reach)
            }
        };
        let last = self.whole(&[1]);
        let attributes = vec![int("keepdims", 1), int("noop_with_empty_axes", 0)];
        let sum = self.layer.node("ReduceSum", &[&weights, &last], attributes);
        self.node("Div", &[&weights, &sum])
    }

    /// Keys' cubic (1981, equation 4) of x = `distance` / `reach`, with a = -1/2, in factors that lose nothing where it is small:
    /// (1 - x) (1 + x - 1.5 x²) up to 1, and (1 - x) (2 - x)² / 2 up to 2.
    fn cubic(&mut self, distance: &str, reach: &str) -> String {
        let scale = self.float(reach);
        let over = |nodes: &mut Self, whole: &str| {
            let number = nodes.float(whole);
            nodes.node("Div", &[&number, &scale])
        };
        let inner = self.node("Sub", &[reach, distance]);
        let outer = self.node("Add", &[reach, &inner]);
        let x = over(self, distance);
        let (one_less, two_less) = (over(self, &inner), over(self, &outer));
        let [none, half, one, steep] = [0.0, 0.5, 1.0, -1.5].map(|number| self.number(number));
        let near = self.node("Mul", &[&x, &steep]);
        let near = self.node("Add", &[&near, &one]);
        let near = self.node("Mul", &[&near, &x]);
        let near = self.node("Add", &[&near, &one]);
        let near = self.node("Mul", &[&near, &one_less]);
        let far = self.node("Mul", &[&two_less, &two_less]);
        let far = self.node("Mul", &[&far, &one_less]);
        let far = self.node("Mul", &[&far, &half]);
        let is_far = self.node("Greater", &[&two_less, &none]);
        let far = self.node("Where", &[&is_far, &far, &none]);
        let is_near = self.node("Greater", &[&one_less, &none]);
        self.node("Where", &[&is_near, &near, &far])
    }

    /// Shares as whole multiples of a power of two, of which the largest has 15 bits: what resamples bytes for training
    /// computes with those.
    fn in_whole_parts(&mut self, shares: &str) -> String {
        const MOST_BITS: i32 = 21;
        let attributes = vec![int("keepdims", 0), int("noop_with_empty_axes", 0)];
        let largest = self.layer.node("ReduceMax", &[shares], attributes.clone());
        let powers: Vec<f32> = (0..=MOST_BITS).map(|bits| 2f32.powi(bits)).collect();
        let name = format!("powers_{}_{}", self.tag, self.n);
        let powers = self.layer.numbers(&name, &[powers.len()], powers);
        // The first power at which twice the largest would have no room.
        let (room, most) = (self.number(32_767.5 / 2.0), self.number(2f32.powi(MOST_BITS)));
        let scaled = self.node("Mul", &[&powers, &largest]);
        let is_full = self.node("GreaterOrEqual", &[&scaled, &room]);
        let fitting = self.node("Where", &[&is_full, &powers, &most]);
        let parts = self.layer.node("ReduceMin", &[&fitting], attributes);
        let half = self.number(0.5);
        let multiples = self.node("Mul", &[shares, &parts]);
        let multiples = self.node("Add", &[&multiples, &half]);
        let multiples = self.node("Floor", &[&multiples]);
        self.node("Div", &[&multiples, &parts])
    }

    /// Of each output the two pixels around its middle, mixed along the columns, then along the rows, in numbers from 0 to 1.
    fn interpolated(&mut self, value: &str, sizes: &str, pixels: Pixels) -> String {
        let white = self.number(255.0);
        let mut mixed =
            if pixels == Pixels::Bytes { self.node("Div", &[value, &white]) } else { value.to_owned() };
        for axis in [3, 2] {
            mixed = self.mixed(&mixed, value, sizes, axis);
        }
        if pixels == Pixels::Numbers {
            return mixed;
        }
        let scaled = self.node("Mul", &[&mixed, &white]);
        self.rounded(&scaled)
    }

    fn mixed(&mut self, value: &str, picture: &str, sizes: &str, axis: usize) -> String {
        let Axis { from, to, middles } = self.axis(picture, sizes, axis as i64);
        let (zero, one, two) = (self.whole(&[0]), self.whole(&[1]), self.whole(&[2]));
        // The middle of an output in parts of 1 / (2 to) pixels, counted from the first input's middle.
        let middle = self.node("Mul", &[&middles, &from]);
        let middle = self.node("Sub", &[&middle, &to]);
        let middle = self.node("Max", &[&middle, &zero]);
        let parts = self.node("Mul", &[&to, &two]);
        let last = self.node("Sub", &[&from, &one]);
        let first = self.node("Div", &[&middle, &parts]);
        let whole = self.node("Mul", &[&first, &parts]);
        let rest = self.node("Sub", &[&middle, &whole]);
        let first = self.node("Min", &[&first, &last]);
        let second = self.node("Add", &[&first, &one]);
        let second = self.node("Min", &[&second, &last]);
        let (rest, parts) = (self.float(&rest), self.float(&parts));
        let mut weight = self.node("Div", &[&rest, &parts]);
        if axis == 2 {
            // It stands beside rows.
            weight = self.node("Unsqueeze", &[&weight, &one]);
        }
        let attributes = vec![int("axis", axis as i64)];
        let first = self.layer.node("Gather", &[value, &first], attributes.clone());
        let second = self.layer.node("Gather", &[value, &second], attributes);
        let step = self.node("Sub", &[&second, &first]);
        let step = self.node("Mul", &[&step, &weight]);
        self.node("Add", &[&first, &step])
    }
}
