//! Asserted shapes (`: 8x26x26`) held against what came out, with how that arose and the padding that would give what
//! was said.

use crate::diag::{Diagnostic, Fault, Remedy, codes};
use crate::layers::Layer;
use crate::model::expand::Expansion;
use crate::model::scope::Flow;
use crate::model::trace::trace;
use crate::model::{Unit, Wire, solve};
use crate::shape::Shape;
use crate::source::Span;
use crate::spec::Args;
use crate::syntax::ast::{Link, ValueKind};

/// The most findings of one model that tell how a shape arose; behind them it mostly arose in the same way.
const MAX_TRACES: usize = 20;

impl Expansion<'_> {
    pub(super) fn assertion(&mut self, link: &Link) {
        let Some(asserted) = link.assertion.as_ref().filter(|value| is_extent(&value.kind)) else { return };
        // They hold for a model's own values and input.
        if self.calls.last().is_some_and(|call| call.is_changed) {
            return;
        }
        let Some(said) = said(link) else {
            let message = "this is not a valid shape: every extent must be at least 1, and their product must not be too large";
            self.error(codes::ASSERTION, asserted.span, message, "");
            return;
        };
        let Some(shape) = self.flow.shape.clone() else {
            // Behind a fault the assertion says how to go on.
            let Flow { wire, .. } = self.flow;
            if let Some(last) = wire.layer().and_then(|at| self.model.layers.get_mut(at)) {
                last.output = Some(said.clone());
            }
            self.flow.shape = Some(said);
            return;
        };
        if shape != said {
            let message = format!("`{}` gives {shape}, not {said}", link.statement.word.text);
            let mut d = Diagnostic::error(codes::ASSERTION, asserted.span, message)
                .label(format!("it is {shape}"))
                .related(link.statement.head(), "this layer")
                .replace(format!("write `: {shape}`"), asserted.span, shape.to_string());
            if !self.is_explained(&d) {
                d.notes.extend(self.trace(&[(self.flow.wire, &shape)], asserted.span));
                if let Some((title, span, text)) = self.padded(link, &said) {
                    d = d.replace(title, span, text);
                }
            }
            self.report(d);
        }
    }

    /// The padding of the link's own layer that would give the shape, as an edit.
    fn padded(&self, link: &Link, said: &Shape) -> Option<(String, Span, String)> {
        let head = link.statement.head();
        let last = self.flow.wire.layer().and_then(|at| self.model.layers.get(at));
        let instance = last.filter(|instance| instance.span == head)?;
        let (Unit::Layer(layer), Some(input)) = (instance.unit, &instance.input) else { return None };
        let padding = solve::padding(layer, &instance.args, input, said)?;
        let title = format!("`padding={padding}`, which gives {said}");
        Some(match instance.args.span("padding") {
            Some(span) => (title, span, padding),
            None => (title, head.after(), format!(" padding={padding}")),
        })
    }

    /// A fault of a layer's padding whose way out is the padding that gives what the line asserts.
    pub(super) fn as_asserted(
        &self,
        mut fault: Fault,
        layer: &'static dyn Layer,
        args: &Args,
        link: &Link,
    ) -> Fault {
        if fault.argument != Some("padding") {
            return fault;
        }
        let input = self.flow.shape.as_ref();
        let solved =
            input.zip(said(link)).and_then(|(input, said)| solve::padding(layer, args, input, &said));
        if let Some(value) = solved {
            fault.remedies.retain(|other| !matches!(other, Remedy::Set { name: "padding", .. }));
            fault.remedies.insert(0, Remedy::Set { name: "padding", value });
            fault.notes.clear();
            fault.assume = said(link);
        }
        fault
    }

    /// How shapes arose, for a finding at `span`; nothing where that was told often.
    pub(super) fn trace(&mut self, arriving: &[(Wire, &Shape)], span: Span) -> Vec<String> {
        if self.traces == MAX_TRACES {
            return Vec::new();
        }
        self.traces += 1;
        let span = self.told_at(span);
        let one = |(wire, shape): &(Wire, &Shape)| trace(self.sources, &self.model, *wire, shape, span.file);
        arriving.iter().flat_map(one).collect()
    }
}

fn is_extent(kind: &ValueKind) -> bool {
    matches!(kind, ValueKind::Extent(_))
}

/// The shape that a line asserts, where it is one.
fn said(link: &Link) -> Option<Shape> {
    let ValueKind::Extent(dims) = &link.assertion.as_ref()?.kind else { return None };
    let dims: Option<Shape> = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    dims.filter(|shape| shape.checked_elements().is_some_and(|n| n > 0))
}
