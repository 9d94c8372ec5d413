//! Declarations → what a completion writes: a word with stops for what must be given (`conv2d ${1:channels}
//! ${2:kernel}`).

use crate::model::definitions::Block;
use crate::spec::{Kind, Param, Preset, Spec};

/// A statement of a declaration, with its required arguments.
pub fn spec(spec: &Spec) -> String {
    let required = spec.params.iter().filter(|param| param.default == Preset::Required);
    let mut out = spec.name.to_owned();
    for (i, param) in required.enumerate() {
        let stop = stop(i + 1, param);
        match param.positional {
            true => out.push_str(&format!(" {stop}")),
            false => out.push_str(&format!(" {}={stop}", param.name)),
        }
    }
    out
}

/// The use of a block, with the parameters that have no default.
pub fn block(block: &Block<'_>) -> String {
    let required = block.parameters.iter().filter(|parameter| parameter.default.is_none());
    let stops: String =
        required.enumerate().map(|(i, p)| format!(" ${{{}:{}}}", i + 1, p.name.text)).collect();
    format!("{}{stops}", block.name.text)
}

/// What is written behind `key=`.
pub fn value(param: &Param) -> String {
    match param.kind {
        Kind::Choice(_) | Kind::Bool | Kind::Text => stop(1, param),
        _ => "$0".to_owned(),
    }
}

fn stop(n: usize, param: &Param) -> String {
    match param.kind {
        Kind::Choice(words) => format!("${{{n}|{}|}}", words.join(",")),
        Kind::Bool => match param.default {
            // Who writes it means the other.
            Preset::Bool(true) => format!("${{{n}|false,true|}}"),
            _ => format!("${{{n}|true,false|}}"),
        },
        Kind::Text => format!("\"${{{n}:{}}}\"", param.name),
        _ => format!("${{{n}:{}}}", param.name),
    }
}
