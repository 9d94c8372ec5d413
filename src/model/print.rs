//! The model as a text: one line a layer with every argument, its shape and its parameters.

use std::fmt::{self, Display};

use crate::model::Model;

impl Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = || "?".to_owned();
        let input = self.input.as_ref().map_or_else(unknown, ToString::to_string);
        writeln!(f, "model {} : {input}", self.name)?;
        for instance in &self.layers {
            let args: Vec<String> =
                instance.args.iter().map(|given| format!("{}={}", given.name, given.arg)).collect();
            let output = instance.output.as_ref().map_or_else(unknown, ToString::to_string);
            let mut line = format!("  {}", instance.name);
            if !args.is_empty() {
                line.push_str(&format!(" {{{}}}", args.join(" ")));
            }
            writeln!(f, "{line} : {output}")?;
            for p in instance.inferred.iter().flat_map(|inferred| &inferred.parameters) {
                writeln!(f, "    {} {} {:?}", p.name, p.shape, p.kind)?;
            }
        }
        writeln!(f, "  {} parameters", self.n_parameters())
    }
}
