//! Pieces of the tree as they stand on one line, where they can: not with a comment inside, not where the writer broke
//! a block or a list, and not far beyond a line's width.

use crate::format::MAX_WIDTH;
use crate::format::comments::Comment;
use crate::source::Span;
use crate::syntax::ast::{Argument, Block, Chain, Expression, Link, Statement, Value, ValueKind};

pub struct Inline<'a> {
    pub text: &'a str,
    pub comments: &'a [Comment],
}

/// Where a link ends in the text.
pub fn link_end(link: &Link) -> usize {
    let alias = link.alias.as_ref().map(|name| name.span);
    let shape = link.assertion.as_ref().map(|shape| shape.span);
    let statement = link.statement.span;
    // A shape that was added has no place of its own.
    [alias, shape].into_iter().flatten().fold(statement.end, |end, span| end.max(span.end)) as usize
}

/// ` : 6x28x28`, where a link asserts its shape.
pub fn shape(link: &Link) -> String {
    link.assertion.as_ref().map_or_else(String::new, |shape| format!(" : {shape}"))
}

impl Inline<'_> {
    pub fn has_comment(&self, span: Span) -> bool {
        let first = self.comments.partition_point(|comment| comment.start < span.start as usize);
        self.comments.get(first).is_some_and(|comment| comment.start < span.end as usize)
    }

    /// Whether a line ends at a place of the text, blanks aside.
    pub fn breaks_at(&self, at: usize) -> bool {
        self.text[at..].trim_start_matches([' ', '\t', '\r']).starts_with('\n')
    }

    /// Whether a block holds nothing at all.
    pub fn is_empty(&self, block: &Block) -> bool {
        block.chains.is_empty() && !self.has_comment(block.span)
    }

    /// A link without its shape.
    pub fn link(&self, link: &Link) -> Option<String> {
        let mut out = self.whole_head(&link.statement)?;
        out.push_str(&self.blocks(&link.statement)?);
        if let Some(name) = &link.alias {
            out.push_str(&format!(" as {}", name.text));
        }
        Some(out)
    }

    /// The word and arguments; the word alone where an argument cannot stand on the line.
    pub fn head(&self, statement: &Statement) -> String {
        self.whole_head(statement).unwrap_or_else(|| statement.word.text.clone())
    }

    fn whole_head(&self, statement: &Statement) -> Option<String> {
        let mut out = statement.word.text.clone();
        for argument in &statement.arguments {
            out.push(' ');
            out.push_str(&self.argument(argument, Inline::spaced(statement))?);
        }
        Some(out)
    }

    /// The block and clauses of a statement, with a blank in front.
    pub fn blocks(&self, statement: &Statement) -> Option<String> {
        let mut out = self.block(statement.block.as_ref())?;
        for clause in &statement.clauses {
            out.push(' ');
            out.push_str(&self.whole_head(clause)?);
            out.push_str(&self.block(clause.block.as_ref())?);
        }
        Some(out)
    }

    fn block(&self, block: Option<&Block>) -> Option<String> {
        let Some(block) = block else { return Some(String::new()) };
        if self.is_empty(block) {
            return Some(" {}".to_owned());
        }
        if self.text.get(block.span.range())?.contains('\n') {
            return None;
        }
        let chains = joined(block.chains.iter().map(|chain| self.chain(chain)), "; ")?;
        Some(format!(" {{ {chains} }}"))
    }

    fn chain(&self, chain: &Chain) -> Option<String> {
        joined(chain.links.iter().map(|link| Some(self.link(link)? + &shape(link))), " -> ")
    }

    /// `let` is read as an equation, with blanks around its `=`; everywhere else `=` is tight.
    pub fn spaced(statement: &Statement) -> bool {
        statement.word.text == "let"
    }

    pub fn equals(spaced: bool) -> &'static str {
        if spaced { " = " } else { "=" }
    }

    pub fn argument(&self, argument: &Argument, spaced: bool) -> Option<String> {
        Some(match argument {
            Argument::Value(value) => self.value(value)?,
            Argument::Property { key, value } => {
                format!("{}{}{}", key.text, Inline::equals(spaced), self.value(value)?)
            }
            Argument::Relation { compare, value, .. } => {
                format!("{} {}", compare.symbol(), self.value(value)?)
            }
        })
    }

    fn value(&self, value: &Value) -> Option<String> {
        let (open, items) = match &value.kind {
            ValueKind::List(values) => ("[".to_owned(), joined(values.iter().map(|v| self.value(v)), ", ")),
            ValueKind::Call { name, arguments } => {
                (format!("{}(", name.text), joined(arguments.iter().map(|a| self.argument(a, false)), ", "))
            }
            ValueKind::Number(_)
            | ValueKind::Extent(_)
            | ValueKind::Word(_)
            | ValueKind::Text(_)
            | ValueKind::Sum(_) => return Some(self.plain(value)),
        };
        let close = if open == "[" { "]" } else { ")" };
        let items = items?;
        let broken = !items.is_empty() && self.breaks_at(value.span.start as usize + open.len());
        (!broken && !self.has_comment(value.span)).then(|| format!("{open}{items}{close}"))
    }

    /// A value without brackets for items: as it was written, arithmetic with blanks around its signs.
    pub fn plain(&self, value: &Value) -> String {
        let written = self.text.get(value.span.range()).unwrap_or_default();
        let ValueKind::Sum(sum) = &value.kind else { return written.to_owned() };
        let (mut out, mut at) = (String::new(), value.span.start as usize);
        let mut leaves = Vec::new();
        values(sum, &mut leaves);
        for leaf in leaves {
            self.signs(&mut out, at..leaf.span.start as usize);
            out.push_str(&self.value(leaf).unwrap_or_else(|| self.text[leaf.span.range()].to_owned()));
            at = leaf.span.end as usize;
        }
        self.signs(&mut out, at..value.span.end as usize);
        out
    }

    /// Brackets and operators between two numbers or names.
    fn signs(&self, out: &mut String, range: std::ops::Range<usize>) {
        let mut signs = self.text[range].chars().filter(|c| !c.is_whitespace()).peekable();
        while let Some(sign) = signs.next() {
            let behind_operand = out.ends_with(|c: char| c != '(' && c != ' ' && c != '-');
            match sign {
                '(' | ')' => out.push(sign),
                '-' if !behind_operand => out.push(sign),
                '/' if signs.next_if_eq(&'/').is_some() => out.push_str(" // "),
                _ => out.push_str(&format!(" {sign} ")),
            }
        }
    }
}

/// Pieces in a row; nothing if one of them cannot stand on a line, or all of them could not by their sheer length.
/// (Without that bound, each level of blocks would build the whole text of the levels inside it.)
fn joined(pieces: impl Iterator<Item = Option<String>>, separator: &str) -> Option<String> {
    // In bytes, of which a character has at most four.
    const LONGEST: usize = 4 * MAX_WIDTH;
    let mut out = String::new();
    for piece in pieces {
        if !out.is_empty() {
            out.push_str(separator);
        }
        out.push_str(&piece?);
        if out.len() > LONGEST {
            return None;
        }
    }
    Some(out)
}

/// Where the numbers and names of an expression stand, in order.
fn values<'e>(expression: &'e Expression, found: &mut Vec<&'e Value>) {
    match expression {
        Expression::Value(value) => found.push(value),
        Expression::Negate(inner) => values(inner, found),
        Expression::Binary { left, right, operator: _ } => {
            values(left, found);
            values(right, found);
        }
    }
}
