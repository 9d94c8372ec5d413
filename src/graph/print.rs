//! Graphs as text: a stable listing for review and snapshots, and DOT for drawing.

use std::fmt::Write;

use crate::graph::{Graph, Node, Value};

/// One line a node: `%4 = conv2d %0, %1 {stride=[1,1]} : 64x6x28x28`. `describe` adds a comment for a node's
/// origin, for example the source line.
pub fn text(graph: &Graph, describe: &dyn Fn(&Node) -> Option<String>) -> String {
    let mut out = String::new();
    for value in graph.values() {
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
        match describe(node) {
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

/// The graph in Graphviz's language, with edges labelled by shape.
pub fn dot(graph: &Graph, title: &str) -> String {
    let mut out = format!(
        "digraph \"{}\" {{\n  rankdir=TB; node [shape=box, fontname=\"sans-serif\"];\n",
        escape(title)
    );
    for value in graph.values() {
        let node = graph.node(value);
        let (label, style) = match &node.name {
            Some(name) => (format!("{}\\n{}", escape(name), node.shape), ", style=rounded"),
            None => (format!("{}\\n{}", node.op.name(), escape(&shown_attrs(node))), ""),
        };
        let _ = writeln!(out, "  n{} [label=\"{label}\"{style}];", value.index());
        for input in &node.inputs {
            let shape = graph.shape(*input);
            let _ = writeln!(out, "  n{} -> n{} [label=\"{shape}\"];", input.index(), value.index());
        }
    }
    for output in &graph.outputs {
        edge_to_result(&mut out, &output.name, output.value, "doubleoctagon");
    }
    for update in &graph.updates {
        let name = graph.node(update.state).name.as_deref().unwrap_or("?");
        edge_to_result(&mut out, &format!("{name}'"), update.value, "cds");
    }
    out.push_str("}\n");
    out
}

fn edge_to_result(out: &mut String, name: &str, value: Value, shape: &str) {
    let id = escape(name);
    let _ = writeln!(out, "  \"{id}\" [shape={shape}];\n  n{} -> \"{id}\";", value.index());
}

/// Attributes that the shape does not already say.
fn shown_attrs(node: &Node) -> String {
    let shown = node.attrs.iter().filter(|(name, _)| *name != "shape");
    shown.fold(crate::graph::attrs::Attrs::new(), |attrs, item| attrs.with(item)).to_string()
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
