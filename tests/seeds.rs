//! The programs of the five articles as they were published: each of their mistakes is found, on its line, with
//! the right numbers, and the fixes that are offered lead to a program that checks.

use dslc::diag::{Diagnostic, Severity, render};
use dslc::source::Sources;

fn check(path: &str, text: &str) -> (Sources, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let file = sources.add(path, text);
    let (ast, mut diagnostics) = dslc::syntax::parse(&sources, file);
    diagnostics.extend(dslc::experiment::resolve(&sources, &ast).1);
    (sources, diagnostics)
}

/// Applies the first fix with edits of the first error until there is none; at most ten times.
fn fixed(path: &str, text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..10 {
        let (_, diagnostics) = check(path, &text);
        let Some(error) = diagnostics.iter().find(|d| d.severity == Severity::Error) else { return text };
        let fix = error.fixes.iter().find(|fix| !fix.edits.is_empty());
        let fix = fix.unwrap_or_else(|| panic!("no edit for: {}", error.message));
        let mut edits = fix.edits.clone();
        edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
        for (span, new) in edits {
            text.replace_range(span.range(), &new);
        }
    }
    panic!("ten fixes were not enough:\n{text}");
}

#[test]
fn every_published_mistake_is_reported_and_can_be_fixed() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/seeds");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/seeds");
    insta::glob!(folder, "*.net", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        let (sources, diagnostics) = check(&name, &text);
        let report = render::report(&sources, &diagnostics, false, 110);
        let mended = fixed(&name, &text);
        settings.bind(|| {
            insta::assert_snapshot!(
                name.trim_end_matches(".net"),
                format!("{report}\n--- with the first fixes applied ---\n{mended}")
            )
        });
    });
}

/// What the table of the seeds says, apart from how it is worded.
#[test]
fn the_mistakes_are_on_their_lines_with_their_numbers() {
    /// Line, code, numbers in the message.
    type Mistake = (usize, &'static str, &'static [&'static str]);
    let cases: [(&str, &[Mistake]); 5] = [
        ("s0", &[(5, "E0307", &["32", "3"]), (12, "E0301", &["2x2", "1x1"])]),
        ("s1", &[(6, "E0308", &["1", "6272"]), (8, "E0307", &["32", "1"])]),
        ("s2", &[(8, "E0307", &["4096", "25088"]), (14, "E0403", &["training data"])]),
        ("s2_full", &[(7, "E0307", &["16384", "100352"])]),
        ("s3", &[(3, "E0401", &["3x32x32", "1x28x28"])]),
    ];
    for (name, expected) in cases {
        let path = format!("{}/tests/cases/seeds/{name}.net", env!("CARGO_MANIFEST_DIR"));
        let (sources, diagnostics) = check(name, &std::fs::read_to_string(path).unwrap());
        let errors: Vec<&Diagnostic> = diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
        assert_eq!(errors.len(), expected.len(), "{name}: {errors:#?}");
        for (error, (line, code, numbers)) in errors.iter().zip(expected) {
            assert_eq!(
                (sources.line(error.primary.span), error.code),
                (*line, *code),
                "{name}: {}",
                error.message
            );
            for number in *numbers {
                assert!(error.message.contains(number), "{name}: `{number}` is not in: {}", error.message);
            }
        }
    }
}
