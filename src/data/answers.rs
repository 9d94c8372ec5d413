//! What a fault in a `data { … }` section is answered with: the word that was meant, and the place in the text.

use crate::data::transforms::Transform;
use crate::diag::{Diagnostic, Fault, Remedy, codes, nearest};
use crate::source::Span;
use crate::spec::{Args, Spec, elsewhere};
use crate::syntax::ast::Statement;

/// The error for a line whose word is not `known`. `others` are the transforms of the other block; the texts
/// say that the word is unknown, and where one of the others belongs.
pub fn unknown(
    line: &Statement,
    known: impl Iterator<Item = &'static Spec>,
    others: &[&'static dyn Transform],
    [unknown, elsewhere]: [&str; 2],
) -> Diagnostic {
    let (name, span) = (line.word.text.as_str(), line.word.span);
    if others.iter().any(|other| other.spec().name == name) {
        return Diagnostic::error(codes::MISPLACED, span, format!("`{name}` cannot stand here"))
            .label(elsewhere);
    }
    if let Some((_, reason)) = NOT_NEEDED.iter().find(|(other, _)| *other == name) {
        let message = format!("`{name}` is not needed: {reason}");
        return Diagnostic::error(codes::UNKNOWN_WORD, span, message).translate("remove it", line.span, "");
    }
    let d = Diagnostic::error(codes::UNKNOWN_WORD, span, format!("{unknown} `{name}`"));
    match others.iter().map(|other| other.spec()).find(|spec| spec.elsewhere.contains(&name)) {
        Some(spec) => d.label(format!("here it is called `{}`", spec.name)).note(elsewhere),
        None => suggest(d, name, span, known),
    }
}

/// Adds the word that was meant: another tool's name for it, or the nearest one.
pub fn suggest(
    d: Diagnostic,
    name: &str,
    span: Span,
    known: impl Iterator<Item = &'static Spec>,
) -> Diagnostic {
    let known: Vec<&Spec> = known.collect();
    if let Some(spec) = elsewhere::translated(name, known.iter().copied()) {
        return d
            .label(format!("here it is called `{}`", spec.name))
            .note(format!("it is written: {}", spec.example))
            .translate(format!("write `{}`", spec.name), span, spec.name);
    }
    if let Some(answered) = elsewhere::absent(&d, name) {
        return answered;
    }
    match nearest(name, known.iter().map(|spec| spec.name)) {
        Some(near) => d.meant(span, near),
        None => {
            let names: Vec<&str> = known.iter().map(|spec| spec.name).collect();
            d.label(format!("known: {}", names.join(", ")))
        }
    }
}

/// Gives a fault its place: the argument that is at fault, or the statement's head.
pub fn place(fault: Fault, head: Span, args: &Args) -> Diagnostic {
    let span = fault.argument.and_then(|name| args.span(name)).unwrap_or(head);
    let mut d = Diagnostic::of(&fault, span);
    for remedy in fault.remedies {
        d = match remedy {
            Remedy::Set { name, value } => {
                let title = format!("write `{name}={value}`");
                match args.span(name) {
                    Some(span) => d.replace(title, span, value),
                    None => d.replace(title, head.after(), format!(" {name}={value}")),
                }
            }
            Remedy::Unset { name } => d.advise(format!("leave out `{name}`")),
            Remedy::Before(text) => d.replace(
                format!("put `{text}` in front"),
                Span { end: head.start, ..head },
                format!("{text}\n"),
            ),
            Remedy::After(text) => {
                d.replace(format!("put `{text}` behind"), head.after(), format!("\n{text}"))
            }
            Remedy::Remove => d.replace("remove it", head, ""),
            Remedy::Advice(text) => d.advise(text),
        };
    }
    d
}

/// What other tools need and this one does not.
const NOT_NEEDED: [(&str, &str); 4] = [
    ("ToTensor", "pixels are scaled to 0..1"),
    ("Rescaling", "pixels are scaled to 0..1"),
    ("scale", "pixels are scaled to 0..1"),
    ("shuffle", "every epoch has its own order, drawn by the run's seed"),
];
