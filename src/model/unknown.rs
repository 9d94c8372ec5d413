//! A word that is no layer, block or model → the finding that says what was meant.

use crate::diag::{Diagnostic, codes, nearest};
use crate::layers::LAYERS;
use crate::layers::joins::JOINS;
use crate::model::auxiliary::EDGES;
use crate::model::definitions::CONTROL;
use crate::model::expand::{Call, Expansion};
use crate::source::Span;
use crate::spec;
use crate::syntax::ast::Word;

impl Expansion<'_> {
    pub fn unknown(&self, word: &Word, text: &str) -> Diagnostic {
        let d = Diagnostic::error(
            codes::UNKNOWN_WORD,
            word.span,
            format!("there is no layer or block called `{text}`"),
        );
        if self.is_explained(&d) {
            return d;
        }
        let specs = || LAYERS.iter().map(|l| l.spec()).chain(JOINS.iter().map(|j| j.spec())).chain(EDGES);
        if let Some(spec) = spec::elsewhere::translated(text, specs()) {
            return d
                .label(format!("it is called `{}` here", spec.name))
                .note(format!("usage: {}", spec::usage(spec)))
                .translate(format!("write `{}`", spec.name), word.span, spec.name);
        }
        if let Some(answered) = spec::elsewhere::absent(&d, text) {
            return answered;
        }
        if let Some((span, word)) = self.broken_word(word, specs().map(|spec| spec.name)) {
            return d.label(format!("did you mean `{word}`?")).replace(format!("write `{word}`"), span, word);
        }
        let models = self.definitions.models.iter().map(|model| model.name.text.as_str());
        let blocks = self.definitions.blocks.keys().map(String::as_str).chain(models);
        match nearest(text, specs().map(|spec| spec.name).chain(blocks).chain(CONTROL.iter().copied())) {
            Some(near) => d.meant(word.span, near),
            None => d
                .label("neither a layer nor a block of this file")
                .note(format!("layers: {}", specs().map(|spec| spec.name).collect::<Vec<_>>().join(", "))),
        }
    }

    /// A known word that brackets or quotes have got into, `conv[1]d`, and the whole of what stands there.
    fn broken_word(
        &self,
        word: &Word,
        mut known: impl Iterator<Item = &'static str>,
    ) -> Option<(Span, &'static str)> {
        let text = self.sources.get(word.span.file).text.get(word.span.start as usize..)?;
        let end = text.find([' ', '\t', '\r', '\n', ';', '{', '}', '#', ':', '(']).unwrap_or(text.len());
        let letters: String =
            text[..end].chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let meant = known.find(|known| *known == letters)?;
        Some((Span { end: word.span.start + end as u32, ..word.span }, meant))
    }
}

/// That a block is given a word that is no layer's.
pub(super) fn not_given(call: &Call, parameter: &Word, word: &str) -> Diagnostic {
    let message = format!("there is no layer or block called `{word}`, which `{}` is given", call.name);
    let d = Diagnostic::error(codes::UNKNOWN_WORD, call.span, message)
        .note(format!("its `{}` stands for a layer, or for a block without arguments", parameter.text));
    match nearest(word, LAYERS.iter().map(|layer| layer.spec().name)) {
        Some(near) => d.label(format!("did you mean `{}`?", near.word)),
        None => d.label(format!("the word for `{}`", parameter.text)),
    }
}
