//! Graphs as text, a stable listing for review and snapshots; and as boxes and arrows.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::diagram::{Diagram, Role};
use crate::graph::{Graph, Node, Value};

/// One line a node: `%4 = conv2d %0, %1 {stride=[1,1]} : 64x6x28x28`. `describe` adds a comment for a node's
/// origin, for example the source line.
pub fn text(graph: &Graph, describe: &dyn Fn(&Node) -> Option<String>) -> String {
    let mut out = String::new();
    for value in graph.values() {
        let line = line(graph, value);
        match describe(graph.node(value)) {
            Some(comment) => {
                let _ = writeln!(out, "{line:<72} # {comment}");
            }
            None => {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    for output in &graph.outputs {
        let _ = writeln!(out, "output {} = %{}", output.name, output.value.index());
    }
    for update in &graph.updates {
        let name = graph.node(update.state).name.as_deref().unwrap_or("?");
        let _ = writeln!(out, "update {name} = %{}", update.value.index());
    }
    out
}

/// A node without a comment.
pub fn line(graph: &Graph, value: Value) -> String {
    let node = graph.node(value);
    let mut line = format!("%{} = {}", value.index(), node.op.name());
    if let Some(name) = &node.name {
        let _ = write!(line, " {name}");
    }
    let inputs: Vec<String> = node.inputs.iter().map(|input| format!("%{}", input.index())).collect();
    if !inputs.is_empty() {
        let _ = write!(line, " {}", inputs.join(", "));
    }
    let attrs = shown_attrs(node);
    if !attrs.is_empty() {
        let _ = write!(line, " {{{attrs}}}");
    }
    let _ = write!(line, " : {}", node.shape);
    line
}

/// The graph as boxes, with the shapes that flow along the arrows.
pub fn diagram(graph: &Graph, title: &str) -> Diagram {
    let mut diagram = Diagram::new(title);
    let mut boxes: BTreeMap<Value, usize> = BTreeMap::new();
    for value in graph.values() {
        let node = graph.node(value);
        let own = match &node.name {
            Some(name) => diagram.add(Role::Given, [name.clone(), node.shape.to_string()]),
            None if node.inputs.is_empty() => {
                diagram.add(Role::Given, [node.op.name().to_owned(), shown_attrs(node)])
            }
            None => diagram.add(Role::Step, [node.op.name().to_owned(), shown_attrs(node)]),
        };
        boxes.insert(value, own);
        for input in &node.inputs {
            diagram.join(boxes[input], own, graph.shape(*input));
        }
    }
    for output in &graph.outputs {
        let own = diagram.add(Role::Result, [output.name.clone()]);
        diagram.join(boxes[&output.value], own, graph.shape(output.value));
    }
    for update in &graph.updates {
        let name = graph.node(update.state).name.as_deref().unwrap_or("?");
        let own = diagram.add(Role::Result, [format!("new {name}")]);
        diagram.join(boxes[&update.value], own, "");
    }
    diagram
}

/// Attributes that the shape does not already say.
fn shown_attrs(node: &Node) -> String {
    let shown = node.attrs.iter().filter(|(name, _)| *name != "shape");
    shown.fold(crate::graph::attrs::Attrs::new(), |attrs, item| attrs.with(item)).to_string()
}
