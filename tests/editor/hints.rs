//! The shapes at the ends of lines, and what is told of them.

use dslc::editor::hints::{Hint, hints};

use crate::editor::{EXAMPLE, marked, program, snapshot};

#[test]
fn every_layer_line_has_its_shape() {
    let program = program(EXAMPLE);
    assert_eq!(program.checked.diagnostics, []);
    let marks = hints(&program, 0..EXAMPLE.len()).into_iter().map(|hint| (hint.offset, hint.label)).collect();
    snapshot("hints", marked(EXAMPLE, marks));
}

#[test]
fn tooltips_tell_figures() {
    let program = program(EXAMPLE);
    let line = |hint: Hint| format!("{}\n{}\n", hint.label, hint.tooltip);
    snapshot(
        "tooltips",
        hints(&program, 0..EXAMPLE.len()).into_iter().map(line).collect::<Vec<_>>().join("\n"),
    );
}

#[test]
fn a_broken_line_keeps_the_hints_of_the_others() {
    let shapes = |text: &str| {
        let program = program(text);
        let labels = hints(&program, 0..text.len()).into_iter().map(|hint| hint.label);
        labels.filter(|label| label.starts_with(':')).collect::<Vec<_>>()
    };
    let head = "model M {\n    input 3x8x8\n    conv2d 4 3x3\n";
    let tail = "    relu : 4x6x6\n    flatten\n}\n";
    // What is typed stands between: the lines above keep theirs, and behind an asserted shape so do those below.
    for typed in ["conv2d", "conv2d 4 ", "conv2d 4 3x3 stride=", "repeat (2 {", "conv2d 4 (3 *", "\"", "é"] {
        let text = format!("{head}    {typed}\n{tail}");
        assert_eq!(shapes(&text)[..1], [": 4x6x6"], "{text}");
    }
    for typed in ["conv2d", "conv2d 4 ", "conv2d 4 (3 *", "é"] {
        let text = format!("{head}    {typed}\n{tail}");
        assert_eq!(shapes(&text).last().unwrap(), ": 144", "{text}");
    }
    assert_eq!(shapes(&format!("block b( {{\n}}\n{head}}}\n")).last().unwrap(), ": 4x6x6");
    assert_eq!(shapes(&format!("{head}}}\n").replace("model M", "model M(")), [": 4x6x6"]);
    assert_eq!(shapes(&format!("{head}}}\ntrain {{ loss = }}\n")).last().unwrap(), ": 4x6x6");
}
