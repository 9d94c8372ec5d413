//! Networks with several heads: their training against PyTorch's, step by step; what only training has; and models that are
//! layers of others.

use std::collections::BTreeMap;
use std::path::Path;

use dslc::diag::has_errors;
use dslc::experiment::imports::Project;
use dslc::experiment::resolved::Settled;
use dslc::experiment::{Checked, resolved};
use dslc::graph::Graph;
use dslc::layers::lowering::STEP;
use dslc::model::Model;
use dslc::run::{Backend, Cpu};
use dslc::source::Sources;
use dslc::train::numbers::{Numbers, Place};
use dslc::train::program::{LOSS, evaluation_graph, inference_graph, optimized};
use serde::Deserialize;

use crate::support::{check, training};

/// Of `fixtures/heads.py`.
#[derive(Deserialize)]
struct Fixture {
    /// Blocks that the model uses.
    blocks: String,
    model: String,
    data: String,
    train: String,
    batch: usize,
    /// The inputs of the graph by their names, one after the other in turn.
    batches: Vec<BTreeMap<String, Vec<f32>>>,
    first: BTreeMap<String, Vec<f32>>,
    losses: Vec<f32>,
    last: BTreeMap<String, Vec<f32>>,
}

fn fixtures() -> BTreeMap<String, Fixture> {
    serde_json::from_str(include_str!("fixtures/heads.json")).unwrap()
}

#[test]
fn ten_steps_are_those_of_pytorch() {
    for (name, fixture) in fixtures() {
        let data =
            if fixture.data.is_empty() { String::new() } else { format!("data {{ {} }}", fixture.data) };
        let text = format!(
            "{}\nmodel T {{ {} }}\n{data}\ntrain {{ {} }}",
            fixture.blocks, fixture.model, fixture.train
        );
        let (experiment, found) = check(&text);
        assert!(!has_errors(&found), "{name}: {found:#?}");
        let (model, train) = (experiment.model.as_ref().unwrap(), experiment.train.as_ref().unwrap());
        let graph = optimized(training(&experiment, fixture.batch)).unwrap();
        let named = |value: &dslc::graph::Value| graph.node(*value).name.clone();
        let inputs: Vec<String> = graph.inputs.iter().filter_map(named).collect();
        let mut session = Cpu.compile(vec![graph]).unwrap().start(0).unwrap();
        for (state, numbers) in &fixture.first {
            session.write_state(state, numbers).unwrap_or_else(|fault| panic!("{name}: {state}: {fault}"));
        }
        let mut worst = 0.0f32;
        let is_input = |own: &&str| fixture.batches[0].contains_key(*own);
        assert_eq!(
            inputs.iter().map(String::as_str).filter(is_input).count(),
            fixture.batches[0].len(),
            "{name}"
        );
        for (step, expected) in fixture.losses.iter().enumerate() {
            for (input, numbers) in &fixture.batches[step % fixture.batches.len()] {
                session.put(0, input, numbers).unwrap();
            }
            session.write(0, STEP, |out| out.fill(step as f32)).unwrap();
            let place = Place { factor: 1.0, momentum: None };
            for (input, value) in Numbers::of(model, train).at(place, step as u64 + 1, fixture.batch).unwrap()
            {
                session.write(0, &input, |out| out[0] = value as f32).unwrap();
            }
            session.step(0).unwrap();
            worst = worst.max((session.read(0, LOSS).unwrap()[0] - expected).abs());
        }
        for (state, expected) in &fixture.last {
            let found = session.read_state(state).unwrap();
            let gap = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert_eq!(found.len(), expected.len(), "{name}: {state}");
            worst = worst.max(gap);
        }
        assert!(worst < 1e-5, "{name}: {worst:e}");
    }
}

/// A file with those beside it.
fn checked(text: &str, files: &[(&str, &str)]) -> (Checked, Sources) {
    let mut sources = Sources::default();
    let read = |path: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "it does not exist".to_owned())
    };
    let project = Project { root: Path::new(""), read: &read };
    let checked =
        dslc::experiment::check(&mut sources, Path::new("main.net"), text.to_owned(), &[], &project);
    (checked, sources)
}

fn right(text: &str, files: &[(&str, &str)]) -> (Checked, Sources) {
    let (checked, sources) = checked(text, files);
    assert_eq!(checked.diagnostics, [], "{text}");
    (checked, sources)
}

fn names(model: &Model) -> Vec<&str> {
    model.layers.iter().map(|layer| layer.name.as_str()).collect()
}

fn states(graph: &Graph) -> Vec<&str> {
    graph.states.iter().map(|state| state.name.as_str()).collect()
}

const HEADED: &str = "model M {
    input 1x8x8
    conv2d 4 3x3 -> relu
    auxiliary weight=0.3 { dropout 0.1 -> flatten -> linear 10 }
    conv2d 6 3x3 -> relu
    auxiliary { global_avg_pool -> linear 10 } as deep
    flatten -> linear 10
}
train { loss cross_entropy smoothing=0.1; optimizer sgd lr=0.1 }
";

#[test]
fn only_training_has_auxiliary_heads() {
    let (checked, _) = right(HEADED, &[]);
    let (model, train) =
        (checked.experiment.model.as_ref().unwrap(), checked.experiment.train.as_ref().unwrap());
    let heads: Vec<_> = model.auxiliaries.iter().map(|head| (head.weight, head.layers.clone())).collect();
    assert_eq!(heads, [(0.3, 2..5), (1.0, 7..9)]);
    let trained = training(&checked.experiment, 4);
    assert!(states(&trained).contains(&"auxiliary1.linear1.weight"));
    assert!(states(&trained).contains(&"deep.linear1.bias"));
    let own = ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "linear1.weight", "linear1.bias"];
    for graph in [inference_graph(model, 2).unwrap(), evaluation_graph(model, train, 2).unwrap()] {
        assert_eq!(states(&graph), own);
    }
    // The trunk is called, begins and is computed as without them.
    let bare: String =
        HEADED.lines().filter(|line| !line.contains("auxiliary")).collect::<Vec<_>>().join("\n");
    let (bare, _) = right(&bare, &[]);
    let (bare, cut) = (bare.experiment.model.unwrap(), model.without_auxiliaries());
    assert_eq!(names(&cut), names(&bare));
    let streams = |model: &Model| model.layers.iter().map(|layer| layer.stream.clone()).collect::<Vec<_>>();
    assert_eq!(streams(&cut), streams(&bare));
    assert_eq!((cut.to_string(), cut.is_chain()), (bare.to_string(), true));
    assert_eq!(cut.n_parameters() + 10 * (4 * 36 + 1) + 10 * (6 + 1), model.n_parameters());
    let text = |model: &Model| dslc::graph::print::text(&inference_graph(model, 2).unwrap(), &|_| None);
    assert_eq!(text(model), text(&bare));
}

const BACKBONE: &str = "model Backbone(classes=3, width=2) {
    input 1x8x8
    conv2d width 3x3 -> relu      : 2x6x6
    auxiliary weight=0.5 { flatten -> linear classes }
    global_avg_pool -> linear classes
}
";

#[test]
fn a_model_of_another_file_is_a_layer() {
    let files = [("backbone.model", BACKBONE)];
    let net = "use \"backbone.model\"
model Net {
    input 3x16x16
    conv2d 4 1x1
    Backbone 8 width=6 as body
    relu -> linear 10
}
train { loss cross_entropy; optimizer sgd lr=0.1 }
";
    let (own, sources) = right(net, &files);
    let model = own.experiment.model.as_ref().unwrap();
    assert_eq!(model.name, "Net");
    let layers =
        ["conv1", "body.conv1", "body.relu1", "body.global_avg_pool1", "body.linear1", "relu1", "linear1"];
    assert_eq!(names(model), layers);
    assert!(model.auxiliaries.is_empty(), "a layer has no heads");
    assert_eq!(model.layers[1].output.as_ref().unwrap().dims(), [6, 14, 14]);
    // Alone the text says the same, whatever stands beside it.
    let text = resolved::text(&sources, &own.ast, &own.imports, &own.experiment, Settled::default());
    let (again, _) = right(&text, &[]);
    assert_eq!(again.experiment.model.unwrap().to_string(), model.to_string());
    // What it asserts holds for its own values and input, and for nothing else.
    let (_, _) = right("use \"backbone.model\"\nmodel N { input 1x8x8; Backbone; linear 2 }", &files);
    let wrong = BACKBONE.replace("2x6x6", "2x5x5");
    let (found, _) = checked(
        "use \"backbone.model\"\nmodel N { input 1x8x8; Backbone; linear 2 }",
        &[("backbone.model", &wrong)],
    );
    assert_eq!(found.diagnostics.len(), 1);
    right(
        "use \"backbone.model\"\nmodel N { input 1x9x9; Backbone; linear 2 }",
        &[("backbone.model", &wrong)],
    );
}

#[test]
fn models_of_one_file_are_layers_too_and_the_one_that_has_them_is_run() {
    let text = format!(
        "{BACKBONE}model Net {{ input 1x8x8; Backbone 4 -> linear 10 }}\ntrain {{ loss cross_entropy; optimizer sgd lr=0.1 }}"
    );
    let (own, _) = right(&text, &[]);
    assert_eq!(own.experiment.model.unwrap().name, "Net");
    let apart = format!(
        "{BACKBONE}model Net {{ input 1x8x8; flatten -> linear 10 }}\ntrain {{ loss cross_entropy; optimizer sgd lr=0.1 }}"
    );
    let (found, _) = checked(&apart, &[]);
    assert!(found.diagnostics.iter().any(|d| d.message.contains("an experiment has one model")));
}

#[test]
fn one_of_two_files_may_use_the_other() {
    let outer =
        "use \"backbone.model\"\nmodel Outer(classes=10) { input 1x8x8; Backbone 4 -> linear classes }";
    let files = [("backbone.model", BACKBONE), ("outer.model", outer)];
    let (own, _) = right("use \"outer.model\"\ntrain { loss cross_entropy; optimizer sgd lr=0.1 }", &files);
    assert_eq!(own.experiment.model.unwrap().name, "Outer");
    let (own, _) = right("use \"outer.model\"\nmodel Outer(classes=7)", &files);
    assert_eq!(own.experiment.model.unwrap().output().unwrap().dims(), [7]);
}

#[test]
fn every_further_input_and_output_may_have_a_field() {
    let lines = |line: &dyn Fn(usize) -> String| (0..8).map(line).collect::<String>();
    let inputs = lines(&|i| format!("input own{i} 2\n"));
    let takes = lines(&|i| format!("concat own{i}\n"));
    let outputs = lines(&|i| format!("output head{i} loss=mse {{ linear 1 }}\n"));
    let model = format!("model M {{\ninput 3x8x8\n{inputs}flatten\n{takes}{outputs}linear 2\n}}");
    let of_inputs = lines(&|i| format!("field own{i} [a{i}, b{i}]\n"));
    let of_outputs = lines(&|i| format!("field head{i} [c{i}]\n"));
    let train = "train { loss cross_entropy; optimizer adam; epochs 1; batch 4 }";
    let found = |more: &str| {
        let data = format!(
            "data {{\nsource table \"t.csv\" image=scan label=kind classes=2 size=8x8\n{of_inputs}{of_outputs}{more}\n}}"
        );
        check(&format!("{model}\n{data}\n{train}")).1
    };
    let whole = found("");
    assert!(!has_errors(&whole), "{whole:#?}");
    let over = found("field more [d]");
    assert!(over.iter().any(|d| d.message == "`data` has at most 16 fields"), "{over:#?}");
}
