//! What can be written at the cursor.

use gen_lsp_types::{
    CompletionItem, CompletionItemKind, CompletionOptions, CompletionRequest, InsertTextFormat,
    ServerCapabilities, TextEdit,
};

use crate::editor::complete::{Completion, CompletionKind, Folders, complete};
use crate::lsp::client::Client;
use crate::lsp::request::{Answer, Feature, Params};
use crate::lsp::workspace::Workspace;

/// What begins something that can be completed. A blank is none of them: behind it a line may be meant to end.
const TRIGGERS: &[&str] = &["=", "\"", "/", ".", ":"];

pub struct Completions;

impl Feature for Completions {
    type Request = CompletionRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        let triggers = TRIGGERS.iter().map(|&trigger| trigger.to_owned()).collect();
        capabilities.completion_provider =
            Some(CompletionOptions { trigger_characters: Some(triggers), ..CompletionOptions::default() });
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let (view, offset) = workspace.view_at(&params.text_document_position_params)?;
        let lines = view.lines();
        let columns = |source: &str, path: &str| view.columns(source, path);
        let folders = Folders { root: "".as_ref(), list: &|folder| view.list(folder), columns: &columns };
        let item = |(rank, completion): (usize, Completion)| {
            let snippet = completion.is_snippet && view.client.snippets;
            // Without stops to fill in, the word alone is of more use than a text with holes.
            let plain = completion.is_snippet && !snippet;
            let new_text = if plain { completion.label.clone() } else { completion.insert };
            CompletionItem {
                kind: Some(kind(completion.kind)),
                detail: Some(completion.detail).filter(|detail| !detail.is_empty()),
                documentation: (!completion.docs.is_empty())
                    .then(|| view.client.markup(completion.docs).into()),
                // The order is the likeliest first, which editors would change to that of the alphabet.
                sort_text: Some(format!("{rank:04}")),
                // Some clients filter an item with an edit by nothing but this.
                filter_text: Some(completion.label.clone()),
                insert_text_format: Some(match snippet {
                    true => InsertTextFormat::Snippet,
                    false => InsertTextFormat::PlainText,
                }),
                text_edit: Some(TextEdit { range: lines.range(completion.replace.range()), new_text }.into()),
                label: completion.label,
                ..CompletionItem::default()
            }
        };
        let found: Vec<CompletionItem> =
            complete(view.program, offset, &folders).into_iter().enumerate().map(item).collect();
        Ok(Some(found.into()))
    }
}

fn kind(kind: CompletionKind) -> CompletionItemKind {
    match kind {
        CompletionKind::Keyword => CompletionItemKind::Keyword,
        CompletionKind::Layer => CompletionItemKind::Function,
        CompletionKind::Block => CompletionItemKind::Class,
        CompletionKind::Setting => CompletionItemKind::Property,
        CompletionKind::Argument => CompletionItemKind::Field,
        CompletionKind::Value => CompletionItemKind::EnumMember,
        CompletionKind::Name => CompletionItemKind::Variable,
        CompletionKind::Shape => CompletionItemKind::Value,
        CompletionKind::File => CompletionItemKind::File,
        CompletionKind::Folder => CompletionItemKind::Folder,
    }
}
