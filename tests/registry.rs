//! Every registry entry: its declaration is complete, its example works at every stage, and no argument that its
//! parameters could be given makes anything panic.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dslc::diag::{Diagnostic, codes, has_errors};
use dslc::experiment::words;
use dslc::graph::{Graph, StateKind};
use dslc::layers::lowering::Mode;
use dslc::model::Model;
use dslc::model::lower::{IMAGES, lower};
use dslc::run::{Backend, Cpu};
use dslc::spec::{Kind, MAX_COUNT, Param, Preset, Spec, shown};

use crate::support::{Numbers, check, distance, experiment, run, training};

/// Words that stand in one place of a file.
struct Group {
    name: &'static str,
    section: &'static str,
    specs: Vec<&'static Spec>,
    /// What stands in front of the word: `loss` before `cross_entropy`.
    before: String,
    /// A file in which a line of this group is missing.
    file: &'static str,
}

const MODEL: &str = "model T { input 3x12x12; … }";
const DATA: &str = "data { source mnist \"m\"; … }";
const AUGMENT: &str = "data { source mnist \"m\"; augment { … } }";
const TRAIN: &str = "train { loss mse; optimizer sgd lr=1; … }";

/// Every group whose words take arguments; a model has one `input`, and what `expect` compares takes none.
fn groups() -> Vec<Group> {
    let with_file = |words::Group { title, section, before, specs, .. }: words::Group| {
        let file = match section {
            "model" if title == "Inputs, outputs and heads" => return None,
            "model" => MODEL,
            "data" => DATA,
            "augment" => AUGMENT,
            "train" => TRAIN,
            "expect" => return None,
            other => panic!("`{other}` has no file here"),
        };
        Some(Group { name: title, section, specs, before, file })
    };
    words::groups().into_iter().filter_map(with_file).collect()
}

impl Group {
    /// The file with these lines in it; a line of the file that begins with the same word makes room.
    fn with(&self, lines: &str) -> String {
        let word = lines.split_whitespace().next().unwrap_or_default();
        let file = if self.section == "augment" && lines.starts_with("augment") { DATA } else { self.file };
        let (head, tail) = file.split_once('…').unwrap();
        let (open, presets) = head.split_once("{ ").unwrap();
        let presets = presets.split_inclusive("; ").filter(|line| line.split(' ').next() != Some(word));
        format!("{open}{{ {}{lines}{tail}", presets.collect::<String>())
    }
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn every_declaration_is_complete() {
    for group in groups() {
        assert!(!group.specs.is_empty(), "{}", group.name);
        for spec in &group.specs {
            let title = format!("`{}` of {}", spec.name, group.name);
            assert!(is_snake_case(spec.name), "{title}");
            assert!(!spec.summary.is_empty() && !spec.summary.ends_with('.'), "{title}");
            assert!(!spec.summary.contains('\n') && !spec.docs.trim().is_empty(), "{title}");
            assert!(
                spec.example.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|w| w == spec.name),
                "{title}"
            );
            let mut names = BTreeSet::new();
            for param in spec.params {
                let title = format!("`{}` of {title}", param.name);
                assert!(is_snake_case(param.name) && names.insert(param.name), "{title}");
                assert!(!param.doc.trim().is_empty() && !param.doc.ends_with('.'), "{title}");
                if let Preset::Like(other) = param.default {
                    assert!(
                        names.contains(other) && other != param.name,
                        "{title} is like what stands before it"
                    );
                }
            }
            assert!(
                spec.params.is_sorted_by_key(|param| !param.positional),
                "{title}: positional come first"
            );
            let places = spec.params.iter().filter(|param| param.positional);
            let optional: Vec<bool> = places.map(|param| param.default != Preset::Required).collect();
            assert!(optional.is_sorted(), "{title}: a required place behind an optional one");
        }
    }
}

#[test]
fn every_quantity_of_expect_is_complete_and_its_example_checks() {
    let quantities = words::lines("expect").unwrap();
    assert!(quantities.len() > 10);
    for spec in quantities {
        assert!(spec.name.split('.').all(is_snake_case) && !spec.summary.ends_with('.'), "{}", spec.name);
        assert!(spec.docs.ends_with('.') && spec.params.len() == 1, "{}", spec.name);
        assert!(spec.example.starts_with(&format!("{} ", spec.name)), "{}", spec.name);
        let text = format!("expect {{ {} }}", spec.example);
        assert!(check(&text).1.is_empty(), "{text}: {:#?}", check(&text).1);
    }
}

#[test]
fn every_name_means_one_thing() {
    for group in groups() {
        let names: BTreeSet<&str> = group.specs.iter().map(|spec| spec.name).collect();
        assert_eq!(names.len(), group.specs.len(), "{}", group.name);
        let mut elsewhere = BTreeSet::new();
        for spec in &group.specs {
            for name in spec.elsewhere {
                assert!(elsewhere.insert(*name), "two of {} are called `{name}` elsewhere", group.name);
                assert!(!names.contains(name), "`{name}` of {} is a word of its own", group.name);
            }
        }
    }
}

#[test]
fn every_example_checks() {
    for group in groups() {
        for spec in &group.specs {
            let text = group.with(spec.example);
            assert!(!has_errors(&check(&text).1), "{text}: {:#?}", check(&text).1);
        }
    }
}

fn inference(model: &Model, batch: usize) -> Graph {
    let lowered = lower(model, batch, Mode::Infer).unwrap();
    let mut builder = lowered.builder;
    builder.output("scores", lowered.output);
    builder.finish()
}

/// The model's outputs for the first images of one and the same list.
fn scores(model: &Model, batch: usize) -> Vec<f32> {
    let size = model.input.as_ref().unwrap().elements();
    let mut session = Cpu.compile(vec![inference(model, batch)]).unwrap().start(1).unwrap();
    let images = Numbers::Between(-1.0, 1.0).draw("images", 5 * size);
    session.write(0, IMAGES, |out| out.copy_from_slice(&images[..batch * size])).unwrap();
    session.step(0).unwrap();
    session.read(0, "scores").unwrap()
}

/// The lines of every layer and join.
fn examples() -> impl Iterator<Item = &'static str> {
    groups()
        .into_iter()
        .filter(|group| group.section == "model")
        .flat_map(|group| group.specs)
        .map(|spec| spec.example)
}

#[test]
fn every_layer_lowers_to_its_inferred_shape_and_runs() {
    for input in ["3x12x12", "3x12x1", "1x1x1", "8x4x4", "3x12", "4x1", "432", "1"] {
        for example in examples() {
            let text = format!("model T {{ input {input}; {example} }}");
            let (experiment, found) = check(&text);
            if has_errors(&found) {
                assert_ne!(input, "3x12x12", "{text}: {found:#?}");
                assert!(found.iter().all(|d| d.code != codes::INTERNAL), "{text}: {found:#?}");
                continue;
            }
            let model = experiment.model.unwrap();
            let output = model.output_shape.as_ref().unwrap();
            for (mode, batch) in [(Mode::Infer, 1), (Mode::Infer, 5), (Mode::Train { seed: 1 }, 4)] {
                let lowered = lower(&model, batch, mode).unwrap_or_else(|fault| panic!("{text}: {fault}"));
                assert_eq!(*lowered.builder.shape(lowered.output), output.batched(batch), "{text}");
                let alone = lowered.builder.graph().inputs.len() == 1;
                assert!(alone || mode != Mode::Infer, "{text}: inference needs more than images");
            }
            let (some, all) = (scores(&model, 2), scores(&model, 5));
            assert!(all.iter().all(|x| x.is_finite()), "{text}");
            let gap = distance(&all[..some.len()], &some);
            assert!(gap < 1e-5, "{text}: what an image gives depends on the batch: {gap}");
        }
    }
}

/// A network that has the layer in it, ends in ten logits and trains.
#[test]
fn every_layer_trains() {
    for example in examples() {
        let body = format!("conv2d 3 1x1; {example}");
        let (alone, _) = check(&format!("model T {{ input 3x12x12; {body} }}"));
        let rank = alone.model.unwrap().output_shape.unwrap().rank();
        let end = if rank == 1 { "linear 10" } else { "flatten -> linear 10" };
        let experiment = experiment(&format!("{body}; {end}"), "sgd lr=0.01");
        let graph = training(&experiment, 4);
        for state in graph.states.iter().filter(|state| state.kind == StateKind::Parameter) {
            let updated = graph.updates.iter().any(|update| update.state == state.value);
            assert!(updated, "{example}: `{}` gets no gradient", state.name);
        }
        let results = run(graph.clone(), &Cpu, 2);
        assert!(
            results.iter().flat_map(|(_, numbers)| numbers).all(|x| x.is_finite()),
            "{example}: {results:?}"
        );
        let states = Cpu.compile(vec![graph]).unwrap().start(3).unwrap();
        let first = "conv1.weight";
        let (_, trained) = results.iter().find(|(name, _)| name == first).unwrap();
        assert_ne!(states.read_state(first).unwrap(), *trained, "{example}: nothing reaches the layer below");
    }
}

/// Something that a parameter accepts.
fn accepted(kind: Kind) -> String {
    match kind {
        Kind::Count | Kind::CountOrAuto | Kind::Whole | Kind::Padding | Kind::Ends => "1".to_owned(),
        Kind::Around | Kind::PaddingOrAround => "1".to_owned(),
        Kind::Bytes => "1GB".to_owned(),
        Kind::Time { min } => shown(min),
        Kind::Pair | Kind::Triple | Kind::PairOrTriple => "2".to_owned(),
        Kind::Number { min, max } => format!("{}", min.max(0.0).min(max)),
        Kind::Bool => "true".to_owned(),
        Kind::Choice(choices) => choices[0].to_owned(),
        Kind::Text => "\"x\"".to_owned(),
        Kind::Shape => "432".to_owned(),
        Kind::Numbers | Kind::NumbersOr(_) => "0.5".to_owned(),
        Kind::Rising => "[1, 2]".to_owned(),
        Kind::Word | Kind::Name => "mnist".to_owned(),
        Kind::Names => "[mnist, \"x\"]".to_owned(),
    }
}

/// Things that a parameter must refuse.
fn refused(kind: Kind) -> Vec<String> {
    let listed = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<String>>();
    let too_large = format!("{}", MAX_COUNT + 1.0);
    match kind {
        Kind::Count => listed(&["0", "-1", "0.5", "1x2", "\"x\"", "[1, 2]", "1e300", "5%", &too_large]),
        Kind::CountOrAuto => listed(&["0", "-1", "0.5", "1x2", "\"x\"", "nothing", "5%", &too_large]),
        Kind::Bytes => listed(&["0", "1", "-1GB", "0GB", "1e300GB", "5%", "\"x\"", "nothing", "auto"]),
        Kind::Time { .. } => {
            listed(&["0", "60", "0s", "-1s", "1us", "1e300h", "5%", "2GB", "\"x\"", "nothing", "[1s]"])
        }
        Kind::Whole => listed(&["-1", "0.5", "1x2", "\"x\"", "[1, 2]", "1e300", &too_large]),
        Kind::Number { min, max } => {
            let mut values = listed(&["\"x\"", "1x2", "[1]", "nothing", "(1 / 0)"]);
            values.extend((min > f64::MIN).then(|| format!("{}", min - 1.0)));
            values.extend((max < f64::MAX).then(|| format!("{}", max + 1.0)));
            values
        }
        Kind::Pair => listed(&["0", "-1", "0x3", "1x2x3", "0.5", "\"x\"", "nothing", &too_large]),
        Kind::Triple => {
            listed(&["0", "-1", "0x3x1", "1x2", "1x2x3x4", "0.5", "\"x\"", "nothing", &too_large])
        }
        Kind::PairOrTriple => listed(&["0", "-1", "0x3", "1x2x3x4", "0.5", "\"x\"", "nothing", &too_large]),
        Kind::Around | Kind::PaddingOrAround => {
            listed(&["-1", "[1, 2]", "1x2x3x4", "\"x\"", "nothing", "[1, 1, 1, 1, 1, -1]", &too_large])
        }
        Kind::Padding => listed(&["-1", "[1, 2]", "1x2x3", "\"x\"", "nothing", "[1, 1, 1, -1]", &too_large]),
        Kind::Ends => listed(&["-1", "[1]", "[1, 2, 3]", "1x2", "\"x\"", "nothing", "[1, -1]", &too_large]),
        Kind::Bool => listed(&["0", "1", "\"true\"", "nothing"]),
        Kind::Choice(_) => listed(&["0", "\"x\"", "nothing", "1x2"]),
        Kind::Text => listed(&["0", "nothing", "[\"x\"]"]),
        Kind::Shape => listed(&["0", "0x3", "-1", "\"x\"", "nothing", "70000x70000x70000"]),
        Kind::Rising => listed(&["0", "[2, 1]", "[1, 1]", "[]", "0.5", "[5%]", "1x2", "\"x\"", "nothing"]),
        Kind::Numbers | Kind::NumbersOr(_) => listed(&["\"x\"", "nothing", "[]", "1x2"]),
        Kind::Names => listed(&["0", "[]", "[a, a]", "1x2", "[1]"]),
        Kind::Word => listed(&["0", "\"x\"", "1x2"]),
        Kind::Name => listed(&["0", "[1, 2]", "1x2"]),
    }
}

/// Things that some parameters accept and that are hard to compute with.
const HOSTILE: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "7",
    "65536",
    "2147483647",
    "2147483648",
    "9999999999999999999999999",
    "1e-300",
    "1e300",
    "1e999",
    "-1e300",
    "0.5",
    "100%",
    "3ms",
    "1x1",
    "65536x65536",
    "2147483648x1",
    "1x2147483648",
    "2147483648x2147483648",
    "4294967296x4294967296",
    "1x2x3x4x5x6x7x8x9",
    "same",
    "valid",
    "true",
    "nan",
    "\"\"",
    "\"\\0/../x\"",
    "[0, 0, 0, 0]",
    "[2147483648, 0, 0, 2147483648]",
    "[]",
    "[[1]]",
    "(0 / 0)",
    "(2 - 3)",
    "in.channels",
];

/// A line that gives the parameters `given`, and what is required beside them.
fn line(spec: &Spec, given: &[(&Param, &str)]) -> String {
    let mut line = spec.name.to_owned();
    let mut by_place = true;
    for param in spec.params {
        let value = match given.iter().find(|(own, _)| own.name == param.name) {
            Some((_, value)) => (*value).to_owned(),
            None if param.default == Preset::Required => accepted(param.kind),
            None => {
                by_place = false;
                continue;
            }
        };
        match param.positional && by_place {
            true => line.push_str(&format!(" {value}")),
            false => line.push_str(&format!(" {}={value}", param.name)),
        }
    }
    line
}

/// Checks a text and takes what has no errors as far as a graph, without ever panicking or blaming dslc.
fn survives(text: &str) -> Vec<Diagnostic> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let (experiment, found) = check(text);
        assert!(found.iter().all(|d| d.code != codes::INTERNAL), "{found:#?}");
        if let (Some(model), false) = (experiment.model, has_errors(&found)) {
            let train = Mode::Train { seed: 1 };
            for (mode, batch) in [(Mode::Infer, 1), (train, 1 << 10), (train, 1 << 31)] {
                let fault = lower(&model, batch, mode).err();
                assert!(fault.as_ref().is_none_or(|fault| fault.code != codes::INTERNAL), "{fault:?}");
            }
        }
        found
    }));
    outcome.unwrap_or_else(|_| panic!("this text is not survived: {text}"))
}

#[test]
fn arguments_of_the_wrong_kind_are_refused() {
    for group in groups() {
        for spec in &group.specs {
            for param in spec.params {
                for value in refused(param.kind) {
                    let text = group.with(&format!("{}{}", group.before, line(spec, &[(param, &value)])));
                    assert!(has_errors(&survives(&text)), "{text}");
                }
            }
        }
    }
}

#[test]
fn no_argument_makes_anything_panic() {
    for group in groups() {
        for (spec, value) in
            group.specs.iter().flat_map(|spec| HOSTILE.iter().map(move |value| (spec, value)))
        {
            let sequence = spec.name.ends_with("1d");
            let more = match group.section {
                "model" if sequence => "; conv1d 4 3 -> max_pool1d 2",
                "model" => "; conv2d 4 3x3 -> max_pool2d 2",
                _ => "",
            };
            let before = if sequence { "reshape 12x36; " } else { group.before.as_str() };
            survives(&group.with(&format!("{before}{} {value} {value}", spec.name)));
            for param in spec.params {
                let line = line(spec, &[(param, value)]);
                survives(&group.with(&format!("{before}{line}{more}")));
            }
        }
    }
}

/// Two arguments that are harmless alone.
#[test]
fn no_pair_of_arguments_makes_a_layer_panic() {
    const VALUES: [&str; 5] = ["3", "same", "65536", "2147483648", "[2147483648, 0, 0, 0]"];
    for (layers, spec) in
        groups().iter().filter(|g| g.section == "model").flat_map(|g| g.specs.iter().map(move |s| (g, s)))
    {
        for (i, first) in spec.params.iter().enumerate() {
            for second in &spec.params[i + 1..] {
                for (a, b) in VALUES.iter().flat_map(|a| VALUES.map(|b| (*a, b))) {
                    let before = if spec.name.ends_with("1d") { "reshape 12x36" } else { "conv2d 8 1x1" };
                    let line = line(spec, &[(first, a), (second, b)]);
                    survives(&layers.with(&format!("{before}; {line}")));
                }
            }
        }
    }
}
