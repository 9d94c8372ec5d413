//! How a model must end: with a number for each class, label or number of the data, or a map for each class of its masks, and with
//! such numbers as its losses take.

use std::collections::BTreeMap;

use crate::data::sample::Task;
use crate::data::section::DataSection;
use crate::diag::{Diagnostic, Diagnostics, Fix, Remedy, codes};
use crate::model::heads::Head;
use crate::model::suspicious::{self, Harm, SOFTMAX};
use crate::model::{Instance, Model, Unit};
use crate::source::Span;
use crate::spec::{self, Scope, answers};
use crate::syntax::ast::{Argument, Word};
use crate::train::losses::{self, LOSSES, Loss, Sides};
use crate::train::section::{Chosen, TrainSection};

/// An error where a model does not end in what the data tell of an image: a number for each class, label or number, or a map of
/// the image's size for each class of a mask or channel of a paired image.
pub fn outputs(data: &DataSection, model: &Model) -> Option<Diagnostic> {
    match data.facts.task {
        Task::Classes | Task::Labels | Task::Numbers => vector(data, model),
        Task::Masks | Task::Images => maps(data, model),
    }
}

fn vector(data: &DataSection, model: &Model) -> Option<Diagnostic> {
    let (output, last) = (model.output()?, model.last()?);
    let (Some(classes), &[outputs]) = (data.classes(), output.dims()) else { return None };
    if outputs == classes {
        return None;
    }
    let names = data.facts.task.names();
    let message = format!("the model gives {outputs} outputs, but the data has {classes} {names}");
    let giver = giver(model).unwrap_or(last);
    let mut d = Diagnostic::error(codes::CLASSES, giver.span, message)
        .label(format!("{outputs} outputs"))
        .related(data.source_span, format!("{classes} {names}"));
    let layer = format!("linear {classes}");
    let title = format!("put `{layer}` after the last layer");
    let behind = (title, model.end, format!(" -> {layer}"));
    let resized = resized(giver, classes);
    // A `linear` that ends the model, or whose softmax does, gives the scores; any other layer only leads there.
    let scores = giver.unit.spec().name == "linear" && (at_end(model, giver) || is_softmax(last));
    let mut ways = vec![behind];
    match (resized, scores) {
        (Some(way), true) => ways.insert(0, way),
        (Some(way), false) => ways.push(way),
        (None, _) => {}
    }
    // Behind a softmax there is nothing to learn.
    ways.retain(|way| !is_softmax(last) || way.1 != model.end);
    for (title, at, text) in ways {
        d = d.replace(title, at, text);
    }
    // Where the data were counted, another number would be wrong.
    let is_said = data.source.facts(&data.args).is_ok_and(|facts| facts.classes == Some(classes));
    if is_said && data.source.spec().params.iter().any(|param| param.name == "classes") {
        d = d.advise(format!("`classes={outputs}` after `source`, if the data has that many"));
    }
    Some(d)
}

fn maps(data: &DataSection, model: &Model) -> Option<Diagnostic> {
    let (output, input, last) = (model.output()?, model.input.as_ref()?, model.last()?);
    let (n, &[_, height, width]) = (data.classes()?, input.dims()) else { return None };
    if output.dims() == [n, height, width] {
        return None;
    }
    let (what, each) = match data.facts.task {
        Task::Images => ("the data tell an image of each image", "channel"),
        Task::Masks | Task::Classes | Task::Labels | Task::Numbers => {
            ("the data tell the class of each pixel", "class")
        }
    };
    let message = format!("the model gives {output}, but {what}: {n}x{height}x{width}");
    let mut d = Diagnostic::error(codes::CLASSES, last.span, message)
        .label(format!("{output} here"))
        .related(data.source_span, format!("a map for each {each} is needed, of the image's size"));
    let &[channels, own_height, own_width] = output.dims() else {
        return Some(d.advise(format!(
            "layers that keep the image's size, such as `conv2d 16 3x3 padding=same`, and `conv2d {n} 1x1` at the end"
        )));
    };
    if channels != n {
        let layer = format!("conv2d {n} 1x1");
        let own = last.args.span("channels").filter(|_| last.unit.spec().name == "conv2d");
        if let Some(span) = own {
            d = d.replace(format!("make it `conv2d {n}`"), span, n.to_string());
        }
        return Some(d.replace(
            format!("put `{layer}` after the last layer"),
            model.end,
            format!(" -> {layer}"),
        ));
    }
    let factor = height / own_height.max(1);
    if factor > 1 && [own_height * factor, own_width * factor] == [height, width] {
        let layer = format!("upsample {factor} mode=bilinear");
        return Some(d.replace(
            format!("put `{layer}` after the last layer"),
            model.end,
            format!(" -> {layer}"),
        ));
    }
    Some(d.advise(
        "`padding=same` in convolutions, and `upsample` or `conv_transpose2d` after pools and strides",
    ))
}

/// The layer that decides how many numbers there are at the end: the `linear`, or the 1x1 convolution in front of a
/// global pool, that is followed by nothing but layers that keep the number.
fn giver(model: &Model) -> Option<&Instance> {
    let mut wire = model.output;
    loop {
        let instance = model.layers.get(wire.layer()?)?;
        let (input, output) = (instance.input.as_ref()?, instance.output.as_ref()?);
        let Unit::Layer(_) = instance.unit else { return None };
        if instance.args.has("features") {
            return Some(instance);
        }
        if instance.args.has("channels") {
            return instance.args.pair("kernel").is_ok_and(|kernel| kernel == [1, 1]).then_some(instance);
        }
        let pooled = instance.unit.spec().name.starts_with("global_");
        if input != output && !pooled {
            return None;
        }
        wire = *instance.inputs.first()?;
    }
}

fn at_end(model: &Model, instance: &Instance) -> bool {
    model.last().is_some_and(|last| last.name == instance.name)
}

fn is_softmax(instance: &Instance) -> bool {
    SOFTMAX.contains(&instance.unit.spec().name)
}

/// An edit of the text: what it is called, where, and what is written there.
type Way = (String, Span, String);

/// The layer with as many features or channels as there are classes.
fn resized(giver: &Instance, classes: usize) -> Option<Way> {
    let span = ["features", "channels"].iter().find_map(|name| giver.args.span(name))?;
    Some((format!("make it `{} {classes}`", giver.unit.spec().name), span, classes.to_string()))
}

/// What the losses have to say of the model's output. `removals` are edits that leave a layer out, by its place in the model.
pub fn loss(
    model: &Model,
    train: &TrainSection,
    classes: Option<usize>,
    removals: &BTreeMap<usize, Fix>,
) -> Diagnostics {
    let (Some(output), Some(last), Ok(task)) = (model.output(), model.last(), train.task()) else {
        return Diagnostics::new();
    };
    let sides = Sides { output, last: last.unit.spec().name, task };
    let mut refused = Diagnostics::new();
    for chosen in train.all_losses() {
        let target = chosen.what.target(&chosen.args);
        if target.as_ref().ok() != train.loss.what.target(&train.loss.args).as_ref().ok() {
            let message =
                "one loss compares with the image itself, and another with what the data tell of it";
            let d = Diagnostic::error(codes::LOSS, chosen.span, message)
                .related(train.loss.span, "the other one");
            refused.push(d.advise("`target=input` in both, or in none"));
            continue;
        }
        let Err(fault) = losses::check(chosen.what, &chosen.args, &sides) else { continue };
        let image =
            fault.code == codes::LOSS && output.rank() > 1 && !matches!(task, Task::Masks | Task::Images);
        let mut d = answers::place(fault, chosen.span, &chosen.args);
        if last.span.file == chosen.span.file {
            d = d.related(last.span, "the model ends here");
        }
        refused.push(if image { ended(d, model, classes) } else { d });
    }
    refused.extend(of_auxiliaries(model, train, task));
    if !refused.is_empty() {
        return refused;
    }
    match probabilities_at_loss(model, train) {
        Some(d) => vec![d],
        // What gives another number of scores than there are classes is not at its end yet.
        None if classes.is_some_and(|classes| output.dims() != [classes]) => Diagnostics::new(),
        None if task != Task::Classes => Diagnostics::new(),
        None => harmed(model, train, removals),
    }
}

/// For each auxiliary head of a model the loss that is written for it, if one is.
pub fn own_losses(
    model: &Model,
    scope: &dyn Scope,
    diagnostics: &mut Diagnostics,
) -> Vec<Option<Chosen<dyn Loss>>> {
    let mut of = |head: &Head| {
        let (name, arguments) = head.loss.as_ref()?;
        written(name, arguments, scope, diagnostics)
    };
    model.auxiliaries.iter().map(&mut of).collect()
}

/// The loss of `loss=NAME(…)`.
pub fn written(
    name: &Word,
    arguments: &[Argument],
    scope: &dyn Scope,
    diagnostics: &mut Diagnostics,
) -> Option<Chosen<dyn Loss>> {
    let Some(&what) = LOSSES.iter().find(|loss| loss.spec().name == name.text) else {
        let message = format!("there is no loss called `{}`", name.text);
        let d = Diagnostic::error(codes::UNKNOWN_WORD, name.span, message);
        let known = LOSSES.iter().map(|loss| loss.spec());
        diagnostics.push(answers::suggest(d, &name.text, name.span, known));
        return None;
    };
    let args = spec::resolve(what.spec(), name, arguments, scope, diagnostics)?;
    Some(Chosen { what, args, span: name.span })
}

/// What the losses of auxiliary heads have to say of what these give.
fn of_auxiliaries(model: &Model, train: &TrainSection, task: Task) -> Diagnostics {
    let mut found = Diagnostics::new();
    for (head, own) in model.auxiliaries.iter().zip(&train.auxiliaries) {
        let last = head.wire.layer().and_then(|at| model.layers.get(at));
        let (Some(output), Some(last), Some(own)) = (&head.shape, last, own) else { continue };
        if own.what.target(&own.args).ok() != train.loss.what.target(&train.loss.args).ok() {
            let message =
                "one loss compares with the image itself, and another with what the data tell of it";
            let d =
                Diagnostic::error(codes::LOSS, own.span, message).related(train.loss.span, "the other one");
            found.push(d.advise("`target=input` in both, or in none"));
            continue;
        }
        let sides = Sides { output, last: last.unit.spec().name, task };
        if let Err(mut fault) = losses::check(own.what, &own.args, &sides) {
            fault.remedies = fault.remedies.into_iter().map(|way| in_line(way, own)).collect();
            found.push(answers::place(fault, own.span, &own.args));
        }
    }
    found
}

/// A remedy for a line `loss NAME` as one for `loss=NAME`.
pub fn in_line(way: Remedy, own: &Chosen<dyn Loss>) -> Remedy {
    match way {
        Remedy::Instead(text) => Remedy::Instead(text.trim_start_matches("loss ").to_owned()),
        Remedy::Set { name, value } if own.args.span(name).is_none() => {
            Remedy::Advice(format!("`loss={}({name}={value})`", own.what.spec().name))
        }
        Remedy::Set { .. }
        | Remedy::Unset { .. }
        | Remedy::Before(_)
        | Remedy::After(_)
        | Remedy::Remove
        | Remedy::Advice(_) => way,
    }
}

/// Ways to end a model that gives an image or a sequence in scores.
fn ended(mut d: Diagnostic, model: &Model, classes: Option<usize>) -> Diagnostic {
    let (Some(output), Some(classes)) = (model.output(), classes) else {
        return d
            .advise("end the model in `global_avg_pool -> linear CLASSES` or `flatten -> linear CLASSES`");
    };
    let others = std::mem::take(&mut d.fixes);
    let heads = match output.dims().first() == Some(&classes) {
        true => vec!["global_avg_pool".to_owned()],
        false => ["global_avg_pool", "flatten"].map(|way| format!("{way} -> linear {classes}")).to_vec(),
    };
    // An output like the input may be meant as an image.
    let as_input = model.input.as_ref() == Some(output);
    if as_input {
        d.fixes = others.clone();
    }
    for head in heads {
        let title = format!("put `{head}` after the last layer");
        d = d.replace(title, model.end, format!(" -> {head}"));
    }
    if !as_input {
        d.fixes.extend(others);
    }
    d
}

/// Cross-entropy takes logits.
fn takes_logits(train: &TrainSection) -> bool {
    train.loss.args.word("from").is_ok_and(|from| from == "logits")
}

/// Cross-entropy takes logits, also where a `dropout` or the like stands between the softmax and it.
fn probabilities_at_loss(model: &Model, train: &TrainSection) -> Option<Diagnostic> {
    let is_class = matches!(train.task(), Ok(Task::Classes | Task::Masks));
    let softmax =
        suspicious::softmax_above(model, model.output).filter(|_| is_class && takes_logits(train))?;
    let (softmax, last) = (&model.layers[softmax], model.last().map_or("", |last| last.unit.spec().name));
    // A `log_softmax` gives logits that its repetition does not change.
    if softmax.unit.spec().name != "softmax" {
        return None;
    }
    let message = format!(
        "`loss {}` applies the softmax itself, and there is one before the `{last}` at the model's end",
        train.loss.what.spec().name
    );
    Some(
        Diagnostic::warning(codes::SOFTMAX_INSIDE, softmax.span, message)
            .label("applied here, and again in the loss")
            .advise("remove this `softmax`"),
    )
}

/// A warning for each layer that bounds or drops the scores in front of a loss that takes logits.
fn harmed(model: &Model, train: &TrainSection, removals: &BTreeMap<usize, Fix>) -> Diagnostics {
    if !takes_logits(train) {
        return Diagnostics::new();
    }
    let n_classes = model.output().map_or(1, |output| output.elements());
    let loss = train.loss.what.spec().name;
    let warning = |at: usize| {
        let instance = &model.layers[at];
        let name = instance.unit.spec().name;
        let (what, why) = match suspicious::harm(instance)? {
            Harm::Drops => {
                ("makes some of them 0", "at random in training, sometimes the right class's".to_owned())
            }
            Harm::Below(least) => {
                let why = format!("none falls below {least}, so a wrong class cannot be ruled out");
                ("bounds them", why)
            }
            Harm::Between(least, most) => ("bounds them", between(least, most, n_classes)),
        };
        let message =
            format!("`loss {loss}` takes scores of any size, and `{name}` at the model's end {what}");
        let mut d = Diagnostic::warning(codes::BOUNDED_SCORES, instance.span, message).label(why);
        if instance.span.file == train.loss.span.file {
            d = d.related(train.loss.span, "this loss applies a softmax to them");
        }
        match removals.get(&at).filter(|fix| !fix.edits.is_empty()) {
            Some(fix) => d.fixes.push(fix.clone()),
            None => d = d.advise(format!("remove this `{name}`")),
        }
        Some(d)
    };
    suspicious::endings(model, model.output).into_iter().filter_map(warning).collect()
}

/// What comes of scores from `least` to `most`: the largest share that a softmax of them can give to one class.
fn between(least: f64, most: f64, n_classes: usize) -> String {
    let others = n_classes.saturating_sub(1) as f64;
    let share = 1.0 / (1.0 + others * (least - most).exp());
    format!(
        "they lie between {least} and {most}: none of {n_classes} classes can get more than {:.1} %",
        100.0 * share
    )
}
