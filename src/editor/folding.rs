//! What can be folded away: braces that hold several lines, comments of several lines, the `use` lines at the top.

use std::ops::Range;

use crate::editor::Program;
use crate::editor::defined::statements;
use crate::syntax::ast::{Chain, Statement};
use crate::syntax::scan::{Kind, scan};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FoldKind {
    Braces,
    Comment,
    Imports,
}

/// A part of the text that goes over several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// From the line that stays to the last that goes.
    pub range: Range<usize>,
    pub kind: FoldKind,
}

/// Every fold, in the order of the text.
pub fn folds(program: &Program) -> Vec<Fold> {
    let text = program.text();
    let mut found = Vec::new();
    braces(&program.checked.ast.chains, &mut found);
    comments(text, &mut found);
    let uses = statements(&program.checked.ast).take_while(|statement| statement.word.text == "use");
    let uses: Vec<Range<usize>> = uses.map(|statement| statement.span.range()).collect();
    if let [first, .., last] = uses.as_slice() {
        found.push(Fold { range: first.start..last.end, kind: FoldKind::Imports });
    }
    found.retain(|fold| text.get(fold.range.clone()).is_some_and(|part| part.contains('\n')));
    found.sort_by_key(|fold| (fold.range.start, fold.kind));
    found
}

fn braces(chains: &[Chain], found: &mut Vec<Fold>) {
    for statement in chains.iter().flat_map(|chain| &chain.links).map(|link| &link.statement) {
        let parts = std::iter::once(statement).chain(&statement.clauses);
        for block in parts.filter_map(|part: &Statement| part.block.as_ref()) {
            found.push(Fold { range: block.span.range(), kind: FoldKind::Braces });
            braces(&block.chains, found);
        }
    }
}

/// Comments on lines of their own that follow each other.
fn comments(text: &str, found: &mut Vec<Fold>) {
    let mut run: Option<Range<usize>> = None;
    // Newlines since the last piece: a comment behind one has its line for itself.
    let mut n_lines = 1;
    for token in scan(text) {
        match token.kind {
            Kind::Newline => n_lines += 1,
            Kind::Comment if n_lines > 0 => {
                run = Some(match run.take() {
                    Some(run) if n_lines == 1 => run.start..token.range().end,
                    ended => {
                        found.extend(ended.map(|range| Fold { range, kind: FoldKind::Comment }));
                        token.range()
                    }
                });
                n_lines = 0;
            }
            _ => {
                found.extend(run.take().map(|range| Fold { range, kind: FoldKind::Comment }));
                n_lines = 0;
            }
        }
    }
    found.extend(run.map(|range| Fold { range, kind: FoldKind::Comment }));
}
