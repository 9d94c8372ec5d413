//! Heads beside the wire: their layers take what arrives, and what arrived goes on below them. `auxiliary { … }` and `output NAME
//! { … }` are such.

use std::ops::Range;

use crate::diag::{Diagnostic, codes};
use crate::model::expand::Expansion;
use crate::model::scope::Flow;
use crate::model::{Wire, remedy};
use crate::shape::Shape;
use crate::source::Span;
use crate::spec::{Args, Kind, Param, Preset, keyword};
use crate::syntax::ast::{Argument, Block, Statement, Value, ValueKind, Word};

/// The argument that names the loss of a head.
pub const LOSS: &str = "loss";

/// How much the loss of a head counts.
pub const WEIGHT: Param =
    keyword("weight", Kind::Number { min: 0.0, max: 1e6 }, Preset::Number(1.0), "how much its loss counts");

/// What a head gives, and what it is held to.
#[derive(Clone, Debug)]
pub struct Head {
    /// What it gives.
    pub wire: Wire,
    /// Its shape, where that is known.
    pub shape: Option<Shape>,
    /// Its layers, as places in the model.
    pub layers: Range<usize>,
    /// How much its loss counts.
    pub weight: f64,
    /// The name of a loss of its own and the arguments of that.
    pub loss: Option<(Word, Vec<Argument>)>,
    /// The statement's word and arguments.
    pub span: Span,
    /// Where more layers would be written.
    pub end: End,
}

/// The end of a head in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The empty span after the last of its layers.
    Layers(Span),
    /// That after the statement, which has no braces.
    Statement(Span),
}

impl Head {
    /// Adds the way out of putting layers after the last of the head.
    pub fn followed(&self, d: Diagnostic, layers: &str) -> Diagnostic {
        match self.end {
            End::Layers(at) => {
                d.replace(format!("put `{layers}` after its last layer"), at, format!(" -> {layers}"))
            }
            End::Statement(at) => d.replace(
                format!("give it layers of its own: `{{ {layers} }}`"),
                at,
                format!(" {{ {layers} }}"),
            ),
        }
    }
}

impl<'a> Expansion<'a> {
    /// Puts in the layers of a head, whose names begin with the statement's.
    pub(super) fn head(
        &mut self,
        statement: &'a Statement,
        block: &'a Block,
        args: Option<&Args>,
    ) -> Option<Head> {
        let word = statement.word.text.as_str();
        if block.chains.is_empty() {
            let message = format!("this `{word}` has no layers");
            let label = "a head such as `global_avg_pool -> linear 10`";
            self.error(codes::MISSING_ARGUMENT, block.span, message, label);
            return None;
        }
        if self.is_inside_head(statement) {
            return None;
        }
        let loss = self.own_loss(statement);
        self.head = Some((statement.head(), statement.word.text.clone()));
        let entry = self.flow.clone();
        let outer = self.naming.enter_block(word);
        self.spend_name();
        let before = self.model.layers.len();
        self.body(&block.chains);
        self.naming.leave(outer);
        self.head = None;
        let Flow { wire, shape } = std::mem::replace(&mut self.flow, entry);
        let layers = before..self.model.layers.len();
        let end = End::Layers(remedy::end(&block.chains).unwrap_or(block.span.after()));
        Some(Head { wire, shape, layers, weight: weight(args), loss, span: statement.head(), end })
    }

    /// Reports a head inside another one.
    pub(super) fn is_inside_head(&mut self, statement: &Statement) -> bool {
        let Some((outer, other)) = self.head.clone() else { return false };
        let word = &statement.word.text;
        let article = if word.starts_with(['a', 'o']) { "an" } else { "a" };
        let message = match *word == other {
            true => format!("{article} `{word}` is inside another one"),
            false => format!("{article} `{word}` is inside an `{other}`"),
        };
        let d = Diagnostic::error(codes::MISPLACED, statement.head(), message);
        self.report(d.label("a head has no heads of its own").related(outer, "the other one"));
        true
    }

    /// What is written behind `loss=`, with names and arithmetic in its arguments worked out.
    pub(super) fn own_loss(&mut self, statement: &Statement) -> Option<(Word, Vec<Argument>)> {
        let value = statement.arguments.iter().find_map(|argument| match argument {
            Argument::Property { key, value } if key.text == LOSS => Some(value),
            Argument::Property { .. } | Argument::Value(_) | Argument::Relation { .. } => None,
        })?;
        match &value.kind {
            ValueKind::Call { name, arguments } => {
                let mut evaluated = arguments.clone();
                for argument in &mut evaluated {
                    let (Argument::Value(value)
                    | Argument::Property { value, .. }
                    | Argument::Relation { value, .. }) = argument;
                    *value = self.evaluate(value)?;
                }
                Some((name.clone(), evaluated))
            }
            _ => match self.evaluate(value)?.kind {
                ValueKind::Word(text) => Some((Word { text, span: value.span }, Vec::new())),
                _ => None,
            },
        }
    }

    /// The word of a layer that gives features, and where their number is written.
    pub(super) fn last_features(&self, wire: Wire) -> Option<(&'static str, Span)> {
        let last = self.model.layers.get(wire.layer()?)?;
        let span = last.args.span("features").or_else(|| last.args.span("channels"))?;
        Some((last.unit.spec().name, span))
    }
}

/// How much the loss of a head with these arguments counts.
pub(super) fn weight(args: Option<&Args>) -> f64 {
    args.and_then(|args| args.number(WEIGHT.name).ok()).unwrap_or(1.0)
}

/// The statement with the name of its loss for `loss=NAME(…)`, and without its braces.
pub(super) fn without_call(statement: &Statement) -> Statement {
    let mut plain = Statement { block: None, clauses: Vec::new(), ..statement.clone() };
    for argument in &mut plain.arguments {
        if let Argument::Property { key, value: Value { kind, .. } } = argument
            && key.text == LOSS
            && let ValueKind::Call { name, .. } = kind
        {
            *kind = ValueKind::Word(name.text.clone());
        }
    }
    plain
}
