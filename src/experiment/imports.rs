//! `use "path.model"`: the files that a file needs, read and parsed, each once.
//!
//! Paths are relative to the file that names them and stay inside the project folder, so that a text from
//! elsewhere cannot look around on the machine.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::source::{FileId, SourceFile, Sources, Span};
use crate::syntax::ast::{Argument, Ast, Statement, Value, ValueKind};
use crate::syntax::{Reading, read, read_again};

/// The most files that one experiment may use.
pub const MAX_FILES: usize = 200;

/// Reads a file of the project: the path as [`normal`] gives it → its text, or why there is none.
pub type Read<'a> = &'a dyn Fn(&Path) -> Result<String, String>;

/// Where a project lies.
pub struct Project<'a> {
    /// No file above this folder is read.
    pub root: &'a Path,
    pub read: Read<'a>,
}

/// The files that a file uses.
#[derive(Default)]
pub struct Imports {
    /// In the order of first use, those that a file uses itself before it.
    pub files: Vec<Ast>,
    /// What the next reading of each begins with.
    readings: Vec<Reading>,
    /// Every `use` that led to a file.
    pub uses: Vec<Use>,
    /// The model that the file takes from them by `model NAME(…)`, with the values that it gives.
    pub chosen: Option<Statement>,
}

/// A `use` line.
pub struct Use {
    /// The statement; its file is the one that uses.
    pub at: Span,
    /// The file that is used.
    pub to: FileId,
}

/// What was read before.
pub struct Before<'a> {
    pub imports: Imports,
    pub sources: &'a Sources,
}

/// Reads every file that `main` uses, directly or through others. What is like it was `before` is read more quickly.
pub fn collect(
    sources: &mut Sources,
    main: &Ast,
    main_path: &Path,
    project: &Project<'_>,
    before: Option<Before<'_>>,
) -> (Imports, Diagnostics) {
    let known = before.map_or_else(BTreeMap::new, |Before { imports, sources }| {
        let files = imports.files.into_iter().zip(imports.readings);
        files.map(|(ast, reading)| (ast.file, (sources.get(ast.file), (ast, reading)))).collect()
    });
    let mut walk = Walk {
        sources,
        project,
        known,
        diagnostics: Vec::new(),
        imports: Imports::default(),
        n_reads: 0,
        seen: BTreeMap::new(),
        open: Vec::new(),
    };
    let path = normal(main_path);
    walk.seen.insert(path.clone(), main.file);
    walk.open.push((path.clone(), Span { file: main.file, start: 0, end: 0 }));
    walk.imports_of(main, &path);
    (walk.imports, walk.diagnostics)
}

struct Walk<'a> {
    sources: &'a mut Sources,
    project: &'a Project<'a>,
    /// The files that were read before, as they were then.
    known: BTreeMap<FileId, (&'a SourceFile, (Ast, Reading))>,
    diagnostics: Diagnostics,
    imports: Imports,
    /// Files that were asked for, those that cannot be read among them.
    n_reads: usize,
    seen: BTreeMap<PathBuf, FileId>,
    /// The files being read, outermost first, with where each was named.
    open: Vec<(PathBuf, Span)>,
}

impl Walk<'_> {
    fn imports_of(&mut self, ast: &Ast, path: &Path) {
        let statements = ast.chains.iter().flat_map(|chain| &chain.links).map(|link| &link.statement);
        for statement in statements.filter(|statement| statement.word.text == "use") {
            let [Argument::Value(Value { kind: ValueKind::Text(name), span })] =
                statement.arguments.as_slice()
            else {
                self.diagnostics.push(
                    Diagnostic::error(
                        codes::IMPORT,
                        statement.head(),
                        "`use` is written `use \"path.model\"`",
                    )
                    .label("one quoted path is expected"),
                );
                continue;
            };
            self.import(name, *span, statement.span, path);
        }
    }

    fn import(&mut self, name: &str, span: Span, at: Span, from: &Path) {
        let refuse =
            |message: String, label: &str| Diagnostic::error(codes::IMPORT, span, message).label(label);
        let target = normal(&from.parent().unwrap_or(Path::new("")).join(name));
        let root = normal(self.project.root);
        if Path::new(name).is_absolute() || !target.starts_with(&root) || target.starts_with("..") {
            let message = format!("`use \"{name}\"` leads out of the project");
            self.diagnostics.push(
                refuse(message, "only files inside the project are read")
                    .advise("copy the file into the project and use it from there"),
            );
            return;
        }
        if let Some((_, first)) = self.open.iter().find(|(path, _)| *path == target) {
            let d = refuse(
                format!("\"{name}\" uses itself, directly or through others"),
                "the cycle closes here",
            );
            let first = *first;
            self.diagnostics.push(if first.end > 0 { d.related(first, "it begins here") } else { d });
            return;
        }
        if let Some(&to) = self.seen.get(&target) {
            self.imports.uses.push(Use { at, to });
            return;
        }
        self.n_reads += 1;
        match self.n_reads {
            ..=MAX_FILES => {}
            n => {
                if n == MAX_FILES + 1 {
                    let message = format!("more than {MAX_FILES} files are used");
                    self.diagnostics.push(refuse(message, "one too many"));
                }
                return;
            }
        }
        let text = match (self.project.read)(&target) {
            Ok(text) => text,
            Err(reason) => {
                let mut lines = reason.lines();
                let message = format!("`use \"{name}\"`: {}", lines.next().unwrap_or("it cannot be read"));
                let mut d = refuse(message, "this file");
                d.notes.extend(lines.map(|line| line.trim().to_owned()));
                self.diagnostics.push(d);
                return;
            }
        };
        let file = self.sources.add(target.display().to_string(), text);
        self.seen.insert(target.clone(), file);
        self.imports.uses.push(Use { at, to: file });
        let (ast, reading) = match self.known.remove(&file) {
            Some((old, read)) if old.path == self.sources.get(file).path => {
                read_again(read, &old.text, self.sources, file)
            }
            Some(_) | None => read(self.sources, file),
        };
        self.diagnostics.extend(reading.diagnostics.iter().cloned());
        self.open.push((target.clone(), span));
        self.imports_of(&ast, &target);
        self.open.pop();
        self.imports.files.push(ast);
        self.imports.readings.push(reading);
    }
}

/// A path without `.` and, as far as the text allows, without `..`.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if out.components().next_back().is_some_and(|c| matches!(c, Component::Normal(_))) =>
            {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
