//! How the statement under the cursor is written.

use std::ops::Range;

use gen_lsp_types::{
    ActiveParameter, ParameterInformation, ServerCapabilities, SignatureHelp, SignatureHelpOptions,
    SignatureHelpRequest, SignatureInformation,
};

use crate::editor::signature::signature;
use crate::lsp::client::Client;
use crate::lsp::request::{Answer, Feature, Params};
use crate::lsp::workspace::Workspace;

pub struct Signatures;

impl Feature for Signatures {
    type Request = SignatureHelpRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        let triggers = [" ", "="].map(str::to_owned).to_vec();
        capabilities.signature_help_provider = Some(SignatureHelpOptions {
            trigger_characters: Some(triggers),
            ..SignatureHelpOptions::default()
        });
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let (view, offset) = workspace.view_at(&params.text_document_position_params)?;
        let Some(found) = signature(view.program, offset) else { return Ok(None) };
        let parameters = found.parameters.into_iter().map(|parameter| ParameterInformation {
            label: wide(&found.label, parameter.range).into(),
            documentation: (!parameter.docs.is_empty()).then(|| view.client.markup(parameter.docs).into()),
        });
        let active = match found.active {
            Some(active) => ActiveParameter::Int(active as u32),
            None => ActiveParameter::Null,
        };
        let signature = SignatureInformation {
            parameters: Some(parameters.collect()),
            label: found.label,
            documentation: (!found.docs.is_empty()).then(|| view.client.markup(found.docs).into()),
            active_parameter: None,
        };
        let active_parameter = Some(active).filter(|active| *active != ActiveParameter::Null);
        Ok(Some(SignatureHelp { signatures: vec![signature], active_signature: Some(0), active_parameter }))
    }
}

/// Labels are counted in UTF-16 whatever was agreed on for positions.
fn wide(label: &str, range: Range<usize>) -> (u32, u32) {
    let units = |end: usize| label.get(..end).map_or(0, |part| part.encode_utf16().count() as u32);
    (units(range.start), units(range.end))
}
