//! An experiment as a file again: every default filled in, everything it uses put in, and behind each line where it
//! comes from. What `dslc show --resolved` prints and a run records.
//!
//! The structure stays as it was written (loops, conditions, blocks): defaults depend on no value of a name, so they
//! can be filled in where a layer is written, for all the places where its block is used.

use std::path::{Component, Path, PathBuf};

use crate::data::SOURCES;
use crate::data::sample::Task;
use crate::data::section::DataSection;
use crate::data::settings::{DATA, SOURCE};
use crate::diag::Diagnostics;
use crate::experiment::imports::Imports;
use crate::experiment::unused;
use crate::experiment::words::{self, declared};
use crate::experiment::{Experiment, definitions};
use crate::layers;
use crate::model::definitions::{Block, Definitions};
use crate::source::{FileId, Sources, Span};
use crate::spec::{Arg, Kind, Param, Preset, evaluate};
use crate::syntax::ast::{Argument, Ast, Chain, Link, Statement, Value, ValueKind, Word};
use crate::train::auto_batch::Batch;
use crate::train::{beginning, settings};

/// Comments stand in one column, but not further right than this.
const COLUMN: usize = 76;

/// What is settled beyond a file when it is run.
#[derive(Clone, Copy, Default)]
pub struct Settled<'a> {
    /// Written where it was chosen.
    pub batch: Option<Batch>,
    /// With what the data themselves told: the number of classes, and the numbers of `normalize auto`.
    pub data: Option<&'a DataSection>,
}

/// The text; it checks to the same experiment. `experiment` is what `ast` and `imports` were checked to, without
/// an error.
pub fn text(
    sources: &Sources,
    ast: &Ast,
    imports: &Imports,
    experiment: &Experiment,
    settled: Settled<'_>,
) -> String {
    let definitions = definitions(ast, imports, &mut Diagnostics::new());
    let mut blocks: Vec<&Block<'_>> =
        experiment.used_blocks.iter().filter_map(|name| definitions.blocks.get(name)).collect();
    blocks.sort_by_key(|block| block.name.span);
    let model = experiment.model.as_ref().and_then(|own| {
        definitions.models.iter().find(|model| model.name.span == own.name_span).map(|model| model.statement)
    });
    // Models that it has as layers.
    let mut layers: Vec<&Block<'_>> = (definitions.models.iter())
        .filter(|model| experiment.used_blocks.contains(&model.name.text))
        .collect();
    layers.sort_by_key(|model| model.name.span);
    let sections =
        top(ast).filter(|statement| ["data", "train", "expect"].contains(&statement.word.text.as_str()));
    let parts: Vec<&Statement> =
        blocks.iter().chain(&layers).map(|block| block.statement).chain(model).chain(sections).collect();

    let batch = settled.batch.filter(|batch| batch.bound.is_some()).map(|batch| batch.images);
    let data = settled.data;
    let mut writer =
        Writer { sources, home: ast.file, definitions: &definitions, batch, data, lines: Vec::new() };
    writer.constants(imports.files.iter().chain([ast]), &parts);
    for (i, part) in parts.iter().enumerate() {
        if i > 0 || !writer.lines.is_empty() {
            writer.lines.push((String::new(), String::new()));
        }
        let section = match part.word.text.as_str() {
            "block" => "model",
            own => own,
        };
        writer.statement(part, "", "", section, 0);
    }
    writer.finish()
}

/// The tree for a file in `folder`: the paths in it, which are relative to `base` in `ast`, lead to the same data from
/// there. Between two roots they become absolute. Both folders exist.
pub fn moved(ast: &Ast, imports: &Imports, base: &Path, folder: &Path) -> Ast {
    let definitions = definitions(ast, imports, &mut Diagnostics::new());
    let mut moved = ast.clone();
    let sections = moved.chains.iter_mut().flat_map(|chain| &mut chain.links).map(|link| &mut link.statement);
    let places = [
        // Behind the name of the source; the other texts are names in the data.
        (DATA.name, SOURCE.spec.name, 1),
        (settings::TRAIN.name, beginning::WEIGHTS.spec.name, 0),
    ];
    for section in sections {
        let Some(&(_, word, n_words)) = places.iter().find(|place| place.0 == section.word.text) else {
            continue;
        };
        let chains = section.block.iter_mut().flat_map(|block| &mut block.chains);
        let lines = chains.flat_map(|chain| &mut chain.links).map(|link| &mut link.statement);
        for line in lines.filter(|line| line.word.text == word) {
            let paths: Vec<&str> = match (n_words, line.arguments.first()) {
                (0, _) => vec![PATH, MAP],
                (_, Some(Argument::Value(Value { kind: ValueKind::Word(name), .. }))) => paths_of(name),
                (_, Some(_) | None) => vec![PATH],
            };
            for argument in line.arguments.iter_mut().skip(n_words) {
                let value = match argument {
                    Argument::Value(value) => value,
                    Argument::Property { key, value } if paths.contains(&key.text.as_str()) => value,
                    Argument::Property { .. } | Argument::Relation { .. } => continue,
                };
                let Ok(ValueKind::Text(path)) = evaluate(value, &definitions).map(|v| v.into_owned().kind)
                else {
                    continue;
                };
                value.kind = ValueKind::Text(path_from(folder, base, &path).unwrap_or(path));
            }
        }
    }
    moved
}

/// The arguments of a source that are paths.
fn paths_of(source: &str) -> Vec<&'static str> {
    let spec = SOURCES.iter().map(|own| own.spec()).find(|spec| spec.name == source);
    let params = spec.into_iter().flat_map(|spec| spec.params);
    params.filter(|param| param.kind == Kind::Text).map(|param| param.name).collect()
}

/// What a path that is relative to `base` is called in `folder`; `None` where no text can say it.
fn path_from(folder: &Path, base: &Path, path: &str) -> Option<String> {
    if Path::new(path).is_absolute() {
        return None;
    }
    let folder = folder.canonicalize().ok()?;
    let mut target = base.canonicalize().ok()?;
    let mut rest = Path::new(path).components().peekable();
    // There are no links in `target`, so that its parent is the folder above it.
    while let Some(up @ (Component::ParentDir | Component::CurDir)) = rest.peek() {
        if *up == Component::ParentDir {
            target.pop();
        }
        rest.next();
    }
    target.extend(rest);
    let shared = folder.components().zip(target.components()).take_while(|(a, b)| a == b).count();
    let joined = folder.components().take(shared).any(|part| matches!(part, Component::Normal(_)));
    let found: PathBuf = match joined {
        true => {
            let up = folder.components().skip(shared).map(|_| Component::ParentDir);
            up.chain(target.components().skip(shared)).collect()
        }
        false => target,
    };
    let found = if found.as_os_str().is_empty() { PathBuf::from(".") } else { found };
    // A text of the language holds neither quotes nor ends of lines.
    found.to_str().filter(|text| !text.contains(['"', '\n', '\r'])).map(str::to_owned)
}

/// The argument of a source that tells where its data lie, and of weights.
const PATH: &str = "path";
/// The argument of weights that tells where their map lies.
const MAP: &str = "map";
/// The argument of a source that tells how many classes there are.
const CLASSES: &str = "classes";
/// The argument of a source that tells the shape of its images; where it is no shape it is something else.
const IMAGE: &str = "image";
/// The argument of a source that tells what is to be learnt of an image.
const TASK: &str = "task";

/// The numbers that stand for a step's `auto`.
fn measured(data: &DataSection, statement: &Statement) -> Option<String> {
    let asks = statement.arguments.iter().any(|argument| argument.to_string().ends_with("auto"));
    let step = data.preprocess.iter().find(|step| step.transform.spec().name == statement.word.text)?;
    let numbers = |name: &str| Some(format!("{name}={}", step.args.get(name)?.arg));
    Some(format!("{} {}", numbers("mean")?, numbers("std")?)).filter(|_| asks)
}

fn top(ast: &Ast) -> impl Iterator<Item = &Statement> {
    ast.chains.iter().flat_map(|chain| &chain.links).map(|link| &link.statement)
}

struct Writer<'a> {
    sources: &'a Sources,
    /// The file that line numbers without a name are of.
    home: FileId,
    definitions: &'a Definitions<'a>,
    /// The number of images that stands for `batch auto`.
    batch: Option<usize>,
    data: Option<&'a DataSection>,
    /// Text and comment.
    lines: Vec<(String, String)>,
}

impl<'a> Writer<'a> {
    /// The constants that are named in what is written, or in another constant.
    fn constants(&mut self, files: impl Iterator<Item = &'a Ast>, parts: &[&'a Statement]) {
        let lets: Vec<&Statement> =
            files.flat_map(top).filter(|statement| statement.word.text == "let").collect();
        let chain = |statement: &Statement| Chain {
            links: vec![Link { statement: statement.clone(), alias: None, assertion: None }],
        };
        let written: Vec<Chain> = parts.iter().chain(&lets).map(|statement| chain(statement)).collect();
        let used = unused::words(&written);
        for statement in lets {
            for argument in &statement.arguments {
                let Argument::Property { key, value } = argument else { continue };
                if used.contains(key.text.as_str()) {
                    self.lines.push((format!("let {} = {value}", key.text), self.place(key.span)));
                }
            }
        }
    }

    fn chains(&mut self, chains: &[Chain], section: &str, depth: usize) {
        for chain in chains {
            for (i, link) in chain.links.iter().enumerate() {
                let (arrow, depth) = if i > 0 { ("-> ", depth + 1) } else { ("", depth) };
                let alias = link.alias.iter().map(|name| format!(" as {}", name.text));
                let asserted = link.assertion.iter().map(|shape| format!(" : {shape}"));
                let end: String = alias.chain(asserted).collect();
                self.statement(&link.statement, arrow, &end, section, depth);
            }
        }
    }

    fn statement(&mut self, statement: &Statement, arrow: &str, end: &str, section: &str, depth: usize) {
        let indent = " ".repeat(4 * depth);
        let (mut head, comment) = self.head(statement, section);
        head = format!("{indent}{arrow}{head}");
        let Some(block) = &statement.block else {
            self.lines.push((format!("{head}{end}"), comment));
            return;
        };
        self.lines.push((format!("{head} {{"), comment));
        let inside = match (section, statement.word.text.as_str()) {
            ("data", "augment") => "augment",
            _ => section,
        };
        self.chains(&block.chains, inside, depth + 1);
        if depth == 0 {
            self.missing_lines(section, &block.chains);
        }
        for clause in &statement.clauses {
            let (head, _) = self.head(clause, "");
            self.lines.push((format!("{indent}}} {head} {{"), String::new()));
            let body = clause.block.iter().map(|block| block.chains.as_slice());
            body.for_each(|chains| self.chains(chains, inside, depth + 1));
        }
        self.lines.push((format!("{indent}}}{end}"), String::new()));
    }

    /// The settings of a section that it leaves to their defaults.
    fn missing_lines(&mut self, section: &str, chains: &[Chain]) {
        let defaults = words::section(section).into_iter().flat_map(|section| section.defaults());
        let written =
            |word: &str| chains.iter().flat_map(|c| &c.links).any(|l| l.statement.word.text == word);
        for (spec, values) in defaults.filter(|(spec, _)| !written(spec.name)) {
            let nowhere = Span { file: self.home, start: 0, end: 0 };
            let statement = Statement {
                word: Word { text: spec.name.to_owned(), span: nowhere },
                arguments: values
                    .into_iter()
                    .map(|value| Argument::Value(Value { kind: ValueKind::Word(value), span: nowhere }))
                    .collect(),
                block: None,
                clauses: Vec::new(),
                doc: None,
                span: nowhere,
            };
            let (head, _) = self.head(&statement, section);
            self.lines.push((format!("    {head}"), "default".to_owned()));
        }
    }

    /// Word and arguments with the defaults, and where they come from.
    fn head(&self, statement: &Statement, section: &str) -> (String, String) {
        let word = &statement.word.text;
        let mut text = word.clone();
        for argument in &statement.arguments {
            text.push_str(&format!(" {argument}"));
        }
        if let Some(images) = self.batch.filter(|_| section == "train" && *word == settings::BATCH.spec.name)
        {
            let origin = self.provenance(statement, section, &[]);
            return (format!("{word} {images}"), format!("{origin}: {text}"));
        }
        let balance = self.data.and_then(|data| data.balance.as_ref());
        if let Some(balance) = balance.filter(|_| section == "train" && *word == settings::LOSS.spec.name) {
            let numbers: Vec<String> = balance.iter().map(|x| Arg::Number(*x).to_string()).collect();
            text = text.replace("weights=balanced", &format!("weights=[{}]", numbers.join(", ")));
        }
        let told = self.data.filter(|_| section == DATA.name);
        if let Some(measured) = told.and_then(|data| measured(data, statement)) {
            let origin = self.provenance(statement, section, &[]);
            return (format!("{word} {measured}"), format!("{origin}: {text}"));
        }
        let mut defaults = self.defaults(statement, section);
        if let Some(facts) = told.map(|data| &data.facts).filter(|_| *word == SOURCE.spec.name) {
            // What is learnt is told by the data alone, if it is not classes.
            let task = Some(facts.task).filter(|task| *task != Task::Classes);
            let all = [
                (CLASSES, facts.classes.map(|classes| classes.to_string())),
                (IMAGE, facts.form.shape().map(|shape| shape.to_string())),
                (TASK, task.map(|task| task.word().to_owned())),
            ];
            let declared = declared(section, statement);
            for (name, value) in all.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                let takes = declared.is_some_and(|d| {
                    let own = d.spec.params.iter().find(|param| param.name == name);
                    own.is_some_and(|own| name != IMAGE || own.kind == Kind::Shape)
                        && !given(d.spec.params, d.n_names, statement, name)
                        && !defaults.iter().any(|(own, _)| own == name)
                });
                if takes {
                    defaults.push((name.to_owned(), value));
                }
            }
        }
        for (name, value) in &defaults {
            text.push_str(&format!(" {name}={value}"));
        }
        (text, self.provenance(statement, section, &defaults))
    }

    fn provenance(&self, statement: &Statement, section: &str, defaults: &[(String, String)]) -> String {
        let own = statement.word.span.file;
        let given = &statement.arguments;
        let mut parts = Vec::new();
        match given.first().map(|first| first.span().file) {
            Some(file) if given.iter().all(|argument| argument.span().file == file) => {
                parts.push(self.place(given[0].span()));
            }
            _ => {
                parts.push(self.place(statement.word.span));
                for argument in given.iter().filter(|argument| argument.span().file != own) {
                    let name = self.argument_name(statement, section, argument);
                    parts.push(format!("{name}: {}", self.place(argument.span())));
                }
            }
        }
        if !defaults.is_empty() {
            let names: Vec<&str> = defaults.iter().map(|(name, _)| name.as_str()).collect();
            parts.push(format!("default: {}", names.join(", ")));
        }
        parts.join("; ")
    }

    fn argument_name(&self, statement: &Statement, section: &str, argument: &Argument) -> String {
        if let Argument::Property { key, .. } = argument {
            return key.text.clone();
        }
        let values = statement.arguments.iter().filter(|a| matches!(a, Argument::Value(_)));
        let at = values.take_while(|value| !std::ptr::eq(*value, argument)).count();
        let spec = declared(section, statement);
        let param =
            spec.and_then(|d| d.spec.params.iter().filter(|p| p.positional).nth(at.checked_sub(d.n_names)?));
        param.map_or_else(|| statement.word.text.clone(), |param| param.name.to_owned())
    }

    /// `name` and value of each argument that is not written.
    fn defaults(&self, statement: &Statement, section: &str) -> Vec<(String, String)> {
        if let Some(declared) = declared(section, statement) {
            let params = declared.spec.params;
            let names = params.iter().filter(|param| !given(params, declared.n_names, statement, param.name));
            return names
                .filter_map(|param| {
                    let value = preset(params, declared.n_names, statement, param)?;
                    Some((param.name.to_owned(), value))
                })
                .collect();
        }
        let block = self.definitions.callable(&statement.word.text).filter(|_| section == "model");
        let Some(block) = block else { return Vec::new() };
        let n_places = statement.arguments.iter().filter(|a| matches!(a, Argument::Value(_))).count();
        let open = block.parameters.iter().skip(n_places).filter(|parameter| {
            !statement
                .arguments
                .iter()
                .any(|a| matches!(a, Argument::Property { key, .. } if key.text == parameter.name.text))
        });
        // A default that names something means it where the block is defined, not here.
        let closed = |value: &Value| match &value.kind {
            ValueKind::Number(_) | ValueKind::Extent(_) | ValueKind::Text(_) => true,
            ValueKind::Word(word) => word == "true" || word == "false" || layers::find(word).is_some(),
            ValueKind::List(_) | ValueKind::Sum(_) | ValueKind::Call { .. } => false,
        };
        let default = |value: &&Value| closed(value);
        open.filter_map(|p| Some((p.name.text.clone(), p.default.filter(default)?.to_string()))).collect()
    }

    fn place(&self, span: Span) -> String {
        match span.file {
            file if file == self.home => format!("line {}", self.sources.line(span)),
            file if self.sources.get(file).path == "--set" => "--set".to_owned(),
            _ => self.sources.place(span, self.home),
        }
    }

    fn finish(self) -> String {
        let widths = self.lines.iter().map(|(text, _)| text.chars().count()).filter(|&width| width <= COLUMN);
        let column = widths.max().unwrap_or(0);
        let line = |(text, comment): &(String, String)| match comment.is_empty() {
            true => format!("{text}\n"),
            false => format!("{text:<column$}  # {comment}\n"),
        };
        self.lines.iter().map(line).collect()
    }
}

/// The argument that a statement gives for a parameter, by place or by name.
fn written<'s>(params: &[Param], n_names: usize, statement: &'s Statement, name: &str) -> Option<&'s Value> {
    let by_name = statement.arguments.iter().find_map(|argument| match argument {
        Argument::Property { key, value } if key.text == name => Some(value),
        _ => None,
    });
    let values = statement.arguments.iter().filter_map(|argument| match argument {
        Argument::Value(value) => Some(value),
        _ => None,
    });
    let place = params.iter().filter(|param| param.positional).position(|param| param.name == name);
    by_name.or_else(|| place.and_then(|place| values.skip(n_names).nth(place)))
}

fn given(params: &[Param], n_names: usize, statement: &Statement, name: &str) -> bool {
    written(params, n_names, statement, name).is_some()
}

/// What holds for a parameter that is not written; `None` where nothing does.
fn preset(params: &[Param], n_names: usize, statement: &Statement, param: &Param) -> Option<String> {
    Some(match param.default {
        Preset::Required | Preset::Absent => return None,
        Preset::Like(other) => match written(params, n_names, statement, other) {
            Some(value) => value.to_string(),
            None => preset(params, n_names, statement, params.iter().find(|param| param.name == other)?)?,
        },
        Preset::Count(_)
        | Preset::Number(_)
        | Preset::Pair(..)
        | Preset::Padding(_)
        | Preset::Bool(_)
        | Preset::Word(_)
        | Preset::Time(_) => param.default.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::path_from;

    #[test]
    fn paths_lead_to_the_same_place_from_another_folder() {
        let root = tempfile::tempdir().unwrap();
        let (base, folder) = (root.path().join("nets"), root.path().join("nets/runs/a-1"));
        std::fs::create_dir_all(&folder).unwrap();
        let from = |path: &str| path_from(&folder, &base, path);
        assert_eq!(from("data/mnist").as_deref(), Some("../../data/mnist"));
        assert_eq!(from("./data").as_deref(), Some("../../data"));
        assert_eq!(from("../data").as_deref(), Some("../../../data"));
        assert_eq!(from("runs/a-1/own").as_deref(), Some("own"));
        // Links inside the path may make `x/..` another folder than the one above.
        assert_eq!(from("x/../data").as_deref(), Some("../../x/../data"));
        assert_eq!(from("/data/mnist"), None, "stays as it is");
        #[cfg(unix)]
        {
            // What lies on another root, and a base that is reached through a link.
            assert_eq!(path_from(&folder, "/usr".as_ref(), "share").as_deref(), Some("/usr/share"));
            let link = root.path().join("link");
            std::os::unix::fs::symlink(&base, &link).unwrap();
            assert_eq!(path_from(&folder, &link, "../data").as_deref(), Some("../../../data"));
        }
    }
}
