//! The model as a text: one line a layer with every argument, its shape and its parameters.

use std::fmt::{self, Display};

use crate::diagram::{Diagram, Role};
use crate::model::outputs::Output;
use crate::model::{Model, Wire};
use crate::shape::Shape;

impl Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = || "?".to_owned();
        let input = self.input.as_ref().map_or_else(unknown, ToString::to_string);
        writeln!(f, "model {} : {input}", self.name)?;
        for (at, instance) in self.layers.iter().enumerate() {
            let args: Vec<String> =
                instance.args.iter().map(|given| format!("{}={}", given.name, given.arg)).collect();
            let output = instance.output.as_ref().map_or_else(unknown, ToString::to_string);
            let mut line = format!("  {} {}", instance.name, instance.unit.spec().name);
            // What comes from the line above goes without saying.
            let above = if at == 0 { Wire::INPUT } else { Wire::of_layer(at - 1) };
            if instance.inputs != [above] {
                let names: Vec<&str> = instance.inputs.iter().map(|&wire| self.wire_name(wire)).collect();
                line.push_str(&format!(" of {}", names.join(", ")));
            }
            if !args.is_empty() {
                line.push_str(&format!(" {{{}}}", args.join(" ")));
            }
            writeln!(f, "{line} : {output}")?;
            for p in instance.inferred.iter().flat_map(|inferred| &inferred.parameters) {
                writeln!(f, "    {} {} {:?}", p.name, p.shape, p.kind)?;
            }
        }
        for Output { name, head, .. } in &self.outputs {
            let (of, given) = (self.wire_name(head.wire), head.shape.as_ref());
            let shape = given.map_or_else(unknown, ToString::to_string);
            writeln!(f, "  output {} {of} {{weight={}}} : {shape}", name.text, head.weight)?;
        }
        for head in &self.auxiliaries {
            let output = head.shape.as_ref().map_or_else(unknown, ToString::to_string);
            writeln!(f, "  auxiliary {} {{weight={}}} : {output}", self.wire_name(head.wire), head.weight)?;
        }
        writeln!(f, "  {} parameters", self.n_parameters())
    }
}

impl Model {
    /// The layers, joined by their wires, with the shapes that flow.
    pub fn diagram(&self) -> Diagram {
        let shape = |shape: &Option<Shape>| shape.as_ref().map_or_else(|| "?".to_owned(), Shape::to_string);
        let mut diagram = Diagram::new(&self.name);
        diagram.add(Role::Given, ["input".to_owned()]);
        for (at, instance) in self.layers.iter().enumerate() {
            let args: Vec<String> = instance
                .args
                .iter()
                .filter(|given| given.span.is_some())
                .map(|given| format!("{}={}", given.name, given.arg))
                .collect();
            let word = instance.unit.spec().name;
            let what = std::iter::once(word).chain(args.iter().map(String::as_str)).collect::<Vec<_>>();
            let own = diagram.add(Role::Step, [instance.name.clone(), what.join(" ")]);
            debug_assert_eq!(own, Wire::of_layer(at).index());
            for wire in &instance.inputs {
                let given = wire.layer().map_or(&self.input, |at| &self.layers[at].output);
                diagram.join(wire.index(), own, shape(given));
            }
        }
        let output = diagram.add(Role::Result, ["output".to_owned()]);
        diagram.join(self.output.index(), output, shape(&self.output_shape));
        for Output { name, head, .. } in &self.outputs {
            let output = diagram.add(Role::Result, ["output".to_owned(), name.text.clone()]);
            diagram.join(head.wire.index(), output, shape(&head.shape));
        }
        for head in &self.auxiliaries {
            let weight = format!("weight={}", head.weight);
            let output = diagram.add(Role::Result, ["auxiliary".to_owned(), weight]);
            diagram.join(head.wire.index(), output, shape(&head.shape));
        }
        diagram
    }

    fn wire_name(&self, wire: Wire) -> &str {
        wire.layer().and_then(|at| self.layers.get(at)).map_or("input", |layer| layer.name.as_str())
    }
}
