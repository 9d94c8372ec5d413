//! The syntax tree: statements, values and spans, exactly as written. No name has a meaning here.

use crate::source::{FileId, Span};

/// One file's statements, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ast {
    pub file: FileId,
    pub chains: Vec<Chain>,
}

/// Statements joined by `->`; the end of a line or `;` ends a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    pub links: Vec<Link>,
}

/// A statement with the name and the asserted shape of its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    pub statement: Statement,
    pub alias: Option<Word>,
    pub assertion: Option<Value>,
}

/// `word argument… key=value… { … }`, with the clauses (`else { … }`) that follow its block.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub word: Word,
    pub arguments: Vec<Argument>,
    pub block: Option<Block>,
    pub clauses: Vec<Statement>,
    /// The `##` comment lines directly above.
    pub doc: Option<String>,
    pub span: Span,
}

impl Statement {
    /// Where the head (word and arguments, without the block) lies.
    pub fn head(&self) -> Span {
        self.arguments.iter().fold(self.word.span, |span, argument| span.to(argument.span()))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub chains: Vec<Chain>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    /// `64`, `3x3`, `same`
    Value(Value),
    /// `stride=2`
    Property { key: Word, value: Value },
    /// `< 70k`
    Relation { compare: Compare, value: Value, span: Span },
}

impl Argument {
    pub fn span(&self) -> Span {
        match self {
            Argument::Value(value) => value.span,
            Argument::Property { key, value } => key.span.to(value.span),
            Argument::Relation { span, .. } => *span,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Compare {
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Compare::Equal => left == right,
            Compare::NotEqual => left != right,
            Compare::Less => left < right,
            Compare::LessEqual => left <= right,
            Compare::Greater => left > right,
            Compare::GreaterEqual => left >= right,
        }
    }

    pub fn symbol(self) -> &'static str {
        match self {
            Compare::Equal => "==",
            Compare::NotEqual => "!=",
            Compare::Less => "<",
            Compare::LessEqual => "<=",
            Compare::Greater => ">",
            Compare::GreaterEqual => ">=",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub kind: ValueKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ValueKind {
    Number(Number),
    /// `3x3`, `1x28x28`
    Extent(Vec<u64>),
    /// `same`, `in.channels`
    Word(String),
    /// `"data/mnist"`
    Text(String),
    List(Vec<Value>),
    /// `(2*width)`
    Sum(Box<Expression>),
    /// `adam(lr=1e-3)`
    Call {
        name: Word,
        arguments: Vec<Argument>,
    },
}

/// A number as written: the value before its unit, and the unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    pub value: f64,
    pub unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    None,
    Percent,
    /// `k`, `M`, `G`: counts
    Count(u64),
    /// `B`, `kB`, `MB`, `GB`: bytes
    Bytes(u64),
    /// `us`, `ms`, `s`, `min`, `h`: nanoseconds a unit
    Time(u64),
}

impl Number {
    /// The number in base units: a plain count, a fraction of one, bytes or seconds.
    pub fn scaled(&self) -> f64 {
        match self.unit {
            Unit::None => self.value,
            Unit::Percent => self.value / 100.0,
            Unit::Count(n) | Unit::Bytes(n) => self.value * n as f64,
            Unit::Time(ns) => self.value * ns as f64 / 1e9,
        }
    }
}

/// Arithmetic in parentheses.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Value(Value),
    Negate(Box<Expression>),
    Binary { left: Box<Expression>, operator: Operator, right: Box<Expression> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
}

impl Operator {
    pub fn symbol(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::FloorDivide => "//",
            Operator::Remainder => "%",
        }
    }
}
