//! Colours by meaning: semantic tokens of a text or a part of it.

use std::ops::Range;

use gen_lsp_types::{
    SemanticToken, SemanticTokens, SemanticTokensLegend, SemanticTokensOptions, SemanticTokensRangeRequest,
    SemanticTokensRequest, ServerCapabilities,
};

use crate::editor::defined::NameKind;
use crate::editor::tokens::{Token, TokenKind, tokens};
use crate::lsp::client::Client;
use crate::lsp::request::{Answer, Feature, Params};
use crate::lsp::workspace::{View, Workspace};

/// The protocol's own names, which every theme has colours for.
const KINDS: &[&str] = &[
    "comment",
    "string",
    "number",
    "operator",
    "keyword",
    "function",
    "property",
    "enumMember",
    "parameter",
    "class",
    "variable",
];
const MODIFIERS: &[&str] = &["definition", "defaultLibrary", "documentation", "readonly"];

pub struct Whole;

impl Feature for Whole {
    type Request = SemanticTokensRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let legend = SemanticTokensLegend { token_types: owned(KINDS), token_modifiers: owned(MODIFIERS) };
        let options = SemanticTokensOptions {
            legend,
            range: Some(true.into()),
            full: Some(true.into()),
            ..SemanticTokensOptions::default()
        };
        capabilities.semantic_tokens_provider = Some(options.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let view = workspace.view(&params.text_document.uri)?;
        Ok(Some(within(&view, 0..view.document.text.len())))
    }
}

pub struct Part;

impl Feature for Part {
    type Request = SemanticTokensRangeRequest;

    /// Offered by [`Whole`].
    fn offer(_: &Client, _: &mut ServerCapabilities) {}

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let view = workspace.view(&params.text_document.uri)?;
        Ok(Some(within(&view, view.lines().bytes(params.range))))
    }
}

/// Each token is told by its distance from the one before.
fn within(view: &View<'_>, range: Range<usize>) -> SemanticTokens {
    let lines = view.lines();
    let (mut line, mut column) = (0, 0);
    let touches =
        |token: &Token| token.span.range().start < range.end && range.start < token.span.range().end;
    let data = tokens(view.program).into_iter().filter(touches).filter_map(|token| {
        let gen_lsp_types::Range { start, end } = lines.range(token.span.range());
        let name = name(token.kind);
        let kind = KINDS.iter().position(|kind| *kind == name)? as u32;
        let delta_line = start.line - line;
        let delta_start = if delta_line == 0 { start.character - column } else { start.character };
        (line, column) = (start.line, start.character);
        Some(SemanticToken {
            delta_line,
            delta_start,
            length: end.character.saturating_sub(start.character),
            token_type: kind,
            token_modifiers_bitset: modifiers(&token),
        })
    });
    SemanticTokens { result_id: None, data: data.collect() }
}

fn name(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Comment | TokenKind::Doc => "comment",
        TokenKind::Text => "string",
        TokenKind::Number => "number",
        TokenKind::Operator => "operator",
        TokenKind::Keyword => "keyword",
        TokenKind::Layer => "function",
        TokenKind::Setting => "property",
        TokenKind::Choice => "enumMember",
        TokenKind::Argument => "parameter",
        TokenKind::Name(NameKind::Block | NameKind::Model) => "class",
        TokenKind::Name(NameKind::Parameter | NameKind::Constant | NameKind::Variable | NameKind::Value)
        | TokenKind::Arriving => "variable",
        // Not a word of ours: left to the grammar's colours.
        TokenKind::Unknown => "",
    }
}

fn modifiers(token: &Token) -> u32 {
    let constant = matches!(token.kind, TokenKind::Name(NameKind::Constant) | TokenKind::Arriving);
    let set = [token.is_definition, token.is_library, token.kind == TokenKind::Doc, constant];
    set.iter().enumerate().map(|(bit, &set)| u32::from(set) << bit).sum()
}
