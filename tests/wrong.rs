//! A corpus of wrong programs: each is answered with a code, a place and words that are kept for review, and
//! every fix that can be applied removes the mistake it was offered for.

use std::collections::BTreeMap;
use std::path::Path;

use dslc::diag::{Diagnostic, render};
use dslc::source::Sources;

/// A file that the programs use.
const NET: &str = "model Net(classes=10, width=8) {
    input 1x28x28
    conv2d width 3x3 -> relu : 8x26x26
    flatten -> linear classes
}
";

fn check(name: &str, text: &str) -> (Sources, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let path = format!("{name}.net");
    let project = dslc::experiment::imports::Project {
        root: Path::new(""),
        read: &|path| match path.to_str() {
            Some("parts.model") => Ok("let maps = 4\nblock narrow { conv2d maps 1x1 }\n".to_owned()),
            Some("net.model") => Ok(NET.to_owned()),
            _ => Err(format!("there is no {}", path.display())),
        },
    };
    let checked = dslc::experiment::check(&mut sources, Path::new(&path), text.to_owned(), &[], &project);
    (sources, checked.diagnostics)
}

fn corpus() -> Vec<(String, String)> {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/wrong.txt")).unwrap();
    let case = |case: &str| {
        let (name, program) = case.split_once('\n').unwrap();
        (name.trim().to_owned(), program.to_owned())
    };
    text.split("\n=== ").skip(1).map(case).collect()
}

fn apply(text: &str, edits: &[(dslc::source::Span, String)]) -> String {
    let mut edits = edits.to_vec();
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = text.to_owned();
    for (span, new) in edits {
        text.replace_range(span.range(), &new);
    }
    text
}

#[test]
fn every_wrong_program_is_answered_as_reviewed() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/wrong");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let corpus = corpus();
    assert!(corpus.len() >= 80, "{} programs", corpus.len());
    for (name, program) in &corpus {
        let (sources, diagnostics) = check(name, program);
        assert!(!diagnostics.is_empty(), "nothing is said of {name}");
        let report = render::report(&sources, &diagnostics, false, 110);
        settings.bind(|| insta::assert_snapshot!(name.as_str(), report));
    }
}

/// A fix may uncover another mistake, but the one it was offered for must be gone.
#[test]
fn every_fix_removes_its_mistake() {
    let mut fixes = 0;
    for (name, program) in corpus() {
        let (_, diagnostics) = check(&name, &program);
        for d in &diagnostics {
            for fix in d.fixes.iter().filter(|fix| !fix.edits.is_empty()) {
                fixes += 1;
                let mended = apply(&program, &fix.edits);
                let (_, after) = check(&name, &mended);
                let still =
                    after.iter().filter(|other| other.code == d.code && other.message == d.message).count();
                let before = diagnostics
                    .iter()
                    .filter(|other| other.code == d.code && other.message == d.message)
                    .count();
                assert!(still < before, "{name}: `{}` leaves: {}\n{mended}", fix.title, d.message);
            }
        }
    }
    assert!(fixes >= 60, "{fixes} fixes");
}

/// What is found in each program of the corpus, taken in this order.
fn findings(
    corpus: &[(String, String)],
    order: impl Iterator<Item = usize>,
) -> Vec<(usize, Vec<Diagnostic>)> {
    let mut found: Vec<_> = order.map(|i| (i, check(&corpus[i].0, &corpus[i].1).1)).collect();
    found.sort_by_key(|(i, _)| *i);
    found
}

/// A text gives the same findings whatever is checked before it or beside it on another thread. Each check also has hash
/// maps with keys of their own.
#[test]
fn findings_do_not_depend_on_order_or_threads() {
    let corpus = corpus();
    let n = corpus.len();
    let forward = findings(&corpus, 0..n);
    assert_eq!(forward, findings(&corpus, (0..n).rev()), "backwards");
    // Each thread in an order of its own: steps with no factor in common with `n` meet every program.
    let is_apart = |step: &usize| (2..=*step).all(|d| !step.is_multiple_of(d) || !n.is_multiple_of(d));
    let steps: Vec<usize> = (7usize..).filter(is_apart).take(4).collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = steps
            .iter()
            .map(|&step| {
                let corpus = &corpus;
                scope.spawn(move || findings(corpus, (0..n).map(move |i| i * step % n)))
            })
            .collect();
        for (thread, step) in threads.into_iter().zip(&steps) {
            assert_eq!(forward, thread.join().unwrap(), "in steps of {step}");
        }
    });
}

/// Files on the command line say the same in any order, on any number of threads, in every process.
#[test]
fn reports_do_not_depend_on_the_order_of_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("parts.model"), "let maps = 4\nblock narrow { conv2d maps 1x1 }\n")
        .unwrap();
    let mut names = vec!["parts.model".to_owned()];
    for (name, program) in corpus() {
        names.push(format!("{name}.net"));
        std::fs::write(folder.path().join(format!("{name}.net")), program).unwrap();
    }
    // What is said of each file, in the order in which it is said.
    let said = |names: &[String], threads: &str| {
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_dslc"))
            .args(["check", "--message-format", "json"])
            .args(names)
            .current_dir(folder.path())
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
        let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in String::from_utf8(done.stdout).unwrap().lines() {
            let finding: serde_json::Value = serde_json::from_str(line).unwrap();
            said.entry(finding["file"].as_str().unwrap().to_owned()).or_default().push(line.to_owned());
        }
        said
    };
    let forward = said(&names, "1");
    assert!(forward.len() >= 80, "{} files", forward.len());
    names.reverse();
    assert_eq!(forward, said(&names, "3"), "backwards");
    let half = names.len() / 2;
    names.rotate_left(half);
    assert_eq!(forward, said(&names, "2"), "from the middle");
}

/// What looks like a warned-of mistake but is meant.
#[test]
fn what_is_meant_is_not_warned_of() {
    let data = "data { source mnist \"d\" }\n";
    let train = |loss: &str| format!("train {{ loss {loss}; optimizer adam }}\n");
    let texts = [
        // Conditions on constants and parameters, also where every use takes the same side.
        "let wide = true\nblock unit(c, act=relu, depth=1) { if depth > 3 { tanh } \n repeat (depth - 1) { relu } \n \
         for n in [1, 2] { conv2d c 1x1 } \n if act == relu { act } }\n\
         model M { input 1x8x8; if wide { unit 4 } else { unit 2 } }"
            .to_owned(),
        // Attention multiplies by a softmax; pixels' probabilities may end a model.
        "model M { input 4x8x8; relu as image; conv2d 4 1x1 -> softmax; multiply image; conv2d 2 1x1 -> softmax }".to_owned(),
        format!("model M {{ input 1x28x28; flatten -> linear 10 -> softmax }}\n{data}{}", train("cross_entropy from=probabilities")),
        format!("model M {{ input 1x28x28; flatten -> linear 10 -> log_softmax }}\n{data}{}", train("cross_entropy")),
        // A distance takes bounded numbers; cross-entropy what is bounded far from the end, or on no side.
        format!("model M {{ input 1x28x28; flatten -> linear 10 -> sigmoid }}\n{data}{}", train("mse")),
        format!("model M {{ input 1x28x28; conv2d 10 3x3 -> relu -> global_avg_pool }}\n{data}{}", train("cross_entropy")),
        format!("model M {{ input 1x28x28; flatten -> linear 10 -> leaky_relu -> dropout 0 }}\n{data}{}", train("cross_entropy")),
        // Padding of half the kernel, and what `same` comes to.
        "model M { input 1x28x28; max_pool2d 3 stride=2 padding=1 ceil=true; avg_pool2d 2 padding=1; max_pool2d 4 stride=1 padding=same }".to_owned(),
        // A batch of one has many pixels a channel.
        format!("model M {{ input 1x28x28; batch_norm -> flatten -> linear 10 }}\n{data}train {{ loss cross_entropy; optimizer adam; batch 1 }}\n"),
        // A frozen norm does not look at the batch.
        format!(
            "model M {{ input 1x28x28; flatten -> linear 8 -> batch_norm -> linear 10 }}\n{data}\
             train {{ loss cross_entropy; optimizer adam; batch 1; group \"bn1\" freeze=true }}\n"
        ),
        // Names that a block's words, defaults, lists and conditions use.
        "use \"parts.model\"\nlet a = 4\nlet b = (2 * a) c = relu\nblock unit(d=b) { conv2d d 1x1 -> c }\n\
         model M { input 1x8x8; let e = 3; for n in [e] { conv2d n 1x1 }; unit; narrow }"
            .to_owned(),
        // A file of parts is for others to use.
        "use \"parts.model\"\nlet a = 4\nblock unit { narrow }".to_owned(),
    ];
    for text in texts {
        assert_eq!(check("meant", &text).1, [], "{text}");
    }
}
