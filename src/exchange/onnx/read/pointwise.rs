//! Functions of single numbers in a graph → layers, those that are written as several nodes among them: a SiLU is a product with a
//! sigmoid, a GELU has an error function inside.

use crate::diag::Fault;
use crate::exchange::import::line::Weight;
use crate::exchange::onnx::file::Node;
use crate::exchange::onnx::read::norms::response;
use crate::exchange::onnx::read::{Act, Flow, Reader, Value, cannot, shown};

/// How far a written constant may be from the exact one.
const NEAR: f32 = 1e-4;

pub(super) fn near(a: f32, b: f32) -> bool {
    (a - b).abs() <= NEAR * b.abs().max(1.0)
}

impl<'a> Reader<'a, '_> {
    fn named(&mut self, node: &'a Node<'a>, word: &'static str, x: &Flow) -> Flow {
        self.keep(node, Act::Layer(word), x)
    }

    fn with_alpha(&mut self, node: &'a Node<'a>, word: &'static str, x: &Flow, alpha: f32) -> Flow {
        let flow = self.named(node, word, x);
        if let Some(step) = self.last() {
            step.args = vec![("alpha", shown(alpha))];
        }
        flow
    }

    pub(super) fn function(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let x = self.image(node, 0)?;
        let word = match node.op {
            "Relu" => "relu",
            "Sigmoid" => "sigmoid",
            "Tanh" => "tanh",
            "Softplus" => "softplus",
            "HardSwish" => "hardswish",
            "Mish" => "mish",
            "Swish" if near(node.float("alpha", 1.0), 1.0) => "silu",
            "Gelu" if ["", "none"].contains(&node.text("approximate")) => "gelu",
            "Selu"
                if near(node.float("alpha", 1.673_263_2), 1.673_263_2)
                    && near(node.float("gamma", 1.050_701), 1.050_701) =>
            {
                "selu"
            }
            "LeakyRelu" => {
                let alpha = node.float("alpha", 0.01);
                return match (0.0..=1.0).contains(&alpha) {
                    true => Ok(self.with_alpha(node, "leaky_relu", &x, alpha)),
                    false => Err(cannot(node, format!("its slope is {alpha}; `leaky_relu` has 0 to 1"))),
                };
            }
            "Elu" => return Ok(self.with_alpha(node, "elu", &x, node.float("alpha", 1.0))),
            "HardSigmoid" => return self.hard_sigmoid(node, &x),
            "Clip" => return self.clip(node, &x),
            "PRelu" => return self.prelu(node, &x),
            "Erf" => return Ok(self.keep(node, Act::Erf, &x)),
            "Neg" => return Ok(self.keep(node, Act::Factor(-1.0), &x)),
            "Exp" => "exp",
            "Reciprocal" => return Ok(self.keep(node, Act::Power(-1.0), &x)),
            "Sqrt" => {
                return Ok(match self.deviation(node, &x) {
                    Some(flow) => flow,
                    None => self.keep(node, Act::Power(0.5), &x),
                });
            }
            "Max" | "Min" => return self.bounded(node),
            "Greater" => {
                let bound = self.numbers(node, 1)?.scalar();
                let bound = bound.ok_or_else(|| cannot(node, "it compares with several numbers"))?;
                return Ok(self.keep(node, Act::Above(bound as f32), &x));
            }
            "Pow" => {
                let exponent = self.numbers(node, 1)?.scalar();
                let exponent = exponent.ok_or_else(|| cannot(node, "its exponent is no number"))?;
                return Ok(match exponent {
                    1.0 => x,
                    _ => self.keep(node, Act::Power(exponent as f32), &x),
                });
            }
            op => return Err(cannot(node, format!("there is no layer for `{op}`"))),
        };
        Ok(self.named(node, word, &x))
    }

    /// `max(0, min(1, alpha x + beta))`: ours has a slope of 1/6 and the middle at 0.
    fn hard_sigmoid(&mut self, node: &'a Node<'a>, x: &Flow) -> Result<Flow, Fault> {
        let (alpha, beta) = (node.float("alpha", 0.2), node.float("beta", 0.5));
        if !near(beta, 0.5) {
            return Err(cannot(node, format!("its middle is {beta}, not 0.5")));
        }
        let scaled = match near(6.0 * alpha, 1.0) {
            true => x.clone(),
            false => self.keep(node, Act::Factor(6.0 * alpha), x),
        };
        Ok(self.named(node, "hardsigmoid", &scaled))
    }

    /// The larger or the smaller of a value and a number.
    fn bounded(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let (mut flows, mut bound) = (Vec::new(), None);
        for i in 0..node.inputs.len() {
            match self.value(node, i)? {
                Value::Flow(flow) => flows.push(flow),
                Value::Stored(_) | Value::Known(_) => bound = self.numbers(node, i)?.scalar(),
            }
        }
        let ([x], Some(bound), 2) = (flows.as_slice(), bound, node.inputs.len()) else {
            return Err(cannot(node, "there is no layer that compares several values"));
        };
        let bound = bound as f32;
        let before = self.step(x).map(|step| (step.act.clone(), step.inputs[0]));
        let bounds = match (node.op, before) {
            ("Max", _) => return self.within(node, x, [bound, f32::INFINITY]),
            (_, Some((Act::Layer("relu"), input))) => Some((input, [0.0, bound])),
            (_, Some((Act::AtLeast(low), input))) => Some((input, [low, bound])),
            _ => None,
        };
        match bounds {
            Some((at, bounds)) => self.within(node, &Flow { at, ..x.clone() }, bounds),
            None => self.within(node, x, [f32::NEG_INFINITY, bound]),
        }
    }

    fn clip(&mut self, node: &'a Node<'a>, x: &Flow) -> Result<Flow, Fault> {
        let mut bounds = [f32::NEG_INFINITY, f32::INFINITY];
        for (i, name) in ["min", "max"].into_iter().enumerate() {
            let default = if self.opset < 11 { node.float(name, bounds[i]) } else { bounds[i] };
            bounds[i] = match self.numbers_if(node, i + 1)?.map(|numbers| numbers.scalar()) {
                None => default,
                Some(Some(bound)) => bound as f32,
                Some(None) => return Err(cannot(node, "its bounds are not numbers")),
            };
        }
        self.within(node, x, bounds)
    }

    fn within(&mut self, node: &'a Node<'a>, x: &Flow, bounds: [f32; 2]) -> Result<Flow, Fault> {
        // Half precision and TensorFlow write their largest number for none.
        let [low, high] = [bounds[0], if bounds[1] >= 65504.0 { f32::INFINITY } else { bounds[1] }];
        Ok(match (low, high) {
            (0.0, 6.0) => self.named(node, "relu6", x),
            (0.0, f32::INFINITY) => self.named(node, "relu", x),
            _ if low.is_finite() && high.is_finite() && low < high => {
                self.keep(node, Act::Clip([low, high]), x)
            }
            (low, f32::INFINITY) if low.is_finite() => self.keep(node, Act::AtLeast(low), x),
            _ => {
                return Err(cannot(
                    node,
                    format!("its bounds are {low} and {high}; `clamp` has two, and `relu` begins at 0"),
                ));
            }
        })
    }

    fn prelu(&mut self, node: &'a Node<'a>, x: &Flow) -> Result<Flow, Fault> {
        let slope = self.numbers(node, 1)?;
        let (channels, n) = (x.channels(), slope.values.len());
        let places: usize = slope.dims.iter().filter(|&&dim| dim > 1).count();
        if n != 1 && (n != channels || places > 1) {
            return Err(cannot(node, format!("it has slopes of {:?} for {channels} channels", slope.dims)));
        }
        let weight = match n {
            1 => Weight::All(channels, slope.values[0]),
            _ => self.weight(node, 1)?.0,
        };
        let flow = self.named(node, "prelu", x);
        if let Some(step) = self.last() {
            step.weights = vec![("weight", weight)];
        }
        Ok(flow)
    }

    /// Of two values the one or the other, by a comparison: a softplus that is its input where that is large, or a slope below 0.
    pub(super) fn chosen(&mut self, node: &'a Node<'a>) -> Result<Flow, Fault> {
        let (condition, above, below) = (self.image(node, 0)?, self.image(node, 1)?, self.image(node, 2)?);
        let refused = || cannot(node, "it chooses by a comparison that is no function of ours");
        let compared = self.step(&condition).map(|step| (step.act.clone(), step.inputs[0]));
        let Some((Act::Above(bound), x)) = compared else { return Err(refused()) };
        let step =
            self.step(&below).filter(|step| x == above.at && step.inputs == [x]).ok_or_else(refused)?;
        match step.act.clone() {
            Act::Layer("softplus") if bound >= 15.0 => Ok(below),
            Act::Factor(slope) if bound == 0.0 && (0.0..=1.0).contains(&slope) => {
                Ok(self.with_alpha(node, "leaky_relu", &above, slope))
            }
            Act::Factors(weight) if bound == 0.0 => {
                let flow = self.named(node, "prelu", &above);
                if let Some(step) = self.last() {
                    step.weights = vec![("weight", weight)];
                }
                Ok(flow)
            }
            _ => Err(refused()),
        }
    }

    /// A value times a number, where that completes a function.
    pub(super) fn scaled(&mut self, node: &'a Node<'a>, x: &Flow, factor: f32) -> Option<Flow> {
        let step = self.step(x)?;
        let (input, word) = match &step.act {
            // x (1 + erf(x / √2)) / 2
            Act::Layer("multiply") if near(factor, 0.5) => (self.erf_inside(&step.inputs)?, "gelu"),
            // x min(max(x + 3, 0), 6) / 6
            Act::Layer("multiply") if near(6.0 * factor, 1.0) => {
                let &[a, b] = step.inputs.as_slice() else { return None };
                let inner = |gate: usize, x: usize| (self.shifted_relu6(gate) == Some(x)).then_some(x);
                (inner(b, a).or_else(|| inner(a, b))?, "hardswish")
            }
            Act::Layer("relu6") if near(6.0 * factor, 1.0) => (self.shifted_relu6(x.at)?, "hardsigmoid"),
            Act::Layer("elu") if near(factor, 1.050_701) => {
                let alpha: f32 = step.args.first()?.1.parse().ok()?;
                (near(alpha, 1.673_263_2).then_some(step.inputs[0])?, "selu")
            }
            _ => return None,
        };
        let x = Flow { at: input, ..x.clone() };
        Some(self.named(node, word, &x))
    }

    /// The x of `min(max(x + 3, 0), 6)`.
    fn shifted_relu6(&self, at: usize) -> Option<usize> {
        let shifted = self.layer(at, "relu6")?.inputs[0];
        match self.at(shifted) {
            Some(step) if matches!(step.act, Act::Shift(by) if near(by, 3.0)) => Some(step.inputs[0]),
            _ => None,
        }
    }

    /// The x of the factors `x` and `1 + erf(x / √2)`.
    fn erf_inside(&self, factors: &[usize]) -> Option<usize> {
        let &[a, b] = factors else { return None };
        let of = |gate: usize, x: usize| {
            let one = self.at(gate).filter(|step| matches!(step.act, Act::Shift(by) if near(by, 1.0)))?;
            let erf = self.at(one.inputs[0]).filter(|step| matches!(step.act, Act::Erf))?;
            let scaled = self.at(erf.inputs[0])?;
            let is_root = matches!(scaled.act, Act::Factor(by) if near(by, std::f32::consts::FRAC_1_SQRT_2));
            (is_root && scaled.inputs[0] == x).then_some(x)
        };
        of(b, a).or_else(|| of(a, b))
    }

    /// A product of two values, where it is a function of one of them.
    pub(super) fn gated(&mut self, node: &'a Node<'a>, a: &Flow, b: &Flow) -> Option<Flow> {
        let of = |x: &Flow, gate: &Flow| -> Option<&'static str> {
            let step = self.step(gate)?;
            let from = step.inputs.first().copied()?;
            let word = match step.act {
                Act::Layer("sigmoid") if from == x.at => "silu",
                Act::Layer("hardsigmoid") if from == x.at => "hardswish",
                Act::Layer("tanh") => {
                    let soft = self.layer(from, "softplus")?;
                    (soft.inputs[0] == x.at).then_some("mish")?
                }
                _ => return None,
            };
            (x.dims == gate.dims).then_some(word)
        };
        let halved = |half: &Flow, gate: &Flow| -> Option<usize> {
            let step = self.step(half).filter(|step| matches!(step.act, Act::Factor(by) if near(by, 0.5)))?;
            self.erf_inside(&[step.inputs[0], gate.at])
        };
        if let Some(at) = halved(a, b).or_else(|| halved(b, a)) {
            let x = Flow { at, ..a.clone() };
            return Some(self.named(node, "gelu", &x));
        }
        let (word, x) = match (of(a, b), of(b, a)) {
            (Some(word), _) => (word, a),
            (None, Some(word)) => (word, b),
            (None, None) => return None,
        };
        Some(self.named(node, word, x))
    }

    /// A quotient of two values: a norm, or a product with what is to the power -1.
    pub(super) fn quotient(&mut self, node: &'a Node<'a>, x: &Flow, by: &Flow) -> Result<Flow, Fault> {
        if let Some(flow) = self.response(node, x, by)? {
            return Ok(flow);
        }
        if let Some(flow) = self.normal(node, x, by) {
            return Ok(flow);
        }
        let inverse = self.keep(node, Act::Power(-1.0), by);
        self.together(node, "multiply", &[x.clone(), inverse])
    }

    /// A `local_response_norm` of an even window, as we write it.
    fn response(&mut self, node: &'a Node<'a>, x: &Flow, norm: &Flow) -> Result<Option<Flow>, Fault> {
        let Some(step) = self.step(norm) else { return Ok(None) };
        let Act::Power(beta) = step.act else { return Ok(None) };
        let conv = step.inputs[0];
        let Some(square) = self.layer(conv, "conv2d").map(|conv| conv.inputs[0]) else { return Ok(None) };
        let square = square.checked_sub(1).and_then(|at| self.steps.get(at));
        let is_square =
            square.is_some_and(|step| matches!(step.act, Act::Power(2.0)) && step.inputs == [x.at]);
        let Some((size, alpha, k)) = self.band(conv)?.filter(|_| is_square) else { return Ok(None) };
        let flow = self.named(node, "local_response_norm", x);
        if let Some(step) = self.last() {
            step.args = response(size, [alpha, beta, k]);
        }
        Ok(Some(flow))
    }
}
