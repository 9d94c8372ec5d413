//! The parts of a text: outline, folds, links, selections, and the kind of each piece.

use std::fmt::Write as _;

use dslc::editor::folding::folds;
use dslc::editor::links::links;
use dslc::editor::selection::selection;
use dslc::editor::symbols::{Symbol, symbols};
use dslc::editor::tokens::{Token, tokens};

use crate::editor::{EXAMPLE, program, snapshot, with_cursor};

#[test]
fn the_outline_has_every_line() {
    fn lines(symbols: &[Symbol], depth: usize, out: &mut String) {
        for symbol in symbols {
            let indent = "  ".repeat(depth);
            let _ = writeln!(out, "{indent}{} | {} ({:?})", symbol.name, symbol.detail, symbol.kind);
            lines(&symbol.children, depth + 1, out);
        }
    }
    let mut out = String::new();
    lines(&symbols(&program(EXAMPLE)), 0, &mut out);
    snapshot("symbols", out);
}

#[test]
fn folds_and_links() {
    let text = "use \"parts.model\"\nuse \"old.model\"\n# a\n# b\n\n# c\nmodel M {\n    input 3x8x8 # d\n    # e\n    # f\n    residual {\n        \
                relu\n    } shortcut { relu }\n}\n";
    let program = program(text);
    let parts: Vec<&str> = folds(&program).into_iter().map(|fold| &text[fold.range]).collect();
    assert_eq!(parts.len(), 5, "{parts:#?}");
    assert!(parts[0].starts_with("use") && parts[0].ends_with("old.model\""));
    assert_eq!(parts[1], "# a\n# b");
    assert_eq!(parts[3], "# e\n    # f");
    let found: Vec<(&str, String)> = links(&program)
        .into_iter()
        .map(|link| (&text[link.span.range()], link.path.display().to_string()))
        .collect();
    assert_eq!(found, [("parts.model", "models/parts.model".to_owned())]);
}

#[test]
fn selections_grow() {
    let text = "model M {\n    input 3x8x8\n    conv2d 8 3x3 padding=[1, ‸2, 3, 4] -> relu : 8x9x9\n    residual { relu }\n}\n";
    let (program, at) = with_cursor(text);
    let parts: Vec<&str> = selection(&program, at).into_iter().map(|range| &program.text()[range]).collect();
    assert_eq!(
        parts[..6],
        [
            "2",
            "[1, 2, 3, 4]",
            "padding=[1, 2, 3, 4]",
            "conv2d 8 3x3 padding=[1, 2, 3, 4]",
            "conv2d 8 3x3 padding=[1, 2, 3, 4] -> relu : 8x9x9",
            "input 3x8x8\n    conv2d 8 3x3 padding=[1, 2, 3, 4] -> relu : 8x9x9\n    residual { relu }",
        ]
    );
    assert_eq!(parts.last().unwrap(), &program.text());
}

#[test]
fn tokens_say_what_each_piece_is() {
    let program = program(EXAMPLE);
    let line = |token: Token| {
        let (defined, library) = (
            if token.is_definition { " defined" } else { "" },
            if token.is_library { " library" } else { "" },
        );
        format!("{:<28} {:?}{defined}{library}\n", &EXAMPLE[token.span.range()], token.kind)
    };
    snapshot("tokens", tokens(&program).into_iter().map(line).collect());
}
