//! The JSON in which Keras describes a network → its layers in order, the arrays that each has, and where a file keeps them.

use std::collections::HashMap;

use serde_json::Value;

use crate::weights::keras::calls::{Reference, ends, references};
use crate::weights::keras::order::{Content, Node, Wiring, orders};
use crate::weights::keras::store::Place;

/// How deep networks may lie in each other.
pub const MAX_DEPTH: usize = 16;
/// The most layers of a network.
pub const MAX_LAYERS: usize = 100_000;
/// The longest name of a layer that is looked at.
const MAX_NAME: usize = 1024;

/// A layer that has arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub class: String,
    pub place: Place,
    config: Value,
}

/// An array of a layer by what Keras calls it; of some layers versions of Keras have two names for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part(pub &'static [&'static str]);

impl Part {
    pub fn name(self) -> &'static str {
        self.0.first().copied().unwrap_or_default()
    }
}

const KERNEL: Part = Part(&["kernel"]);
const BIAS: Part = Part(&["bias"]);
const GAMMA: Part = Part(&["gamma"]);
const BETA: Part = Part(&["beta"]);
const MEAN: Part = Part(&["moving_mean"]);
const VARIANCE: Part = Part(&["moving_variance"]);
const DEPTHWISE: Part = Part(&["depthwise_kernel", "kernel"]);
const POINTWISE: Part = Part(&["pointwise_kernel"]);

/// The arrays of a layer, in the order in which Keras has them; none of a layer without any, or one that is not known.
pub fn parts(class: &str, config: &Value) -> Vec<Part> {
    let says = |key: &str| config.get(key).and_then(Value::as_bool).unwrap_or(true);
    let chosen = |parts: &[(Part, bool)]| {
        parts.iter().filter(|(_, is_there)| *is_there).map(|(part, _)| *part).collect::<Vec<_>>()
    };
    match class {
        "Conv1D" | "Conv2D" | "Conv2DTranspose" | "Dense" => {
            chosen(&[(KERNEL, true), (BIAS, says("use_bias"))])
        }
        "DepthwiseConv2D" => chosen(&[(DEPTHWISE, true), (BIAS, says("use_bias"))]),
        "SeparableConv2D" => chosen(&[(DEPTHWISE, true), (POINTWISE, true), (BIAS, says("use_bias"))]),
        "BatchNormalization" => {
            chosen(&[(GAMMA, says("scale")), (BETA, says("center")), (MEAN, true), (VARIANCE, true)])
        }
        "LayerNormalization" | "GroupNormalization" => {
            chosen(&[(GAMMA, says("scale")), (BETA, says("center"))])
        }
        "PReLU" => vec![Part(&["alpha"])],
        "Normalization" if config.get("mean").is_none_or(Value::is_null) => {
            vec![Part(&["mean"]), Part(&["variance"])]
        }
        _ => Vec::new(),
    }
}

impl Entry {
    pub fn parts(&self) -> Vec<Part> {
        parts(&self.class, &self.config)
    }
}

/// The whole description, as JSON.
pub fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|e| format!("describes its network in JSON that is damaged ({e})"))
}

/// A network's class and its own part of a description, or of a layer that is a network.
pub fn network(layer: &Value) -> Option<&Value> {
    let class = layer.get("class_name").and_then(Value::as_str)?;
    ["Sequential", "Functional", "Model"].contains(&class).then(|| layer.get("config"))?
}

/// The layers of a network's part of a description.
pub fn layers(config: &Value) -> Result<&[Value], String> {
    // Before Keras 2.3 a sequence was the list itself.
    let list = config.get("layers").unwrap_or(config).as_array();
    match list.map(Vec::as_slice) {
        Some(layers) if layers.len() <= MAX_LAYERS => Ok(layers),
        Some(layers) => Err(format!("describes a network of {} layers", layers.len())),
        None => Err("describes a network without a list of layers".to_owned()),
    }
}

/// A layer's class, without the package around it.
pub fn class(layer: &Value) -> &str {
    layer.get("class_name").and_then(Value::as_str).unwrap_or_default()
}

/// What a layer is called.
pub fn name(layer: &Value) -> String {
    let own = layer.get("config").and_then(|config| config.get("name")).or_else(|| layer.get("name"));
    own.and_then(Value::as_str).unwrap_or_default().chars().take(MAX_NAME).collect()
}

/// Where the arrays of each layer of a network lie that lies at `within` itself: counted by their classes, as Keras does it.
pub fn places(layers: &[Value], within: Option<&Place>) -> Vec<Place> {
    let mut used: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    let place = |layer: &Value| {
        let stem = snake(class(layer));
        let n = used.entry(stem.clone()).or_insert(0);
        let counted = if *n == 0 { stem } else { format!("{stem}_{n}") };
        *n += 1;
        let own = name(layer);
        match within {
            None => Place { path: counted, top: own.clone(), name: own },
            Some(within) => Place {
                path: format!("{}/layers/{counted}", within.path),
                top: within.top.clone(),
                name: own,
            },
        }
    };
    layers.iter().map(place).collect()
}

/// Every layer with arrays of a description, in its order, and the orders in which they may stand where branches come one after
/// another.
pub fn entries(text: &str) -> Result<(Vec<Entry>, Vec<Vec<usize>>), String> {
    let description = parse(text)?;
    let config = network(&description).ok_or_else(|| {
        format!("describes a `{}`, which is neither sequential nor functional", class(&description))
    })?;
    let (mut found, mut n_sums) = (Vec::new(), 0);
    let wiring = collect(config, None, 0, &mut found, &mut n_sums)?;
    Ok((found, orders(&wiring, n_sums)))
}

/// Joins whose operands may change places.
const SUMS: [&str; 5] = ["Add", "Average", "Maximum", "Minimum", "Multiply"];

fn collect(
    config: &Value,
    within: Option<&Place>,
    depth: usize,
    found: &mut Vec<Entry>,
    n_sums: &mut usize,
) -> Result<Wiring, String> {
    if depth == MAX_DEPTH {
        return Err(format!("describes networks more than {MAX_DEPTH} deep in each other"));
    }
    let layers = layers(config)?;
    let is_graph = layers.iter().any(|layer| layer.get("inbound_nodes").is_some());
    let places = places(layers, within);
    let known: HashMap<String, usize> =
        places.iter().enumerate().map(|(at, place)| (place.name.clone(), at)).collect();
    let mut wiring = Wiring::default();
    for (at, (layer, place)) in layers.iter().zip(places).enumerate() {
        let inputs = match is_graph {
            true => taken(layer, &known),
            false => at.checked_sub(1).into_iter().collect(),
        };
        let sum = (SUMS.contains(&class(layer)) && inputs.len() > 1).then_some(*n_sums);
        *n_sums += usize::from(sum.is_some());
        let content = match network(layer) {
            Some(inner) => Content::Network(collect(inner, Some(&place), depth + 1, found, n_sums)?),
            None => {
                let own = layer.get("config").cloned().unwrap_or(Value::Null);
                let entry = Entry { class: class(layer).to_owned(), place, config: own };
                match entry.parts().is_empty() {
                    true => Content::Nothing,
                    false => {
                        found.push(entry);
                        Content::Entry(found.len() - 1)
                    }
                }
            }
        };
        wiring.nodes.push(Node { inputs, content, sum });
    }
    wiring.output = match is_graph {
        true => ends(config.get("output_layers")).first().and_then(|(name, _)| known.get(name).copied()),
        false => layers.len().checked_sub(1),
    };
    Ok(wiring)
}

/// The layers that one is called with, all its calls together; what is written in a way that is not known names none.
fn taken(layer: &Value, known: &HashMap<String, usize>) -> Vec<usize> {
    let calls = layer.get("inbound_nodes").and_then(Value::as_array).map_or([].as_slice(), Vec::as_slice);
    let named = calls.iter().take(MAX_LAYERS).flat_map(|call| references(call).unwrap_or_default());
    named
        .filter_map(|reference| match reference {
            Reference::Value(name, _) => known.get(&name).copied(),
            Reference::Number(_) => None,
        })
        .collect()
}

/// `SeparableConv2D` → `separable_conv2d`, `ReLU` → `re_lu`, `PReLU` → `p_re_lu`: as Keras' `to_snake_case`.
fn snake(class: &str) -> String {
    let letters: Vec<char> =
        class.chars().filter(|c| c.is_alphanumeric() || *c == '_').take(MAX_NAME).collect();
    let is = |at: usize, wanted: fn(&char) -> bool| letters.get(at).is_some_and(wanted);
    let mut out = String::new();
    for (at, c) in letters.iter().enumerate() {
        // Before a word of one capital and small letters, and between a small letter and a capital.
        let word = is(at + 1, char::is_ascii_lowercase);
        let cut = c.is_ascii_uppercase() && at > 0 && (word || is(at - 1, char::is_ascii_lowercase));
        if cut {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::snake;

    #[test]
    fn classes_are_spelled_as_keras_spells_them() {
        let classes =
            ["Conv2D", "SeparableConv2D", "ReLU", "PReLU", "LeakyReLU", "ELU", "BatchNormalization"];
        let expected =
            ["conv2d", "separable_conv2d", "re_lu", "p_re_lu", "leaky_re_lu", "elu", "batch_normalization"];
        assert_eq!(classes.map(snake), expected);
    }
}
