//! The outline of a file: sections, models with their lines, blocks with their parameters, constants.

use crate::editor::Program;
use crate::editor::defined::{NameKind, head, parameter, statements};
use crate::source::{Sources, Span};
use crate::syntax::ast::{Argument, Ast, Block, Link, Statement};

const BRANCH: &str = "branch";

/// What an entry of the outline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    Name(NameKind),
    /// `use`, `data`, `train`, `expect`.
    Section,
    /// A layer, or the use of a block.
    Layer,
    /// `repeat`, `residual` and what else has lines inside.
    Group,
    /// A line of `data`, `train` or `expect`.
    Setting,
}

/// An entry with those inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    pub name: String,
    /// The rest of the line.
    pub detail: String,
    pub kind: SymbolKind,
    /// The whole statement.
    pub span: Span,
    /// The name or word itself, inside `span`.
    pub selection: Span,
    pub children: Vec<Symbol>,
}

/// The outline, in the order of the text.
pub fn symbols(program: &Program) -> Vec<Symbol> {
    outline(&program.sources, &program.checked.ast)
}

/// The outline of a text that was only read.
pub fn outline(sources: &Sources, ast: &Ast) -> Vec<Symbol> {
    statements(ast).flat_map(|statement| top(sources, statement)).collect()
}

fn top(sources: &Sources, statement: &Statement) -> Vec<Symbol> {
    let word = statement.word.text.as_str();
    match word {
        "let" => constants(sources, statement),
        "block" | "model" => {
            let Some(((name, selection), parameters)) = head(statement) else { return Vec::new() };
            let kind = SymbolKind::Name(if word == "model" { NameKind::Model } else { NameKind::Block });
            let parameters = parameters.iter().filter_map(parameter).map(|(name, span, default)| Symbol {
                name: name.to_owned(),
                detail: default.map_or_else(String::new, |value| sources.slice(value.span).to_owned()),
                kind: SymbolKind::Name(NameKind::Parameter),
                span: default.map_or(span, |value| span.to(value.span)),
                selection: span,
                children: Vec::new(),
            });
            let children = parameters.chain(inside(sources, &statement.block, SymbolKind::Layer)).collect();
            let (name, detail) = (name.to_owned(), word.to_owned());
            vec![Symbol { name, detail, kind, span: statement.span, selection, children }]
        }
        _ => vec![own(sources, statement, SymbolKind::Section, SymbolKind::Setting)],
    }
}

fn constants(sources: &Sources, statement: &Statement) -> Vec<Symbol> {
    let constant = |argument: &Argument| match argument {
        Argument::Property { key, value } => Some(Symbol {
            name: key.text.clone(),
            detail: sources.slice(value.span).to_owned(),
            kind: SymbolKind::Name(NameKind::Constant),
            span: key.span.to(value.span),
            selection: key.span,
            children: Vec::new(),
        }),
        Argument::Value(_) | Argument::Relation { .. } => None,
    };
    statement.arguments.iter().filter_map(constant).collect()
}

/// A statement by its word.
fn own(sources: &Sources, statement: &Statement, kind: SymbolKind, lines: SymbolKind) -> Symbol {
    let head = sources.slice(statement.head());
    let mut children: Vec<Symbol> = inside(sources, &statement.block, lines).collect();
    if statement.word.text != BRANCH {
        children
            .extend(statement.clauses.iter().map(|clause| own(sources, clause, SymbolKind::Group, lines)));
    }
    Symbol {
        name: statement.word.text.clone(),
        detail: head[statement.word.text.len().min(head.len())..].trim().to_owned(),
        kind,
        span: statement.span,
        selection: statement.word.span,
        children,
    }
}

fn inside<'a>(
    sources: &'a Sources,
    block: &'a Option<Block>,
    lines: SymbolKind,
) -> impl Iterator<Item = Symbol> + 'a {
    let links = block.iter().flat_map(|block| &block.chains).flat_map(|chain| &chain.links);
    links.flat_map(move |link: &'a Link| {
        let statement = &link.statement;
        if statement.word.text == "let" && lines == SymbolKind::Layer {
            return constants(sources, statement);
        }
        let kind = if statement.block.is_some() { SymbolKind::Group } else { lines };
        let mut symbol = own(sources, statement, kind, lines);
        if let Some(alias) = &link.alias {
            symbol.detail.push_str(&format!(" as {}", alias.text));
            symbol.detail = symbol.detail.trim().to_owned();
        }
        // Branches on one line stand beside each other, as those on lines of their own do.
        let mut symbols = vec![symbol];
        if statement.word.text == BRANCH {
            symbols[0].span =
                statement.block.as_ref().map_or(statement.span, |b| statement.word.span.to(b.span));
            let beside = |clause| own(sources, clause, SymbolKind::Group, lines);
            symbols.extend(statement.clauses.iter().map(beside));
        }
        symbols
    })
}
