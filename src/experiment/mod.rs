//! A whole file → a checked [`Experiment`]: its model, data and training, each by its own stage, and then held
//! against each other. Nothing has run yet.

pub mod overrides;
pub mod resolved;
pub mod stages;

use crate::data::section::DataSection;
use crate::diag::{Diagnostic, Diagnostics, Severity, codes, nearest};
use crate::model::{Model, expand};
use crate::source::Sources;
use crate::spec::NoNames;
use crate::syntax::ast::{Ast, Statement};
use crate::train::section::TrainSection;

/// The words that may stand at the top of a file.
const SECTIONS: &[&str] = &["model", "data", "train"];

/// What a file describes. A part with errors may be missing; see the diagnostics.
#[derive(Default)]
pub struct Experiment {
    pub model: Option<Model>,
    pub data: Option<DataSection>,
    pub train: Option<TrainSection>,
}

/// Checks a file, whole. The experiment can be run if no diagnostic is an error.
pub fn resolve(sources: &Sources, ast: &Ast) -> (Experiment, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let mut experiment = Experiment::default();
    let mut seen: Vec<&Statement> = Vec::new();
    for statement in ast.chains.iter().flat_map(|chain| &chain.links).map(|link| &link.statement) {
        let word = statement.word.text.as_str();
        if !SECTIONS.contains(&word) {
            diagnostics.push(unknown_section(statement));
            continue;
        }
        if let Some(first) = seen.iter().find(|other| other.word.text == word) {
            diagnostics.push(
                Diagnostic::error(
                    codes::REPEATED_SECTION,
                    statement.head(),
                    format!("a file has one `{word}`"),
                )
                .label("a second one")
                .related(first.head(), "the first one"),
            );
            continue;
        }
        seen.push(statement);
        match word {
            "model" => experiment.model = expand::expand(sources, statement, &NoNames, &mut diagnostics),
            "data" => experiment.data = crate::data::section::resolve(statement, &NoNames, &mut diagnostics),
            _ => experiment.train = crate::train::section::resolve(statement, &NoNames, &mut diagnostics),
        }
    }
    if let Some(model) = &experiment.model {
        if let Some(data) = &experiment.data {
            data_against_model(sources, data, model, &mut diagnostics);
        }
        if let Some(train) = &experiment.train {
            model_against_loss(model, train, &mut diagnostics);
        }
    }
    if let (Some(data), Some(train)) = (&experiment.data, &experiment.train) {
        monitor_needs_validation(data, train, &mut diagnostics);
    }
    diagnostics.sort_by(|a, b| a.primary.span.cmp(&b.primary.span).then_with(|| a.message.cmp(&b.message)));
    (experiment, diagnostics)
}

/// An error for each part that `dslc run` needs and the file does not have.
pub fn missing_parts(ast: &Ast, wanted: &[&str]) -> Diagnostics {
    let has =
        |word: &str| ast.chains.iter().flat_map(|c| &c.links).any(|link| link.statement.word.text == word);
    let at = crate::source::Span { file: ast.file, start: 0, end: 0 };
    wanted
        .iter()
        .filter(|word| !has(word))
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
    if crate::layers::find(word).is_some() || word == "input" {
        return d.label("a layer belongs into `model Name { … }`");
    }
    match nearest(word, SECTIONS.iter().copied()) {
        Some(near) => d.label(format!("did you mean `{near}`?")).replace(
            format!("write `{near}`"),
            statement.word.span,
            near,
        ),
        None => d.label(format!("expected one of: {}", SECTIONS.join(", "))),
    }
}

fn data_against_model(sources: &Sources, data: &DataSection, model: &Model, diagnostics: &mut Diagnostics) {
    let given = data.shape();
    if let Some(input) = &model.input
        && *input != given
    {
        let mut d = Diagnostic::error(
            codes::DATA_SHAPE,
            model.input_span,
            format!("the model takes images of {input}, but `data` gives {given}"),
        )
        .label(format!("{input} here"))
        .related(data.source_span, format!("{given} from here"));
        d.notes.extend(data.shape_trace());
        d = d.replace(format!("`input {given}`"), model.input_span, given.to_string());
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
    let Some(output) = model.output() else { return };
    let (classes, outputs) = (data.classes(), output.dims().first().copied().unwrap_or(1));
    if output.rank() == 1 && outputs != classes {
        let Some(last) = model
            .layers
            .iter()
            .rev()
            .find(|instance| instance.args.has("features") || instance.args.has("channels"))
        else {
            return;
        };
        let name = if last.args.has("features") { "features" } else { "channels" };
        let mut d = Diagnostic::error(
            codes::CLASSES,
            last.span,
            format!("the model gives {outputs} outputs, but the data has {classes} classes"),
        )
        .label(format!("{outputs} outputs"))
        .related(data.source_span, format!("{classes} classes"));
        if let Some(span) = last.args.span(name) {
            let title = format!("`{} {classes}`", last.layer.spec().name);
            d = d.replace(title, span, classes.to_string());
        }
        diagnostics.push(d);
    }
}

fn model_against_loss(model: &Model, train: &TrainSection, diagnostics: &mut Diagnostics) {
    let (Some(output), Some(last)) = (model.output(), model.layers.last()) else { return };
    let chosen = &train.loss;
    let Err(fault) = chosen.what.check(&chosen.args, output, last.layer.spec().name) else { return };
    let mut d = crate::data::answers::place(fault, chosen.span, &chosen.args);
    if d.code == codes::INTERNAL {
        d.severity = Severity::Error;
    }
    diagnostics.push(d.related(last.span, "the model ends here"));
}

fn monitor_needs_validation(data: &DataSection, train: &TrainSection, diagnostics: &mut Diagnostics) {
    use crate::data::section::Validation;
    if let (Some(stop), Validation::None) = (&train.early_stop, data.validation) {
        diagnostics.push(
            Diagnostic::error(
                codes::TRAINING_NEEDS,
                stop.span,
                "`early_stop` watches validation images, and `data` sets none aside",
            )
            .label("nothing to watch")
            .related(data.source_span, "every training image is trained on")
            .replace(
                "put `validation 10%` into `data`",
                data.source_span.after(),
                "\n    validation 10%",
            ),
        );
    }
}
