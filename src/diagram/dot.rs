//! Graphviz's language.

use std::fmt::Write;

use crate::diagram::{Diagram, Role};

pub fn draw(diagram: &Diagram) -> String {
    let mut out = format!(
        "digraph \"{}\" {{\n  rankdir=TB; node [shape=box, fontname=\"sans-serif\"];\n",
        escape(&diagram.title)
    );
    for (i, block) in diagram.boxes.iter().enumerate() {
        let label: Vec<String> = block.lines.iter().map(|line| escape(line)).collect();
        let style = match block.role {
            Role::Given => ", style=rounded",
            Role::Step => "",
            Role::Result => ", shape=doubleoctagon",
        };
        let _ = writeln!(out, "  n{i} [label=\"{}\"{style}];", label.join("\\n"));
    }
    for arrow in &diagram.arrows {
        let label = match arrow.label.as_str() {
            "" => String::new(),
            label => format!(" [label=\"{}\"]", escape(label)),
        };
        let _ = writeln!(out, "  n{} -> n{}{label};", arrow.from, arrow.to);
    }
    out.push_str("}\n");
    out
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
