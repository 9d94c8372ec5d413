//! Declarations of the words of the language (layers, data settings, optimizers, …) and the check of what the
//! user wrote against them. Defaults, help, completion and error messages all come from the declaration.

use std::fmt;
use std::time::Duration;

pub mod answers;
mod convert;
pub mod elsewhere;
mod evaluate;
pub mod functions;
pub mod section;
mod spaced;

pub use crate::spec::convert::MAX_COUNT;
pub use crate::spec::evaluate::evaluate;

use crate::diag::{Applicability, Diagnostic, Diagnostics, Fault, Fix, codes};
use crate::shape::Shape;
use crate::source::Span;
use crate::spec::convert::convert;
use crate::syntax::ast::{Argument, Number, Unit, Value, ValueKind, Word};

/// One word of the language.
pub struct Spec {
    pub name: &'static str,
    /// One line, without a full stop.
    pub summary: &'static str,
    /// The contract: shapes, formula, source.
    pub docs: &'static str,
    pub params: &'static [Param],
    /// A snippet that checks; for a layer, lines of a model body behind its `input`.
    pub example: &'static str,
    /// What other tools call it; not accepted, but answered with the right word.
    pub elsewhere: &'static [&'static str],
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Param {
    pub name: &'static str,
    pub kind: Kind,
    pub default: Preset,
    /// Positional parameters may also be given by name.
    pub positional: bool,
    pub doc: &'static str,
}

/// A parameter given by its place.
pub const fn positional(name: &'static str, kind: Kind, default: Preset, doc: &'static str) -> Param {
    Param { name, kind, default, positional: true, doc }
}

/// A parameter given as `name=value`.
pub const fn keyword(name: &'static str, kind: Kind, default: Preset, doc: &'static str) -> Param {
    Param { name, kind, default, positional: false, doc }
}

/// Two lists of parameters in one, for declarations that share some; `N` is `A + B`.
pub const fn joined<const A: usize, const B: usize, const N: usize>(
    first: [Param; A],
    second: [Param; B],
) -> [Param; N] {
    assert!(A + B == N);
    let mut all = [first[0]; N];
    let mut at = 1;
    while at < N {
        all[at] = if at < A { first[at] } else { second[at - A] };
        at += 1;
    }
    all
}

/// What a parameter accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A whole number of at least 1.
    Count,
    /// A whole number of at least 1, or `auto`.
    CountOrAuto,
    /// A whole number of at least 0.
    Whole,
    /// A size of memory, such as `2GB`.
    Bytes,
    /// A time of at least `min`, such as `10min`.
    Time { min: Duration },
    /// A number in `min..=max`.
    Number { min: f64, max: f64 },
    /// `3` or `3x5`: height and width, each at least 1.
    Pair,
    /// `3` or `3x5x7`: depth, height and width, each at least 1.
    Triple,
    /// A pair, or of volumes a triple.
    PairOrTriple,
    /// `1`, `1x2`, `same`, `valid` or `[top, bottom, left, right]`.
    Padding,
    /// The padding of a volume: `1`, `1x2x2`, `same`, `valid` or `[front, back, top, bottom, left, right]`.
    Around,
    /// The padding of an image, or of a volume.
    PaddingOrAround,
    /// The padding of a single axis: `1`, `same`, `valid` or `[before, after]`.
    Ends,
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A quoted text; of a data set, a path that is relative to the file.
    Text,
    /// `1x28x28`
    Shape,
    /// A number, or a list of them.
    Numbers,
    /// Whole numbers of at least 1, each larger than the one before; a single one without brackets.
    Rising,
    /// Any word.
    Word,
    /// A word, or a text in quotes: what something outside of the file is called.
    Name,
    /// One such name, or a list of them.
    Names,
    /// A number, a list of numbers, or one of these words.
    NumbersOr(&'static [&'static str]),
}

/// What holds where the user wrote nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Preset {
    Required,
    /// Nothing: the parameter is left out.
    Absent,
    /// The value of another parameter.
    Like(&'static str),
    Count(usize),
    Number(f64),
    Pair(usize, usize),
    Padding(usize),
    Bool(bool),
    Word(&'static str),
    Time(Duration),
}

impl Preset {
    /// The argument, beside those that stand in front of it; none where nothing holds.
    pub fn arg(self, others: &Args) -> Option<Arg> {
        Some(match self {
            Preset::Required | Preset::Absent => return None,
            Preset::Like(other) => others.get(other)?.arg.clone(),
            Preset::Count(n) => Arg::Whole(n),
            Preset::Number(value) => Arg::Number(value),
            Preset::Pair(a, b) => Arg::Pair([a, b]),
            Preset::Padding(n) => Arg::Padding(Padding::Sides([n; 4])),
            Preset::Bool(value) => Arg::Bool(value),
            Preset::Word(word) => Arg::Word(word.to_owned()),
            Preset::Time(time) => Arg::Time(time),
        })
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arg(&Args::default()).map_or(Ok(()), |arg| write!(f, "{arg}"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// The output is `ceil(input / stride)`.
    Same,
    /// Top, bottom, left, right; for a single axis before and after, twice; for a volume four times the same.
    Sides([usize; 4]),
    /// Before and behind depth, height and width.
    Around([[usize; 2]; 3]),
}

/// A checked argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    Whole(usize),
    Number(f64),
    Pair([usize; 2]),
    Triple([usize; 3]),
    Padding(Padding),
    Bool(bool),
    Word(String),
    Text(String),
    Texts(Vec<String>),
    Shape(Shape),
    Numbers(Vec<f64>),
    Time(Duration),
}

/// A time in the largest unit of which it is a whole number: `90s`, `10min`.
pub fn shown(time: Duration) -> String {
    let units = [("h", 3_600_000_000_000), ("min", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000)];
    let nanoseconds = time.as_nanos();
    match units.iter().find(|(_, unit)| nanoseconds.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", nanoseconds / unit),
        None => format!("{}us", nanoseconds / 1000),
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arg::Whole(n) => write!(f, "{n}"),
            Arg::Number(value) => write!(f, "{}", Number { value: *value, unit: Unit::None }),
            Arg::Pair([a, b]) if a == b => write!(f, "{a}"),
            Arg::Pair([a, b]) => write!(f, "{a}x{b}"),
            Arg::Triple([a, b, c]) if a == b && b == c => write!(f, "{a}"),
            Arg::Triple([a, b, c]) => write!(f, "{a}x{b}x{c}"),
            Arg::Padding(Padding::Same) => f.write_str("same"),
            Arg::Padding(Padding::Sides([t, b, l, r])) if t == b && b == l && l == r => write!(f, "{t}"),
            Arg::Padding(Padding::Sides([t, b, l, r])) if t == b && l == r => write!(f, "{t}x{l}"),
            Arg::Padding(Padding::Sides([t, b, l, r])) => write!(f, "[{t}, {b}, {l}, {r}]"),
            Arg::Padding(Padding::Around(ends)) if ends.iter().all(|[before, behind]| before == behind) => {
                write!(f, "{}", Arg::Triple(ends.map(|[before, _]| before)))
            }
            Arg::Padding(Padding::Around([[f0, b], [t, u], [l, r]])) => {
                write!(f, "[{f0}, {b}, {t}, {u}, {l}, {r}]")
            }
            Arg::Bool(value) => write!(f, "{value}"),
            Arg::Word(word) => f.write_str(word),
            Arg::Text(text) => write!(f, "\"{text}\""),
            Arg::Texts(texts) => {
                let shown: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
                match shown.len() {
                    1 => f.write_str(&shown[0]),
                    _ => write!(f, "[{}]", shown.join(", ")),
                }
            }
            Arg::Shape(shape) => write!(f, "{shape}"),
            Arg::Time(time) => f.write_str(&shown(*time)),
            Arg::Numbers(numbers) => {
                let shown: Vec<String> = numbers.iter().map(|n| Arg::Number(*n).to_string()).collect();
                match shown.len() {
                    1 => f.write_str(&shown[0]),
                    _ => write!(f, "[{}]", shown.join(", ")),
                }
            }
        }
    }
}

/// An argument and where it was written; a default has no place.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    pub name: &'static str,
    pub arg: Arg,
    pub span: Option<Span>,
}

/// All arguments of one statement, in the order of the declaration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args(Vec<Given>);

impl Args {
    /// A single argument, as written at a place.
    fn of(name: &'static str, arg: Arg, span: Span) -> Args {
        Args(vec![Given { name, arg, span: Some(span) }])
    }

    pub fn iter(&self) -> impl Iterator<Item = &Given> {
        self.0.iter()
    }

    pub fn get(&self, name: &str) -> Option<&Given> {
        self.0.iter().find(|given| given.name == name)
    }

    /// Where the user wrote the argument.
    pub fn span(&self, name: &str) -> Option<Span> {
        self.get(name).and_then(|given| given.span)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// These arguments with another value for one of them.
    pub fn with(&self, name: &str, arg: &Arg) -> Args {
        let swapped = |given: &Given| match given.name == name {
            true => Given { arg: arg.clone(), ..given.clone() },
            false => given.clone(),
        };
        Args(self.0.iter().map(swapped).collect())
    }

    /// These arguments and one more, which was not written, or instead of the one of that name.
    pub fn set(mut self, name: &'static str, arg: Arg) -> Args {
        self.0.retain(|given| given.name != name);
        self.0.push(Given { name, arg, span: None });
        self
    }

    /// These arguments but one.
    pub fn without(&self, name: &str) -> Args {
        Args(self.0.iter().filter(|given| given.name != name).cloned().collect())
    }

    fn wanted<T>(&self, name: &str, found: Option<T>) -> Result<T, Fault> {
        found.ok_or_else(|| Fault::internal(format!("argument `{name}` is not declared as it is used")))
    }

    pub fn whole(&self, name: &str) -> Result<usize, Fault> {
        let found = self.get(name).and_then(|given| match given.arg {
            Arg::Whole(n) => Some(n),
            _ => None,
        });
        self.wanted(name, found)
    }

    /// An argument that may be left out.
    pub fn whole_if_given(&self, name: &str) -> Result<Option<usize>, Fault> {
        self.get(name).map(|_| self.whole(name)).transpose()
    }

    /// An argument that may be left out.
    pub fn number_if_given(&self, name: &str) -> Result<Option<f64>, Fault> {
        self.get(name).map(|_| self.number(name)).transpose()
    }

    pub fn number(&self, name: &str) -> Result<f64, Fault> {
        let found = self.get(name).and_then(|given| match given.arg {
            Arg::Number(value) => Some(value),
            _ => None,
        });
        self.wanted(name, found)
    }

    pub fn pair(&self, name: &str) -> Result<[usize; 2], Fault> {
        let found = self.get(name).and_then(|given| match given.arg {
            Arg::Pair(pair) => Some(pair),
            _ => None,
        });
        self.wanted(name, found)
    }

    /// A size along `N` axes; a whole number is that of each.
    pub fn extents<const N: usize>(&self, name: &str) -> Result<[usize; N], Fault> {
        let found = self.get(name).and_then(|given| match &given.arg {
            Arg::Pair(pair) => <[usize; N]>::try_from(pair.as_slice()).ok(),
            Arg::Triple(triple) => <[usize; N]>::try_from(triple.as_slice()).ok(),
            Arg::Whole(n) => Some([*n; N]),
            _ => None,
        });
        self.wanted(name, found)
    }

    pub fn padding(&self, name: &str) -> Result<Padding, Fault> {
        let found = self.get(name).and_then(|given| match given.arg {
            Arg::Padding(padding) => Some(padding),
            _ => None,
        });
        self.wanted(name, found)
    }

    /// The padding before and behind each of `N` axes; nothing for `same`.
    pub fn ends<const N: usize>(&self, name: &str) -> Result<Option<[[usize; 2]; N]>, Fault> {
        let ends = match self.padding(name)? {
            Padding::Same => return Ok(None),
            Padding::Sides([top, bottom, left, right]) if N < 3 => [[top, bottom], [left, right], [0; 2]],
            Padding::Sides([all, ..]) => [[all; 2]; 3],
            Padding::Around(ends) => ends,
        };
        self.wanted(name, ends.first_chunk::<N>().copied().map(Some))
    }

    pub fn bool(&self, name: &str) -> Result<bool, Fault> {
        let found = self.get(name).and_then(|given| match given.arg {
            Arg::Bool(value) => Some(value),
            _ => None,
        });
        self.wanted(name, found)
    }

    pub fn word(&self, name: &str) -> Result<&str, Fault> {
        let found = self.get(name).and_then(|given| match &given.arg {
            Arg::Word(word) | Arg::Text(word) => Some(word.as_str()),
            _ => None,
        });
        self.wanted(name, found)
    }

    pub fn shape(&self, name: &str) -> Result<&Shape, Fault> {
        let found = self.get(name).and_then(|given| match &given.arg {
            Arg::Shape(shape) => Some(shape),
            _ => None,
        });
        self.wanted(name, found)
    }

    pub fn time(&self, name: &str) -> Result<Duration, Fault> {
        let found = self.get(name).and_then(|given| match given.arg {
            Arg::Time(time) => Some(time),
            _ => None,
        });
        self.wanted(name, found)
    }

    pub fn texts(&self, name: &str) -> Result<&[String], Fault> {
        let found = self.get(name).and_then(|given| match &given.arg {
            Arg::Texts(texts) => Some(texts.as_slice()),
            _ => None,
        });
        self.wanted(name, found)
    }

    pub fn numbers(&self, name: &str) -> Result<&[f64], Fault> {
        let found = self.get(name).and_then(|given| match &given.arg {
            Arg::Numbers(numbers) => Some(numbers.as_slice()),
            _ => None,
        });
        self.wanted(name, found)
    }
}

/// The values of names that are visible where an argument stands.
pub trait Scope {
    fn lookup(&self, name: &str) -> Option<ValueKind>;
    fn names(&self) -> Vec<String>;

    /// Why a name that has no value here has none, where that is known and the name can be no word.
    fn absent(&self, _name: &str, _span: Span) -> Option<Box<Diagnostic>> {
        None
    }
}

/// A scope without names.
pub struct NoNames;

impl Scope for NoNames {
    fn lookup(&self, _name: &str) -> Option<ValueKind> {
        None
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Checks the arguments of a statement called `word` against its declaration. Every fault is reported; the
/// arguments come back only when there was none.
pub fn resolve(
    spec: &'static Spec,
    word: &Word,
    arguments: &[Argument],
    scope: &dyn Scope,
    diagnostics: &mut Diagnostics,
) -> Option<Args> {
    let before = diagnostics.len();
    if let Some(found) = spaced::spaced(spec, arguments) {
        diagnostics.push(found);
        return None;
    }
    let mut given: Vec<Given> = Vec::with_capacity(arguments.len());
    let mut places = spec.params.iter().filter(|param| param.positional);
    for argument in arguments {
        let (param, value) = match argument {
            Argument::Value(value) => match places.next() {
                Some(param) => (param, value),
                None => {
                    diagnostics.push(too_many(spec, word, (value, arguments), diagnostics.len() == before));
                    continue;
                }
            },
            Argument::Property { key, value } => {
                match spec.params.iter().find(|param| param.name == key.text) {
                    Some(param) => (param, value),
                    None => {
                        diagnostics.push(elsewhere::unknown_argument(spec, word, (key, value), arguments));
                        continue;
                    }
                }
            }
            Argument::Relation { span, .. } => {
                diagnostics.push(
                    Diagnostic::error(
                        codes::MISPLACED,
                        *span,
                        format!("`{}` takes no comparison", spec.name),
                    )
                    .label("comparisons belong in `if` and `expect`"),
                );
                continue;
            }
        };
        if let Some(first) = given.iter().find(|g| g.name == param.name) {
            let mut d = Diagnostic::error(
                codes::REPEATED_ARGUMENT,
                argument.span(),
                format!("`{}` of `{}` is given twice", param.name, spec.name),
            )
            .label("given again here")
            .drop("remove this one", elsewhere::with_blank(word, arguments, argument.span()));
            if let Some(span) = first.span {
                d = d.related(span, "first given here");
            }
            diagnostics.push(d);
            continue;
        }
        let converted = evaluate(value, scope).and_then(|value| convert(param, spec, &value));
        match converted.or_else(|other| as_choice(param, value).ok_or(other)) {
            Ok(arg) => given.push(Given { name: param.name, arg, span: Some(value.span) }),
            Err(diagnostic) => diagnostics.push(*diagnostic),
        }
    }
    if diagnostics.len() > before {
        return None;
    }
    let mut args = Args(Vec::with_capacity(spec.params.len()));
    for param in spec.params {
        if let Some(at) = given.iter().position(|g| g.name == param.name) {
            args.0.push(given.swap_remove(at));
            continue;
        }
        if param.default == Preset::Required {
            diagnostics.push(missing(spec, param, word));
            continue;
        }
        let Some(arg) = param.default.arg(&args) else { continue };
        args.0.push(Given { name: param.name, arg, span: None });
    }
    (diagnostics.len() == before).then_some(args)
}

/// The word itself, where it is one of the choices and the constant of that name is not: `mean channels` in a block that
/// has a number called `channels`.
fn as_choice(param: &Param, value: &Value) -> Option<Arg> {
    match (&value.kind, param.kind) {
        (ValueKind::Word(word), Kind::Choice(choices)) if choices.contains(&word.as_str()) => {
            Some(Arg::Word(word.clone()))
        }
        _ => None,
    }
}

/// The arguments of a statement with these values by place, all that the declaration requires among them.
pub fn preset(spec: &'static Spec, values: &[Preset]) -> Args {
    let mut args = Args(Vec::with_capacity(spec.params.len()));
    for (i, param) in spec.params.iter().enumerate() {
        let value = values.get(i).copied().unwrap_or(param.default);
        args.0.extend(value.arg(&args).map(|arg| Given { name: param.name, arg, span: None }));
    }
    args
}

/// How a statement of this spec is written: `conv2d CHANNELS KERNEL stride=1 …`.
pub fn usage(spec: &Spec) -> String {
    spec.params.iter().fold(spec.name.to_owned(), |out, param| format!("{out} {}", placeholder(param)))
}

/// What stands for an argument where it is told how a statement is written: `KERNEL`, `[stride=…]`.
pub fn placeholder(param: &Param) -> String {
    match (param.positional, param.default == Preset::Required) {
        (true, true) => param.name.to_uppercase(),
        (true, false) => format!("[{}]", param.name.to_uppercase()),
        (false, true) => format!("{}=…", param.name),
        (false, false) => format!("[{}=…]", param.name),
    }
}

fn too_many(spec: &Spec, word: &Word, (value, all): (&Value, &[Argument]), first: bool) -> Diagnostic {
    let n_places = spec.params.iter().filter(|param| param.positional).count();
    let takes = match n_places {
        0 => "no value without a name".to_owned(),
        1 => "one value without a name".to_owned(),
        n => format!("{n} values without a name"),
    };
    let mut d =
        Diagnostic::error(codes::TOO_MANY_ARGUMENTS, value.span, format!("`{}` takes {takes}", spec.name))
            .label("one value too many");
    let has_in = spec.params.iter().any(|param| param.name == "in");
    // Other tools take further arguments by their places, in the order of the declaration.
    let place = all.iter().position(|argument| argument.span() == value.span);
    let param = place.and_then(|at| spec.params.iter().filter(|param| param.kind != Kind::Bool).nth(at));
    if let Some(param) = param.filter(|param| !param.positional && convert(param, spec, value).is_ok()) {
        let at = Span { end: value.span.start, ..value.span };
        let edits = vec![(at, format!("{}=", param.name))];
        let fix = Fix::new(format!("`{}={value}`", param.name), edits);
        // Some begin with the input channels, so that everything is a place further.
        d = d.fix(if has_in { fix.when(Applicability::Asked) } else { fix });
    }
    if first && has_in {
        d = d.note("the number of input channels or features is left out: it follows from the layer above");
    }
    d = d.drop("remove it", elsewhere::with_blank(word, all, value.span));
    if first { d.note(format!("usage: {}", usage(spec))) } else { d }
}

fn missing(spec: &Spec, param: &Param, word: &Word) -> Diagnostic {
    let message = format!("`{}` needs `{}`: {}", spec.name, param.name, param.doc);
    Diagnostic::error(codes::MISSING_ARGUMENT, word.span, message)
        .label(format!("`{}` is missing", param.name))
        .note(format!("usage: {}", usage(spec)))
}
