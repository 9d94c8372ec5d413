//! A network of several inputs or outputs, with weights that are used twice, or with blocks that take or give several values →
//! one Python class that names every layer by its whole path.

use std::collections::BTreeSet;

use crate::diag::Fault;
use crate::exchange::network::Network;
use crate::exchange::pytorch::classes::{KEYWORDS, is_taken, kept};
use crate::exchange::pytorch::forward::{Unit, forward};
use crate::exchange::pytorch::layer::{Code, Piece};
use crate::model::Wire;

/// The keys of an example: of the image or the model's end, and of what else is given, by name.
pub fn keys<'n>(first: &str, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(names.map(|name| format!("{first}.{name}"))).collect()
}

/// What is said of further inputs and outputs in the file's head.
pub fn told(network: &Network<'_>) -> Result<String, Fault> {
    let mut out = String::new();
    let mut inputs = Vec::new();
    for input in &network.model.inputs {
        let extents: Vec<String> = network.shape(input.wire)?.dims().iter().map(usize::to_string).collect();
        inputs.push(format!("`{}` ({})", input.name, extents.join(" x ")));
    }
    if !inputs.is_empty() {
        out.push_str(&format!(" It also takes {}.", inputs.join(", ")));
    }
    if !network.model.outputs.is_empty() {
        let names: Vec<String> =
            network.model.outputs.iter().map(|own| format!("`{}`", own.name.text)).collect();
        out.push_str(&format!(" It returns what its last line gives, and then {}.", names.join(", ")));
    }
    Ok(out)
}

/// The class of a network, and its name.
pub fn class(network: &Network<'_>, codes: &[Code]) -> Result<(String, String), Fault> {
    let model = network.model;
    let (mut body, mut units, mut made) = (String::new(), Vec::new(), BTreeSet::new());
    let mut inputs = vec![(Wire::INPUT, "x".to_owned())];
    for (at, (layer, code)) in model.layers.iter().zip(codes).enumerate() {
        let wire = Wire::of_layer(at);
        if let Some(input) = network.given(wire) {
            let name = argument(&input.name, &inputs);
            inputs.push((wire, name));
            continue;
        }
        let path =
            layer.name.split('.').fold("self".to_owned(), |path, part| kept(part).replacen("self", &path, 1));
        if !code.module.is_empty() && made.insert(layer.name.clone()) {
            contain(&layer.name, &mut made, &mut body);
            let pieces = code.module.iter().map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Number { value, .. } => value.to_string(),
            });
            body.push_str(&format!("        {path} = {}\n", pieces.collect::<String>()));
        }
        let call = code.call.replace("{self}", &path);
        units.push(Unit { call, inputs: layer.inputs.clone(), output: wire });
    }
    let outputs: Vec<Wire> =
        std::iter::once(model.output).chain(model.outputs.iter().map(|own| own.head.wire)).collect();
    // The file's own names.
    let class = if is_taken(&model.name) { format!("{}Network", model.name) } else { model.name.clone() };
    let arguments: Vec<String> = inputs.iter().map(|(_, name)| name.clone()).collect();
    let mut out = format!("\n\nclass {class}(nn.Module):\n");
    if !body.is_empty() {
        out.push_str(&format!("    def __init__(self):\n        super().__init__()\n{body}\n"));
    }
    out.push_str(&format!("    def forward(self, {}):\n", arguments.join(", ")));
    for line in forward(&units, &inputs, &outputs)? {
        out.push_str(&format!("        {line}\n"));
    }
    Ok((out, class))
}

/// Makes the modules that hold a layer, from the outermost on, those that are not there yet.
fn contain(name: &str, made: &mut BTreeSet<String>, body: &mut String) {
    let parts: Vec<&str> = name.split('.').collect();
    let mut path = "self".to_owned();
    for end in 1..parts.len() {
        path = kept(parts[end - 1]).replacen("self", &path, 1);
        if made.insert(parts[..end].join(".")) {
            body.push_str(&format!("        {path} = nn.Module()\n"));
        }
    }
}

/// What an input is called in Python.
fn argument(name: &str, others: &[(Wire, String)]) -> String {
    let mut own = name.to_owned();
    while own == "self"
        || is_taken(&own)
        || KEYWORDS.contains(&own.as_str())
        || others.iter().any(|(_, other)| *other == own)
    {
        own.push('_');
    }
    own
}
