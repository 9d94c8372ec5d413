//! What can be folded away.

use gen_lsp_types::{FoldingRange, FoldingRangeKind, FoldingRangeRequest, ServerCapabilities};

use crate::editor::folding::{Fold, FoldKind, folds};
use crate::lsp::client::Client;
use crate::lsp::request::{Answer, Feature, Params};
use crate::lsp::workspace::Workspace;

pub struct Folding;

impl Feature for Folding {
    type Request = FoldingRangeRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        capabilities.folding_range_provider = Some(true.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let view = workspace.view(&params.text_document.uri)?;
        let lines = view.lines();
        let fold = |fold: Fold| {
            let (start, end) = (lines.position(fold.range.start).line, lines.position(fold.range.end).line);
            let (kind, end) = match fold.kind {
                FoldKind::Comment => (Some(FoldingRangeKind::Comment), end),
                FoldKind::Imports => (Some(FoldingRangeKind::Imports), end),
                // The line of the closing brace stays, since another fold may begin on it.
                FoldKind::Braces => (None, end.saturating_sub(1)),
            };
            (start < end).then(|| FoldingRange {
                start_line: start,
                start_character: None,
                end_line: end,
                end_character: None,
                kind,
                collapsed_text: None,
            })
        };
        Ok(Some(folds(view.program).into_iter().filter_map(fold).collect()))
    }
}
