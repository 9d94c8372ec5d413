//! What a fault in a section is answered with: the word that was meant, and the place in the text.

use crate::diag::{Diagnostic, Fault, Near, Remedy, codes, nearest};
use crate::source::Span;
use crate::spec::section::{Section, Takes};
use crate::spec::{Args, Spec, elsewhere};
use crate::syntax::ast::Statement;

/// The error for a line whose word the section does not have.
pub fn unknown(section: &Section, line: &Statement) -> Diagnostic {
    let (name, span) = (line.word.text.as_str(), line.word.span);
    let stranger = |named: &dyn Fn(&Spec) -> bool| {
        section.strangers.iter().find_map(|(registry, place)| {
            (registry.specs)().into_iter().find(|spec| named(spec)).map(|spec| (spec, *place))
        })
    };
    if let Some((_, place)) = stranger(&|spec| spec.name == name) {
        return Diagnostic::error(codes::MISPLACED, span, format!("`{name}` does not belong here"))
            .label(place);
    }
    if let Some((_, reason)) = section.not_needed.iter().find(|(other, _)| *other == name) {
        let message = format!("`{name}` is not needed: {reason}");
        return Diagnostic::error(codes::UNKNOWN_WORD, span, message).translate("remove it", line.span, "");
    }
    let what = match section.settings.first().map(|setting| &setting.takes) {
        None => "step",
        Some(Takes::Comparison) => "quantity",
        Some(
            Takes::Arguments
            | Takes::Each
            | Takes::OneOf(_)
            | Takes::EachOf(_)
            | Takes::Words(_)
            | Takes::Lines(_),
        ) => "setting",
    };
    let d =
        Diagnostic::error(codes::UNKNOWN_WORD, span, format!("`{}` has no {what} `{name}`", section.name));
    match stranger(&|spec| spec.elsewhere.contains(&name)) {
        Some((spec, place)) => d.label(format!("here it is called `{}`", spec.name)).note(place),
        None => suggest(d, name, span, section.specs().into_iter()),
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
            .note(format!("usage: {}", spec.example))
            .translate(format!("write `{}`", spec.name), span, spec.name);
    }
    if let Some(answered) = elsewhere::absent(&d, name) {
        return answered;
    }
    match near(name, known.iter().map(|spec| spec.name)) {
        Some(near) => d.meant(span, near),
        None => {
            let names: Vec<&str> = known.iter().map(|spec| spec.name).collect();
            d.label(format!("known: {}", names.join(", ")))
        }
    }
}

/// The known word that one is a slip of: in `test.acuracy`, each part is near its own.
fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<Near<'a>> {
    let parts = |word: &'a str| word.split('.');
    let alike = |word: &&'a str| {
        name.split('.').count() == parts(word).count()
            && name.split('.').zip(parts(word)).all(|(part, own)| nearest(part, [own]).is_some())
    };
    nearest(name, known.filter(alike))
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
            Remedy::Unset { name } => d.advise(format!("remove `{name}`")),
            Remedy::Before(text) => d.replace(
                format!("put `{text}` before it"),
                Span { end: head.start, ..head },
                format!("{text}\n"),
            ),
            Remedy::After(text) => {
                d.replace(format!("put `{text}` after it"), head.after(), format!("\n{text}"))
            }
            Remedy::Instead(text) => d.replace(format!("write `{text}`"), head, text),
            Remedy::Remove => d.replace("remove it", head, ""),
            Remedy::Advice(text) => d.advise(text),
        };
    }
    d
}
