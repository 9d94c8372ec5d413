//! Nested statements → the same with what is repeated as blocks: sequences that differ in numbers alone are written once, with
//! those numbers as parameters.

use std::collections::HashMap;

use crate::exchange::import::line::{Found, Line};
use crate::exchange::import::outline::{Form, Item};
use crate::layers;
use crate::spec::Preset;

/// The longest sequence that is looked for.
const LONGEST: usize = 12;
/// The most blocks of a file.
const MAX_BLOCKS: usize = 32;
/// Arguments that a block may have as parameters where they are whole numbers.
const OPEN: &[&str] = &[
    "channels",
    "features",
    "kernel",
    "stride",
    "padding",
    "groups",
    "dilation",
    "multiplier",
    "size",
    "scale",
    "heads",
    "from",
    "to",
];

/// A statement whose numbers may be names.
#[derive(Clone, Debug)]
pub enum Node {
    Layer { line: usize },
    Join { line: usize, form: Form, parts: Vec<Vec<Node>> },
    Call { block: usize, values: Vec<Value> },
}

/// A number of a statement, and the channels that arrive there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub name: &'static str,
    pub text: String,
    pub arriving: usize,
}

/// A block: its statements as they are where it is first used, and what stands for each of their numbers.
#[derive(Clone, Debug)]
pub struct Block {
    pub name: String,
    pub parameters: Vec<Parameter>,
    pub body: Vec<Node>,
    /// In the order of the numbers in the body.
    pub values: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Parameter {
    pub name: String,
    pub default: Option<String>,
}

/// A network as blocks and its own statements.
pub struct Folded {
    pub blocks: Vec<Block>,
    pub body: Vec<Node>,
}

/// Whether a layer goes on the line of the one before.
pub fn follows(word: &str) -> bool {
    matches!(
        word,
        "batch_norm"
            | "group_norm"
            | "layer_norm"
            | "instance_norm"
            | "local_response_norm"
            | "relu"
            | "relu6"
            | "leaky_relu"
            | "prelu"
            | "elu"
            | "selu"
            | "gelu"
            | "silu"
            | "mish"
            | "hardswish"
            | "hardsigmoid"
            | "tanh"
            | "sigmoid"
            | "softplus"
            | "exp"
            | "sqrt"
            | "power"
            | "clamp"
            | "l2_normalize"
            | "softmax"
            | "log_softmax"
            | "scale"
    )
}

/// Whether a block may have this argument of a layer as a parameter.
pub fn is_open(line: &Line<'_>, name: &str, value: &str) -> bool {
    OPEN.contains(&name) && value.parse::<u32>().is_ok() && !is_copied(line, name, value)
}

/// Whether an argument need not be written, as it is like another one unless somebody says otherwise: a pool's stride.
pub fn is_copied(line: &Line<'_>, name: &str, value: &str) -> bool {
    let params = layers::find(line.word).map_or([].as_slice(), |layer| layer.spec().params);
    let like = params.iter().find(|param| param.name == name).map(|param| &param.default);
    let Some(Preset::Like(other)) = like else { return false };
    line.args.iter().any(|(own, given)| own == other && given == value)
}

/// Lets joins that come again and again carry the name of what they join themselves, so that each can be a call of a block.
pub fn set_apart(found: &Found<'_>, items: &mut [Item]) {
    let mut folding = Folding { found, blocks: Vec::new(), ids: HashMap::new() };
    let mut times: HashMap<u32, usize> = HashMap::new();
    named(items, &mut |item| *times.entry(folding.id(&node(item.clone()))).or_default() += 1);
    named(items, &mut |item| {
        let own = node(item.clone());
        let (n, lines) = (times.get(&folding.id(&own)).copied().unwrap_or(0), folding.lines(&own) + 1);
        if let (true, Item::Join { form, .. }) = (saved(n, lines) > 0, item) {
            *form = Form::Named { on_previous: false };
        }
    });
}

/// Shows every join whose name the statement before it carries.
fn named(items: &mut [Item], see: &mut dyn FnMut(&mut Item)) {
    for item in items {
        if let Item::Join { form: Form::Named { on_previous: true }, .. } = item {
            see(item);
        }
        if let Item::Join { parts, .. } = item {
            parts.iter_mut().for_each(|part| named(part, see));
        }
    }
}

/// Lines that a block saves if it replaces a sequence of `lines` lines that occurs `n` times.
fn saved(n: usize, lines: usize) -> usize {
    (n * lines.saturating_sub(1)).saturating_sub(lines + 2)
}

pub fn fold(found: &Found<'_>, items: Vec<Item>) -> Folded {
    let mut folding = Folding { found, blocks: Vec::new(), ids: HashMap::new() };
    let mut body: Vec<Node> = items.into_iter().map(node).collect();
    while folding.blocks.len() < MAX_BLOCKS && folding.once(&mut body) {}
    Folded { blocks: folding.blocks, body }
}

fn node(item: Item) -> Node {
    match item {
        Item::Layer(line) => Node::Layer { line },
        Item::Join { line, form, parts } => {
            let parts = parts.into_iter().map(|part| part.into_iter().map(node).collect()).collect();
            Node::Join { line, form, parts }
        }
    }
}

struct Folding<'f, 'a> {
    found: &'f Found<'a>,
    blocks: Vec<Block>,
    ids: HashMap<String, u32>,
}

/// A sequence of statements on its way to be a block.
#[derive(Default)]
struct Places {
    n: usize,
    /// The sequence that it was seen in last, and where it ended there.
    last: (usize, usize),
    lines: usize,
    /// Whether it is a single join with what follows on its line: such blocks are made before sequences of them, and those of
    /// joins that name what they join, gates, before what has them inside.
    is_join: bool,
    is_gate: bool,
}

impl Folding<'_, '_> {
    /// Makes the sequence that saves most lines a block; false where none saves anything.
    fn once(&mut self, body: &mut Vec<Node>) -> bool {
        let mut places: HashMap<Vec<u32>, Places> = HashMap::new();
        let mut n_sequences = 0;
        self.look(body, &mut n_sequences, &mut places);
        let saved = |places: &Places| saved(places.n, places.lines);
        let fits = places.iter().filter(|(_, places)| places.n > 1 && places.lines > 1 && saved(places) > 0);
        // Of those that save as much, the longer one; then the first of the text, which has the smallest numbers.
        let best = fits.max_by(|a, b| {
            let by = |(key, places): &(&Vec<u32>, &Places)| {
                (places.is_gate, places.is_join, saved(places), key.len())
            };
            by(a).cmp(&by(b)).then_with(|| b.0.cmp(a.0))
        });
        let Some(key) = best.map(|(key, _)| key.clone()) else { return false };
        let mut instances = Vec::new();
        self.take(body, &key, &mut instances);
        let block = self.block(&instances);
        let columns = block.1;
        self.blocks.push(block.0);
        let own = self.blocks.len() - 1;
        fill(body, own, &mut columns.into_iter());
        true
    }

    /// Every sequence of statements with how often it stands somewhere.
    fn look(&mut self, sequence: &[Node], n_sequences: &mut usize, places: &mut HashMap<Vec<u32>, Places>) {
        *n_sequences += 1;
        let own = *n_sequences;
        let ids: Vec<u32> = sequence.iter().map(|node| self.id(node)).collect();
        for start in 0..sequence.len() {
            if !self.begins(&sequence[start]) {
                continue;
            }
            let mut lines = 0;
            for length in 1..=LONGEST.min(sequence.len() - start) {
                let end = start + length;
                lines += self.lines(&sequence[end - 1]);
                // What belongs to the line stays on it, but behind a whole join.
                let cuts = sequence.get(end).is_some_and(|next| self.is_follower(next));
                if cuts && !(length == 1 && matches!(sequence[start], Node::Join { .. })) {
                    continue;
                }
                let found = places.entry(ids[start..end].to_vec()).or_default();
                if found.n == 0 || found.last.0 != own || found.last.1 <= start {
                    (found.n, found.last, found.lines) = (found.n + 1, (own, end), lines);
                    let rest = sequence[start + 1..end].iter();
                    found.is_join = matches!(sequence[start], Node::Join { .. })
                        && rest.clone().all(|node| self.is_follower(node));
                    found.is_gate = length == 1
                        && matches!(
                            sequence[start],
                            Node::Join { form: Form::Named { on_previous: false }, .. }
                        );
                }
            }
        }
        for node in sequence {
            if let Node::Join { parts, .. } = node {
                parts.iter().for_each(|part| self.look(part, n_sequences, places));
            }
        }
    }

    fn begins(&self, node: &Node) -> bool {
        let named = matches!(node, Node::Join { form: Form::Named { on_previous: true }, .. });
        !named && !self.is_follower(node)
    }

    fn is_follower(&self, node: &Node) -> bool {
        matches!(node, Node::Layer { line } if follows(self.found.lines[*line].word))
    }

    /// Puts calls in for a sequence, whose instances are collected in the order of the text.
    fn take(&mut self, sequence: &mut Vec<Node>, key: &[u32], instances: &mut Vec<Vec<Node>>) {
        let mut at = 0;
        while at < sequence.len() {
            let end = at + key.len();
            let matches = end <= sequence.len()
                && self.begins(&sequence[at])
                && (0..key.len()).all(|i| self.id(&sequence[at + i]) == key[i])
                && {
                    let cuts = sequence.get(end).is_some_and(|next| self.is_follower(next));
                    !cuts || (key.len() == 1 && matches!(sequence[at], Node::Join { .. }))
                };
            if matches {
                let call = Node::Call { block: usize::MAX, values: Vec::new() };
                instances.push(sequence.splice(at..end, [call]).collect());
            } else if let Node::Join { parts, .. } = &mut sequence[at] {
                parts.iter_mut().for_each(|part| self.take(part, key, instances));
            }
            at += 1;
        }
    }

    /// The block of these instances, and for each of them the values of its parameters.
    fn block(&self, instances: &[Vec<Node>]) -> (Block, Vec<Vec<Value>>) {
        let all: Vec<Vec<Value>> =
            instances.iter().map(|nodes| nodes.iter().flat_map(|node| self.values(node)).collect()).collect();
        let arriving: Vec<usize> = instances.iter().map(|nodes| self.arriving(&nodes[0])).collect();
        let n = all.first().map_or(0, Vec::len);
        let mut parameters: Vec<(Parameter, Vec<&Value>)> = Vec::new();
        let mut values = Vec::with_capacity(n);
        for i in 0..n {
            let column: Vec<&Value> = all.iter().map(|own| &own[i]).collect();
            let same = |other: usize| {
                let alike = |own: &Vec<Value>| own[other].text == own[i].text;
                is_width(all[0][other].name) && all.iter().all(alike)
            };
            let comes_again = (i + 1..n).any(same);
            values.push(expression(&column, comes_again, &mut parameters));
        }
        // Those without a default stand first.
        parameters.sort_by_key(|(parameter, _)| parameter.default.is_some());
        let columns = (0..instances.len())
            .map(|at| {
                let of = |(_, column): &(Parameter, Vec<&Value>)| Value {
                    arriving: arriving[at],
                    ..column[at].clone()
                };
                parameters.iter().map(of).collect()
            })
            .collect();
        let name = self.name(instances);
        let parameters = parameters.into_iter().map(|(parameter, _)| parameter).collect();
        (Block { name, parameters, body: instances[0].clone(), values }, columns)
    }

    /// What a statement is but for its numbers, as a number.
    fn id(&mut self, node: &Node) -> u32 {
        let skeleton = self.skeleton(node);
        let next = self.ids.len() as u32;
        *self.ids.entry(skeleton).or_insert(next)
    }

    fn skeleton(&mut self, node: &Node) -> String {
        match node {
            Node::Layer { line } => {
                let line = &self.found.lines[*line];
                let args = line.args.iter().map(|(name, value)| match is_open(line, name, value) {
                    true => format!(" {name}"),
                    false if is_copied(line, name, value) => format!(" {name} copied"),
                    false => format!(" {name}={value}"),
                });
                format!("{}{}", line.word, args.collect::<String>())
            }
            Node::Join { line, form, parts } => {
                let word = self.found.lines[*line].word;
                let parts: Vec<String> = parts
                    .iter()
                    .map(|part| {
                        part.iter().map(|node| self.id(node).to_string()).collect::<Vec<_>>().join(" ")
                    })
                    .collect();
                format!("{word} {form:?} ({})", parts.join(") ("))
            }
            Node::Call { block, .. } => format!("call {block}"),
        }
    }

    /// Lines of text.
    fn lines(&self, node: &Node) -> usize {
        match node {
            Node::Layer { line } => usize::from(!follows(self.found.lines[*line].word)),
            Node::Call { .. } => 1,
            Node::Join { form, parts, .. } => {
                let of = |part: &Vec<Node>| part.iter().map(|node| self.lines(node)).sum::<usize>().max(1);
                let own = match form {
                    Form::Named { on_previous: true } => 1,
                    Form::Residual | Form::Shortcut | Form::Branches | Form::Named { on_previous: false } => {
                        2
                    }
                };
                own + parts.iter().map(of).sum::<usize>()
            }
        }
    }

    /// Channels of what arrives at a statement.
    fn arriving(&self, node: &Node) -> usize {
        match node {
            Node::Layer { line } => {
                let input = self.found.lines[*line].inputs[0];
                let shape = input.checked_sub(1).map_or(&self.found.input, |at| &self.found.lines[at].shape);
                shape.first().copied().unwrap_or(0)
            }
            Node::Join { parts, .. } => {
                parts.iter().flat_map(|part| part.first()).map(|node| self.arriving(node)).next().unwrap_or(0)
            }
            Node::Call { values, .. } => values.first().map_or(0, |value| value.arriving),
        }
    }

    /// The numbers of a statement, in the order in which they are written.
    fn values(&self, node: &Node) -> Vec<Value> {
        match node {
            Node::Layer { line } => {
                let (arriving, line) = (self.arriving(node), &self.found.lines[*line]);
                let open = line.args.iter().filter(|(name, value)| is_open(line, name, value));
                open.map(|(name, value)| Value { name, text: value.clone(), arriving }).collect()
            }
            Node::Join { parts, .. } => parts.iter().flatten().flat_map(|node| self.values(node)).collect(),
            Node::Call { values, .. } => values.clone(),
        }
    }

    /// A name for a block: what the modules around its layers were called, the same for all instances.
    fn name(&self, instances: &[Vec<Node>]) -> String {
        let mut lines = Vec::new();
        for (at, nodes) in instances.iter().enumerate() {
            nodes.iter().for_each(|node| self.collect(node, at, &mut lines));
        }
        let of = |at: usize| {
            lines.iter().filter(move |(own, _)| *own == at).map(|(_, line)| &self.found.lines[*line].origin)
        };
        let mut names: Option<Vec<String>> = None;
        for at in 0..instances.len() {
            let mut common: Option<Vec<String>> = None;
            for origin in of(at) {
                let own = super::names::words(origin);
                common = Some(match common {
                    None => own,
                    Some(common) => {
                        common.into_iter().zip(own).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
                    }
                });
            }
            let own: Vec<String> =
                common.unwrap_or_default().iter().map(|word| super::names::stem(word)).collect();
            names = Some(match names {
                None => own,
                Some(names) => names.into_iter().filter(|name| own.contains(name)).collect(),
            });
        }
        let taken = |name: &str| self.blocks.iter().any(|block| block.name == name);
        let known = names.unwrap_or_default();
        let found = known.iter().rev().find(|name| super::names::names_a_block(name)).cloned();
        let name = found.unwrap_or_else(|| "stage".to_owned());
        let numbered = (1..).map(|n| if n == 1 { name.clone() } else { format!("{name}_{n}") });
        numbered.into_iter().find(|name| !taken(name)).unwrap_or(name)
    }

    fn collect(&self, node: &Node, at: usize, lines: &mut Vec<(usize, usize)>) {
        match node {
            Node::Layer { line } => lines.push((at, *line)),
            Node::Join { parts, .. } => parts.iter().flatten().for_each(|node| self.collect(node, at, lines)),
            Node::Call { block, .. } => {
                if let Some(block) = self.blocks.get(*block) {
                    block.body.iter().for_each(|node| self.collect(node, usize::MAX, lines));
                }
            }
        }
    }
}

/// Gives the calls that were just put in their block and their values, in the order of the text.
fn fill(sequence: &mut [Node], own: usize, columns: &mut std::vec::IntoIter<Vec<Value>>) {
    for node in sequence {
        match node {
            Node::Call { block, values } if *block == usize::MAX => {
                (*block, *values) = (own, columns.next().unwrap_or_default());
            }
            Node::Join { parts, .. } => parts.iter_mut().for_each(|part| fill(part, own, columns)),
            Node::Call { .. } | Node::Layer { .. } => {}
        }
    }
}

fn is_width(name: &str) -> bool {
    ["channels", "features", "from", "to"].contains(&name)
}

/// How a number is written in a block whose instances have these: as it is, by a parameter, or as a multiple of one or of
/// what arrives, unless it `comes_again` further on.
fn expression<'v>(
    column: &[&'v Value],
    comes_again: bool,
    parameters: &mut Vec<(Parameter, Vec<&'v Value>)>,
) -> String {
    let first = column[0];
    if column.iter().all(|value| value.text == first.text) {
        return first.text.clone();
    }
    let number = |value: &Value| value.text.parse::<usize>().unwrap_or(0);
    let is_half = |value: &&Value| number(value) > 0 && number(value) * 2 == value.arriving;
    if ["from", "to"].contains(&first.name) && column.iter().all(is_half) {
        return "(in.channels // 2)".to_owned();
    }
    for (parameter, own) in parameters.iter() {
        if own[0].name == first.name && own.iter().zip(column).all(|(a, b)| a.text == b.text) {
            return parameter.name.clone();
        }
        let factor = |of: &dyn Fn(usize) -> usize| -> Option<usize> {
            let k = number(first).checked_div(of(0)).filter(|&k| k > 1)?;
            (0..column.len()).all(|i| number(column[i]) == k * of(i)).then_some(k)
        };
        if is_width(first.name) && is_width(own[0].name) {
            if own.iter().zip(column).all(|(a, b)| a.text == b.text) {
                return parameter.name.clone();
            }
            if let Some(k) = factor(&|i| number(own[i])) {
                return format!("({k} * {})", parameter.name);
            }
        }
        let halves = first.name == "padding" && own[0].name == "kernel";
        if halves && own.iter().zip(column).all(|(a, b)| number(b) == number(a) / 2) {
            return format!("({} // 2)", parameter.name);
        }
    }
    if is_width(first.name) && !comes_again {
        let k = number(first).checked_div(first.arriving).filter(|&k| k > 1);
        if let Some(k) = k.filter(|k| column.iter().all(|value| number(value) == k * value.arriving)) {
            return format!("({k} * in.channels)");
        }
    }
    let taken = |name: &str| parameters.iter().any(|(parameter, _)| parameter.name == name);
    let numbered = (1..).map(|n| if n == 1 { first.name.to_owned() } else { format!("{}_{n}", first.name) });
    let name = numbered.into_iter().find(|name| !taken(name)).unwrap_or_default();
    let n_of = |value: &Value| column.iter().filter(|other| other.text == value.text).count();
    // The first of those that are there most often.
    let often = column.iter().rev().max_by_key(|value| n_of(value)).map(|value| value.text.clone());
    let default = if is_width(first.name) { None } else { often };
    parameters.push((Parameter { name: name.clone(), default }, column.to_vec()));
    name
}
