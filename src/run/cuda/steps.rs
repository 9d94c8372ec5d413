//! Graph → the steps of a sequence: the work of each, the forms of all values, and the memory that they want and when.
//!
//! A value that another node reads under another shape, that is read from outside, or that has no row an image, lies with
//! channels first; any other as the step leaves it that makes it.

use std::collections::BTreeMap;

use crate::diag::Fault;
use crate::graph::{Graph, Value};
use crate::kernels::cuda::format::Format;
use crate::kernels::cuda::launch::{Command, Place, Prepared};
use crate::kernels::cuda::precision::Precision;
use crate::kernels::cuda::storage::{Form, Storage};
use crate::plan::layout::Layout;
use crate::plan::memory::Block;
use crate::run::cuda::copies::{Copies, Key};
use crate::run::cuda::forms::{Offers, Work, work};
use crate::run::cuda::order::Order;
use crate::run::cuda::sequence::CONTROL;
use crate::run::cuda::storage::storages;
use crate::shape::Shape;

/// A node with its work and the block of memory of its own.
pub struct Step {
    pub value: Value,
    pub commands: Vec<Command<Place>>,
    pub tables: Vec<Vec<f32>>,
    pub scratch: usize,
    /// The copies of its inputs that it reads instead of them.
    pub copies: Vec<Option<Key>>,
    /// Where it leaves its result in another form than the value's, and that form.
    pub result: Option<(usize, Form)>,
}

pub struct Steps {
    pub all: Vec<Step>,
    pub forms: BTreeMap<Value, Form>,
    pub copies: Copies,
    /// The memory that is wanted; whatever has a block has its number.
    pub blocks: Vec<Block>,
    /// The blocks of values that have one.
    pub own: BTreeMap<Value, usize>,
    /// The inputs of one number, in the order of their places in the block of what a step is given.
    pub numbers: Vec<Value>,
    pub given: usize,
}

impl Steps {
    pub fn new(
        graph: &Graph,
        order: &Order,
        layout: &Layout,
        precision: Precision,
        offers: Offers<'_>,
    ) -> Result<Steps, Fault> {
        let of_storage = |storage: Storage| Form { storage, ..Form::default() };
        let forms = storages(graph, precision).into_iter();
        let forms = forms.map(|(value, storage)| (value, of_storage(storage))).collect();
        let (numbers, arrays): (Vec<Value>, Vec<Value>) =
            graph.inputs.iter().partition(|&&input| graph.shape(input).rank() == 0);
        let mut steps = Steps {
            all: Vec::with_capacity(order.steps.len()),
            forms,
            copies: Copies::default(),
            blocks: Vec::new(),
            own: BTreeMap::new(),
            numbers,
            given: 0,
        };
        let end = order.steps.len();
        steps.given = steps.want(steps.numbers.len() + CONTROL, 0, end);
        for input in arrays {
            let until = order.last.get(&input).copied().unwrap_or(0);
            let block = steps.want(steps.words(graph, input), 0, until);
            steps.own.insert(input, block);
        }
        let free = order.free(graph);
        let apart = |value: Value| !layout.holds(graph, value) && !order.over.contains_key(&value);
        for (time, &value) in order.steps.iter().enumerate() {
            if apart(value) {
                let until = order.last.get(&value).copied().unwrap_or(time);
                // The setup is done when inputs may be there, and what it has made stays.
                let (from, until) = if order.frozen.contains(&value) { (0, end) } else { (time, until) };
                let block = steps.want(steps.words(graph, value), from, until);
                steps.own.insert(value, block);
            }
            let node = graph.node(value);
            let inputs: Vec<(&Shape, Form)> =
                node.inputs.iter().map(|input| (graph.shape(*input), steps.forms[input])).collect();
            let work = work(node, &inputs, steps.forms[&value].storage, precision, offers)?;
            if free.contains(&value) {
                steps.forms.insert(value, Form { format: work.output.format, ..steps.forms[&value] });
            }
            steps.add(graph, order, time, work);
        }
        let Steps { copies, blocks, .. } = &mut steps;
        copies.place(|(of, form), copied| {
            let size = form.storage.words(graph.shape(of).elements());
            blocks.push(Block { size, start: copied.start, end: copied.last });
            blocks.len() - 1
        });
        Ok(steps)
    }

    fn want(&mut self, size: usize, start: usize, end: usize) -> usize {
        self.blocks.push(Block { size, start, end });
        self.blocks.len() - 1
    }

    /// How much of the memory a value takes.
    pub fn words(&self, graph: &Graph, value: Value) -> usize {
        self.forms[&value].storage.words(graph.shape(value).elements())
    }

    fn add(&mut self, graph: &Graph, order: &Order, time: usize, work: Work) {
        let (value, end) = (order.steps[time], order.steps.len());
        let node = graph.node(value);
        let Work { prepared, inputs, output } = work;
        let Prepared { commands, scratch, tables, .. } = prepared;
        // Rules are done together. What the setup makes is there when inputs are, and stays.
        let own = if order.rules.contains_key(&value) { end } else { time };
        let (start, until) = if order.frozen.contains(&value) { (0, end) } else { (time, own) };
        let mut copied = Vec::with_capacity(inputs.len());
        for (input, form) in node.inputs.iter().zip(inputs) {
            if form == self.forms[input] {
                copied.push(None);
                continue;
            }
            // A value and its views have one copy where it is the same for all of them.
            let owner = order.owner(*input);
            let is_whole = graph.shape(*input).elements() == graph.shape(owner).elements();
            let of = if is_whole && form.format == Format::ChannelsFirst { owner } else { *input };
            let (start, until) = if order.frozen.contains(&of) { (0, end) } else { (start, until) };
            self.copies.want((of, form), time, start, until);
            copied.push(Some((of, form)));
        }
        let is_other = output != self.forms[&value];
        let result = is_other.then(|| {
            let size = output.storage.words(node.shape.elements());
            (self.want(size, start, own), output)
        });
        let scratch = self.want(scratch, start, own);
        self.all.push(Step { value, commands, tables, scratch, copies: copied, result });
    }
}
