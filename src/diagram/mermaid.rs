//! Mermaid's flowcharts, which hosts of repositories draw inside Markdown.

use std::fmt::Write;

use crate::diagram::{Diagram, Role, escape_xml};

pub fn draw(diagram: &Diagram) -> String {
    let mut out = format!("---\ntitle: {}\n---\nflowchart TB\n", diagram.title);
    for (i, block) in diagram.boxes.iter().enumerate() {
        let label: Vec<String> = block.lines.iter().map(|line| escape_xml(line)).collect();
        let label = label.join("<br/>");
        let _ = match block.role {
            Role::Given => writeln!(out, "  n{i}([\"{label}\"])"),
            Role::Step => writeln!(out, "  n{i}[\"{label}\"]"),
            Role::Result => writeln!(out, "  n{i}[[\"{label}\"]]"),
        };
    }
    for arrow in &diagram.arrows {
        let _ = match arrow.label.as_str() {
            "" => writeln!(out, "  n{} --> n{}", arrow.from, arrow.to),
            label => writeln!(out, "  n{} -->|\"{}\"| n{}", arrow.from, escape_xml(label), arrow.to),
        };
    }
    out
}
