//! What the files of an experiment define at their top: blocks, constants (`let`) and models, with the clashes
//! between them.

use std::collections::BTreeMap;

use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::layers;
use crate::source::Span;
use crate::spec::{Scope, evaluate};
use crate::syntax::ast::{Argument, Ast, Chain, Statement, Value, ValueKind, Word};

/// Where a definition comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The library that comes with the language; any file may define the name anew.
    Library,
    /// A file named by `use`.
    Import,
    /// The file itself.
    Main,
}

/// `block name(parameters) { … }`, or a model with its parameters.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    pub name: Word,
    pub parameters: Vec<Parameter<'a>>,
    pub body: &'a [Chain],
    pub statement: &'a Statement,
    pub origin: Origin,
}

#[derive(Clone, Debug)]
pub struct Parameter<'a> {
    pub name: Word,
    pub default: Option<&'a Value>,
}

/// Everything that is defined.
#[derive(Clone, Debug, Default)]
pub struct Definitions<'a> {
    pub blocks: BTreeMap<String, Block<'a>>,
    pub models: Vec<Block<'a>>,
    /// Constants, evaluated.
    pub constants: BTreeMap<String, (ValueKind, Span)>,
}

/// The most parameters of a block or model.
pub const MAX_PARAMETERS: usize = 64;

/// The words that a body gives a meaning of its own.
pub const CONTROL: &[&str] = &[
    "input",
    "output",
    "auxiliary",
    "from",
    "share",
    "let",
    "repeat",
    "for",
    "if",
    "else",
    "residual",
    "shortcut",
    "branch",
];

impl<'a> Definitions<'a> {
    /// Adds what a file defines; later files may not define a name again, unless it is the library's.
    pub fn add(&mut self, ast: &'a Ast, origin: Origin, diagnostics: &mut Diagnostics) {
        for statement in ast.chains.iter().flat_map(|chain| &chain.links).map(|link| &link.statement) {
            match statement.word.text.as_str() {
                "block" => self.block(statement, origin, diagnostics),
                // The file takes one of the models that are imported.
                "model" if statement.block.is_none() && origin == Origin::Main && !self.models.is_empty() => {
                }
                "model" => {
                    if let Some(model) = definition(statement, origin, diagnostics) {
                        let other = self.models.iter().find(|other| other.name.text == model.name.text);
                        match other.map(|other| other.name.span) {
                            Some(first) => diagnostics.push(clash(&model.name, first)),
                            None => self.models.push(model),
                        }
                    }
                }
                "let" => self.constants(statement, diagnostics),
                _ => {}
            }
        }
    }

    /// What a word puts in where it stands like a layer: a block, or a model.
    pub fn callable(&self, word: &str) -> Option<&Block<'a>> {
        self.blocks.get(word).or_else(|| self.models.iter().find(|model| model.name.text == word))
    }

    /// Puts a model that the file takes from another one in the place of that definition.
    pub fn choose(&mut self, statement: &'a Statement, diagnostics: &mut Diagnostics) {
        let Some(model) = definition(statement, Origin::Main, diagnostics) else { return };
        if let Some(other) = self.models.iter_mut().find(|other| other.name.span == model.name.span) {
            *other = model;
        }
    }

    fn block(&mut self, statement: &'a Statement, origin: Origin, diagnostics: &mut Diagnostics) {
        let Some(block) = definition(statement, origin, diagnostics) else { return };
        let name = block.name.text.as_str();
        if layers::find(name).is_some() || layers::joins::find(name).is_some() || CONTROL.contains(&name) {
            let message = format!("`{name}` is a word of the language and cannot name a block");
            diagnostics.push(
                Diagnostic::error(codes::NAME_CLASH, block.name.span, message).label("choose another name"),
            );
            return;
        }
        match self.blocks.get(name) {
            Some(other) if other.origin != Origin::Library => {
                diagnostics.push(clash(&block.name, other.name.span));
            }
            _ => {
                self.blocks.insert(name.to_owned(), block);
            }
        }
    }

    fn constants(&mut self, statement: &'a Statement, diagnostics: &mut Diagnostics) {
        for argument in &statement.arguments {
            let Argument::Property { key, value } = argument else {
                diagnostics.push(not_a_let(argument.span()));
                continue;
            };
            if let Some((_, first)) = self.constants.get(&key.text) {
                diagnostics.push(clash(key, *first));
                continue;
            }
            match evaluate(value, self) {
                Ok(value) => {
                    let kind = value.into_owned().kind;
                    self.constants.insert(key.text.clone(), (kind, key.span));
                }
                Err(diagnostic) => diagnostics.push(*diagnostic),
            }
        }
    }
}

impl Scope for Definitions<'_> {
    fn lookup(&self, name: &str) -> Option<ValueKind> {
        self.constants.get(name).map(|(kind, _)| kind.clone())
    }

    fn names(&self) -> Vec<String> {
        self.constants.keys().cloned().collect()
    }
}

/// The complaint about `let` without `name=value`.
pub fn not_a_let(span: Span) -> Diagnostic {
    Diagnostic::error(codes::BAD_VALUE, span, "`let` is written `let name = value`")
        .label("expected `name = value`")
}

fn clash(name: &Word, first: Span) -> Diagnostic {
    Diagnostic::error(codes::NAME_CLASH, name.span, format!("`{}` is defined twice", name.text))
        .label("defined again here")
        .related(first, "first defined here")
}

/// Reads `block name(a, b=1) { … }` or `model Name { … }`.
fn definition<'a>(
    statement: &'a Statement,
    origin: Origin,
    diagnostics: &mut Diagnostics,
) -> Option<Block<'a>> {
    let what = statement.word.text.as_str();
    let wrong = |span: Span, label: &str| {
        let message = format!("a {what} is written `{what} name(parameters) {{ … }}`");
        Diagnostic::error(codes::MISSING_ARGUMENT, span, message).label(label)
    };
    let Some((Argument::Value(value), rest)) = statement.arguments.split_first() else {
        diagnostics.push(wrong(statement.head(), "its name is missing"));
        return None;
    };
    if let Some(extra) = rest.first() {
        diagnostics.push(wrong(extra.span(), "not expected here; parameters go in parentheses"));
        return None;
    }
    let (name, arguments): (Word, &[Argument]) = match &value.kind {
        ValueKind::Word(text) if !text.contains('.') => (Word { text: text.clone(), span: value.span }, &[]),
        ValueKind::Call { name, arguments } => (name.clone(), arguments),
        _ => {
            diagnostics.push(wrong(value.span, "not a name"));
            return None;
        }
    };
    let mut parameters: Vec<Parameter<'a>> = Vec::new();
    for argument in arguments {
        let parameter = match argument {
            Argument::Value(Value { kind: ValueKind::Word(text), span }) => {
                Parameter { name: Word { text: text.clone(), span: *span }, default: None }
            }
            Argument::Property { key, value } => Parameter { name: key.clone(), default: Some(value) },
            Argument::Value(_) | Argument::Relation { .. } => {
                diagnostics.push(wrong(argument.span(), "a parameter is a name, or `name=default`"));
                continue;
            }
        };
        if parameters.len() == MAX_PARAMETERS {
            let message = format!("a {what} takes at most {MAX_PARAMETERS} parameters");
            diagnostics.push(
                Diagnostic::error(codes::TOO_MANY_ARGUMENTS, argument.span(), message).label("one too many"),
            );
            break;
        }
        if let Some(first) = parameters.iter().find(|other| other.name.text == parameter.name.text) {
            diagnostics.push(clash(&parameter.name, first.name.span));
            continue;
        }
        parameters.push(parameter);
    }
    let Some(block) = &statement.block else {
        diagnostics.push(
            Diagnostic::error(
                codes::BLOCK_MISUSE,
                statement.head(),
                format!("a {what} needs its layers in `{{ … }}`"),
            )
            .label("no block follows"),
        );
        return None;
    };
    Some(Block { name, parameters, body: &block.chains, statement, origin })
}
