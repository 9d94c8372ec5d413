//! The paths of `use` lines as links.

use gen_lsp_types::{DocumentLink, DocumentLinkOptions, DocumentLinkRequest, ServerCapabilities};

use crate::editor::links::{Link, links};
use crate::lsp::client::Client;
use crate::lsp::request::{Answer, Feature, Params};
use crate::lsp::workspace::Workspace;

pub struct Links;

impl Feature for Links {
    type Request = DocumentLinkRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        capabilities.document_link_provider = Some(DocumentLinkOptions::default());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let view = workspace.view(&params.text_document.uri)?;
        let lines = view.lines();
        let link = |Link { span, path }: Link| {
            let (uri, _) = view.uri_at(&path)?;
            Some(DocumentLink {
                range: lines.range(span.range()),
                target: Some(uri),
                tooltip: None,
                data: None,
            })
        };
        Ok(Some(links(view.program).into_iter().filter_map(link).collect()))
    }
}
