//! pest's pairs → tree. Every rule of the grammar has its arm here; text that fits no rule becomes a
//! diagnostic that says what was expected.

use pest::iterators::{Pair, Pairs};

use crate::diag::{Diagnostic, Diagnostics, Fix, codes};
use crate::numbers::thousands;
use crate::source::{FileId, Span};
use crate::syntax::ast::{
    Argument, Block, Chain, Compare, Expression, Link, Number, Operator, Statement, Unit, Value, ValueKind,
    Word,
};
use crate::syntax::{Rule, mistaken};

/// Longer sums and products than this are refused: a tree as deep as they are long could not be walked.
const MAX_TERMS: usize = 256;

/// More mistakes than this are not listed.
pub const MAX_FINDINGS: usize = 1_000;

/// Adds a finding; behind very many, one that says so.
pub fn report(diagnostics: &mut Diagnostics, diagnostic: Diagnostic) {
    match diagnostics.len() {
        n if n < MAX_FINDINGS => diagnostics.push(diagnostic),
        MAX_FINDINGS => diagnostics.push(Diagnostic::error(
            codes::SYNTAX,
            diagnostic.primary.span,
            format!("more than {MAX_FINDINGS} syntax errors: is this a network file?"),
        )),
        _ => {}
    }
}

pub fn closes_nothing(brace: Span) -> Diagnostic {
    let d = Diagnostic::error(codes::SYNTAX, brace, "this `}` closes nothing");
    d.label("no `{` is open here").replace("remove it", brace, "")
}

/// The same of braces with nothing but blanks and ends of lines between them, at these places in order.
pub fn close_nothing(file: FileId, places: &[usize]) -> Option<Diagnostic> {
    let mut edits: Vec<(Span, String)> = Vec::new();
    for &at in places {
        match edits.last_mut() {
            Some((span, _)) if span.end as usize == at => span.end += 1,
            Some(_) | None => edits.push((Span::new(file, at..at + 1), String::new())),
        }
    }
    match (edits.first().map(|(span, _)| *span)?, places.len()) {
        (_, 1) => Some(closes_nothing(Span::new(file, places[0]..places[0] + 1))),
        (first, n) => {
            let behind = match n {
                2 => "neither does the one after it".to_owned(),
                _ => format!("neither do the {} after it", thousands(n as u64 - 1)),
            };
            let message = format!("this `}}` closes nothing, and {behind}");
            let d = Diagnostic::error(codes::SYNTAX, first, message).label("no `{` is open here");
            Some(d.fix(Fix::new("remove them", edits)))
        }
    }
}

pub struct Builder<'a> {
    file: FileId,
    /// What the grammar has read.
    text: &'a str,
    diagnostics: &'a mut Diagnostics,
}

impl<'a> Builder<'a> {
    /// For pairs of a text; positions are those in it.
    pub fn new(file: FileId, text: &'a str, diagnostics: &'a mut Diagnostics) -> Builder<'a> {
        Builder { file, text, diagnostics }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        report(self.diagnostics, diagnostic);
    }

    /// The chains of an item.
    pub fn chains(&mut self, pairs: Pairs<'_, Rule>) -> Vec<Chain> {
        pairs.flat_map(|pair| self.entries(pair.into_inner())).collect()
    }

    fn entries(&mut self, pairs: Pairs<'_, Rule>) -> Vec<Chain> {
        let mut chains = Vec::new();
        for pair in pairs {
            match pair.as_rule() {
                Rule::chain => chains.push(self.chain(pair)),
                Rule::junk => {
                    let blocks = self.junk(&pair);
                    if let Some(statement) = self.unfinished(&mut chains, &pair) {
                        adopt(statement, blocks);
                    }
                }
                Rule::stray_close => {
                    let span = self.span(&pair);
                    self.report(closes_nothing(span));
                }
                _ => {}
            }
        }
        chains
    }

    /// The statement without a block that ends where junk begins, on the same line.
    fn unfinished<'c>(&self, chains: &'c mut [Chain], junk: &Pair<'_, Rule>) -> Option<&'c mut Statement> {
        let link = chains.last_mut()?.links.last_mut()?;
        let gap = self.text.get(link.statement.span.end as usize..self.span(junk).start as usize)?;
        let ended = gap.contains(['\n', ';']) || link.alias.is_some() || link.assertion.is_some();
        (!ended && link.statement.block.is_none()).then_some(&mut link.statement)
    }

    fn chain(&mut self, pair: Pair<'_, Rule>) -> Chain {
        let links = pair.into_inner().filter(|p| p.as_rule() == Rule::link);
        let mut links: Vec<Link> = links.filter_map(|p| self.link(p)).collect();
        // Nearly every chain is short, and a growing list begins with room for four.
        links.shrink_to_fit();
        Chain { links }
    }

    fn link(&mut self, pair: Pair<'_, Rule>) -> Option<Link> {
        let (mut statement, mut alias, mut assertion) = (None, None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::statement => statement = self.statement(part),
                Rule::alias => {
                    alias = part.into_inner().find(|p| p.as_rule() == Rule::name).map(|p| self.word(&p));
                }
                Rule::assertion => {
                    let span = self.span(&part);
                    let shape = part.into_inner().flat_map(Pair::into_inner).next();
                    assertion = shape.map(|p| Value { kind: self.extent(&p), span: self.span(&p) });
                    if assertion.is_none() {
                        self.report(Diagnostic::error(codes::SYNTAX, span, "a shape is expected here"));
                    }
                }
                _ => {}
            }
        }
        statement.map(|statement| Link { statement, alias, assertion })
    }

    /// A statement or a clause: both are a word, arguments and a block.
    fn statement(&mut self, pair: Pair<'_, Rule>) -> Option<Statement> {
        let span = self.trimmed(&pair);
        let (mut word, mut block) = (None, None);
        let (mut arguments, mut clauses) = (Vec::new(), Vec::new());
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::word | Rule::name if word.is_none() => word = Some(self.word(&part)),
                Rule::block => block = Some(self.block(part)),
                Rule::clause => clauses.extend(self.statement(part)),
                _ => arguments.extend(self.argument(part)),
            }
        }
        word.map(|word| Statement { word, arguments, block, clauses, doc: None, span })
    }

    fn block(&mut self, pair: Pair<'_, Rule>) -> Block {
        let span = self.span(&pair);
        Block { chains: self.entries(pair.into_inner()), span }
    }

    fn argument(&mut self, pair: Pair<'_, Rule>) -> Option<Argument> {
        match pair.as_rule() {
            Rule::property => {
                let mut parts = pair.into_inner();
                let key = parts.next().map(|p| self.word(&p))?;
                let value = parts.next().and_then(|p| self.value(p))?;
                Some(Argument::Property { key, value })
            }
            Rule::relation => {
                let span = self.trimmed(&pair);
                let mut parts = pair.into_inner();
                let compare = match parts.next()?.as_str() {
                    "==" => Compare::Equal,
                    "!=" => Compare::NotEqual,
                    "<=" => Compare::LessEqual,
                    ">=" => Compare::GreaterEqual,
                    "<" => Compare::Less,
                    _ => Compare::Greater,
                };
                let value = parts.next().and_then(|p| self.value(p))?;
                Some(Argument::Relation { compare, value, span })
            }
            _ => self.value(pair).map(Argument::Value),
        }
    }

    fn value(&mut self, pair: Pair<'_, Rule>) -> Option<Value> {
        let span = self.trimmed(&pair);
        let kind = match pair.as_rule() {
            Rule::value => return pair.into_inner().next().and_then(|inner| self.value(inner)),
            Rule::number => ValueKind::Number(self.number(&pair)),
            Rule::extent | Rule::integer => self.extent(&pair),
            Rule::word | Rule::name => ValueKind::Word(pair.as_str().to_owned()),
            Rule::text => ValueKind::Text(pair.as_str().trim_matches('"').to_owned()),
            Rule::list => ValueKind::List(pair.into_inner().filter_map(|p| self.value(p)).collect()),
            Rule::group => ValueKind::Sum(Box::new(self.group(pair)?)),
            // A parameter of a call: one value, or arithmetic without parentheses of its own.
            Rule::sum => match alone(pair.clone()) {
                Some(one) if one.as_rule() != Rule::negation => return self.value(one),
                Some(_) | None => ValueKind::Sum(Box::new(self.expression(pair)?)),
            },
            Rule::call => {
                let mut parts = pair.into_inner();
                let name = parts.next().map(|p| self.word(&p))?;
                let arguments =
                    parts.flat_map(Pair::into_inner).filter_map(|p| self.argument(p)).collect::<Vec<_>>();
                ValueKind::Call { name, arguments }
            }
            _ => return None,
        };
        Some(Value { kind, span })
    }

    fn group(&mut self, pair: Pair<'_, Rule>) -> Option<Expression> {
        pair.into_inner().next().and_then(|sum| self.expression(sum))
    }

    fn expression(&mut self, pair: Pair<'_, Rule>) -> Option<Expression> {
        match pair.as_rule() {
            Rule::sum | Rule::product => {
                let mut parts = pair.into_inner();
                let mut left = self.expression(parts.next()?)?;
                let mut n_terms = 1;
                while let (Some(operator), Some(right)) = (parts.next(), parts.next()) {
                    let span = self.span(&right);
                    let operator = match operator.as_str() {
                        "+" => Operator::Add,
                        "-" => Operator::Subtract,
                        "*" => Operator::Multiply,
                        "//" => Operator::FloorDivide,
                        "/" => Operator::Divide,
                        _ => Operator::Remainder,
                    };
                    n_terms += 1;
                    if n_terms > MAX_TERMS {
                        self.report(
                            Diagnostic::error(
                                codes::NESTING,
                                span,
                                format!("more than {MAX_TERMS} terms in one expression"),
                            )
                            .label("one term too many")
                            .advise("name a part of it with `let` and use the name"),
                        );
                        return None;
                    }
                    let right = Box::new(self.expression(right)?);
                    left = Expression::Binary { left: Box::new(left), operator, right };
                }
                Some(left)
            }
            Rule::negation => {
                let inner = pair.into_inner().next().and_then(|p| self.expression(p))?;
                Some(Expression::Negate(Box::new(inner)))
            }
            Rule::group => self.group(pair),
            _ => self.value(pair).map(Expression::Value),
        }
    }

    /// `28` or `1x28x28`; an extent too large for 64 bits saturates and is refused by the shape check.
    fn extent(&self, pair: &Pair<'_, Rule>) -> ValueKind {
        let dims: Vec<u64> = pair.as_str().split('x').map(|part| part.parse().unwrap_or(u64::MAX)).collect();
        ValueKind::Extent(dims)
    }

    fn number(&self, pair: &Pair<'_, Rule>) -> Number {
        let text = pair.as_str();
        let suffix = pair.clone().into_inner().find(|p| p.as_rule() == Rule::unit);
        let suffix = suffix.as_ref().map_or("", |p| p.as_str());
        let value = text[..text.len() - suffix.len()].parse().unwrap_or(f64::NAN);
        let unit = match suffix {
            "%" => Unit::Percent,
            "k" => Unit::Count(1_000),
            "M" => Unit::Count(1_000_000),
            "G" => Unit::Count(1_000_000_000),
            "B" => Unit::Bytes(1),
            "kB" => Unit::Bytes(1_000),
            "MB" => Unit::Bytes(1_000_000),
            "GB" => Unit::Bytes(1_000_000_000),
            "us" => Unit::Time(1_000),
            "ms" => Unit::Time(1_000_000),
            "s" => Unit::Time(1_000_000_000),
            "min" => Unit::Time(60_000_000_000),
            "h" => Unit::Time(3_600_000_000_000),
            _ => Unit::None,
        };
        Number { value, unit }
    }

    /// Text that no rule takes: say what is wrong with it, and still read the blocks inside it.
    fn junk(&mut self, pair: &Pair<'_, Rule>) -> Vec<Block> {
        let span = self.trimmed(pair);
        let text = self.text.get(span.range()).unwrap_or_default().trim();
        if text.is_empty() {
            return Vec::new();
        }
        let first_line = text.lines().next().unwrap_or_default().trim_end();
        let shown = first_line.chars().take(40).collect::<String>();
        let span = Span { end: span.start + first_line.len() as u32, ..span };
        let mut d = Diagnostic::error(codes::SYNTAX, span, format!("`{shown}` is not expected here"));
        let before = self.text.get(..span.start as usize).unwrap_or_default();
        let front = before.rsplit('\n').next().unwrap_or_default();
        if let Some(other) = mistaken::instead(front, first_line) {
            let at = |at: usize| span.start + at as u32;
            let place = Span { start: at(other.start), end: at(other.end), ..span };
            let fix = Fix::new(other.title, vec![(place, other.text)]).when(other.applicability);
            self.report(d.label(other.label).fix(fix));
            return self.blocks_of(pair);
        }
        if let Some((before, end, text)) = mistaken::arithmetic(front, first_line) {
            let place = Span { start: span.start - before as u32, end: span.start + end as u32, ..span };
            self.report(d.label("arithmetic stands in parentheses").replace(
                format!("write `{text}`"),
                place,
                text,
            ));
            return self.blocks_of(pair);
        }
        d = match text.chars().next() {
            Some('-') if text.starts_with("->") => d.label("a statement must follow the `->`"),
            Some('=') => d.label("write `key=value`, with a name before the `=`"),
            Some(':') => d.label("an output shape such as `6x28x28` must follow the `:`"),
            Some('"') => d.label("this string does not end on its line"),
            Some('(' | '[') => d.label("this bracket is not closed, or holds something other than values"),
            Some('{') => d.label("a block needs a word before it, such as `model Name {`"),
            Some(c) if c.is_ascii_digit() => d.label(
                "a statement begins with a word; a number has this form: `64`, `3x3`, `1e-3`, `70k`, `5%`",
            ),
            Some(_)
                if text.split('=').next().is_some_and(|key| key.trim().chars().all(is_word_char))
                    && text.contains('=') =>
            {
                d.label("the value after the `=` cannot be read")
            }
            _ => d.label("expected a word, an argument, `key=value`, `->` or the end of the line"),
        };
        self.report(d);
        self.blocks_of(pair)
    }

    fn blocks_of(&mut self, pair: &Pair<'_, Rule>) -> Vec<Block> {
        let blocks = pair.clone().into_inner().filter(|p| p.as_rule() == Rule::block);
        blocks.map(|block| self.block(block)).collect()
    }

    fn word(&self, pair: &Pair<'_, Rule>) -> Word {
        Word { text: pair.as_str().to_owned(), span: self.span(pair) }
    }

    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        Span::new(self.file, span.start()..span.end())
    }

    /// The span without the blanks that pest reads behind a repetition.
    fn trimmed(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = self.span(pair);
        let text = self.text.get(span.range()).unwrap_or_default().trim_end();
        Span { end: span.start + text.len() as u32, ..span }
    }
}

/// The only factor of a sum.
fn alone(pair: Pair<'_, Rule>) -> Option<Pair<'_, Rule>> {
    match pair.as_rule() {
        Rule::sum | Rule::product => {
            let mut parts = pair.into_inner();
            let (first, None) = (parts.next()?, parts.next()) else { return None };
            alone(first)
        }
        _ => Some(pair),
    }
}

/// Gives a statement whose head is broken the block behind it, so that the lines inside are still read as what they
/// are: `model M( { … }`.
fn adopt(statement: &mut Statement, blocks: Vec<Block>) {
    if let Some(block) = blocks.into_iter().next() {
        statement.span = statement.span.to(block.span);
        statement.block = Some(block);
    }
}

fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
