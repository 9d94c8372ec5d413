//! `share NAME`: applies the layers of a line above once more, with the same weights, to what arrives.

use std::ops::Range;

use crate::diag::{Diagnostic, codes};
use crate::graph::StateKind;
use crate::layers::Parameter;
use crate::model::Instance;
use crate::model::expand::Expansion;
use crate::source::Span;
use crate::syntax::ast::{Argument, Chain, Link, Statement, Value, ValueKind};

/// The word that puts layers in once more.
pub const SHARE: &str = "share";

/// A named line that can be put in once more.
#[derive(Clone)]
pub(super) struct Shareable<'a> {
    /// Where `as` names it.
    alias: Span,
    chain: &'a Chain,
    link: usize,
    /// What its layers are called by.
    name: String,
    /// Its layers in the model.
    layers: Range<usize>,
    /// The number of frames whose names it can see; those of inner loops hide them elsewhere.
    depth: usize,
}

impl<'a> Expansion<'a> {
    /// Keeps a line that `as` names, for `share`.
    pub(super) fn keep_shareable(
        &mut self,
        chain: &'a Chain,
        link: usize,
        name: Option<String>,
        layers: Range<usize>,
    ) {
        let own: &Link = &chain.links[link];
        let (Some(alias), Some(name)) = (&own.alias, name) else { return };
        let alias = alias.span;
        // What is shared again is the line itself.
        let first = match own.statement.word.text.as_str() {
            SHARE => self.named_by(&own.statement).and_then(|(first, _)| self.shareable(first)),
            _ => None,
        };
        self.shareable.push(match first {
            Some(first) => Shareable { alias, ..first },
            None => Shareable { alias, chain, link, name, layers, depth: self.frames.len() },
        });
    }

    fn shareable(&self, alias: Span) -> Option<Shareable<'a>> {
        self.shareable.iter().rfind(|own| own.alias == alias).cloned()
    }

    /// The place of the name that a `share` gives, and the name.
    fn named_by(&mut self, statement: &Statement) -> Option<(Span, (String, Span))> {
        let [Argument::Value(Value { kind: ValueKind::Word(name), span })] = statement.arguments.as_slice()
        else {
            return None;
        };
        let named = self.named(name)?.span;
        Some((named, (name.clone(), *span)))
    }

    pub(super) fn share(&mut self, statement: &'a Statement) {
        self.no_block(statement);
        let [Argument::Value(Value { kind: ValueKind::Word(name), span })] = statement.arguments.as_slice()
        else {
            let message = "`share` is written `share NAME`";
            self.error(
                codes::MISSING_ARGUMENT,
                statement.head(),
                message,
                "the name of a line above is expected",
            );
            self.flow.shape = None;
            return;
        };
        let Some(named) = self.named(name).map(|named| named.span) else {
            self.unknown_value(name, *span);
            self.flow.shape = None;
            return;
        };
        let own = self.shareable(named);
        let weights = |layer: &Instance| parameters(layer).next().is_some();
        let Some(own) = own.filter(|own| self.model.layers[own.layers.clone()].iter().any(weights)) else {
            let message = format!("`{name}` has no weights to share");
            let d = Diagnostic::error(codes::BAD_VALUE, *span, message)
                .label("`as` names only the layer or block right before it")
                .related(named, "named here");
            self.report(d.advise("put the layers to share in a `block`, and name that where it is used"));
            self.flow.shape = None;
            return;
        };
        if let Some(norm) = self.model.layers[own.layers.clone()]
            .iter()
            .find(|layer| parameters(layer).any(|p| p.kind == StateKind::Buffer))
        {
            let word = norm.unit.spec().name;
            let message = format!("`{name}` has a `{word}`, whose running statistics cannot be shared");
            let d = Diagnostic::error(codes::BAD_VALUE, *span, message)
                .label("they would be updated twice in one step")
                .related(norm.span, format!("this `{word}`"));
            self.report(d.advise("`group_norm` or `layer_norm`, which keep none"));
            self.flow.shape = None;
            return;
        }
        self.spend(own.layers.len());
        let before = self.model.layers.len();
        let outer = self.naming.begin_again(&own.name);
        let was = std::mem::replace(&mut self.is_sharing, true);
        // What it says is worked out where it was named, not with the names of loops around this line.
        let inner = self.frames.split_off(own.depth.min(self.frames.len()));
        self.statement(own.chain, own.link, None);
        self.frames.extend(inner);
        self.is_sharing = was;
        self.naming.end_again(outer);
        let firsts = self.model.layers[own.layers.clone()].iter();
        let seconds = self.model.layers[before..].iter();
        let all = |layer: &Instance| parameters(layer).map(|p| (p.name, p.shape.clone())).collect::<Vec<_>>();
        let other = firsts.zip(seconds).find(|(a, b)| a.name != b.name || all(a) != all(b));
        let other = other.map(|(a, b)| (a.name.clone(), a.input.clone(), b.input.clone()));
        if let Some((layer, Some(first), Some(second))) = other {
            let message = format!("`share {name}` needs other weights than `{name}` has");
            let d = Diagnostic::error(codes::FEATURES, statement.head(), message)
                .label(format!("`{layer}` gets {second} here, but {first} there"))
                .related(named, "the weights belong to this line");
            self.report(d.advise("the same shape for both"));
        }
    }
}

/// What a layer keeps, of its own or shared.
fn parameters(layer: &Instance) -> impl Iterator<Item = &Parameter> {
    layer.inferred.iter().flat_map(|inferred| &inferred.parameters).chain(&layer.shared)
}
