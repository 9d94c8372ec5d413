//! `dslc graph FILE --stage …`: what a file becomes, stage by stage.

use std::path::PathBuf;

use crate::cli::out::out;
use crate::cli::{Stop, load};
use crate::experiment::stages;
use crate::graph::print;

#[derive(clap::Args)]
pub struct Options {
    /// A `.net` or `.model` file
    file: PathBuf,
    /// Which stage to print
    #[arg(long, value_enum, default_value_t = Stage::Lowered)]
    stage: Stage,
    /// As text, or in Graphviz's language
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Images in the batch of `lowered` and `final`
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: u32,
    /// Override a setting by its path, such as `train.batch=128`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Stage {
    /// The syntax tree
    Ast,
    /// Layers with every argument and shape
    Model,
    /// The ops of a forward pass
    Lowered,
    /// What runs: forward, loss, backward and update where the file has `train`, else forward; after all passes
    Final,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Dot,
}

pub fn run(options: &Options) -> Result<(), Stop> {
    if options.stage == Stage::Ast {
        let loaded = load::load(&options.file, &options.settings)?;
        let syntax: Vec<_> =
            loaded.diagnostics.iter().filter(|d| d.code.starts_with("E01")).cloned().collect();
        load::print(&loaded.sources, &syntax);
        out(&match options.format {
            Format::Text => loaded.ast.to_string(),
            Format::Dot => loaded.ast.dot(),
        })?;
        return if syntax.is_empty() { Ok(()) } else { Err(Stop::Findings) };
    }
    let loaded = load::load_whole(&options.file, &options.settings, &["model"])?;
    let Some(model) = &loaded.experiment.model else { return Err(Stop::Findings) };
    let batch = options.batch as usize;
    let graph = match options.stage {
        Stage::Ast | Stage::Model => {
            return out(&match options.format {
                Format::Text => model.to_string(),
                Format::Dot => model.dot(),
            });
        }
        Stage::Lowered => stages::lowered(model, batch)?,
        Stage::Final => stages::finished(&loaded.experiment, model, batch)?,
    };
    match options.format {
        Format::Text => out(&stages::text(&graph, model, &loaded.sources)),
        Format::Dot => out(&print::dot(&graph, &model.name)),
    }
}
