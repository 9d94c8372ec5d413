//! Pictures of networks: boxes joined by arrows, drawn in the formats that people have at hand. What is drawn is
//! made elsewhere (a syntax tree, a model, a compute graph); each format is one file.

mod dot;
mod json;
mod layout;
mod mermaid;
mod svg;

/// What a box stands for; decides its look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What is given: an input, weights, a constant.
    Given,
    /// What is computed.
    Step,
    /// What is kept or read: an output, a new state.
    Result,
}

#[derive(Clone, Debug)]
pub struct Block {
    pub role: Role,
    /// The first line is the title.
    pub lines: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Arrow {
    /// Numbers of boxes.
    pub from: usize,
    pub to: usize,
    /// What flows, for example `64x28x28`.
    pub label: String,
}

/// Boxes in an order in which arrows point forward.
#[derive(Clone, Debug, Default)]
pub struct Diagram {
    pub title: String,
    pub boxes: Vec<Block>,
    pub arrows: Vec<Arrow>,
}

/// A format of a picture.
pub struct Format {
    pub name: &'static str,
    pub draw: fn(&Diagram) -> String,
}

pub static FORMATS: &[Format] = &[
    Format { name: "dot", draw: dot::draw },
    Format { name: "mermaid", draw: mermaid::draw },
    Format { name: "svg", draw: svg::draw },
    Format { name: "json", draw: json::draw },
];

impl Diagram {
    pub fn new(title: &str) -> Diagram {
        Diagram { title: title.to_owned(), ..Diagram::default() }
    }

    /// Adds a box and gives its number.
    pub fn add(&mut self, role: Role, lines: impl IntoIterator<Item = String>) -> usize {
        let lines = lines.into_iter().filter(|line| !line.is_empty()).collect();
        self.boxes.push(Block { role, lines });
        self.boxes.len() - 1
    }

    pub fn join(&mut self, from: usize, to: usize, label: impl ToString) {
        self.arrows.push(Arrow { from, to, label: label.to_string() });
    }
}

/// Text inside XML and HTML.
fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
