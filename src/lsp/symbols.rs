//! The outline of a file.

use gen_lsp_types::{DocumentSymbol, DocumentSymbolRequest, ServerCapabilities};

use crate::editor::defined::NameKind;
use crate::editor::symbols::{Symbol, SymbolKind, symbols};
use crate::lsp::client::Client;
use crate::lsp::position::Lines;
use crate::lsp::request::{Answer, Feature, Params};
use crate::lsp::workspace::Workspace;

pub struct Symbols;

impl Feature for Symbols {
    type Request = DocumentSymbolRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        capabilities.document_symbol_provider = Some(true.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let view = workspace.view(&params.text_document.uri)?;
        Ok(Some(entries(&view.lines(), symbols(view.program)).into()))
    }
}

fn entries(lines: &Lines<'_>, symbols: Vec<Symbol>) -> Vec<DocumentSymbol> {
    let entry = |symbol: Symbol| DocumentSymbol {
        name: symbol.name,
        detail: Some(symbol.detail).filter(|detail| !detail.is_empty()),
        kind: kind(symbol.kind),
        range: lines.range(symbol.span.range()),
        selection_range: lines.range(symbol.selection.range()),
        children: (!symbol.children.is_empty()).then(|| entries(lines, symbol.children)),
        tags: None,
        #[expect(deprecated, reason = "the field is there all the same")]
        deprecated: None,
    };
    symbols.into_iter().map(entry).collect()
}

pub fn kind(kind: SymbolKind) -> gen_lsp_types::SymbolKind {
    match kind {
        SymbolKind::Name(NameKind::Block) => gen_lsp_types::SymbolKind::Class,
        SymbolKind::Name(NameKind::Model) => gen_lsp_types::SymbolKind::Module,
        SymbolKind::Name(NameKind::Constant) => gen_lsp_types::SymbolKind::Constant,
        SymbolKind::Name(NameKind::Parameter | NameKind::Variable | NameKind::Value) => {
            gen_lsp_types::SymbolKind::Variable
        }
        SymbolKind::Section => gen_lsp_types::SymbolKind::Namespace,
        SymbolKind::Layer => gen_lsp_types::SymbolKind::Function,
        SymbolKind::Group => gen_lsp_types::SymbolKind::Struct,
        SymbolKind::Setting => gen_lsp_types::SymbolKind::Property,
    }
}
