//! The open texts and what was found in them. A text that is open counts in place of the file on the disk; what a
//! change touches is checked again: the text itself, and those that use it, directly or through others.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gen_lsp_types::{TextDocumentContentChangeEvent, TextDocumentPositionParams, Uri};

use crate::data::section::{DataSection, Looked, absent};
use crate::editor::Program;
use crate::editor::findings::{Finding, findings};
use crate::experiment::disk;
use crate::experiment::imports::{Project, normal};
use crate::lsp::client::Client;
use crate::lsp::looks::Looks;
use crate::lsp::place::{self, Place};
use crate::lsp::position::Lines;
use crate::lsp::request::Refusal;
use crate::source::FileId;

/// Of a folder with more entries than this, some are not offered.
const MOST_ENTRIES: usize = 1_000;

/// A text that is open in the editor.
pub struct Document {
    pub uri: Uri,
    pub version: i32,
    pub text: String,
    place: Place,
    checked: Option<Checked>,
    /// What was found before the text or a file that it uses changed.
    before: Option<Program>,
    /// Whether findings are still to be sent.
    due: bool,
    /// The findings that the editor asked for last, as they were sent, and how many there were before.
    pub pulled: Option<(usize, Vec<gen_lsp_types::Diagnostic>)>,
}

impl Document {
    /// What was found is of the past.
    fn outdate(&mut self) {
        if let Some(checked) = self.checked.take() {
            self.before = Some(checked.program);
        }
        self.due = true;
    }
}

struct Checked {
    program: Program,
    findings: OnceCell<Vec<Finding>>,
    /// Every file that the check looked for, whether there is one or not.
    reads: BTreeSet<PathBuf>,
}

/// A text of a project, open or not.
pub struct File {
    pub uri: Uri,
    pub place: Place,
    pub text: String,
}

/// A checked text with what answers are made of.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub client: &'a Client,
    pub document: &'a Document,
    pub program: &'a Program,
    findings: &'a OnceCell<Vec<Finding>>,
    workspace: &'a Workspace,
}

pub struct Workspace {
    pub client: Client,
    folders: Vec<PathBuf>,
    documents: BTreeMap<Uri, Document>,
    looks: Looks,
    /// What the last check took the place of. It is freed once its findings are sent.
    replaced: Option<Program>,
    /// Whether a change concerns texts other than the changed one, which the editor does not know.
    pub touched_others: bool,
    /// Texts that were closed and whose findings are still to be taken back.
    pub closed: Vec<Uri>,
}

impl Workspace {
    pub fn new(client: Client, folders: &[Uri]) -> Workspace {
        let folders = folders.iter().filter_map(place::path_of).collect();
        let (documents, looks) = (BTreeMap::new(), Looks::default());
        Workspace {
            client,
            folders,
            documents,
            looks,
            replaced: None,
            touched_others: false,
            closed: Vec::new(),
        }
    }

    pub fn open(&mut self, uri: Uri, version: i32, text: String) {
        let place = Place::of(&uri, &self.folders);
        let file = place.file();
        let document = Document {
            uri: uri.clone(),
            version,
            text,
            place,
            checked: None,
            before: None,
            due: true,
            pulled: None,
        };
        self.documents.insert(uri, document);
        self.touch(file.as_deref());
    }

    /// Makes changes in the order of the list, each in the text that the one before left.
    pub fn change(
        &mut self,
        uri: &Uri,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
    ) -> Result<(), Refusal> {
        let encoding = self.client.encoding;
        let document = self.documents.get_mut(uri).ok_or_else(|| not_open(uri))?;
        for change in changes {
            match change {
                TextDocumentContentChangeEvent::TextDocumentContentChangePartial(change) => {
                    let bytes = Lines::new(&document.text, encoding).bytes(change.range);
                    document.text.replace_range(bytes, &change.text);
                }
                TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(change) => {
                    document.text = change.text;
                }
            }
        }
        document.version = version;
        document.outdate();
        let file = document.place.file();
        self.touch(file.as_deref());
        Ok(())
    }

    /// The file on the disk counts again.
    pub fn close(&mut self, uri: &Uri) -> Result<(), Refusal> {
        let document = self.documents.remove(uri).ok_or_else(|| not_open(uri))?;
        self.touch(document.place.file().as_deref());
        self.closed.push(document.uri);
        Ok(())
    }

    /// A file has changed on the disk. One that is open counts as it stands in the editor.
    pub fn changed_on_disk(&mut self, uri: &Uri) {
        let file = place::path_of(uri);
        if file.as_deref().is_some_and(|file| self.open_at(file).is_none()) {
            self.touch(file.as_deref());
        }
    }

    pub fn change_folders(&mut self, removed: &[Uri], added: &[Uri]) {
        let removed: Vec<PathBuf> = removed.iter().filter_map(place::path_of).collect();
        self.folders.retain(|folder| !removed.contains(folder));
        self.folders.extend(added.iter().filter_map(place::path_of));
        for document in self.documents.values_mut() {
            document.place = Place::of(&document.uri, &self.folders);
            document.outdate();
            self.touched_others = true;
        }
    }

    /// Forgets what was found in the texts that looked for a file.
    fn touch(&mut self, file: Option<&Path>) {
        let Some(file) = file else { return };
        for document in self.documents.values_mut() {
            if document.checked.as_ref().is_some_and(|checked| checked.reads.contains(file)) {
                document.outdate();
                self.touched_others = true;
            }
        }
    }

    /// A text whose findings are still to be sent; it counts as sent from now on.
    pub fn take_due(&mut self) -> Option<Uri> {
        let document = self.documents.values_mut().find(|document| document.due)?;
        document.due = false;
        Some(document.uri.clone())
    }

    pub fn document_mut(&mut self, uri: &Uri) -> Result<&mut Document, Refusal> {
        self.documents.get_mut(uri).ok_or_else(|| not_open(uri))
    }

    /// An open text, checked as it stands.
    pub fn view(&mut self, uri: &Uri) -> Result<View<'_>, Refusal> {
        let document = self.documents.get_mut(uri).ok_or_else(|| not_open(uri))?;
        if document.checked.is_none() {
            let (mut before, place, text) =
                (document.before.take(), document.place.clone(), document.text.clone());
            let checked = self.check(&place, text, before.as_mut());
            self.replaced = before;
            if let Some(section) = &checked.program.checked.experiment.data {
                self.looks.ask(section, &base(&place));
            }
            if let Some(document) = self.documents.get_mut(uri) {
                document.checked = Some(checked);
            }
        }
        let document = self.documents.get(uri).ok_or_else(|| not_open(uri))?;
        let checked = document.checked.as_ref().ok_or_else(|| not_open(uri))?;
        let Checked { program, findings, reads: _ } = checked;
        Ok(View { client: &self.client, document, program, findings, workspace: self })
    }

    /// An open text and an offset in it.
    pub fn view_at(&mut self, at: &TextDocumentPositionParams) -> Result<(View<'_>, usize), Refusal> {
        let view = self.view(&at.text_document.uri)?;
        let offset = view.lines().offset(at.position);
        Ok((view, offset))
    }

    fn check(&self, place: &Place, text: String, before: Option<&mut Program>) -> Checked {
        let reads = RefCell::new(BTreeSet::new());
        let read = |path: &Path| {
            let file = normal(&place.root.join(path));
            let open = self.open_at(&file).map(|document| document.text.clone());
            reads.borrow_mut().insert(file);
            open.map_or_else(|| disk::import(&place.root, &place.root, path), Ok)
        };
        let project = Project { root: Path::new(""), read: &read };
        let base = base(place);
        let look = |section: &DataSection| self.looks.known(section, &base);
        let mut program = match before {
            Some(before) => before.check_again(&place.path, text, &project, Some(&look)),
            None => Program::check_with(&place.path, text, &project, Some(&look)),
        };
        let missing = program.checked.experiment.data.as_ref().and_then(|section| absent(section, &base));
        program.checked.diagnostics.extend(missing);
        Checked { program, findings: OnceCell::new(), reads: reads.into_inner() }
    }

    /// Frees what nobody will ask for.
    pub fn tidy(&mut self) {
        self.replaced = None;
    }

    /// Whether data are being looked at.
    pub fn is_looking(&self) -> bool {
        self.looks.is_open()
    }

    /// Forgets what was found in texts of whose data something new is known.
    pub fn gather_looks(&mut self) {
        let changed = self.looks.gather();
        if changed.is_empty() {
            return;
        }
        for document in self.documents.values_mut() {
            let Some(checked) = &document.checked else { continue };
            let Some(section) = &checked.program.checked.experiment.data else { continue };
            let base = base(&document.place);
            // Of data that are as the text says there is nothing new to tell.
            let is_as_stated =
                || matches!(self.looks.known(section, &base), Some(Ok(Some(own))) if own == section.facts);
            if changed.has(section, &base) && (section.looked != Looked::NotYet || !is_as_stated()) {
                document.outdate();
                self.touched_others = true;
            }
        }
    }

    /// The folders of the projects that are open.
    pub fn roots(&self) -> BTreeSet<&Path> {
        let own = self.documents.values().map(|document| document.place.root.as_path());
        self.folders.iter().map(PathBuf::as_path).chain(own).collect()
    }

    /// The network files of a project: as they stand in the editor, or else on the disk.
    pub fn files<'a>(&'a self, root: &'a Path) -> impl Iterator<Item = File> + 'a {
        // A folder that cannot be read or holds far too many files has none that we could know of.
        let closed = disk::networks(root).unwrap_or_default().into_iter().filter_map(move |path| {
            let file = normal(&root.join(&path));
            let text = self.open_at(&file).is_none().then(|| disk::read(root, &path).ok())??;
            let place = Place { root: root.to_owned(), path, on_disk: true };
            Some(File { uri: Uri::from_file_path(file).ok()?, place, text })
        });
        let open = self.documents.values().filter(move |document| document.place.root == root);
        closed.chain(open.map(|document| File {
            uri: document.uri.clone(),
            place: document.place.clone(),
            text: document.text.clone(),
        }))
    }

    fn open_at(&self, file: &Path) -> Option<&Document> {
        self.documents.values().find(|document| document.place.file().as_deref() == Some(file))
    }
}

impl<'a> View<'a> {
    /// The text's lines, in the columns of the editor.
    pub fn lines(&self) -> Lines<'a> {
        Lines::new(&self.document.text, self.client.encoding)
    }

    /// All that is wrong with the text.
    pub fn findings(&self) -> &'a [Finding] {
        self.findings.get_or_init(|| findings(self.program))
    }

    /// The lines of any file that the text uses.
    pub fn lines_of(&self, file: FileId) -> Lines<'a> {
        Lines::new(&self.program.sources.get(file).text, self.client.encoding)
    }

    /// How the editor knows a file; `None` for the language's own library.
    pub fn uri_of(&self, file: FileId) -> Option<(Uri, Option<i32>)> {
        if file == self.program.file {
            return Some((self.document.uri.clone(), Some(self.document.version)));
        }
        if !self.program.sources.on_disk(file) {
            return None;
        }
        self.uri_at(self.program.sources.get(file).path.as_ref())
    }

    /// How the editor knows a file of the project.
    pub fn uri_at(&self, path: &Path) -> Option<(Uri, Option<i32>)> {
        if *path == normal(&self.document.place.path) {
            return Some((self.document.uri.clone(), Some(self.document.version)));
        }
        let path = normal(&self.document.place.root.join(path));
        match self.workspace.open_at(&path) {
            Some(document) => Some((document.uri.clone(), Some(document.version))),
            None => Some((Uri::from_file_path(path).ok()?, None)),
        }
    }

    /// What a folder of the project holds, by name, and whether each is a folder itself.
    pub fn list(&self, folder: &Path) -> Vec<(String, bool)> {
        let entries =
            std::fs::read_dir(self.document.place.root.join(folder)).into_iter().flatten().flatten();
        let named =
            entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path().is_dir()));
        named.take(MOST_ENTRIES).collect()
    }

    /// The columns of a data set that a source's path leads to, as far as they are known.
    pub fn columns(&self, source: &str, path: &str) -> Vec<String> {
        self.workspace.looks.columns(source, path, &base(&self.document.place))
    }

    /// The other programs of the project that use files, the closed ones among them.
    pub fn others(&self) -> Vec<Program> {
        let own = &self.document.place;
        self.workspace
            .files(&own.root)
            .filter(|file| file.place.path != own.path && file.text.contains("use"))
            .map(|file| self.workspace.check(&file.place, file.text, None).program)
            .collect()
    }

    /// What another text in the place of this one would be.
    pub fn checked_again(&self, text: String) -> Program {
        self.workspace.check(&self.document.place, text, None).program
    }
}

/// The folder that the paths of a text's data are relative to.
fn base(place: &Place) -> PathBuf {
    let path = place.root.join(&place.path);
    path.parent().map_or_else(PathBuf::new, Path::to_owned)
}

fn not_open(uri: &Uri) -> Refusal {
    Refusal::failed(format!("{uri} is not open"))
}
