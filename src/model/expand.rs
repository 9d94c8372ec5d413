//! The body of a `model` → its layers, with every fault of the text on the way.

use std::collections::BTreeMap;

use crate::diag::{Diagnostic, Diagnostics, Fault, codes, nearest};
use crate::layers::{self, LAYERS, Layer};
use crate::model::{Instance, Model, remedy, solve};
use crate::shape::Shape;
use crate::source::{Sources, Span};
use crate::spec::{self, Args, Kind, Preset, Scope, Spec, positional};
use crate::syntax::ast::{Chain, Link, Statement, Value, ValueKind, Word};

/// The most layers that a model may have.
pub const MAX_LAYERS: usize = 100_000;

static INPUT: Spec = Spec {
    name: "input",
    summary: "the shape of one image",
    docs: "`channels x height x width`. The first line of a model.",
    params: &[positional("shape", Kind::Shape, Preset::Required, "channels x height x width")],
    example: "input 1x28x28",
    elsewhere: &["Input", "InputLayer", "net", "data"],
};

/// Reads `model Name { … }`.
pub fn expand(
    sources: &Sources,
    statement: &Statement,
    scope: &dyn Scope,
    diagnostics: &mut Diagnostics,
) -> Option<Model> {
    let name = model_name(statement, diagnostics)?;
    let Some(block) = &statement.block else {
        diagnostics.push(
            Diagnostic::error(codes::BLOCK_MISUSE, statement.head(), "a model needs its layers in `{ … }`")
                .label("no block follows"),
        );
        return None;
    };
    let model = Model {
        name: name.text.clone(),
        name_span: name.span,
        input: None,
        input_span: name.span,
        layers: Vec::new(),
    };
    let mut expansion = Expansion {
        sources,
        scope,
        diagnostics,
        model,
        counts: BTreeMap::new(),
        shape: None,
        input_seen: false,
    };
    expansion.body(&block.chains);
    if !expansion.input_seen {
        let first = block.chains.first().and_then(|chain| chain.links.first());
        let span = first.map_or(name.span, |link| link.statement.head());
        let message = format!("the model `{}` does not say what its input is", name.text);
        expansion.diagnostics.push(
            Diagnostic::error(codes::MISSING_ARGUMENT, span, message)
                .label("an `input` line must come first")
                .replace(
                    "put `input 1x28x28` in front (channels x height x width)",
                    before(span),
                    "input 1x28x28\n    ",
                ),
        );
    }
    let model = expansion.model;
    if model.layers.is_empty() {
        let message = format!("the model `{}` has no layers", model.name);
        diagnostics.push(Diagnostic::error(codes::MISSING_SECTION, model.name_span, message));
    }
    Some(model)
}

fn before(span: Span) -> Span {
    Span { end: span.start, ..span }
}

fn model_name(statement: &Statement, diagnostics: &mut Diagnostics) -> Option<Word> {
    match statement.arguments.as_slice() {
        [crate::syntax::ast::Argument::Value(Value { kind: ValueKind::Word(text), span })]
            if !text.contains('.') =>
        {
            Some(Word { text: text.clone(), span: *span })
        }
        _ => {
            diagnostics.push(
                Diagnostic::error(
                    codes::MISSING_ARGUMENT,
                    statement.head(),
                    "a model is written `model Name { … }`",
                )
                .label("one name is expected behind `model`"),
            );
            None
        }
    }
}

struct Expansion<'a> {
    sources: &'a Sources,
    scope: &'a dyn Scope,
    diagnostics: &'a mut Diagnostics,
    model: Model,
    /// How many layers of each word there are.
    counts: BTreeMap<&'static str, usize>,
    /// What arrives at the next layer, where it is known.
    shape: Option<Shape>,
    input_seen: bool,
}

impl Expansion<'_> {
    fn body(&mut self, chains: &[Chain]) {
        for chain in chains {
            for (i, link) in chain.links.iter().enumerate() {
                if self.model.layers.len() >= MAX_LAYERS {
                    let message = format!("this model has more than {MAX_LAYERS} layers");
                    self.diagnostics.push(Diagnostic::error(
                        codes::EXPANSION,
                        link.statement.head(),
                        message,
                    ));
                    return;
                }
                self.statement(chain, i);
                self.assertion(link);
            }
        }
    }

    fn statement(&mut self, chain: &Chain, link: usize) {
        let statement = &chain.links[link].statement;
        let word = statement.word.text.as_str();
        if word == INPUT.name {
            self.input(statement);
        } else if let Some(layer) = layers::find(word) {
            if let Some(block) = &statement.block {
                self.diagnostics.push(
                    Diagnostic::error(codes::BLOCK_MISUSE, block.span, format!("`{word}` takes no block"))
                        .label("a layer is one line"),
                );
            }
            match spec::resolve(
                layer.spec(),
                &statement.word,
                &statement.arguments,
                self.scope,
                self.diagnostics,
            ) {
                Some(args) => self.layer(layer, args, chain, link),
                None => self.shape = None,
            }
        } else {
            self.diagnostics.push(unknown_layer(&statement.word));
            self.shape = None;
        }
    }

    fn input(&mut self, statement: &Statement) {
        let args = spec::resolve(&INPUT, &statement.word, &statement.arguments, self.scope, self.diagnostics);
        if self.input_seen || !self.model.layers.is_empty() {
            let (message, label) = match self.input_seen {
                true => ("a model has one `input`", "a second one"),
                false => ("`input` comes before every layer", "layers stand above it"),
            };
            let d = Diagnostic::error(codes::MISPLACED, statement.head(), message).label(label);
            self.diagnostics.push(match self.input_seen {
                true => d.related(self.model.input_span, "the first one").replace(
                    "remove it",
                    statement.head(),
                    "",
                ),
                false => d,
            });
            self.input_seen = true;
            return;
        }
        self.input_seen = true;
        let shape = args.as_ref().and_then(|args| args.shape("shape").ok());
        self.model.input = shape.cloned();
        self.model.input_span = args.as_ref().and_then(|args| args.span("shape")).unwrap_or(statement.head());
        self.shape = shape.cloned();
    }

    fn layer(&mut self, layer: &'static dyn Layer, args: Args, chain: &Chain, link: usize) {
        let statement = &chain.links[link].statement;
        let count = self.counts.entry(layer.spec().name).or_default();
        *count += 1;
        let name = format!("{}_{count}", layer.spec().name);
        let input = self.shape.take();
        let mut inferred = None;
        let mut output = None;
        match input.as_ref().map(|input| (input, infer(layer, &args, input))) {
            None => {}
            Some((_, Ok(found))) => {
                for warning in &found.warnings {
                    let d = remedy::locate(warning, &args, chain, link);
                    self.diagnostics.push(d);
                }
                output = Some(found.output.clone());
                inferred = Some(found);
            }
            Some((input, Err(fault))) => {
                let mut d = remedy::locate(&fault, &args, chain, link);
                d.notes.extend(self.trace(input));
                if fault.code == codes::WINDOW_TOO_LARGE
                    && let Some(needed) = solve::smallest_input(&self.model, layer, &args)
                {
                    let title = format!("an input of at least {needed}");
                    d = d.replace(title, self.model.input_span, needed.to_string());
                }
                self.diagnostics.push(d);
                output = fault.assume;
            }
        }
        self.shape.clone_from(&output);
        self.model.layers.push(Instance {
            layer,
            name,
            args,
            input,
            inferred,
            output,
            span: statement.head(),
        });
    }

    fn assertion(&mut self, link: &Link) {
        let Some(asserted) = &link.assertion else { return };
        let ValueKind::Extent(dims) = &asserted.kind else { return };
        let dims: Option<Vec<usize>> = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
        let Some(said) = dims.map(Shape).filter(|shape| shape.checked_elements().is_some_and(|n| n > 0))
        else {
            let message = "this is not a shape: every extent is at least 1, and their product must fit";
            self.diagnostics.push(Diagnostic::error(codes::ASSERTION, asserted.span, message));
            return;
        };
        let Some(shape) = &self.shape else {
            // Behind a fault the assertion says how to go on.
            if let Some(last) = self.model.layers.last_mut() {
                last.output = Some(said.clone());
            }
            self.shape = Some(said);
            return;
        };
        if *shape != said {
            let message = format!("`{}` gives {shape}, not {said}", link.statement.word.text);
            let mut d = Diagnostic::error(codes::ASSERTION, asserted.span, message)
                .label(format!("it is {shape}"))
                .related(link.statement.head(), "this layer")
                .replace(format!("write `: {shape}`"), asserted.span, shape.to_string());
            d.notes.extend(self.trace(shape));
            self.diagnostics.push(d);
        }
    }

    /// How the shape that arrives arose: one line for each layer above that changed it.
    fn trace(&self, arriving: &Shape) -> Vec<String> {
        const SHOWN: usize = 10;
        let row = |instance: &Instance| {
            let text: String = self.sources.slice(instance.span).chars().take(48).collect();
            Some((self.sources.line(instance.span), text, instance.change()?))
        };
        let mut rows: Vec<(usize, String, String)> = self.model.layers.iter().filter_map(row).collect();
        let left_out = rows.len().saturating_sub(SHOWN);
        rows.drain(..left_out);
        let mut trace = vec![format!("how {arriving} arose:")];
        if let Some(input) = &self.model.input {
            rows.insert(0, (self.sources.line(self.model.input_span), "input".to_owned(), input.to_string()));
        }
        let width = rows.iter().map(|(_, text, _)| text.chars().count()).max().unwrap_or(0);
        for (i, (line, text, change)) in rows.iter().enumerate() {
            if i == 1 && left_out > 0 {
                trace.push(format!("          … {left_out} more lines …"));
            }
            trace.push(format!("line {line:>3}  {text:<width$}   {change}"));
        }
        trace
    }
}

/// A layer's own inference, and the limits that hold for every layer.
fn infer(layer: &'static dyn Layer, args: &Args, input: &Shape) -> Result<layers::Inferred, Fault> {
    let inferred = layer.infer(args, input)?;
    let too_big = |what: &str, shape: &Shape| {
        Fault::new(
            codes::TOO_BIG,
            format!(
                "the {what} of `{}` would have the shape {shape}: more than {} elements",
                layer.spec().name,
                crate::shape::MAX_ELEMENTS
            ),
        )
        .label("too large to compute")
    };
    if inferred.output.checked_elements().is_none() {
        return Err(too_big("output", &inferred.output));
    }
    match inferred.parameters.iter().find(|p| p.shape.checked_elements().is_none()) {
        Some(parameter) => Err(too_big(parameter.name, &parameter.shape)),
        None => Ok(inferred),
    }
}

fn unknown_layer(word: &Word) -> Diagnostic {
    let text = word.text.as_str();
    let d = Diagnostic::error(codes::UNKNOWN_WORD, word.span, format!("there is no layer called `{text}`"));
    let elsewhere = LAYERS.iter().map(|layer| layer.spec()).find(|spec| spec.elsewhere.contains(&text));
    if let Some(spec) = elsewhere {
        return d
            .label(format!("it is called `{}` here", spec.name))
            .note(format!("it is written: {}", spec::usage(spec)))
            .replace(format!("write `{}`", spec.name), word.span, spec.name);
    }
    let known = LAYERS.iter().map(|layer| layer.spec().name).chain([INPUT.name]);
    match nearest(text, known) {
        Some(near) => {
            d.label(format!("did you mean `{near}`?")).replace(format!("write `{near}`"), word.span, near)
        }
        None => d.label("not a layer").note(format!(
            "layers: {}",
            LAYERS.iter().map(|layer| layer.spec().name).collect::<Vec<_>>().join(", ")
        )),
    }
}
