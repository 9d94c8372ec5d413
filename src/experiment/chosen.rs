//! `model NAME(classes=10)` without layers: the model of an imported file that this file takes, with its own values for
//! the parameters.
//!
//! The result is that definition with the values as its defaults, so every later stage sees a model of the file itself.
//! Shapes that the definition asserts hold for its own defaults and are left out.

use crate::data::section::DataSection;
use crate::diag::{Diagnostic, Diagnostics, codes, nearest};
use crate::experiment::definitions;
use crate::experiment::imports::Imports;
use crate::experiment::unused::{name_of, statements};
use crate::model::Model;
use crate::model::definitions::{Block, Definitions};
use crate::model::expand::INPUT;
use crate::numbers::plural;
use crate::spec::evaluate;
use crate::syntax::ast::{Argument, Ast, Chain, Link, Statement, Value, ValueKind, Word};

/// The definition that a file takes; `None` where it takes none in this way.
///
/// # Errors
///
/// There is no such model, it has no such parameter, or an argument has no value.
pub fn choose(ast: &Ast, imports: &Imports) -> Result<Option<Statement>, Box<Diagnostic>> {
    let Some(line) = statements(&ast.chains).find(|statement| is_choice(statement)) else { return Ok(None) };
    let models = || {
        let all = imports.files.iter().flat_map(|file| statements(&file.chains));
        all.filter(|statement| statement.word.text == "model" && statement.block.is_some())
    };
    if models().next().is_none() {
        return Ok(None);
    }
    let named = name_of(line);
    let known: Vec<&str> = models().filter_map(name_of).collect();
    let found = match named {
        Some(name) => models().find(|model| name_of(model) == Some(name)),
        None if known.len() == 1 && !line.arguments.is_empty() => models().next(),
        None => None,
    };
    let Some(found) = found else {
        return Err(Box::new(unknown(line, named, &known)));
    };
    let mut chosen = found.clone();
    let given = match line.arguments.first() {
        Some(Argument::Value(Value { kind: ValueKind::Call { arguments, .. }, .. })) => arguments.as_slice(),
        Some(Argument::Value(_)) => &[],
        Some(Argument::Property { .. } | Argument::Relation { .. }) | None => line.arguments.as_slice(),
    };
    // Names in the values mean the constants of the files, never the model's own parameters.
    let constants = definitions(ast, imports, &mut Diagnostics::new());
    let mut taken = Taken { places: 0, names: Vec::new() };
    for argument in given {
        give(&mut chosen, argument, &mut taken, found, &constants)?;
    }
    if !given.is_empty() {
        forget_shapes(&mut chosen);
    }
    Ok(Some(chosen))
}

/// Whether a statement takes a model instead of defining one.
pub fn is_choice(statement: &Statement) -> bool {
    statement.word.text == "model" && statement.block.is_none()
}

/// Leaves out the shapes that a definition asserts.
pub fn forget_shapes(definition: &mut Statement) {
    fn chains(chains: &mut [Chain]) {
        for link in chains.iter_mut().flat_map(|chain| &mut chain.links) {
            link.assertion = None;
            forget_shapes(&mut link.statement);
        }
    }
    definition.block.iter_mut().for_each(|block| chains(&mut block.chains));
    definition.clauses.iter_mut().for_each(forget_shapes);
}

/// The parameters in a definition's parentheses.
pub fn parameters(definition: &mut Statement) -> &mut [Argument] {
    match definition.arguments.first_mut() {
        Some(Argument::Value(Value { kind: ValueKind::Call { arguments, .. }, .. })) => arguments,
        Some(Argument::Value(_) | Argument::Property { .. } | Argument::Relation { .. }) | None => &mut [],
    }
}

/// What a parameter of a definition is called.
pub fn parameter_name(parameter: &Argument) -> Option<&str> {
    match parameter {
        Argument::Property { key, .. } => Some(&key.text),
        Argument::Value(Value { kind: ValueKind::Word(own), .. }) => Some(own),
        Argument::Value(_) | Argument::Relation { .. } => None,
    }
}

/// What was given so far.
struct Taken {
    /// Values without a name.
    places: usize,
    names: Vec<Word>,
}

/// Gives a parameter its value.
fn give(
    chosen: &mut Statement,
    argument: &Argument,
    taken: &mut Taken,
    definition: &Statement,
    constants: &Definitions<'_>,
) -> Result<(), Box<Diagnostic>> {
    let model = name_of(definition).unwrap_or_default();
    let names: Vec<String> =
        parameters(chosen).iter().filter_map(|p| parameter_name(p).map(str::to_owned)).collect();
    let key = match argument {
        Argument::Property { key, .. } => key.clone(),
        Argument::Value(value) => {
            let Some(name) = names.get(taken.places) else {
                let message = match names.len() {
                    0 => format!("the model `{model}` has no parameters"),
                    n => format!("the model `{model}` takes {}", plural(n as u64, "value", "values")),
                };
                let d = Diagnostic::error(codes::TOO_MANY_ARGUMENTS, value.span, message);
                return Err(Box::new(
                    d.label("one value too many").related(definition.head(), "defined here"),
                ));
            };
            taken.places += 1;
            Word { text: name.clone(), span: value.span }
        }
        Argument::Relation { span, .. } => {
            let message = format!("the model `{model}` takes no comparison");
            return Err(Box::new(
                Diagnostic::error(codes::MISPLACED, *span, message).label("a value is expected"),
            ));
        }
    };
    let (Argument::Property { value, .. } | Argument::Value(value) | Argument::Relation { value, .. }) =
        argument;
    // `--set` lies in a text of its own, and may give again what the file gives.
    let same = |other: &&Word| other.text == key.text && other.span.file == key.span.file;
    if let Some(first) = taken.names.iter().find(same) {
        let message = format!("`{}` of `{model}` is given twice", key.text);
        let d = Diagnostic::error(codes::REPEATED_ARGUMENT, argument.span(), message);
        return Err(Box::new(d.label("given again here").related(first.span, "first given here")));
    }
    taken.names.push(key.clone());
    let value = evaluate(value, constants)?;
    let own = parameters(chosen).iter_mut().find(|own| parameter_name(own) == Some(&key.text));
    if let Some(own) = own {
        *own = Argument::Property { key, value: value.into_owned() };
        return Ok(());
    }
    if key.text == INPUT.name {
        let lines =
            chosen.block.iter_mut().flat_map(|block| &mut block.chains).flat_map(|chain| &mut chain.links);
        if let Some(line) = lines.map(|link| &mut link.statement).find(|line| line.word.text == INPUT.name) {
            line.arguments = vec![Argument::Value(value.into_owned())];
            return Ok(());
        }
    }
    Err(Box::new(no_parameter(definition, &key)))
}

/// The complaint about a value for what a model does not have.
pub fn no_parameter(definition: &Statement, key: &Word) -> Diagnostic {
    let model = name_of(definition).unwrap_or_default();
    let mut own = definition.clone();
    let names: Vec<&str> = parameters(&mut own).iter().filter_map(parameter_name).collect();
    let message = format!("the model `{model}` has no parameter `{}`", key.text);
    let d = Diagnostic::error(codes::UNKNOWN_ARGUMENT, key.span, message)
        .related(definition.head(), "defined here");
    match nearest(&key.text, names.iter().copied().chain([INPUT.name])) {
        Some(near) => d.meant(key.span, near),
        None if names.is_empty() => d.label(format!("it has only `{}`", INPUT.name)),
        None => d.label(format!("it has: {}, {}", names.join(", "), INPUT.name)),
    }
}

fn unknown(line: &Statement, named: Option<&str>, known: &[&str]) -> Diagnostic {
    let span = line.arguments.first().map_or(line.word.span, Argument::span);
    let listed = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let Some(name) = named else {
        if line.arguments.is_empty() {
            return Diagnostic::error(codes::MISSING_ARGUMENT, line.head(), "this `model` has no name")
                .label(format!(
                    "write `model NAME`, one of {listed}, or a definition with its layers in `{{ … }}`"
                ));
        }
        let message = "several models are imported, and none is named";
        return Diagnostic::error(codes::REPEATED_SECTION, line.head(), message)
            .label(format!("write `model NAME`, one of {listed}"));
    };
    let d = Diagnostic::error(codes::UNKNOWN_NAME, span, format!("no imported file has a model `{name}`"));
    let place = match line.arguments.first() {
        Some(Argument::Value(Value { kind: ValueKind::Call { name, .. }, .. })) => name.span,
        _ => span,
    };
    match nearest(name, known.iter().copied()) {
        Some(near) => d.meant(place, near),
        None => d
            .label(format!("the imported files have {listed}"))
            .advise("a model that is defined here needs its layers in `{ … }`"),
    }
}

/// A finding about a model that lies in another file, with its remedy in this one: `model NAME(input=1x28x28)`. Other
/// files are left alone.
pub fn remedied(
    mut d: Diagnostic,
    ast: &Ast,
    definitions: &Definitions<'_>,
    model: &Model,
    data: &DataSection,
) -> Diagnostic {
    d.fixes.retain(|fix| !fix.edits.is_empty() && fix.edits.iter().all(|(span, _)| span.file == ast.file));
    let block = definitions.models.iter().find(|block| block.name.span == model.name_span);
    let Some((key, value)) = block.and_then(|block| wanted(d.code, block, data)) else { return d };
    let line = statements(&ast.chains).find(|statement| is_choice(statement));
    let given: &[Argument] = match line.and_then(|line| line.arguments.first()) {
        Some(Argument::Value(Value { kind: ValueKind::Call { arguments, .. }, .. })) => arguments,
        Some(Argument::Value(_) | Argument::Property { .. } | Argument::Relation { .. }) | None => &[],
    };
    let other = |a: &&Argument| !matches!(a, Argument::Property { key: own, .. } if own.text == key);
    let mut values: Vec<String> = given.iter().filter(other).map(Argument::to_string).collect();
    values.push(format!("{key}={value}"));
    let text = format!("model {}({})", model.name, values.join(", "));
    let title = format!("write `{text}`");
    match line {
        Some(line) if line.word.span.file == ast.file => d.replace(title, line.head(), text),
        Some(_) => d.advise(format!("`--set model.{key}={value}`")),
        None => {
            let uses = statements(&ast.chains).filter(|statement| statement.word.text == "use");
            match uses.last() {
                Some(last) => d.replace(title, last.span.after(), format!("\n\n{text}")),
                None => d,
            }
        }
    }
}

/// The parameter that a finding is about, and the value that the data ask for.
fn wanted(code: &str, block: &Block<'_>, data: &DataSection) -> Option<(String, String)> {
    const COUNTS: [&str; 4] = ["classes", "num_classes", "n_classes", "outputs"];
    match code {
        codes::DATA_SHAPE => data.shape().map(|shape| (INPUT.name.to_owned(), shape.to_string())),
        codes::CLASSES => {
            let names = block.parameters.iter().map(|parameter| &parameter.name.text);
            let name = names.into_iter().find(|name| COUNTS.contains(&name.as_str()))?;
            Some((name.clone(), data.classes()?.to_string()))
        }
        _ => None,
    }
}

/// Whether `--set model.NAME=…` is about the model that a file takes, and not about one that it defines.
pub fn set(ast: &mut Ast, key: &Word, value: &Value) -> bool {
    let uses = statements(&ast.chains).any(|statement| statement.word.text == "use");
    let own =
        statements(&ast.chains).any(|statement| statement.word.text == "model" && !is_choice(statement));
    if own || !uses {
        return false;
    }
    let property = Argument::Property { key: key.clone(), value: value.clone() };
    let lines = ast.chains.iter_mut().flat_map(|chain| &mut chain.links).map(|link| &mut link.statement);
    let Some(line) = lines.into_iter().find(|statement| is_choice(statement)) else {
        let word = Word { text: "model".to_owned(), span: key.span };
        let statement = Statement {
            word,
            arguments: vec![property],
            block: None,
            clauses: Vec::new(),
            doc: None,
            span: key.span.to(value.span),
        };
        ast.chains.push(Chain { links: vec![Link { statement, alias: None, assertion: None }] });
        return true;
    };
    let place = |given: &mut Vec<Argument>| {
        let same = |a: &Argument| matches!(a, Argument::Property { key: own, .. } if own.text == key.text);
        given.retain(|argument| !same(argument));
        given.push(property.clone());
    };
    match line.arguments.first_mut() {
        Some(Argument::Value(Value { kind: ValueKind::Call { arguments, .. }, .. })) => place(arguments),
        Some(Argument::Value(Value { kind, span })) => {
            if let ValueKind::Word(name) = kind {
                let name = Word { text: name.clone(), span: *span };
                *kind = ValueKind::Call { name, arguments: vec![property] };
            }
        }
        Some(Argument::Property { .. } | Argument::Relation { .. }) | None => place(&mut line.arguments),
    }
    true
}
