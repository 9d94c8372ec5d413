//! JSON, for other programs: `{"title", "boxes": [{"role", "lines"}], "arrows": [{"from", "to", "label"}]}`.

use serde_json::{Value, json};

use crate::diagram::{Diagram, Role};

pub fn draw(diagram: &Diagram) -> String {
    let role = |role: Role| match role {
        Role::Given => "given",
        Role::Step => "step",
        Role::Result => "result",
    };
    let boxes: Vec<Value> =
        diagram.boxes.iter().map(|block| json!({ "role": role(block.role), "lines": block.lines })).collect();
    let arrows: Vec<Value> = diagram
        .arrows
        .iter()
        .map(|arrow| json!({ "from": arrow.from, "to": arrow.to, "label": arrow.label }))
        .collect();
    format!("{:#}\n", json!({ "title": diagram.title, "boxes": boxes, "arrows": arrows }))
}
