//! Laying out a text, or a selection of it, in the one style of the language: the edits of `dslc fmt`.

use gen_lsp_types::{
    DocumentFormattingRequest, DocumentRangeFormattingRequest, ServerCapabilities, TextEdit, Uri,
};

use crate::format::{self, Edit};
use crate::lsp::client::Client;
use crate::lsp::request::{Answer, Feature, Params, Refusal};
use crate::lsp::workspace::{View, Workspace};
use crate::syntax::ast::Ast;
use crate::syntax::parse;

pub struct Whole;

impl Feature for Whole {
    type Request = DocumentFormattingRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        capabilities.document_formatting_provider = Some(true.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        edits(workspace, &params.text_document.uri, |view, ast| format::edits(&view.document.text, ast))
    }
}

pub struct Selection;

impl Feature for Selection {
    type Request = DocumentRangeFormattingRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        capabilities.document_range_formatting_provider = Some(true.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        edits(workspace, &params.text_document.uri, |view, ast| {
            format::edits_within(&view.document.text, ast, view.lines().bytes(params.range))
        })
    }
}

/// None where the text has mistakes in its syntax, whose findings say so.
fn edits(
    workspace: &mut Workspace,
    uri: &Uri,
    make: impl FnOnce(&View<'_>, &Ast) -> Vec<Edit>,
) -> Result<Option<Vec<TextEdit>>, Refusal> {
    let view = workspace.view(uri)?;
    let (_, errors) = parse(&view.program.sources, view.program.file);
    if !errors.is_empty() {
        return Ok(None);
    }
    let lines = view.lines();
    let edit = |edit: Edit| TextEdit { range: lines.range(edit.range), new_text: edit.text };
    Ok(Some(make(&view, &view.program.checked.ast).into_iter().map(edit).collect()))
}
