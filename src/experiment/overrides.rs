//! `--set train.epochs=1`: an override by the file's own path, put into the tree before anything is checked. The
//! override is a source of its own, so that its mistakes are shown where they were made.

use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::experiment::words::{self, declared, registry};
use crate::experiment::{chosen, expect, paths};
use crate::source::{SETTING, Sources, Span};
use crate::syntax::ast::{Argument, Ast, Chain, Statement};
use crate::syntax::parse;

/// `train.optimizer.lr` of `train.lr`: the path of an argument of a setting in this section.
fn inner(section: &str, name: &str) -> Option<String> {
    let meant = paths::setting(name)?;
    let rest = meant.strip_prefix(section)?.strip_prefix('.')?;
    rest.contains('.').then_some(meant)
}

/// Applies `SECTION.SETTING=VALUE` or `SECTION.SETTING.ARGUMENT=VALUE`.
pub fn apply(sources: &mut Sources, ast: &mut Ast, text: &str) -> Diagnostics {
    let file = sources.add(SETTING, text);
    let whole = Span::new(file, 0..text.len());
    let wrong = |message: String| {
        vec![
            Diagnostic::error(codes::SYNTAX, whole, message)
                .label("as in `train.epochs=1` or `train.optimizer.lr=1e-2`"),
        ]
    };
    let Some((path, value)) = text.split_once('=') else {
        return wrong(format!("`--set {text}` has no `=`"));
    };
    let parts: Vec<&str> = path.split('.').map(str::trim).collect();
    if parts.iter().any(|part| part.is_empty()) || value.trim().is_empty() {
        return wrong(format!("`--set {text}` lacks a name or a value"));
    }
    let (section, statement) = match parts.as_slice() {
        [section, setting] if let Some(meant) = inner(section, setting) => {
            let message = format!("`{path}` is not the path of a setting");
            let label = format!("`--set {meant}={value}` changes this setting");
            return vec![Diagnostic::error(codes::SYNTAX, whole, message).label(label)];
        }
        [section, setting] => (*section, format!("{setting} {value}")),
        [section, setting, argument] => (*section, format!("{setting} {argument}={value}")),
        _ => {
            let message = format!("`{path}` is not the path of a setting");
            return match (parts.as_slice(), paths::setting(path)) {
                ([_], Some(meant)) => vec![
                    Diagnostic::error(codes::SYNTAX, whole, message)
                        .label(format!("`--set {meant}={value}` changes this setting")),
                ],
                _ => wrong(message),
            };
        }
    };
    let snippet = sources.add(SETTING, statement);
    let (parsed, diagnostics) = parse(sources, snippet);
    if !diagnostics.is_empty() {
        return diagnostics;
    }
    let mut links = parsed.chains.into_iter().flat_map(|chain| chain.links);
    let (Some(new), None) = (links.next(), links.next()) else {
        return wrong(format!("`{value}` is not one value"));
    };
    if new.alias.is_some() || new.assertion.is_some() {
        return wrong(format!("`{value}` is not one value: it has a name (`as`) or a shape (`:`)"));
    }
    let of_model = match (parts.as_slice(), new.statement.arguments.as_slice()) {
        (["model", _], [Argument::Value(value)]) => Some((new.statement.word.clone(), value.clone())),
        _ => None,
    };
    if let Some((key, value)) = &of_model {
        if chosen::set(ast, key, value) {
            return Vec::new();
        }
        forget_promises(ast);
    }
    let all = ast.chains.iter_mut().flat_map(|chain| &mut chain.links);
    let Some(target) = all.map(|link| &mut link.statement).find(|s| s.word.text == section) else {
        return wrong(format!("the file has no section `{section}`"));
    };
    let key_of_model = of_model.as_ref().map(|(key, _)| key.clone());
    if let Some((key, value)) = of_model {
        let mut own = chosen::parameters(target).iter_mut();
        if let Some(parameter) = own.find(|own| chosen::parameter_name(own) == Some(&key.text)) {
            *parameter = Argument::Property { key, value };
            return Vec::new();
        }
    }
    let unknown = key_of_model.map(|key| chosen::no_parameter(target, &key));
    let Some(block) = &mut target.block else {
        return wrong(format!("the section `{section}` has no block"));
    };
    let word = new.statement.word.text.clone();
    let own = block.chains.iter_mut().flat_map(|chain| &mut chain.links).map(|link| &mut link.statement);
    let mut own: Vec<&mut Statement> = own.filter(|statement| statement.word.text == word).collect();
    match own.as_mut_slice() {
        [] => match unknown {
            Some(unknown) => return vec![unknown],
            None => block.chains.push(Chain { links: vec![new] }),
        },
        [statement] => {
            let dropped = merge(section, statement, new.statement);
            return dropped.map(|dropped| dropped.said(path.trim(), whole)).into_iter().collect();
        }
        lines => {
            return wrong(format!("`{section}` has {} `{word}` lines; which one is meant?", lines.len()));
        }
    }
    Vec::new()
}

/// Leaves out what a file asserts of its network, shapes and exact counts, where another network is asked for. Bounds
/// (`parameters < 70k`) stay.
fn forget_promises(ast: &mut Ast) {
    let lines = ast.chains.iter_mut().flat_map(|chain| &mut chain.links).map(|link| &mut link.statement);
    for statement in lines {
        match (statement.word.text.as_str(), &mut statement.block) {
            ("model", Some(_)) => chosen::forget_shapes(statement),
            ("expect", Some(block)) => {
                block
                    .chains
                    .retain(|chain| !chain.links.iter().any(|link| expect::is_exact(&link.statement)));
            }
            _ => {}
        }
    }
}

/// What a component (`sgd` of `optimizer sgd lr=0.1`) had that was replaced by another one.
struct Dropped {
    old: String,
    new: String,
    arguments: Vec<Argument>,
    /// Those of them that the new component can have too.
    shared: Vec<Argument>,
}

impl Dropped {
    fn said(&self, path: &str, setting: Span) -> Diagnostic {
        let Dropped { old, new, arguments, shared } = self;
        let shown = |arguments: &[Argument]| arguments.iter().map(Argument::to_string).collect::<Vec<_>>();
        let listed: Vec<String> = shown(arguments).iter().map(|text| format!("`{text}`")).collect();
        let (is, listed) = match listed.as_slice() {
            [front @ .., last] if !front.is_empty() => ("are", format!("{} and {last}", front.join(", "))),
            _ => ("is", listed.concat()),
        };
        let message = format!("`{new}` takes the place of `{old}`: {listed} {is} dropped");
        let d = Diagnostic::warning(codes::REPLACED, setting, message)
            .label(format!("`{new}` starts from its own defaults"));
        let places = arguments.iter().map(Argument::span);
        let place = places.reduce(|all, one| if one.file == all.file { all.to(one) } else { all });
        let d = place.into_iter().fold(d, |d, place| d.related(place, "dropped"));
        match shared.is_empty() {
            true => d,
            false => d.advise(format!("`--set \"{path}={new} {}\"` to keep that", shown(shared).join(" "))),
        }
    }
}

/// Values take the place of the statement's values; a property that of the argument of its name, wherever that was
/// given. Another component than the statement's takes the place of it and of all its arguments, also of those that
/// both can have: they mean one thing for one and another for the other (the learning rate of `sgd` ruins `adam`). A
/// block takes the place of the statement's.
fn merge(section: &str, statement: &mut Statement, mut new: Statement) -> Option<Dropped> {
    if let block @ Some(_) = new.block.take() {
        (statement.block, statement.clauses) = (block, std::mem::take(&mut new.clauses));
    }
    if let (Some(registry), Some(name)) = (registry(section, &statement.word.text), words::chosen(&new))
        && let Some(old) = words::chosen(statement).filter(|old| *old != name)
    {
        let (old, name) = (old.to_owned(), name.to_owned());
        let given = |key: &str| {
            let same = |a: &Argument| matches!(a, Argument::Property { key: own, .. } if own.text == key);
            new.arguments.iter().any(same)
        };
        let had: Vec<Argument> = statement.arguments.drain(..).skip(1).collect();
        let lost = |a: &Argument| !matches!(a, Argument::Property { key, .. } if given(&key.text));
        let arguments: Vec<Argument> = had.into_iter().filter(lost).collect();
        let spec = registry.find(&name);
        let fits = |a: &&Argument| match a {
            Argument::Property { key, .. } => {
                spec.is_some_and(|spec| spec.params.iter().any(|param| param.name == key.text))
            }
            Argument::Value(_) | Argument::Relation { .. } => false,
        };
        let shared = arguments.iter().filter(fits).cloned().collect();
        statement.arguments = new.arguments;
        return Some(Dropped { old, new: name, arguments, shared }).filter(|d| !d.arguments.is_empty());
    }
    let declared = declared(section, statement);
    // Where the value of a positional parameter stands among the statement's values.
    let place = |name: &str| {
        let declared = declared?;
        let mut positional = declared.spec.params.iter().filter(|param| param.positional);
        positional.position(|param| param.name == name).map(|at| at + declared.n_names)
    };
    let is_property = |a: &Argument| matches!(a, Argument::Property { .. });
    if !new.arguments.iter().all(is_property) {
        statement.arguments.retain(is_property);
    }
    let values = statement.arguments.iter().take_while(|a| !is_property(a)).count();
    for (i, argument) in new.arguments.into_iter().enumerate() {
        if let Argument::Property { key, .. } = &argument {
            let same =
                |a: &Argument| matches!(a, Argument::Property { key: own, .. } if own.text == key.text);
            statement.arguments.retain(|a| !same(a));
            let mut values = statement.arguments.iter_mut().filter(|a| matches!(a, Argument::Value(_)));
            match (place(&key.text).and_then(|at| values.nth(at)), &argument) {
                (Some(old), Argument::Property { value, .. }) => *old = Argument::Value(value.clone()),
                _ => statement.arguments.push(argument),
            }
        } else {
            statement.arguments.insert(values + i, argument);
        }
    }
    None
}
