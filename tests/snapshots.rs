//! What every file in `models/` becomes at each stage, kept under `snapshots/` for review: whole where a person can read
//! it, else as a census.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use dslc::diag::has_errors;
use dslc::experiment::imports::{Imports, Project};
use dslc::experiment::resolved::Settled;
use dslc::experiment::{resolved, stages};
use dslc::graph::op::Cost;
use dslc::graph::{Graph, StateKind, print};
use dslc::source::Sources;

fn settings(stage: &str) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("../snapshots/{stage}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.remove_snapshot_suffix();
    settings
}

#[test]
fn every_model_at_every_stage() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    insta::glob!(folder, "*.{net,model}", |path| {
        let mut sources = Sources::default();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let file = sources.add(name, std::fs::read_to_string(path).unwrap());
        let (ast, found) = dslc::syntax::parse(&sources, file);
        assert_eq!(found, []);
        settings("ast").bind(|| insta::assert_snapshot!(stem.as_str(), ast.to_string()));
        let (experiment, found) = dslc::experiment::resolve(&sources, &ast);
        assert_eq!(found, [], "the files in models/ have no findings");
        let model = experiment.model.as_ref().unwrap();
        settings("model").bind(|| insta::assert_snapshot!(stem.as_str(), model.to_string()));
        let lowered = stages::lowered(model, 1).unwrap();
        settings("lowered").bind(|| {
            insta::assert_snapshot!(stem.as_str(), shown(&lowered, stages::text(&lowered, model, &sources)))
        });
        let finished = stages::fused(&experiment, model, 2).unwrap();
        settings("final").bind(|| {
            insta::assert_snapshot!(stem.as_str(), shown(&finished, stages::text(&finished, model, &sources)))
        });
    });
}

/// A graph of more lines is shown as a census.
const MOST_LINES: usize = 120;

fn shown(graph: &Graph, text: String) -> String {
    if text.lines().count() <= MOST_LINES { text } else { census(graph) }
}

/// How many nodes of each op there are and what they cost, what the graph holds, and a digest of the whole listing, so that
/// no change of it goes unseen.
fn census(graph: &Graph) -> String {
    let mut ops: BTreeMap<&str, (usize, Cost)> = BTreeMap::new();
    let mut all = Cost::default();
    for node in graph.values().map(|value| graph.node(value)) {
        let inputs: Vec<_> = node.inputs.iter().map(|&input| graph.shape(input)).collect();
        let cost = node.op.cost(&node.attrs, &inputs, &node.shape);
        let (count, sum) = ops.entry(node.op.name()).or_default();
        *count += 1;
        *sum += cost;
        all += cost;
    }
    let held = |kind: StateKind| {
        let own = graph.states.iter().filter(|state| state.kind == kind);
        own.map(|state| graph.shape(state.value).elements()).sum::<usize>()
    };
    let line = |out: &mut String, count: usize, name: &str, cost: Cost| {
        writeln!(out, "{count:>6}  {name:<24} {:>16} {:>14}", cost.flops, cost.bytes).unwrap();
    };
    let mut out = String::from(" nodes  op                                  FLOPs          bytes\n");
    for (name, (count, cost)) in ops {
        line(&mut out, count, name, cost);
    }
    line(&mut out, graph.len(), "in all", all);
    let digest = print::text(graph, &|_| None).bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [parameters, buffers, moments] =
        [StateKind::Parameter, StateKind::Buffer, StateKind::Moment].map(held);
    writeln!(out, "states: {parameters} parameters, {buffers} of layers, {moments} of the optimizer")
        .unwrap();
    writeln!(out, "{} outputs, {} updates, listing {digest:016x}", graph.outputs.len(), graph.updates.len())
        .unwrap();
    out
}

/// Plans depend on the width of the CPU's vectors, so these are made for the kernels that run everywhere, by a process of
/// its own.
#[test]
fn small_files_as_planned() {
    for name in ["edges.model", "lenet5.net", "alexnet.model", "two_convs.net", "prescaler.net"] {
        let path = format!("models/{name}");
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_dslc"))
            .args(["graph", &path, "--stage", "planned", "--batch", "2"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("DSLC_SIMD", "portable")
            .output()
            .unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success() && text.lines().count() <= MOST_LINES, "{name}: {text}");
        let stem = Path::new(name).file_stem().unwrap().to_str().unwrap();
        settings("planned").bind(|| insta::assert_snapshot!(stem, text));
    }
}

/// The resolved file says the same as the file it came from, comments aside also when it is resolved again.
#[test]
fn the_resolved_file_checks_to_the_same_experiment() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    insta::glob!(folder, "*.{net,model}", |path| {
        let resolve = |text: String| {
            let mut sources = Sources::default();
            let file = sources.add("resolved", text);
            let (ast, mut found) = dslc::syntax::parse(&sources, file);
            let (experiment, more) = dslc::experiment::resolve(&sources, &ast);
            found.extend(more);
            assert_eq!(found, []);
            let text = resolved::text(&sources, &ast, &Imports::default(), &experiment, Settled::default());
            let model = experiment.model.as_ref().unwrap();
            let graphs = [stages::lowered(model, 1).unwrap(), stages::fused(&experiment, model, 2).unwrap()];
            (model.to_string(), graphs.map(|graph| print::text(&graph, &|_| None)), text)
        };
        let (model, graphs, first) = resolve(std::fs::read_to_string(path).unwrap());
        let (model_again, graphs_again, second) = resolve(first.clone());
        assert_eq!((model, graphs), (model_again, graphs_again));
        assert_eq!(without_comments(&first), without_comments(&second));
    });
}

fn without_comments(text: &str) -> Vec<&str> {
    text.lines().map(|line| line.split("  # ").next().unwrap_or(line).trim_end()).collect()
}

/// Defaults of every kind, and where each value comes from: the file, another, the command line, a declaration.
#[test]
fn a_resolved_file_says_where_each_value_comes_from() {
    let text = "use \"parts.model\"\nlet width = 8\nlet idle = 3\n\
                block stage(channels, act=relu, depth=2) {\n    repeat depth { conv_bn channels -> act } as out : 8x12x12\n    \
                add out\n}\nmodel Small {\n    input 1x28x28\n    narrow\n    if in.height > 20 {\n        max_pool2d 2\n    } \
                else { identity }\n    stage width\n    stage width tanh depth=1\n    flatten -> linear 10\n}\n\
                data {\n    source mnist \"data\"\n    augment { random_crop 28 padding=2 -> random_flip }\n}\n\
                train {\n    loss cross_entropy\n    optimizer sgd lr=0.1\n    early_stop patience=3\n}\nexpect { parameters > 1k }\n";
    let mut sources = Sources::default();
    let parts = "let maps = 4\nblock narrow { conv2d maps 5x5 }";
    let project = Project { root: Path::new(""), read: &|_| Ok(parts.to_owned()) };
    let set =
        ["data.validation=500", "train.optimizer.lr=0.2", "data.source.path=\"elsewhere\"", "train.epochs=3"];
    let set = set.map(str::to_owned);
    let checked = dslc::experiment::check(&mut sources, Path::new("a.net"), text.to_owned(), &set, &project);
    assert!(!has_errors(&checked.diagnostics), "{:#?}", checked.diagnostics);
    let shown =
        resolved::text(&sources, &checked.ast, &checked.imports, &checked.experiment, Settled::default());
    settings("resolved").bind(|| insta::assert_snapshot!("every_origin", shown));
}
