//! What a statement came to in the model, in figures and in words: shapes, parameters, operations, receptive field.

use crate::editor::Program;
use crate::layers::arithmetic::Arithmetic;
use crate::model::Instance;
use crate::model::receptive::Field;
use crate::numbers::{plural, short, thousands};
use crate::shape::Shape;
use crate::syntax::ast::Statement;

/// What one statement came to; figures are those of its first use.
pub struct Facts<'a> {
    pub input: Option<&'a Shape>,
    /// Each shape that it gave, in the order of its uses.
    pub outputs: Vec<&'a Shape>,
    pub n_times: usize,
    pub parameters: u64,
    /// For one image, forward; `None` where the model has a fault.
    pub flops: Option<u64>,
    /// Of a single layer: how its shape came about.
    pub arithmetic: &'a Arithmetic,
    pub field: Option<Field>,
}

/// What became of a statement; `None` for one that no model uses or whose shape is not known.
pub fn facts<'a>(program: &'a Program, statement: &Statement) -> Option<Facts<'a>> {
    let experiment = &program.checked.experiment;
    let passed = experiment.passing.of(statement)?;
    let outputs = passed.shapes()?;
    let model = experiment.model.as_ref()?;
    let layers = model.layers.get(passed.layers.clone())?;
    let arithmetic = match layers {
        [Instance { inferred: Some(inferred), .. }] => &inferred.arithmetic,
        _ => &Arithmetic::None,
    };
    Some(Facts {
        input: layers.first().and_then(|layer| layer.input.as_ref()),
        outputs,
        n_times: passed.n_times,
        parameters: layers.iter().map(|layer| layer.n_parameters() as u64).sum(),
        flops: program.flops().and_then(|flops| flops.get(passed.layers.clone())).map(|own| own.iter().sum()),
        arithmetic,
        field: program.fields().get(passed.layers.clone()).and_then(|own| own.last().copied()),
    })
}

impl Facts<'_> {
    /// One line a fact, in Markdown.
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(160);
        if let Some(input) = self.input {
            put(&mut out, &["`", &input.to_string(), "` → "]);
        }
        for (i, shape) in self.outputs.iter().enumerate() {
            put(&mut out, &[if i > 0 { ", `" } else { "`" }, &shape.to_string(), "`"]);
        }
        if !self.arithmetic.is_none() && self.outputs.len() == 1 {
            put(&mut out, &[" (", &self.arithmetic.to_string(), ")"]);
        }
        let flops = self.flops.filter(|&n| n > 0);
        if self.parameters > 0 {
            put(&mut out, &[LINE, &parameters(self.parameters)]);
        }
        if let Some(flops) = flops {
            put(&mut out, &[if self.parameters > 0 { ", " } else { LINE }, &short(flops), " FLOPs"]);
        }
        match self.field {
            Some(Field::Window { extent, .. }) if extent != [1; 3] => {
                let axes = match self.input.map(Shape::rank) {
                    Some(2) => 1,
                    Some(4) => 3,
                    _ => 2,
                };
                let field = Shape::new(&extent[3 - axes..]);
                put(&mut out, &[LINE, "receptive field ", &field.to_string()]);
            }
            Some(Field::Whole) => put(&mut out, &[LINE, "receptive field: the whole image"]),
            Some(Field::Window { .. } | Field::Unknown) | None => {}
        }
        if self.n_times > 1 {
            let which = if self.outputs.len() > 1 { "; the figures are for the first" } else { "" };
            put(&mut out, &[LINE, "put in ", &thousands(self.n_times as u64), " times", which]);
        }
        out
    }
}

/// The end of a line in a Markdown paragraph.
const LINE: &str = "  \n";

fn put(out: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| out.push_str(part));
}

/// `320 parameters`
pub fn parameters(n: u64) -> String {
    plural(n, "parameter", "parameters")
}
