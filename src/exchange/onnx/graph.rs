//! Nodes, tensors and values → the bytes of an ONNX file, numbers last and one tensor at a time, so that a network's weights
//! are never in memory twice. Field numbers are those of onnx.proto (IR 8, opset 18).

use std::io::Write;

use crate::diag::Fault;
use crate::exchange::network::Network;
use crate::protobuf::Message;
use crate::shape::Shape;

/// The first version of the format that has opset 18: whatever reads the operators reads the file.
pub const IR_VERSION: i64 = 8;
pub const OPSET: i64 = 18;

/// Who a file says has written it.
pub const PRODUCER: &str = "dslc";

/// Kinds of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    Float = 1,
    Byte = 2,
    Whole = 7,
}

/// An attribute of a node.
pub fn int(name: &str, value: i64) -> Message {
    Message::default().text(1, name).int(3, value).int(20, 2)
}

pub fn float(name: &str, value: f32) -> Message {
    Message::default().text(1, name).float(2, value).int(20, 1)
}

pub fn text(name: &str, value: &str) -> Message {
    Message::default().text(1, name).text(4, value).int(20, 3)
}

pub fn ints(name: &str, values: impl IntoIterator<Item = usize>) -> Message {
    Message::default().text(1, name).ints(8, values.into_iter().map(|value| value as i64)).int(20, 7)
}

/// An operator in its place.
#[derive(Clone, Debug)]
pub struct Node {
    pub op: &'static str,
    pub name: String,
    pub inputs: Vec<String>,
    pub output: String,
    pub attributes: Vec<Message>,
    /// Where it comes from.
    pub doc: String,
}

impl Node {
    fn message(&self) -> Message {
        let mut message = Message::default();
        for input in &self.inputs {
            message = message.text(1, input);
        }
        message = message.text(2, &self.output).text(3, &self.name).text(4, self.op);
        for attribute in &self.attributes {
            message = message.message(5, attribute);
        }
        if self.doc.is_empty() { message } else { message.text(6, &self.doc) }
    }
}

/// The numbers of a tensor, worked out when they are written.
pub type Numbers = Box<dyn Fn(&Network<'_>) -> Result<Vec<u8>, Fault>>;

struct Tensor {
    name: String,
    element: Element,
    dims: Vec<usize>,
    numbers: Numbers,
}

impl Tensor {
    fn bytes(&self) -> usize {
        let size = match self.element {
            Element::Float => 4,
            Element::Byte => 1,
            Element::Whole => 8,
        };
        size * self.dims.iter().product::<usize>()
    }

    /// All but the numbers, which follow.
    fn head(&self) -> Message {
        let dims = self.dims.iter().map(|&dim| dim as i64);
        let mut message = Message::default().ints(1, dims).int(2, self.element as i64).text(8, &self.name);
        message.head(9, self.bytes());
        message
    }
}

/// An extent of a value.
#[derive(Clone, Debug)]
pub enum Extent {
    Of(usize),
    /// Whatever it is when the network runs, under this name.
    Named(&'static str),
}

/// Extents of a batch of such images.
pub fn batched(dims: &[usize]) -> Vec<Extent> {
    std::iter::once(Extent::Named("batch")).chain(dims.iter().map(|&dim| Extent::Of(dim))).collect()
}

fn value(name: &str, element: Element, extents: &[Extent]) -> Message {
    let mut shape = Message::default();
    for extent in extents {
        let dim = match extent {
            Extent::Of(n) => Message::default().int(1, *n as i64),
            Extent::Named(name) => Message::default().text(2, name),
        };
        shape = shape.message(1, &dim);
    }
    let tensor = Message::default().int(1, element as i64).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

/// A graph under construction.
#[derive(Default)]
pub struct Graph {
    pub name: String,
    pub doc: String,
    nodes: Vec<Message>,
    tensors: Vec<Tensor>,
    values: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    metadata: Vec<(String, String)>,
}

impl Graph {
    pub fn node(&mut self, node: &Node) {
        self.nodes.push(node.message());
    }

    /// Stores a tensor and gives its name.
    pub fn floats(
        &mut self,
        name: String,
        dims: Vec<usize>,
        numbers: impl Fn(&Network<'_>) -> Result<Vec<f32>, Fault> + 'static,
    ) -> String {
        let bytes = move |network: &Network<'_>| {
            Ok(numbers(network)?.iter().flat_map(|number| number.to_le_bytes()).collect())
        };
        // Weights may be used twice, also under other extents.
        let known = |name: &str| self.tensors.iter().find(|own| own.name == name);
        let name = match known(&name) {
            Some(own) if own.dims != dims => {
                format!("{name}.{}", Shape::new(&dims))
            }
            Some(_) => return name,
            None => name,
        };
        if known(&name).is_some() {
            return name;
        }
        self.tensors.push(Tensor {
            name: name.clone(),
            element: Element::Float,
            dims,
            numbers: Box::new(bytes),
        });
        name
    }

    /// A list of whole numbers, such as a shape.
    pub fn whole(&mut self, name: String, values: Vec<i64>) -> String {
        let dims = vec![values.len()];
        let bytes = move |_: &Network<'_>| Ok(values.iter().flat_map(|value| value.to_le_bytes()).collect());
        self.tensors.push(Tensor {
            name: name.clone(),
            element: Element::Whole,
            dims,
            numbers: Box::new(bytes),
        });
        name
    }

    pub fn value(&mut self, name: &str, extents: &[Extent]) {
        self.values.push(value(name, Element::Float, extents));
    }

    pub fn input(&mut self, name: &str, element: Element, extents: &[Extent]) {
        self.inputs.push(value(name, element, extents));
    }

    pub fn output(&mut self, name: &str, extents: &[Extent]) {
        self.outputs.push(value(name, Element::Float, extents));
    }

    /// A line of the file's metadata; what is empty is left out.
    pub fn metadata(&mut self, key: &str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.metadata.push((key.to_owned(), value));
        }
    }

    /// Writes the file: the same network gives the same bytes.
    ///
    /// # Errors
    /// What writing says, as a fault by `unwritten`.
    pub fn write(
        &self,
        network: &Network<'_>,
        out: &mut dyn Write,
        unwritten: &dyn Fn(std::io::Error) -> Fault,
    ) -> Result<(), Fault> {
        let (mut front, mut back) = (Message::default(), Message::default());
        for node in &self.nodes {
            front = front.message(1, node);
        }
        front = front.text(2, &self.name);
        back = back.text(10, &self.doc);
        for (field, messages) in [(11, &self.inputs), (12, &self.outputs), (13, &self.values)] {
            for message in messages {
                back = back.message(field, message);
            }
        }
        let mut heads = Vec::with_capacity(self.tensors.len());
        let mut len = front.0.len() + back.0.len();
        for tensor in &self.tensors {
            let inner = tensor.head();
            let mut head = Message::default();
            head.head(5, inner.0.len() + tensor.bytes());
            head.0.extend(inner.0);
            len += head.0.len() + tensor.bytes();
            heads.push(head);
        }
        let opset = Message::default().text(1, "").int(2, OPSET);
        let mut model = Message::default()
            .int(1, IR_VERSION)
            .text(2, PRODUCER)
            .text(3, env!("CARGO_PKG_VERSION"))
            .message(8, &opset);
        for (key, value) in &self.metadata {
            model = model.message(14, &Message::default().text(1, key).text(2, value));
        }
        model.head(7, len);
        let mut put = |bytes: &[u8]| out.write_all(bytes).map_err(unwritten);
        put(&model.0)?;
        put(&front.0)?;
        for (tensor, head) in self.tensors.iter().zip(&heads) {
            put(&head.0)?;
            let numbers = (tensor.numbers)(network)?;
            if numbers.len() != tensor.bytes() {
                return Err(Fault::internal(format!(
                    "`{}` is written with {} bytes",
                    tensor.name,
                    numbers.len()
                )));
            }
            put(&numbers)?;
        }
        put(&back.0)
    }
}
