//! The body of a `model` → its layers in the order of the wire, with every fault of the text on the way. Blocks
//! are put in where they are used, loops unrolled, conditions decided; the result is flat.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::diag::{Diagnostic, Diagnostics, Fault, Fix, codes, has_errors};
use crate::layers::joins;
use crate::layers::{self, Inferred, Layer};
use crate::model::auxiliary::AUXILIARY;
use crate::model::definitions::{Block, Definitions};
use crate::model::inputs::FROM;
use crate::model::naming::{Names, Naming};
use crate::model::outputs::OUTPUT;
use crate::model::passing::Passing;
use crate::model::scope::{Flow, Frame, Named, Visible};
use crate::model::sharing::{SHARE, Shareable};
use crate::model::unknown::not_given;
use crate::model::{Instance, Model, Unit, Wire, remedy, solve};
use crate::model::{dropped, suspicious};
use crate::shape::Shape;
use crate::source::{Sources, Span};
use crate::spec::{self, Args, Kind, Preset, Scope, Spec, positional};
use crate::syntax::ast::{Chain, Link, Statement, Value, ValueKind, Word};

/// The most layers that a model may have.
pub const MAX_LAYERS: usize = 100_000;
/// The most statements that are read while a model is expanded, loops and blocks counted each time.
pub const MAX_STATEMENTS: usize = 1_000_000;
/// How deep blocks may use each other.
pub const MAX_CALLS: usize = 64;
/// Bytes of a statement, and of a layer's name, that count as one more statement.
const LONG_STATEMENT: usize = 128;
const LONG_NAME: usize = 64;
/// The most findings of one model that are reported.
const MAX_FINDINGS: usize = 200;
/// The most findings that are made before expansion stops, those that come again in loops and blocks counted each
/// time: making one takes far longer than reading a statement.
const MAX_REPORTS: usize = 2_000;
/// The most layers of one model that are inferred in search of inputs that would fit.
const MAX_SEARCHED: usize = 20_000;

pub static INPUT: Spec = Spec {
    name: "input",
    summary: "the shape of one image",
    docs: "`channels x height x width`; of a sequence `channels x length`, of a volume or a video `channels x depth x height x \
           width`. The first line of a model.",
    params: &[positional("shape", Kind::Shape, Preset::Required, "channels x height x width")],
    example: "input 1x28x28",
    elsewhere: &["Input", "InputLayer", "net", "data"],
};

/// A model, and what became of its text.
pub struct Expanded {
    pub model: Model,
    pub passing: Passing,
    /// The blocks that it uses, directly or through others.
    pub used: BTreeSet<String>,
    /// Edits that leave out what bounds or drops the model's scores, by its place in the model.
    pub removals: BTreeMap<usize, Fix>,
}

/// Expands a model; its parameters take their defaults.
pub fn expand(
    sources: &Sources,
    definitions: &Definitions<'_>,
    block: &Block<'_>,
    diagnostics: &mut Diagnostics,
) -> Expanded {
    let name = &block.name;
    // Most models are one body, and most of its statements one layer.
    let n_statements = block.body.iter().map(|chain| chain.links.len()).sum::<usize>().min(MAX_LAYERS);
    let mut expansion = Expansion {
        sources,
        definitions,
        diagnostics: Vec::new(),
        model: Model {
            name: name.text.clone(),
            name_span: name.span,
            input: None,
            input_span: name.span,
            inputs: Vec::new(),
            layers: Vec::with_capacity(n_statements),
            end: remedy::end(block.body).unwrap_or(name.span.after()),
            output: Wire::INPUT,
            output_shape: None,
            outputs: Vec::new(),
            auxiliaries: Vec::new(),
        },
        passing: Passing::with_capacity(n_statements),
        naming: Naming::default(),
        frames: vec![Frame { closed: true, ..Frame::default() }],
        calls: Vec::new(),
        head: None,
        shareable: Vec::new(),
        is_sharing: false,
        flow: Flow { wire: Wire::INPUT, shape: None },
        input_seen: false,
        statements: 0,
        reports: 0,
        traces: 0,
        search: MAX_SEARCHED,
        used: BTreeSet::new(),
        placed: Vec::new(),
        stopped: false,
    };
    expansion.bind_parameters(block, &[], block.statement.head());
    expansion.chains(block.body);
    expansion.ends_alike();
    expansion.unused_inputs();
    let is_sound = !has_errors(&expansion.diagnostics);
    if !expansion.input_seen {
        let first = block.body.first().and_then(|chain| chain.links.first());
        let span = first.map_or(name.span, |link| link.statement.head());
        let message = format!("the model `{}` does not declare its input", name.text);
        let front = Span { end: span.start, ..span };
        expansion.report(
            Diagnostic::error(codes::MISSING_ARGUMENT, span, message)
                .label("an `input` line must come first")
                .replace(
                    "put `input 1x28x28` first (channels x height x width)",
                    front,
                    "input 1x28x28\n    ",
                ),
        );
    }
    expansion.pop_frame();
    let inside = suspicious::softmax_inside(&expansion.model);
    let removals = expansion.removals(inside.keys().copied());
    for (at, user) in inside {
        let warning = suspicious::probabilities(&expansion.model, at, user, removals.get(&at));
        expansion.report(warning);
    }
    if is_sound {
        dropped::find(&expansion.model, expansion.flow.wire).into_iter().for_each(|d| expansion.report(d));
    }
    let removals = expansion.removals(suspicious::endings(&expansion.model, expansion.flow.wire));
    diagnostics.append(&mut expansion.diagnostics);
    let Flow { wire, shape } = expansion.flow.clone();
    let Expansion { mut model, passing, used, .. } = expansion;
    (model.output, model.output_shape) = (wire, shape);
    // A layer that has its own error is not missing.
    if model.layers.is_empty() && is_sound {
        let message = format!("the model `{}` has no layers", model.name);
        diagnostics.push(Diagnostic::error(codes::MISSING_SECTION, model.name_span, message));
    }
    Expanded { model, passing, used, removals }
}

/// A block that is being put in.
pub(super) struct Call {
    pub name: String,
    /// Where it is used.
    pub span: Span,
    /// Whether it is a model, which takes what arrives in place of its own input.
    pub is_model: bool,
    /// Whether the shapes that it asserts are those of other values or another input.
    pub is_changed: bool,
    /// The shape that it takes.
    pub arriving: Option<Shape>,
    /// How many frames there are on the lines of its body.
    pub depth: usize,
}

pub(super) struct Expansion<'a> {
    pub sources: &'a Sources,
    pub definitions: &'a Definitions<'a>,
    diagnostics: Diagnostics,
    pub model: Model,
    passing: Passing,
    pub(super) naming: Naming,
    pub frames: Vec<Frame>,
    pub calls: Vec<Call>,
    /// The head that is being put in, and its word.
    pub head: Option<(Span, String)>,
    pub(super) shareable: Vec<Shareable<'a>>,
    /// Whether the layers that are put in have the weights of others.
    pub is_sharing: bool,
    /// What arrives at the next statement.
    pub flow: Flow,
    pub(super) input_seen: bool,
    statements: usize,
    reports: usize,
    /// How many findings have told how a shape arose.
    pub(super) traces: usize,
    /// What is left of [`MAX_SEARCHED`].
    pub(super) search: usize,
    pub used: BTreeSet<String>,
    /// Each layer's place in the model, and its link in a chain of the text.
    placed: Vec<(usize, &'a Chain, usize)>,
    /// A bound was reached: nothing more is expanded.
    pub stopped: bool,
}

impl<'a> Expansion<'a> {
    /// Adds a finding. Inside a block it is reported once, with the uses that lead to it.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        const SHOWN_USES: usize = 3;
        let Some(mut diagnostic) = self.where_used(diagnostic, &self.diagnostics) else { return };
        // The file of a model that is a layer here is left alone: others use it, too.
        if self.calls.iter().any(|call| call.is_model) {
            let home = self.model.name_span.file;
            diagnostic.fixes.retain(|fix| fix.edits.iter().all(|(span, _)| span.file == home));
        }
        self.reports += 1;
        if self.reports == MAX_REPORTS {
            let message = format!(
                "this model has more than {MAX_REPORTS} findings (those in loops count each time); expansion stops here"
            );
            self.diagnostics.push(Diagnostic::error(codes::EXPANSION, diagnostic.primary.span, message));
            self.stopped = true;
        }
        let outermost = self.calls.first().filter(|call| call.span != diagnostic.primary.span);
        let uses = outermost.map(|call| (call.span, call.name.clone()));
        let same =
            |d: &&mut Diagnostic| d.code == diagnostic.code && d.primary.span == diagnostic.primary.span;
        if let Some(known) = self.diagnostics.iter_mut().find(same) {
            if let Some((span, name)) = uses
                && known.related.len() < SHOWN_USES
                && !known.related.iter().any(|label| label.span == span)
            {
                known.related.push(crate::diag::Label { span, text: format!("and through this `{name}`") });
            }
            return;
        }
        if self.diagnostics.len() >= MAX_FINDINGS {
            return;
        }
        let diagnostic = match uses {
            Some((span, name)) => diagnostic.related(span, format!("through this `{name}`")),
            None => diagnostic,
        };
        self.diagnostics.push(diagnostic);
    }

    /// Whether a finding need not be explained: it was reported before, from another use of its block or another turn of
    /// its loop, or there are as many as are reported.
    pub(super) fn is_explained(&self, diagnostic: &Diagnostic) -> bool {
        let span = self.told_at(diagnostic.primary.span);
        let same = |d: &Diagnostic| d.code == diagnostic.code && d.primary.span == span;
        self.diagnostics.len() >= MAX_FINDINGS || self.diagnostics.iter().any(same)
    }

    /// Counts work that takes as long as reading so many statements.
    pub fn spend(&mut self, n_statements: usize) {
        self.statements = self.statements.saturating_add(n_statements);
    }

    pub fn error(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) {
        self.report(Diagnostic::error(code, span, message).label(label));
    }

    pub fn visible(&self) -> Visible<'_> {
        Visible { definitions: self.definitions, frames: &self.frames, arriving: self.flow.shape.as_ref() }
    }

    /// Checks arguments against a declaration in the scope of this place.
    pub(super) fn resolve(&mut self, spec: &'static Spec, statement: &Statement) -> Option<Args> {
        let mut found = Diagnostics::new();
        let args = spec::resolve(spec, &statement.word, &statement.arguments, &self.visible(), &mut found);
        found.into_iter().for_each(|d| self.report(d));
        args
    }

    /// A value with names and arithmetic worked out.
    pub fn evaluate(&mut self, value: &Value) -> Option<Value> {
        match spec::evaluate(value, &self.visible()).map(Cow::into_owned) {
            Ok(value) => {
                if let ValueKind::List(items) = &value.kind {
                    self.spend(items.len());
                }
                Some(value)
            }
            Err(diagnostic) => {
                self.report(*diagnostic);
                None
            }
        }
    }

    /// Reads a body in a frame of its own.
    pub fn body(&mut self, chains: &'a [Chain]) {
        self.frames.push(Frame::default());
        self.chains(chains);
        self.pop_frame();
    }

    /// Leaves a frame; names that nothing used are worth a warning.
    pub fn pop_frame(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        for (name, named) in frame.flows.iter().filter(|(_, named)| !named.used) {
            let d =
                Diagnostic::warning(codes::UNUSED, named.span, format!("the name `{name}` is never used"))
                    .label("no join uses this value")
                    .replace("remove the name", named.whole, "");
            self.report(d);
        }
    }

    fn chains(&mut self, chains: &'a [Chain]) {
        let mut previous: Option<&'a Statement> = None;
        for chain in chains {
            for (i, link) in chain.links.iter().enumerate() {
                if self.stopped {
                    return;
                }
                self.spend(1 + length(&link.statement) / LONG_STATEMENT);
                if self.model.layers.len() > MAX_LAYERS || self.statements > MAX_STATEMENTS {
                    let message = format!(
                        "this model grows beyond {MAX_LAYERS} layers or {MAX_STATEMENTS} statements; expansion stops here"
                    );
                    self.error(codes::EXPANSION, link.statement.head(), message, "the limit is reached here");
                    self.stopped = true;
                    return;
                }
                let before = self.model.layers.len();
                if let Some(alias) = &link.alias {
                    self.naming.give(&alias.text);
                }
                let given = self.naming.given();
                self.statement(chain, i, previous);
                self.naming.end_statement();
                let layers = before..self.model.layers.len();
                self.alias(link, layers.clone());
                self.keep_shareable(chain, i, given, layers.clone());
                self.passing.note(&link.statement, self.flow.shape.as_ref(), layers);
                self.assertion(link);
                previous = Some(&link.statement);
            }
        }
    }

    pub(super) fn statement(&mut self, chain: &'a Chain, link: usize, previous: Option<&'a Statement>) {
        let statement = &chain.links[link].statement;
        let text = self.meaning(&statement.word);
        let word = text.as_ref();
        if word == INPUT.name {
            self.input(statement);
        } else if word == SHARE {
            self.share(statement);
        } else if word == FROM {
            self.go_on_from(statement, previous.is_none());
        } else if word == AUXILIARY.name {
            self.auxiliary(statement);
        } else if word == OUTPUT.name {
            self.output(statement);
        } else if self.control(word, statement, previous) {
        } else if let Some(layer) = layers::find(word) {
            self.no_block(statement);
            match self.resolve(layer.spec(), statement) {
                Some(args) => self.layer(layer, args, chain, link),
                None => self.flow.shape = None,
            }
        } else if let Some(join) = joins::find(word) {
            self.join_statement(join, statement);
        } else if let Some(block) = self.definitions.callable(word) {
            self.no_block(statement);
            self.call(block, statement);
        } else if self.value_as_layer(&statement.word) {
        } else {
            let d = match self.calls.last().filter(|_| word != statement.word.text) {
                Some(call) => not_given(call, &statement.word, word),
                None => self.unknown(&statement.word, word),
            };
            self.report(d);
            self.flow.shape = None;
        }
    }

    /// A statement's word; a parameter that stands for a word (`act=relu`) means that word.
    pub(super) fn meaning<'w>(&self, word: &'w Word) -> Cow<'w, str> {
        match self.visible().lookup(&word.text) {
            Some(ValueKind::Word(meant)) => Cow::Owned(meant),
            _ => Cow::Borrowed(&word.text),
        }
    }

    pub fn no_block(&mut self, statement: &Statement) {
        if let Some(block) = &statement.block {
            let message = format!("`{}` takes no block", statement.word.text);
            self.error(codes::BLOCK_MISUSE, block.span, message, "a layer is one line");
        }
    }

    pub(super) fn input(&mut self, statement: &Statement) {
        if self.named_input(statement) {
            return;
        }
        let args = self.resolve(&INPUT, statement);
        if self.model_as_layer().is_some() {
            return self.input_of_layer(args.as_ref());
        }
        let inside = self.frames.len() > 1;
        if inside || self.input_seen || !self.model.layers.is_empty() {
            let (message, label) = match (inside, self.input_seen) {
                (true, _) => ("`input` belongs at the top of a model", "not inside a block"),
                (false, true) => ("a model has one `input`", "a second one"),
                (false, false) => ("`input` comes before every layer", "there are layers above it"),
            };
            let d = Diagnostic::error(codes::MISPLACED, statement.head(), message).label(label);
            self.report(match self.input_seen {
                true => d.related(self.model.input_span, "the first one").drop("remove it", statement.head()),
                false => d,
            });
            self.input_seen = true;
            return;
        }
        self.input_seen = true;
        let shape = args.as_ref().and_then(|args| args.shape("shape").ok());
        self.model.input = shape.cloned();
        self.model.input_span = args.as_ref().and_then(|args| args.span("shape")).unwrap_or(statement.head());
        self.flow = Flow { wire: Wire::INPUT, shape: shape.cloned() };
    }

    /// The model that is used as a layer, on the lines of its own body.
    pub(super) fn model_as_layer(&self) -> Option<&Call> {
        self.calls.last().filter(|call| call.is_model && call.depth == self.frames.len())
    }

    /// What a layer or join of this word is called here.
    pub fn names(&mut self, word: &str) -> Names {
        let names = self.naming.layer(word);
        self.spend((names.name.len() + names.stream.len()) / LONG_NAME);
        names
    }

    /// Counts the making of a name behind the path at hand.
    pub fn spend_name(&mut self) {
        self.spend(self.naming.depth() / LONG_NAME);
    }

    /// Edits that leave out layers at these places in the model: those that the text puts in once.
    fn removals(&self, places: impl IntoIterator<Item = usize>) -> BTreeMap<usize, Fix> {
        let removal = |place: usize| {
            let found = self.placed.binary_search_by_key(&place, |(at, _, _)| *at).ok()?;
            let (_, chain, link) = self.placed[found];
            let passed = self.passing.of(&chain.links[link].statement)?;
            (passed.n_times == 1).then(|| (place, remedy::removal(chain, link)))
        };
        places.into_iter().filter_map(removal).collect()
    }

    fn layer(&mut self, layer: &'static dyn Layer, args: Args, chain: &'a Chain, link: usize) {
        let statement = &chain.links[link].statement;
        let Names { name, stream } = self.names(layer.spec().name);
        self.placed.push((self.model.layers.len(), chain, link));
        let Flow { wire, shape: input } = self.flow.clone();
        let (mut inferred, mut output) = (None, None);
        match input.as_ref().map(|input| (input, infer(layer, &args, input))) {
            None => {}
            Some((_, Ok(found))) => {
                // Who asserts the shape knows what is left out.
                let asserted = chain.links[link..].iter().any(|link| link.assertion.is_some());
                for warning in
                    found.warnings.iter().filter(|w| !(asserted && w.code == codes::DROPPED_PIXELS))
                {
                    self.report(remedy::locate(warning, &args, chain, link));
                }
                output = Some(found.output.clone());
                inferred = Some(found);
            }
            Some((input, Err(fault))) => {
                let fault = self.as_asserted(fault, layer, &args, &chain.links[link]);
                let mut d = remedy::locate(&fault, &args, chain, link);
                d.fixes.extend(self.remedies_at_use(&fault.remedies, d.primary.span, input));
                if fault.code == codes::WRONG_RANK && d.fixes.is_empty() {
                    d = d.advise(self.other_rank(wire));
                }
                if !self.is_explained(&d) {
                    d.notes.extend(self.trace(&[(wire, input)], d.primary.span));
                    let needed = (fault.code == codes::WINDOW_TOO_LARGE)
                        .then(|| solve::smallest_input(&self.model, layer, &args, wire, &mut self.search));
                    if let Some(needed) = needed.flatten() {
                        let title = format!("a larger input, such as {needed}");
                        d = d.replace(title, self.model.input_span, needed.to_string());
                    }
                }
                self.report(d);
                output = fault.assume;
            }
        }
        let unit = Unit::Layer(layer);
        self.push(Instance {
            unit,
            name,
            stream,
            args,
            inputs: vec![wire],
            input,
            inferred,
            shared: Vec::new(),
            output,
            span: statement.head(),
        });
    }

    /// What to do where a value has another rank than the next layer needs.
    fn other_rank(&self, wire: Wire) -> String {
        let mut at = wire.layer();
        while let Some(layer) = at.and_then(|at| self.model.layers.get(at)) {
            let ranks = [&layer.input, &layer.output].map(|shape| shape.as_ref().map(Shape::rank));
            if ranks[0] != ranks[1] {
                return format!("move this layer before the `{}` above", layer.unit.spec().name);
            }
            at = layer.inputs.first().and_then(|wire| wire.layer());
        }
        "change the `input` of the model to what this layer needs".to_owned()
    }

    pub(super) fn push(&mut self, mut instance: Instance) {
        let shape = instance.output.clone();
        if let (true, Some(inferred)) = (self.is_sharing, &mut instance.inferred) {
            instance.shared = std::mem::take(&mut inferred.parameters);
        }
        self.model.layers.push(instance);
        self.flow = Flow { wire: Wire::of_layer(self.model.layers.len() - 1), shape };
    }

    /// Takes up what `as` calls the value of a link, and with it the layers that the link put in.
    fn alias(&mut self, link: &Link, layers: Range<usize>) {
        let Some(name) = &link.alias else { return };
        let flow = self.flow.clone();
        // Weights are called by it; those of a head may be left out here.
        let used = [AUXILIARY.name, OUTPUT.name].contains(&link.statement.word.text.as_str())
            || self.model.layers[layers].iter().any(Instance::has_states);
        let Some(frame) = self.frames.last_mut() else { return };
        let whole = link.statement.span.after().to(name.span);
        let named = Named { flow, span: name.span, whole, used };
        if let Some(first) = frame.flows.insert(name.text.clone(), named) {
            let d =
                Diagnostic::error(codes::NAME_CLASH, name.span, format!("`{}` names two values", name.text))
                    .label("named again here")
                    .related(first.span, "first named here");
            self.report(d);
        }
    }
}

/// Bytes of a statement, its block aside.
fn length(statement: &Statement) -> usize {
    let last = statement.arguments.last().map_or(statement.word.span, |argument| argument.span());
    // An argument given by `--set` lies elsewhere.
    last.end.saturating_sub(statement.word.span.start) as usize
}

/// A layer's own inference, and the limits that hold for every layer.
fn infer(layer: &'static dyn Layer, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
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
