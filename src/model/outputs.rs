//! `output NAME { … }`: a further output of the model, with a target and a loss of its own. Its layers take what arrives, and so
//! does the line below; without braces it gives what arrives.

use crate::diag::{Diagnostic, codes};
use crate::model::expand::Expansion;
use crate::model::heads::{End, Head, LOSS, WEIGHT, weight, without_call};
use crate::source::Span;
use crate::spec::{Kind, Preset, Spec, keyword, positional};
use crate::syntax::ast::{Argument, Statement, Value, ValueKind, Word};

pub static OUTPUT: Spec = Spec {
    name: "output",
    summary: "a further output of the model",
    docs: "Its layers take what arrives, and so does the line below; without braces, what arrives is the output. A `field` of \
           its name in `data` says what it should be: a class, labels, numbers, a mask or a picture. Training minimises `loss of \
           the model's end + weight · loss of the output`, summed over the outputs. Without `loss`, it is `cross_entropy` for a \
           class or a mask, `bce` for labels, `mse` for numbers and `l1` for a picture. Evaluation measures each output, and prediction gives it. Its weights are called by its name: `grade.linear1`.\n\n\
           Caruana, \"Multitask Learning\", 1997.",
    params: &[
        positional("name", Kind::Name, Preset::Required, "its name, and that of its field in `data`"),
        WEIGHT,
        keyword(LOSS, Kind::Word, Preset::Absent, "its loss, such as `huber` or `huber(delta=2)`"),
    ],
    example: "conv2d 8 3x3 -> relu; output age weight=0.1 { global_avg_pool -> linear 1 }; flatten -> linear 10",
    elsewhere: &["Output"],
};

/// The inputs of a training graph that hold what such outputs should be, in their order in the model, which has no more of them.
pub static TARGETS: [&str; 8] =
    ["targets 1", "targets 2", "targets 3", "targets 4", "targets 5", "targets 6", "targets 7", "targets 8"];

/// What a graph gives of each of them.
pub static SCORES: [&str; 8] =
    ["scores 1", "scores 2", "scores 3", "scores 4", "scores 5", "scores 6", "scores 7", "scores 8"];

/// What an evaluation graph was told that each of them should be, where that is an image or a mask.
pub static WANTED: [&str; 8] =
    ["wanted 1", "wanted 2", "wanted 3", "wanted 4", "wanted 5", "wanted 6", "wanted 7", "wanted 8"];

/// A further output of a model.
#[derive(Clone, Debug)]
pub struct Output {
    pub name: Word,
    pub head: Head,
    /// The word of its last layer, where that gives features, and where their number is written.
    pub features: Option<(&'static str, Span)>,
    /// The statement's word and arguments.
    pub span: Span,
}

impl<'a> Expansion<'a> {
    pub(super) fn output(&mut self, statement: &'a Statement) {
        // A model that is used as a layer gives what its last line gives.
        if self.calls.iter().any(|call| call.is_model) {
            return;
        }
        let args = self.resolve(&OUTPUT, &without_call(statement));
        let named = statement.arguments.iter().find_map(|argument| match argument {
            Argument::Value(Value { kind: ValueKind::Word(text), span }) => {
                Some(Word { text: text.clone(), span: *span })
            }
            Argument::Value(_) | Argument::Property { .. } | Argument::Relation { .. } => None,
        });
        // Without a name it is refused already.
        let Some(name) = named else { return };
        if self.is_taken(&name) {
            return;
        }
        if self.model.outputs.len() == TARGETS.len() {
            let message = format!("a model has at most {} `output`s", TARGETS.len());
            return self.error(codes::TOO_MANY_ARGUMENTS, statement.head(), message, "one too many");
        }
        let span = statement.head();
        let head = match &statement.block {
            Some(block) => {
                if self.naming.given().is_none() {
                    self.naming.give(&name.text);
                }
                self.head(statement, block, args.as_ref())
            }
            None if self.is_inside_head(statement) => None,
            None => {
                let loss = self.own_loss(statement);
                let at = self.model.layers.len();
                Some(Head {
                    wire: self.flow.wire,
                    shape: self.flow.shape.clone(),
                    layers: at..at,
                    weight: weight(args.as_ref()),
                    loss,
                    span,
                    end: End::Statement(statement.span.after()),
                })
            }
        };
        let Some(head) = head else { return };
        let features = match head.end {
            End::Layers(_) => self.last_features(head.wire),
            End::Statement(_) => None,
        };
        self.model.outputs.push(Output { name, head, features, span });
    }

    /// Reports a name that another output or an input has.
    fn is_taken(&mut self, name: &Word) -> bool {
        let output = self.model.outputs.iter().find(|own| own.name.text == name.text);
        let input = self.model.inputs.iter().find(|own| own.name == name.text);
        let first = match (output, input) {
            (Some(output), _) => output.name.span,
            (None, Some(input)) => input.span,
            (None, None) => return false,
        };
        let what = if output.is_some() { "two outputs" } else { "an input and an output" };
        let message = format!("`{}` names {what}", name.text);
        let d = Diagnostic::error(codes::NAME_CLASH, name.span, message)
            .label("named again here")
            .related(first, "first named here");
        self.report(d.advise("another name, because each has a field of its name in `data`"));
        true
    }
}
