//! What may stand at the cursor, and what is written for it.

use std::ops::Range;

use dslc::editor::complete::{Completion, CompletionKind, complete};

use crate::editor::{folders, with_cursor};

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
        [
            "source",
            "field",
            "split",
            "validation",
            "test",
            "sample",
            "cache",
            "on_error",
            "augment",
            "normalize",
            "resize",
            "center_crop",
            "pad_to",
            "grayscale",
            "rgb"
        ]
    );
    assert_eq!(
        labels("data { augment { ‸ } }")[..5],
        ["random_crop", "random_resized_crop", "random_rotation", "random_affine", "random_flip"]
    );
    assert_eq!(labels("train {\n  ‸\n}")[..3], ["loss", "metrics", "optimizer"]);
    assert_eq!(labels("expect { ‸")[0], "parameters");
    assert_eq!(labels("# mo‸"), Vec::<String>::new());
}

#[test]
fn completion_knows_the_arguments() {
    let conv = "model M { input 3x8x8; conv2d 8 3x3 stride=2 ‸ bias=false }";
    assert_eq!(of_kind(conv, CompletionKind::Argument), ["padding", "dilation", "groups", "in", "init"]);
    assert_eq!(
        of_kind("model M { input 3x8x8; conv2d 8 3x3 padding=‸ }", CompletionKind::Value)[..2],
        ["same", "valid"]
    );
    assert_eq!(labels("model M { input 3x8x8; pad 1 mode=r‸ }")[..3], ["constant", "reflect", "replicate"]);
    assert_eq!(labels("train { loss ‸ }")[..3], ["cross_entropy", "mse", "l1"]);
    assert_eq!(
        labels("train { optimizer ad‸ }")[..7],
        ["sgd", "adam", "adamw", "nadam", "rmsprop", "adagrad", "lion"]
    );
    assert_eq!(
        labels("train { optimizer adam lr=1e-3 ‸ }"),
        ["beta1", "beta2", "epsilon", "weight_decay", "amsgrad"]
    );
    assert_eq!(
        labels("train { early_stop patience=3 monitor=‸ }")[..2],
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

#[test]
fn completion_knows_the_data_that_lie_there() {
    let found = |text: &str| {
        let found = completions(text)
            .into_iter()
            .filter(|own| own.detail == "column" || own.kind != CompletionKind::Value);
        found.map(|own| own.insert).collect::<Vec<_>>()
    };
    assert_eq!(found("data {\n    source table \"‸\"\n}"), ["labels.csv", "old/"]);
    assert_eq!(found("data {\n    source table \"labels.csv\" image=‸\n}"), ["file", "\"my label\""]);
    assert_eq!(found("data {\n    source folder \"labels.csv\" image=‸\n}"), [""; 0]);
    assert_eq!(
        found("data {\n    source table \"labels.csv\" labels=[file, ‸]\n}"),
        ["file", "\"my label\""]
    );
    assert_eq!(found("data {\n    source table \"labels.csv\" separator=‸\n}"), [""; 0]);
    let split = "data {\n    source table \"labels.csv\"\n    split test=20% by=‸\n}";
    assert_eq!(found(split), ["file", "\"my label\""]);
    // Of two folders the second completes as the first does; of one there is no second.
    assert_eq!(found("data {\n    source masks \"old\" \"‸\"\n}"), ["labels.csv", "old/"]);
    assert_eq!(found("data {\n    source folder \"old\" \"‸\"\n}"), [""; 0]);
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
