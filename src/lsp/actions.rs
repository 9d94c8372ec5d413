//! Code actions: each way out that a finding offers, and at once all that `dslc fix` takes (`source.fixAll`).

use std::collections::BTreeMap;

use gen_lsp_types::{
    CodeAction, CodeActionKind, CodeActionOptions, CodeActionRequest, CodeActionResponse,
    OptionalVersionedTextDocumentIdentifier, ServerCapabilities, TextDocumentEdit, TextDocumentIdentifier,
    TextEdit, Uri, WorkspaceEdit,
};

use crate::diag::Applicability;
use crate::experiment::mend::{Consent, Findings, mend};
use crate::lsp::client::Client;
use crate::lsp::diagnostics::diagnostic;
use crate::lsp::request::{Answer, Feature, Params};
use crate::lsp::workspace::{View, Workspace};
use crate::source::{FileId, Span};

pub struct Actions;

impl Feature for Actions {
    type Request = CodeActionRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        let kinds = vec![CodeActionKind::QuickFix, CodeActionKind::SourceFixAll];
        let options = CodeActionOptions { code_action_kinds: Some(kinds), ..CodeActionOptions::default() };
        capabilities.code_action_provider = Some(options.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let view = workspace.view(&params.text_document.uri)?;
        let only = params.context.only.as_deref();
        let mut actions = Vec::new();
        if wanted(only, &CodeActionKind::QuickFix) {
            actions.extend(quick_fixes(&view, view.lines().bytes(params.range)));
        }
        // Mending checks the text again and again, so it is done only where it is asked for by name.
        if only.is_some() && wanted(only, &CodeActionKind::SourceFixAll) {
            actions.extend(fix_all(&view));
        }
        Ok(Some(actions.into_iter().map(CodeActionResponse::from).collect()))
    }
}

/// Whether a kind is among those asked for: itself or one that it belongs to (`source` to `source.fixAll`).
fn wanted(only: Option<&[CodeActionKind]>, kind: &CodeActionKind) -> bool {
    let kind = kind.as_str();
    let holds =
        |asked: &str| kind.strip_prefix(asked).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    only.is_none_or(|only| only.iter().any(|asked| asked.as_str().is_empty() || holds(asked.as_str())))
}

fn quick_fixes(view: &View<'_>, within: std::ops::Range<usize>) -> Vec<CodeAction> {
    let lines = view.lines();
    let mut actions = Vec::new();
    let touched = |at: Span| at.range().start <= within.end && within.start <= at.range().end;
    for finding in view.findings().iter().filter(|finding| touched(finding.at)) {
        let fixes = finding.diagnostic.fixes.iter().filter(|fix| !fix.edits.is_empty());
        for fix in fixes {
            let Some(edit) = of_fix(view, &fix.edits) else { continue };
            actions.push(CodeAction {
                title: fix.title.clone(),
                kind: Some(CodeActionKind::QuickFix),
                diagnostics: Some(vec![diagnostic(view, &lines, finding)]),
                is_preferred: Some(fix.applicability == Applicability::Sure),
                edit: Some(edit),
                ..CodeAction::default()
            });
        }
    }
    actions
}

/// Every way out that `dslc fix` takes without asking.
fn fix_all(view: &View<'_>) -> Option<CodeAction> {
    let original = &view.document.text;
    let mut known = Some(view.program.checked.diagnostics.clone());
    let mut check = |text: &str| match known.take() {
        Some(diagnostics) => Findings { file: view.program.file, diagnostics },
        None => {
            let program = view.checked_again(text.to_owned());
            Findings { file: program.file, diagnostics: program.checked.diagnostics }
        }
    };
    let text = mend(original, Consent::Given, &mut check).text;
    let edit = crate::format::smallest_edit(original, &text)?;
    let span = Span::new(view.program.file, edit.range);
    Some(CodeAction {
        title: "Fix all that can be fixed".to_owned(),
        kind: Some(CodeActionKind::SourceFixAll),
        edit: Some(of_fix(view, &[(span, edit.text)])?),
        ..CodeAction::default()
    })
}

/// Edits of the text and of files that it uses; none where one is of the language's own library.
fn of_fix(view: &View<'_>, edits: &[(Span, String)]) -> Option<WorkspaceEdit> {
    let mut files: BTreeMap<FileId, Vec<TextEdit>> = BTreeMap::new();
    for (span, text) in edits {
        let range = view.lines_of(span.file).range(span.range());
        files.entry(span.file).or_default().push(TextEdit { range, new_text: text.clone() });
    }
    let known = files.into_iter().map(|(file, edits)| {
        let (uri, version) = view.uri_of(file)?;
        Some((uri, version, edits))
    });
    Some(workspace_edit(view.client, known.collect::<Option<_>>()?))
}

/// Edits by file, for its version where it is open.
pub fn workspace_edit(client: &Client, files: Vec<(Uri, Option<i32>, Vec<TextEdit>)>) -> WorkspaceEdit {
    if !client.versioned_edits {
        let changes = files.into_iter().map(|(uri, _, edits)| (uri, edits)).collect();
        return WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() };
    }
    let change = |(uri, version, edits): (Uri, Option<i32>, Vec<TextEdit>)| {
        let text_document = OptionalVersionedTextDocumentIdentifier {
            version,
            text_document_identifier: TextDocumentIdentifier { uri },
        };
        TextDocumentEdit { text_document, edits: edits.into_iter().map(Into::into).collect() }.into()
    };
    WorkspaceEdit {
        document_changes: Some(files.into_iter().map(change).collect()),
        ..WorkspaceEdit::default()
    }
}
