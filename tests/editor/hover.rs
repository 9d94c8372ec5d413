//! What is said of the word under the cursor.

use std::fmt::Write as _;

use dslc::editor::hover::hover;

use crate::editor::{EXAMPLE, program, snapshot, with_cursor};

#[test]
fn hovers_tell_what_a_word_is_and_came_to() {
    let mut out = String::new();
    for at in [
        "conv2d wi",
        "padding=1",
        "batch_norm",
        "act\n",
        "narrow maps",
        "maps",
        "squeeze_excite",
        "width = ",
        "width 3x3",
        "twice =",
        "twice 1x1",
        "early\n",
        "late\n",
        "concat late",
        "residual",
        "mnist",
        "adam",
        "lr=",
        "parameters <",
        "in.channels",
        "\"parts",
        "channels in",
        "Small",
        "normalize",
        "repeat",
    ] {
        let offset = EXAMPLE.find(at).unwrap_or_else(|| panic!("{at}"));
        let hover = hover(&program(EXAMPLE), offset).unwrap_or_else(|| panic!("nothing on {at}"));
        let _ = writeln!(out, "======== {}\n{}\n", &EXAMPLE[hover.span.range()], hover.markdown);
    }
    snapshot("hovers", out);
}

#[test]
fn nothing_is_said_of_blanks_and_numbers() {
    for text in ["‸\nmodel M { input 3x8x8; relu }", "model M { input ‸3x8x8; relu }", "# mod‸el\n"] {
        let (program, at) = with_cursor(text);
        assert_eq!(hover(&program, at), None, "{text}");
    }
}
