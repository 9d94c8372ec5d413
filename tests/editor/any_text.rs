//! What the answers owe to any text whatever: no panic, and places that lie in it.

use std::ops::Range;
use std::path::Path;

use dslc::editor::complete::complete;
use dslc::editor::folding::folds;
use dslc::editor::hints::hints;
use dslc::editor::hover::hover;
use dslc::editor::links::links;
use dslc::editor::names::{definition, references, rename};
use dslc::editor::selection::selection;
use dslc::editor::signature::signature;
use dslc::editor::symbols::{Symbol, symbols};
use dslc::editor::tokens::tokens;
use proptest::prelude::{ProptestConfig, Strategy, any, prop, proptest};

use crate::any_text::{apply, change};
use crate::editor::{folders, program};

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
    let cut = prop::option::of(any::<prop::sample::Index>());
    (prop::sample::select(texts), prop::collection::vec(change(20), 0..5), cut).prop_map(
        |(text, changes, cut)| {
            let mut letters: Vec<char> = text.chars().collect();
            if let Some(cut) = cut {
                letters.truncate(cut.index(letters.len() + 1));
            }
            changes.into_iter().for_each(|change| apply(change, &mut letters));
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
