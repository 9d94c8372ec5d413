//! A whole file → a checked [`Experiment`]: its model, data and training, each by its own stage, and then held
//! against each other. Nothing has run yet.

pub mod channels;
pub mod chosen;
pub mod disk;
pub mod ending;
pub mod expect;
pub mod figures;
pub mod groups;
pub mod images;
pub mod imports;
pub mod loaded;
pub mod measures;
pub mod mend;
pub mod outputs;
pub mod overrides;
pub mod pairing;
pub mod paths;
pub mod resolved;
pub mod stages;
pub mod unused;
pub mod waiting;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::path::Path;
use std::sync::OnceLock;

use crate::data;
use crate::data::Facts;
use crate::data::sample::Size;
use crate::data::section::DataSection;
use crate::diag::{Applicability, Diagnostic, Diagnostics, Fault, Fix, codes, has_errors, nearest};
use crate::experiment::expect::Expectation;
use crate::experiment::imports::{Before, Imports, Project};
use crate::model::auxiliary::EDGES;
use crate::model::definitions::{Block, Definitions, Origin};
use crate::model::passing::Passing;
use crate::model::{Instance, Model, expand};
use crate::shape::Shape;
use crate::source::{LIBRARY, Sources};
use crate::spec::section;
use crate::syntax::ast::{Ast, Statement};
use crate::syntax::{self, Reading, parse};
use crate::train;
use crate::train::section::{BatchSize, TrainSection};
use crate::train::{groups as trained, initial};

/// The words that may stand at the top of a file.
pub const SECTIONS: &[&str] = &["use", "let", "block", "model", "data", "train", "expect"];

/// What a file describes. A part with errors may be missing; see the diagnostics.
#[derive(Default)]
pub struct Experiment {
    pub model: Option<Model>,
    /// The blocks that the model uses, directly or through others.
    pub used_blocks: BTreeSet<String>,
    /// The shape behind each statement of the file's models and of what they use.
    pub passing: Passing,
    pub data: Option<DataSection>,
    pub train: Option<TrainSection>,
    pub expect: Vec<Expectation>,
}

impl Experiment {
    /// The experiment with its model as it is evaluated, predicts and is exported.
    pub fn without_auxiliaries(mut self) -> Experiment {
        self.model = self.model.map(|model| model.without_auxiliaries());
        self
    }
}

/// A file with all it uses, checked.
pub struct Checked {
    pub ast: Ast,
    /// What the next reading of the file begins with, where no setting was changed.
    reading: Reading,
    pub imports: Imports,
    pub experiment: Experiment,
    /// In the order of the text.
    pub diagnostics: Diagnostics,
}

/// Looks at the data of a section; see [`Source::look`](crate::data::Source::look). `None` where nobody has looked yet.
pub type Look<'a> = &'a dyn Fn(&DataSection) -> Option<Result<Option<Facts>, Fault>>;

/// Parses a file and those it uses, applies overrides (`train.epochs=1`), and checks the whole, without a look at its data.
pub fn check(
    sources: &mut Sources,
    path: &Path,
    text: String,
    settings: &[String],
    project: &Project<'_>,
) -> Checked {
    check_with(sources, path, text, settings, project, None)
}

/// The same with a look at the data, where it is given.
pub fn check_with(
    sources: &mut Sources,
    path: &Path,
    text: String,
    settings: &[String],
    project: &Project<'_>,
    look: Option<Look<'_>>,
) -> Checked {
    let file = sources.add(path.display().to_string(), text);
    let (mut ast, reading) = syntax::read(sources, file);
    let mut found = Diagnostics::new();
    for setting in settings {
        found.extend(overrides::apply(sources, &mut ast, setting));
    }
    whole(sources, path, project, (ast, reading), found, None, look)
}

/// Checks a file again, whose text and whose imports are mostly as they were in `old`, more quickly; what is found is
/// the same as by [`check`]. Takes what can be used again out of `before`, and leaves the rest.
pub fn check_again(
    before: &mut Checked,
    old: &Sources,
    sources: &mut Sources,
    path: &Path,
    text: String,
    project: &Project<'_>,
    look: Option<Look<'_>>,
) -> Checked {
    let file = sources.add(path.display().to_string(), text);
    let (ast, reading, imports) =
        (take(&mut before.ast), take(&mut before.reading), take(&mut before.imports));
    let old_text = &old.get(ast.file).text;
    let read = syntax::read_again((ast, reading), old_text, sources, file);
    whole(sources, path, project, read, Diagnostics::new(), Some(Before { imports, sources: old }), look)
}

fn whole(
    sources: &mut Sources,
    path: &Path,
    project: &Project<'_>,
    (ast, reading): (Ast, Reading),
    more: Diagnostics,
    before: Option<Before<'_>>,
    look: Option<Look<'_>>,
) -> Checked {
    let mut diagnostics = reading.diagnostics.clone();
    diagnostics.extend(more);
    let (mut imports, found) = imports::collect(sources, &ast, path, project, before);
    diagnostics.extend(found);
    match chosen::choose(&ast, &imports) {
        Ok(model) => imports.chosen = model,
        Err(d) => diagnostics.push(*d),
    }
    let unreadable = has_errors(&diagnostics);
    let (experiment, mut found) = resolve_with(sources, &ast, &imports, look);
    if unreadable {
        // What could not be read may use them.
        found.retain(|d| ![codes::UNUSED, codes::UNUSED_IMPORT, codes::UNUSED_PARAMETER].contains(&d.code));
        waiting::hold_back(sources, &ast, &diagnostics, &mut found);
    }
    diagnostics.extend(found);
    in_order(&mut diagnostics);
    Checked { ast, reading, imports, experiment, diagnostics }
}

/// The tree of the language's own library, read once in a process: its text and its place in [`Sources`] are
/// always the same.
pub fn library() -> &'static Ast {
    static TREE: OnceLock<Ast> = OnceLock::new();
    TREE.get_or_init(|| parse(&Sources::default(), LIBRARY).0)
}

/// What a file, those it uses and the library define.
pub fn definitions<'a>(ast: &'a Ast, imports: &'a Imports, diagnostics: &mut Diagnostics) -> Definitions<'a> {
    let mut definitions = Definitions::default();
    definitions.add(library(), Origin::Library, diagnostics);
    for import in &imports.files {
        definitions.add(import, Origin::Import, diagnostics);
    }
    definitions.add(ast, Origin::Main, diagnostics);
    match &imports.chosen {
        Some(model) => definitions.choose(model, diagnostics),
        // A file whose choice is refused has no model.
        None if unused::statements(&ast.chains).any(chosen::is_choice) => {
            definitions.models.retain(|model| model.origin == Origin::Main);
        }
        None => {}
    }
    definitions
}

/// Sorts findings in the order of the text.
fn in_order(diagnostics: &mut Diagnostics) {
    diagnostics.sort_by(|a, b| a.primary.span.cmp(&b.primary.span).then_with(|| a.message.cmp(&b.message)));
}

/// Checks a file that uses no others.
pub fn resolve(sources: &Sources, ast: &Ast) -> (Experiment, Diagnostics) {
    resolve_with(sources, ast, &Imports::default(), None)
}

/// Checks a file with the files it uses, whole. The experiment can be run if no diagnostic is an error.
pub fn resolve_with(
    sources: &Sources,
    ast: &Ast,
    imports: &Imports,
    look: Option<Look<'_>>,
) -> (Experiment, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    for import in &imports.files {
        sections(import, &[], &mut diagnostics);
    }
    let definitions = definitions(ast, imports, &mut diagnostics);

    let mut experiment = Experiment::default();
    for statement in sections(ast, &["data", "train", "expect"], &mut diagnostics) {
        match statement.word.text.as_str() {
            "data" => experiment.data = data::section::resolve(statement, &definitions, &mut diagnostics),
            "train" => experiment.train = train::section::resolve(statement, &definitions, &mut diagnostics),
            "expect" => experiment.expect = expect::resolve(statement, &definitions, &mut diagnostics),
            _ => {}
        }
    }
    if let (Some(data), Some(look)) = (&mut experiment.data, look)
        && let Some(looked) = look(data)
    {
        data::section::hold(data, looked, &definitions, &mut diagnostics);
    }
    if let (Some(data), Some(train)) = (&experiment.data, &mut experiment.train) {
        train.task = Some(data.facts.task);
    }
    if let Some(train) = &mut experiment.train {
        let own = experiment.expect.iter().filter(|expectation| expectation.output.is_none());
        train.asked = own.filter_map(measures::metric).collect();
    }
    let removals = models(sources, &definitions, ast, &mut experiment, &mut diagnostics);
    if let (Some(model), Some(train)) = (&mut experiment.model, &experiment.train)
        && let Err(fault) = initial::apply(model, train)
    {
        diagnostics.push(Diagnostic::of(&fault, train.span));
    }
    if let (Some(model), Some(train)) = (&experiment.model, &mut experiment.train) {
        train.auxiliaries = ending::own_losses(model, &definitions, &mut diagnostics);
    }
    if let (Some(model), Some(data)) = (&experiment.model, &mut experiment.data) {
        pairing::check(model, data, experiment.train.as_ref(), &mut diagnostics);
    }
    if let (Some(model), Some(train)) = (&experiment.model, &mut experiment.train) {
        if let Some(data) = &experiment.data {
            train.outputs = outputs::resolve(model, data, &definitions, &mut diagnostics);
        }
        outputs::asked(model, train, &experiment.expect, &mut diagnostics);
    }
    let learns_images = experiment.train.as_ref().is_some_and(images::learnt);
    if let Some(model) = &experiment.model {
        diagnostics.extend(channels::check(model));
        if let Some(data) = &experiment.data {
            let mut found = Diagnostics::new();
            data_against_model(sources, data, model, &mut found);
            if !learns_images {
                found.extend(ending::outputs(data, model));
            }
            let elsewhere = model.end.file != ast.file;
            diagnostics.extend(found.into_iter().map(|d| match elsewhere {
                true => chosen::remedied(d, ast, &definitions, model, data),
                false => d,
            }));
        }
        if let Some(train) = &experiment.train {
            let classes = experiment.data.as_ref().and_then(DataSection::classes);
            diagnostics.extend(ending::loss(model, train, classes, &removals));
            batch_against_norms(model, train, &mut diagnostics);
            diagnostics.extend(groups::check(model, train));
        }
        if model.output().is_some() {
            fixed_expectations(model, &experiment.expect, &mut diagnostics);
        }
    }
    if experiment.model.is_some() {
        let found = unused::find(sources, ast, imports, &diagnostics);
        diagnostics.extend(found);
    }
    if let (Some(data), Some(train)) = (&experiment.data, &experiment.train) {
        monitor_needs_validation(data, train, &mut diagnostics);
        if !has_errors(&diagnostics) {
            expectations_need_validation(data, &experiment.expect, &mut diagnostics);
        }
    }
    if learns_images {
        images::check(&experiment, &mut diagnostics);
    }
    measures::check(&experiment, &mut diagnostics);
    in_order(&mut diagnostics);
    (experiment, diagnostics)
}

/// The statements at the top of a file; unknown words, and sections of `once` that come again, are reported.
fn sections<'a>(ast: &'a Ast, once: &[&str], diagnostics: &mut Diagnostics) -> Vec<&'a Statement> {
    let mut found: Vec<&Statement> = Vec::new();
    let mut firsts = BTreeMap::new();
    let links = ast.chains.iter().flat_map(|chain| chain.links.iter().enumerate());
    for (place, link) in links {
        let statement = &link.statement;
        let word = statement.word.text.as_str();
        diagnostics.extend(section::only_in_models(link));
        if place > 0 {
            let message = format!("`->` joins layers, and `{word}` is not one");
            let d = Diagnostic::error(codes::MISPLACED, statement.word.span, message);
            diagnostics.push(d.label("put it on a line of its own, without `->`"));
        }
        if !SECTIONS.contains(&word) {
            diagnostics.push(unknown_section(statement));
            continue;
        }
        if once.contains(&word)
            && let Some(first) = firsts.insert(word, statement.head())
        {
            firsts.insert(word, first);
            diagnostics.push(
                Diagnostic::error(
                    codes::REPEATED_SECTION,
                    statement.head(),
                    format!("a file has one `{word}`"),
                )
                .label("a second one")
                .related(first, "the first one"),
            );
            continue;
        }
        found.push(statement);
    }
    found
}

/// Expands every model of the file itself, and chooses the one that is run: the file's own, or else the only one
/// that it imports. A model that another one has as a layer is not it. Gives the edits that leave out what bounds or drops
/// its scores, by the place of the layer.
fn models(
    sources: &Sources,
    definitions: &Definitions<'_>,
    ast: &Ast,
    experiment: &mut Experiment,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<usize, Fix> {
    let own: Vec<_> = definitions.models.iter().filter(|model| model.origin == Origin::Main).collect();
    let candidates = if own.is_empty() { definitions.models.iter().collect() } else { own };
    let expanded: Vec<_> =
        candidates.iter().map(|block| expand::expand(sources, definitions, block, diagnostics)).collect();
    let used: BTreeSet<String> = expanded.iter().flat_map(|one| one.used.iter().cloned()).collect();
    let is_run = |block: &&&Block<'_>| !used.contains(&block.name.text);
    let run = candidates.iter().position(|block| is_run(&block)).unwrap_or(0);
    let mut removals = BTreeMap::new();
    let mut others = Vec::new();
    for (i, one) in expanded.into_iter().enumerate() {
        if i == run {
            experiment.passing = one.passing;
            experiment.used_blocks = one.used;
            removals = one.removals;
            experiment.model = Some(one.model);
        } else {
            others.push(one.passing);
        }
    }
    others.into_iter().for_each(|passing| experiment.passing.extend(passing));
    let several: Vec<_> = candidates.iter().filter(is_run).collect();
    if let (Some(_), [first, second, ..]) = (&experiment.train, several.as_slice()) {
        diagnostics.push(
            Diagnostic::error(
                codes::REPEATED_SECTION,
                second.name.span,
                "an experiment has one model, and here are several",
            )
            .label("which one should be trained?")
            .related(first.name.span, "another one")
            .advise("keep each model in a `.model` file of its own and `use` the one that is wanted"),
        );
    }
    if candidates.is_empty() {
        return removals;
    }
    let unused = definitions.blocks.values().filter(|block| block.name.span.file == ast.file);
    for block in unused.filter(|block| !used.contains(&block.name.text)) {
        diagnostics.push(
            Diagnostic::warning(
                codes::UNUSED,
                block.name.span,
                format!("the block `{}` is never used", block.name.text),
            )
            .label("no model of this file uses it, so its layers are not checked")
            .replace("remove this `block`", sources.whole_line(block.statement.span), ""),
        );
    }
    removals
}

fn fixed_expectations(model: &Model, expectations: &[Expectation], diagnostics: &mut Diagnostics) {
    for expectation in expectations {
        let found = match expectation.quantity {
            "parameters" => model.n_parameters() as f64,
            "layers" => model.layers.len() as f64,
            _ => continue,
        };
        diagnostics.extend(expectation.judge(found));
    }
}

/// An error for each part that `dslc run` needs and the file does not have.
pub fn missing_parts(ast: &Ast, experiment: &Experiment, wanted: &[&str]) -> Diagnostics {
    let has =
        |word: &str| ast.chains.iter().flat_map(|c| &c.links).any(|link| link.statement.word.text == word);
    let at = crate::source::Span { file: ast.file, start: 0, end: 0 };
    wanted
        .iter()
        .filter(|word| match **word {
            "model" => experiment.model.is_none() && !has(word),
            _ => !has(word),
        })
        .map(|word| {
            let example = match *word {
                "model" => "model Name { input 1x28x28; … }",
                "data" => "data { source mnist \"data/mnist\" }",
                _ => "train { loss cross_entropy; optimizer adam lr=1e-3; epochs 5; batch 64 }",
            };
            Diagnostic::error(
                codes::MISSING_SECTION,
                at,
                format!("this file has no `{word}` section, which this needs"),
            )
            .advise(format!("add `{example}`"))
        })
        .collect()
}

fn unknown_section(statement: &Statement) -> Diagnostic {
    let word = statement.word.text.as_str();
    let d = Diagnostic::error(
        codes::UNKNOWN_WORD,
        statement.word.span,
        format!("`{word}` cannot stand at the top of a file"),
    );
    if crate::layers::find(word).is_some() || EDGES.iter().any(|edge| edge.name == word) {
        return d.label("a layer belongs inside `model Name { … }`");
    }
    match nearest(word, SECTIONS.iter().copied()) {
        Some(near) => d.meant(statement.word.span, near),
        None => d.label(format!("expected one of: {}", SECTIONS.join(", "))),
    }
}

fn data_against_model(sources: &Sources, data: &DataSection, model: &Model, diagnostics: &mut Diagnostics) {
    let form = data.form();
    if let (Some(input), Size::Varied) = (&model.input, form.size) {
        let message =
            format!("the model takes images of {input}, but `data` gives each its own size ({form})");
        let mut d = Diagnostic::error(codes::DATA_SHAPE, data.source_span, message)
            .label("pictures of different sizes")
            .related(model.input_span, format!("{input} here"));
        d.notes.extend(data.shape_trace());
        if let &[_, h, w] = input.dims() {
            let first = data.stages().first;
            let at = first.last().map_or(data.source_span, |step| step.span);
            let (line, title) = match first.is_empty() {
                true => (format!("resize {h}x{w}"), format!("put `resize {h}x{w}` into `data`")),
                false => (format!("center_crop {h}x{w}"), format!("put `center_crop {h}x{w}` into `data`")),
            };
            d = d.replace(title, at.after(), format!("\n    {line}"));
        }
        diagnostics.push(d);
        return;
    }
    if let (Some(input), Some(given)) = (&model.input, data.shape())
        && *input != given
    {
        let mut d = Diagnostic::error(
            codes::DATA_SHAPE,
            model.input_span,
            format!("the model takes {} of {input}, but `data` gives {given}", things(input)),
        )
        .label(format!("{input} here"))
        .related(data.source_span, format!("{given} from here"));
        d.notes.extend(data.shape_trace());
        d = d.replace(format!("`input {given}`"), model.input_span, given.to_string());
        if let (&[c, l], &[1, a, b], Some(path)) = (input.dims(), given.dims(), data.args.span("path"))
            && data.source.spec().params.iter().any(|param| param.name == "layout")
            && ([c, l] == [a, b] || [c, l] == [b, a])
        {
            let layout = if [c, l] == [a, b] { "layout=ncl" } else { "layout=nlc" };
            d = d.replace(format!("`{layout}`: the arrays hold signals"), path.after(), format!(" {layout}"));
        }
        if let (&[1, ref planes @ ..], Some(path)) = (input.dims(), data.args.span("path"))
            && planes == given.dims()
            && data.source.spec().params.iter().any(|param| param.name == "layout")
        {
            d = d.replace("`layout=ndhw`: the arrays hold volumes", path.after(), " layout=ndhw");
        }
        if let (&[c_in, h, w], &[c, _, _]) = (input.dims(), given.dims())
            && c_in == c
        {
            let title = format!("put `resize {h}x{w}` into `data`");
            let indent = " ".repeat(
                sources.get(data.source_span.file).line_column(data.source_span.start as usize).1 - 1,
            );
            d = d.replace(title, data.source_span.after(), format!("\n{indent}resize {h}x{w}"));
        }
        diagnostics.push(d);
    }
}

/// What inputs of a shape are called.
fn things(input: &Shape) -> &'static str {
    match input.rank() {
        2 => "signals",
        4 => "volumes",
        _ => "images",
    }
}

/// Batch norm in training needs at least two values a channel.
fn batch_against_norms(model: &Model, train: &TrainSection, diagnostics: &mut Diagnostics) {
    let single = |instance: &&Instance| {
        let pixels = instance.input.as_ref().map_or(0, |input| input.elements() / input.dims()[0].max(1));
        instance.unit.spec().name == "batch_norm"
            && pixels == 1
            && !trained::is_settled(&train.groups, instance)
    };
    let one_image = train.batch == BatchSize::Images(1);
    let Some(norm) = model.layers.iter().find(single).filter(|_| one_image) else { return };
    let mut d = Diagnostic::error(
        codes::BATCH_OF_ONE,
        norm.span,
        "`batch_norm` sees one value per channel in a batch of 1: its variance is 0",
    )
    .label(
        norm.input
            .as_ref()
            .map_or_else(String::new, |input| format!("{input} arrives, one pixel per channel")),
    );
    d = match train.batch_span {
        Some(span) => d.related(span, "one image at a time").replace("`batch 32`", span, "32"),
        None => d,
    };
    diagnostics.push(d.advise("`layer_norm`, which looks at one image at a time"));
}

fn monitor_needs_validation(data: &DataSection, train: &TrainSection, diagnostics: &mut Diagnostics) {
    let schedule = train.schedule.what.watches().then_some(train.schedule.span);
    let keep = train.monitor_span.filter(|_| train.early_stop.is_none());
    let stop = train.early_stop.map(|stop| stop.span);
    let watchers = [(stop, "early_stop"), (keep, "keep"), (schedule, "schedule plateau")];
    if data.watches() != Some(false) {
        return;
    }
    for (span, watcher) in watchers.into_iter().filter_map(|(span, watcher)| Some((span?, watcher))) {
        let message = format!("`{watcher}` watches validation images, but `data` sets none aside");
        diagnostics.push(
            Diagnostic::error(codes::TRAINING_NEEDS, span, message)
                .label("nothing to watch")
                .related(data.source_span, "every training image is trained on")
                .fix(setting_aside(data)),
        );
    }
}

/// Images set aside for validation: fewer are left to train on, so a person has to want it.
fn setting_aside(data: &DataSection) -> Fix {
    let edits = vec![(data.source_span.after(), "\n    validation 10%".to_owned())];
    Fix::new("put `validation 10%` into `data`", edits).when(Applicability::Asked)
}

/// What is expected of validation images needs some.
fn expectations_need_validation(data: &DataSection, expect: &[Expectation], diagnostics: &mut Diagnostics) {
    let of_validation = |expectation: &&Expectation| expectation.quantity.starts_with("validation.");
    if data.watches() != Some(false) {
        return;
    }
    for expectation in expect.iter().filter(of_validation) {
        let message = format!("`{}` is not measured: `data` sets no images aside for it", expectation.name());
        diagnostics.push(
            Diagnostic::error(codes::EXPECTATION, expectation.span, message)
                .label("nothing to measure it on")
                .related(data.source_span, "every training image is trained on")
                .fix(setting_aside(data)),
        );
    }
}
