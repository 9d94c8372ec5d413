//! What a selection grows to: the word, the argument, the statement, its line of arrows, the lines in the braces, the
//! braces with their head, the file.

use std::ops::Range;

use crate::editor::Program;
use crate::syntax::ast::{Argument, Chain, Statement, Value, ValueKind};
use crate::syntax::scan::{Kind, scan};

/// Ranges that hold a byte offset, each within the next; the last one is the whole text.
pub fn selection(program: &Program, offset: usize) -> Vec<Range<usize>> {
    let text = program.text();
    let offset = offset.min(text.len());
    let mut ranges = vec![0..text.len()];
    chains(text, &program.checked.ast.chains, offset, &mut ranges);
    let mut touched = scan(text).into_iter().filter(|token| holds(&token.range(), offset));
    // Between two pieces the word is meant.
    let token = touched.clone().find(|token| token.kind == Kind::Word).or_else(|| touched.next());
    if let Some(token) = token.filter(|token| token.kind != Kind::Newline) {
        ranges.push(token.range());
    }
    let mut found: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        let fits = found
            .last()
            .is_none_or(|outer| outer.start <= range.start && range.end <= outer.end && *outer != range);
        if fits && text.get(range.clone()).is_some() {
            found.push(range);
        }
    }
    found.reverse();
    found
}

fn holds(range: &Range<usize>, offset: usize) -> bool {
    range.start <= offset && offset <= range.end
}

/// Adds the ranges that hold the offset, the outermost first.
fn chains(text: &str, list: &[Chain], offset: usize, ranges: &mut Vec<Range<usize>>) {
    let range_of = |chain: &Chain| {
        let (first, last) = (chain.links.first()?, chain.links.last()?);
        let ends =
            last.alias.iter().map(|alias| alias.span).chain(last.assertion.iter().map(|shape| shape.span));
        Some(first.statement.span.start as usize..ends.fold(last.statement.span, |_, end| end).end as usize)
    };
    let mut whole = list.iter().filter_map(|chain| range_of(chain).map(|range| (chain, range)));
    let Some((chain, range)) = whole.find(|(_, range)| holds(range, offset)) else { return };
    ranges.push(range);
    for link in &chain.links {
        if holds(&link.statement.span.range(), offset) {
            return statement(text, &link.statement, offset, ranges);
        }
    }
}

fn statement(text: &str, own: &Statement, offset: usize, ranges: &mut Vec<Range<usize>>) {
    ranges.push(own.span.range());
    for part in std::iter::once(own).chain(&own.clauses) {
        if let Some(block) = part.block.as_ref().filter(|block| holds(&block.span.range(), offset)) {
            if !std::ptr::eq(part, own) {
                ranges.push(part.span.range());
            }
            ranges.push(block.span.range());
            let inside = block.span.start as usize + 1..(block.span.end as usize).saturating_sub(1);
            if let Some(body) = text.get(inside.clone()).filter(|_| holds(&inside, offset)) {
                let start = inside.start + (body.len() - body.trim_start().len());
                let trimmed = start..start + body.trim().len();
                if holds(&trimmed, offset) {
                    ranges.push(trimmed);
                }
            }
            return chains(text, &block.chains, offset, ranges);
        }
        if holds(&part.head().range(), offset) {
            ranges.push(part.head().range());
            return part.arguments.iter().for_each(|argument| self::argument(argument, offset, ranges));
        }
    }
}

fn argument(argument: &Argument, offset: usize, ranges: &mut Vec<Range<usize>>) {
    if holds(&argument.span().range(), offset) {
        ranges.push(argument.span().range());
        match argument {
            Argument::Value(own)
            | Argument::Property { value: own, .. }
            | Argument::Relation { value: own, .. } => {
                value(own, offset, ranges);
            }
        }
    }
}

fn value(own: &Value, offset: usize, ranges: &mut Vec<Range<usize>>) {
    if !holds(&own.span.range(), offset) {
        return;
    }
    ranges.push(own.span.range());
    match &own.kind {
        ValueKind::List(items) => items.iter().for_each(|item| value(item, offset, ranges)),
        ValueKind::Call { arguments, .. } => arguments.iter().for_each(|a| argument(a, offset, ranges)),
        ValueKind::Number(_)
        | ValueKind::Extent(_)
        | ValueKind::Word(_)
        | ValueKind::Text(_)
        | ValueKind::Sum(_) => {}
    }
}
