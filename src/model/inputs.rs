//! `input NAME SHAPE`: a value that is given with the image. `from NAME`: a line that goes on with such a value, or with
//! one that `as` names.

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, codes};
use crate::layers::Layer;
use crate::layers::given::{Given, INPUTS};
use crate::model::expand::{Expansion, INPUT};
use crate::model::naming::Names;
use crate::model::scope::Named;
use crate::model::{Instance, Unit, Wire};
use crate::shape::Shape;
use crate::source::Span;
use crate::spec::Scope;
use crate::syntax::ast::{Argument, Statement, Value, ValueKind, Word};

/// The word that goes on with a named value.
pub const FROM: &str = "from";

/// A value that is given with the image.
#[derive(Clone, Debug)]
pub struct Input {
    pub name: String,
    pub shape: Option<Shape>,
    pub wire: Wire,
    pub span: Span,
}

/// The name of an `input NAME SHAPE`, and the statement without it.
fn named(statement: &Statement) -> Option<(Word, Statement)> {
    let [Argument::Value(Value { kind: ValueKind::Word(name), span }), rest @ ..] =
        statement.arguments.as_slice()
    else {
        return None;
    };
    let word = Word { text: name.clone(), span: *span };
    Some((word, Statement { arguments: rest.to_vec(), ..statement.clone() }))
}

impl<'a> Expansion<'a> {
    /// `input NAME SHAPE`; false where it has no name.
    pub(super) fn named_input(&mut self, statement: &Statement) -> bool {
        let Some((name, rest)) = named(statement) else { return false };
        // `input features`, where a constant or parameter is the shape.
        if rest.arguments.is_empty() && self.visible().lookup(&name.text).is_some() {
            return false;
        }
        if let Some(call) = self.model_as_layer() {
            let (model, input) = (&call.name, &name.text);
            let message = format!("`{model}` also takes `{input}`, so it cannot be a layer");
            self.error(codes::MISPLACED, statement.head(), message, "a layer takes only what arrives");
            return true;
        }
        if self.frames.len() > 1 || !self.calls.is_empty() {
            self.error(
                codes::MISPLACED,
                statement.head(),
                "`input` belongs at the top of a model",
                "not inside a block",
            );
            return true;
        }
        if !self.input_seen {
            let Some(next) = rest.arguments.first() else { return false };
            let at = Span { end: next.span().start, ..name.span };
            let message = "the first `input` is the image, which has no name";
            let d =
                Diagnostic::error(codes::MISPLACED, name.span, message).label("only further inputs have one");
            let d = d.replace("remove the name", at, "");
            self.report(
                d.advise(format!("the image's own `input` above, if `{}` is another input", name.text)),
            );
            // Everything else of the line holds.
            self.input(&rest);
            return true;
        }
        if self.model.layers.len() > self.model.inputs.len() {
            let message = "`input` comes before every layer";
            self.error(codes::MISPLACED, statement.head(), message, "there are layers above it");
            return true;
        }
        if self.model.inputs.len() == INPUTS.len() {
            let message = format!("a model has at most {} inputs besides the image", INPUTS.len());
            self.error(codes::TOO_MANY_ARGUMENTS, statement.head(), message, "one too many");
            return true;
        }
        let args = self.resolve(&INPUT, &rest);
        let shape = args.as_ref().and_then(|args| args.shape("shape").ok()).cloned();
        if let Some(first) = self.frames.last().and_then(|frame| frame.flows.get(&name.text)) {
            let d =
                Diagnostic::error(codes::NAME_CLASH, name.span, format!("`{}` names two values", name.text))
                    .label("named again here")
                    .related(first.span, "first named here");
            self.report(d);
            return true;
        }
        let image = self.flow.clone();
        self.naming.give(&name.text);
        let Names { name: own, stream } = self.names(INPUT.name);
        self.naming.end_statement();
        let args = Given::args(shape.clone().unwrap_or_default(), self.model.inputs.len());
        let inferred = image.shape.as_ref().and_then(|image| Given.infer(&args, image).ok());
        self.push(Instance {
            unit: Unit::Layer(&Given),
            name: own,
            stream,
            args,
            inputs: vec![image.wire],
            // It does not come about from the image.
            input: None,
            inferred: inferred.filter(|_| shape.is_some()),
            shared: Vec::new(),
            output: shape.clone(),
            span: statement.head(),
        });
        let flow = std::mem::replace(&mut self.flow, image);
        let wire = flow.wire;
        if let Some(frame) = self.frames.last_mut() {
            let named = Named { flow, span: name.span, whole: statement.span, used: true };
            frame.flows.insert(name.text.clone(), named);
        }
        self.model.inputs.push(Input { name: name.text, shape, wire, span: statement.head() });
        true
    }

    /// `from NAME`: the first line of braces, which goes on with a named value.
    pub(super) fn go_on_from(&mut self, statement: &'a Statement, is_first: bool) {
        let [Argument::Value(Value { kind: ValueKind::Word(name), span })] = statement.arguments.as_slice()
        else {
            let message = "`from` is written `from NAME`";
            return self.error(
                codes::MISSING_ARGUMENT,
                statement.head(),
                message,
                "the name of a value is expected",
            );
        };
        if !is_first || self.frames.len() < 2 {
            let d =
                Diagnostic::error(codes::MISPLACED, statement.head(), "`from` is the first line of braces")
                    .label("what arrives here would be lost")
                    .advise(format!(
                        "`concat {name}` to have both, or `branch {{ from {name} … }}` in a join"
                    ));
            return self.report(d);
        }
        match self.named(name) {
            Some(named) => self.flow = named.flow.clone(),
            None => {
                self.unknown_value(name, *span);
                self.flow.shape = None;
            }
        }
    }

    /// Warns of inputs that no layer takes.
    pub(super) fn unused_inputs(&mut self) {
        let layers = self.model.layers.iter().flat_map(|layer| layer.inputs.iter().copied());
        let outputs = self.model.outputs.iter().map(|output| output.head.wire);
        let taken: BTreeSet<Wire> = layers.chain(outputs).chain([self.flow.wire]).collect();
        for input in self.model.inputs.clone() {
            if !taken.contains(&input.wire) {
                let message = format!("the input `{}` is never used", input.name);
                let d = Diagnostic::warning(codes::UNUSED, input.span, message).label("no layer takes it");
                self.report(d.advise(format!(
                    "`concat {}` where the model should take it in, or remove it",
                    input.name
                )));
            }
        }
    }
}
