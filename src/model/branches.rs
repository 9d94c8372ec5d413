//! Statements that part the wire and join it again: `residual`, `concat`, `add`, `multiply`.

use crate::diag::{Diagnostic, codes, nearest};
use crate::layers::joins::{self, Join};
use crate::model::expand::Expansion;
use crate::model::scope::Flow;
use crate::shape::Shape;
use crate::source::Span;
use crate::syntax::ast::{Argument, Block, Statement, Value, ValueKind};

impl<'a> Expansion<'a> {
    /// `residual { … }`, optionally with `shortcut { … }` behind it: the sum of both.
    pub(super) fn residual(&mut self, statement: &'a Statement) {
        for argument in &statement.arguments {
            self.error(
                codes::TOO_MANY_ARGUMENTS,
                argument.span(),
                "`residual` takes only its block",
                "not expected here",
            );
        }
        let Some(block) = &statement.block else {
            self.error(
                codes::BLOCK_MISUSE,
                statement.head(),
                "`residual` needs its layers in `{ … }`",
                "no block follows",
            );
            return;
        };
        let entry = self.flow.clone();
        self.body(&block.chains);
        let body = std::mem::replace(&mut self.flow, entry.clone());
        let mut shortcut_span = None;
        for clause in &statement.clauses {
            match (&clause.block, clause.word.text.as_str()) {
                (Some(block), "shortcut") if shortcut_span.is_none() => {
                    self.body(&block.chains);
                    shortcut_span = Some(block.span);
                }
                (_, other) => {
                    let message = format!("`{other}` cannot follow `residual`");
                    self.error(
                        codes::MISPLACED,
                        clause.word.span,
                        message,
                        "one `shortcut { … }` is expected",
                    );
                }
            }
        }
        let shortcut = self.flow.clone();
        let flows =
            [(body.clone(), block.span), (shortcut.clone(), shortcut_span.unwrap_or(statement.word.span))];
        let Some(add) = joins::find("add") else { return };
        let (inside, through) = (body.shape, shortcut.shape);
        let end = block.span.after();
        self.join(add, &flows, statement.word.span, |d| {
            differing(d, inside, through, shortcut_span.is_some(), end)
        });
    }

    /// `concat NAME…` or `concat { branch { … } branch { … } }`.
    pub(super) fn join_statement(&mut self, join: &'static dyn Join, statement: &'a Statement) {
        let word = statement.word.text.as_str();
        if let Some(block) = &statement.block {
            if let Some(argument) = statement.arguments.first() {
                let message = format!("`{word}` takes names or branches, not both");
                self.error(codes::MISPLACED, argument.span(), message, "branches follow");
            }
            return self.branches(join, statement, block);
        }
        if statement.arguments.is_empty() {
            let message =
                format!("`{word}` is written `{word} NAME`, or `{word} {{ branch {{ … }} branch {{ … }} }}`");
            self.error(codes::MISSING_ARGUMENT, statement.head(), message, "nothing to join");
            return;
        }
        let mut flows = vec![(self.flow.clone(), statement.word.span)];
        for argument in &statement.arguments {
            match argument {
                Argument::Value(Value { kind: ValueKind::Word(name), span }) => match self.named(name) {
                    Some(found) => flows.push(found),
                    None => self.unknown_value(name, *span),
                },
                _ => {
                    let message = format!("`{word}` joins values by their names (`… as skip`)");
                    self.error(codes::BAD_VALUE, argument.span(), message, "not a name");
                }
            }
        }
        if flows.len() == statement.arguments.len() + 1 {
            self.join(join, &flows, statement.head(), |d| d);
        } else {
            self.flow.shape = None;
        }
    }

    fn branches(&mut self, join: &'static dyn Join, statement: &'a Statement, block: &'a Block) {
        let entry = self.flow.clone();
        let mut flows: Vec<(Flow, Span)> = Vec::new();
        for inner in block.chains.iter().flat_map(|chain| &chain.links).map(|link| &link.statement) {
            // Branches may follow each other on one line: `branch { … } branch { … }`.
            for branch in std::iter::once(inner).chain(&inner.clauses) {
                let (Some(body), "branch") = (&branch.block, branch.word.text.as_str()) else {
                    let message = format!("`{}` holds branches: `branch {{ … }}`", statement.word.text);
                    self.error(codes::MISPLACED, branch.head(), message, "not a branch");
                    continue;
                };
                for argument in &branch.arguments {
                    self.error(
                        codes::TOO_MANY_ARGUMENTS,
                        argument.span(),
                        "`branch` takes only its block",
                        "not expected here",
                    );
                }
                self.flow = entry.clone();
                self.body(&body.chains);
                flows.push((self.flow.clone(), branch.word.span));
            }
        }
        self.flow = entry;
        match flows.len() {
            0 => self.error(
                codes::MISSING_ARGUMENT,
                block.span,
                format!("`{}` has no branches", statement.word.text),
                "nothing to join",
            ),
            _ => self.join(join, &flows, statement.word.span, |d| d),
        }
    }

    /// The value of an `as` name that is visible here.
    fn named(&mut self, name: &str) -> Option<(Flow, Span)> {
        let closed = self.frames.iter().rposition(|frame| frame.closed).unwrap_or(0);
        let named = self.frames[closed..].iter_mut().rev().find_map(|frame| frame.flows.get_mut(name))?;
        named.used = true;
        Some((named.flow.clone(), named.span))
    }

    fn unknown_value(&mut self, name: &str, span: Span) {
        let closed = self.frames.iter().rposition(|frame| frame.closed).unwrap_or(0);
        let names: Vec<String> =
            self.frames[closed..].iter().flat_map(|frame| frame.flows.keys().cloned()).collect();
        let d = Diagnostic::error(codes::UNKNOWN_NAME, span, format!("no value above is called `{name}`"));
        self.report(match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => d.meant(span, near),
            None if names.is_empty() => d.label("give a value its name with `… as NAME` on a line above"),
            None => d.label(format!("there are: {}", names.join(", "))),
        });
    }
}

/// Ways to make the two sides of a residual agree.
fn differing(
    d: Diagnostic,
    body: Option<Shape>,
    through: Option<Shape>,
    has_shortcut: bool,
    end: Span,
) -> Diagnostic {
    let (Some(body), Some(through)) = (body, through) else { return d };
    let (&[channels, height, width], &[_, h, w]) = (body.dims(), through.dims()) else { return d };
    let d = d.note(format!("the block gives {body}, the shortcut {through}"));
    if has_shortcut || height == 0 || width == 0 || h < height || w < width {
        return d;
    }
    let stride = [h.div_ceil(height), w.div_ceil(width)];
    if [h.div_ceil(stride[0]), w.div_ceil(stride[1])] != [height, width] {
        return d;
    }
    let stride = match stride {
        [1, 1] => String::new(),
        [a, b] if a == b => format!(" stride={a}"),
        [a, b] => format!(" stride={a}x{b}"),
    };
    let text = format!(" shortcut {{ conv2d {channels} 1x1{stride} }}");
    d.replace(format!("add `{}` behind the block", text.trim()), end, text)
}
