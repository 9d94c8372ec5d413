//! What is shown for the word under the cursor.

use gen_lsp_types::{HoverRequest, ServerCapabilities};

use crate::editor::hover::hover;
use crate::lsp::client::Client;
use crate::lsp::request::{Answer, Feature, Params};
use crate::lsp::workspace::Workspace;

pub struct Hover;

impl Feature for Hover {
    type Request = HoverRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        capabilities.hover_provider = Some(true.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let (view, offset) = workspace.view_at(&params.text_document_position_params)?;
        Ok(hover(view.program, offset).map(|found| gen_lsp_types::Hover {
            contents: view.client.markup(found.markdown).into(),
            range: Some(view.lines().range(found.span.range())),
        }))
    }
}
