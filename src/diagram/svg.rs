//! A drawing that every browser shows, made without any other program.

use std::fmt::Write;

use crate::diagram::layout::{LINE, place};
use crate::diagram::{Diagram, Role, escape_xml};

pub fn draw(diagram: &Diagram) -> String {
    let (places, [width, height]) = place(diagram);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"ui-sans-serif, Helvetica, Arial, sans-serif\" font-size=\"12\">\n\
         <title>{title}</title>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0,0 L8,4 L0,8 z\" fill=\"#667\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"15\" font-weight=\"600\" fill=\"#223\">{title}</text>\n",
        title = escape_xml(&diagram.title)
    );
    for arrow in &diagram.arrows {
        let (a, b) = (places[arrow.from], places[arrow.to]);
        let (y1, y2) = (a.y + a.height / 2.0, b.y - b.height / 2.0);
        let bend = ((y2 - y1) / 2.0).max(12.0);
        let _ = writeln!(
            out,
            "<path d=\"M{:.1},{y1:.1} C{:.1},{:.1} {:.1},{:.1} {:.1},{y2:.1}\" fill=\"none\" stroke=\"#889\" marker-end=\"url(#tip)\"/>",
            a.x,
            a.x,
            y1 + bend,
            b.x,
            y2 - bend,
            b.x
        );
        if !arrow.label.is_empty() {
            let (x, y) = (a.x + (b.x - a.x) * 0.25 + 4.0, y1 + (y2 - y1) * 0.25 + 8.0);
            let _ = writeln!(
                out,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"10\" fill=\"#667\">{}</text>",
                escape_xml(&arrow.label)
            );
        }
    }
    for (block, p) in diagram.boxes.iter().zip(&places) {
        let (fill, stroke, radius) = match block.role {
            Role::Given => ("#eef3fb", "#6a86b8", 10),
            Role::Step => ("#fbfaf3", "#8a8455", 3),
            Role::Result => ("#eef8ee", "#5f9466", 3),
        };
        let (left, top) = (p.x - p.width / 2.0, p.y - p.height / 2.0);
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{radius}\" fill=\"{fill}\" stroke=\"{stroke}\"/>",
            p.width, p.height
        );
        for (i, line) in block.lines.iter().enumerate() {
            let y = top + LINE * (i as f64 + 1.0) + 0.5;
            let style = if i == 0 { "font-weight=\"600\" fill=\"#223\"" } else { "fill=\"#556\"" };
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" {style}>{}</text>",
                p.x,
                escape_xml(line)
            );
        }
    }
    out.push_str("</svg>\n");
    out
}
