//! The bytes of an ONNX file → its graph, read in place: texts and numbers stay where they are until somebody wants them.
//! Nothing is allocated on the word of a count.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::diag::{Fault, codes};
use crate::exchange::onnx::wire::{Budget, Content, Fields, damaged};
use crate::shape::MAX_ELEMENTS;
use crate::weights::elements::{Element, Order};

/// The largest file: protocol buffers have no larger ones.
pub const MAX_FILE: u64 = 1 << 31;
/// The most axes of a tensor or a value.
pub const MAX_AXES: usize = 16;
/// The most nodes of a graph.
const MAX_NODES: usize = 100_000;

/// A model as it stands in a file.
#[derive(Debug, Default)]
pub struct Model<'a> {
    pub ir: i64,
    pub producer: &'a str,
    pub opset: i64,
    pub graph: Graph<'a>,
    pub metadata: Vec<(&'a str, &'a str)>,
    pub n_functions: usize,
}

#[derive(Debug, Default)]
pub struct Graph<'a> {
    pub name: &'a str,
    pub nodes: Vec<Node<'a>>,
    pub tensors: Vec<Tensor<'a>>,
    pub inputs: Vec<Value<'a>>,
    pub outputs: Vec<Value<'a>>,
}

#[derive(Debug, Default)]
pub struct Node<'a> {
    pub inputs: Vec<&'a str>,
    pub outputs: Vec<&'a str>,
    pub name: &'a str,
    pub op: &'a str,
    pub domain: &'a str,
    pub attributes: Vec<Attribute<'a>>,
    pub metadata: Vec<(&'a str, &'a str)>,
}

#[derive(Debug, Default)]
pub struct Attribute<'a> {
    pub name: &'a str,
    pub float: f32,
    pub int: i64,
    pub text: &'a [u8],
    pub tensor: Option<Box<Tensor<'a>>>,
    pub floats: Vec<f32>,
    pub ints: Vec<i64>,
    pub has_graph: bool,
}

/// A value with its extents; `None` where one is open or has a name.
#[derive(Debug, Default)]
pub struct Value<'a> {
    pub name: &'a str,
    pub element: i64,
    pub dims: Option<Vec<Option<i64>>>,
}

/// Numbers where they lie.
#[derive(Clone, Debug, Default)]
pub struct Tensor<'a> {
    pub name: &'a str,
    pub dims: Vec<usize>,
    pub element: i64,
    raw: Cow<'a, [u8]>,
    /// Where its bytes begin in the file, and how many they are, where they are not in the message.
    place: Option<[u64; 2]>,
    /// Whole numbers that are written one by one.
    ints: Vec<i64>,
    has_raw: bool,
    external: Vec<(&'a str, &'a str)>,
}

/// Fields of a tensor that no ONNX file has: where its bytes begin, and how many they are. [`skim`] puts them for the numbers
/// that it leaves in the file.
///
/// [`skim`]: crate::exchange::onnx::skim::skim
pub const PLACE: [u32; 2] = [100_001, 100_002];

const FLOAT: i64 = 1;
const BYTE: i64 = 2;
const SIGNED_BYTE: i64 = 3;
const INT32: i64 = 6;
const INT64: i64 = 7;
const BOOL: i64 = 9;
const HALF: i64 = 10;
const DOUBLE: i64 = 11;
const BFLOAT: i64 = 16;

/// Reads a model.
///
/// # Errors
/// Bytes that are no whole ONNX file, or more parts than memory should hold.
pub fn model(bytes: &[u8]) -> Result<Model<'_>, Fault> {
    let (mut model, mut budget) = (Model::default(), Budget::default());
    let mut graph = None;
    each(bytes, &mut budget, |field, content, budget| {
        match field {
            1 => model.ir = content.int()?,
            2 => model.producer = content.text()?,
            7 => graph = Some(read_graph(content.bytes()?, budget)?),
            8 => {
                let (mut domain, mut version) = ("", 0);
                each(content.bytes()?, budget, |field, content, _| {
                    match field {
                        1 => domain = content.text()?,
                        2 => version = content.int()?,
                        _ => {}
                    }
                    Ok(())
                })?;
                if domain.is_empty() || domain == "ai.onnx" {
                    model.opset = version;
                }
            }
            14 => model.metadata.push(pair(content.bytes()?, budget)?),
            25 => model.n_functions += 1,
            _ => {}
        }
        Ok(())
    })?;
    model.graph = graph.ok_or_else(|| {
        Fault::new(codes::EXCHANGE_IN, "this is no ONNX file: there is no graph in it")
            .advise("a `.onnx` file, as `torch.onnx.export` writes it")
    })?;
    Ok(model)
}

type Take<'t, 'a> = dyn FnMut(u32, Content<'a>, &mut Budget) -> Result<(), Fault> + 't;

/// Gives every field of a message in turn.
fn each<'a>(
    bytes: &'a [u8],
    budget: &mut Budget,
    mut take: impl FnMut(u32, Content<'a>, &mut Budget) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let take: &mut Take<'_, 'a> = &mut take;
    let mut fields = Fields::of(bytes);
    while let Some((field, content)) = fields.following()? {
        if matches!(content, Content::Bytes(_)) {
            budget.spend()?;
        }
        take(field, content, budget)?;
    }
    Ok(())
}

fn pair<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<(&'a str, &'a str), Fault> {
    let (mut key, mut value) = ("", "");
    each(bytes, budget, |field, content, _| {
        match field {
            1 => key = content.text()?,
            2 => value = content.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, value))
}

fn read_graph<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Graph<'a>, Fault> {
    let mut graph = Graph::default();
    each(bytes, budget, |field, content, budget| {
        match field {
            1 => graph.nodes.push(read_node(content.bytes()?, budget)?),
            2 => graph.name = content.text()?,
            5 => graph.tensors.push(read_tensor(content.bytes()?, budget)?),
            11 => graph.inputs.push(read_value(content.bytes()?, budget)?),
            12 => graph.outputs.push(read_value(content.bytes()?, budget)?),
            15 => return Err(unsaid("weights as sparse tensors")),
            _ => {}
        }
        match graph.nodes.len() > MAX_NODES {
            true => Err(damaged(format!("it has more than {MAX_NODES} nodes"))),
            false => Ok(()),
        }
    })?;
    Ok(graph)
}

/// What this reader does not read.
pub fn unsaid(what: &str) -> Fault {
    Fault::new(codes::EXCHANGE_IN, format!("the ONNX file has {what}, which are not read"))
}

fn read_node<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Node<'a>, Fault> {
    let mut node = Node::default();
    each(bytes, budget, |field, content, budget| {
        match field {
            1 => node.inputs.push(content.text()?),
            2 => node.outputs.push(content.text()?),
            3 => node.name = content.text()?,
            4 => node.op = content.text()?,
            5 => node.attributes.push(read_attribute(content.bytes()?, budget)?),
            7 => node.domain = content.text()?,
            9 => node.metadata.push(pair(content.bytes()?, budget)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(node)
}

fn read_attribute<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Attribute<'a>, Fault> {
    let mut attribute = Attribute::default();
    each(bytes, budget, |field, content, budget| {
        match field {
            1 => attribute.name = content.text()?,
            2 => attribute.float = content.float()?,
            3 => attribute.int = content.int()?,
            4 => attribute.text = content.bytes()?,
            5 => attribute.tensor = Some(Box::new(read_tensor(content.bytes()?, budget)?)),
            6 | 11 => attribute.has_graph = true,
            7 => {
                let mut raw = Vec::new();
                content.raw::<4>(&mut raw)?;
                attribute.floats.extend(floats_of(&raw));
            }
            8 => content.ints(&mut attribute.ints)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(attribute)
}

fn read_value<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Value<'a>, Fault> {
    let mut value = Value::default();
    let mut kind: &[u8] = &[];
    each(bytes, budget, |field, content, _| {
        match field {
            1 => value.name = content.text()?,
            2 => kind = content.bytes()?,
            _ => {}
        }
        Ok(())
    })?;
    let (mut tensor, mut shape): (&[u8], Option<&[u8]>) = (&[], None);
    each(kind, budget, |field, content, _| {
        if field == 1 {
            tensor = content.bytes()?;
        }
        Ok(())
    })?;
    each(tensor, budget, |field, content, _| {
        match field {
            1 => value.element = content.int()?,
            2 => shape = Some(content.bytes()?),
            _ => {}
        }
        Ok(())
    })?;
    let Some(shape) = shape else { return Ok(value) };
    let mut dims = Vec::new();
    each(shape, budget, |field, content, budget| {
        if field == 1 {
            let mut dim = None;
            each(content.bytes()?, budget, |field, content, _| {
                if field == 1 {
                    dim = Some(content.int()?);
                }
                Ok(())
            })?;
            // Some writers have -1 or 0 for an open extent.
            dims.push(dim.filter(|&n| n > 0));
        }
        Ok(())
    })?;
    value.dims = Some(dims);
    Ok(value)
}

fn read_tensor<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Tensor<'a>, Fault> {
    let mut tensor = Tensor::default();
    let mut dims = Vec::new();
    let (mut single, mut double) = (Vec::new(), Vec::new());
    let (mut unsigned, mut place) = (Vec::new(), [None; 2]);
    each(bytes, budget, |field, content, budget| {
        match field {
            1 => content.ints(&mut dims)?,
            2 => tensor.element = content.int()?,
            4 => content.raw::<4>(&mut single)?,
            5 | 7 => content.ints(&mut tensor.ints)?,
            11 => content.ints(&mut unsigned)?,
            8 => tensor.name = content.text()?,
            9 => (tensor.raw, tensor.has_raw) = (Cow::Borrowed(content.bytes()?), true),
            10 => content.raw::<8>(&mut double)?,
            13 => tensor.external.push(pair(content.bytes()?, budget)?),
            own if PLACE.contains(&own) => {
                let known = &mut place[usize::from(own == PLACE[1])];
                if known.replace(content.int()? as u64).is_some() {
                    return Err(damaged("the numbers of a tensor lie in two places"));
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    tensor.ints.extend(unsigned);
    if let [Some(start), Some(length)] = place {
        (tensor.place, tensor.has_raw) = (Some([start, length]), true);
    }
    for own in [single, double] {
        if !own.is_empty() {
            (tensor.raw, tensor.has_raw) = (Cow::Owned(own), true);
        }
    }
    if dims.len() > MAX_AXES {
        return Err(damaged(format!("`{}` has {} axes", tensor.name, dims.len())));
    }
    let mut n = 1usize;
    for dim in dims {
        let dim =
            usize::try_from(dim).map_err(|_| damaged(format!("`{}` has an extent of {dim}", tensor.name)))?;
        // Of a tensor without numbers the other extents are products, too.
        n = n.checked_mul(dim.max(1)).filter(|&n| n <= MAX_ELEMENTS).ok_or_else(|| {
            damaged(format!("`{}` would have more than {MAX_ELEMENTS} numbers", tensor.name))
        })?;
        tensor.dims.push(dim);
    }
    Ok(tensor)
}

fn floats_of(raw: &[u8]) -> impl Iterator<Item = f32> + '_ {
    raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

/// Where the files lie that an ONNX file has its numbers in.
pub struct Beside {
    /// The file itself and its bytes, where its numbers are read from it.
    own: Option<(File, u64)>,
    folder: PathBuf,
    open: RefCell<BTreeMap<PathBuf, (File, u64)>>,
}

impl Beside {
    pub fn new(file: &Path) -> Beside {
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        Beside { own: None, folder, open: RefCell::default() }
    }

    /// The same of a file that is open and has so many bytes, whose own numbers are read from it, too.
    pub fn within(path: &Path, file: File, length: u64) -> Beside {
        Beside { own: Some((file, length)), ..Beside::new(path) }
    }

    /// Bytes of the file itself.
    fn own(&self, name: &str, [start, length]: [u64; 2]) -> Result<Vec<u8>, Fault> {
        let own =
            self.own.as_ref().filter(|(_, whole)| start.checked_add(length).is_some_and(|end| end <= *whole));
        let n = usize::try_from(length).ok();
        let (Some((mut file, _)), Some(n)) = (own.map(|(file, whole)| (file, whole)), n) else {
            return Err(damaged(format!("the numbers of `{name}` lie beyond its end")));
        };
        let mut bytes = vec![0; n];
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|e| damaged(format!("the numbers of `{name}` cannot be read ({e})")))?;
        Ok(bytes)
    }

    /// So many bytes of a file in the folder. A path that leads out of it is refused, whatever links it has.
    fn read(&self, tensor: &Tensor<'_>, n: usize) -> Result<Vec<u8>, Fault> {
        let find = |key: &str| tensor.external.iter().find(|(own, _)| *own == key).map(|(_, value)| *value);
        let number = |key: &str| -> Result<Option<u64>, Fault> {
            let parsed = find(key).map(|text| text.parse::<u64>());
            parsed.transpose().map_err(|_| damaged(format!("the {key} of `{}` is no number", tensor.name)))
        };
        let location =
            find("location").ok_or_else(|| damaged(format!("`{}` lies in no file", tensor.name)))?;
        let path = Path::new(location);
        let refuse = |why: &str| {
            Fault::new(
                codes::EXCHANGE_IN,
                format!("the numbers of `{}` lie in {location:?}, {why}", tensor.name),
            )
        };
        if path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(refuse("which leads out of the file's folder")
                .advise("a file with its data in the same folder"));
        }
        let (start, len) = (number("offset")?.unwrap_or(0), number("length")?.unwrap_or(n as u64));
        if len != n as u64 {
            return Err(damaged(format!("`{}` needs {n} bytes, but {len} are kept for it", tensor.name)));
        }
        let place = self.folder.join(path);
        let mut open = self.open.borrow_mut();
        if !open.contains_key(&place) {
            let unreadable = |e: std::io::Error| {
                refuse(&format!("which cannot be read: {e}"))
                    .advise("keep the `.onnx` file and its data together")
            };
            let folder = if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder };
            let (root, real) = (
                std::fs::canonicalize(folder).map_err(unreadable)?,
                std::fs::canonicalize(&place).map_err(unreadable)?,
            );
            if !real.starts_with(&root) || !real.is_file() {
                return Err(refuse("which is a link out of the file's folder, or no file"));
            }
            let file = File::open(&real).map_err(unreadable)?;
            let len = file.metadata().map_err(unreadable)?.len();
            open.insert(place.clone(), (file, len));
        }
        let Some((file, whole)) = open.get_mut(&place) else { return Err(refuse("which was not opened")) };
        if start.checked_add(len).is_none_or(|end| end > *whole) {
            return Err(refuse(&format!("which has {whole} bytes and ends before them")));
        }
        let mut bytes = vec![0; n];
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|e| refuse(&format!("which cannot be read: {e}")))?;
        Ok(bytes)
    }
}

impl<'a> Tensor<'a> {
    pub fn elements(&self) -> usize {
        self.dims.iter().product()
    }

    pub fn is_float(&self) -> bool {
        [FLOAT, HALF, DOUBLE, BFLOAT].contains(&self.element)
    }

    /// Its first number, where that lies in the file itself.
    pub fn inline(&self) -> Option<f64> {
        let is_inside = self.external.is_empty() && self.place.is_none();
        let inside = is_inside.then(|| self.floats(&Beside::new(Path::new(""))));
        inside?.ok()?.first().map(|number| f64::from(*number))
    }

    /// What its numbers are.
    fn kind(&self) -> Result<Element, Fault> {
        Ok(match self.element {
            FLOAT => Element::F32,
            BYTE => Element::U8,
            SIGNED_BYTE => Element::I8,
            INT32 => Element::I32,
            INT64 => Element::I64,
            BOOL => Element::Bool,
            HALF => Element::F16,
            DOUBLE => Element::F64,
            BFLOAT => Element::Bf16,
            other => {
                return Err(Fault::new(
                    codes::EXCHANGE_IN,
                    format!("`{}` has elements of kind {other}, which are not read", self.name),
                )
                .advise("a file with weights of 32, 16 or 64 bits"));
            }
        })
    }

    /// Its bytes, as many as its extents say.
    fn bytes(&self, beside: &Beside) -> Result<Cow<'_, [u8]>, Fault> {
        let n = self.elements().checked_mul(self.kind()?.size());
        let n = n.ok_or_else(|| damaged(format!("`{}` is too large", self.name)))?;
        if !self.external.is_empty() {
            return beside.read(self, n).map(Cow::Owned);
        }
        let there = self.place.map_or(self.raw.len() as u64, |[_, length]| length);
        if there != n as u64 {
            return Err(damaged(format!("`{}` needs {n} bytes, but {there} are there", self.name)));
        }
        match self.place {
            Some(place) => beside.own(self.name, place).map(Cow::Owned),
            None => Ok(Cow::Borrowed(&self.raw)),
        }
    }

    /// Its whole numbers; of a tensor of floats they are cut off.
    pub fn ints(&self, beside: &Beside) -> Result<Vec<i64>, Fault> {
        if self.is_float() {
            return Ok(self.floats(beside)?.iter().map(|number| *number as i64).collect());
        }
        if !self.has_raw && self.external.is_empty() {
            return match self.ints.len() == self.elements() {
                true => Ok(self.ints.clone()),
                false => Err(damaged(format!(
                    "`{}` has {} numbers, not {}",
                    self.name,
                    self.ints.len(),
                    self.elements()
                ))),
            };
        }
        let bytes = self.bytes(beside)?;
        Ok(match self.element {
            INT64 => {
                bytes.chunks_exact(8).map(|b| i64::from_le_bytes(std::array::from_fn(|i| b[i]))).collect()
            }
            INT32 => bytes
                .chunks_exact(4)
                .map(|b| i64::from(i32::from_le_bytes([b[0], b[1], b[2], b[3]])))
                .collect(),
            SIGNED_BYTE => bytes.iter().map(|&b| i64::from(b as i8)).collect(),
            _ => bytes.iter().map(|&b| i64::from(b)).collect(),
        })
    }

    /// Its numbers.
    pub fn floats(&self, beside: &Beside) -> Result<Vec<f32>, Fault> {
        if !self.is_float() {
            return Ok(self.ints(beside)?.iter().map(|number| *number as f32).collect());
        }
        if !self.has_raw && self.external.is_empty() && !self.ints.is_empty() {
            // Halves that are written one by one, as whole numbers.
            let halves: Vec<u8> = self.ints.iter().flat_map(|&bits| (bits as u16).to_le_bytes()).collect();
            let whole = Tensor { raw: Cow::Owned(halves), has_raw: true, ints: Vec::new(), ..self.clone() };
            return whole.floats(beside);
        }
        let bytes = self.bytes(beside)?;
        let kind = self.kind()?;
        Ok(bytes.chunks_exact(kind.size()).map(|own| kind.number(own, Order::Little)).collect())
    }
}

impl<'a> Node<'a> {
    pub fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.int)
    }

    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |attribute| attribute.float)
    }

    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    pub fn text(&self, name: &str) -> &str {
        self.attribute(name)
            .and_then(|attribute| std::str::from_utf8(attribute.text).ok())
            .unwrap_or_default()
    }

    /// The name of input number `i`, where it has one.
    pub fn input(&self, i: usize) -> Option<&'a str> {
        self.inputs.get(i).copied().filter(|name| !name.is_empty())
    }
}
