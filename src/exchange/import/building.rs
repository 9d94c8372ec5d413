//! Layers in our words, one after another → what an importer found. The shape of each value comes from the layer's own rule, so
//! that a reader says only which layer stands where, with which arguments and numbers.

use crate::diag::{Fault, codes};
use crate::exchange::import::line::{Line, Origin, Weight};
use crate::layers::{self, Inferred, joins};
use crate::shape::Shape;
use crate::spec::{Arg, Args, Padding};

/// The most layers of a network.
const MAX_LINES: usize = 100_000;
/// The most numbers that are one number many times.
const MAX_REPEATED: usize = 1 << 29;

/// Arguments that are not left at their defaults, or may not be.
pub type Given = Vec<(&'static str, Arg)>;
/// Numbers of a layer by the names of its parameters.
pub type Weights<'a> = Vec<(&'static str, Weight<'a>)>;

/// A network under construction. Values are numbered: 0 is the input, `i + 1` what line `i` gives.
pub struct Building<'a> {
    pub input: Shape,
    pub lines: Vec<Line<'a>>,
    n_repeated: usize,
}

/// That a layer cannot be said in the language, or not so.
pub fn cannot(origin: &Origin, why: impl std::fmt::Display) -> Fault {
    let message = format!("the layer `{}` cannot be said in the language: {why}", origin.name);
    Fault::new(codes::EXCHANGE_IN, message)
}

impl<'a> Building<'a> {
    /// Begins with images of this shape.
    ///
    /// # Errors
    /// A shape that no image could have.
    pub fn new(input: Shape) -> Result<Building<'a>, Fault> {
        let fits = (1..=4).contains(&input.rank()) && input.checked_elements().is_some_and(|n| n > 0);
        match fits {
            true => Ok(Building { input, lines: Vec::new(), n_repeated: 0 }),
            false => {
                let message =
                    format!("the network takes {input}, which is no shape that an image could have");
                Err(Fault::new(codes::EXCHANGE_IN, message)
                    .advise("`--input 3x224x224` with the channels, height and width of one image"))
            }
        }
    }

    /// Extents of a value, channels first.
    pub fn shape(&self, value: usize) -> &[usize] {
        match value.checked_sub(1).and_then(|at| self.lines.get(at)) {
            Some(line) => &line.shape,
            None => self.input.dims(),
        }
    }

    pub fn channels(&self, value: usize) -> usize {
        self.shape(value).first().copied().unwrap_or(1)
    }

    /// The line that gives a value.
    pub fn line(&self, value: usize) -> Option<&Line<'a>> {
        value.checked_sub(1).and_then(|at| self.lines.get(at))
    }

    /// Adds a layer after a value, and gives the value that it makes.
    ///
    /// # Errors
    /// What arrives, or the numbers, do not fit the layer.
    pub fn layer(
        &mut self,
        word: &'static str,
        input: usize,
        given: Given,
        weights: Weights<'a>,
        origin: &Origin,
    ) -> Result<usize, Fault> {
        let layer =
            layers::find(word).ok_or_else(|| Fault::internal(format!("there is no layer `{word}`")))?;
        let (mut args, mut written) = (Args::default(), Vec::new());
        for param in layer.spec().params {
            let own = given.iter().find(|(name, _)| *name == param.name).map(|(_, arg)| arg.clone());
            written.extend(own.as_ref().map(|arg| (param.name, arg.to_string())));
            if let Some(arg) = own.or_else(|| param.default.arg(&args)) {
                args = args.set(param.name, arg);
            }
        }
        let shape = Shape::new(self.shape(input));
        let inferred = layer.infer(&args, &shape).map_err(|fault| self.refused(origin, fault))?;
        self.push(word, written, vec![input], inferred, weights, origin)
    }

    /// Adds what joins several values; a single one stays as it is.
    pub fn join(&mut self, word: &'static str, inputs: Vec<usize>, origin: &Origin) -> Result<usize, Fault> {
        match inputs.as_slice() {
            [] => return Err(cannot(origin, "it takes nothing")),
            &[one] => return Ok(one),
            _ => {}
        }
        let join = joins::find(word).ok_or_else(|| Fault::internal(format!("there is no join `{word}`")))?;
        let shapes: Vec<Shape> = inputs.iter().map(|&input| Shape::new(self.shape(input))).collect();
        let inferred =
            join.infer(&shapes.iter().collect::<Vec<_>>()).map_err(|fault| self.refused(origin, fault))?;
        self.push(word, Vec::new(), inputs, inferred, Vec::new(), origin)
    }

    fn refused(&self, origin: &Origin, fault: Fault) -> Fault {
        Fault { notes: fault.notes.clone(), ..cannot(origin, &fault.message) }
    }

    fn push(
        &mut self,
        word: &'static str,
        args: Vec<(&'static str, String)>,
        inputs: Vec<usize>,
        inferred: Inferred,
        weights: Weights<'a>,
        origin: &Origin,
    ) -> Result<usize, Fault> {
        if self.lines.len() == MAX_LINES {
            return Err(Fault::new(
                codes::EXCHANGE_IN,
                format!("the network has more than {MAX_LINES} layers"),
            ));
        }
        if inferred.output.checked_elements().is_none_or(|n| n == 0) {
            return Err(cannot(origin, format!("it gives {}", inferred.output)));
        }
        let mut own = Vec::with_capacity(inferred.parameters.len());
        for parameter in &inferred.parameters {
            let name = parameter.name;
            let found = weights.iter().find(|(given, _)| *given == name).map(|(_, weight)| weight);
            let weight =
                found.ok_or_else(|| Fault::internal(format!("`{word}` is imported without `{name}`")))?;
            if weight.count() != parameter.shape.elements() {
                let (is, needs) = (weight.count(), &parameter.shape);
                let message = format!(
                    "the layer `{}` has {is} numbers where `{word}` needs {needs} ({name})",
                    origin.name
                );
                return Err(Fault::new(codes::EXCHANGE_IN, message)
                    .advise("the weights that belong to this description of the network"));
            }
            if let Weight::All(n, _) = weight {
                self.n_repeated = self.n_repeated.saturating_add(*n);
            }
            own.push((name, weight.clone()));
        }
        if self.n_repeated > MAX_REPEATED {
            return Err(cannot(origin, "it needs more numbers than memory should hold"));
        }
        let shape = inferred.output.dims().to_vec();
        self.lines.push(Line { word, args, inputs, shape, weights: own, origin: origin.clone() });
        Ok(self.lines.len())
    }

    /// A factor and an offset for each channel: a batch norm with statistics that change nothing.
    pub fn affine(
        &mut self,
        input: usize,
        factor: Weight<'a>,
        offset: Weight<'a>,
        origin: &Origin,
    ) -> Result<usize, Fault> {
        let channels = self.channels(input);
        let weights = vec![
            ("weight", factor),
            ("bias", offset),
            ("running_mean", Weight::All(channels, 0.0)),
            ("running_var", Weight::All(channels, 1.0)),
        ];
        self.layer("batch_norm", input, vec![("epsilon", Arg::Number(0.0))], weights, origin)
    }

    /// `min(max(x, low), high)`.
    pub fn clip(&mut self, input: usize, [low, high]: [f64; 2], origin: &Origin) -> Result<usize, Fault> {
        if (low, high) == (0.0, 6.0) {
            return self.layer("relu6", input, Vec::new(), Vec::new(), origin);
        }
        if !(low < high && low.is_finite() && high.is_finite()) {
            return Err(cannot(origin, format!("it cuts off what is outside of {low} to {high}")));
        }
        let given = vec![("least", Arg::Number(low)), ("most", Arg::Number(high))];
        self.layer("clamp", input, given, Vec::new(), origin)
    }

    /// A factor for all numbers.
    pub fn scale(&mut self, input: usize, factor: f64, origin: &Origin) -> Result<usize, Fault> {
        if factor == 1.0 {
            return Ok(input);
        }
        if !factor.is_finite() {
            return Err(cannot(origin, format!("its factor is {factor}")));
        }
        self.layer("scale", input, vec![("factor", Arg::Number(factor))], Vec::new(), origin)
    }
}

/// The same padding on all four sides, or as it is given: top, bottom, left, right.
pub fn sides(sides: [usize; 4]) -> Arg {
    Arg::Padding(Padding::Sides(sides))
}
