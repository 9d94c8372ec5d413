//! What a selection grows to.

use gen_lsp_types::{Position, SelectionRange, SelectionRangeRequest, ServerCapabilities};

use crate::editor::selection::selection;
use crate::lsp::client::Client;
use crate::lsp::request::{Answer, Feature, Params};
use crate::lsp::workspace::Workspace;

pub struct Selections;

impl Feature for Selections {
    type Request = SelectionRangeRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        capabilities.selection_range_provider = Some(true.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let view = workspace.view(&params.text_document.uri)?;
        let lines = view.lines();
        let at = |position: &Position| {
            let ranges = selection(view.program, lines.offset(*position));
            let grow = |inner: Option<SelectionRange>, range| {
                Some(SelectionRange { range: lines.range(range), parent: inner.map(Box::new) })
            };
            // Each range is the parent of the one before it.
            let widest = ranges.into_iter().rev().fold(None, grow);
            let empty = || SelectionRange {
                range: gen_lsp_types::Range { start: *position, end: *position },
                parent: None,
            };
            widest.unwrap_or_else(empty)
        };
        Ok(Some(params.positions.iter().map(at).collect()))
    }
}
