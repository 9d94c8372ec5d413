//! Tree, text and comments → lines: what stands on a line together, and where a line is broken.
//!
//! Everything is decided from left to right, by what fits and by where the writer broke the text, so that a result
//! is laid out as itself again: a break that was made because something did not fit is the writer's the next time.

use crate::format::align::{ARROW, Line};
use crate::format::comments::{self, Comment};
use crate::format::inline::{self, Inline};
use crate::format::{INDENT, MAX_WIDTH};
use crate::syntax::ast::{Argument, Ast, Block, Chain, Link, Statement, Value, ValueKind};

pub fn lines(text: &str, ast: &Ast) -> Vec<Line> {
    let comments = comments::find(text);
    let mut printer = Printer {
        inline: Inline { text, comments: &comments },
        rest: &comments,
        lines: Vec::new(),
        at: 0,
        top: true,
        section: 0,
        n_sections: 1,
    };
    printer.body(&ast.chains, text.len(), 0);
    printer.lines
}

/// What comments stand in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Lines of a block: blank lines above are kept.
    Block,
    /// A list or parameters.
    List,
    /// Around a `->`, which may stand on either side of them.
    Arrow,
}

struct Printer<'a> {
    inline: Inline<'a>,
    /// The comments that are still to come.
    rest: &'a [Comment],
    lines: Vec<Line>,
    /// Where in the text what was printed ends.
    at: usize,
    /// Whether nothing of the block has a line yet.
    top: bool,
    section: usize,
    n_sections: usize,
}

impl Printer<'_> {
    /// Begins a line with what stands at a place of the text.
    fn open(&mut self, at: usize, depth: usize) {
        let (width, section, from) = (depth * INDENT, self.section, Some(self.line_start(at)));
        self.lines.push(Line { depth, width, section, from, ..Line::default() });
        self.top = false;
    }

    /// Begins a line that goes on with a chain.
    fn open_with_arrow(&mut self, at: usize, depth: usize) {
        let (width, section) = (depth * INDENT + ARROW.len(), self.section);
        self.lines.push(Line { depth, width, section, arrow: true, from: Some(at), ..Line::default() });
    }

    /// The beginning of a line if only blanks stand in front of a place, else the place.
    fn line_start(&self, at: usize) -> usize {
        let before = self.inline.text[..at].trim_end_matches([' ', '\t', '\r']);
        if before.is_empty() || before.ends_with('\n') { before.len() } else { at }
    }

    /// Adds to the last line; a shape that stood at its end is now in its middle.
    fn push(&mut self, code: &str) {
        let Some(line) = self.lines.last_mut() else { return };
        if let Some(shape) = line.shape.take() {
            line.width += shape.len() + " : ".len();
            line.code.push_str(&format!(" : {shape}"));
        }
        line.width += code.chars().count();
        line.code.push_str(code);
    }

    /// Columns that the last line fills.
    fn width(&self) -> usize {
        let shape = |line: &Line| line.shape.as_ref().map_or(0, |shape| " : ".len() + shape.len());
        self.lines.last().map_or(0, |line| line.width + shape(line))
    }

    fn depth(&self) -> usize {
        self.lines.last().map_or(0, |line| line.depth)
    }

    fn fits(&self, n_more: usize) -> bool {
        self.width() + n_more <= MAX_WIDTH
    }

    fn newlines(&self, to: usize) -> usize {
        self.inline.text.get(self.at..to).map_or(0, |gap| gap.matches('\n').count())
    }

    /// Prints the comments in front of a place: at the end of the last line where that holds the code they follow,
    /// else on lines of their own. Gives whether the last line now ends in a comment.
    fn comments(&mut self, before: usize, depth: usize, place: Place) -> bool {
        let mut any = false;
        while let Some((comment, rest)) = self.rest.split_first().filter(|(c, _)| c.start < before) {
            self.rest = rest;
            any = true;
            let text = self.inline.text[comment.start..comment.end].to_owned();
            match self.lines.last_mut().filter(|line| comment.trailing && line.comment.is_none()) {
                Some(line) => line.comment = Some(text),
                None => {
                    let (width, section) = (depth * INDENT, self.section);
                    let blank_above = place == Place::Block && !self.top && self.newlines(comment.start) > 1;
                    let from = (place != Place::Arrow).then(|| self.line_start(comment.start));
                    let comment = Some(text);
                    self.lines.push(Line {
                        depth,
                        width,
                        section,
                        blank_above,
                        from,
                        comment,
                        ..Line::default()
                    });
                    self.top = false;
                }
            }
            self.at = comment.end;
        }
        any
    }

    /// The chains of a block (or file) that ends at `end`, a line or more each.
    fn body(&mut self, chains: &[Chain], end: usize, depth: usize) {
        let outer = self.begin_section();
        self.top = true;
        for chain in chains {
            let Some(first) = chain.links.first() else { continue };
            let start = first.statement.span.start as usize;
            self.comments(start, depth, Place::Block);
            let blank_above = !self.top && self.newlines(start) > 1;
            self.open(start, depth);
            if let Some(line) = self.lines.last_mut() {
                line.blank_above = blank_above;
            }
            self.chain(chain, depth);
        }
        self.comments(end, depth, Place::Block);
        self.section = outer;
    }

    fn begin_section(&mut self) -> usize {
        self.n_sections += 1;
        std::mem::replace(&mut self.section, self.n_sections)
    }

    /// Links on the line that was begun, and on lines of their own behind each break.
    fn chain(&mut self, chain: &Chain, depth: usize) {
        for (i, link) in chain.links.iter().enumerate() {
            let code = self.inline.link(link);
            let shape = inline::shape(link).len();
            let width = code.as_ref().map(|code| code.chars().count() + shape);
            if i > 0 {
                let start = link.statement.span.start as usize;
                let newline = self.newlines(start) > 0;
                let broken = self.comments(start, depth + 1, Place::Arrow) || newline;
                let alone = (depth + 1) * INDENT + ARROW.len();
                let stays = match width {
                    Some(width) if self.fits(" -> ".len() + width) => true,
                    Some(width) if alone + width <= MAX_WIDTH => false,
                    _ => self
                        .fits(" -> ".len() + self.inline.head(&link.statement).chars().count() + " {".len()),
                };
                match stays && !broken {
                    true => self.push(" -> "),
                    false => self.open_with_arrow(start, depth + 1),
                }
            }
            match code {
                Some(code) if self.fits(width.unwrap_or(0)) => self.push(&code),
                _ => self.link(link, shape),
            }
            if let (Some(shape), Some(line)) = (&link.assertion, self.lines.last_mut()) {
                line.shape = Some(shape.to_string());
            }
            self.at = inline::link_end(link);
        }
    }

    /// A link that does not fit on one line; its shape, of so many columns, comes behind it.
    fn link(&mut self, link: &Link, shape: usize) {
        let statement = &link.statement;
        self.push(&statement.word.text);
        self.arguments(statement);
        let name = link.alias.as_ref().map_or_else(String::new, |name| format!(" as {}", name.text));
        match self.inline.blocks(statement) {
            Some(blocks) if self.fits(blocks.chars().count() + name.len() + shape) => self.push(&blocks),
            _ => {
                if let Some(block) = &statement.block {
                    self.block(block);
                }
                for clause in &statement.clauses {
                    self.push(&format!(" {}", clause.word.text));
                    self.arguments(clause);
                    if let Some(block) = &clause.block {
                        self.block(block);
                    }
                }
            }
        }
        self.push(&name);
    }

    /// ` {`, the block's lines, `}`
    fn block(&mut self, block: &Block) {
        if self.inline.is_empty(block) {
            return self.push(" {}");
        }
        let depth = self.depth();
        self.push(" {");
        self.at = block.span.start as usize + 1;
        self.body(&block.chains, block.span.end as usize - 1, depth + 1);
        self.open(block.span.end as usize - 1, depth);
        self.push("}");
        self.at = block.span.end as usize;
    }

    fn arguments(&mut self, statement: &Statement) {
        for (i, argument) in statement.arguments.iter().enumerate() {
            self.push(" ");
            let last = i + 1 == statement.arguments.len() && statement.block.is_some();
            let behind = if last { " {".len() } else { 0 };
            let spaced = Inline::spaced(statement);
            match self.inline.argument(argument, spaced) {
                Some(text) if self.fits(text.chars().count() + behind) => self.push(&text),
                _ => self.argument(argument, spaced),
            }
        }
    }

    /// An argument that does not fit, or that its writer broke.
    fn argument(&mut self, argument: &Argument, spaced: bool) {
        match argument {
            Argument::Value(value) => self.value(value),
            Argument::Property { key, value } => {
                self.push(&format!("{}{}", key.text, Inline::equals(spaced)));
                self.value(value);
            }
            Argument::Relation { compare, value, .. } => {
                self.push(&format!("{} ", compare.symbol()));
                self.value(value);
            }
        }
    }

    fn value(&mut self, value: &Value) {
        match &value.kind {
            ValueKind::List(values) => {
                let items: Vec<Argument> = values.iter().cloned().map(Argument::Value).collect();
                self.items("[", &items, "]", value);
            }
            ValueKind::Call { name, arguments } => {
                self.items(&format!("{}(", name.text), arguments, ")", value);
            }
            ValueKind::Number(_)
            | ValueKind::Extent(_)
            | ValueKind::Word(_)
            | ValueKind::Text(_)
            | ValueKind::Sum(_) => self.push(&self.inline.plain(value)),
        }
    }

    /// A list or parameters between brackets, as many items a line as fit; breaks of the writer are kept if the
    /// first one stands behind the bracket.
    fn items(&mut self, open: &str, items: &[Argument], close: &str, whole: &Value) {
        if items.is_empty() && !self.inline.has_comment(whole.span) {
            return self.push(&format!("{open}{close}"));
        }
        let depth = self.depth();
        self.push(open);
        self.at = whole.span.start as usize + open.len();
        let kept = self.inline.breaks_at(self.at);
        let outer = self.begin_section();
        let mut own_line = true;
        for item in items {
            let start = item.span().start as usize;
            let newline = self.newlines(start) > 0;
            let text = self.inline.argument(item, false);
            own_line |= self.comments(start, depth + 1, Place::List);
            own_line |= text.is_none() || (kept && newline);
            own_line |= !self.fits(text.as_ref().map_or(0, |text| text.chars().count()) + " ,".len());
            match own_line {
                true => self.open(start, depth + 1),
                false => self.push(" "),
            }
            match text {
                Some(text) if self.fits(text.chars().count() + ",".len()) => self.push(&text),
                _ => self.argument(item, false),
            }
            self.push(",");
            self.at = item.span().end as usize;
            own_line = false;
        }
        self.comments(whole.span.end as usize, depth + 1, Place::List);
        self.section = outer;
        self.open(whole.span.end as usize - 1, depth);
        self.push(close);
        self.at = whole.span.end as usize;
    }
}
