//! `weights "FILE"` in `train`: what a training begins with in place of random numbers.

use crate::source::Span;
use crate::spec::section::{Absent, Lines, Setting, Takes};
use crate::spec::{Kind, Preset, Spec, keyword, positional};

pub static WEIGHTS: Setting = Setting { spec: &SPEC, takes: Takes::Arguments, absent: Absent::Nothing };

static SPEC: Spec = Spec {
    name: "weights",
    summary: "the weights that training starts from",
    docs: "A run's folder (its best weights), or a safetensors, PyTorch (`.pth`, `.pt`) or NumPy (`.npz`) file. Every weight must \
           be found in it: by name, otherwise by the order and shapes of the layers. Only the last layer starts afresh if its \
           shape differs, as with another number of classes. `fresh` names other layers that start afresh, separated by commas; \
           `*` stands for any characters. `map` is a text file that says which tensor each weight takes, for when neither names \
           nor order settle it. A run prints what it took.\n\n\
           The file is needed only when a run begins; a resumed run has everything. See `docs/weights.md`.",
    params: &[
        positional("path", Kind::Text, Preset::Required, "a file, or the folder of a run"),
        keyword("fresh", Kind::Text, Preset::Absent, "layers that start afresh"),
        keyword("map", Kind::Text, Preset::Absent, "a text file with our name and theirs on each line"),
        keyword(
            "key",
            Kind::Text,
            Preset::Absent,
            "the dictionary to use from a PyTorch checkpoint that has several",
        ),
    ],
    example: "weights \"runs/mnist-1\"",
    elsewhere: &["pretrained", "init_from", "load_from", "load_weights", "finetune", "finetune_from"],
};

/// What the line says.
#[derive(Clone, Debug, PartialEq)]
pub struct Beginning {
    /// This and `map` are relative to the file's folder.
    pub path: String,
    /// Patterns of layers' names.
    pub fresh: Vec<String>,
    pub map: Option<String>,
    pub key: Option<String>,
    pub span: Span,
}

/// `None` where there is no such line.
pub fn of(lines: &Lines<'_>) -> Option<Beginning> {
    let line = lines.line(&WEIGHTS)?;
    let args = &line.found.as_ref()?.args;
    let text = |name| args.get(name).and_then(|_| args.word(name).ok()).map(str::to_owned);
    let fresh = text("fresh").unwrap_or_default();
    let patterns = fresh.split(',').map(str::trim).filter(|pattern| !pattern.is_empty());
    Some(Beginning {
        path: text("path")?,
        fresh: patterns.map(str::to_owned).collect(),
        map: text("map"),
        key: text("key"),
        span: args.span("path").unwrap_or(line.statement.head()),
    })
}
