//! Names: where they are defined and used, and what changes when they do.

use std::ops::Range;
use std::path::Path;

use gen_lsp_types::{
    DefinitionRequest, DocumentHighlight, DocumentHighlightRequest, Location, PrepareRenameRequest,
    ReferencesRequest, RenameOptions, RenameRequest, ServerCapabilities, TextEdit,
};

use crate::editor::Program;
use crate::editor::names::{self, definition, references, renameable};
use crate::experiment::imports::normal;
use crate::lsp::actions::workspace_edit;
use crate::lsp::client::Client;
use crate::lsp::position::Lines;
use crate::lsp::request::{Answer, Feature, Params, Refusal};
use crate::lsp::workspace::{View, Workspace};

pub struct Definition;

impl Feature for Definition {
    type Request = DefinitionRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        capabilities.definition_provider = Some(true.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let (view, offset) = workspace.view_at(&params.text_document_position_params)?;
        Ok(match definition(view.program, offset) {
            Some(names::Definition::File(place)) => location(&view, &[view.program], &place)
                .map(|place| gen_lsp_types::Definition::from(place).into()),
            // The library is in no file that could be shown.
            Some(names::Definition::Library(_)) | None => None,
        })
    }
}

pub struct References;

impl Feature for References {
    type Request = ReferencesRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        capabilities.references_provider = Some(true.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let (view, offset) = workspace.view_at(&params.text_document_position_params)?;
        let others = view.others();
        let others: Vec<&Program> = others.iter().collect();
        let mut found = references(view.program, offset, &others);
        if !params.context.include_declaration
            && let Some(names::Definition::File(defined)) = definition(view.program, offset)
        {
            found.retain(|place| *place != defined);
        }
        let programs = with(view.program, &others);
        Ok(Some(found.iter().filter_map(|place| location(&view, &programs, place)).collect()))
    }
}

pub struct Highlights;

impl Feature for Highlights {
    type Request = DocumentHighlightRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        capabilities.document_highlight_provider = Some(true.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let (view, offset) = workspace.view_at(&params.text_document_position_params)?;
        let (own, lines) = (normal(&view.program.path), view.lines());
        let found = references(view.program, offset, &[]).into_iter().filter(|place| place.path == own);
        let highlight =
            |place: names::Location| DocumentHighlight { range: lines.range(place.range), kind: None };
        Ok(Some(found.map(highlight).collect()))
    }
}

pub struct PrepareRename;

impl Feature for PrepareRename {
    type Request = PrepareRenameRequest;

    fn offer(_: &Client, capabilities: &mut ServerCapabilities) {
        let options = RenameOptions { prepare_provider: Some(true), ..RenameOptions::default() };
        capabilities.rename_provider = Some(options.into());
    }

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let (view, offset) = workspace.view_at(&params.text_document_position_params)?;
        let span = renameable(view.program, offset).map_err(Refusal::failed)?;
        Ok(Some(view.lines().range(span.range()).into()))
    }
}

pub struct Rename;

impl Feature for Rename {
    type Request = RenameRequest;

    /// Offered by [`PrepareRename`].
    fn offer(_: &Client, _: &mut ServerCapabilities) {}

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self> {
        let (view, offset) = workspace.view_at(&params.text_document_position_params)?;
        let others = view.others();
        let others: Vec<&Program> = others.iter().collect();
        let edits =
            names::rename(view.program, offset, &params.new_name, &others).map_err(Refusal::failed)?;
        let programs = with(view.program, &others);
        let mut files = Vec::new();
        for (path, edits) in edits {
            let (lines, known) = (lines_at(&view, &programs, &path), view.uri_at(&path));
            let (Some(lines), Some((uri, version))) = (lines, known) else {
                return Err(Refusal::failed(format!("{} cannot be changed from here", path.display())));
            };
            let edit =
                |(range, new_text): (Range<usize>, String)| TextEdit { range: lines.range(range), new_text };
            files.push((uri, version, edits.into_iter().map(edit).collect()));
        }
        Ok(Some(workspace_edit(view.client, files)))
    }
}

fn with<'a>(program: &'a Program, others: &[&'a Program]) -> Vec<&'a Program> {
    std::iter::once(program).chain(others.iter().copied()).collect()
}

fn location(view: &View<'_>, programs: &[&Program], place: &names::Location) -> Option<Location> {
    let (uri, _) = view.uri_at(&place.path)?;
    Some(Location { uri, range: lines_at(view, programs, &place.path)?.range(place.range.clone()) })
}

/// The text of a file as one of the programs read it, by its lines.
fn lines_at<'a>(view: &View<'_>, programs: &[&'a Program], path: &Path) -> Option<Lines<'a>> {
    let mut files = programs.iter().flat_map(|program| program.sources.iter());
    let (_, file) = files.find(|(_, file)| normal(file.path.as_ref()) == *path)?;
    Some(Lines::new(&file.text, view.client.encoding))
}
