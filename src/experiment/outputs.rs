//! The further outputs of a model with the fields that they are held against → how each is trained and measured, with every fault
//! of its loss.

use crate::data::fields::{DataField, End};
use crate::data::sample::Task;
use crate::data::section::DataSection;
use crate::diag::{Diagnostic, Diagnostics, codes, nearest};
use crate::experiment::ending::{in_line, written};
use crate::experiment::expect::Expectation;
use crate::experiment::measures;
use crate::model::Model;
use crate::model::outputs::Output;
use crate::source::Span;
use crate::spec::{Args, NoNames, Scope, answers};
use crate::syntax::ast::Word;
use crate::train::losses::{self, LOSSES, Loss, Sides, Target};
use crate::train::metrics::{self, Metric};
use crate::train::section::{Chosen, Monitor, OutputTraining, TrainSection};

/// How the outputs are trained that have a field, in the model's order. One without stays out; that is reported already.
pub fn resolve(
    model: &Model,
    data: &DataSection,
    scope: &dyn Scope,
    diagnostics: &mut Diagnostics,
) -> Vec<OutputTraining> {
    let mut found = Vec::with_capacity(model.outputs.len());
    for (at, output) in model.outputs.iter().enumerate() {
        let Some(field) = data.fields.iter().find(|field| field.end == End::Output(at)) else { continue };
        let last = output.head.wire.layer().and_then(|at| model.layers.get(at));
        let last = last.map_or("", |last| last.unit.spec().name);
        let task = field.task();
        let Some(loss) = loss(output, task, scope, diagnostics) else { continue };
        let before = diagnostics.len();
        diagnostics.extend(refused(&loss, output, field, last, data));
        if diagnostics.len() > before {
            continue;
        }
        found.push(OutputTraining {
            name: output.name.text.clone(),
            loss,
            weight: output.head.weight,
            task,
            n: field.n(),
            metrics: metrics::usual(task),
            gives_probabilities: ["softmax", "sigmoid"].contains(&last),
        });
    }
    found
}

/// The loss that is written for an output, or the usual one of its target.
fn loss(
    output: &Output,
    task: Task,
    scope: &dyn Scope,
    diagnostics: &mut Diagnostics,
) -> Option<Chosen<dyn Loss>> {
    if let Some((name, arguments)) = &output.head.loss {
        return written(name, arguments, scope, diagnostics);
    }
    let what = LOSSES.iter().copied().find(|loss| loss.spec().name == losses::usual(task))?;
    let name = Word { text: what.spec().name.to_owned(), span: output.span };
    let args: Args = crate::spec::resolve(what.spec(), &name, &[], &NoNames, diagnostics)?;
    Some(Chosen { what, args, span: output.span })
}

/// What the loss of an output has to say of it.
fn refused(
    own: &Chosen<dyn Loss>,
    output: &Output,
    field: &DataField,
    last: &str,
    data: &DataSection,
) -> Option<Diagnostic> {
    let name = &output.name.text;
    if own.what.target(&own.args).ok() == Some(Target::Input) {
        let message = format!("the output `{name}` is compared with its field, not with the image itself");
        let d =
            Diagnostic::error(codes::LOSS, own.span, message).label("`target=input` compares with the image");
        return Some(d.related(field.span, "its field").advise("remove `target=input`"));
    }
    if own.args.word("weights").is_ok_and(|word| word == "balanced") {
        let message =
            format!("`weights=balanced` counts the classes of `source`, not those of the field `{name}`");
        let d = Diagnostic::error(codes::LOSS, own.span, message).label("not known here");
        return Some(
            d.related(field.span, "its field").advise("a list of numbers, such as `weights=[1, 4]`"),
        );
    }
    let shape = output.head.shape.as_ref()?;
    // A shape that its field does not have is reported already.
    if field.learnt(data.shape().as_ref()).is_some_and(|learnt| learnt != *shape) {
        return None;
    }
    let sides = Sides { output: shape, last, task: field.task() };
    let mut fault = losses::check(own.what, &own.args, &sides).err()?;
    fault.remedies = fault.remedies.into_iter().map(|way| in_line(way, own)).collect();
    fault.message = fault
        .message
        .replace(", which the data tell of each image", &format!(", which the field `{name}` holds"));
    Some(answers::place(fault, own.span, &own.args).related(field.span, "its field"))
}

/// Adds the metrics that `expect`, `keep` and `early_stop` name of outputs, and refuses those that an output does not have.
pub fn asked(model: &Model, train: &mut TrainSection, expect: &[Expectation], diagnostics: &mut Diagnostics) {
    let is_there = |output: &Word| model.outputs.iter().any(|own| own.name.text == output.text);
    let mut asked: Vec<(Word, Option<&'static Metric>, Span, &'static str)> = Vec::new();
    for expectation in expect {
        let Some(output) = &expectation.output else { continue };
        if is_there(output) && expectation.quantity.starts_with("train.") {
            let message = format!(
                "`{}` is not measured: during training, only the sum of the losses is",
                expectation.name()
            );
            diagnostics.push(
                Diagnostic::error(codes::EXPECTATION, expectation.span, message)
                    .label("no figure for a single output")
                    .advise(format!(
                        "`{}`, on the validation images",
                        expectation.name().replacen("train.", "validation.", 1)
                    )),
            );
            continue;
        }
        asked.push((output.clone(), measures::metric(expectation), expectation.span, codes::EXPECTATION));
    }
    if let (Some(output), Some(span)) = (&train.monitored, train.monitor_span) {
        let metric = match train.monitor {
            Monitor::Metric(metric) => Some(metric),
            Monitor::Loss => None,
        };
        asked.push((output.clone(), metric, span, codes::TRAINING_NEEDS));
    }
    for (output, metric, span, code) in asked {
        if !is_there(&output) {
            diagnostics.push(unknown(&output, model));
            continue;
        }
        let own = train.outputs.iter_mut().find(|own| own.name == output.text);
        let (Some(own), Some(metric)) = (own, metric) else { continue };
        if (metric.how)(own.task).is_none() {
            diagnostics.push(lacking(metric, own, span, code));
        } else if !own.metrics.contains(&metric) {
            own.metrics.push(metric);
        }
    }
}

fn unknown(output: &Word, model: &Model) -> Diagnostic {
    let message = format!("the model has no output called `{}`", output.text);
    let d = Diagnostic::error(codes::UNKNOWN_NAME, output.span, message);
    let names = || model.outputs.iter().map(|own| own.name.text.as_str());
    match (nearest(&output.text, names()), names().next()) {
        (Some(near), _) => d.meant(output.span, near),
        (None, Some(_)) => {
            let names: Vec<String> = names().map(|name| format!("`{name}`")).collect();
            d.label(format!("its outputs are {}", names.join(", ")))
                .advise("leave the name out, for the figure of the model's last line")
        }
        (None, None) => d.label("the model has no named outputs").advise(format!(
            "`output {} {{ … }}` in the model, or the figure without this name",
            output.text
        )),
    }
}

fn lacking(metric: &Metric, own: &OutputTraining, span: Span, code: &'static str) -> Diagnostic {
    let (name, output) = (metric.spec.name, &own.name);
    let message = format!(
        "`{name}` is not measured for the output `{output}`, whose field holds {} for each image",
        own.task.one()
    );
    let names: Vec<String> = metrics::of(own.task).map(|metric| format!("`{}`", metric.spec.name)).collect();
    Diagnostic::error(code, span, message)
        .label(format!("no `{name}` for this kind of target"))
        .advise(format!("one of {}, or the loss", names.join(", ")))
}
