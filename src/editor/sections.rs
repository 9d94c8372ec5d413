//! The words of `data`, `train` and `expect` → what they mean; and the named inputs and outputs of models, which these sections
//! call by their names.

use crate::editor::defined::{Name, NameKind};
use crate::editor::meaning::{Walker, What};
use crate::experiment::expect::of_output;
use crate::experiment::words::{declared, lines, registry};
use crate::model::expand::INPUT;
use crate::model::outputs::OUTPUT;
use crate::source::Span;
use crate::spec::Spec;
use crate::syntax::ast::{Argument, Statement, Value, ValueKind, Word};
use crate::train::watched;

/// The name that an `input` or `output` defines.
pub fn end(statement: &Statement) -> Option<(&str, Span)> {
    let [Argument::Value(Value { kind: ValueKind::Word(name), span }), others @ ..] =
        statement.arguments.as_slice()
    else {
        return None;
    };
    let is_end = match statement.word.text.as_str() {
        // A word alone is a shape.
        word if word == INPUT.name => !others.is_empty(),
        word => word == OUTPUT.name,
    };
    is_end.then_some((name.as_str(), *span))
}

/// Whether a name is that of an input or output.
pub fn is_end(name: &Name<'_>) -> bool {
    name.kind == NameKind::Value && end(name.statement).is_some_and(|(_, span)| span == name.span)
}

/// The names that the inputs and outputs of these models and blocks define, each with its statement.
pub fn ends<'a>(definitions: impl Iterator<Item = &'a Statement>) -> Vec<((&'a str, Span), &'a Statement)> {
    let mut open: Vec<&Statement> =
        definitions.filter(|own| ["model", "block"].contains(&own.word.text.as_str())).collect();
    let mut found = Vec::new();
    while let Some(statement) = open.pop() {
        found.extend(end(statement).map(|name| (name, statement)));
        let blocks =
            std::iter::once(statement).chain(&statement.clauses).filter_map(|own| own.block.as_ref());
        open.extend(
            blocks.flat_map(|block| &block.chains).flat_map(|c| &c.links).map(|link| &link.statement),
        );
    }
    found.sort_by_key(|((_, span), _)| *span);
    found
}

impl<'a> Walker<'a> {
    /// The lines of `data`, `augment`, `train` or `expect`.
    pub(super) fn section(&mut self, section: &str, statement: &'a Statement) {
        self.arguments(&statement.arguments);
        let Some(block) = &statement.block else { return };
        for line in block.chains.iter().flat_map(|chain| &chain.links).map(|link| &link.statement) {
            self.look(line);
            let word = line.word.text.as_str();
            let own = lines(section).into_iter().flatten().find(|s| s.name == word);
            if section == "expect" {
                self.quantity(&line.word, own.is_some());
                self.arguments(&line.arguments);
                continue;
            }
            self.tell(line.word.span, own.map_or(What::Unknown, What::Setting));
            let declared = declared(section, line);
            let mut rest = line.arguments.as_slice();
            if registry(section, word).is_some()
                && let Some((Argument::Value(name), others)) = rest.split_first()
                && let ValueKind::Word(_) = name.kind
            {
                self.tell(name.span, declared.map_or(What::Unknown, |found| What::Choice(found.spec)));
                rest = others;
            }
            if let ("field", [Argument::Value(name), others @ ..]) = (word, rest)
                && let ValueKind::Word(text) = &name.kind
                && let Some(&end) = self.ends.get(text.as_str())
            {
                self.tell(name.span, What::Name(end));
                rest = others;
                self.declared_behind(own, rest);
                continue;
            }
            if let "early_stop" | "keep" = word {
                self.watched(own, rest);
                continue;
            }
            match declared {
                Some(found) => self.declared(found.spec, rest),
                None => self.arguments(rest),
            }
            if line.block.is_some() {
                self.section(if word == "augment" { word } else { section }, line);
            }
        }
        self.end(block.span);
    }

    /// Arguments behind the first of a declaration's places.
    fn declared_behind(&mut self, spec: Option<&'static Spec>, rest: &'a [Argument]) {
        let first = spec.and_then(|spec| spec.params.iter().filter(|param| param.positional).nth(1));
        for argument in rest {
            match (argument, first, spec) {
                (Argument::Value(value), Some(param), _) => self.value(value, Some(param)),
                (_, _, Some(spec)) => self.declared(spec, std::slice::from_ref(argument)),
                (_, _, None) => self.arguments(std::slice::from_ref(argument)),
            }
        }
    }

    /// The word of a line of `expect`, in which the name of an output may stand.
    fn quantity(&mut self, word: &Word, is_known: bool) {
        let of = |name: &str| self.ends.get(name).copied();
        let Some((output, own)) = of_output(word).filter(|(output, _)| of(&output.text).is_some()) else {
            return self.tell(word.span, if is_known { What::Quantity } else { What::Unknown });
        };
        let known = lines("expect").into_iter().flatten().any(|spec| spec.name == own);
        let what = if known { What::Quantity } else { What::Unknown };
        self.around(word.span, output, what);
    }

    /// A word with the name of an output in it.
    fn around(&mut self, whole: Span, output: Word, what: What) {
        let name = self.ends.get(output.text.as_str()).copied();
        let before = Span { end: output.span.start.saturating_sub(1), ..whole };
        let after = Span { start: output.span.end + 1, ..whole };
        if before.start < before.end {
            self.tell(before, what);
        }
        self.tell(output.span, name.map_or(What::Unknown, What::Name));
        self.tell(after, what);
    }

    /// The arguments of `early_stop` and `keep`, which may name an output.
    fn watched(&mut self, spec: Option<&'static Spec>, arguments: &'a [Argument]) {
        let Some(spec) = spec else { return self.arguments(arguments) };
        for argument in arguments {
            if let Argument::Property { key, value } = argument
                && let ValueKind::Word(text) = &value.kind
                && let Some(watching) = watched::named(text, value.span)
                && let Some(param) = spec.params.iter().find(|param| param.name == key.text)
                && self.ends.contains_key(watching.output.text.as_str())
            {
                self.tell(key.span, What::Key(spec, param));
                self.around(value.span, watching.output, What::Word(param));
                continue;
            }
            self.declared(spec, std::slice::from_ref(argument));
        }
    }
}
