//! What the editor's floor answers, on small programs with a cursor (`‸`), and what it owes to any text whatever.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use dslc::editor::Program;
use dslc::editor::complete::{Completion, CompletionKind, Folders, complete};
use dslc::editor::folding::folds;
use dslc::editor::hints::hints;
use dslc::editor::hover::hover;
use dslc::editor::links::links;
use dslc::editor::names::{Definition, definition, references, rename};
use dslc::editor::selection::selection;
use dslc::editor::signature::signature;
use dslc::editor::symbols::{Symbol, symbols};
use dslc::editor::tokens::tokens;
use dslc::experiment::imports::Project;
use proptest::prelude::{ProptestConfig, Strategy, any, prop, proptest};

const PARTS: &str = "let maps = 4\n\n## A slender one.\nblock narrow(channels, act=relu) {\n    conv2d channels 1x1 -> act\n}\n";

/// A network with a bit of everything.
const EXAMPLE: &str = include_str!("cases/editor.net");

/// Checks a text as `models/a.net` in a project that has `models/parts.model`.
fn program(text: &str) -> Program {
    file("models/a.net", text, "")
}

/// Checks a file of a project with `models/parts.model`, and `main` as `models/a.net`.
fn file(path: &str, text: &str, main: &str) -> Program {
    let read = |path: &Path| match path.to_str() {
        Some("models/parts.model") => Ok(PARTS.to_owned()),
        Some("models/a.net") => Ok(main.to_owned()),
        _ => Err("there is no such file".to_owned()),
    };
    Program::check(Path::new(path), text.to_owned(), &Project { root: Path::new(""), read: &read })
}

/// A program whose text has a cursor, and where that is.
fn with_cursor(text: &str) -> (Program, usize) {
    let at = text.find('‸').expect("a cursor");
    (program(&text.replace('‸', "")), at)
}

fn list(folder: &Path) -> Vec<(String, bool)> {
    let entries: &[(&str, bool)] = match folder.to_str() {
        Some("models") => &[("parts.model", false), ("a.net", false), ("old", true), ("notes.txt", false)],
        Some("models/old") => &[("first.net", false)],
        Some("") => &[("models", true), ("README.md", false)],
        _ => &[],
    };
    entries.iter().map(|(name, folder)| ((*name).to_owned(), *folder)).collect()
}

fn folders() -> Folders<'static> {
    Folders { root: Path::new(""), list: &list }
}

fn completions(text: &str) -> Vec<Completion> {
    let (program, at) = with_cursor(text);
    complete(&program, at, &folders())
}

fn labels(text: &str) -> Vec<String> {
    completions(text).into_iter().map(|completion| completion.label).collect()
}

fn of_kind(text: &str, kind: CompletionKind) -> Vec<String> {
    let found = completions(text).into_iter().filter(|completion| completion.kind == kind);
    found.map(|completion| completion.label).collect()
}

/// A text with what is at each place put in between `«` and `»`.
fn marked(text: &str, mut marks: Vec<(usize, String)>) -> String {
    marks.sort();
    let (mut out, mut from) = (String::new(), 0);
    for (at, mark) in marks {
        let _ = write!(out, "{}«{mark}»", &text[from..at]);
        from = at;
    }
    out + &text[from..]
}

fn snapshot(name: &str, text: String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/editor");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

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
    let line = |hint: dslc::editor::hints::Hint| format!("{}\n{}\n", hint.label, hint.tooltip);
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

#[test]
fn completion_offers_the_words_of_the_section() {
    assert_eq!(labels("‸"), dslc::experiment::SECTIONS);
    assert_eq!(labels("let a = 1\nmo‸"), dslc::experiment::SECTIONS);
    let body = labels("block b { relu }\nmodel M {\n    input 3x8x8\n    con‸\n}\n");
    for word in ["conv2d", "input", "concat { … }", "b", "basic_block", "repeat", "residual"] {
        assert!(body.iter().any(|label| label == word), "{word} in {body:?}");
    }
    assert!(!body.iter().any(|label| ["concat", "data", "else", "normalize"].contains(&label.as_str())));
    assert!(labels("model M { input 3x8x8 as x\n ‸ }").contains(&"concat".to_owned()));
    assert!(labels("model M { input 3x8x8 -> ‸").contains(&"relu".to_owned()));
    assert_eq!(labels("model M { input 3x8x8; residual { relu } ‸ }"), ["shortcut"]);
    assert_eq!(labels("model M { input 3x8x8; if a < 2 { relu } e‸ }"), ["else"]);
    assert_eq!(labels("model M { input 3x8x8; add { branch { relu } ‸ } }"), ["branch"]);
    assert_eq!(labels("model M { input 3x8x8; repeat 2 { relu } ‸ }"), Vec::<String>::new());
    assert_eq!(labels("model M { input 3x8x8; add { ‸ } }"), ["branch"]);
    assert_eq!(
        labels("data { ‸ }"),
        ["source", "validation", "test", "augment", "normalize", "resize", "grayscale"]
    );
    assert_eq!(labels("data { augment { ‸ } }"), ["random_crop", "random_rotation", "random_flip"]);
    assert_eq!(labels("train {\n  ‸\n}")[..3], ["loss", "optimizer", "schedule"]);
    assert_eq!(labels("expect { ‸")[0], "parameters");
    assert_eq!(labels("# mo‸"), Vec::<String>::new());
}

#[test]
fn completion_knows_the_arguments() {
    let conv = "model M { input 3x8x8; conv2d 8 3x3 stride=2 ‸ bias=false }";
    assert_eq!(of_kind(conv, CompletionKind::Argument), ["padding", "dilation", "groups", "in"]);
    assert_eq!(
        of_kind("model M { input 3x8x8; conv2d 8 3x3 padding=‸ }", CompletionKind::Value)[..2],
        ["same", "valid"]
    );
    assert_eq!(labels("model M { input 3x8x8; pad 1 mode=r‸ }")[..3], ["constant", "reflect", "replicate"]);
    assert_eq!(labels("train { loss ‸ }"), ["cross_entropy", "mse", "l1"]);
    assert_eq!(labels("train { optimizer ad‸ }"), ["sgd", "adam", "adamw"]);
    assert_eq!(labels("train { optimizer adam lr=1e-3 ‸ }"), ["beta1", "beta2", "epsilon", "weight_decay"]);
    assert_eq!(
        labels("train { early_stop patience=3 monitor=‸ }"),
        ["validation.loss", "validation.accuracy"]
    );
    let block = "block b(channels, act=relu) { conv2d channels 1x1 -> act }\nmodel M { input 3x8x8; b 4 ‸ }";
    assert_eq!(of_kind(block, CompletionKind::Argument), ["act"]);
    let value = block.replace("b 4 ‸", "b 4 act=s‸");
    assert!(of_kind(&value, CompletionKind::Layer).contains(&"silu".to_owned()));
    assert_eq!(of_kind(&value, CompletionKind::Argument), Vec::<String>::new());
}

#[test]
fn completion_knows_the_names_that_are_visible() {
    let text = "let width = 8\nblock b(channels) {\n    let twice = (2 * channels)\n    for c in [1, 2] {\n        \
                relu as x\n        conv2d ‸\n        let later = 1\n    }\n}\nblock other(q) { relu }\n";
    assert_eq!(of_kind(text, CompletionKind::Name), ["c", "twice", "channels", "width"]);
    assert_eq!(of_kind(&text.replace("conv2d ‸", "add ‸"), CompletionKind::Name), ["x"]);
    let sum = text.replace("conv2d ‸", "conv2d (2 * ‸");
    assert_eq!(of_kind(&sum, CompletionKind::Name), ["c", "twice", "channels", "width"]);
    assert_eq!(of_kind("let a = 1\nlet b = ‸", CompletionKind::Name), ["a"]);
    assert_eq!(labels("model M { input 3x8x8; conv2d 4 3x3 : ‸\n}"), ["4x6x6"]);
    assert_eq!(labels("model M { input 3x8x8; relu as ‸\n}"), Vec::<String>::new());
}

#[test]
fn completion_lists_files_of_the_project_only() {
    let paths = |text: &str| {
        let found = completions(text).into_iter();
        found.map(|c| (c.insert, c.replace.range())).collect::<Vec<_>>()
    };
    let own = |name: &str, range: Range<usize>| (name.to_owned(), range);
    assert_eq!(paths("use \"‸\""), [own("old/", 5..5), own("parts.model", 5..5)]);
    assert_eq!(paths("use \"pa‸"), [own("old/", 5..7), own("parts.model", 5..7)]);
    assert_eq!(paths("use \"old/f‸x\"\n"), [own("first.net", 9..11)]);
    assert_eq!(paths("use \"../‸\""), [own("models/", 8..8)]);
    assert_eq!(paths("use \"../../‸\""), []);
    assert_eq!(paths("use \"/‸\""), []);
}

/// What a snippet writes when every stop is left as it is.
fn filled(snippet: &str) -> String {
    let mut out = String::new();
    let mut rest = snippet.replace("$0", "");
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        let end = at + rest[at..].find('}').unwrap();
        let stop = &rest[at + 2..end];
        let (_, default) = stop.split_once([':', '|']).unwrap();
        out.push_str(default.trim_end_matches('|').split(',').next().unwrap());
        rest = rest[end + 1..].to_owned();
    }
    out + &rest
}

#[test]
fn what_completion_writes_can_be_read() {
    for (before, after) in [
        ("", ""),
        ("model M {\n    input 3x8x8 as x\n    ", "\n}\n"),
        ("model M {\n    input 3x8x8\n    residual { relu } ", "\n}\n"),
        ("model M {\n    input 3x8x8\n    conv2d 8 3x3 ", "\n}\n"),
        ("data {\n    ", "\n}\n"),
        ("data {\n    source ", "\n}\n"),
        ("data {\n    augment { ", " }\n}\n"),
        ("train {\n    ", "\n}\n"),
        ("train {\n    optimizer ", "\n}\n"),
        ("train {\n    early_stop ", "\n}\n"),
        ("expect {\n    ", "\n}\n"),
    ] {
        let found = completions(&format!("{before}‸{after}"));
        assert!(!found.is_empty(), "{before}");
        for completion in found.iter().filter(|completion| !completion.insert.ends_with("=$0")) {
            let mut text = format!("{before}{}{after}", filled(&completion.insert));
            if completion.label.starts_with("validation.") || completion.label.contains('.') {
                text = text.replace("<  ", "< 1");
            }
            let text = match before.starts_with("expect") {
                true => text.replace("< ", "< 1"),
                false => text,
            };
            let mut sources = dslc::source::Sources::default();
            let file = sources.add("a.net", text.clone());
            let (_, errors) = dslc::syntax::parse(&sources, file);
            assert!(errors.is_empty(), "{}: {text}\n{errors:?}", completion.label);
            assert_eq!(completion.is_snippet, completion.insert.contains('$'));
        }
    }
}

#[test]
fn signatures_follow_the_cursor() {
    let active = |text: &str| {
        let (program, at) = with_cursor(text);
        signature(&program, at).map(|found| {
            let own =
                found.active.map(|active| found.label[found.parameters[active].range.clone()].to_owned());
            (found.label.clone(), own)
        })
    };
    let body =
        |line: &str| active(&format!("block b(one, two=2) {{ relu }}\nmodel M {{ input 3x8x8; {line} }}"));
    let argument = |line: &str| body(line).and_then(|(_, active)| active);
    let (label, first) = body("conv2d ‸").unwrap();
    assert_eq!(
        label,
        "conv2d CHANNELS KERNEL [stride=…] [padding=…] [dilation=…] [groups=…] [bias=…] [in=…]"
    );
    assert_eq!(first.as_deref(), Some("CHANNELS"));
    assert_eq!(argument("conv2d 8‸").as_deref(), Some("CHANNELS"));
    assert_eq!(argument("conv2d 8 ‸").as_deref(), Some("KERNEL"));
    assert_eq!(argument("conv2d (2 * ‸").as_deref(), Some("CHANNELS"));
    assert_eq!(argument("conv2d 8 3x3 padding=‸").as_deref(), Some("[padding=…]"));
    assert_eq!(argument("conv2d 8 3x3 padding=[1, ‸").as_deref(), Some("[padding=…]"));
    assert_eq!(argument("conv2d 8 3x3 ‸"), None);
    assert_eq!(body("b ‸").unwrap(), ("b ONE [two=2]".to_owned(), Some("ONE".to_owned())));
    assert_eq!(argument("b 1 ‸").as_deref(), Some("[two=2]"));
    assert_eq!(body("conv‸"), None);
    assert_eq!(body("relu -> conv2d 8 3x3 : ‸"), None);
    assert_eq!(active("train { optimizer adam lr=‸ }").unwrap().1.as_deref(), Some("[lr=…]"));
    assert_eq!(active("data { validation ‸ }").unwrap().1.as_deref(), Some("AMOUNT"));
}

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
    assert_eq!(why(text, "1x"), "`1x` is not a name: letters, digits and `_`, and no digit at its beginning");
    assert_eq!(why(text, "relu"), "`relu` is a word of the language");
    assert_eq!(why(text, "repeat"), "`repeat` is a word of the language");
    assert_eq!(why(text, "narrow"), "`narrow` is a block already (models/parts.model:4)");
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
    let line = |token: dslc::editor::tokens::Token| {
        let (defined, library) = (
            if token.is_definition { " defined" } else { "" },
            if token.is_library { " library" } else { "" },
        );
        format!("{:<28} {:?}{defined}{library}\n", &EXAMPLE[token.span.range()], token.kind)
    };
    snapshot("tokens", tokens(&program).into_iter().map(line).collect());
}

/// Asks everything of a text at some places; nothing may panic, and every answer lies in the text.
fn ask_all(text: &str, places: &[usize]) {
    let program = program(text);
    let inside = |range: Range<usize>| {
        assert!(range.start <= range.end && text.get(range.clone()).is_some(), "{range:?} in {text:?}");
    };
    for hint in hints(&program, 0..text.len()) {
        inside(hint.offset..hint.offset);
        assert!(!hint.label.is_empty());
    }
    let mut end = 0;
    for token in tokens(&program) {
        inside(token.span.range());
        assert!(end <= token.span.start && token.span.start < token.span.end, "{token:?} in {text:?}");
        assert!(!text[token.span.range()].contains('\n'));
        end = token.span.end;
    }
    folds(&program).into_iter().for_each(|fold| inside(fold.range));
    links(&program).into_iter().for_each(|link| inside(link.span.range()));
    fn nested(symbols: &[Symbol], inside: &dyn Fn(Range<usize>)) {
        for symbol in symbols {
            inside(symbol.span.range());
            inside(symbol.selection.range());
            assert!(
                symbol.span.start <= symbol.selection.start && symbol.selection.end <= symbol.span.end,
                "{symbol:?}"
            );
            nested(&symbol.children, inside);
        }
    }
    nested(&symbols(&program), &inside);
    for &at in places {
        let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        if let Some(hover) = hover(&program, at) {
            inside(hover.span.range());
            assert!(!hover.markdown.is_empty());
        }
        complete(&program, at, &folders()).into_iter().for_each(|completion| {
            inside(completion.replace.range());
            assert!(!completion.insert.is_empty() && !completion.label.is_empty());
        });
        if let Some(found) = signature(&program, at) {
            found
                .parameters
                .iter()
                .for_each(|parameter| assert!(found.label.get(parameter.range.clone()).is_some()));
            assert!(found.active.is_none_or(|active| active < found.parameters.len()));
        }
        let ranges = selection(&program, at);
        assert_eq!(ranges.last(), Some(&(0..text.len())));
        ranges.iter().cloned().for_each(inside);
        assert!(ranges.windows(2).all(|pair| pair[1].start <= pair[0].start && pair[0].end <= pair[1].end));
        assert!(definition(&program, at).is_none() || hover(&program, at).is_some());
        let own = |path: &Path| path == Path::new("models/a.net");
        references(&program, at, &[])
            .into_iter()
            .filter(|place| own(&place.path))
            .for_each(|place| inside(place.range));
        if let Ok(edits) = rename(&program, at, "renamed_", &[]) {
            let own = edits.into_iter().filter(|(path, _)| own(path)).flat_map(|(_, edits)| edits);
            own.for_each(|(range, _)| inside(range));
        }
    }
}

/// A program of the project, cut and patched at random places, or the beginning of one.
fn damaged() -> impl Strategy<Value = String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> =
        std::fs::read_dir(root.join("models")).unwrap().map(|e| e.unwrap().path()).collect();
    paths.extend(["tests/cases/ugly.txt", "tests/cases/editor.net"].map(|path| root.join(path)));
    paths.sort();
    let mut texts: Vec<String> = paths
        .iter()
        .filter(|path| path.is_file())
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let wrong = std::fs::read_to_string(root.join("tests/cases/wrong.txt")).unwrap();
    texts.extend(wrong.split("\n=== ").skip(1).map(|case| case.split_once('\n').unwrap().1.to_owned()));
    let patch = prop::sample::select(vec![
        "",
        "\n",
        " ",
        ";",
        "{",
        "}",
        "(",
        ")",
        "[",
        "->",
        "\"",
        ":",
        "=",
        "#",
        " as x",
        "9",
        "in.",
        "é",
        "<",
        "\r\n",
        ",",
        "use \"",
        "add x",
        "block b(",
        "conv2d ",
        " let a = a",
    ]);
    let damage = (any::<prop::sample::Index>(), 0usize..20, patch);
    let cut = prop::option::of(any::<prop::sample::Index>());
    (prop::sample::select(texts), prop::collection::vec(damage, 0..5), cut).prop_map(
        |(text, damages, cut)| {
            let mut letters: Vec<char> = text.chars().collect();
            if let Some(cut) = cut {
                letters.truncate(cut.index(letters.len() + 1));
            }
            for (at, n_cut, patch) in damages {
                let at = at.index(letters.len() + 1);
                let end = (at + n_cut).min(letters.len());
                letters.splice(at..end, patch.chars());
            }
            letters.into_iter().collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in damaged(), places in prop::collection::vec(any::<prop::sample::Index>(), 4)) {
        let places: Vec<usize> = places.into_iter().map(|place| place.index(text.len() + 1)).collect();
        ask_all(&text, &places);
    }
}
