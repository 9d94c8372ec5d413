//! How weights begin: from an initialiser's name and what a layer sums over to the numbers' distribution.

use crate::diag::Fault;
use crate::graph::Init;
use crate::layers::Parameter;
use crate::shape::Shape;
use crate::spec::section::Registry;
use crate::spec::{self, Arg, Args, Kind, Param, Preset, Spec, keyword};

pub static REGISTRY: Registry = Registry {
    title: "Initialisers",
    intro: "The name after `init` in `train`, or after a layer's `init=`, where its arguments keep their defaults. `fan_in` is \
            the number of inputs that an output of the layer is summed from, `fan_out` its counterpart for the gradients. For a \
            convolution they are the kernel's positions times the input or the output channels of one group, whatever the \
            stride; PyTorch does not divide `fan_out` by the groups. `conv_transpose2d` swaps the two, as in PyTorch. The layer's \
            biases start at 0.",
    one: "initialiser",
    specs: || SPECS.to_vec(),
};

/// The argument of layers that have weights.
pub(crate) const INIT: Param = keyword(
    "init",
    Kind::Choice(&[
        "kaiming_normal",
        "kaiming_uniform",
        "xavier_normal",
        "xavier_uniform",
        "trunc_normal",
        "normal",
        "orthogonal",
        "identity",
        "zeros",
        "ones",
    ]),
    Preset::Absent,
    "how weights are initialised: an initialiser",
);

const FAN: Param = keyword(
    "fan",
    Kind::Choice(&["in", "out"]),
    Preset::Word("in"),
    "what keeps its scale: the values going forward (`in`), or the gradients (`out`)",
);
const ZERO_RESIDUAL: Param = keyword(
    "zero_residual",
    Kind::Bool,
    Preset::Bool(false),
    "starts the scale of the norm that ends a `residual` block at 0, so that the block starts out as its shortcut",
);
const LARGEST: Kind = Kind::Number { min: 0.0, max: 1e3 };

const fn gain(preset: f64) -> Param {
    keyword("gain", LARGEST, Preset::Number(preset), "a factor on all weights")
}

const fn std(preset: f64) -> Param {
    keyword("std", LARGEST, Preset::Number(preset), "the standard deviation of the weights")
}

macro_rules! initialiser {
    ($name:expr, $summary:expr, $docs:expr, $params:expr, $elsewhere:expr) => {
        &Spec {
            name: $name,
            summary: $summary,
            docs: $docs,
            params: $params,
            example: concat!("init ", $name),
            elsewhere: $elsewhere,
        }
    };
}

const ROOT_OF_TWO: f64 = std::f64::consts::SQRT_2;

static SPECS: &[&Spec] = &[
    initialiser!(
        "default",
        "each layer as its own documentation says",
        "Only useful for its `zero_residual`. It is also the default without an `init` line.",
        &[ZERO_RESIDUAL],
        &[]
    ),
    initialiser!(
        "kaiming_normal",
        "normal, for layers followed by `relu`",
        "Normal with the standard deviation `gain / sqrt(fan)` (He et al., 2015).",
        &[FAN, gain(ROOT_OF_TWO), ZERO_RESIDUAL],
        &["he_normal", "HeNormal", "kaiming_normal_", "msra"]
    ),
    initialiser!(
        "kaiming_uniform",
        "uniform, for layers followed by `relu`",
        "Uniform in ±`gain sqrt(3 / fan)` (He et al., 2015).",
        &[FAN, gain(ROOT_OF_TWO), ZERO_RESIDUAL],
        &["he_uniform", "HeUniform", "kaiming_uniform_"]
    ),
    initialiser!(
        "xavier_normal",
        "normal, a compromise between keeping the forward and the backward scale",
        "Normal with the standard deviation `gain sqrt(2 / (fan_in + fan_out))` (Glorot and Bengio, 2010).",
        &[gain(1.0), ZERO_RESIDUAL],
        &["glorot_normal", "GlorotNormal", "xavier_normal_"]
    ),
    initialiser!(
        "xavier_uniform",
        "uniform, a compromise between keeping the forward and the backward scale",
        "Uniform in ±`gain sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio, 2010). Keras' default.",
        &[gain(1.0), ZERO_RESIDUAL],
        &["glorot_uniform", "GlorotUniform", "xavier_uniform_", "xavier"]
    ),
    initialiser!(
        "trunc_normal",
        "normal without its tails",
        "Normal, cut off at two standard deviations and then widened so that `std` is the standard deviation of what is left. It \
         is Keras' TruncatedNormal, widened, and not PyTorch's `trunc_normal_`, whose bounds are ±2 whatever `std` is.",
        &[std(0.02), ZERO_RESIDUAL],
        &["TruncatedNormal", "truncated_normal", "trunc_normal_"]
    ),
    initialiser!(
        "normal",
        "normal, with one standard deviation for all layers",
        "Normal with mean 0.",
        &[std(0.01), ZERO_RESIDUAL],
        &["RandomNormal", "gaussian", "normal_"]
    ),
    initialiser!(
        "orthogonal",
        "filters at right angles to each other",
        "The weights form a matrix with one filter per row. Its rows, or its columns if there are fewer of them, are orthogonal \
         and have length `gain` (Saxe, McClelland and Ganguli, 2014).",
        &[gain(1.0), ZERO_RESIDUAL],
        &["Orthogonal", "orthogonal_"]
    ),
    initialiser!(
        "identity",
        "each output channel starts as the input channel of the same number",
        "A filter is 1 in its middle at the channel of its own number, within its group, and 0 elsewhere; filters beyond the \
         input's channels start at 0. As PyTorch's `dirac_` and `eye_`.",
        &[ZERO_RESIDUAL],
        &["dirac", "dirac_", "eye_", "IdentityInitializer"]
    ),
    initialiser!(
        "zeros",
        "all weights start at 0",
        "For a last layer. Two such layers in a row learn nothing.",
        &[ZERO_RESIDUAL],
        &["Zeros", "zeros_"]
    ),
    initialiser!(
        "ones",
        "all weights start at 1",
        "All at the same number.",
        &[ZERO_RESIDUAL],
        &["Ones", "ones_"]
    ),
];

/// What a layer's weights sum over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fans {
    pub into: usize,
    pub out: usize,
    /// Groups of outputs that do not see each other's inputs.
    pub groups: usize,
}

/// Weights, and a bias where the arguments ask for one: as `init=` says, or else as `standard`.
pub(crate) fn learned(
    args: &Args,
    weight: impl Into<Shape>,
    fans: Fans,
    standard: Init,
    n_outputs: usize,
) -> Result<Vec<Parameter>, Fault> {
    let given = args.get("init").map(|_| args.word("init")).transpose()?;
    let weights = match given {
        Some(name) => named(name, fans)?,
        None => standard.clone(),
    };
    let weight = Parameter { fans: Some(fans), ..Parameter::trained("weight", weight, weights) };
    let mut parameters = Vec::with_capacity(2);
    parameters.push(weight);
    if args.bool("bias")? {
        let init = if given.is_some() { Init::Constant(0.0) } else { standard };
        parameters.push(Parameter::trained("bias", [n_outputs], init));
    }
    Ok(parameters)
}

/// The distribution that the initialiser of this name gives with its defaults.
pub(crate) fn named(name: &str, fans: Fans) -> Result<Init, Fault> {
    match REGISTRY.find(name) {
        Some(spec) => init(name, &spec::preset(spec, &[]), fans),
        None => Err(Fault::internal(format!("there is no initialiser `{name}`"))),
    }
}

/// The distribution that an initialiser with these arguments gives.
pub fn init(name: &str, args: &Args, fans: Fans) -> Result<Init, Fault> {
    let gain = || args.number("gain");
    let fan = || Ok::<f64, Fault>(if args.word("fan")? == "out" { fans.out } else { fans.into } as f64);
    let both = (fans.into + fans.out) as f64;
    let normal = |deviation: f64| Init::Normal { deviation: deviation as f32 };
    let uniform = |bound: f64| Init::Uniform { bound: bound as f32 };
    Ok(match name {
        "kaiming_normal" => normal(gain()? / fan()?.sqrt()),
        "kaiming_uniform" => uniform(gain()? * (3.0 / fan()?).sqrt()),
        "xavier_normal" => normal(gain()? * (2.0 / both).sqrt()),
        "xavier_uniform" => uniform(gain()? * (6.0 / both).sqrt()),
        "trunc_normal" => Init::Truncated { deviation: args.number("std")? as f32 },
        "normal" => normal(args.number("std")?),
        "orthogonal" => Init::Orthogonal { gain: gain()? as f32 },
        "identity" => Init::Identity { groups: fans.groups },
        "zeros" => Init::Constant(0.0),
        "ones" => Init::Constant(1.0),
        other => return Err(Fault::internal(format!("`{other}` begins nothing"))),
    })
}

/// Whether an initialiser with these arguments has residual blocks begin as their shortcuts.
pub fn zeroes_residuals(args: &Args) -> bool {
    args.get("zero_residual").is_some_and(|given| given.arg == Arg::Bool(true))
}
