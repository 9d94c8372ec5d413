//! A node's attributes: plain named data, so that equality, hashing and printing come free.

use std::fmt;

use crate::graph::program::Program;

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attr {
    Int(i64),
    Ints(Vec<usize>),
    /// A float by its bits, so that attributes can be compared and hashed.
    Float(u32),
    Text(&'static str),
    Program(Program),
}

/// Attributes in the order they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attrs(Vec<(&'static str, Attr)>);

impl Attrs {
    pub fn new() -> Attrs {
        Attrs::default()
    }

    pub fn int(mut self, name: &'static str, value: i64) -> Attrs {
        self.0.push((name, Attr::Int(value)));
        self
    }

    pub fn ints(mut self, name: &'static str, values: impl Into<Vec<usize>>) -> Attrs {
        self.0.push((name, Attr::Ints(values.into())));
        self
    }

    pub fn float(mut self, name: &'static str, value: f32) -> Attrs {
        self.0.push((name, Attr::Float(value.to_bits())));
        self
    }

    pub fn text(mut self, name: &'static str, value: &'static str) -> Attrs {
        self.0.push((name, Attr::Text(value)));
        self
    }

    pub fn program(mut self, name: &'static str, value: Program) -> Attrs {
        self.0.push((name, Attr::Program(value)));
        self
    }

    /// These attributes and one more.
    pub fn with(mut self, attr: &(&'static str, Attr)) -> Attrs {
        self.0.push(attr.clone());
        self
    }

    pub fn iter(&self) -> impl Iterator<Item = &(&'static str, Attr)> {
        self.0.iter()
    }

    fn find(&self, name: &str) -> Option<&Attr> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, attr)| attr)
    }

    /// The integer attribute `name`; 0 where it was not given.
    pub fn get_int(&self, name: &str) -> i64 {
        match self.find(name) {
            Some(Attr::Int(value)) => *value,
            _ => 0,
        }
    }

    /// The list attribute `name`; empty where it was not given.
    pub fn get_ints(&self, name: &str) -> &[usize] {
        match self.find(name) {
            Some(Attr::Ints(values)) => values,
            _ => &[],
        }
    }

    /// The float attribute `name`; 0 where it was not given.
    pub fn get_float(&self, name: &str) -> f32 {
        match self.find(name) {
            Some(Attr::Float(bits)) => f32::from_bits(*bits),
            _ => 0.0,
        }
    }

    /// The text attribute `name`; empty where it was not given.
    pub fn get_text(&self, name: &str) -> &'static str {
        match self.find(name) {
            Some(Attr::Text(text)) => text,
            _ => "",
        }
    }

    /// The program `name`, if it was given.
    pub fn get_program(&self, name: &str) -> Option<&Program> {
        match self.find(name) {
            Some(Attr::Program(program)) => Some(program),
            _ => None,
        }
    }
}

impl fmt::Display for Attrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, attr)) in self.0.iter().enumerate() {
            let separator = if i > 0 { " " } else { "" };
            write!(f, "{separator}{name}=")?;
            match attr {
                Attr::Int(value) => write!(f, "{value}")?,
                Attr::Float(bits) => write!(f, "{}", f32::from_bits(*bits))?,
                Attr::Text(text) => f.write_str(text)?,
                Attr::Program(program) => write!(f, "[{program}]")?,
                Attr::Ints(values) => {
                    let values: Vec<String> = values.iter().map(usize::to_string).collect();
                    write!(f, "[{}]", values.join(","))?;
                }
            }
        }
        Ok(())
    }
}
