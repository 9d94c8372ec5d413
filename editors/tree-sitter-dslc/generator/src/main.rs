//! Makes `src/parser.c` from `grammar.js`: the generator of the tree-sitter program without the program. Node reads the
//! grammar.
//!
//! Usage: `dslc-tree-sitter FOLDER OUT`, the folder of `grammar.js` and where to write.

use std::path::PathBuf;
use std::process::ExitCode;

use tree_sitter_generate::{OptLevel, generate_parser_in_directory};

/// What Neovim 0.10, Helix 25.01 and Zed read.
const ABI: usize = 14;

fn main() -> ExitCode {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder, out] = paths.as_slice() else {
        eprintln!("usage: dslc-tree-sitter FOLDER OUT");
        return ExitCode::from(2);
    };
    let mut notes = Vec::new();
    let grammar = folder.join("grammar.js");
    let made = generate_parser_in_directory(
        folder,
        Some(out),
        Some(&grammar),
        ABI,
        None,
        Some("node"),
        true,
        OptLevel::default(),
        &mut notes,
    );
    notes.iter().for_each(|note| eprintln!("{note}"));
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
