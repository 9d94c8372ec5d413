//! What names mean inside a body: constants and parameters by value, `as` names by the value they stand for.

use std::collections::BTreeMap;

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
        if let Some(axis) = name.strip_prefix("in.") {
            let axis = ["channels", "height", "width"].iter().position(|known| *known == axis)?;
            let extent = *self.arriving?.dims().get(axis)?;
            return Some(ValueKind::Number(Number { value: extent as f64, unit: Unit::None }));
        }
        self.frames()
            .find_map(|frame| frame.values.get(name).cloned())
            .or_else(|| self.definitions.lookup(name))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.frames().flat_map(|frame| frame.values.keys().cloned()).collect();
        names.extend(self.definitions.names());
        names.extend(["in.channels", "in.height", "in.width"].map(str::to_owned));
        names
    }
}
