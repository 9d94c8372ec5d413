//! The names that the files of the open projects define: their models, blocks and constants.

use std::collections::BTreeSet;

use gen_lsp_types::{
    BaseSymbolInformation, Location, ServerCapabilities, WorkspaceSymbol, WorkspaceSymbolRequest,
};

use crate::editor::symbols::{SymbolKind, outline};
use crate::lsp::client::Client;
use crate::lsp::position::Lines;
use crate::lsp::request::{Answer, Feature, Params};
use crate::lsp::symbols::kind;
use crate::lsp::workspace::{File, Workspace};
use crate::source::Sources;
use crate::syntax::parse;

/// More names than this help nobody: a longer query finds fewer.
const MOST: usize = 1_000;

pub struct ProjectSymbols;

impl Feature for ProjectSymbols {
    type Request = WorkspaceSymbolRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        capabilities.workspace_symbol_provider = Some(true.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        // One project's folder may lie in another's.
        let mut seen = BTreeSet::new();
        let roots = workspace.roots();
        let files = roots.into_iter().flat_map(|root| workspace.files(root));
        let files = files.filter(|file| seen.insert(file.uri.clone()));
        let found = files.flat_map(|file| defined(workspace, &file));
        let wanted = found.filter(|symbol| fits(&params.query, &symbol.base_symbol_information.name));
        Ok(Some(wanted.take(MOST).collect::<Vec<_>>().into()))
    }
}

fn defined(workspace: &Workspace, file: &File) -> Vec<WorkspaceSymbol> {
    let mut sources = Sources::default();
    let id = sources.add(file.place.path.display().to_string(), file.text.as_str());
    let lines = Lines::new(&file.text, workspace.client.encoding);
    let names = outline(&sources, &parse(&sources, id).0).into_iter();
    let names = names.filter(|symbol| matches!(symbol.kind, SymbolKind::Name(_)));
    let symbol = |name: crate::editor::symbols::Symbol| WorkspaceSymbol {
        location: Location { uri: file.uri.clone(), range: lines.range(name.selection.range()) }.into(),
        data: None,
        base_symbol_information: BaseSymbolInformation {
            name: name.name,
            kind: kind(name.kind),
            tags: None,
            container_name: Some(file.place.path.display().to_string()),
        },
    };
    names.map(symbol).collect()
}

/// Whether the letters of a query stand in a name, in their order.
fn fits(query: &str, name: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    query.chars().flat_map(char::to_lowercase).all(|wanted| letters.any(|letter| letter == wanted))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_query_is_letters_in_their_order() {
        assert!(fits("", "basic_block") && fits("BB", "basic_block") && fits("sick", "basic_block"));
        assert!(!fits("kb", "basic_block") && !fits("basic_blocks", "basic_block"));
    }
}
