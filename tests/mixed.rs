//! A training graph at `precision bf16` → which of its values are bf16, what of them is converted for the libraries of a
//! device, and how much memory that saves.

use std::fmt::Write;

use dslc::diag::has_errors;
use dslc::graph::{Graph, print};
use dslc::kernels::cuda::launch::{Command, Kernel};
use dslc::passes::optimize;
use dslc::plan::layout::Layout;
use dslc::plan::sequence::{Sequence, sequence};
use dslc::plan::storage::storages;
use dslc::run::Precision;

use crate::support::{check, experiment, training};

fn planned(graph: &Graph, precision: Precision) -> Sequence {
    sequence(graph.clone(), &Layout::new([graph]).unwrap(), precision, &|_| true).unwrap()
}

/// Each node with the storage of its value, but for states.
fn text(graph: &Graph) -> String {
    let storages = storages(graph, Precision::Bf16);
    let mut text = String::new();
    for value in graph.values().filter(|&value| graph.node(value).op.name() != "state") {
        writeln!(text, "{:<6}{}", storages[&value].name(), print::line(graph, value)).unwrap();
    }
    text
}

#[test]
fn what_follows_from_the_images_is_bf16_and_what_is_learnt_is_not() {
    let classes = experiment(
        "conv2d 4 3x3 padding=same bias=false -> batch_norm -> relu; residual { conv2d 4 3x3 padding=1 }; dropout 0.1; \
         max_pool2d 2; group_norm 2 -> gelu; flatten -> linear 10",
        "sgd lr=0.1",
    );
    let (images, found) = check(
        "model T { input 1x8x8; conv2d 4 3x3 padding=1 -> relu; conv2d 1 3x3 padding=1 -> sigmoid }\n\
         train { loss mse target=input; optimizer adam lr=1e-3 }",
    );
    assert!(!has_errors(&found), "{found:#?}");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/stored");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, experiment) in [("classes", classes), ("images", images)] {
            insta::assert_snapshot!(name, text(&optimize(training(&experiment, 6)).unwrap()));
        }
    });
}

#[test]
fn every_value_is_f32_without_it() {
    let graph = training(&experiment("conv2d 4 3x3 -> relu; flatten -> linear 10", "sgd lr=0.1"), 6);
    for precision in [Precision::F32, Precision::Tf32] {
        assert!(storages(&graph, precision).values().all(|storage| storage.name() == "float"));
        let casts = planned(&graph, precision).commands.iter().filter(|own| is_cast(own)).count();
        assert_eq!(casts, 0);
    }
}

fn is_cast<P>(command: &Command<P>) -> bool {
    matches!(command, Command::Launch(launch) if launch.kernel == Kernel::Named("cast"))
}

#[test]
fn a_weight_is_converted_once_for_all_its_readers() {
    let layers = "conv2d 8 3x3 -> relu; conv2d 8 3x3 -> relu; flatten -> linear 10";
    let graph = optimize(training(&experiment(layers, "sgd lr=0.1"), 64)).unwrap();
    let mixed = planned(&graph, Precision::Bf16);
    let casts = mixed.commands.iter().filter(|own| is_cast(own)).count();
    // The images and three weights; and the gradients of two filters, which cuDNN gives as bf16.
    assert_eq!(casts, 6);
    let [full, mixed] = [planned(&graph, Precision::F32).transient, mixed.transient];
    assert!(mixed * 10 < full * 7, "{mixed} of {full}");
}
