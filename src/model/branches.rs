//! Statements that part the wire and join it again: `residual`, `concat`, `add`, `multiply`.

use crate::diag::{Diagnostic, codes, nearest};
use crate::layers::joins::{self, JOINS, Join};
use crate::model::expand::Expansion;
use crate::model::fitting::{self, End, Side};
use crate::model::naming::Names;
use crate::model::scope::Named;
use crate::model::{Instance, Unit, remedy};
use crate::shape::Shape;
use crate::source::Span;
use crate::spec::Args;
use crate::syntax::ast::{Argument, Block, Statement, Value, ValueKind, Word};

impl<'a> Expansion<'a> {
    /// `residual { … }`, optionally with `shortcut { … }` behind it: the sum of both.
    pub(super) fn residual(&mut self, statement: &'a Statement) {
        for argument in &statement.arguments {
            self.error(
                codes::TOO_MANY_ARGUMENTS,
                argument.span(),
                "`residual` takes nothing but its block",
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
        let outer = self.naming.enter_own("residual");
        self.body(&block.chains);
        let body = std::mem::replace(&mut self.flow, entry.clone());
        let (mut shortcut_span, mut shortcut_end) = (None, None);
        for clause in &statement.clauses {
            match (&clause.block, clause.word.text.as_str()) {
                (Some(block), "shortcut") if shortcut_span.is_none() => {
                    let outer = self.naming.enter_part("shortcut");
                    self.spend_name();
                    self.body(&block.chains);
                    self.naming.leave(outer);
                    (shortcut_span, shortcut_end) = (Some(block.span), back(block));
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
        self.naming.leave(outer);
        let shortcut = self.flow.clone();
        let through = shortcut_span.unwrap_or(statement.word.span);
        let sides = [
            Side { flow: body.clone(), from: block.span, end: back(block) },
            Side { flow: shortcut.clone(), from: through, end: shortcut_end },
        ];
        let add: &dyn Join = &joins::add::SHORTCUT;
        let (inside, through) = (body.shape, shortcut.shape);
        let end = block.span.after();
        self.join(add, &sides, statement.word.span, |d| {
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
        let front = Span { end: statement.word.span.start, ..statement.word.span };
        let own = Side { flow: self.flow.clone(), from: statement.word.span, end: Some(End::Front(front)) };
        let mut sides = vec![own];
        for argument in &statement.arguments {
            match argument {
                Argument::Value(Value { kind: ValueKind::Word(name), span }) => match self.named(name) {
                    Some(named) => {
                        let side = Side { flow: named.flow.clone(), from: named.span, end: None };
                        let whole = named.whole;
                        sides.push(Side { end: self.behind_named(whole), ..side });
                    }
                    None => self.unknown_value(name, *span),
                },
                _ => {
                    let message = format!("`{word}` joins values by their names (`… as skip`)");
                    self.error(codes::BAD_VALUE, argument.span(), message, "not a name");
                }
            }
        }
        if sides.len() == statement.arguments.len() + 1 {
            self.join(join, &sides, statement.head(), |d| d);
        } else {
            self.flow.shape = None;
        }
    }

    fn branches(&mut self, join: &'static dyn Join, statement: &'a Statement, block: &'a Block) {
        let entry = self.flow.clone();
        let mut sides: Vec<Side> = Vec::new();
        let outer = self.naming.enter_own("branches");
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
                        "`branch` takes nothing but its block",
                        "not expected here",
                    );
                }
                self.flow = entry.clone();
                let outer = self.naming.enter_part(&format!("branch{}", sides.len() + 1));
                self.spend_name();
                self.body(&body.chains);
                self.naming.leave(outer);
                sides.push(Side { flow: self.flow.clone(), from: branch.word.span, end: back(body) });
            }
        }
        self.naming.leave(outer);
        self.flow = entry;
        match sides.len() {
            0 => self.error(
                codes::MISSING_ARGUMENT,
                block.span,
                format!("`{}` has no branches", statement.word.text),
                "nothing to join",
            ),
            _ => self.join(join, &sides, statement.word.span, |d| d),
        }
    }

    /// Joins values; a fault is shown at `span`, with `related` places, how the shapes arose, and ways to make them fit.
    fn join(
        &mut self,
        join: &'static dyn Join,
        sides: &[Side],
        span: Span,
        mend: impl FnOnce(Diagnostic) -> Diagnostic,
    ) {
        let Names { name, stream } = self.names(join.spec().name);
        let shapes: Option<Vec<&Shape>> = sides.iter().map(|side| side.flow.shape.as_ref()).collect();
        let (mut inferred, mut output) = (None, None);
        if let Some(shapes) = &shapes {
            match join.infer(shapes) {
                Ok(found) => {
                    output = Some(found.output.clone());
                    inferred = Some(found);
                }
                Err(fault) => {
                    let mut d = Diagnostic::of(&fault, span);
                    for (side, shape) in sides.iter().zip(shapes) {
                        if side.from != span {
                            d = d.related(side.from, format!("{shape} from here"));
                        }
                    }
                    let explained = self.is_explained(&d);
                    if !explained && let Some([a, b]) = fitting::odd_pair(join, sides) {
                        d.notes.extend(self.trace(&[(a.0.flow.wire, a.1), (b.0.flow.wire, b.1)], span));
                    }
                    d = mend(d);
                    if !explained {
                        for way in fitting::ways(&self.model, join, sides, &mut self.search) {
                            d = d.replace(way.title, way.at, way.text);
                        }
                    }
                    self.report(d);
                }
            }
        }
        let input = sides.first().and_then(|side| side.flow.shape.clone());
        let inputs = sides.iter().map(|side| side.flow.wire).collect();
        let unit = Unit::Join(join);
        let args = Args::default();
        let shared = Vec::new();
        self.push(Instance { unit, name, stream, args, inputs, input, inferred, shared, output, span });
    }

    /// The value of an `as` name that is visible here.
    pub(super) fn named(&mut self, name: &str) -> Option<&Named> {
        let closed = self.frames.iter().rposition(|frame| frame.closed).unwrap_or(0);
        let named = self.frames[closed..].iter_mut().rev().find_map(|frame| frame.flows.get_mut(name))?;
        named.used = true;
        Some(named)
    }

    /// Where a layer is put behind one that `as` names; nowhere if an assertion would then be wrong.
    fn behind_named(&self, whole: Span) -> Option<End> {
        let text = self.sources.get(whole.file).text.get(whole.end as usize..)?;
        let asserted = text.trim_start_matches([' ', '\t']).starts_with(':');
        (!asserted).then_some(End::Through(Span { end: whole.start, ..whole }))
    }

    /// Says of the name of a value, which stands where a layer is expected, how it is read; false if it is no such name.
    pub(super) fn value_as_layer(&mut self, word: &Word) -> bool {
        let arriving = self.flow.shape.clone();
        let Some(named) = self.named(&word.text) else { return false };
        let (shape, span) = (named.flow.shape.clone(), named.span);
        let name = &word.text;
        let message = format!("`{name}` is a value, not a layer: only a join can take it");
        let mut d = Diagnostic::error(codes::UNKNOWN_WORD, word.span, message)
            .label("a layer or a join is expected")
            .related(span, "named here");
        let joined = |join: &&&'static dyn Join| match (&arriving, &shape) {
            (Some(arriving), Some(shape)) => join.infer(&[arriving, shape]).is_ok(),
            _ => true,
        };
        let fitting: Vec<&dyn Join> = JOINS.iter().filter(joined).copied().collect();
        // Where none takes both, its own report says why.
        let offered = if fitting.is_empty() { JOINS.to_vec() } else { fitting };
        for join in offered {
            d = d.advise(format!("`{} {name}`: {}", join.spec().name, join.spec().summary));
        }
        self.report(d);
        true
    }

    pub(super) fn unknown_value(&mut self, name: &str, span: Span) {
        let closed = self.frames.iter().rposition(|frame| frame.closed).unwrap_or(0);
        let names: Vec<String> =
            self.frames[closed..].iter().flat_map(|frame| frame.flows.keys().cloned()).collect();
        let d = Diagnostic::error(codes::UNKNOWN_NAME, span, format!("no value above is called `{name}`"));
        self.report(match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => d.meant(span, near),
            None if names.is_empty() => d.label("name a value with `… as NAME` on a line above"),
            None => d.label(format!("available: {}", names.join(", "))),
        });
    }
}

/// Where a layer is put at a branch's end.
fn back(body: &Block) -> Option<End> {
    remedy::end(&body.chains).map(End::Back)
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
    let (Some((channels, extents)), Some((_, from))) =
        (body.dims().split_first(), through.dims().split_first())
    else {
        return d;
    };
    let axes = extents.len();
    if has_shortcut || !(1..=3).contains(&axes) || from.len() != axes {
        return d;
    }
    let fits = |(&to, &from): (&usize, &usize)| {
        let stride = from.checked_div(to).filter(|_| from >= to).map(|_| from.div_ceil(to))?;
        (from.div_ceil(stride) == to).then_some(stride)
    };
    let Some(stride) = extents.iter().zip(from).map(fits).collect::<Option<Vec<usize>>>() else { return d };
    let stride = match stride.iter().all(|own| *own == stride[0]) {
        true if stride[0] == 1 => String::new(),
        true => format!(" stride={}", stride[0]),
        false => format!(" stride={}", Shape::new(&stride)),
    };
    let kernel = Shape::new(vec![1; axes]);
    let text = format!(" shortcut {{ conv{axes}d {channels} {kernel}{stride} }}");
    d.replace(format!("add `{}` after the block", text.trim()), end, text)
}
