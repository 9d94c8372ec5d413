//! What names mean inside a body: constants and parameters by value, `as` names by the value they stand for.

use std::collections::BTreeMap;

use crate::diag::{Diagnostic, codes};
use crate::model::Wire;
use crate::model::definitions::Definitions;
use crate::shape::Shape;
use crate::source::Span;
use crate::spec::Scope;
use crate::syntax::ast::{Number, Unit, ValueKind};

/// A value on its way through the model: which one, and its shape where that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    pub wire: Wire,
    pub shape: Option<Shape>,
}

/// The names of one pair of braces.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    pub values: BTreeMap<String, ValueKind>,
    pub flows: BTreeMap<String, Named>,
    /// Whether names of the frames below are hidden: the body of a block sees only its own.
    pub closed: bool,
}

/// A value with a name (`as skip`).
#[derive(Clone, Debug)]
pub struct Named {
    pub flow: Flow,
    pub span: Span,
    /// The name with its `as`.
    pub whole: Span,
    pub used: bool,
}

/// The names of what arrives, of whatever rank.
pub const ARRIVING: [&str; 5] = ["in.channels", "in.depth", "in.height", "in.width", "in.length"];

/// The names of the extents of what arrives, in their order: of a volume, an image, a sequence or a flat vector.
pub fn arriving_names(rank: usize) -> &'static [&'static str] {
    match rank {
        1 => &["in.channels"],
        2 => &["in.channels", "in.length"],
        4 => &["in.channels", "in.depth", "in.height", "in.width"],
        _ => &["in.channels", "in.height", "in.width"],
    }
}

/// The names that are visible at one place.
pub struct Visible<'a> {
    pub definitions: &'a Definitions<'a>,
    pub frames: &'a [Frame],
    /// The shape that arrives, for `in.channels` and its like.
    pub arriving: Option<&'a Shape>,
}

impl Visible<'_> {
    fn frames(&self) -> impl Iterator<Item = &Frame> {
        let closed = self.frames.iter().rposition(|frame| frame.closed).unwrap_or(0);
        self.frames[closed..].iter().rev()
    }
}

impl Scope for Visible<'_> {
    fn lookup(&self, name: &str) -> Option<ValueKind> {
        if name.starts_with("in.") {
            let arriving = self.arriving?;
            let axis = arriving_names(arriving.rank()).iter().position(|known| *known == name)?;
            let extent = *arriving.dims().get(axis)?;
            return Some(ValueKind::Number(Number { value: extent as f64, unit: Unit::None }));
        }
        self.frames()
            .find_map(|frame| frame.values.get(name).cloned())
            .or_else(|| self.definitions.lookup(name))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.frames().flat_map(|frame| frame.values.keys().cloned()).collect();
        names.extend(self.definitions.names());
        names.extend(ARRIVING.iter().map(|name| (*name).to_owned()));
        names
    }

    fn absent(&self, name: &str, span: Span) -> Option<Box<Diagnostic>> {
        if !name.starts_with("in.") {
            return None;
        }
        let Some(arriving) = self.arriving else {
            let message = format!("`{name}` is unknown here, because the shape that arrives is unknown");
            let d = Diagnostic::error(codes::UNKNOWN_NAME, span, message);
            return Some(Box::new(d.label("a mistake above leaves the shape unknown")));
        };
        let names = arriving_names(arriving.rank());
        if names.contains(&name) {
            return None;
        }
        let what = match arriving.rank() {
            1 => "a flat vector",
            2 => "a sequence, channels x length,",
            4 => "a volume",
            _ => "an image",
        };
        let shown: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let message = format!("there is no `{name}` here: {what} has {}", shown.join(", "));
        let d = Diagnostic::error(codes::UNKNOWN_NAME, span, message).label(format!("{arriving} arrives"));
        Some(Box::new(match (arriving.rank(), name) {
            (2, "in.depth" | "in.height" | "in.width") => d.replace("write `in.length`", span, "in.length"),
            _ => d,
        }))
    }
}
