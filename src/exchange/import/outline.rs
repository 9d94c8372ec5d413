//! Layers with their wires → nested statements: what parts at one value and is joined again becomes `residual`, branches, or a
//! name. Found by dominators: a join's branches part at the last value that all of them need.

use crate::diag::{Fault, codes};
use crate::exchange::import::line::{Found, Line, Sums};

/// How deep branches may lie in each other.
const MAX_DEPTH: usize = 48;
/// The most layers of a network that is made a text.
const MAX_LINES: usize = 20_000;

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// The layer of a line.
    Layer(usize),
    /// Several sequences joined by the join of a line.
    Join { line: usize, form: Form, parts: Vec<Vec<Item>> },
}

/// How a join is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `residual { … }`: the one part and what arrives.
    Residual,
    /// `residual { … } shortcut { … }`
    Shortcut,
    /// `WORD { branch { … } … }`, an empty part being `identity`.
    Branches,
    /// `… as NAME`, the one part, `WORD NAME`; whether the statement before carries the name, else an `identity` does.
    Named { on_previous: bool },
}

/// The statements of a network.
pub fn outline(found: &Found<'_>) -> Result<Vec<Item>, Fault> {
    let lines = &found.lines;
    if lines.len() > MAX_LINES {
        let message =
            format!("the network has {} layers: more than {MAX_LINES} make no readable text", lines.len());
        return Err(Fault::new(codes::EXCHANGE_IN, message));
    }
    let mut tree = Tree {
        found,
        lines,
        parents: vec![0; lines.len() + 1],
        depths: vec![0; lines.len() + 1],
        seen: vec![false; lines.len()],
    };
    for (at, line) in lines.iter().enumerate() {
        let mut inputs = line.inputs.iter().copied();
        let first = inputs.next().ok_or_else(|| Fault::internal("a layer without input is imported"))?;
        let parent = inputs.fold(first, |a, b| tree.common(a, b));
        (tree.parents[at + 1], tree.depths[at + 1]) = (parent, tree.depths[parent] + 1);
    }
    tree.between(0, found.output, 0)
}

/// The lines in the order in which a text of these statements has them; `None` stands for an `identity` that was put in, as in a
/// network that does nothing.
pub fn order(items: &[Item]) -> Vec<Option<usize>> {
    let mut order = Vec::new();
    flatten(items, &mut order);
    if items.is_empty() {
        order.push(None);
    }
    order
}

struct Tree<'l, 'a> {
    found: &'l Found<'a>,
    lines: &'l [Line<'a>],
    /// Of each value the last one that every way to it goes through.
    parents: Vec<usize>,
    depths: Vec<usize>,
    seen: Vec<bool>,
}

impl Tree<'_, '_> {
    fn common(&self, mut a: usize, mut b: usize) -> usize {
        while a != b {
            match self.depths[a] >= self.depths[b] {
                true => a = self.parents[a],
                false => b = self.parents[b],
            }
        }
        a
    }

    /// The statements that make value `to` of value `from`.
    fn between(&mut self, from: usize, to: usize, depth: usize) -> Result<Vec<Item>, Fault> {
        let (mut items, mut at) = (Vec::new(), to);
        while at != from {
            let Some(place) = at.checked_sub(1).filter(|_| self.depths[at] > self.depths[from]) else {
                return Err(self.tangled(to));
            };
            if std::mem::replace(&mut self.seen[place], true) {
                return Err(self.tangled(at));
            }
            let line = &self.lines[place];
            if crate::layers::joins::find(line.word).is_none() {
                items.push(Item::Layer(place));
                at = line.inputs[0];
                continue;
            }
            if depth == MAX_DEPTH {
                let message = format!(
                    "branches lie more than {MAX_DEPTH} deep in each other at `{}`",
                    line.origin.name
                );
                return Err(Fault::new(codes::EXCHANGE_IN, message));
            }
            let parent = self.parents[at];
            if self.depths[parent] < self.depths[from] {
                return Err(self.tangled(at));
            }
            let mut parts = Vec::new();
            for &input in &line.inputs {
                parts.push(self.between(parent, input, depth + 1)?);
            }
            let shape = |value: usize| match value.checked_sub(1) {
                None => &self.found.input,
                Some(at) => &self.lines[at].shape,
            };
            let alike = line.inputs.iter().all(|&input| *shape(input) == line.shape);
            items.push(match (line.word, alike) {
                // A `residual` repeats no value along an axis.
                ("add", false) => Item::Join { line: place, form: Form::Branches, parts },
                (word, _) => joined(place, word, parts, self.found.sums),
            });
            at = parent;
        }
        items.reverse();
        for i in 1..items.len() {
            let is_layer = matches!(items[i - 1], Item::Layer(_));
            if let Item::Join { form: Form::Named { on_previous }, .. } = &mut items[i] {
                *on_previous = is_layer;
            }
        }
        Ok(items)
    }

    fn tangled(&self, at: usize) -> Fault {
        let name = at.checked_sub(1).map_or("the input", |at| self.lines[at].origin.name.as_str());
        Fault::new(
            codes::EXCHANGE_IN,
            format!("the value of `{name}` is taken in several branches that are not joined in the order in which they part"),
        )
        .advise("the network as it is trained, without what only measures it")
    }
}

fn joined(line: usize, word: &str, mut parts: Vec<Vec<Item>>, sums: Sums) -> Item {
    let empty: Vec<bool> = parts.iter().map(Vec::is_empty).collect();
    let form = match (word, empty.as_slice()) {
        ("add", [false, true]) => {
            parts.truncate(1);
            Form::Residual
        }
        ("add" | "multiply", [true, false]) => {
            parts.remove(0);
            if word == "add" { Form::Residual } else { Form::Named { on_previous: false } }
        }
        ("add", [false, false]) => {
            // What is much smaller is a shortcut.
            let is_turned = size(&parts[1]) > 2 * size(&parts[0]);
            match (is_turned, sums) {
                (true, Sums::AsGiven) => Form::Branches,
                (true, Sums::Readable) => {
                    parts.swap(0, 1);
                    Form::Shortcut
                }
                (false, Sums::AsGiven | Sums::Readable) => Form::Shortcut,
            }
        }
        ("concat" | "multiply" | "matmul", [false, true]) => {
            parts.truncate(1);
            Form::Named { on_previous: false }
        }
        _ => Form::Branches,
    };
    Item::Join { line, form, parts }
}

fn size(items: &[Item]) -> usize {
    let of = |item: &Item| match item {
        Item::Layer(_) => 1,
        Item::Join { parts, .. } => 1 + parts.iter().map(|part| size(part)).sum::<usize>(),
    };
    items.iter().map(of).sum()
}

fn flatten(items: &[Item], order: &mut Vec<Option<usize>>) {
    for item in items {
        match item {
            Item::Layer(line) => order.push(Some(*line)),
            Item::Join { line, form, parts } => {
                if *form == (Form::Named { on_previous: false }) {
                    order.push(None);
                }
                for part in parts {
                    if part.is_empty() {
                        order.push(None);
                    }
                    flatten(part, order);
                }
                order.push(Some(*line));
            }
        }
    }
}
