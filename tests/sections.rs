//! `data`, `train` and `expect` take exactly what they declare: anything else in them is refused at its place.

use dslc::diag::{Diagnostic, codes, has_errors};
use dslc::experiment::words;
use dslc::spec::section::{Absent, Takes};

use crate::support::check;

/// Code and text of what each finding points at, in the order of the text.
fn faults(text: &str) -> Vec<(&'static str, &str)> {
    let (_, found) = check(text);
    found.iter().map(|d| (d.code, &text[d.primary.span.range()])).collect()
}

#[test]
fn junk_is_refused_where_it_stands() {
    let text =
        "train 7 { epochs 5 as x : 3x3; loss mse { junk }; optimizer sgd lr=1 -> seed 3 } else { batch 2 }";
    let expected = [
        (codes::TOO_MANY_ARGUMENTS, "7"),
        (codes::MISPLACED, "x"),
        (codes::MISPLACED, "3x3"),
        (codes::BLOCK_MISUSE, "{ junk }"),
        (codes::MISPLACED, "seed"),
        (codes::BLOCK_MISUSE, "else"),
    ];
    assert_eq!(faults(text), expected);

    let text = "data x=1 { source mnist \"m\" as y : 1; validation 5 { } -> test test }";
    let expected = [
        (codes::TOO_MANY_ARGUMENTS, "x=1"),
        (codes::MISPLACED, "y"),
        (codes::MISPLACED, "1"),
        (codes::BLOCK_MISUSE, "{ }"),
        (codes::MISPLACED, "test"),
    ];
    assert_eq!(faults(text), expected);

    let text = "expect < 3 { parameters < 5 as x : 3x3; layers < 7 { junk }; flops > 1 -> memory > 1 }";
    let expected = [
        (codes::TOO_MANY_ARGUMENTS, "< 3"),
        (codes::MISPLACED, "x"),
        (codes::MISPLACED, "3x3"),
        (codes::BLOCK_MISUSE, "{ junk }"),
        (codes::MISPLACED, "memory"),
    ];
    assert_eq!(faults(text), expected);

    let text = "data { source mnist \"m\"; augment 3 { random_flip { } as x -> random_crop 28 : 1x28x28 } }";
    let expected = [
        (codes::TOO_MANY_ARGUMENTS, "3"),
        (codes::BLOCK_MISUSE, "{ }"),
        (codes::MISPLACED, "x"),
        (codes::MISPLACED, "1x28x28"),
    ];
    assert_eq!(faults(text), expected);
}

#[test]
fn sections_themselves_have_no_names_shapes_or_arrows() {
    let text = "data { source mnist \"m\" } as d : 1x28x28\nexpect { parameters < 5 } -> train { loss mse; optimizer sgd lr=1 }";
    let expected = [(codes::MISPLACED, "d"), (codes::MISPLACED, "1x28x28"), (codes::MISPLACED, "train")];
    assert_eq!(faults(text), expected);
}

#[test]
fn arrows_lead_to_steps() {
    let (experiment, found) = check(
        "data { source mnist \"m\" -> resize 32 -> normalize mean=0 std=1\n augment { random_flip -> random_crop 32 } }",
    );
    assert_eq!(found, []);
    assert_eq!(experiment.data.unwrap().preprocess.len(), 2);
}

/// The text with a finding's first fix applied.
fn mended(text: &str, finding: &Diagnostic) -> String {
    let mut edits = finding.fixes[0].edits.clone();
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = text.to_owned();
    edits.iter().for_each(|(span, new)| text.replace_range(span.range(), new));
    text
}

#[test]
fn every_needed_setting_is_asked_for_and_its_fix_is_right() {
    for section in words::SECTIONS {
        let needed: Vec<&str> = section
            .settings
            .iter()
            .filter(|setting| matches!(setting.absent, Absent::Refused))
            .map(|setting| setting.spec.name)
            .collect();
        let other = match section.name {
            "data" => "validation 5",
            "train" => "epochs 5",
            _ => "",
        };
        for inside in ["", " ", "\n", &format!(" {other} "), &format!("\n    {other}\n"), other] {
            let mut text = format!("{} {{{inside}}}\n", section.name);
            for name in &needed {
                let (_, found) = check(&text);
                let message = format!("`{}` needs its `{name}`", section.name);
                let finding = found.iter().find(|d| d.message == message);
                text = mended(&text, finding.unwrap_or_else(|| panic!("{text}: {found:?}")));
            }
            assert!(!has_errors(&check(&text).1), "{text}: {:?}", check(&text).1);
        }
        let text = format!("{}\n", section.name);
        let (_, found) = check(&text);
        assert_eq!(found[0].message, format!("`{}` needs a block", section.name));
        if !needed.is_empty() {
            let text = mended(&text, &found[0]);
            assert!(!has_errors(&check(&text).1), "{text}");
        }
    }
}

/// Every setting, in every section, refuses what only lines of a model have, and itself a second time.
#[test]
fn every_setting_is_read_strictly() {
    for section in words::SECTIONS {
        for setting in section.settings {
            let others = section.settings.iter().filter(|other| {
                matches!(other.absent, Absent::Refused) && other.spec.name != setting.spec.name
            });
            let others: String = others.map(|other| format!("{}; ", other.spec.example)).collect();
            let example = setting.spec.example;
            let alone = format!("{} {{ {others}{example} }}", section.name);
            let lines = |line: String| format!("{} {{ {others}{line} }}", section.name);
            let before = check(&alone).1;
            let with = |line: String| {
                let text = lines(line);
                let found = check(&text).1;
                assert!(found.len() > before.len() && has_errors(&found), "{text}: {found:?}");
            };
            with(format!("{example} as name"));
            with(format!("{example} : 3x3"));
            with(format!("nothing; {example}"));
            match setting.takes {
                Takes::Lines(_) => with(format!("{} 7 {{ }}", setting.spec.name)),
                Takes::Comparison => with(format!("{example} {{ }}")),
                Takes::EachOf(_) | Takes::Each => {
                    with(format!("{example} {{ }}"));
                    with(format!("{example} junk=1"));
                    with(format!("{example} < 5"));
                }
                Takes::Arguments | Takes::OneOf(_) | Takes::Words(_) => {
                    with(format!("{example} {{ }}"));
                    with(format!("{example} junk=1"));
                    with(format!("{example} < 5"));
                    with(format!("{example}; {example}"));
                }
            }
        }
    }
}

#[test]
fn an_unknown_quantity_is_never_another_one() {
    let only = |line: &str| {
        let (_, found) = check(&format!("expect {{ {line} }}"));
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        found.into_iter().next().unwrap()
    };
    for word in ["test.speed", "test.recall", "train.f1", "latency", "accuracy.test", "test.lr", "loss"] {
        let finding = only(&format!("{word} > 90%"));
        assert_eq!(finding.code, codes::UNKNOWN_WORD);
        assert_eq!(finding.fixes, [], "{word}");
        assert!(
            finding.primary.text.starts_with("known: parameters, flops, memory, layers, test.accuracy, "),
            "{}",
            finding.primary.text
        );
    }
    let slips = [
        ("test.acuracy", "test.accuracy"),
        ("test.los", "test.loss"),
        ("paramters", "parameters"),
        ("val.loss", "validation.loss"),
        ("val_acc", "validation.accuracy"),
    ];
    for (slip, meant) in slips {
        let finding = only(&format!("{slip} > 90%"));
        assert_eq!(finding.fixes[0].edits[0].1, meant, "{slip}");
    }
}

#[test]
fn bounds_are_held_against_their_quantity() {
    let found = |line: &str| check(&format!("let limit = 70k\nexpect {{ {line} }}"));
    let (experiment, none) = found("parameters < limit; test.loss < (limit / 100k); test.loss > 0.1");
    assert_eq!(none, []);
    let values: Vec<f64> = experiment.expect.iter().map(|expectation| expectation.value).collect();
    assert_eq!(values, [70e3, 0.7, 0.1]);
    assert_eq!(experiment.expect[0].bound, "< limit");
    for line in
        ["test.accuracy > 98", "parameters < -1", "test.loss < \"x\"", "test.loss < nan", "test.loss 5"]
    {
        let (_, found) = found(&format!("parameters < limit; {line}"));
        assert!(found.len() == 1 && found[0].code == codes::BAD_VALUE, "{line}: {found:?}");
    }
    let (_, percent) = found("parameters < limit; test.accuracy > 98");
    assert_eq!(percent[0].fixes[0].title, "write `98%`");
}

#[test]
fn what_is_expected_of_validation_images_needs_some() {
    let net = |data: &str| {
        format!(
            "model M {{ input 1x28x28; flatten -> linear 10 }}\ndata {{ source mnist \"m\"; {data} }}\n\
             train {{ loss cross_entropy; optimizer adam }}\nexpect {{ validation.loss < 1 }}"
        )
    };
    let (_, found) = check(&net(""));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.starts_with("`validation.loss` is not measured"), "{}", found[0].message);
    assert_eq!(check(&mended(&net(""), &found[0])).1, []);
    assert_eq!(check(&net("validation 5")).1, []);
}

#[test]
fn names_of_other_tools_for_a_schedule_with_milestones_lead_to_it() {
    let train = |schedule: &str| format!("train {{ loss mse; optimizer sgd lr=1; schedule {schedule} }}");
    assert_eq!(check(&train("multistep milestones=[80,120]")).1, []);
    assert_eq!(check(&train("multistep milestones=5")).1, []);
    for other in ["MultiStepLR", "piecewise_constant"] {
        let text = train(&format!("{other} milestones=[80, 120] gamma=0.1"));
        let (_, found) = check(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(mended(&text, &found[0]), train("multistep milestones=[80, 120] gamma=0.1"));
    }
    let (_, found) = check(&train("step every=5 milestones=[80, 120]"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].notes[0].starts_with("`milestones` is an argument of `multistep`"), "{found:?}");
    for wrong in ["[120, 80]", "[5, 5]", "[0, 5]", "[]", "[0.5]", "[50%]"] {
        let (_, found) = check(&train(&format!("multistep milestones={wrong}")));
        assert!(found.len() == 1 && found[0].code == codes::BAD_VALUE, "{wrong}: {found:?}");
    }
}
