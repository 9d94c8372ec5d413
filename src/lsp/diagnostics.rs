//! Findings as the protocol has them, the terminal's words with places that can be followed: sent unasked, or asked
//! for (`textDocument/diagnostic`).

use gen_lsp_types::{
    Diagnostic, DiagnosticOptions, DiagnosticRelatedInformation, DiagnosticSeverity,
    DocumentDiagnosticParams, DocumentDiagnosticReport, DocumentDiagnosticRequest,
    FullDocumentDiagnosticReport, Location, PublishDiagnosticsParams, RelatedFullDocumentDiagnosticReport,
    RelatedUnchangedDocumentDiagnosticReport, ServerCapabilities, UnchangedDocumentDiagnosticReport, Uri,
};

use crate::diag::{Label, Severity, render};
use crate::editor::findings::Finding;
use crate::lsp::client::Client;
use crate::lsp::position::Lines;
use crate::lsp::request::{Answer, Feature, Params, Refusal};
use crate::lsp::workspace::{View, Workspace};

/// What is sent of a text that has changed.
pub fn push(workspace: &mut Workspace, uri: &Uri) -> Result<PublishDiagnosticsParams, Refusal> {
    let view = workspace.view(uri)?;
    let (version, diagnostics) = (Some(view.document.version), all(&view));
    Ok(PublishDiagnosticsParams { uri: uri.clone(), version, diagnostics })
}

/// The findings of a text when they are asked for. Their id changes when they do.
pub struct Pull;

impl Feature for Pull {
    type Request = DocumentDiagnosticRequest;

    fn offer(client: &Client, capabilities: &mut ServerCapabilities) {
        let options = DiagnosticOptions {
            inter_file_dependencies: true,
            workspace_diagnostics: false,
            ..DiagnosticOptions::default()
        };
        capabilities.diagnostic_provider = client.pulls.then(|| options.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let DocumentDiagnosticParams { text_document, previous_result_id, .. } = params;
        let items = all(&workspace.view(&text_document.uri)?);
        let pulled = &mut workspace.document_mut(&text_document.uri)?.pulled;
        let number = match &pulled {
            Some((number, before)) if *before == items => *number,
            Some((number, _)) => number + 1,
            None => 0,
        };
        *pulled = Some((number, items.clone()));
        let id = number.to_string();
        Ok(match previous_result_id == Some(id.clone()) {
            true => DocumentDiagnosticReport::from(RelatedUnchangedDocumentDiagnosticReport {
                related_documents: None,
                unchanged_document_diagnostic_report: UnchangedDocumentDiagnosticReport { result_id: id },
            }),
            false => RelatedFullDocumentDiagnosticReport {
                related_documents: None,
                full_document_diagnostic_report: FullDocumentDiagnosticReport { result_id: Some(id), items },
            }
            .into(),
        })
    }
}

fn all(view: &View<'_>) -> Vec<Diagnostic> {
    let lines = view.lines();
    view.findings().iter().map(|finding| diagnostic(view, &lines, finding)).collect()
}

/// A finding in the protocol's terms.
pub fn diagnostic(view: &View<'_>, lines: &Lines<'_>, finding: &Finding) -> Diagnostic {
    let (d, sources) = (&finding.diagnostic, &view.program.sources);
    let followed = |label: &Label| view.client.related.then(|| location(view, label)).flatten();
    // What stands in another file is followed there, even if nothing is written beside it.
    let elsewhere = (d.primary.span != finding.at).then_some((&d.primary, &d.message));
    let place = |(label, otherwise): (&Label, &String)| {
        let message = if label.text.is_empty() { otherwise.clone() } else { label.text.clone() };
        Some(DiagnosticRelatedInformation { location: followed(label)?, message })
    };
    let related = d.related.iter().filter(|label| !label.text.is_empty()).map(|label| (label, &label.text));
    let links: Vec<_> = elsewhere.into_iter().chain(related).filter_map(place).collect();
    let mut message = render::words(sources, d, |label| !label.text.is_empty() && followed(label).is_none());
    if d.primary.span.file != view.program.file {
        message =
            format!("{}:{}: {message}", sources.get(d.primary.span.file).path, sources.line(d.primary.span));
    }
    Diagnostic {
        range: lines.range(finding.at.range()),
        severity: Some(match d.severity {
            Severity::Error => DiagnosticSeverity::Error,
            Severity::Warning => DiagnosticSeverity::Warning,
        }),
        code: Some(d.code.to_owned().into()),
        source: Some(env!("CARGO_PKG_NAME").to_owned()),
        message: message.into(),
        related_information: (!links.is_empty()).then_some(links),
        ..Diagnostic::default()
    }
}

/// A label's place; none in the language's own library.
fn location(view: &View<'_>, label: &Label) -> Option<Location> {
    let (uri, _) = view.uri_of(label.span.file)?;
    Some(Location { uri, range: view.lines_of(label.span.file).range(label.span.range()) })
}
