//! What layers were called elsewhere → names in our text.

use crate::exchange::import::line::Origin;
use crate::layers;
use crate::model::definitions::CONTROL;

/// Words for what is around every layer, and say nothing of it.
const GENERIC: &[&str] = &[
    "features",
    "layers",
    "model",
    "module",
    "modules",
    "main",
    "sequential",
    "conv",
    "block",
    "blocks",
    "node",
    "n",
    "body",
    "backbone",
    "graph",
    "modulelist",
    "branch",
    "classifier",
    "fc",
    "head",
    "net",
    "network",
    "data",
    "train",
    "expect",
    "use",
    "import",
    "in",
    "input",
    "as",
    "shortcut",
    "and",
    "or",
    "true",
    "false",
    "same",
    "valid",
];

/// The words of the modules around a layer, the outermost first.
pub fn words(origin: &Origin) -> Vec<String> {
    if !origin.classes.is_empty() {
        return origin.classes.clone();
    }
    let separator = if origin.name.contains('/') { '/' } else { '.' };
    let mut words: Vec<String> =
        origin.name.split(separator).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    words.pop();
    words
}

/// `InvertedResidual` → `inverted_residual`, `layer1.0` → `layer`, `inception3a` → `inception`, `bottleneck_2` → `bottleneck`.
pub fn stem(word: &str) -> String {
    let word = match word.rsplit('.').find(|part| part.starts_with(char::is_alphabetic)) {
        Some(part) => part,
        None => word,
    };
    let mut stem = String::new();
    let mut before = ' ';
    for c in word.chars() {
        if c.is_ascii_digit() && stem.len() > 2 {
            break;
        }
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            stem.push('_');
        }
        stem.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
        before = c;
    }
    stem.trim_matches('_').to_owned()
}

/// Whether a block may have this name.
pub fn names_a_block(name: &str) -> bool {
    is_word(name)
        && !GENERIC.contains(&name)
        && !CONTROL.contains(&name)
        && layers::find(name).is_none()
        && layers::joins::find(name).is_none()
}

fn is_word(name: &str) -> bool {
    name.len() > 1
        && name.len() < 40
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// A model's name: letters and digits of what the graph is called.
pub fn model(name: &str) -> String {
    let mut out = String::new();
    for part in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        let (first, rest) = part.split_at(1);
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(rest);
    }
    let plain = ["MainGraph", "TorchJit", "Graph", "MainGraph1", "TorchJitExport"];
    match out.is_empty()
        || plain.contains(&out.as_str())
        || !out.starts_with(|c: char| c.is_ascii_alphabetic())
        || out.len() > 60
    {
        true => "Imported".to_owned(),
        false => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems() {
        let stems = [
            "InvertedResidual",
            "layer1.0",
            "inception3a",
            "bottleneck_2",
            "denselayer1",
            "SqueezeExcitation",
        ];
        let expected =
            ["inverted_residual", "layer", "inception", "bottleneck", "denselayer", "squeeze_excitation"];
        assert_eq!(stems.map(stem), expected);
        assert_eq!(model("main_graph"), "Imported");
        assert_eq!(model("ResNet50"), "ResNet50");
    }
}
