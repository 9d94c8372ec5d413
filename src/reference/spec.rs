//! A declaration → its entry: what it is, how it is written, its contract, its arguments, an example.

use crate::experiment;
use crate::reference::{Entry, sentence};
use crate::source::Sources;
use crate::spec::{Arg, Kind, Param, Preset, Spec, shown, usage};
use crate::syntax::parse;

/// The input in front of a layer's example.
const INPUT: &str = "3x12x12";

/// The entry of a word that stands behind `before`, such as `loss `.
pub fn entry(before: &str, spec: &'static Spec) -> Entry {
    let mut text = format!("{}.\n\n", sentence(spec.summary));
    if !spec.params.is_empty() {
        text.push_str(&format!("```text\n{before}{}\n```\n\n", usage(spec)));
    }
    let end = if spec.docs.ends_with('.') { "" } else { "." };
    text.push_str(&format!("{}{end}\n", spec.docs));
    if !spec.params.is_empty() {
        text.push('\n');
        spec.params.iter().for_each(|param| text.push_str(&argument(param)));
    }
    if !spec.example.trim().eq(spec.name) {
        text.push_str(&format!("\nFor example:\n\n```text\n{}\n```\n", spec.example));
    }
    Entry { name: spec.name.to_owned(), elsewhere: spec.elsewhere, text }
}

/// The entry of a layer or join, with what its example comes to.
pub fn layer(spec: &'static Spec) -> Entry {
    let mut entry = entry("", spec);
    if let Some(effect) = effect(spec.example) {
        entry.text.push_str(&format!("\n{effect}\n"));
    }
    entry
}

/// `padding=1`: what it accepts, what holds without it, what it does.
pub fn argument(param: &Param) -> String {
    let name = if param.positional { param.name.to_uppercase() } else { format!("{}=", param.name) };
    let default = match param.default {
        Preset::Required => "required".to_owned(),
        Preset::Absent => "optional".to_owned(),
        Preset::Like(other) => format!("the same as `{other}` by default"),
        Preset::Count(n) | Preset::Padding(n) => format!("default `{n}`"),
        Preset::Number(value) => format!("default `{}`", Arg::Number(value)),
        Preset::Pair(a, b) => format!("default `{}`", Arg::Pair([a, b])),
        Preset::Bool(value) => format!("default `{value}`"),
        Preset::Word(word) => format!("default `{word}`"),
        Preset::Time(time) => format!("default `{}`", shown(time)),
    };
    format!("- `{name}`: {} ({}; {default}).\n", param.doc, kind(param.kind))
}

/// What an argument accepts, in words.
fn kind(kind: Kind) -> String {
    let number = |value: f64| Arg::Number(value).to_string();
    match kind {
        Kind::Count => "a whole number of at least 1".to_owned(),
        Kind::CountOrAuto => "a whole number of at least 1, or `auto`".to_owned(),
        Kind::Bytes => "an amount of memory such as `2GB`".to_owned(),
        Kind::Time { min } => format!("a time of at least `{}`, such as `10min`", shown(min)),
        Kind::Whole => "a whole number of at least 0".to_owned(),
        Kind::Number { min, max } if max == f64::MAX => format!("a number of at least {}", number(min)),
        Kind::Number { min, max } => format!("a number from {} to {}", number(min), number(max)),
        Kind::Pair => "a size, `3` or `3x5`".to_owned(),
        Kind::PairOrTriple => "a size, `3`, `3x5` or `3x5x7`".to_owned(),
        Kind::PaddingOrAround => {
            "`1`, `1x2` (rows x columns), `1x2x2` (depth x rows x columns), `[top, bottom, left, right]` or `[front, back, top, bottom, left, right]`".to_owned()
        }
        Kind::Triple => "a size, `3` or `3x5x7`".to_owned(),
        Kind::Around => {
            "`1`, `1x2x2`, `same`, `valid` or `[front, back, top, bottom, left, right]`".to_owned()
        }
        Kind::Padding => "`1`, `1x2`, `same`, `valid` or `[top, bottom, left, right]`".to_owned(),
        Kind::Ends => "`1`, `same`, `valid` or `[before, after]`".to_owned(),
        Kind::Bool => "`true` or `false`".to_owned(),
        Kind::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or "),
        Kind::Text => "a text in quotes".to_owned(),
        Kind::Shape => "a shape such as `1x28x28`".to_owned(),
        Kind::Numbers => "a number, or a list of them".to_owned(),
        Kind::Rising => {
            "whole numbers of at least 1 such as `[80, 120]`, each larger than the one before".to_owned()
        }
        Kind::Word => "a word".to_owned(),
        Kind::Name => "a word, or a text in quotes".to_owned(),
        Kind::Names => "a name, or a list of names such as `[cat, dog]`".to_owned(),
        Kind::NumbersOr(words) => {
            let words = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            format!("{words}, a number, or a list of numbers")
        }
    }
}

/// What the example gives, and its parameters.
fn effect(example: &str) -> Option<String> {
    let mut sources = Sources::default();
    let file = sources.add("example", format!("model Example {{ input {INPUT}; {example} }}"));
    let (ast, _) = parse(&sources, file);
    let model = experiment::resolve(&sources, &ast).0.model?;
    let parameters = match model.n_parameters() {
        0 => "no parameters".to_owned(),
        1 => "one parameter".to_owned(),
        n => format!("{n} parameters"),
    };
    Some(format!("It turns `{INPUT}` into `{}` and has {parameters}.", model.output()?))
}
