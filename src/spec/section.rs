//! A section's statement → its lines with checked arguments, held against the section's declaration. A section takes
//! exactly what it declares: everything else in it is reported at its place.

use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::source::Span;
use crate::spec::answers::{suggest, unknown};
use crate::spec::convert::convert;
use crate::spec::{self, Arg, Args, Kind, Preset, Scope, Spec};
use crate::syntax::ast::{Argument, Block, Chain, Compare, Link, Number, Statement, Unit, ValueKind, Word};

/// What a section, or a line's own block, may hold.
pub struct Section {
    pub name: &'static str,
    /// A heading for its settings.
    pub title: &'static str,
    /// What is to be said under it.
    pub intro: &'static str,
    /// Each stands once, in any order.
    pub settings: &'static [&'static Setting],
    pub steps: Steps,
    /// Words of other places, and where they belong.
    pub strangers: &'static [(&'static Registry, &'static str)],
    /// Words of other tools that nothing stands for here, and why.
    pub not_needed: &'static [(&'static str, &'static str)],
    pub example: &'static str,
}

/// One line of a section.
pub struct Setting {
    pub spec: &'static Spec,
    pub takes: Takes,
    pub absent: Absent,
}

/// What stands behind a setting's word.
pub enum Takes {
    /// The arguments of its own declaration.
    Arguments,
    /// The same; such a line may stand more than once.
    Each,
    /// A word of a registry, with the arguments of that word's declaration.
    OneOf(&'static Registry),
    /// The same; such a line may stand more than once.
    EachOf(&'static Registry),
    /// Words of a registry, each at most once: the texts of its one parameter.
    Words(&'static Registry),
    /// A block of lines.
    Lines(&'static Section),
    /// A comparison with its one parameter. Such a line may stand more than once.
    Comparison,
}

/// What holds where a setting has no line.
pub enum Absent {
    /// The section is refused.
    Refused,
    Nothing,
    /// The setting with these arguments by place; the name first, where it chooses.
    Holds(&'static [Preset]),
}

/// The words of a registry that lines may begin with, beside settings; `->` may lead to them.
pub enum Steps {
    None,
    /// Each at most once.
    Once(&'static Registry),
    /// As often as wanted.
    Repeated(&'static Registry),
}

impl Steps {
    pub fn registry(&self) -> Option<&'static Registry> {
        match self {
            Steps::None => None,
            Steps::Once(registry) | Steps::Repeated(registry) => Some(registry),
        }
    }
}

/// Words of one kind, such as the losses.
pub struct Registry {
    /// A heading.
    pub title: &'static str,
    /// What is to be said under it.
    pub intro: &'static str,
    /// What one of them is called.
    pub one: &'static str,
    pub specs: fn() -> Vec<&'static Spec>,
}

impl Registry {
    pub fn find(&self, name: &str) -> Option<&'static Spec> {
        (self.specs)().into_iter().find(|spec| spec.name == name)
    }
}

impl Section {
    pub fn setting(&self, name: &str) -> Option<&'static Setting> {
        self.settings.iter().copied().find(|setting| setting.spec.name == name)
    }

    fn step(&self, name: &str) -> Option<&'static Spec> {
        self.steps.registry().and_then(|steps| steps.find(name))
    }

    /// Every word that a line may begin with.
    pub fn specs(&self) -> Vec<&'static Spec> {
        let steps = self.steps.registry().into_iter().flat_map(|steps| (steps.specs)());
        self.settings.iter().map(|setting| setting.spec).chain(steps).collect()
    }

    /// Word and values of each line that holds where it is not written.
    pub fn defaults(&self) -> impl Iterator<Item = (&'static Spec, Vec<String>)> {
        self.settings.iter().filter_map(|setting| match setting.absent {
            Absent::Holds(values) => Some((setting.spec, values.iter().map(Preset::to_string).collect())),
            Absent::Refused | Absent::Nothing => None,
        })
    }

    fn required(&self) -> impl Iterator<Item = &'static Setting> {
        self.settings.iter().copied().filter(|setting| matches!(setting.absent, Absent::Refused))
    }
}

/// The lines of a section, in the order of the text.
#[derive(Debug)]
pub struct Lines<'s> {
    pub lines: Vec<Line<'s>>,
    /// Whether every line begins with a word of the section.
    pub known: bool,
}

/// One line.
#[derive(Debug)]
pub struct Line<'s> {
    pub statement: &'s Statement,
    /// The setting or step.
    pub spec: &'static Spec,
    /// What was found; `None` where something is wrong, which has been reported.
    pub found: Option<Found>,
    /// Behind the word of a comparison.
    pub compare: Option<Compare>,
    /// Of its block.
    pub lines: Option<Lines<'s>>,
}

/// A declaration with its arguments.
#[derive(Clone, Debug)]
pub struct Found {
    /// The setting's or step's, or that of the word which the setting chooses.
    pub spec: &'static Spec,
    pub args: Args,
}

/// A thing of a registry with its arguments.
#[derive(Debug)]
pub struct Chosen<T: ?Sized + 'static> {
    pub what: &'static T,
    pub args: Args,
    /// Where it was chosen.
    pub span: Span,
}

impl<T: ?Sized> Clone for Chosen<T> {
    fn clone(&self) -> Chosen<T> {
        Chosen { what: self.what, args: self.args.clone(), span: self.span }
    }
}

impl<'s> Lines<'s> {
    /// The line of a setting.
    pub fn line(&self, setting: &Setting) -> Option<&Line<'s>> {
        self.lines.iter().find(|line| line.spec.name == setting.spec.name)
    }

    /// The arguments of a setting: as written, or as they hold without it, also where what is written is wrong.
    pub fn found(&self, setting: &'static Setting) -> Option<Found> {
        let written = self.line(setting).and_then(|line| line.found.clone());
        written.or_else(|| held(setting))
    }

    /// What the lines of a setting choose that may stand more than once, behind the first.
    pub fn chosen_again<T: ?Sized>(
        &self,
        setting: &'static Setting,
        things: &'static [&'static T],
        spec_of: impl Fn(&'static T) -> &'static Spec,
    ) -> Vec<Chosen<T>> {
        let lines = self.lines.iter().filter(|line| line.spec.name == setting.spec.name).skip(1);
        let chosen = lines.filter_map(|line| {
            let Found { spec, args } = line.found.clone()?;
            let what = things.iter().copied().find(|what| spec_of(what).name == spec.name)?;
            Some(Chosen { what, args, span: line.statement.head() })
        });
        chosen.collect()
    }

    /// Where a setting is written.
    pub fn span(&self, setting: &Setting) -> Option<Span> {
        self.line(setting).map(|line| line.statement.head())
    }

    /// What a setting chooses, out of the things that its registry describes. `section` is the place of what is not
    /// written.
    pub fn chosen<T: ?Sized>(
        &self,
        setting: &'static Setting,
        things: &'static [&'static T],
        spec_of: impl Fn(&'static T) -> &'static Spec,
        section: Span,
    ) -> Option<Chosen<T>> {
        let Found { spec, args } = self.found(setting)?;
        let what = things.iter().copied().find(|what| spec_of(what).name == spec.name)?;
        Some(Chosen { what, args, span: self.span(setting).unwrap_or(section) })
    }
}

/// What holds where a setting is not written.
fn held(setting: &'static Setting) -> Option<Found> {
    let Absent::Holds(values) = setting.absent else { return None };
    let (spec, values) = match (&setting.takes, values) {
        (Takes::OneOf(registry) | Takes::EachOf(registry), [Preset::Word(name), rest @ ..]) => {
            (registry.find(name)?, rest)
        }
        (Takes::OneOf(_) | Takes::EachOf(_), _) => return None,
        (Takes::Arguments | Takes::Each | Takes::Lines(_) | Takes::Comparison | Takes::Words(_), _) => {
            (setting.spec, values)
        }
    };
    Some(Found { spec, args: spec::preset(spec, values) })
}

/// Reads a section. `None` where it has no block.
pub fn read<'s>(
    section: &'static Section,
    statement: &'s Statement,
    scope: &dyn Scope,
    diagnostics: &mut Diagnostics,
) -> Option<Lines<'s>> {
    Reader { scope, diagnostics }.section(section, statement)
}

struct Reader<'a> {
    scope: &'a dyn Scope,
    diagnostics: &'a mut Diagnostics,
}

impl Reader<'_> {
    fn section<'s>(&mut self, section: &'static Section, statement: &'s Statement) -> Option<Lines<'s>> {
        let Some(block) = &statement.block else {
            let head = statement.head();
            let d = Diagnostic::error(codes::BLOCK_MISUSE, head, format!("`{}` needs a block", section.name));
            let needed: Vec<&str> = section.required().map(|setting| setting.spec.example).collect();
            self.diagnostics.push(match (statement.arguments.is_empty(), needed.is_empty()) {
                (false, _) => d.advise(format!("put these words into braces: `{} {{ … }}`", section.name)),
                (true, true) => d.note(format!("for example: {}", section.example)),
                (true, false) => d.replace("add one", head.after(), format!(" {{ {} }}", needed.join("; "))),
            });
            return None;
        };
        for argument in &statement.arguments {
            let message = format!("`{}` takes no arguments, only lines in its block", section.name);
            self.error(codes::TOO_MANY_ARGUMENTS, argument.span(), message);
        }
        self.no_clauses(statement);
        let mut found = Lines { lines: Vec::new(), known: true };
        // Settings and steps that stand once, and where they do.
        let mut seen: Vec<(&'static str, Span)> = Vec::new();
        for line in self.statements(section, &block.chains) {
            let name = line.word.text.as_str();
            let setting = section.setting(name);
            let Some(spec) = setting.map(|setting| setting.spec).or_else(|| section.step(name)) else {
                found.known = false;
                self.diagnostics.push(unknown(section, line));
                continue;
            };
            let once = match setting {
                Some(setting) => !matches!(setting.takes, Takes::Comparison | Takes::EachOf(_) | Takes::Each),
                None => matches!(section.steps, Steps::Once(_)),
            };
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == name).filter(|_| once) {
                let message = format!("`{name}` is given twice");
                self.diagnostics.push(
                    Diagnostic::error(codes::REPEATED_SECTION, line.head(), message)
                        .label("given again here")
                        .related(*first, "first given here")
                        .drop("remove this one", line.span),
                );
                continue;
            }
            seen.push((spec.name, line.head()));
            found.lines.push(self.line(spec, setting, line));
        }
        for setting in section.required().filter(|s| !seen.iter().any(|(name, _)| *name == s.spec.name)) {
            self.diagnostics.push(missing(section, setting, statement, block));
        }
        Some(found)
    }

    fn line<'s>(
        &mut self,
        spec: &'static Spec,
        setting: Option<&'static Setting>,
        statement: &'s Statement,
    ) -> Line<'s> {
        let mut line = Line { statement, spec, found: None, compare: None, lines: None };
        match setting.map(|setting| &setting.takes) {
            Some(Takes::Lines(section)) => line.lines = self.section(section, statement),
            Some(Takes::OneOf(registry) | Takes::EachOf(registry)) => {
                line.found = self.choice(spec, registry, statement);
            }
            Some(Takes::Words(registry)) => {
                let args = self.words(spec, registry, statement);
                line.found = args.map(|args| Found { spec, args });
            }
            Some(Takes::Comparison) => {
                if let Some((compare, args)) = self.comparison(spec, statement) {
                    (line.compare, line.found) = (Some(compare), Some(Found { spec, args }));
                }
            }
            Some(Takes::Arguments | Takes::Each) | None => {
                let args = self.resolve(spec, &statement.word, &statement.arguments);
                line.found = args.map(|args| Found { spec, args });
            }
        }
        if line.lines.is_none() && !matches!(setting.map(|s| &s.takes), Some(Takes::Lines(_))) {
            self.no_block(statement);
        }
        line
    }

    /// `optimizer adam lr=1e-3` against the registry's declarations.
    fn choice(&mut self, spec: &Spec, registry: &Registry, line: &Statement) -> Option<Found> {
        let (word, known) = (spec.name, (registry.specs)());
        let Some((Argument::Value(value), rest)) = line.arguments.split_first() else {
            let names: Vec<&str> = known.iter().map(|spec| spec.name).collect();
            let article = if registry.one.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
            let message =
                format!("`{word}` needs the name of {article} {}: {}", registry.one, names.join(", "));
            self.error(codes::MISSING_ARGUMENT, line.head(), message);
            return None;
        };
        let ValueKind::Word(name) = &value.kind else {
            let message = format!("the name of the {} comes first: `{}`", registry.one, spec.example);
            self.error(codes::BAD_VALUE, value.span, message);
            return None;
        };
        let Some(spec) = known.iter().copied().find(|spec| spec.name == name) else {
            let message = format!("there is no {} called `{name}`", registry.one);
            let d = Diagnostic::error(codes::UNKNOWN_WORD, value.span, message);
            self.diagnostics.push(suggest(d, name, value.span, known.into_iter()));
            return None;
        };
        let (word, before) = (Word { text: name.clone(), span: value.span }, self.diagnostics.len());
        let args = self.resolve(spec, &word, rest);
        for d in self.diagnostics[before..].iter_mut().filter(|d| d.code == codes::UNKNOWN_ARGUMENT) {
            let key = rest.iter().find_map(|argument| match argument {
                Argument::Property { key, .. } if key.span == d.primary.span => Some(key.text.as_str()),
                Argument::Property { .. } | Argument::Value(_) | Argument::Relation { .. } => None,
            });
            let has = |spec: &&&Spec| spec.params.iter().any(|param| Some(param.name) == key);
            if let (Some(key), Some(other)) = (key, known.iter().find(has)) {
                d.notes.push(format!("`{key}` is an argument of `{}`: `{}`", other.name, other.example));
            }
        }
        Some(Found { spec, args: args? })
    }

    /// `metrics accuracy auc` against the registry's declarations.
    fn words(&mut self, spec: &'static Spec, registry: &Registry, line: &Statement) -> Option<Args> {
        let (known, mut texts, before) = ((registry.specs)(), Vec::new(), self.diagnostics.len());
        for argument in &line.arguments {
            let Argument::Value(value) = argument else {
                let message = format!("`{}` takes names alone: `{}`", spec.name, spec.example);
                self.error(codes::UNKNOWN_ARGUMENT, argument.span(), message);
                continue;
            };
            let ValueKind::Word(name) = &value.kind else {
                let message = format!("`{}` takes names: `{}`", spec.name, spec.example);
                self.error(codes::BAD_VALUE, value.span, message);
                continue;
            };
            if !known.iter().any(|spec| spec.name == name) {
                let message = format!("there is no {} called `{name}`", registry.one);
                let d = Diagnostic::error(codes::UNKNOWN_WORD, value.span, message);
                self.diagnostics.push(suggest(d, name, value.span, known.iter().copied()));
            } else if texts.contains(name) {
                let d = Diagnostic::error(codes::BAD_VALUE, value.span, format!("`{name}` is given twice"));
                self.diagnostics.push(d.drop("remove this one", value.span));
            } else {
                texts.push(name.clone());
            }
        }
        if line.arguments.is_empty() {
            let names: Vec<&str> = known.iter().map(|spec| spec.name).collect();
            let message = format!("`{}` needs names: {}", spec.name, names.join(", "));
            self.error(codes::MISSING_ARGUMENT, line.head(), message);
        }
        let param = spec.params.first()?;
        let right = self.diagnostics.len() == before;
        right.then(|| Args::of(param.name, Arg::Texts(texts), line.head()))
    }

    /// `test.accuracy > 98%` against the quantity's one parameter.
    fn comparison(&mut self, spec: &'static Spec, line: &Statement) -> Option<(Compare, Args)> {
        let (param, [Argument::Relation { compare, value, .. }]) =
            (spec.params.first()?, line.arguments.as_slice())
        else {
            let message = format!("write `{} < NUMBER` (or <=, >, >=, ==, !=)", spec.name);
            let d = Diagnostic::error(codes::BAD_VALUE, line.head(), message);
            self.diagnostics.push(d.label("one comparison with a number is expected"));
            return None;
        };
        let bound = spec::evaluate(value, self.scope).and_then(|found| convert(param, spec, &found));
        match bound {
            Ok(arg) => Some((*compare, Args::of(param.name, arg, value.span))),
            Err(d) => {
                let percent = match (&value.kind, param.kind) {
                    (
                        ValueKind::Number(Number { value, unit: Unit::None }),
                        Kind::Number { max: 1.0, .. },
                    ) => Some(value).filter(|percent| (1.0..=100.0).contains(*percent)),
                    _ => None,
                };
                let d = percent.into_iter().fold(*d, |d, percent| d.advise(format!("write `{percent}%`")));
                self.diagnostics.push(d);
                None
            }
        }
    }

    /// The statements of a block; what only a model's lines may have is refused.
    fn statements<'s>(&mut self, section: &Section, chains: &'s [Chain]) -> Vec<&'s Statement> {
        for chain in chains {
            for (i, link) in chain.links.iter().enumerate() {
                let word = link.statement.word.text.as_str();
                if i > 0 && section.setting(word).is_some() {
                    let message = format!("`->` leads to a step, and `{word}` is a setting");
                    let d = Diagnostic::error(codes::MISPLACED, link.statement.word.span, message);
                    self.diagnostics.push(d.label("put it on a line of its own, without `->`"));
                }
                self.diagnostics.extend(only_in_models(link));
                self.no_clauses(&link.statement);
            }
        }
        chains.iter().flat_map(|chain| &chain.links).map(|link| &link.statement).collect()
    }

    fn resolve(&mut self, spec: &'static Spec, word: &Word, arguments: &[Argument]) -> Option<Args> {
        spec::resolve(spec, word, arguments, self.scope, self.diagnostics)
    }

    fn no_block(&mut self, line: &Statement) {
        if let Some(block) = &line.block {
            let message = format!("`{}` takes no block", line.word.text);
            let d = Diagnostic::error(codes::BLOCK_MISUSE, block.span, message);
            self.diagnostics.push(d.drop("remove it", block.span));
        }
    }

    fn no_clauses(&mut self, line: &Statement) {
        for clause in &line.clauses {
            let message = format!("`{}` cannot follow `{}`", clause.word.text, line.word.text);
            self.error(codes::BLOCK_MISUSE, clause.word.span, message);
        }
    }

    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(code, span, message));
    }
}

/// Errors for what only a model's lines may have: a name, and the shape that they give.
pub fn only_in_models(link: &Link) -> impl Iterator<Item = Diagnostic> {
    let error = |span, message| Diagnostic::error(codes::MISPLACED, span, message);
    let alias =
        link.alias.iter().map(move |name| error(name.span, "only lines of a model can be named (`as`)"));
    let shape =
        link.assertion.iter().map(move |shape| error(shape.span, "only lines of a model can assert a shape"));
    alias.chain(shape)
}

/// The error for a section without a line that it needs; the line becomes its first.
fn missing(section: &Section, setting: &Setting, statement: &Statement, block: &Block) -> Diagnostic {
    let Spec { name, example, .. } = setting.spec;
    let what = match &setting.takes {
        Takes::OneOf(registry) | Takes::EachOf(registry) | Takes::Words(registry) => registry.one,
        Takes::Arguments | Takes::Each | Takes::Lines(_) | Takes::Comparison => name,
    };
    let (at, text) = match block.chains.first().and_then(|chain| chain.links.first()) {
        Some(first) => (first.statement.span.start, format!("{example}\n    ")),
        None => (block.span.start + 1, format!("\n    {example}\n")),
    };
    let message = format!("`{}` needs its `{name}`", section.name);
    Diagnostic::error(codes::MISSING_ARGUMENT, statement.word.span, message)
        .label(format!("no line says which {what}"))
        .replace(format!("add `{example}`"), Span { start: at, end: at, ..block.span }, text)
}
