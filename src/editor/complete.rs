//! What can be written at a place: words of the section, arguments that are not given yet, the words an argument
//! takes, names, files. It reads the pieces in front of the cursor, so that a line need not parse.

use std::path::{Component, Path};

use crate::data::REGISTRY;
use crate::editor::Program;
use crate::editor::defined::{Name, NameKind};
use crate::editor::meaning::Meanings;
use crate::editor::place::{Place, Section, Written, place};
use crate::editor::{sections, snippet};
use crate::experiment::SECTIONS;
use crate::experiment::imports::normal;
use crate::experiment::words::{lines, registry};
use crate::layers::joins::JOINS;
use crate::layers::{self, LAYERS};
use crate::model::auxiliary::AUXILIARY;
use crate::model::definitions::Block;
use crate::model::expand::INPUT;
use crate::model::outputs::OUTPUT;
use crate::model::scope::ARRIVING;
use crate::reference::{blocks, quantity, spec as reference, statements};
use crate::source::Span;
use crate::spec::{Kind, Param, Preset, Spec};
use crate::syntax::ast::{Value, ValueKind};
use crate::syntax::scan;
use crate::train::losses::LOSSES;

/// What a completion is, for its picture in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionKind {
    Keyword,
    Layer,
    Block,
    Setting,
    /// The key of `key=value`.
    Argument,
    /// A word that a value may be.
    Value,
    /// A name that the file gives.
    Name,
    Shape,
    File,
    Folder,
}

/// One thing that can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    pub label: String,
    pub kind: CompletionKind,
    /// A few words beside the label.
    pub detail: String,
    /// Markdown.
    pub docs: String,
    /// What takes the place of `replace`: plain text, or with stops (`${1:kernel}`, `$0`) if `is_snippet`.
    pub insert: String,
    pub is_snippet: bool,
    pub replace: Span,
}

/// Endings of files that are data sets.
const DATA: &[&str] = &["csv", "tsv", "jsonl", "ndjson", "npz", "tar", "parquet", "tar.gz"];
/// Arguments of sources that take a name of another thing than a column.
const OTHER_NAMES: &[&str] = &["separator", "names"];

/// The project's folders, for the paths of `use` and `source`, and the columns of data.
pub struct Folders<'a> {
    /// Nothing above this folder is offered.
    pub root: &'a Path,
    /// What a folder holds: names, and whether each is a folder itself.
    pub list: &'a dyn Fn(&Path) -> Vec<(String, bool)>,
    /// The columns of the data set of a source at a path, as far as they are known.
    pub columns: &'a dyn Fn(&str, &str) -> Vec<String>,
}

/// What can be written at a byte offset, the likeliest first. Nothing is left out for what is typed already.
pub fn complete(program: &Program, offset: usize, folders: &Folders<'_>) -> Vec<Completion> {
    let text = program.text();
    if !text.is_char_boundary(offset.min(text.len())) {
        return Vec::new();
    }
    let Some(place) = place(text, offset.min(text.len())) else { return Vec::new() };
    let mut list = List { program, place: &place, offset, found: Vec::new() };
    list.fill(folders);
    list.found
}

struct List<'a> {
    program: &'a Program,
    place: &'a Place<'a>,
    offset: usize,
    found: Vec<Completion>,
}

impl List<'_> {
    fn fill(&mut self, folders: &Folders<'_>) {
        if self.place.typed_kind == Some(scan::Kind::Text) {
            match self.place.word() {
                Some("use") => self.files(folders, &["model", "net"]),
                Some("source") if self.is_path() => self.files(folders, DATA),
                Some(_) | None => {}
            }
            return;
        }
        let word = self.place.word();
        if self.place.before.is_empty() {
            return self.words();
        }
        // A number is typed, or a name that is new.
        let naming = self.place.previous() == "as";
        if naming || self.place.typed_kind == Some(scan::Kind::Number) {
            return;
        }
        if self.place.has_sign(":") {
            return self.shape();
        }
        match (self.place.section(), word.unwrap_or_default()) {
            (Section::Top, "let") if self.place.previous() == "=" => self.names(false),
            (Section::Top, _) | (Section::Join, _) => {}
            (Section::Expect, _) => {}
            (section @ (Section::Data | Section::Augment | Section::Train), word) => {
                match word {
                    "source" => self.columns(folders),
                    "split" => self.groups(folders),
                    "field" => self.field(folders),
                    _ => {}
                }
                self.setting(section, word)
            }
            (Section::Body, word) => self.line(word),
        }
    }

    fn push(&mut self, label: &str, kind: CompletionKind, detail: &str, docs: String, insert: String) {
        let is_snippet = insert.contains('$');
        let replace = Span::new(self.program.file, self.place.typed.clone());
        let (label, detail) = (label.to_owned(), detail.to_owned());
        self.found.push(Completion { label, kind, detail, docs, insert, is_snippet, replace });
    }

    /// The words that a statement may begin with.
    fn words(&mut self) {
        // On the line of a `}` only its clauses may stand.
        match self.place.follows() {
            "" => {}
            "residual" => return self.keyword("shortcut"),
            "if" | "else" => return self.keyword("else"),
            "branch" => return self.keyword("branch"),
            _ => return,
        }
        match self.place.section() {
            Section::Top => SECTIONS.iter().for_each(|word| self.keyword(word)),
            Section::Join => self.keyword("branch"),
            Section::Expect => {
                for spec in lines("expect").into_iter().flatten() {
                    let insert = format!("{} ${{1|<,>,<=,>=|}} $0", spec.name);
                    let docs = quantity(spec).text;
                    self.push(spec.name, CompletionKind::Setting, spec.summary, docs, insert);
                }
                self.quantities_of_outputs();
            }
            section @ (Section::Data | Section::Augment | Section::Train) => {
                lines(section.word())
                    .into_iter()
                    .flatten()
                    .for_each(|spec| self.spec(spec, CompletionKind::Setting));
            }
            Section::Body => self.body_words(),
        }
    }

    fn body_words(&mut self) {
        let (meanings, scope) = Meanings::at(self.program, self.offset);
        if self.place.depth() == 1 && self.place.inside() == "model" {
            self.spec(&INPUT, CompletionKind::Layer);
        }
        for (edge, given) in [(&AUXILIARY, "weight=${1:0.3}"), (&OUTPUT, "${1:name}")] {
            let head = format!("{} {given} {{\n    $0\n}}", edge.name);
            let docs = reference::entry("", edge).text;
            self.push(edge.name, CompletionKind::Keyword, edge.summary, docs, head);
        }
        for name in scope.values.iter().map(|&name| &meanings.names[name]) {
            let word = name.value.is_some_and(|value| matches!(value.kind, ValueKind::Word(_)));
            let open = name.value.is_none() && name.kind == NameKind::Parameter;
            if word || open {
                self.name(name);
            }
        }
        LAYERS.iter().for_each(|layer| self.spec(layer.spec(), CompletionKind::Layer));
        for join in JOINS.iter().map(|join| join.spec()) {
            let docs = || reference::entry("", join).text;
            if !scope.flows.is_empty() {
                let insert = format!("{} ${{1:name}}", join.name);
                self.push(join.name, CompletionKind::Layer, join.summary, docs(), insert);
            }
            let branch = "    branch {\n        $0\n    }\n    branch {\n    }\n";
            let insert = format!("{} {{\n{branch}}}", join.name);
            self.push(&format!("{} {{ … }}", join.name), CompletionKind::Layer, join.summary, docs(), insert);
        }
        let file = self.program.file;
        let used = meanings.definitions.models.iter().filter(|model| model.name.span.file != file);
        for block in meanings.definitions.blocks.values().chain(used) {
            let docs = blocks::entry(block.statement).map_or_else(String::new, |entry| entry.text);
            let detail = self.origin(block);
            self.push(&block.name.text, CompletionKind::Block, &detail, docs, snippet::block(block));
        }
        ["repeat", "for", "if", "residual", "from", "share", "let"]
            .iter()
            .for_each(|word| self.keyword(word));
    }

    /// Where a block is defined.
    fn origin(&self, block: &Block<'_>) -> String {
        match block.name.span.file {
            file if file == self.program.file => "block".to_owned(),
            crate::source::LIBRARY => "block of the library".to_owned(),
            file => {
                format!("{} of {}", block.statement.word.text, self.program.sources.get(file).path)
            }
        }
    }

    fn keyword(&mut self, word: &str) {
        let Some(statement) = statements::STATEMENTS.iter().find(|statement| statement.name == word) else {
            return;
        };
        let docs = statements::entry(statement).text;
        self.push(word, CompletionKind::Keyword, statement.summary, docs, statement.snippet.to_owned());
    }

    fn spec(&mut self, spec: &'static Spec, kind: CompletionKind) {
        let docs = reference::entry("", spec).text;
        let insert = match spec.params.is_empty() && spec.example.contains('{') {
            true => format!("{} {{\n    $0\n}}", spec.name),
            false => snippet::spec(spec),
        };
        self.push(spec.name, kind, spec.summary, docs, insert);
    }

    fn name(&mut self, name: &Name<'_>) {
        let value = name.value.map(|value| format!(" = {}", self.program.sources.slice(value.span)));
        let detail = format!("{}{}", name.kind.noun(), value.unwrap_or_default());
        self.push(name.text, CompletionKind::Name, &detail, String::new(), name.text.to_owned());
    }

    /// Constants and parameters, and what arrives.
    fn names(&mut self, arriving: bool) {
        let (meanings, scope) = Meanings::at(self.program, self.offset);
        self.visible(&meanings, &scope.values);
        if arriving {
            for name in ARRIVING {
                let detail = format!("the {} of the input", name.trim_start_matches("in."));
                self.push(name, CompletionKind::Value, &detail, String::new(), name.to_owned());
            }
        }
    }

    fn visible(&mut self, meanings: &Meanings<'_>, names: &[usize]) {
        names.iter().for_each(|&name| self.name(&meanings.names[name]));
    }

    /// The shape that a line gives, behind its `:`.
    fn shape(&mut self) {
        let Some(start) = self.place.before.first().map(|token| token.start) else { return };
        let at = Span { file: self.program.file, start, end: start };
        let Some(statement) = crate::editor::hover::statement_at(&self.program.checked.ast, at) else {
            return;
        };
        if let Some(shape) = self.program.checked.experiment.passing.behind(statement) {
            let shape = shape.to_string();
            self.push(&shape, CompletionKind::Shape, "this line's output", String::new(), shape.clone());
        }
    }

    /// Inside a line of `data`, `augment` or `train`.
    fn setting(&mut self, section: Section, word: &str) {
        let given = self.place.arguments();
        let others = || self.place.arguments_behind();
        let Some(choices) = registry(section.word(), word) else {
            let spec = lines(section.word()).into_iter().flatten().find(|spec| spec.name == word);
            if let Some(spec) = spec {
                self.arguments(spec, &given, &others());
            }
            return;
        };
        let choices = (choices.specs)();
        let first_is_typed = given.first().is_none_or(|first| first.range.end >= self.offset);
        if first_is_typed && self.place.bracket.is_none() {
            for spec in choices {
                let docs = reference::entry(&format!("{word} "), spec).text;
                self.push(spec.name, CompletionKind::Value, spec.summary, docs, snippet::spec(spec));
            }
        } else if let Some(spec) =
            given.first().and_then(|name| choices.iter().find(|s| s.name == name.value))
        {
            self.arguments(spec, &given[1..], &others());
        }
    }

    /// Whether the text at the cursor is one of a source's paths, which stand behind the data set's name.
    fn is_path(&self) -> bool {
        let given = self.place.arguments();
        let n_given = given.iter().filter(|own| own.key.is_none()).count();
        let source = given.first().and_then(|name| REGISTRY.find(name.value));
        let is_path = |param: &&Param| param.positional && param.kind == Kind::Text;
        n_given <= 1 + source.map_or(1, |spec| spec.params.iter().filter(is_path).count())
    }

    /// The columns that an argument of a source may name.
    fn columns(&mut self, folders: &Folders<'_>) {
        let given = self.place.arguments();
        let ([source, path, ..], Some(key)) = (given.as_slice(), self.open_key(&given)) else { return };
        let params = REGISTRY.find(source.value).map_or(&[][..], |spec| spec.params);
        let is_column = |param: &Param| {
            param.name == key
                && [Kind::Name, Kind::Names].contains(&param.kind)
                && !OTHER_NAMES.contains(&key)
        };
        if params.iter().any(is_column) {
            self.columns_of(source.value, path.value.trim_matches('"'), folders);
        }
    }

    /// The columns that `split by=` may name.
    fn groups(&mut self, folders: &Folders<'_>) {
        let section = self.program.checked.experiment.data.as_ref();
        if self.open_key(&self.place.arguments()) == Some("by")
            && let Some(section) = section
            && let Ok(path) = section.args.word("path")
        {
            self.columns_of(section.source.spec().name, path, folders);
        }
    }

    /// What `expect` may say of the model's further outputs.
    fn quantities_of_outputs(&mut self) {
        let Some(train) = &self.program.checked.experiment.train else { return };
        for output in &train.outputs {
            let measured = output.metrics.iter().map(|metric| (metric.spec.name, metric.spec.summary));
            for (name, summary) in std::iter::once(("loss", "its mean loss")).chain(measured) {
                let word = format!("test.{}.{name}", output.name);
                let insert = format!("{word} ${{1|<,>,<=,>=|}} $0");
                self.push(&word, CompletionKind::Setting, summary, String::new(), insert);
            }
        }
    }

    /// The inputs and outputs that a `field` may be for, and the columns that it may name.
    fn field(&mut self, folders: &Folders<'_>) {
        let given = self.place.arguments();
        let first_is_typed = given.first().is_none_or(|first| first.range.end >= self.offset);
        if first_is_typed && self.place.bracket.is_none() {
            let meanings = Meanings::of(self.program);
            let known: Vec<&Name<'_>> = meanings.names.iter().filter(|name| sections::is_end(name)).collect();
            return known.into_iter().for_each(|name| self.name(name));
        }
        let is_column = matches!(self.open_key(&given), Some("image" | "label"));
        let section = self.program.checked.experiment.data.as_ref();
        if (is_column || self.place.bracket.is_some())
            && let Some(section) = section
            && let Ok(path) = section.args.word("path")
        {
            self.columns_of(section.source.spec().name, path, folders);
        }
    }

    fn columns_of(&mut self, source: &str, path: &str, folders: &Folders<'_>) {
        for column in (folders.columns)(source, path) {
            let is_word = column.chars().all(|c| c.is_alphanumeric() || c == '_')
                && column.starts_with(|c: char| c.is_alphabetic() || c == '_');
            let insert = if is_word { column.clone() } else { format!("\"{column}\"") };
            self.push(&column, CompletionKind::Value, "column", String::new(), insert);
        }
    }

    /// Inside a line of a model.
    fn line(&mut self, word: &str) {
        if self.place.bracket.is_some() || ["repeat", "if", "else"].contains(&word) {
            return self.names(true);
        }
        let given = self.place.arguments();
        let behind = self.place.arguments_behind();
        match word {
            "let" if self.place.previous() == "=" => self.names(true),
            "for" => match given.iter().filter(|argument| argument.range.end < self.offset).count() {
                0 => {}
                1 => self.push("in", CompletionKind::Keyword, "", String::new(), "in [$0]".to_owned()),
                _ => self.names(false),
            },
            "add" | "concat" | "multiply" | "from" | "share" => {
                let (meanings, scope) = Meanings::at(self.program, self.offset);
                self.visible(&meanings, &scope.flows);
            }
            _ if word == INPUT.name => {}
            _ if [AUXILIARY.name, OUTPUT.name].contains(&word) => {
                if self.open_key(&given) == Some("loss") {
                    for spec in LOSSES.iter().map(|loss| loss.spec()) {
                        let docs = reference::entry("loss ", spec).text;
                        self.push(spec.name, CompletionKind::Value, spec.summary, docs, spec.name.to_owned());
                    }
                    return;
                }
                let edge = if word == OUTPUT.name { &OUTPUT } else { &AUXILIARY };
                self.arguments(edge, &given, &behind);
            }
            _ => {
                if let Some(layer) = layers::find(word) {
                    return self.arguments(layer.spec(), &given, &behind);
                }
                let meanings = Meanings::of(self.program);
                if let Some(block) = meanings.definitions.callable(word) {
                    self.block_arguments(block, &given, &behind);
                }
            }
        }
    }

    /// The argument whose value the cursor is in: its key.
    fn open_key<'w>(&self, given: &[Written<'w>]) -> Option<&'w str> {
        // In an open list its other values may follow.
        let is_open = |last: &&Written<'_>| {
            last.range.end >= self.offset || last.value.is_empty() || self.place.bracket.is_some()
        };
        let last = given.last().filter(is_open)?;
        last.key
    }

    /// Values and keys of a declared statement.
    fn arguments(&mut self, spec: &'static Spec, given: &[Written<'_>], behind: &[Written<'_>]) {
        let in_body = self.place.section() == Section::Body;
        if let Some(key) = self.open_key(given) {
            if let Some(param) = spec.params.iter().find(|param| param.name == key) {
                self.values(param, in_body);
            }
            return;
        }
        let is_value = |written: &&Written<'_>| written.key.is_none() && written.range.end < self.offset;
        let n_values = given.iter().filter(is_value).count();
        let open =
            |param: &&Param| !given.iter().chain(behind).any(|written| written.key == Some(param.name));
        let keys = spec.params.iter().filter(|param| !param.positional).filter(open);
        let mut places = spec.params.iter().filter(|param| param.positional);
        if let Some(param) = places.nth(n_values).filter(open) {
            self.values(param, in_body);
        }
        let required = |param: &&Param| param.default != Preset::Required;
        let mut keys: Vec<&'static Param> = keys.collect();
        keys.sort_by_key(required);
        for param in keys {
            let insert = format!("{}={}", param.name, snippet::value(param));
            self.push(param.name, CompletionKind::Argument, param.doc, reference::argument(param), insert);
        }
    }

    /// What an argument may be.
    fn values(&mut self, param: &'static Param, in_body: bool) {
        let words: &[&str] = match param.kind {
            Kind::Choice(words) | Kind::NumbersOr(words) => words,
            Kind::Bool => &["true", "false"],
            Kind::Padding | Kind::Around | Kind::Ends => &["same", "valid"],
            Kind::CountOrAuto => &["auto"],
            Kind::Count
            | Kind::Whole
            | Kind::Bytes
            | Kind::Time { .. }
            | Kind::Number { .. }
            | Kind::Pair
            | Kind::Triple
            | Kind::PairOrTriple
            | Kind::PaddingOrAround
            | Kind::Text
            | Kind::Shape
            | Kind::Numbers
            | Kind::Rising
            | Kind::Word
            | Kind::Name
            | Kind::Names => &[],
        };
        for word in words {
            self.push(word, CompletionKind::Value, param.doc, reference::argument(param), (*word).to_owned());
        }
        self.names(in_body);
    }

    fn block_arguments(&mut self, block: &Block<'_>, given: &[Written<'_>], behind: &[Written<'_>]) {
        let is_value = |written: &&Written<'_>| written.key.is_none() && written.range.end < self.offset;
        let n_values = given.iter().filter(is_value).count();
        let parameter = match self.open_key(given) {
            Some(key) => block.parameters.iter().find(|parameter| parameter.name.text == key),
            None => block.parameters.get(n_values),
        };
        if parameter.and_then(|parameter| parameter.default).is_some_and(names_a_layer) {
            for layer in LAYERS.iter().map(|layer| layer.spec()) {
                if layer.params.iter().all(|param| param.default != Preset::Required) {
                    let docs = reference::entry("", layer).text;
                    self.push(layer.name, CompletionKind::Layer, layer.summary, docs, layer.name.to_owned());
                }
            }
        }
        self.names(true);
        if self.open_key(given).is_some() {
            return;
        }
        for parameter in block.parameters.iter().skip(n_values) {
            let name = parameter.name.text.as_str();
            if given.iter().chain(behind).any(|written| written.key == Some(name)) {
                continue;
            }
            let detail = parameter.default.map_or("required".to_owned(), |value| format!("default {value}"));
            self.push(name, CompletionKind::Argument, &detail, String::new(), format!("{name}=$0"));
        }
    }

    /// The files of these endings, and the folders, that a path may go on with.
    fn files(&mut self, folders: &Folders<'_>, endings: &[&str]) {
        let typed = self.place.typed_text().trim_start_matches('"');
        let start = self.place.typed.start + 1;
        let before = typed.get(..self.offset.saturating_sub(start)).unwrap_or_default();
        let (folder, _) = before.rsplit_once('/').unwrap_or(("", before));
        let n_folder = if before.contains('/') { folder.len() + 1 } else { 0 };
        let own = normal(&self.program.path);
        let at = normal(&own.parent().unwrap_or(Path::new("")).join(folder));
        let outside =
            at.components().next() == Some(Component::ParentDir) || !at.starts_with(normal(folders.root));
        if outside || before.starts_with('/') {
            return;
        }
        let mut entries = (folders.list)(&at);
        entries.sort();
        let end = self.place.typed.start + 1 + typed.trim_end_matches('"').len();
        let replace = Span::new(self.program.file, start + n_folder..end);
        for (name, is_folder) in entries {
            let usable = endings
                .iter()
                .any(|ending| name.strip_suffix(ending).is_some_and(|stem| stem.ends_with('.')));
            if name.starts_with('.') || name.contains('"') || !(is_folder || usable) || at.join(&name) == own
            {
                continue;
            }
            let (kind, insert) = match is_folder {
                true => (CompletionKind::Folder, format!("{name}/")),
                false => (CompletionKind::File, name.clone()),
            };
            let (detail, docs) = (String::new(), String::new());
            self.found.push(Completion {
                label: name,
                kind,
                detail,
                docs,
                insert,
                is_snippet: false,
                replace,
            });
        }
    }
}

/// Whether a parameter's default is a layer's word, so that its values are.
fn names_a_layer(default: &Value) -> bool {
    matches!(&default.kind, ValueKind::Word(word) if layers::find(word).is_some())
}
