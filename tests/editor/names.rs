//! Names over files: where they are defined, where they are used, and another in their place.

use std::collections::BTreeMap;
use std::path::Path;

use dslc::editor::Program;
use dslc::editor::names::{Definition, definition, references, rename};

use crate::editor::{PARTS, file, with_cursor};

#[test]
fn definitions_are_found_in_other_files_and_the_library() {
    let place = |text: &str| {
        let (program, at) = with_cursor(text);
        definition(&program, at).map(|found| match found {
            Definition::File(found) => {
                let text = if found.path == Path::new("models/parts.model") { PARTS } else { program.text() };
                format!("{}: {}", found.path.display(), &text[found.range])
            }
            Definition::Library(range) => {
                format!("library: {}", &program.sources.get(dslc::source::LIBRARY).text[range])
            }
        })
    };
    let with = |line: &str| place(&format!("use \"parts.model\"\nmodel M {{\n input 3x8x8\n {line}\n}}\n"));
    assert_eq!(with("nar‸row maps").unwrap(), "models/parts.model: narrow");
    assert_eq!(with("narrow ‸maps").unwrap(), "models/parts.model: maps");
    assert_eq!(with("narrow 4 act‸=silu").unwrap(), "models/parts.model: act");
    assert_eq!(with("basic_block‸ 4").unwrap(), "library: basic_block");
    assert_eq!(with("relu as x\n concat ‸x").unwrap(), "models/a.net: x");
    assert_eq!(with("re‸lu"), None);
    assert_eq!(place("use \"par‸ts.model\"\n").unwrap(), "models/parts.model: ");
}

/// The text of `parts.model` and of a file that uses it, after a rename at the cursor in either.
fn renamed(text: &str, new: &str) -> Result<BTreeMap<String, String>, String> {
    let at = text.find('‸').expect("a cursor");
    let (path, text, at) = match text.strip_prefix("parts:") {
        Some(_) => ("models/parts.model", PARTS.to_owned(), PARTS.find(&text["parts:‸".len()..]).unwrap()),
        None => ("models/a.net", text.replace('‸', ""), at),
    };
    let main = "use \"parts.model\"\nmodel M {\n    input 3x8x8\n    narrow maps act=silu -> narrow 2\n}\n";
    let program = file(path, &text, main);
    let other = file("models/a.net", main, main);
    let others: Vec<&Program> = if path == "models/a.net" { vec![] } else { vec![&other] };
    let edits = rename(&program, at, new, &others)?;
    let mut texts = BTreeMap::new();
    for (path, mut edits) in edits {
        let mut text = match path.to_str() {
            Some("models/parts.model") => PARTS.to_owned(),
            _ if others.is_empty() => text.clone(),
            _ => main.to_owned(),
        };
        edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        edits.iter().for_each(|(range, new)| text.replace_range(range.clone(), new));
        texts.insert(path.display().to_string(), text);
    }
    Ok(texts)
}

#[test]
fn renaming_changes_every_file_that_names_it() {
    let all = |text: &str, new: &str| renamed(text, new).unwrap();
    let texts = all("parts:‸narrow", "slim");
    assert_eq!(texts["models/parts.model"], PARTS.replace("narrow(", "slim("));
    assert!(texts["models/a.net"].contains("slim maps act=silu -> slim 2"), "{texts:?}");
    let texts = all("parts:‸act=relu", "activation");
    assert!(
        texts["models/parts.model"]
            .contains("(channels, activation=relu) {\n    conv2d channels 1x1 -> activation")
    );
    assert!(texts["models/a.net"].contains("narrow maps activation=silu"), "{texts:?}");
    let texts = all("parts:‸maps", "width");
    assert!(texts["models/a.net"].contains("narrow width act"), "{texts:?}");
    // From the file that uses it.
    let texts = all("use \"parts.model\"\nmodel M { input 3x8x8; narrow ma‸ps }\n", "n");
    assert_eq!(texts["models/a.net"], "use \"parts.model\"\nmodel M { input 3x8x8; narrow n }\n");
    assert!(texts["models/parts.model"].starts_with("let n = 4\n"));
    // Names of the same text in other scopes stay.
    let scopes =
        "let a = 1\nblock b(a) { conv2d ‸a 1x1 }\nmodel M { input 3x8x8; b a -> relu as a; add a }\n";
    assert_eq!(
        all(scopes, "n")["models/a.net"],
        "let a = 1\nblock b(n) { conv2d n 1x1 }\nmodel M { input 3x8x8; b a -> relu as a; add a }\n"
    );
    let value = "let a = 1\nblock b(a) { conv2d a 1x1 }\nmodel M { input 3x8x8; b a -> relu as a; add ‸a }\n";
    assert!(all(value, "n")["models/a.net"].ends_with("b a -> relu as n; add n }\n"));
}

#[test]
fn what_cannot_be_renamed_says_why() {
    let why = |text: &str, new: &str| renamed(text, new).unwrap_err();
    let text = "use \"parts.model\"\nlet size = 2\nblock b(k) { conv2d k 3x3 padding=same }\nmodel M { input 3x8x8; b‸ 2 }\n";
    assert_eq!(
        why(text, "1x"),
        "`1x` is not a name: use letters, digits and `_`, and do not begin with a digit"
    );
    assert_eq!(why(text, "relu"), "`relu` is a word of the language");
    assert_eq!(why(text, "repeat"), "`repeat` is a word of the language");
    assert_eq!(why(text, "narrow"), "`narrow` is already a block (models/parts.model:4)");
    let at = |from: &str, to: &str| text.replace('‸', "").replace(from, to);
    assert_eq!(why(&at("(k)", "(‸k)"), "same"), "`same` is used as a word (models/a.net:3)");
    assert_eq!(why(&at("conv2d", "con‸v2d"), "x"), "`conv2d` is a word of the language");
    let library = "model M { input 3x8x8; basic_b‸lock 4 }";
    assert!(why(library, "x").contains("belongs to the language's library"));
    assert_eq!(why("‸\n", "x"), "there is no name here");
    assert_eq!(renamed(&at("let size", "let si‸ze"), "size"), Ok(BTreeMap::new()));
}

#[test]
fn references_are_listed_over_files() {
    let main = "use \"parts.model\"\nmodel M { input 3x8x8; narrow maps -> narrow 2 }\n";
    let (parts, other) = (file("models/parts.model", PARTS, main), file("models/a.net", main, main));
    let at = PARTS.find("narrow").unwrap();
    let found = references(&parts, at, &[&other]);
    let files: Vec<String> = found.iter().map(|place| place.path.display().to_string()).collect();
    assert_eq!(files, ["models/a.net", "models/a.net", "models/parts.model"]);
    assert_eq!(references(&other, main.find("narrow").unwrap(), &[&parts]), found);
}
