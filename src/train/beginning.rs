//! `weights "FILE"` in `train`: what a training begins with in place of random numbers.

use crate::source::Span;
use crate::spec::section::{Absent, Lines, Setting, Takes};
use crate::spec::{Kind, Preset, Spec, keyword, positional};

pub static WEIGHTS: Setting = Setting { spec: &SPEC, takes: Takes::Arguments, absent: Absent::Nothing };

static SPEC: Spec = Spec {
    name: "weights",
    summary: "the weights that training begins with",
    docs: "A run's folder (its best weights), or a file of safetensors, PyTorch (`.pth`, `.pt`) or NumPy (`.npz`). Everything \
           must be found in it: by its name, or else by the order and the shapes of the layers. Only the last layer \
           begins anew where its shape is another, as with another number of classes. `fresh` names other layers that are to begin \
           anew, several with commas between them; `*` stands for any characters. `map` is a text file that says \
           which tensor each weight takes, where neither names nor order tell. A run prints what it took.\n\n\
           The file is needed when a run begins; what is resumed has everything. `docs/weights.md` tells more.",
    params: &[
        positional("path", Kind::Text, Preset::Required, "a file, or the folder of a run"),
        keyword("fresh", Kind::Text, Preset::Absent, "layers that begin anew"),
        keyword("map", Kind::Text, Preset::Absent, "a text file: ours and theirs on each line"),
        keyword(
            "key",
            Kind::Text,
            Preset::Absent,
            "the dictionary of a PyTorch checkpoint, where there are several",
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
