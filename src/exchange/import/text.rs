//! Blocks and nested statements → a text in the one style, with the shapes asserted where a part of the network ends.

use crate::exchange::import::fold::{Block, Folded, Node, Parameter, Value, follows, is_copied, is_open};
use crate::exchange::import::line::{Found, Line};
use crate::exchange::import::names;
use crate::exchange::import::outline::Form;
use crate::format;
use crate::layers;
use crate::shape::Shape;
use crate::source::Sources;
use crate::spec::{Param, Preset};
use crate::syntax;

/// How wide a line of joined layers may be.
const WIDTH: usize = 90;
/// The longest sequence of lines that is looked for again behind itself.
const PERIOD: usize = 8;

/// The file's text. `head` are lines of comment.
pub fn text(found: &Found<'_>, folded: &Folded, head: &[String]) -> String {
    let mut out = String::new();
    head.iter().for_each(|line| out.push_str(&format!("# {line}\n")));
    out.push('\n');
    let writer = Writer { found, blocks: &folded.blocks };
    for block in &folded.blocks {
        let parameters: Vec<String> = block
            .parameters
            .iter()
            .map(|parameter| match &parameter.default {
                Some(default) => format!("{}={default}", parameter.name),
                None => parameter.name.clone(),
            })
            .collect();
        let parameters =
            if parameters.is_empty() { String::new() } else { format!("({})", parameters.join(", ")) };
        let mut values = block.values.iter().cloned();
        let lines = writer.sequence(
            &block.body,
            &mut |value| values.next().unwrap_or_else(|| value.text.clone()),
            Place::Block,
        );
        out.push_str(&format!("block {}{parameters} {{\n{}}}\n\n", block.name, indented(&lines)));
    }
    out.push_str(&format!(
        "model {} {{\n    input {}\n",
        names::model(&found.name),
        Shape::new(&found.input)
    ));
    let lines = writer.sequence(&folded.body, &mut |value| value.text.clone(), Place::Model);
    out.push_str(&if lines.is_empty() { "    identity\n".to_owned() } else { indented(&lines) });
    out.push_str("}\n");
    let mut sources = Sources::default();
    let file = sources.add("imported.model", out.clone());
    let (ast, wrong) = syntax::parse(&sources, file);
    if wrong.is_empty() { format::format(&out, &ast) } else { out }
}

fn indented(lines: &[String]) -> String {
    lines.iter().flat_map(|line| line.lines()).map(|line| format!("    {line}\n")).collect()
}

/// Where a sequence stands: shapes are asserted in a model alone.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Model,
    Block,
}

type Write<'w> = dyn FnMut(&Value) -> String + 'w;

struct Writer<'f, 'a> {
    found: &'f Found<'a>,
    blocks: &'f [Block],
}

/// A line under construction.
#[derive(Default)]
struct Lines {
    done: Vec<String>,
    shapes: Vec<Option<Vec<usize>>>,
    n_names: usize,
}

impl Lines {
    fn begin(&mut self, text: String, shape: Option<Vec<usize>>) {
        self.done.push(text);
        self.shapes.push(shape);
    }

    /// On the line before, where there is room.
    fn join(&mut self, text: &str, shape: Option<Vec<usize>>) {
        match self.done.last_mut() {
            Some(last) if last.lines().last().is_some_and(|line| line.len() + text.len() + 4 <= WIDTH) => {
                last.push_str(&format!(" -> {text}"));
                if let Some(own) = self.shapes.last_mut() {
                    *own = shape;
                }
            }
            _ => self.begin(text.to_owned(), shape),
        }
    }
}

impl Writer<'_, '_> {
    fn sequence(&self, nodes: &[Node], write: &mut Write<'_>, place: Place) -> Vec<String> {
        let mut lines = Lines::default();
        self.into(nodes, write, &mut lines);
        let Lines { done, shapes, .. } = lines;
        repeated(done, shapes, place)
    }

    fn into(&self, nodes: &[Node], write: &mut Write<'_>, lines: &mut Lines) {
        for node in nodes {
            match node {
                Node::Layer { line } => {
                    let line = &self.found.lines[*line];
                    let text = statement(line, write);
                    let shape = Some(line.shape.clone());
                    match follows(line.word) {
                        true => lines.join(&text, shape),
                        false => lines.begin(text, shape),
                    }
                }
                Node::Call { block, values } => {
                    let text = call(&self.blocks[*block], values, write);
                    lines.begin(text, self.given(node));
                }
                Node::Join { line, form, parts } => {
                    self.join(self.found.lines[*line].word, *form, parts, node, write, lines)
                }
            }
        }
    }

    fn join(
        &self,
        word: &str,
        form: Form,
        parts: &[Vec<Node>],
        node: &Node,
        write: &mut Write<'_>,
        lines: &mut Lines,
    ) {
        let braced = |head: &str, inner: Vec<String>| match inner.as_slice() {
            [line] if !line.contains('\n') && line.len() < 60 => format!("{head} {{ {line} }}"),
            _ => format!("{head} {{\n{}}}", indented(&inner)),
        };
        match form {
            Form::Residual | Form::Shortcut => {
                let mut text = braced("residual", self.sequence(&parts[0], write, Place::Block));
                if let Some(shortcut) = parts.get(1) {
                    text.push_str(&format!(
                        " {}",
                        braced("shortcut", self.sequence(shortcut, write, Place::Block))
                    ));
                }
                lines.begin(text, self.given(node));
            }
            Form::Branches => {
                let mut inner = Vec::new();
                for part in parts {
                    let own = match part.is_empty() {
                        true => vec!["identity".to_owned()],
                        false => self.sequence(part, write, Place::Block),
                    };
                    inner.push(braced("branch", own));
                }
                lines.begin(format!("{word} {{\n{}}}", indented(&inner)), self.given(node));
            }
            Form::Named { on_previous } => {
                lines.n_names += 1;
                let name =
                    if lines.n_names == 1 { "skip".to_owned() } else { format!("skip_{}", lines.n_names) };
                match lines.done.last_mut() {
                    Some(last) if on_previous => last.push_str(&format!(" as {name}")),
                    _ => lines.begin(format!("identity as {name}"), None),
                }
                self.into(&parts[0], write, lines);
                lines.begin(format!("{word} {name}"), self.given(node));
            }
        }
    }

    /// The shape that a statement gives.
    fn given(&self, node: &Node) -> Option<Vec<usize>> {
        match node {
            Node::Layer { line } | Node::Join { line, .. } => Some(self.found.lines[*line].shape.clone()),
            // Of a call only the first instance's lines are at hand.
            Node::Call { .. } => None,
        }
    }
}

/// Lines that come again behind themselves are written once.
fn repeated(lines: Vec<String>, shapes: Vec<Option<Vec<usize>>>, place: Place) -> Vec<String> {
    let (mut out, mut at) = (Vec::new(), 0);
    let mut asserted: Option<&[usize]> = None;
    while at < lines.len() {
        let names = |line: &String| line.contains(" as ") || line.contains(" skip");
        let times = |period: usize| {
            let first = &lines[at..(at + period).min(lines.len())];
            match first.len() == period && !first.iter().any(names) {
                true => lines[at..].chunks_exact(period).take_while(|own| *own == first).count(),
                false => 0,
            }
        };
        let best = (1..=PERIOD)
            .filter(|&period| times(period) > 1)
            .max_by_key(|&period| (times(period) - 1) * period);
        let (n, period) = best.map_or((1, 1), |period| (times(period), period));
        let end = at + n * period;
        let mut text = match (n, &lines[at..at + period]) {
            (1, one) => one[0].clone(),
            (n, [one]) if !one.contains('\n') => format!("repeat {n} {{ {one} }}"),
            (n, many) => format!("repeat {n} {{\n{}}}", indented(many)),
        };
        if let (Place::Model, Some(shape)) = (place, shapes[end - 1].as_deref()) {
            let extents = |shape: &[usize]| shape.get(1..).map(<[usize]>::to_vec);
            if asserted.is_none_or(|own| extents(own) != extents(shape)) || end == lines.len() {
                text.push_str(&format!("    : {}", Shape::new(shape)));
                asserted = Some(shape);
            }
        }
        out.push(text);
        at = end;
    }
    out
}

fn call(block: &Block, values: &[Value], write: &mut Write<'_>) -> String {
    let mut text = block.name.clone();
    for (parameter, value) in block.parameters.iter().zip(values) {
        let Parameter { name, default } = parameter;
        let own = write(value);
        match default {
            None => text.push_str(&format!(" {own}")),
            Some(default) if *default == own => {}
            Some(_) => text.push_str(&format!(" {name}={own}")),
        }
    }
    text
}

/// A layer as it is written: arguments by place, then those that are not their defaults.
fn statement(line: &Line<'_>, write: &mut Write<'_>) -> String {
    let params = layers::find(line.word).map_or([].as_slice(), |layer| layer.spec().params);
    let mut text = line.word.to_owned();
    let mut in_place = true;
    let mut written: Vec<(&str, String)> = Vec::new();
    for (name, value) in &line.args {
        let Some(param) = params.iter().find(|param| param.name == *name) else { continue };
        if is_copied(line, name, value) {
            in_place &= !param.positional;
            continue;
        }
        let own = match is_open(line, name, value) {
            true => write(&Value { name, text: value.clone(), arriving: 0 }),
            false => value.clone(),
        };
        written.push((name, own.clone()));
        if default(param, &written).is_some_and(|default| same(&default, &own)) {
            in_place &= !param.positional;
            continue;
        }
        let is_square = *name == "kernel" && line.word.ends_with("2d") && line.word.contains("conv");
        let own = if is_square && own.parse::<u32>().is_ok() { format!("{own}x{own}") } else { own };
        match param.positional && in_place {
            true => text.push_str(&format!(" {own}")),
            false => text.push_str(&format!(" {name}={own}")),
        }
    }
    text
}

/// What holds where an argument is not written, behind those that were looked at.
fn default(param: &Param, written: &[(&str, String)]) -> Option<String> {
    match param.default {
        Preset::Required | Preset::Absent | Preset::Time(_) => None,
        Preset::Like(other) => {
            written.iter().find(|(name, _)| *name == other).map(|(_, value)| value.clone())
        }
        Preset::Count(_)
        | Preset::Number(_)
        | Preset::Pair(..)
        | Preset::Padding(_)
        | Preset::Bool(_)
        | Preset::Word(_) => Some(param.default.to_string()),
    }
}

/// Whether two arguments are the same, as texts or as numbers of 32 bits.
fn same(a: &str, b: &str) -> bool {
    a == b || matches!((a.parse::<f32>(), b.parse::<f32>()), (Ok(a), Ok(b)) if a == b)
}
