//! A layer in any of Caffe's three forms → the form of today: its name, its kind, what it takes and gives, and its settings.
//!
//! `layer { type: "Convolution" convolution_param { … } }` is today's; before, `layers { type: CONVOLUTION convolution_param { … } }`;
//! and before that, `layers { layer { type: "conv" num_output: … } }`.

use crate::diag::Fault;
use crate::exchange::caffe::text::{Message, Value};
use crate::exchange::caffe::wrong;
use crate::exchange::import::building::cannot;
use crate::exchange::import::line::Origin;

/// The longest name that is kept.
const MAX_NAME: usize = 256;
/// The largest number of a setting.
const MAX_NUMBER: u64 = 1 << 24;

/// A layer as the network is run.
pub struct Layer<'t> {
    pub name: &'t str,
    /// As today's form calls it: `Convolution`, `InnerProduct`.
    pub kind: String,
    pub bottoms: Vec<&'t str>,
    pub tops: Vec<&'t str>,
    settings: Settings<'t>,
    line: usize,
    pub origin: Origin,
}

enum Settings<'t> {
    /// In a field of the layer that is called after it: `convolution_param`.
    Apart(&'t Message),
    /// Beside everything else, as the oldest form has them.
    Together(&'t Message),
}

/// Kinds whose older names are not the same but for capitals.
const OLD: &[(&str, &str)] = &[
    ("conv", "Convolution"),
    ("deconvolution", "Deconvolution"),
    ("pool", "Pooling"),
    ("softmaxloss", "SoftmaxWithLoss"),
    ("sigmoidcrossentropyloss", "SigmoidCrossEntropyLoss"),
    ("innerproduct", "InnerProduct"),
    ("batchnorm", "BatchNorm"),
    ("relu", "ReLU"),
    ("prelu", "PReLU"),
    ("elu", "ELU"),
    ("lrn", "LRN"),
    ("tanh", "TanH"),
    ("bnll", "BNLL"),
    ("absval", "AbsVal"),
    ("imagedata", "ImageData"),
    ("images", "ImageData"),
    ("hdf5data", "HDF5Data"),
    ("memorydata", "MemoryData"),
    ("dummydata", "DummyData"),
    ("windowdata", "WindowData"),
    ("padding", "Padding"),
];

/// `INNER_PRODUCT` and `innerproduct` → `InnerProduct`; today's names stay.
fn kind(word: &str) -> String {
    let is_new = word.starts_with(|c: char| c.is_ascii_uppercase())
        && (word.len() < 2 || word.chars().any(|c| c.is_ascii_lowercase()));
    if is_new || word == "LRN" || word == "ELU" || word == "BNLL" {
        return word.to_owned();
    }
    let plain: String = word.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect();
    if let Some((_, own)) = OLD.iter().find(|(old, _)| *old == plain) {
        return (*own).to_owned();
    }
    let mut own = plain;
    if let Some(first) = own.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    own
}

/// The layers that are there when the network is run, not trained, in their order.
pub fn layers(net: &Message) -> Result<Vec<Layer<'_>>, Fault> {
    let mut found = Vec::new();
    for (field, value) in &net.fields {
        let Value::Message(outer) = value else { continue };
        if field != "layer" && field != "layers" {
            continue;
        }
        let inner = outer.message("layer");
        let own = inner.unwrap_or(outer);
        let phases =
            |name: &'static str| outer.messages(name).map(|rule| rule.word("phase").unwrap_or("TEST"));
        let is_in = outer.message("include").is_none() || phases("include").any(|phase| phase == "TEST");
        if !is_in || phases("exclude").any(|phase| phase == "TEST") {
            continue;
        }
        let name = own.word("name").unwrap_or_default();
        let word = own
            .word("type")
            .ok_or_else(|| wrong(format!("line {}: the layer `{name}` has no type", outer.line)))?;
        let shown: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
        found.push(Layer {
            name,
            kind: kind(word),
            bottoms: outer.words("bottom").collect(),
            tops: outer.words("top").collect(),
            settings: if inner.is_some() { Settings::Together(own) } else { Settings::Apart(outer) },
            line: outer.line,
            origin: Origin { name: shown, classes: Vec::new() },
        });
    }
    match found.is_empty() {
        true => Err(wrong("the text has no layers, as networks of Caffe have")),
        false => Ok(found),
    }
}

impl<'t> Layer<'t> {
    pub fn refuse(&self, why: impl std::fmt::Display) -> Fault {
        let mut fault = cannot(&self.origin, why);
        let kind: String = self.kind.chars().filter(|c| !c.is_control()).take(60).collect();
        fault.notes.push(format!("it is a `{kind}`, at line {}", self.line));
        fault
    }

    pub fn wrong(&self, what: impl std::fmt::Display) -> Fault {
        wrong(format!("line {}: the layer `{}` {what}", self.line, self.origin.name))
    }

    /// The words of a setting of `convolution_param`, or what stands for it.
    pub fn words(&self, param: &str, name: &str) -> Vec<&'t str> {
        let (message, name) = match self.settings {
            Settings::Apart(layer) => match layer.message(param) {
                Some(message) => (message, name),
                None => return Vec::new(),
            },
            Settings::Together(layer) => {
                let old = match name {
                    "bias_term" => "biasterm",
                    "kernel_size" => "kernelsize",
                    own => own,
                };
                (layer, old)
            }
        };
        message
            .fields
            .iter()
            .filter(|(own, _)| own == name)
            .filter_map(|(_, value)| match value {
                Value::Word(word) => Some(word.as_str()),
                Value::Message(_) => None,
            })
            .collect()
    }

    pub fn word(&self, param: &str, name: &str) -> Option<&'t str> {
        self.words(param, name).last().copied()
    }

    /// A message inside the settings.
    pub fn message(&self, param: &str, name: &str) -> Option<&'t Message> {
        match self.settings {
            Settings::Apart(layer) => layer.message(param)?.message(name),
            Settings::Together(_) => None,
        }
    }

    pub fn number(&self, param: &str, name: &str, default: f64) -> Result<f64, Fault> {
        match self.word(param, name) {
            None => Ok(default),
            Some(word) => {
                match word.trim_end_matches(['f', 'F']).parse::<f64>().ok().filter(|n| n.is_finite()) {
                    Some(number) => Ok(number),
                    None => {
                        Err(self
                            .wrong(format!("has the {name} {:?}", word.chars().take(40).collect::<String>())))
                    }
                }
            }
        }
    }

    fn whole(&self, name: &str, word: &str, least: u64) -> Result<usize, Fault> {
        let n = word.parse::<u64>().ok().filter(|n| (least..=MAX_NUMBER).contains(n));
        n.and_then(|n| usize::try_from(n).ok()).ok_or_else(|| {
            self.wrong(format!("has the {name} {:?}", word.chars().take(40).collect::<String>()))
        })
    }

    /// A whole number; without a default it must be there.
    pub fn count(&self, param: &str, name: &str, default: Option<usize>) -> Result<usize, Fault> {
        match self.word(param, name) {
            None => default.ok_or_else(|| self.wrong(format!("has no `{name}`"))),
            Some(word) => self.whole(name, word, 1),
        }
    }

    pub fn bool(&self, param: &str, name: &str, default: Option<bool>) -> Result<bool, Fault> {
        match self.word(param, name) {
            None => default.ok_or_else(|| self.wrong(format!("has no `{name}`"))),
            Some("true" | "True" | "1" | "t") => Ok(true),
            Some("false" | "False" | "0" | "f") => Ok(false),
            Some(word) => {
                Err(self.wrong(format!("has the {name} {:?}", word.chars().take(40).collect::<String>())))
            }
        }
    }

    /// Down and across: `pad: 1`, `pad: 1 pad: 2`, or `pad_h: 1 pad_w: 2`.
    pub fn pair(
        &self,
        param: &str,
        name: &str,
        default: Option<usize>,
        least: u64,
    ) -> Result<[usize; 2], Fault> {
        let stem = name.strip_suffix("_size").unwrap_or(name);
        let sides = ["h", "w"].map(|side| self.word(param, &format!("{stem}_{side}")));
        if let [Some(rows), Some(columns)] = sides {
            return Ok([self.whole(name, rows, least)?, self.whole(name, columns, least)?]);
        }
        match (self.words(param, name).as_slice(), default) {
            ([], Some(default)) => Ok([default; 2]),
            ([], None) => Err(self.wrong(format!("has no `{name}`"))),
            ([one], _) => self.whole(name, one, least).map(|n| [n; 2]),
            ([rows, columns], _) => Ok([self.whole(name, rows, least)?, self.whole(name, columns, least)?]),
            (more, _) => Err(self.wrong(format!("slides along {} axes", more.len()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn older_names_become_those_of_today() {
        let old = [
            "CONVOLUTION",
            "conv",
            "INNER_PRODUCT",
            "innerproduct",
            "POOLING",
            "pool",
            "RELU",
            "SOFTMAX_LOSS",
        ];
        let new = [
            "Convolution",
            "Convolution",
            "InnerProduct",
            "InnerProduct",
            "Pooling",
            "Pooling",
            "ReLU",
            "SoftmaxWithLoss",
        ];
        assert_eq!(old.map(kind), new);
        for own in ["LRN", "ELU", "BatchNorm", "ReLU", "SoftmaxWithLoss", "Eltwise"] {
            assert_eq!(kind(own), own);
        }
        assert_eq!((kind("ELTWISE").as_str(), kind("").as_str()), ("Eltwise", ""));
    }
}
