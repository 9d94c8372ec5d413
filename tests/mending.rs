//! What `dslc fix` does to a text, whatever the text is: it ends with no more findings, what was mended is gone, and
//! mending again changes nothing. And the kinds of mistakes that it mends, or leaves for a person.

use std::path::Path;

use dslc::diag::{Diagnostic, Severity};
use dslc::experiment::imports::Project;
use dslc::experiment::mend::{Consent, Findings, Mended, mend};
use dslc::source::Sources;
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

use crate::any_text::{apply, change};

const DATA: &str = "data { source mnist \"d\" }\ntrain { loss cross_entropy; optimizer adam; epochs 1 }\n";

fn found(text: &str) -> Findings {
    let mut sources = Sources::default();
    let read = |path: &Path| match path.to_str() {
        Some("parts.model") => Ok("let maps = 4\nblock narrow { conv2d maps 1x1 }\n".to_owned()),
        _ => Err("it does not exist".to_owned()),
    };
    let project = Project { root: Path::new(""), read: &read };
    let checked = dslc::experiment::check(&mut sources, Path::new("a.net"), text.to_owned(), &[], &project);
    Findings { file: checked.ast.file, diagnostics: checked.diagnostics }
}

fn mended(text: &str, consent: Consent) -> Mended {
    mend(text, consent, &mut found)
}

fn n_errors(diagnostics: &[Diagnostic]) -> usize {
    diagnostics.iter().filter(|d| d.severity == Severity::Error).count()
}

/// What holds of mending any text.
fn hold(text: &str, consent: Consent) {
    let (before, after) = (found(text), mended(text, consent));
    assert_eq!(found(&after.text).diagnostics, after.findings.diagnostics, "{text:?}");
    let (old, new) = (&before.diagnostics, &after.findings.diagnostics);
    assert!(
        new.len() <= old.len() && n_errors(new) <= n_errors(old),
        "{text}\n---\n{}\n{new:#?}",
        after.text
    );
    assert_eq!(after.applied.is_empty(), after.text == text);
    let count = |of: &[Diagnostic], message: &str| of.iter().filter(|d| d.message == message).count();
    // What a syntax error hid may say the same as another line.
    let uncovered = after.applied.iter().any(|applied| applied.code == "E0101");
    for applied in after.applied.iter().filter(|applied| !uncovered && count(old, &applied.message) > 0) {
        let left = count(new, &applied.message);
        assert!(
            left < count(old, &applied.message),
            "{applied:?} is still there\n{text}\n---\n{}",
            after.text
        );
    }
    let again = mended(&after.text, consent);
    assert_eq!(again.text, after.text, "mending again changes {text:?}: {:#?}", again.applied);
}

/// The programs of the project: models, wrong ones, published ones.
fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts: Vec<String> = std::fs::read_to_string(root.join("tests/cases/wrong.txt"))
        .unwrap()
        .split("\n=== ")
        .skip(1)
        .map(|case| case.split_once('\n').unwrap().1.to_owned())
        .collect();
    for folder in ["models", "tests/cases/seeds", "tests/cases"] {
        let mut paths: Vec<_> =
            std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let networks =
            paths.iter().filter(|path| path.extension().is_some_and(|e| e == "net" || e == "model"));
        texts.extend(networks.map(|path| std::fs::read_to_string(path).unwrap()));
    }
    texts
}

#[test]
fn mending_the_corpus_leaves_nothing_worse() {
    let corpus = corpus();
    assert!(corpus.len() > 150, "{} programs", corpus.len());
    for text in &corpus {
        hold(text, Consent::Given);
        hold(text, Consent::Asked);
    }
}

/// A piece of a text goes, comes twice, or becomes another one.
#[derive(Clone, Debug)]
enum Damage {
    Letters(crate::any_text::Change),
    Gone(prop::sample::Index),
    Twice(prop::sample::Index),
    Another(prop::sample::Index, prop::sample::Index),
    Swapped(prop::sample::Index),
    Strange(prop::sample::Index, char),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    let strange = prop::sample::select(vec![
        '→', '\u{a0}', '\u{200b}', '×', '“', '\r', '\u{2028}', '８', '−', 'é', '\'',
    ]);
    prop_oneof![
        change(6).prop_map(Damage::Letters),
        at().prop_map(Damage::Gone),
        at().prop_map(Damage::Twice),
        (at(), at()).prop_map(|(at, other)| Damage::Another(at, other)),
        at().prop_map(Damage::Swapped),
        (at(), strange).prop_map(|(at, c)| Damage::Strange(at, c)),
    ]
}

/// A text cut between words, numbers and signs.
fn tokens(text: &str) -> Vec<&str> {
    let (mut tokens, mut start) = (Vec::new(), 0);
    for token in dslc::syntax::scan::scan(text) {
        let end = token.range().end;
        tokens.push(&text[start..end]);
        start = end;
    }
    tokens.push(&text[start..]);
    tokens
}

fn damaged(text: &str, damage: &Damage) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let mut pieces = tokens(text);
    match damage {
        Damage::Letters(change) => {
            apply(*change, &mut letters);
            return letters.into_iter().collect();
        }
        Damage::Strange(at, c) => {
            letters.insert(at.index(letters.len() + 1), *c);
            return letters.into_iter().collect();
        }
        Damage::Swapped(at) if letters.len() > 1 => {
            let at = at.index(letters.len() - 1);
            letters.swap(at, at + 1);
            return letters.into_iter().collect();
        }
        Damage::Swapped(_) => {}
        Damage::Gone(at) => drop(pieces.remove(at.index(pieces.len()))),
        Damage::Twice(at) => {
            let at = at.index(pieces.len());
            pieces.insert(at, pieces[at]);
        }
        Damage::Another(at, other) => {
            let other = pieces[other.index(pieces.len())];
            let at = at.index(pieces.len());
            pieces[at] = other;
        }
    }
    pieces.concat()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mending_damaged_programs_leaves_nothing_worse(
        text in prop::sample::select(corpus()),
        damages in prop::collection::vec(damage(), 1..5),
        asked in any::<bool>(),
    ) {
        let text = damages.iter().fold(text, |text, damage| damaged(&text, damage));
        hold(&text, if asked { Consent::Asked } else { Consent::Given });
    }
}

/// Checks that mending without asking makes one text of the other, and that the first has so many findings.
fn becomes(n_findings: usize, text: &str, expected: &str) {
    let before = found(text).diagnostics;
    assert_eq!(before.len(), n_findings, "{text}\n{before:#?}");
    let after = mended(text, Consent::Given);
    assert_eq!(after.text, expected, "{:#?}", after.findings.diagnostics);
    assert_eq!(after.findings.diagnostics, [], "{expected}");
}

/// Checks that nothing is changed without asking.
fn stays(text: &str) -> Vec<Diagnostic> {
    let after = mended(text, Consent::Given);
    assert_eq!(after.text, text, "{:#?}", after.applied);
    after.findings.diagnostics
}

#[test]
fn a_missing_brace_is_put_where_it_belongs() {
    let text = "model M {\n    input 1x28x28\n    flatten -> linear 10\n\n".to_owned() + DATA;
    becomes(1, &text, &text.replace("10\n", "10\n}\n"));
    let one_line = format!("model M {{ input 1x28x28; flatten -> linear 10\n{DATA}");
    becomes(1, &one_line, &one_line.replace("10\n", "10 }\n"));
    let data = DATA.replace(" }\ntrain", "\n\ntrain");
    let data = format!("model M {{ input 1x28x28; flatten -> linear 10 }}\n{data}");
    becomes(1, &data, &data.replace("\"d\"\n", "\"d\" }\n"));
    let flat = format!("model M {{\ninput 1x28x28\nflatten -> linear 10 # ten\n# data\n{DATA}");
    becomes(1, &flat, &flat.replace("# ten\n", "# ten\n}\n"));
    let inner = format!(
        "model M {{\n    input 1x28x28\n    residual {{\n        relu\n    flatten -> linear 10\n}}\n{DATA}"
    );
    becomes(1, &inner, &inner.replace("relu\n", "relu\n    }\n"));
    let last = format!(
        "model M {{ input 1x28x28; flatten -> linear 10 }}\n{}",
        DATA.trim_end().trim_end_matches('}')
    );
    becomes(1, &last, &format!("{last}\n}}\n"));
    becomes(
        1,
        &format!("model M {{ input 1x28x28; flatten -> linear 10 }}\n}}}}\n}}\n{DATA}"),
        &format!("model M {{ input 1x28x28; flatten -> linear 10 }}\n\n\n{DATA}"),
    );
}

#[test]
fn a_strange_character_is_named_and_replaced() {
    let right = format!(
        "model M {{\n    input 1x28x28\n    conv2d 8 4x4 stride=2 -> relu\n    flatten -> linear 10\n}}\n{DATA}"
    );
    for (own, strange) in [
        ("->", "→"),
        ("->", "⇒"),
        ("->", "–>"),
        ("    conv2d", "\u{a0}\u{a0}  conv2d"),
        ("relu", "re\u{200b}lu"),
        ("relu\n", "relu\u{ad}\n"),
        ("relu\n", "relu\u{2028}"),
        ("\n", "\r"),
        ("4x4", "4×4"),
        ("stride=2", "stride＝２"),
        ("\"d\"", "“d”"),
        ("\"d\"", "'d'"),
        ("\"d\"", "„d“"),
        ("conv2d", "соnv2d"),
        (" relu", " \u{feff}relu"),
        ("{\n", "｛\n"),
        ("8 4", "8\u{3000}4"),
        ("relu\n", "relu\u{1b}\n"),
    ] {
        let text = right.replace(own, strange);
        let mended = mended(&text, Consent::Given);
        assert!(mended.findings.diagnostics.is_empty(), "{strange:?}: {:#?}", mended.findings.diagnostics);
        let squeezed = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(squeezed(&mended.text), squeezed(&right), "{strange:?}");
        let before = found(&text).diagnostics;
        let kinds: Vec<char> =
            strange.chars().filter(|c| !c.is_ascii() || c.is_control() && *c != '\n' || *c == '\'').collect();
        let distinct: std::collections::BTreeSet<char> = kinds.iter().copied().collect();
        assert!(
            before.len() <= distinct.len() + usize::from(strange.contains('｛')),
            "{strange:?}: {before:#?}"
        );
        for c in distinct {
            let code = format!("U+{:04X}", u32::from(c));
            let named = before.iter().find(|d| d.message.contains(&code));
            let at = named.unwrap_or_else(|| panic!("{code} is not in {before:#?}")).primary.span;
            assert_eq!(text[at.range()].chars().next(), Some(c));
        }
    }
    // What nothing can be meant by stays.
    let unknown = right.replace("relu", "relu é");
    assert!(stays(&unknown)[0].message.contains("U+00E9"));
    // In strings and comments everything may stand.
    let fine = right.replace("\"d\"", "\"d→’\"").replace("relu", "relu # → é");
    assert_eq!(found(&fine).diagnostics, []);
}

#[test]
fn only_slips_and_translations_are_corrected_without_asking() {
    let model = |line: &str| {
        format!("model M {{\n    input 4x28x28\n    {line}\n    global_avg_pool -> linear 10\n}}\n")
    };
    for line in [
        "min_pool2d 2",
        "pixel_unshuffle 2",
        "celu",
        "rrelu",
        "lp_pool2d 2",
        "conv3d 8 3",
        "max_unpool2d 2",
        "tan",
        "rms_norm",
        "softmin",
        "glu",
    ] {
        let left = stays(&model(line));
        assert_eq!(left.len(), 1, "{line}: {left:#?}");
    }
    // An operation that is not there is said to be so, and no other is offered for it.
    let fixes = &found(&model("min_pool2d 2")).diagnostics[0].fixes;
    assert!(fixes.iter().all(|fix| fix.edits.is_empty()) && fixes[0].title.contains("max_pool2d KERNEL"));
    for (line, expected) in [
        ("deconv2d 8 3 stride=2", "conv_transpose2d 8 3 stride=2"),
        ("covn2d 8 3x3", "conv2d 8 3x3"),
        ("torch.nn.Conv2d 8 3x3", "conv2d 8 3x3"),
        ("LeakyRelu 0.1", "leaky_relu 0.1"),
        ("layers.max_pool2d 2", "max_pool2d 2"),
        ("rleu", "relu"),
    ] {
        becomes(1, &model(line), &model(expected));
    }
    let broken = stays(&model("conv[1]d 8 3x3"));
    assert!(broken[0].message.contains("conv"), "{broken:#?}");
    let asked = mended(&model("conv[1]d 8 3x3"), Consent::Asked).text;
    assert!(asked.contains("8 3x3"), "{asked}");
    let net = format!("{}data {{ source mnist \"d\" }}\n", model("relu").replace('4', "1"));
    for (train, quantity) in [
        ("loss cross_entropy; optimizer ftrl", ""),
        ("loss cross_entropy; optimizer radam", ""),
        ("loss cross_entropy; optimizer asgd lr=1", ""),
        ("loss ctc; optimizer adam", ""),
        ("loss cross_entropy; optimizer adam", "test.speed > 90%"),
    ] {
        let expect = if quantity.is_empty() { String::new() } else { format!("expect {{ {quantity} }}\n") };
        assert_eq!(stays(&format!("{net}train {{ {train} }}\n{expect}")).len(), 1, "{train} {quantity}");
    }
    // Nor are images taken from the training for a measurement.
    let train = "train { loss cross_entropy; optimizer adam }\nexpect { validation.loss < 1 }\n";
    assert_eq!(stays(&format!("{net}{train}")).len(), 1);
    // What somebody wrote is not dropped.
    let twice = stays(&model("conv2d 8 3x3 padding=1 padding=2"));
    assert_eq!(twice.len(), 1);
    assert!(!mended(&model("conv2d 8 3x3 padding=1 padding=2"), Consent::Asked).text.contains("padding=2"));
}

#[test]
fn arguments_of_other_tools_are_translated() {
    let model = |line: &str| {
        format!("model M {{\n    input 4x28x28\n    {line}\n    global_avg_pool -> linear 10\n}}\n")
    };
    for (line, expected) in [
        ("batch_norm eps=1e-3", "batch_norm epsilon=1e-3"),
        ("max_pool2d 2 ceil_mode=true", "max_pool2d 2 ceil=true"),
        ("conv2d filters=8 kernel_size=3", "conv2d channels=8 kernel=3"),
        ("Conv2D filters=8 kernel_size=3", "conv2d channels=8 kernel=3"),
        ("leaky_relu negative_slope=0.1", "leaky_relu alpha=0.1"),
        ("upsample scale_factor=2", "upsample scale=2"),
        ("conv2d 8 3 padding=\"same\"", "conv2d 8 3 padding=same"),
        ("conv2d 8 3 padding='same'", "conv2d 8 3 padding=same"),
        ("conv2d 8 4 stride=(2,2)", "conv2d 8 4 stride=2x2"),
        ("conv2d(8, 3)", "conv2d 8 3"),
        (
            "Conv2d(8, kernel_size=(3, 3), padding=(1, 1), bias=False) -> ReLU()",
            "conv2d 8 kernel=3x3 padding=1x1 bias=false -> relu",
        ),
        ("conv2d 8, 3x3, padding=1", "conv2d 8 3x3 padding=1"),
        ("max_pool2d 2,    max_pool2d 2", "max_pool2d 2 -> max_pool2d 2"),
        ("conv2d 8 3 use_bias=False", "conv2d 8 3 bias=false"),
        ("conv2d 8 3 dilation_rate=2", "conv2d 8 3 dilation=2"),
        ("conv2d 8 4 strides=2", "conv2d 8 4 stride=2"),
        ("conv2d 8 3 in_channels=4", "conv2d 8 3 in=4"),
        ("batch_norm num_features=4", "batch_norm"),
        ("max_pool2d pool_size=2", "max_pool2d kernel=2"),
        ("max_pool2d 2 2", "max_pool2d 2 stride=2"),
        ("conv2d 8 4 stride=2,2", "conv2d 8 4 stride=2x2"),
        ("dropout rate=0.2", "dropout p=0.2"),
        ("conv2d 8 3 activation=\"relu\"", "conv2d 8 3 -> relu"),
        ("conv2d 8 3 => relu", "conv2d 8 3 -> relu"),
    ] {
        let after = mended(&model(line), Consent::Given);
        assert_eq!(after.text, model(expected), "{line}: {:#?}", after.findings.diagnostics);
        assert_eq!(after.findings.diagnostics, [], "{line}");
    }
    // PyTorch's first argument is the number of input channels; `size` is that of the output there, and a factor in Keras.
    for line in ["conv2d 8 4 2 1", "conv2d 4 8 3", "upsample size=56x56"] {
        assert_eq!(stays(&model(line)).first().map(|d| d.severity), Some(Severity::Error), "{line}");
    }
    let asked = mended(&model("conv2d 8 4 2 1"), Consent::Asked).text;
    assert_eq!(asked, model("conv2d 8 4 stride=2 padding=1"));
    let net = |optimizer: &str| {
        format!(
            "model M {{ input 1x28x28; flatten -> linear 10 }}\ndata {{ source mnist \"d\" }}\ntrain {{ loss cross_entropy; optimizer {optimizer} }}\n"
        )
    };
    for (line, expected) in [
        ("adam learning_rate=1e-3", "adam lr=1e-3"),
        ("Adam(lr=1e-3, betas=(0.9, 0.99), eps=1e-7)", "adam lr=1e-3 beta1=0.9 beta2=0.99 epsilon=1e-7"),
        ("sgd lr=0.1 weightDecay=1e-4", "sgd lr=0.1 weight_decay=1e-4"),
    ] {
        let after = mended(&net(line), Consent::Given);
        assert_eq!(after.text, net(expected), "{line}: {:#?}", after.findings.diagnostics);
    }
}

#[test]
fn an_input_with_its_channels_last_is_warned_of() {
    let found =
        |input: &str| found(&format!("model M {{ input {input}; flatten -> linear 10 }}")).diagnostics;
    for (input, meant) in [("224x224x3", "3x224x224"), ("28x28x1", "1x28x28"), ("64x48x4", "4x64x48")] {
        let all = found(input);
        assert_eq!(all.len(), 1, "{input}");
        assert_eq!((all[0].code, all[0].fixes[0].edits[0].1.as_str()), ("W0305", meant));
    }
    for fine in ["3x224x224", "1x28x28", "3x3x3", "64x4x4", "16x7x3", "3x32x3", "32x32x2", "100x3"] {
        assert_eq!(found(fine), [], "{fine}");
    }
}

#[test]
fn a_classifier_gets_the_layer_that_it_lacks() {
    let net =
        |end: &str| format!("model M {{ input 1x28x28; conv2d 8 3x3; relu; max_pool2d 2; {end} }}\n{DATA}");
    becomes(1, &net("flatten"), &net("flatten -> linear 10"));
    becomes(1, &net("flatten -> relu"), &net("flatten -> relu -> linear 10"));
    becomes(1, &net("global_avg_pool"), &net("global_avg_pool -> linear 10"));
    becomes(1, &net("flatten -> linear 12"), &net("flatten -> linear 10"));
    let bare = format!("model M {{ input 1x28x28; flatten }}\n{DATA}");
    becomes(1, &bare, &bare.replace("flatten", "flatten -> linear 10"));
}

/// Behind an error of the syntax nothing is told that may follow from it, and all else is.
#[test]
fn what_looks_at_half_read_text_waits() {
    let net = |model: &str, train: &str| {
        format!(
            "model M {{\n    input 1x28x28\n{model}}}\ndata {{\n    source mnist \"d\"\n}}\ntrain {{\n{train}}}\n"
        )
    };
    let train = "    loss cross_entropy\n    optimizer adam\n";
    let messages = |text: &str| found(text).diagnostics.into_iter().map(|d| d.message).collect::<Vec<_>>();
    let one = messages(&net("    conv2d 8 3x3 ?\n    flatten -> linear 10 in=7\n", train));
    assert_eq!(one, ["`?` is not expected here"]);
    let above = messages(&net("    conv2d 8 3x3 in=3\n    flatten ?\n    linear 12\n", train));
    assert_eq!(above.len(), 2, "{above:?}");
    let other = messages(&net("    flatten ?\n", "    loss ?\n    optimizer adm\n"));
    assert_eq!(other.len(), 3, "{other:?}");
    let block = messages(&format!(
        "block unit(n) {{\n    conv2d n ?\n}}\n{}",
        net("    unit 8\n    linear 3\n", train)
    ));
    assert_eq!(block.len(), 1, "{block:?}");
}

/// Mending takes few checks, however many fixes there are.
#[test]
fn many_fixes_take_few_checks() {
    let lines = "    conv2d 4 3x3 padding=1 : 4x9x9\n".repeat(150);
    let texts = [
        "}".repeat(100_000),
        "}\n".repeat(50_000),
        format!("model M {{\n    input 4x28x28\n{lines}}}\n"),
        format!("model M {{\n    input 4x28x28\n{}}}\n", "    rleu\n".repeat(150)),
        format!("model M {{\n    input 4x28x28\n{}}}\n", "    relu // x\n".repeat(900)),
    ];
    for text in texts {
        let mut n_checks = 0;
        let after = mend(&text, Consent::Given, &mut |text| {
            n_checks += 1;
            found(text)
        });
        assert!(n_checks <= 40, "{n_checks} checks of {}", &text[..40]);
        assert_eq!(n_errors(&after.findings.diagnostics), 0, "{}", &after.text[..after.text.len().min(400)]);
    }
}
