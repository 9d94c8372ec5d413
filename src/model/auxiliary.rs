//! `auxiliary { … }`: a head beside the wire, which helps in training and is left out of everything else. It takes what
//! arrives, and what arrived goes on behind it.

use std::ops::Range;

use crate::diag::{Diagnostic, codes};
use crate::model::expand::{Expansion, INPUT};
use crate::model::scope::Flow;
use crate::model::{Model, Wire, remedy};
use crate::shape::Shape;
use crate::source::Span;
use crate::spec::{Kind, Preset, Spec, keyword};
use crate::syntax::ast::{Argument, Statement, Value, ValueKind, Word};

pub static AUXILIARY: Spec = Spec {
    name: "auxiliary",
    summary: "a head that only training uses",
    docs: "Its layers take what arrives, and so does the line below. They must give the shape of the model's output, and are \
           compared with the same target. Training minimises `loss of the output + weight · loss of the head`; evaluation, \
           prediction and export leave the head out. The head has the losses of `train`; `loss=huber` or \
           `loss=huber(delta=2)` gives it another one. Its weights are called `auxiliary1` and so on, or by the name in `as \
           NAME` after its `}`.\n\nSzegedy et al., \"Going deeper with convolutions\", 2015, have two with a weight of 0.3.",
    params: &[
        keyword(
            "weight",
            Kind::Number { min: 0.0, max: 1e6 },
            Preset::Number(1.0),
            "how much its loss counts",
        ),
        keyword(LOSS, Kind::Word, Preset::Absent, "its loss; without it those of `train`"),
    ],
    example: "conv2d 8 3x3 -> relu; auxiliary weight=0.3 { global_avg_pool -> linear 10 }; flatten -> linear 10",
    elsewhere: &["aux", "aux_head", "auxiliary_head", "AuxLogits", "InceptionAux", "deep_supervision"],
};

const LOSS: &str = "loss";

/// The statements of a model that are neither layers nor joins and take arguments like these.
pub static EDGES: [&Spec; 2] = [&INPUT, &AUXILIARY];

/// A head of a model beside its output, in training alone.
#[derive(Clone, Debug)]
pub struct Auxiliary {
    /// What it gives.
    pub wire: Wire,
    /// Its shape, where that is known.
    pub shape: Option<Shape>,
    /// Its layers, as places in the model: nothing else takes what they give.
    pub layers: Range<usize>,
    /// How much its loss counts.
    pub weight: f64,
    /// The name of a loss of its own and the arguments of that.
    pub loss: Option<(Word, Vec<Argument>)>,
    /// The statement's word and arguments.
    pub span: Span,
    /// The empty span behind its last line, where ` -> LAYER` goes on.
    pub end: Span,
}

impl<'a> Expansion<'a> {
    pub(super) fn auxiliary(&mut self, statement: &'a Statement) {
        // A model that is used as a layer leaves its heads out.
        if self.calls.iter().any(|call| call.is_model) {
            return;
        }
        let loss = self.own_loss(statement);
        let args = self.resolve(&AUXILIARY, &without_call(statement));
        let Some(block) = &statement.block else {
            let message = "`auxiliary` needs the layers of its head in `{ … }`";
            return self.error(codes::BLOCK_MISUSE, statement.head(), message, "no block follows");
        };
        if block.chains.is_empty() {
            let message = "this `auxiliary` has no layers";
            return self.error(
                codes::MISSING_ARGUMENT,
                block.span,
                message,
                "a head such as `global_avg_pool -> linear 10`",
            );
        }
        if let Some(outer) = self.head {
            let d =
                Diagnostic::error(codes::MISPLACED, statement.head(), "an `auxiliary` is inside another one");
            return self.report(d.label("a head has no heads of its own").related(outer, "the other one"));
        }
        self.head = Some(statement.head());
        let entry = self.flow.clone();
        let outer = self.naming.enter_block(AUXILIARY.name);
        self.spend_name();
        let before = self.model.layers.len();
        self.body(&block.chains);
        self.naming.leave(outer);
        self.head = None;
        let Flow { wire, shape } = std::mem::replace(&mut self.flow, entry);
        let weight = args.as_ref().and_then(|args| args.number("weight").ok()).unwrap_or(1.0);
        let layers = before..self.model.layers.len();
        let end = remedy::end(&block.chains).unwrap_or(block.span.after());
        let span = statement.head();
        self.model.auxiliaries.push(Auxiliary { wire, shape, layers, weight, loss, span, end });
    }

    /// What is written behind `loss=`, with names and arithmetic in its arguments worked out.
    fn own_loss(&mut self, statement: &Statement) -> Option<(Word, Vec<Argument>)> {
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

    /// Refuses heads that do not end as the model does.
    pub(super) fn ends_alike(&mut self) {
        let Some(output) = self.flow.shape.clone() else { return };
        for head in self.model.auxiliaries.clone() {
            let Some(shape) = head.shape.filter(|shape| *shape != output) else { continue };
            let message = format!(
                "this `auxiliary` gives {shape}, but the model gives {output}, and both are compared with the same target"
            );
            let mut d =
                Diagnostic::error(codes::LOSS, head.span, message).label(format!("{shape} at its end"));
            if let Some(last) = self.flow.wire.layer().and_then(|at| self.model.layers.get(at)) {
                d = d.related(last.span, format!("the model ends here in {output}"));
            }
            if !self.is_explained(&d) {
                d.notes.extend(self.trace(&[(head.wire, &shape)], head.span));
            }
            d = match (self.last_features(head.wire), output.dims(), shape.rank()) {
                (Some((word, span)), &[n], 1) => {
                    d.replace(format!("make it `{word} {n}`"), span, n.to_string())
                }
                (None, &[n], 1) => d.replace(
                    format!("put `linear {n}` after its last layer"),
                    head.end,
                    format!(" -> linear {n}"),
                ),
                (_, &[n], 3) => {
                    let way = format!("global_avg_pool -> linear {n}");
                    d.replace(format!("put `{way}` after its last layer"), head.end, format!(" -> {way}"))
                }
                (_, _, _) => d.advise(format!("layers at its end that give {output}")),
            };
            self.report(d);
        }
    }

    /// The word of a layer that gives features, and where their number is written.
    fn last_features(&self, wire: Wire) -> Option<(&'static str, Span)> {
        let last = self.model.layers.get(wire.layer()?)?;
        Some((last.unit.spec().name, last.args.span("features")?))
    }
}

/// The statement with the name of its loss for `loss=NAME(…)`.
fn without_call(statement: &Statement) -> Statement {
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

impl Model {
    /// Whether the layer at this place is one of a head that only training has.
    pub fn is_auxiliary(&self, at: usize) -> bool {
        self.auxiliaries.iter().any(|head| head.layers.contains(&at))
    }

    /// The model as it is evaluated, predicts and is exported: without the heads that only training has.
    pub fn without_auxiliaries(&self) -> Model {
        let mut model = self.clone();
        if model.auxiliaries.is_empty() {
            return model;
        }
        model.auxiliaries.clear();
        let mut places = vec![Wire::INPUT];
        model.layers.clear();
        for (at, layer) in self.layers.iter().enumerate() {
            if self.is_auxiliary(at) {
                // No layer that stays takes it.
                places.push(Wire::INPUT);
                continue;
            }
            let mut layer = layer.clone();
            layer.inputs.iter_mut().for_each(|wire| *wire = places[wire.index()]);
            model.layers.push(layer);
            places.push(Wire::of_layer(model.layers.len() - 1));
        }
        for input in &mut model.inputs {
            input.wire = places[input.wire.index()];
        }
        model.output = places[self.output.index()];
        model
    }
}
