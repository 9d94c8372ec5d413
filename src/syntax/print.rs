//! The tree as an indented text, for `dslc graph --stage ast` and for snapshots.

use std::fmt::{self, Display, Write};

use crate::diagram::{Diagram, Role};
use crate::syntax::ast::{Argument, Ast, Chain, Expression, Number, Statement, Unit, Value, ValueKind};

impl Display for Ast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chains.iter().try_for_each(|chain| write_chain(f, chain, 0))
    }
}

impl Ast {
    /// The tree: a box a statement, an arrow to each statement of its block.
    pub fn diagram(&self) -> Diagram {
        let mut diagram = Diagram::new("syntax tree");
        let file = diagram.add(Role::Given, ["file".to_owned()]);
        draw_chains(&mut diagram, &self.chains, file);
        diagram
    }
}

fn draw_chains(diagram: &mut Diagram, chains: &[Chain], parent: usize) {
    let links = chains.iter().flat_map(|chain| &chain.links);
    for statement in links.flat_map(|link| std::iter::once(&link.statement).chain(&link.statement.clauses)) {
        let arguments = statement.arguments.iter().map(|argument| format!("{argument} ")).collect::<String>();
        let own = diagram.add(Role::Step, [statement.word.text.clone(), arguments.trim_end().to_owned()]);
        diagram.join(parent, own, "");
        if let Some(block) = &statement.block {
            draw_chains(diagram, &block.chains, own);
        }
    }
}

fn write_chain(f: &mut fmt::Formatter<'_>, chain: &Chain, depth: usize) -> fmt::Result {
    for (i, link) in chain.links.iter().enumerate() {
        let arrow = if i > 0 { "-> " } else { "" };
        write!(f, "{:1$}{arrow}", "", depth * 2)?;
        write_statement(f, &link.statement, depth)?;
        if let Some(alias) = &link.alias {
            writeln!(f, "{:1$}as {2}", "", depth * 2 + 2, alias.text)?;
        }
        if let Some(shape) = &link.assertion {
            writeln!(f, "{:1$}: {shape}", "", depth * 2 + 2)?;
        }
    }
    Ok(())
}

fn write_statement(f: &mut fmt::Formatter<'_>, statement: &Statement, depth: usize) -> fmt::Result {
    f.write_str(&statement.word.text)?;
    for argument in &statement.arguments {
        write!(f, " {argument}")?;
    }
    f.write_char('\n')?;
    for chain in statement.block.iter().flat_map(|block| &block.chains) {
        write_chain(f, chain, depth + 1)?;
    }
    for clause in &statement.clauses {
        write!(f, "{:1$}", "", depth * 2)?;
        write_statement(f, clause, depth)?;
    }
    Ok(())
}

impl Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Argument::Value(value) => write!(f, "{value}"),
            Argument::Property { key, value } => write!(f, "{}={value}", key.text),
            Argument::Relation { compare, value, .. } => write!(f, "{} {value}", compare.symbol()),
        }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ValueKind::Number(number) => write!(f, "{number}"),
            ValueKind::Extent(dims) => separated(f, dims, "x"),
            ValueKind::Word(word) => f.write_str(word),
            ValueKind::Text(text) => write!(f, "\"{text}\""),
            ValueKind::List(values) => {
                f.write_char('[')?;
                separated(f, values, ", ")?;
                f.write_char(']')
            }
            ValueKind::Sum(sum) => write!(f, "({sum})"),
            ValueKind::Call { name, arguments } => {
                write!(f, "{}(", name.text)?;
                for (i, argument) in arguments.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    match argument {
                        // The parentheses of the call are enough.
                        Argument::Value(Value { kind: ValueKind::Sum(sum), .. }) => {
                            write!(f, "{comma}{sum}")?
                        }
                        _ => write!(f, "{comma}{argument}")?,
                    }
                }
                f.write_char(')')
            }
        }
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::None => "",
            Unit::Percent => "%",
            Unit::Count(1_000) => "k",
            Unit::Count(1_000_000) => "M",
            Unit::Count(_) => "G",
            Unit::Bytes(1) => "B",
            Unit::Bytes(1_000) => "kB",
            Unit::Bytes(1_000_000) => "MB",
            Unit::Bytes(_) => "GB",
            Unit::Time(1_000) => "us",
            Unit::Time(1_000_000) => "ms",
            Unit::Time(1_000_000_000) => "s",
            Unit::Time(60_000_000_000) => "min",
            Unit::Time(_) => "h",
        };
        let size = self.value.abs();
        if size != 0.0 && !(1e-3..1e9).contains(&size) {
            write!(f, "{:e}{unit}", self.value)
        } else {
            write!(f, "{}{unit}", self.value)
        }
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Value(value) => write!(f, "{value}"),
            Expression::Negate(inner) => write!(f, "-({inner})"),
            Expression::Binary { left, operator, right } => {
                for (side, expression) in [(false, left), (true, right)] {
                    if side {
                        f.write_str(operator.symbol())?;
                    }
                    match **expression {
                        Expression::Binary { .. } => write!(f, "({expression})")?,
                        Expression::Value(_) | Expression::Negate(_) => write!(f, "{expression}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

fn separated<T: Display>(f: &mut fmt::Formatter<'_>, items: &[T], separator: &str) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}
