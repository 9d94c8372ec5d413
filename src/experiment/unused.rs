//! What a file defines, declares or imports and nothing names: found in the text alone, whatever the values are.

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, Diagnostics, Severity, codes};
use crate::experiment::chosen::is_choice;
use crate::experiment::imports::{Imports, Use};
use crate::source::{FileId, Sources, Span};
use crate::syntax::ast::{Argument, Ast, Chain, Expression, Statement, Value, ValueKind, Word};

/// Warnings for the `let` and the `use` lines, and for the parameters, of a file with a model. A definition with one of
/// the errors in `known` may name its parameters wrongly, so none of them is warned of.
pub fn find(sources: &Sources, main: &Ast, imports: &Imports, known: &[Diagnostic]) -> Diagnostics {
    let mut found = Diagnostics::new();
    unused_lets(sources, main, imports, &mut found);
    let inside = |d: &Diagnostic, whole: Span| {
        let at = d.primary.span;
        d.severity == Severity::Error && at.file == whole.file && (whole.start..whole.end).contains(&at.start)
    };
    for statement in statements(&main.chains).filter(|s| ["block", "model"].contains(&s.word.text.as_str())) {
        if !known.iter().any(|d| inside(d, statement.span)) {
            unused_parameters(main, statement, &mut found);
        }
    }
    let own = imports.uses.iter().filter(|line| line.at.file == main.file);
    let mut seen: Vec<FileId> = Vec::new();
    for line in own {
        let message = match (seen.contains(&line.to), needed(main, imports, line)) {
            (true, _) => Some("another `use` already imports this file"),
            (false, false) => Some("nothing from this file is used"),
            (false, true) => None,
        };
        seen.push(line.to);
        found.extend(message.map(|message| {
            Diagnostic::warning(codes::UNUSED_IMPORT, line.at, message)
                .label("this `use` has no effect")
                .replace("remove this `use`", sources.whole_line(line.at), "")
        }));
    }
    found
}

fn unused_lets(sources: &Sources, main: &Ast, imports: &Imports, found: &mut Diagnostics) {
    let mut lets = Vec::new();
    constants(&main.chains, &mut lets);
    let mut open: BTreeSet<&str> = lets.iter().map(|constant| constant.key.text.as_str()).collect();
    if open.is_empty() {
        return;
    }
    let mut close = |word: &str| {
        open.remove(word);
    };
    visit(&main.chains, &mut close);
    imports.files.iter().for_each(|import| visit(&import.chains, &mut close));
    for Constant { chain, statement, argument, key } in lets {
        if !open.contains(key.text.as_str()) {
            continue;
        }
        let message = format!("the constant `{}` is never used", key.text);
        let d = Diagnostic::warning(codes::UNUSED, key.span, message).label("nothing refers to it");
        found.push(match (chain.links.len(), statement.arguments.len()) {
            (1, 1) => d.replace("remove this `let`", sources.whole_line(statement.span), ""),
            (_, 1) => d,
            _ => d.replace(format!("remove `{}`", key.text), argument.span(), ""),
        });
    }
}

/// Warnings for the parameters of a `block` or `model` that neither its body nor the default of another one names.
fn unused_parameters(main: &Ast, definition: &Statement, found: &mut Diagnostics) {
    let Some(Argument::Value(whole)) = definition.arguments.first() else { return };
    let (ValueKind::Call { name, arguments }, Some(body)) = (&whole.kind, &definition.block) else { return };
    let mut used = words(&body.chains);
    for argument in arguments {
        if let Argument::Property { value, .. } = argument {
            visit_value(value, &mut |word| {
                used.insert(word);
            });
        }
    }
    let what = definition.word.text.as_str();
    for (at, (parameter, key)) in named(arguments).filter(|(_, (_, key))| !used.contains(key.0)) {
        let message = format!("the parameter `{}` of `{}` is never used", key.0, name.text);
        let d = Diagnostic::warning(codes::UNUSED_PARAMETER, key.1, message)
            .label(format!("nothing in this {what} refers to it"));
        let given: Option<Vec<Span>> = match what {
            "block" => given(main, &name.text, key.0, at, arguments.len()),
            _ => Some(Vec::new()),
        };
        found.push(match given {
            Some(given) => {
                let own = separated(name, whole.span, arguments, parameter);
                let edits = std::iter::once(own).chain(given).map(|span| (span, String::new()));
                removed(d, "remove it and the values given for it", edits.collect())
            }
            None => d.advise("remove it and the values given for it"),
        });
    }
}

fn removed(d: Diagnostic, title: &str, mut edits: Vec<(Span, String)>) -> Diagnostic {
    let Some((first, text)) = edits.first().cloned() else { return d };
    let mut d = d.replace(title, first, text);
    if let Some(fix) = d.fixes.last_mut() {
        fix.edits.append(&mut edits.split_off(1));
    }
    d
}

/// The parameters with their places, names and the names' spans.
fn named(arguments: &[Argument]) -> impl Iterator<Item = (usize, (&Argument, (&str, Span)))> {
    let name = |argument| match argument {
        &Argument::Value(Value { kind: ValueKind::Word(ref text), span }) => Some((text.as_str(), span)),
        Argument::Property { key, .. } => Some((key.text.as_str(), key.span)),
        Argument::Value(_) | Argument::Relation { .. } => None,
    };
    arguments.iter().enumerate().filter_map(move |(at, argument)| Some((at, (argument, name(argument)?))))
}

/// A parameter with its comma; of the only one, with the parentheses.
fn separated(name: &Word, whole: Span, all: &[Argument], parameter: &Argument) -> Span {
    let own = parameter.span();
    let at = all.iter().position(|other| other.span() == own).unwrap_or(0);
    match (all.get(at + 1), at.checked_sub(1).and_then(|before| all.get(before))) {
        (Some(next), _) => Span { end: next.span().start, ..own },
        (None, Some(before)) => Span { start: before.span().end, ..own },
        (None, None) => Span { start: name.span.end, ..whole },
    }
}

/// What the uses of a block give for its parameter at place `at`, each with the blank in front; `None` where a use gives
/// more than there are parameters, so that places are not to be trusted.
fn given(main: &Ast, block: &str, parameter: &str, at: usize, n: usize) -> Option<Vec<Span>> {
    let (mut found, mut sound) = (Vec::new(), true);
    each_statement(&main.chains, &mut |statement| {
        if statement.word.text != block {
            return;
        }
        let mut place = 0;
        let mut before = statement.word.span.end;
        for argument in &statement.arguments {
            let is_own = match argument {
                Argument::Value(_) => {
                    place += 1;
                    place - 1 == at
                }
                Argument::Property { key, .. } => key.text == parameter,
                Argument::Relation { .. } => false,
            };
            if is_own {
                found.push(Span { start: before, ..argument.span() });
            }
            before = argument.span().end;
        }
        sound &= place <= n;
    });
    sound.then_some(found)
}

/// Tells every statement, those in blocks and clauses too.
fn each_statement<'a>(chains: &'a [Chain], tell: &mut dyn FnMut(&'a Statement)) {
    for statement in statements(chains) {
        tell(statement);
        let blocks = std::iter::once(statement).chain(&statement.clauses);
        blocks.filter_map(|s| s.block.as_ref()).for_each(|block| each_statement(&block.chains, tell));
    }
}

/// One `name = value` of a `let`.
struct Constant<'a> {
    chain: &'a Chain,
    statement: &'a Statement,
    argument: &'a Argument,
    key: &'a Word,
}

/// Every constant, at the top and in bodies.
fn constants<'a>(chains: &'a [Chain], found: &mut Vec<Constant<'a>>) {
    for chain in chains {
        for statement in chain.links.iter().map(|link| &link.statement) {
            if statement.word.text == "let" {
                found.extend(statement.arguments.iter().filter_map(|argument| match argument {
                    Argument::Property { key, .. } => Some(Constant { chain, statement, argument, key }),
                    Argument::Value(_) | Argument::Relation { .. } => None,
                }));
            }
            let blocks = std::iter::once(statement).chain(&statement.clauses);
            blocks.filter_map(|s| s.block.as_ref()).for_each(|block| constants(&block.chains, found));
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
    let models: Vec<&Statement> =
        statements(&main.chains).filter(|statement| statement.word.text == "model").collect();
    let takes = |model: &Statement| match models.as_slice() {
        [] => true,
        lines => lines
            .iter()
            .filter(|line| is_choice(line))
            .any(|line| name_of(line).is_none_or(|name| name_of(model) == Some(name))),
    };
    let given = inside.iter().flat_map(|ast| statements(&ast.chains));
    given.into_iter().any(|statement| match statement.word.text.as_str() {
        // Taken as it is, or a layer of another one.
        "model" => takes(statement) || name_of(statement).is_some_and(|name| wanted.contains(name)),
        "block" => name_of(statement).is_some_and(|name| wanted.contains(name)),
        "let" => statement.arguments.iter().any(
            |argument| matches!(argument, Argument::Property { key, .. } if wanted.contains(key.text.as_str())),
        ),
        _ => false,
    })
}

pub fn statements(chains: &[Chain]) -> impl Iterator<Item = &Statement> {
    chains.iter().flat_map(|chain| &chain.links).map(|link| &link.statement)
}

/// What a `block` or a `model` is called.
pub fn name_of(statement: &Statement) -> Option<&str> {
    match statement.arguments.first() {
        Some(Argument::Value(Value { kind: ValueKind::Word(name), .. })) => Some(name),
        Some(Argument::Value(Value { kind: ValueKind::Call { name, .. }, .. })) => Some(&name.text),
        _ => None,
    }
}

/// Every name that is used; names that are only given (`let a = …`, `block a`) are not.
pub fn words(chains: &[Chain]) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    visit(chains, &mut |word| {
        found.insert(word);
    });
    found
}

/// Tells every name that is used, as often as it is.
fn visit<'a>(chains: &'a [Chain], tell: &mut dyn FnMut(&'a str)) {
    statements(chains).for_each(|statement| visit_statement(statement, tell));
}

fn visit_statement<'a>(statement: &'a Statement, tell: &mut dyn FnMut(&'a str)) {
    tell(&statement.word.text);
    let defines = ["block", "model"].contains(&statement.word.text.as_str()) && statement.block.is_some();
    for argument in &statement.arguments {
        match argument {
            Argument::Value(Value { kind: ValueKind::Call { arguments, .. }, .. }) if defines => {
                let defaults = arguments.iter().filter(|a| matches!(a, Argument::Property { .. }));
                defaults.for_each(|argument| visit_argument(argument, tell));
            }
            Argument::Value(_) if defines => {}
            _ => visit_argument(argument, tell),
        }
    }
    statement.block.iter().for_each(|block| visit(&block.chains, tell));
    statement.clauses.iter().for_each(|clause| visit_statement(clause, tell));
}

fn visit_argument<'a>(argument: &'a Argument, tell: &mut dyn FnMut(&'a str)) {
    match argument {
        Argument::Value(value) | Argument::Property { value, .. } | Argument::Relation { value, .. } => {
            visit_value(value, tell);
        }
    }
}

fn visit_value<'a>(value: &'a Value, tell: &mut dyn FnMut(&'a str)) {
    match &value.kind {
        ValueKind::Word(word) => tell(word),
        ValueKind::List(values) => values.iter().for_each(|value| visit_value(value, tell)),
        ValueKind::Sum(sum) => visit_sum(sum, tell),
        ValueKind::Call { name, arguments } => {
            tell(&name.text);
            arguments.iter().for_each(|argument| visit_argument(argument, tell));
        }
        ValueKind::Number(_) | ValueKind::Extent(_) | ValueKind::Text(_) => {}
    }
}

fn visit_sum<'a>(sum: &'a Expression, tell: &mut dyn FnMut(&'a str)) {
    match sum {
        Expression::Value(value) => visit_value(value, tell),
        Expression::Negate(inner) => visit_sum(inner, tell),
        Expression::Binary { left, right, .. } => {
            visit_sum(left, tell);
            visit_sum(right, tell);
        }
    }
}
