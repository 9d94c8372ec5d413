//! The layers of a model by the blocks that they are named after → Python classes: blocks that differ in numbers alone are one
//! class with arguments.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::diag::Fault;
use crate::exchange::network::Network;
use crate::exchange::pytorch::forward::{Unit, forward};
use crate::exchange::pytorch::helpers::HELPERS;
use crate::exchange::pytorch::layer::{Code, Piece};
use crate::model::{self, Model, Wire};

/// A part of a class.
enum Part {
    Layer(usize),
    Block(Block),
}

/// The layers whose names begin alike.
pub struct Block {
    /// What its parent calls it.
    name: String,
    /// What its class is called after; of one of several in a row, what the row is called.
    word: String,
    parts: Vec<Part>,
    first: usize,
    end: usize,
}

/// A block's class and what its instance gives it.
struct Made {
    class: usize,
    arguments: Vec<(&'static str, usize)>,
}

/// A class under construction: what its instances have in common, and where they differ.
struct Class {
    word: String,
    /// The texts of all instances, which are the same.
    key: String,
    /// For each instance the numbers, in order.
    instances: Vec<Vec<(&'static str, usize)>>,
    modules: Vec<(String, Vec<Piece>)>,
    forward: Vec<String>,
}

/// The blocks of a model; `None` where one takes or gives several values, as no class here does.
pub fn nested(model: &Model) -> Option<Block> {
    let (end, last) = (model.layers.len(), last_uses(model));
    let parts = parts(model, &last, 0, 0..end, "");
    fits(model, &last, &parts).then(|| Block {
        name: String::new(),
        word: String::new(),
        parts,
        first: 0,
        end,
    })
}

fn fits(model: &Model, last: &[usize], parts: &[Part]) -> bool {
    parts.iter().all(|part| match part {
        Part::Layer(_) => true,
        Part::Block(own) => {
            outside(model, own).is_ok()
                && given(last, own.first..own.end) == [own.end - 1]
                && fits(model, last, &own.parts)
        }
    })
}

/// For each layer's value the last layer that takes it; for what the model gives, none is the last.
fn last_uses(model: &Model) -> Vec<usize> {
    let mut last = vec![0; model.layers.len() + 1];
    for (at, layer) in model.layers.iter().enumerate() {
        layer.inputs.iter().for_each(|wire| last[wire.index()] = at);
    }
    last[model.output.index()] = usize::MAX;
    last.split_off(1)
}

/// The layers of a block whose values are taken after it.
fn given(last: &[usize], block: Range<usize>) -> Vec<usize> {
    block.clone().filter(|&at| last[at] >= block.end).collect()
}

/// Whether the file itself has this name.
pub fn is_taken(name: &str) -> bool {
    ["F", "Path", "torch", "nn", "load_file"].contains(&name)
        || HELPERS.iter().any(|helper| helper.name == name)
}

/// The classes of the blocks of a network, those that others use first, and what the last one is called, which is the network.
pub fn classes(network: &Network<'_>, codes: &[Code], whole: &Block) -> Result<(String, String), Fault> {
    let model = network.model;
    let mut classes: Vec<Class> = Vec::new();
    // Blocks inside of others first: their calls are part of those.
    let mut made = BTreeMap::new();
    gather(network, codes, whole, &mut classes, &mut made)?;
    let mut names: Vec<String> = Vec::new();
    for class in &classes {
        let base = if class.word.is_empty() { model.name.clone() } else { camel(&class.word) };
        let taken = |name: &String| {
            names.contains(name) || (*name == model.name && !class.word.is_empty()) || is_taken(name)
        };
        let mut numbered = (1..).map(|n| if n == 1 { base.clone() } else { format!("{base}{n}") });
        names.push(numbered.find(|name| !taken(name)).unwrap_or(base));
    }
    let parameters: Vec<Parameters> = classes.iter().map(|class| Parameters::of(&class.instances)).collect();
    let mut out = String::new();
    for (at, class) in classes.iter().enumerate() {
        out.push_str(&written(class, &names, &parameters, at));
    }
    Ok((out, names.pop().unwrap_or_default()))
}

/// Whether a part of a name tells only which of several it is.
pub fn is_number(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_digit())
}

/// Words of Python that no attribute can have as its name.
pub const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// What every `nn.Module` has and a layer may be called after.
const ATTRIBUTES: [&str; 45] = [
    "add_module",
    "apply",
    "bfloat16",
    "buffers",
    "call_super_init",
    "children",
    "compile",
    "cpu",
    "cuda",
    "double",
    "dump_patches",
    "eval",
    "extra_repr",
    "float",
    "forward",
    "get_buffer",
    "get_extra_state",
    "get_parameter",
    "get_submodule",
    "half",
    "ipu",
    "load_state_dict",
    "modules",
    "mtia",
    "named_buffers",
    "named_children",
    "named_modules",
    "named_parameters",
    "parameters",
    "register_buffer",
    "register_forward_hook",
    "register_module",
    "register_parameter",
    "requires_grad_",
    "set_extra_state",
    "set_submodule",
    "share_memory",
    "state_dict",
    "to",
    "to_empty",
    "train",
    "training",
    "type",
    "xpu",
    "zero_grad",
];

/// How a class writes what it keeps under a name, so that the weights have that name: a row's numbers, words of Python and what
/// a module has already are no attributes of their own.
pub fn kept(name: &str) -> String {
    match is_number(name) || KEYWORDS.contains(&name) || ATTRIBUTES.contains(&name) {
        true => format!("self._modules[\"{name}\"]"),
        false => format!("self.{name}"),
    }
}

/// Groups layers by the part of their names at `depth`; `row` is what those are called after that have numbers alone. `last` tells
/// who takes a layer's value last.
fn parts(model: &Model, last: &[usize], depth: usize, layers: Range<usize>, row: &str) -> Vec<Part> {
    let Range { start: first, end } = layers;
    let head = |at: usize| -> Option<&str> {
        let mut words = model.layers[at].name.split('.').skip(depth);
        let head = words.next();
        words.next().and(head)
    };
    let (mut parts_of, mut at) = (Vec::new(), first);
    while at < end {
        let Some(name) = head(at) else {
            parts_of.push(Part::Layer(at));
            at += 1;
            continue;
        };
        let mut n = (at..end).take_while(|&other| head(other) == Some(name)).count();
        // What branches give may be joined by a layer after them, which is then part of their block.
        let next = at + n;
        let is_join = next < end
            && head(next).is_none()
            && matches!(model.layers[next].unit, model::Unit::Join(_))
            && given(last, at..next).len() > 1
            && given(last, at..next + 1) == [next];
        n += usize::from(is_join);
        let word = if is_number(name) { row.to_owned() } else { stem(name) };
        let parts = parts(model, last, depth + 1, at..at + n, &word);
        parts_of.push(Part::Block(Block { name: name.to_owned(), word, parts, first: at, end: at + n }));
        at += n;
    }
    parts_of
}

type Places = BTreeMap<(usize, usize, String), Made>;

/// Finds the class of a block, those of the blocks inside first.
fn gather(
    network: &Network<'_>,
    codes: &[Code],
    block: &Block,
    classes: &mut Vec<Class>,
    made: &mut Places,
) -> Result<(), Fault> {
    let (mut units, mut modules, mut numbers, mut key) = (Vec::new(), Vec::new(), Vec::new(), String::new());
    let place = |block: &Block| (block.first, block.end, block.name.clone());
    let own_name = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    for part in &block.parts {
        match part {
            Part::Layer(at) => {
                let layer = &network.model.layers[*at];
                let (name, code) = (own_name(&layer.name), &codes[*at]);
                if !code.module.is_empty() {
                    modules.push((name.clone(), code.module.clone()));
                }
                let call = code.call.replace("{self}", &kept(&name));
                units.push(Unit { call, inputs: layer.inputs.clone(), output: Wire::of_layer(*at) });
            }
            Part::Block(inner) => {
                let row = in_a_row(network, inner)?;
                let mut pieces = Vec::new();
                for (i, block) in row.iter().enumerate() {
                    gather(network, codes, block, classes, made)?;
                    let own =
                        made.get(&place(block)).ok_or_else(|| Fault::internal("a block without a class"))?;
                    let between = if i == 0 { "" } else { ", " };
                    pieces.extend([
                        Piece::Text(between.to_owned()),
                        Piece::Text(format!("\u{0}{}", own.class)),
                    ]);
                    pieces.extend(own.arguments.iter().map(|&(role, value)| Piece::Number { role, value }));
                }
                if row.len() > 1 {
                    pieces.insert(0, Piece::Text("nn.Sequential(".to_owned()));
                    pieces.push(Piece::Text(")".to_owned()));
                }
                modules.push((inner.name.clone(), pieces));
                let input = outside(network.model, inner)?;
                units.push(Unit {
                    call: format!("{}({{0}})", kept(&inner.name)),
                    inputs: vec![input],
                    output: Wire::of_layer(inner.end - 1),
                });
            }
        }
    }
    for (name, pieces) in &modules {
        key.push_str(&format!("{name}="));
        for piece in pieces {
            match piece {
                Piece::Text(text) => key.push_str(text),
                Piece::Number { role, value } => {
                    key.push_str(&format!("<{role}>"));
                    numbers.push((*role, *value));
                }
            }
        }
        key.push('\n');
    }
    let input = if block.name.is_empty() { Wire::INPUT } else { outside(network.model, block)? };
    let output = if block.name.is_empty() { network.model.output } else { Wire::of_layer(block.end - 1) };
    let forward = forward(&units, &[(input, "x".to_owned())], &[output])?;
    key.push_str(&forward.join("\n"));
    let word = block.word.clone();
    let at = match classes.iter().position(|class| class.key == key && class.word == word) {
        Some(at) => at,
        None => {
            classes.push(Class { word, key, instances: Vec::new(), modules, forward });
            classes.len() - 1
        }
    };
    classes[at].instances.push(numbers.clone());
    made.insert(place(block), Made { class: at, arguments: numbers });
    Ok(())
}

/// The blocks of a row, each of which takes what the one before it gives; of another block itself.
fn in_a_row<'b>(network: &Network<'_>, block: &'b Block) -> Result<Vec<&'b Block>, Fault> {
    let (mut row, mut before) = (Vec::new(), None);
    for (at, part) in block.parts.iter().enumerate() {
        let Part::Block(own) = part else { return Ok(vec![block]) };
        let input = outside(network.model, own)?;
        if own.name != at.to_string() || before.is_some_and(|before| before != input) {
            return Ok(vec![block]);
        }
        before = Some(Wire::of_layer(own.end - 1));
        row.push(own);
    }
    Ok(if row.len() > 1 { row } else { vec![block] })
}

/// The one value from outside that a block takes.
fn outside(model: &Model, block: &Block) -> Result<Wire, Fault> {
    let inside = Wire::of_layer(block.first)..Wire::of_layer(block.end);
    let inputs = model.layers[block.first..block.end].iter().flat_map(|layer| &layer.inputs);
    let mut from: Vec<Wire> = inputs.copied().filter(|wire| !inside.contains(wire)).collect();
    from.dedup();
    from.sort_unstable();
    from.dedup();
    match from.as_slice() {
        [one] => Ok(*one),
        _ => Err(Fault::internal(format!("the block `{}` takes {} values", block.name, from.len()))),
    }
}

/// `bottleneck_2` → `bottleneck`
fn stem(name: &str) -> String {
    match name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_') {
        "for" | "repeat" | "" => "stage".to_owned(),
        stem => stem.to_owned(),
    }
}

/// `basic_block` → `BasicBlock`
fn camel(word: &str) -> String {
    let capital = |part: &str| {
        let (first, rest) = part.split_at(part.chars().next().map_or(0, char::len_utf8));
        format!("{}{rest}", first.to_uppercase())
    };
    word.split('_').map(capital).collect()
}

/// How the numbers of a class are written, and which of them are arguments.
struct Parameters {
    /// Name, default, and the place of the number that gives its value.
    own: Vec<(String, Option<usize>, usize)>,
    /// Of each number.
    written: Vec<String>,
}

fn is_width(role: &str) -> bool {
    ["in_channels", "out_channels"].contains(&role)
}

impl Parameters {
    fn of(instances: &[Vec<(&'static str, usize)>]) -> Parameters {
        let n = instances.first().map_or(0, Vec::len);
        let column = |i: usize| instances.iter().map(move |own| own[i].1);
        let mut own: Vec<(String, Option<usize>, usize)> = Vec::new();
        let mut written = Vec::with_capacity(n);
        for i in 0..n {
            let role = instances[0][i].0;
            if column(i).all(|value| value == instances[0][i].1) {
                written.push(instances[0][i].1.to_string());
                continue;
            }
            let fits =
                |at: usize| instances[0][at].0 == role || (is_width(role) && is_width(instances[0][at].0));
            let times = |at: usize| -> Option<usize> {
                let k = instances[0][i].1.checked_div(instances[0][at].1)?;
                (k > 0 && (k == 1 || is_width(role)) && column(i).zip(column(at)).all(|(a, b)| a == k * b))
                    .then_some(k)
            };
            let mut known =
                own.iter().filter(|(.., at)| fits(*at)).filter_map(|(name, _, at)| Some((name, times(*at)?)));
            // The same before a multiple.
            let all: Vec<_> = known.by_ref().collect();
            if let Some((name, k)) = all.iter().min_by_key(|(_, k)| *k) {
                written.push(if *k == 1 { (*name).clone() } else { format!("{k} * {name}") });
                continue;
            }
            let mut numbered = (1..).map(|n| if n == 1 { role.to_owned() } else { format!("{role}_{n}") });
            let name = numbered.find(|name| own.iter().all(|(other, ..)| other != name)).unwrap_or_default();
            let often = |value: usize| column(i).filter(|other| *other == value).count();
            let default = if is_width(role) { None } else { column(i).max_by_key(|value| often(*value)) };
            written.push(name.clone());
            own.push((name, default, i));
        }
        own.sort_by_key(|(_, default, _)| default.is_some());
        Parameters { own, written }
    }
}

fn written(class: &Class, names: &[String], parameters: &[Parameters], at: usize) -> String {
    let own = &parameters[at];
    let head: Vec<String> = own
        .own
        .iter()
        .map(|(name, default, _)| default.map_or(name.clone(), |default| format!("{name}={default}")))
        .collect();
    let arguments = if head.is_empty() { String::new() } else { format!(", {}", head.join(", ")) };
    let mut out = format!("\n\nclass {}(nn.Module):\n", names[at]);
    if !class.modules.is_empty() {
        out.push_str(&format!("    def __init__(self{arguments}):\n        super().__init__()\n"));
    }
    let mut next = 0;
    for (name, pieces) in &class.modules {
        let module = constructed(pieces, own, names, parameters, &mut next);
        out.push_str(&format!("        {} = {module}\n", kept(name)));
    }
    if !class.modules.is_empty() {
        out.push('\n');
    }
    out.push_str("    def forward(self, x):\n");
    class.forward.iter().for_each(|line| out.push_str(&format!("        {line}\n")));
    out
}

/// A constructor's call, a block's with its own arguments.
fn constructed(
    pieces: &[Piece],
    own: &Parameters,
    names: &[String],
    parameters: &[Parameters],
    next: &mut usize,
) -> String {
    let mut out = String::new();
    let mut pieces = pieces.iter().peekable();
    while let Some(piece) = pieces.next() {
        let text = match piece {
            Piece::Text(text) => text,
            Piece::Number { .. } => {
                out.push_str(&own.written[*next]);
                *next += 1;
                continue;
            }
        };
        // PyTorch's own modules have a stride of 1 where none is given.
        let is_one = |piece: &&Piece| matches!(piece, Piece::Number { .. }) && own.written[*next] == "1";
        if text == ", stride=" && pieces.next_if(is_one).is_some() {
            *next += 1;
            continue;
        }
        let Some(block) = text.strip_prefix('\u{0}').and_then(|text| text.parse::<usize>().ok()) else {
            out.push_str(text);
            continue;
        };
        let (first, n) = (*next, parameters[block].written.len());
        let arguments = parameters[block].own.iter().filter_map(|(name, default, at)| {
            let value = own.written[first + at].clone();
            match default {
                None => Some(value),
                Some(default) if default.to_string() == value => None,
                Some(_) => Some(format!("{name}={value}")),
            }
        });
        let arguments: Vec<String> = arguments.collect();
        out.push_str(&format!("{}({})", names[block], arguments.join(", ")));
        *next += n;
        pieces.by_ref().take(n).for_each(drop);
    }
    out
}
