//! What a file defines or imports and nothing names: found in the text alone, whatever the values are.

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::experiment::imports::{Imports, Use};
use crate::source::{FileId, Sources};
use crate::syntax::ast::{Argument, Ast, Chain, Expression, Statement, Value, ValueKind};

/// Warnings for the `let` and the `use` lines of a file with a model.
pub fn find(sources: &Sources, main: &Ast, imports: &Imports) -> Diagnostics {
    let mut used = words(&main.chains);
    for import in &imports.files {
        used.append(&mut words(&import.chains));
    }
    let mut found = Diagnostics::new();
    unused_lets(sources, &main.chains, &used, &mut found);
    let own = imports.uses.iter().filter(|line| line.at.file == main.file);
    let mut seen: Vec<FileId> = Vec::new();
    for line in own {
        let message = match (seen.contains(&line.to), needed(main, imports, line)) {
            (true, _) => Some("this file is named by `use` already"),
            (false, false) => Some("nothing of this file is used"),
            (false, true) => None,
        };
        seen.push(line.to);
        found.extend(message.map(|message| {
            Diagnostic::warning(codes::UNUSED_IMPORT, line.at, message)
                .label("this `use` changes nothing")
                .replace("remove this `use`", sources.whole_line(line.at), "")
        }));
    }
    found
}

fn unused_lets(sources: &Sources, chains: &[Chain], used: &BTreeSet<&str>, found: &mut Diagnostics) {
    for chain in chains {
        for statement in chain.links.iter().map(|link| &link.statement) {
            let constants = statement.arguments.iter().filter(|_| statement.word.text == "let");
            for argument in constants {
                let Argument::Property { key, .. } = argument else { continue };
                if used.contains(key.text.as_str()) {
                    continue;
                }
                let message = format!("the constant `{}` is never used", key.text);
                let d = Diagnostic::warning(codes::UNUSED, key.span, message).label("nothing names it");
                found.push(match (chain.links.len(), statement.arguments.len()) {
                    (1, 1) => d.replace("remove this `let`", sources.whole_line(statement.span), ""),
                    (_, 1) => d,
                    _ => d.replace(format!("remove `{}`", key.text), argument.span(), ""),
                });
            }
            let blocks = std::iter::once(statement).chain(&statement.clauses);
            for block in blocks.filter_map(|statement| statement.block.as_ref()) {
                unused_lets(sources, &block.chains, used, found);
            }
        }
    }
}

/// Whether a name that comes with this `use`, directly or through the files it uses, is named elsewhere.
fn needed(main: &Ast, imports: &Imports, line: &Use) -> bool {
    let mut reached = BTreeSet::from([line.to]);
    let mut open = vec![line.to];
    while let Some(file) = open.pop() {
        let further = imports.uses.iter().filter(|line| line.at.file == file).map(|line| line.to);
        open.extend(further.filter(|&to| reached.insert(to)));
    }
    let (inside, outside): (Vec<&Ast>, Vec<&Ast>) =
        imports.files.iter().partition(|ast| reached.contains(&ast.file));
    let mut wanted = words(&main.chains);
    outside.iter().for_each(|ast| wanted.append(&mut words(&ast.chains)));
    let own_model = statements(&main.chains).any(|statement| statement.word.text == "model");
    let given = inside.iter().flat_map(|ast| statements(&ast.chains));
    given.into_iter().any(|statement| match statement.word.text.as_str() {
        "model" => !own_model,
        "block" => name_of(statement).is_some_and(|name| wanted.contains(name)),
        "let" => statement.arguments.iter().any(
            |argument| matches!(argument, Argument::Property { key, .. } if wanted.contains(key.text.as_str())),
        ),
        _ => false,
    })
}

fn statements(chains: &[Chain]) -> impl Iterator<Item = &Statement> {
    chains.iter().flat_map(|chain| &chain.links).map(|link| &link.statement)
}

/// What a `block` or a `model` is called.
fn name_of(statement: &Statement) -> Option<&str> {
    match statement.arguments.first() {
        Some(Argument::Value(Value { kind: ValueKind::Word(name), .. })) => Some(name),
        Some(Argument::Value(Value { kind: ValueKind::Call { name, .. }, .. })) => Some(&name.text),
        _ => None,
    }
}

/// Every name that is used; names that are only given (`let a = …`, `block a`) are not.
pub fn words(chains: &[Chain]) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    statements(chains).for_each(|statement| words_of(statement, &mut found));
    found
}

fn words_of<'a>(statement: &'a Statement, found: &mut BTreeSet<&'a str>) {
    found.insert(statement.word.text.as_str());
    let defines = ["block", "model"].contains(&statement.word.text.as_str());
    for argument in &statement.arguments {
        match argument {
            Argument::Value(Value { kind: ValueKind::Call { arguments, .. }, .. }) if defines => {
                let defaults = arguments.iter().filter(|a| matches!(a, Argument::Property { .. }));
                defaults.for_each(|argument| words_in_argument(argument, found));
            }
            Argument::Value(_) if defines => {}
            _ => words_in_argument(argument, found),
        }
    }
    let blocks = statement.block.iter().flat_map(|block| &block.chains).flat_map(|chain| &chain.links);
    blocks.for_each(|link| words_of(&link.statement, found));
    statement.clauses.iter().for_each(|clause| words_of(clause, found));
}

fn words_in_argument<'a>(argument: &'a Argument, found: &mut BTreeSet<&'a str>) {
    match argument {
        Argument::Value(value) | Argument::Property { value, .. } | Argument::Relation { value, .. } => {
            words_in(value, found);
        }
    }
}

fn words_in<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match &value.kind {
        ValueKind::Word(word) => {
            found.insert(word);
        }
        ValueKind::List(values) => values.iter().for_each(|value| words_in(value, found)),
        ValueKind::Sum(sum) => words_in_sum(sum, found),
        ValueKind::Call { name, arguments } => {
            found.insert(name.text.as_str());
            arguments.iter().for_each(|argument| words_in_argument(argument, found));
        }
        ValueKind::Number(_) | ValueKind::Extent(_) | ValueKind::Text(_) => {}
    }
}

fn words_in_sum<'a>(sum: &'a Expression, found: &mut BTreeSet<&'a str>) {
    match sum {
        Expression::Value(value) => words_in(value, found),
        Expression::Negate(inner) => words_in_sum(inner, found),
        Expression::Binary { left, right, .. } => {
            words_in_sum(left, found);
            words_in_sum(right, found);
        }
    }
}
