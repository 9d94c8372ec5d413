//! What the editor on the other side can do, as it said at the start.

use gen_lsp_types::{ClientCapabilities, MarkupContent, MarkupKind};

use crate::lsp::position::Encoding;

#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub encoding: Encoding,
    /// Completions may have places to fill in.
    pub snippets: bool,
    /// Explanations may be Markdown.
    pub markdown: bool,
    /// It asks for findings, so none are sent unasked.
    pub pulls: bool,
    /// It can be told to ask again.
    pub refreshes: bool,
    /// Findings may name other places.
    pub related: bool,
    /// It watches files on the disk when told to.
    pub watches: bool,
    /// Edits may name the version of the text that they are for.
    pub versioned_edits: bool,
}

impl Client {
    /// A text in Markdown, as the editor can take it.
    pub fn markup(&self, value: String) -> MarkupContent {
        let kind = if self.markdown { MarkupKind::Markdown } else { MarkupKind::PlainText };
        MarkupContent { kind, value }
    }

    pub fn of(capabilities: &ClientCapabilities) -> Client {
        let yes = |flag: Option<bool>| flag == Some(true);
        let general = capabilities.general.as_ref();
        let workspace = capabilities.workspace.as_ref();
        let document = capabilities.text_document.as_ref();
        let encodings = general.and_then(|g| g.position_encodings.as_deref()).unwrap_or_default();
        let item = document.and_then(|d| d.completion.as_ref()).and_then(|c| c.completion_item.as_ref());
        let hover = document.and_then(|d| d.hover.as_ref());
        let pull = document.and_then(|d| d.diagnostic.as_ref());
        let push = document.and_then(|d| d.publish_diagnostics.as_ref());
        let findings = match (pull, push) {
            (Some(pull), _) => Some(&pull.diagnostics_capabilities),
            (None, push) => push.map(|push| &push.diagnostics_capabilities),
        };
        let watched = workspace.and_then(|w| w.did_change_watched_files.as_ref());
        Client {
            encoding: Encoding::best(encodings),
            snippets: yes(item.and_then(|item| item.snippet_support)),
            markdown: hover
                .and_then(|hover| hover.content_format.as_ref())
                .is_some_and(|formats| formats.contains(&MarkupKind::Markdown)),
            pulls: pull.is_some(),
            refreshes: yes(workspace.and_then(|w| w.diagnostics.as_ref()).and_then(|d| d.refresh_support)),
            related: yes(findings.and_then(|findings| findings.related_information)),
            watches: yes(watched.and_then(|watched| watched.dynamic_registration)),
            versioned_edits: yes(workspace
                .and_then(|w| w.workspace_edit.as_ref())
                .and_then(|edit| edit.document_changes)),
        }
    }
}
