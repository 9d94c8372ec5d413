//! Keras' functions of single numbers, as layers or by their names → layers of ours.

use serde_json::Value;

use crate::diag::Fault;
use crate::exchange::keras::config::Config;
use crate::exchange::keras::wiring::{Flow, Network};
use crate::spec::Arg;

/// The function that a layer names, or holds as a layer of its own.
pub fn named(
    network: &mut Network<'_>,
    config: &Config<'_>,
    activation: &Value,
    x: Flow,
) -> Result<Flow, Fault> {
    match activation {
        Value::String(name) => function(network, config, name, x),
        Value::Object(map) => {
            let class = map.get("class_name").and_then(Value::as_str).unwrap_or_default();
            match map.get("config") {
                Some(Value::String(name)) => function(network, config, name, x),
                values => {
                    let values = values.unwrap_or(&Value::Null);
                    let inner = Config { class, values, origin: config.origin.clone() };
                    layer(network, &inner, class, x)
                }
            }
        }
        Value::Null => Ok(x),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            Err(config.refuse("its activation is no name"))
        }
    }
}

/// A layer that is a function.
pub fn layer(network: &mut Network<'_>, config: &Config<'_>, class: &str, x: Flow) -> Result<Flow, Fault> {
    match class {
        "Activation" => {
            let activation = config.get("activation").ok_or_else(|| config.refuse("it names no function"))?;
            named(network, config, activation, x)
        }
        "ReLU" => {
            let (slope, threshold) =
                (config.number("negative_slope", 0.0)?, config.number("threshold", 0.0)?);
            let most = config.get("max_value").map(|_| config.number("max_value", 0.0)).transpose()?;
            match (most, slope, threshold) {
                (None, 0.0, 0.0) => put(network, config, "relu", Vec::new(), x),
                (None, slope, 0.0) => put(network, config, "leaky_relu", alpha(slope), x),
                (Some(most), 0.0, 0.0) => {
                    let at = network.building.clip(x.at, [0.0, most], &config.origin)?;
                    Ok(Flow { at, ..x })
                }
                _ => Err(config.refuse("it has a slope or a threshold as well as a largest value")),
            }
        }
        "LeakyReLU" => {
            // Keras 2 calls it `alpha`.
            let key = if config.get("negative_slope").is_some() { "negative_slope" } else { "alpha" };
            put(network, config, "leaky_relu", alpha(config.number(key, 0.3)?), x)
        }
        "ELU" => put(network, config, "elu", alpha(config.number("alpha", 1.0)?), x),
        "Softmax" => {
            let rank = network.building.shape(x.at).len();
            let axis = config.number("axis", -1.0)?;
            match axis == -1.0 || axis == rank as f64 {
                true => put(network, config, "softmax", Vec::new(), x),
                false => Err(config.refuse("it is over another axis than that of the channels")),
            }
        }
        // Functions that are called in a graph.
        "Relu" | "Relu6" | "Sigmoid" | "Tanh" | "Silu" | "Gelu" | "Selu" | "Softplus" | "HardSigmoid"
        | "HardSilu" | "HardSwish" | "LogSoftmax"
            if config.values.get("trainable").is_none() =>
        {
            function(network, config, &word(class), x)
        }
        "Lambda" => Err(config.refuse("it is Python code")),
        _ => Err(config.refuse("there is no layer for it")),
    }
}

/// `HardSilu` → `hard_silu`
fn word(class: &str) -> String {
    let mut out = String::new();
    for c in class.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn alpha(slope: f64) -> Vec<(&'static str, Arg)> {
    vec![("alpha", Arg::Number(slope))]
}

fn put(
    network: &mut Network<'_>,
    config: &Config<'_>,
    word: &'static str,
    given: Vec<(&'static str, Arg)>,
    x: Flow,
) -> Result<Flow, Fault> {
    let at = network.building.layer(word, x.at, given, Vec::new(), &config.origin)?;
    Ok(Flow { at, ..x })
}

fn function(network: &mut Network<'_>, config: &Config<'_>, name: &str, x: Flow) -> Result<Flow, Fault> {
    let word = match name {
        "linear" => return Ok(x),
        "relu" => "relu",
        "relu6" => "relu6",
        "leaky_relu" => return put(network, config, "leaky_relu", alpha(0.2), x),
        "elu" => return put(network, config, "elu", alpha(1.0), x),
        "selu" => "selu",
        "gelu" => "gelu",
        "silu" | "swish" => "silu",
        "mish" => "mish",
        "sigmoid" => "sigmoid",
        "tanh" => "tanh",
        "softplus" => "softplus",
        "softmax" => "softmax",
        "log_softmax" => "log_softmax",
        "hard_silu" | "hard_swish" => "hardswish",
        "hard_sigmoid" if network.is_old => {
            // Of the slope 0.2 where ours has 1/6.
            let at = network.building.scale(x.at, 1.2, &config.origin)?;
            return put(network, config, "hardsigmoid", Vec::new(), Flow { at, ..x });
        }
        "hard_sigmoid" => "hardsigmoid",
        other => {
            let other: String = other.chars().take(60).collect();
            return Err(config.refuse(format!("there is no layer for the function `{other}`")));
        }
    };
    put(network, config, word, Vec::new(), x)
}
