//! Inlay hints: shapes at the ends of lines.

use gen_lsp_types::{InlayHint, InlayHintKind, InlayHintRequest, ServerCapabilities, TextEdit};

use crate::editor::hints::{Hint, hints};
use crate::lsp::client::Client;
use crate::lsp::request::{Answer, Feature, Params};
use crate::lsp::workspace::Workspace;

pub struct Hints;

impl Feature for Hints {
    type Request = InlayHintRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        capabilities.inlay_hint_provider = Some(true.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let view = workspace.view(&params.text_document.uri)?;
        let lines = view.lines();
        let hint = |Hint { offset, label, tooltip, insert }: Hint| InlayHint {
            position: lines.position(offset),
            label: label.into(),
            kind: Some(InlayHintKind::Type),
            text_edits: insert
                .map(|new_text| vec![TextEdit { range: lines.range(offset..offset), new_text }]),
            tooltip: (!tooltip.is_empty()).then(|| view.client.markup(tooltip).into()),
            padding_left: Some(true),
            padding_right: None,
            data: None,
        };
        Ok(Some(hints(view.program, lines.bytes(params.range)).into_iter().map(hint).collect()))
    }
}
