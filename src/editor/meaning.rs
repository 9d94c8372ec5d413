//! Every word of a file → what it means there: a word of the language with its declaration, or a name with the place
//! that defines it. One walk over the tree with the scopes of `model::scope`, which hovers, tokens, completion,
//! references and renaming share.

use std::collections::{HashMap, HashSet};

use crate::diag::Diagnostics;
use crate::editor::Program;
use crate::editor::defined::{Name, NameKind, head, parameter, statements};
use crate::editor::sections;
use crate::experiment::{SECTIONS, definitions};
use crate::layers;
use crate::layers::joins;
use crate::model::auxiliary::EDGES;
use crate::model::definitions::{Block, CONTROL, Definitions, Origin};
use crate::model::expand::INPUT;
use crate::model::scope::ARRIVING;
use crate::source::{FileId, Span};
use crate::spec::{Kind, Param, Spec};
use crate::syntax::ast::{Argument, Ast, Chain, Expression, Link, Statement, Value, ValueKind, Word};

/// What one word means.
#[derive(Clone, Copy)]
pub enum What {
    /// A section or a statement of the language: `model`, `repeat`, `in` of a loop.
    Keyword,
    /// A layer, a join or `input`.
    Layer(&'static Spec),
    /// The word of a line in `data`, `augment` or `train`.
    Setting(&'static Spec),
    /// The name behind such a word: `adam`.
    Choice(&'static Spec),
    /// The key of `key=value`.
    Key(&'static Spec, &'static Param),
    /// A word that an argument takes as its value, such as `same`.
    Word(&'static Param),
    /// `true` and `false`.
    Bool,
    /// A line of `expect`.
    Quantity,
    /// `in.channels` and its like.
    Arriving,
    /// A quoted text; the path of a `use` among them.
    Text,
    /// Place of a name in [`Meanings::names`].
    Name(usize),
    Unknown,
}

/// A word or text of the file.
#[derive(Clone, Copy)]
pub struct Meaning {
    pub span: Span,
    pub what: What,
}

/// The words of some files of a program.
pub struct Meanings<'a> {
    /// In the order of the text.
    pub words: Vec<Meaning>,
    pub names: Vec<Name<'a>>,
    pub definitions: Definitions<'a>,
}

/// What can be named at some place: places in [`Meanings::names`], the innermost first.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Constants, parameters, loop variables.
    pub values: Vec<usize>,
    /// `as` names.
    pub flows: Vec<usize>,
}

impl<'a> Meanings<'a> {
    /// The words of the program's own file.
    pub fn of(program: &'a Program) -> Meanings<'a> {
        walk(program, &[&program.checked.ast], None).0
    }

    /// The words of the file and of all that it uses, but the library.
    pub fn of_all(program: &'a Program) -> Meanings<'a> {
        let asts: Vec<&Ast> = program.checked.imports.files.iter().chain([&program.checked.ast]).collect();
        let mut meanings = walk(program, &asts, None).0;
        meanings.words.sort_by_key(|word| word.span);
        meanings
    }

    /// The words of the program's own file, and what can be named at a place in it.
    pub fn at(program: &'a Program, offset: usize) -> (Meanings<'a>, Scope) {
        walk(program, &[&program.checked.ast], Some(offset as u32))
    }

    /// The word under or just before a place.
    pub fn find(&self, file: FileId, offset: usize) -> Option<&Meaning> {
        let offset = offset as u32;
        let after = self.words.partition_point(|word| (word.span.file, word.span.start) <= (file, offset));
        let word = &self.words[after.checked_sub(1)?];
        (word.span.file == file && word.span.end >= offset).then_some(word)
    }
}

fn walk<'a>(program: &'a Program, asts: &[&'a Ast], probe: Option<u32>) -> (Meanings<'a>, Scope) {
    let checked = &program.checked;
    let definitions = definitions(&checked.ast, &checked.imports, &mut Diagnostics::new());
    let mut walker = Walker {
        meanings: Meanings { words: Vec::new(), names: Vec::new(), definitions: Definitions::default() },
        known: HashMap::new(),
        blocks: HashMap::new(),
        models: HashMap::new(),
        constants: HashMap::new(),
        ends: HashMap::new(),
        frames: Vec::new(),
        probe,
        scope: None,
    };
    walker.globals(&definitions, checked.imports.files.iter().chain([&checked.ast]));
    asts.iter().for_each(|ast| walker.file(ast));
    let scope = walker.scope.take().unwrap_or_else(|| walker.snapshot());
    let mut meanings = walker.meanings;
    meanings.words.sort_by_key(|word| word.span);
    meanings.definitions = definitions;
    (meanings, scope)
}

#[derive(Default)]
struct Frame<'a> {
    values: HashMap<&'a str, usize>,
    flows: HashMap<&'a str, usize>,
    /// Whether names of the frames below are hidden.
    closed: bool,
}

pub(super) struct Walker<'a> {
    meanings: Meanings<'a>,
    /// Names by the place that defines them.
    known: HashMap<Span, usize>,
    blocks: HashMap<&'a str, BlockName<'a>>,
    /// Those that a file may take from the files it uses.
    models: HashMap<&'a str, BlockName<'a>>,
    constants: HashMap<&'a str, usize>,
    /// The named inputs and outputs of models, which other sections call by these names.
    pub(super) ends: HashMap<&'a str, usize>,
    frames: Vec<Frame<'a>>,
    probe: Option<u32>,
    scope: Option<Scope>,
}

#[derive(Clone)]
struct BlockName<'a> {
    name: usize,
    /// Names of the parameters, in order.
    parameters: Vec<(&'a str, usize)>,
}

impl<'a> Walker<'a> {
    /// Puts a name in the list, once for each place that defines one.
    fn name(&mut self, name: Name<'a>) -> usize {
        let names = &mut self.meanings.names;
        *self.known.entry(name.span).or_insert_with(|| {
            names.push(name);
            names.len() - 1
        })
    }

    /// The names that hold everywhere: the first definition of each, the library's only where there is no other.
    fn globals(&mut self, definitions: &Definitions<'a>, asts: impl Iterator<Item = &'a Ast>) {
        let mut chosen: Vec<&Block<'a>> = definitions.blocks.values().collect();
        chosen.sort_by_key(|block| (block.origin != Origin::Library, block.name.span));
        for block in chosen {
            let Some((text, name)) = self.with_parameters(NameKind::Block, block.statement) else { continue };
            self.blocks.insert(text, name);
        }
        let all: Vec<&Statement> = asts.flat_map(statements).collect();
        for statement in
            all.iter().filter(|statement| statement.word.text == "model" && statement.block.is_some())
        {
            let Some((text, name)) = self.with_parameters(NameKind::Model, statement) else { continue };
            self.models.entry(text).or_insert(name);
        }
        for ((text, span), statement) in sections::ends(all.iter().copied()) {
            let name = self.define(NameKind::Value, (text, span), None, statement);
            self.ends.entry(text).or_insert(name);
        }
        for statement in all.into_iter().filter(|statement| statement.word.text == "let") {
            for argument in &statement.arguments {
                let Argument::Property { key, value } = argument else { continue };
                let word = (key.text.as_str(), key.span);
                let name = self.define(NameKind::Constant, word, Some(value), statement);
                self.constants.entry(&key.text).or_insert(name);
            }
        }
    }

    /// A definition's name, and those of its parameters.
    fn with_parameters(
        &mut self,
        kind: NameKind,
        statement: &'a Statement,
    ) -> Option<(&'a str, BlockName<'a>)> {
        let ((text, span), parameters) = head(statement)?;
        let name = self.define(kind, (text, span), None, statement);
        let parameters = parameters.iter().filter_map(parameter).map(|(text, span, value)| {
            (text, self.define(NameKind::Parameter, (text, span), value, statement))
        });
        Some((text, BlockName { name, parameters: parameters.collect() }))
    }

    fn define(
        &mut self,
        kind: NameKind,
        (text, span): (&'a str, Span),
        value: Option<&'a Value>,
        statement: &'a Statement,
    ) -> usize {
        self.name(Name { kind, text, span, value, statement })
    }

    pub(super) fn tell(&mut self, span: Span, what: What) {
        self.meanings.words.push(Meaning { span, what });
    }

    fn file(&mut self, ast: &'a Ast) {
        for statement in statements(ast) {
            self.look(statement);
            let word = statement.word.text.as_str();
            let keyword = if SECTIONS.contains(&word) { What::Keyword } else { What::Unknown };
            self.tell(statement.word.span, keyword);
            match word {
                "model" if statement.block.is_none() => self.choice(statement),
                "block" | "model" => self.definition(statement),
                "let" => self.constants(statement),
                "data" | "train" | "expect" => self.section(word, statement),
                _ => {
                    self.arguments(&statement.arguments);
                    self.blocks_of(statement);
                }
            }
        }
    }

    /// Keeps what is visible, if the place that is asked for lies in or before the head of this statement.
    pub(super) fn look(&mut self, statement: &Statement) {
        let Some(probe) = self.probe else { return };
        let inside = std::iter::once(statement).chain(&statement.clauses).filter_map(|s| s.block.as_ref());
        let within = |span: Span| span.start < probe && probe < span.end;
        if self.scope.is_none() && probe <= statement.span.end && !{ inside }.any(|b| within(b.span)) {
            self.scope = Some(self.snapshot());
        }
    }

    fn snapshot(&self) -> Scope {
        let closed = self.frames.iter().rposition(|frame| frame.closed).unwrap_or(0);
        let frames = || self.frames.iter().skip(closed).rev();
        let sorted = |maps: Vec<&HashMap<&str, usize>>| {
            let mut found: Vec<usize> = Vec::new();
            let mut seen: HashSet<&str> = HashSet::new();
            for map in maps {
                let new = map.iter().filter(|(text, _)| seen.insert(text));
                let mut names: Vec<(&str, usize)> = new.map(|(text, name)| (*text, *name)).collect();
                names.sort_unstable();
                found.extend(names.iter().map(|(_, name)| name));
            }
            found
        };
        Scope {
            values: sorted(frames().map(|frame| &frame.values).chain([&self.constants]).collect()),
            flows: sorted(frames().map(|frame| &frame.flows).collect()),
        }
    }

    /// `block name(a, b=2) { … }`
    fn definition(&mut self, statement: &'a Statement) {
        let model = statement.word.text == "model";
        self.frames.push(Frame { closed: true, ..Frame::default() });
        if let Some((name, parameters)) = head(statement) {
            let kind = if model { NameKind::Model } else { NameKind::Block };
            let at = self.define(kind, name, None, statement);
            self.tell(name.1, What::Name(at));
            for (text, span, default) in parameters.iter().filter_map(parameter) {
                let at = self.define(NameKind::Parameter, (text, span), default, statement);
                self.tell(span, What::Name(at));
                default.iter().for_each(|value| self.value(value, None));
                self.bind(text, at);
            }
        } else {
            self.arguments(&statement.arguments);
        }
        self.blocks_of(statement);
        self.frames.pop();
    }

    /// `model NAME(a=2)`: a model of another file, and its parameters.
    fn choice(&mut self, statement: &'a Statement) {
        let Some((name, given)) = head(statement) else { return self.arguments(&statement.arguments) };
        let Some(model) = self.models.get(name.0).cloned() else {
            self.tell(name.1, What::Unknown);
            return given.iter().for_each(|argument| self.argument(argument));
        };
        self.tell(name.1, What::Name(model.name));
        for argument in given {
            match argument {
                Argument::Property { key, value } => {
                    let own = model.parameters.iter().find(|(text, _)| *text == key.text);
                    self.tell(key.span, own.map_or(What::Unknown, |(_, at)| What::Name(*at)));
                    self.value(value, None);
                }
                Argument::Value(_) | Argument::Relation { .. } => self.argument(argument),
            }
        }
    }

    fn bind(&mut self, text: &'a str, name: usize) {
        if let Some(frame) = self.frames.last_mut() {
            frame.values.insert(text, name);
        }
    }

    fn constants(&mut self, statement: &'a Statement) {
        for argument in &statement.arguments {
            match argument {
                Argument::Property { key, value } => {
                    self.value(value, None);
                    let word = (key.text.as_str(), key.span);
                    let at = self.define(NameKind::Constant, word, Some(value), statement);
                    self.tell(key.span, What::Name(at));
                    self.bind(&key.text, at);
                }
                Argument::Value(_) | Argument::Relation { .. } => self.argument(argument),
            }
        }
    }

    /// Keeps what is visible at the end of a body.
    pub(super) fn end(&mut self, body: Span) {
        if self.scope.is_none() && self.probe.is_some_and(|probe| body.start < probe && probe < body.end) {
            self.scope = Some(self.snapshot());
        }
    }

    fn blocks_of(&mut self, statement: &'a Statement) {
        if let Some(block) = &statement.block {
            self.body(&block.chains, block.span);
        }
        for clause in &statement.clauses {
            self.tell(clause.word.span, What::Keyword);
            self.arguments(&clause.arguments);
            clause.block.iter().for_each(|block| self.body(&block.chains, block.span));
        }
    }

    fn body(&mut self, chains: &'a [Chain], span: Span) {
        self.frames.push(Frame::default());
        for link in chains.iter().flat_map(|chain| &chain.links) {
            self.look(&link.statement);
            self.line(&link.statement);
            self.alias(link);
        }
        self.end(span);
        self.frames.pop();
    }

    fn alias(&mut self, link: &'a Link) {
        let Some(alias) = &link.alias else { return };
        let at = self.define(NameKind::Value, (&alias.text, alias.span), None, &link.statement);
        self.tell(alias.span, What::Name(at));
        if let Some(frame) = self.frames.last_mut() {
            frame.flows.insert(&alias.text, at);
        }
    }

    /// A line of a body.
    fn line(&mut self, statement: &'a Statement) {
        let Word { text, span } = &statement.word;
        let word = text.as_str();
        if let Some(name) = self.stands_for_a_word(word) {
            self.tell(*span, What::Name(name));
            self.arguments(&statement.arguments);
        } else if let Some(&spec) = EDGES.iter().find(|spec| spec.name == word) {
            self.tell(*span, What::Layer(spec));
            let mut rest = statement.arguments.as_slice();
            if let Some((text, at)) = sections::end(statement) {
                let name = self.define(NameKind::Value, (text, at), None, statement);
                self.tell(at, What::Name(name));
                rest = &rest[1..];
                if let Some(frame) = self.frames.last_mut().filter(|_| word == INPUT.name) {
                    frame.flows.insert(text, name);
                }
            }
            self.declared(spec, rest);
        } else if CONTROL.contains(&word) {
            self.tell(*span, What::Keyword);
            match (word, statement.arguments.as_slice()) {
                ("from" | "share", arguments) => arguments.iter().for_each(|argument| self.joined(argument)),
                ("let", _) => self.constants(statement),
                (
                    "for",
                    [
                        Argument::Value(Value { kind: ValueKind::Word(name), span }),
                        Argument::Value(word),
                        rest @ ..,
                    ],
                ) => {
                    self.tell(word.span, What::Keyword);
                    let list = rest.first().and_then(|argument| match argument {
                        Argument::Value(list) => Some(list),
                        Argument::Property { .. } | Argument::Relation { .. } => None,
                    });
                    self.arguments(rest);
                    let at = self.define(NameKind::Variable, (name, *span), list, statement);
                    self.tell(*span, What::Name(at));
                    self.frames.push(Frame::default());
                    self.bind(name, at);
                    self.blocks_of(statement);
                    self.frames.pop();
                    return;
                }
                _ => self.arguments(&statement.arguments),
            }
        } else if let Some(layer) = layers::find(word) {
            self.tell(*span, What::Layer(layer.spec()));
            self.declared(layer.spec(), &statement.arguments);
        } else if let Some(join) = joins::find(word) {
            self.tell(*span, What::Layer(join.spec()));
            statement.arguments.iter().for_each(|argument| self.joined(argument));
        } else if let Some(block) = self.blocks.get(word).or_else(|| self.models.get(word)).cloned() {
            self.tell(*span, What::Name(block.name));
            for argument in &statement.arguments {
                match argument {
                    Argument::Property { key, value } => {
                        let parameter = block.parameters.iter().find(|(text, _)| *text == key.text);
                        self.tell(key.span, parameter.map_or(What::Unknown, |(_, name)| What::Name(*name)));
                        self.value(value, None);
                    }
                    Argument::Value(_) | Argument::Relation { .. } => self.argument(argument),
                }
            }
        } else {
            self.tell(*span, What::Unknown);
            self.arguments(&statement.arguments);
        }
        self.blocks_of(statement);
    }

    /// The name that a statement's word is, where it may stand for another word (`act=relu`).
    fn stands_for_a_word(&self, word: &str) -> Option<usize> {
        let name = self.visible(word)?;
        let Name { kind, value, .. } = self.meanings.names[name];
        let is_word = value.is_some_and(|value| matches!(value.kind, ValueKind::Word(_)));
        let open = matches!(kind, NameKind::Parameter | NameKind::Variable);
        let taken =
            layers::find(word).is_some() || self.blocks.contains_key(word) || self.models.contains_key(word);
        (is_word || (open && !taken)).then_some(name)
    }

    fn visible(&self, word: &str) -> Option<usize> {
        let closed = self.frames.iter().rposition(|frame| frame.closed).unwrap_or(0);
        let own = self.frames.iter().skip(closed).rev().find_map(|frame| frame.values.get(word));
        own.or_else(|| self.constants.get(word)).copied()
    }

    /// An operand of `concat NAME`.
    fn joined(&mut self, argument: &'a Argument) {
        let Argument::Value(Value { kind: ValueKind::Word(word), span }) = argument else {
            return self.argument(argument);
        };
        let closed = self.frames.iter().rposition(|frame| frame.closed).unwrap_or(0);
        let flow = self.frames.iter().skip(closed).rev().find_map(|frame| frame.flows.get(word.as_str()));
        self.tell(*span, flow.map_or(What::Unknown, |name| What::Name(*name)));
    }

    /// Arguments that a declaration names.
    pub(super) fn declared(&mut self, spec: &'static Spec, arguments: &'a [Argument]) {
        let mut places = spec.params.iter().filter(|param| param.positional);
        for argument in arguments {
            match argument {
                Argument::Value(value) => self.value(value, places.next()),
                Argument::Property { key, value } => {
                    let param = spec.params.iter().find(|param| param.name == key.text);
                    self.tell(key.span, param.map_or(What::Unknown, |param| What::Key(spec, param)));
                    self.value(value, param);
                }
                Argument::Relation { value, .. } => self.value(value, None),
            }
        }
    }

    pub(super) fn arguments(&mut self, arguments: &'a [Argument]) {
        arguments.iter().for_each(|argument| self.argument(argument));
    }

    fn argument(&mut self, argument: &'a Argument) {
        match argument {
            Argument::Value(value) | Argument::Relation { value, .. } => self.value(value, None),
            Argument::Property { key, value } => {
                self.tell(key.span, What::Unknown);
                self.value(value, None);
            }
        }
    }

    /// A value; `param` is the declared argument that it is for.
    pub(super) fn value(&mut self, value: &'a Value, param: Option<&'static Param>) {
        match &value.kind {
            ValueKind::Word(word) => {
                let what = self.word(word, param);
                self.tell(value.span, what);
            }
            ValueKind::Text(_) => self.tell(value.span, What::Text),
            ValueKind::List(values) => values.iter().for_each(|value| self.value(value, None)),
            ValueKind::Sum(sum) => self.sum(sum),
            ValueKind::Call { name, arguments } => {
                self.tell(name.span, What::Unknown);
                self.arguments(arguments);
            }
            ValueKind::Number(_) | ValueKind::Extent(_) => {}
        }
    }

    fn word(&self, word: &str, param: Option<&'static Param>) -> What {
        if ARRIVING.contains(&word) {
            return What::Arriving;
        }
        if let Some(name) = self.visible(word) {
            return What::Name(name);
        }
        if let Some(param) = param {
            return match param.kind {
                Kind::Choice(words) if words.contains(&word) => What::Word(param),
                Kind::Padding | Kind::Around | Kind::Ends if ["same", "valid"].contains(&word) => {
                    What::Word(param)
                }
                Kind::CountOrAuto if word == "auto" => What::Word(param),
                Kind::Word | Kind::Name => What::Word(param),
                Kind::Bool if ["true", "false"].contains(&word) => What::Bool,
                _ => What::Unknown,
            };
        }
        match (layers::find(word), self.blocks.get(word)) {
            (Some(layer), _) => What::Layer(layer.spec()),
            (None, Some(block)) => What::Name(block.name),
            (None, None) if ["true", "false"].contains(&word) => What::Bool,
            (None, None) if ["and", "or", "if"].contains(&word) => What::Keyword,
            (None, None) => What::Unknown,
        }
    }

    fn sum(&mut self, sum: &'a Expression) {
        match sum {
            Expression::Value(value) => self.value(value, None),
            Expression::Negate(inner) => self.sum(inner),
            Expression::Binary { left, right, .. } => {
                self.sum(left);
                self.sum(right);
            }
        }
    }
}
