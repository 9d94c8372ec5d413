//! Named inputs and outputs of a model, and models as layers: what the editor knows of them in every section that names them.

use dslc::editor::complete::complete;
use dslc::editor::hover::hover;
use dslc::editor::names::{references, rename};
use dslc::editor::tokens::{TokenKind, tokens};

use crate::editor::{folders, program, with_cursor};

const TASKS: &str = "block tower { conv2d 4 3x3 -> relu -> global_avg_pool }
model Tasks {
    input 3x16x16
    input clinical 2
    tower as own
    output grade weight=0.4 { linear 5 }
    auxiliary weight=0.3 { linear 2 }
    concat clinical
    linear 2
}
data {
    source table \"labels.csv\" image=file label=kind classes=2 size=16x16
    field clinical [age, bmi]
    field grade label=grade classes=5
    validation 10%
}
train {
    loss cross_entropy
    optimizer adam lr=1e-3
    early_stop patience=2 monitor=validation.grade.accuracy
    keep best by=grade.accuracy
}
expect { test.grade.accuracy > 60%; validation.grade.loss < 2 }
";

/// The text after a rename of what stands at this word.
fn renamed(at: &str, new: &str) -> String {
    let program = program(TASKS);
    let offset = TASKS.find(at).unwrap() + at.rfind(' ').map_or(0, |space| space + 1);
    let edits = rename(&program, offset, new, &[]).unwrap();
    let mut text = TASKS.to_owned();
    for (_, mut edits) in edits {
        edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        edits.iter().for_each(|(range, new)| text.replace_range(range.clone(), new));
    }
    text
}

#[test]
fn the_example_has_no_finding() {
    assert_eq!(program(TASKS).checked.diagnostics, []);
}

#[test]
fn an_end_is_renamed_in_every_section() {
    let expected = TASKS.replace("output grade", "output stage").replace("field grade", "field stage");
    let expected = expected.replace(".grade.", ".stage.").replace("by=grade.", "by=stage.");
    for at in ["output grade", "field grade", "test.grade"] {
        let place = if at.contains('.') {
            TASKS.find(at).unwrap() + 5
        } else {
            TASKS.find(at).unwrap() + at.find(' ').unwrap() + 1
        };
        let program = program(TASKS);
        assert_eq!(references(&program, place, &[]).len(), 6, "{at}");
    }
    assert_eq!(renamed("output grade", "stage"), expected);
    let expected = TASKS.replace("clinical", "patient");
    assert_eq!(renamed("field clinical", "patient"), expected);
    assert_eq!(renamed("as own", "left"), TASKS.replace("as own", "as left"));
}

#[test]
fn hovers_tell_what_the_words_are() {
    let said = |at: &str, behind: usize| {
        let offset = TASKS.find(at).unwrap() + behind;
        hover(&program(TASKS), offset).unwrap_or_else(|| panic!("nothing on {at}")).markdown
    };
    assert!(said("output grade", 1).contains("further output of the model"));
    assert!(said("auxiliary", 1).contains("head that only training uses"));
    assert!(said("field clinical", 1).contains("further input or output"));
    assert!(said("grade.accuracy > 60%", 7).contains("hare of test images classified right"));
    assert!(said("label=grade", 1).contains("the column of a class"));
    assert!(!said("grade.accuracy > 60%", 1).is_empty());
    let (program, at) = with_cursor("model M { input 1x6x6; conv2d 1 3x3 padding=1 as own; sh‸are own }");
    assert!(hover(&program, at).unwrap().markdown.contains("same weights"));
}

#[test]
fn completion_offers_ends_columns_and_quantities() {
    let labels = |from: &str, to: &str| {
        let (program, at) = with_cursor(&TASKS.replace(from, to));
        complete(&program, at, &folders()).into_iter().map(|own| own.label).collect::<Vec<_>>()
    };
    assert_eq!(labels("field clinical [age, bmi]", "field ‸")[..2], ["clinical", "grade"]);
    assert_eq!(labels("field clinical [age, bmi]", "field clinical [‸]")[..2], ["file", "my label"]);
    assert!(labels("label=grade classes=5", "label=‸").contains(&"file".to_owned()));
    assert!(labels("    concat clinical", "    out‸").contains(&"output".to_owned()));
    assert!(labels("weight=0.4 {", "loss=‸ {").contains(&"huber".to_owned()));
    let expected = labels("test.grade.accuracy > 60%", "‸");
    assert!(
        ["test.grade.loss", "test.grade.accuracy"].iter().all(|own| expected.contains(&(*own).to_owned()))
    );
}

#[test]
fn tokens_tell_the_name_in_a_quantity_apart() {
    let program = program(TASKS);
    let found = tokens(&program);
    let at = TASKS.find("test.grade").unwrap();
    let own: Vec<_> = found.iter().filter(|own| (at..at + 19).contains(&own.span.range().start)).collect();
    let shown: Vec<(&str, bool)> =
        own.iter().map(|own| (&TASKS[own.span.range()], matches!(own.kind, TokenKind::Name(_)))).collect();
    assert_eq!(shown, [("test", false), ("grade", true), ("accuracy", false)]);
}
