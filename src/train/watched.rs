//! `monitor=validation.NAME.accuracy` and `by=NAME.accuracy`: what `train` watches of a further output of the model → the same
//! without the output's name, which the declarations know, and that name.

use crate::diag::Diagnostic;
use crate::source::Span;
use crate::syntax::ast::{Argument, Statement, ValueKind, Word};
use crate::train::settings;

/// The output that a line names.
#[derive(Clone, Debug, PartialEq)]
pub struct Watching {
    /// The place of the whole word.
    pub span: Span,
    pub output: Word,
    /// What stands before and after the name: `validation.` and `accuracy`.
    around: [String; 2],
}

/// The section with `validation.accuracy` for `validation.NAME.accuracy`, and `accuracy` for `NAME.accuracy`.
pub fn without_outputs(section: &Statement) -> (Statement, Vec<Watching>) {
    let (mut section, mut outputs) = (section.clone(), Vec::new());
    let lines =
        section.block.iter_mut().flat_map(|block| &mut block.chains).flat_map(|chain| &mut chain.links);
    for line in lines.map(|link| &mut link.statement) {
        let argument = match line.word.text.as_str() {
            word if word == settings::EARLY_STOP.spec.name => "monitor",
            word if word == settings::KEEP.spec.name => "by",
            _ => continue,
        };
        for own in &mut line.arguments {
            let Argument::Property { key, value } = own else { continue };
            let (ValueKind::Word(text), true) = (&value.kind, key.text == argument) else { continue };
            let Some(watching) = named(text, value.span) else { continue };
            value.kind = ValueKind::Word(watching.around.concat());
            outputs.push(watching);
        }
    }
    (section, outputs)
}

/// The output in `validation.NAME.accuracy` or `NAME.accuracy`.
pub fn named(text: &str, span: Span) -> Option<Watching> {
    let parts: Vec<&str> = text.split('.').collect();
    let (before, name, after) = match parts.as_slice() {
        ["validation", name, after] => ("validation.", *name, *after),
        [name, after] if !["train", "validation", "test"].contains(name) => ("", *name, *after),
        _ => return None,
    };
    let start = span.start + before.len() as u32;
    let own = Span { start, end: start + name.len() as u32, ..span };
    let output = Word { text: name.to_owned(), span: own };
    Some(Watching { span, output, around: [before.to_owned(), after.to_owned()] })
}

/// Puts the names of outputs back into what is said of their words.
pub fn name_outputs(diagnostics: &mut [Diagnostic], outputs: &[Watching]) {
    for d in diagnostics {
        let Some(Watching { output, around: [before, after], .. }) =
            outputs.iter().find(|own| own.span == d.primary.span)
        else {
            continue;
        };
        let (short, whole) = (format!("`{before}{after}`"), format!("`{before}{}.{after}`", output.text));
        d.message = d.message.replace(&short, &whole);
        // The word that was meant, as it would be written.
        let place = d.primary.span;
        for fix in &mut d.fixes {
            for (_, text) in fix.edits.iter_mut().filter(|(at, _)| *at == place) {
                let meant = match text.strip_prefix("validation.") {
                    Some(rest) => format!("validation.{}.{rest}", output.text),
                    None => format!("{}.{text}", output.text),
                };
                let (was, is) = (format!("`{text}`"), format!("`{meant}`"));
                fix.title = fix.title.replace(&was, &is);
                d.primary.text = d.primary.text.replace(&was, &is);
                *text = meant;
            }
        }
    }
}
