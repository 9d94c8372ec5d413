//! A graph for a GPU → which of its values are bf16, which have channels last, what of them is converted for the libraries
//! of a device, and how much memory that saves.

use std::fmt::Write;

use dslc::diag::has_errors;
use dslc::graph::{Graph, print};
use dslc::kernels::cuda::format::Format;
use dslc::kernels::cuda::launch::{Command, Direction, Kernel, Place};
use dslc::passes::optimize;
use dslc::plan::layout::Layout;
use dslc::run::Precision;
use dslc::run::cuda::sequence::{Sequence, sequence};
use dslc::run::cuda::storage::storages;
use dslc::train::program::inference_graph;

use crate::support::{check, experiment, training};

fn planned(graph: &Graph, precision: Precision) -> Sequence {
    planned_where(graph, precision, &|_| true)
}

/// With libraries that do what is said.
fn planned_where(graph: &Graph, precision: Precision, offers: &dyn Fn(&Command<Place>) -> bool) -> Sequence {
    let layout = Layout::new([graph]).unwrap();
    sequence(graph.clone(), &layout, precision, &|command| Ok(offers(command))).unwrap()
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
        let casts = planned(&graph, precision).commands.iter().filter(|own| is(own, "cast")).count();
        assert_eq!(casts, 0);
    }
}

fn is<P>(command: &Command<P>, name: &'static str) -> bool {
    matches!(command, Command::Launch(launch) if launch.kernel == Kernel::Named(name))
}

fn converts<P>(command: &Command<P>) -> bool {
    ["cast", "swap_axes", "swap_few", "move"].into_iter().any(|name| is(command, name))
}

/// The ops whose values conversions of a step help to compute, in alphabetical order.
fn converted(sequence: &Sequence) -> Vec<&'static str> {
    let all = sequence.commands.iter().zip(&sequence.values);
    let converts = all.filter(|(command, _)| converts(command));
    let mut names: Vec<_> =
        converts.map(|(_, value)| sequence.graph.node(value.unwrap()).op.name()).collect();
    names.sort_unstable();
    names
}

fn formats(sequence: &Sequence) -> Vec<Format> {
    let convolutions = sequence.commands.iter().filter_map(|command| match command {
        Command::Convolution(own) => Some(own.format),
        _ => None,
    });
    convolutions.collect()
}

/// Two convolutions, one of them in a residual block, batch norms, pools, and a linear layer behind them.
const NET: &str = "conv2d 8 3x3 padding=1 bias=false -> batch_norm -> relu; \
                   residual { conv2d 8 3x3 padding=1 bias=false -> batch_norm }; max_pool2d 2 -> dropout 0.1; \
                   conv2d 8 3x3 padding=1 groups=8 -> relu6; global_avg_pool -> linear 10";

#[test]
fn what_follows_from_a_convolution_with_channels_last_has_them_last() {
    let graph = optimize(training(&experiment(NET, "sgd lr=0.1"), 6)).unwrap();
    let last = Format::ChannelsLast;
    let mixed = planned(&graph, Precision::Bf16);
    // The one in the block, and both of its gradients; that of few channels and the one with groups have own kernels.
    assert_eq!(formats(&mixed), [last; 3]);
    // Images and weights forward, both weights' gradients, the weights of the linear layer, and the mask of the dropout.
    let grads = ["conv2d_grad_weight"; 2];
    let expected = [&["conv2d"; 3][..], &grads, &["matmul", "multiply"]].concat();
    assert_eq!(converted(&mixed), expected);
    assert_eq!(formats(&planned(&graph, Precision::Tf32)), [last; 3]);
    let full = planned(&graph, Precision::F32);
    assert_eq!(formats(&full), [Format::ChannelsFirst; 5]);
    assert_eq!(converted(&full), [""; 0]);
}

#[test]
fn what_a_library_has_not_with_channels_last_it_does_with_channels_first_or_own_kernels_do() {
    let graph = optimize(training(&experiment(NET, "sgd lr=0.1"), 6)).unwrap();
    let first = Format::ChannelsFirst;
    let rows = planned_where(&graph, Precision::Bf16, &|command| match command {
        Command::Convolution(own) => own.format == first,
        _ => true,
    });
    assert_eq!(formats(&rows), [first; 5]);
    assert!(!rows.commands.iter().any(|own| is(own, "swap_axes") || is(own, "move")));
    let own = planned_where(&graph, Precision::Bf16, &|command| !matches!(command, Command::Convolution(_)));
    assert_eq!(formats(&own), []);
    assert_eq!(converted(&own), ["matmul"]);
    // The first convolution alone: own kernels of few channels take its place, channels last; the other's own kernels read a
    // copy, and leave what is added with channels first.
    let one = planned_where(&graph, Precision::Bf16, &|command| match command {
        Command::Convolution(own) => own.direction == Direction::Output && own.geometry.in_channels == 3,
        _ => true,
    });
    assert_eq!(formats(&one), []);
    assert!(converted(&one).contains(&"add"));
}

#[test]
fn weights_are_converted_once_where_they_stay() {
    let experiment = experiment(NET, "sgd lr=0.1");
    let graph = optimize(inference_graph(experiment.model.as_ref().unwrap(), 6).unwrap()).unwrap();
    let mixed = planned(&graph, Precision::Bf16);
    assert_eq!(converted(&mixed), ["conv2d"], "the images");
    let in_setup = mixed.setup.iter().filter(|own| converts(own)).count();
    // All weights, and what is folded into them.
    assert_eq!(in_setup, 7);
}

#[test]
fn running_averages_are_written_over_the_old_ones_by_one_launch() {
    let graph = optimize(training(&experiment(NET, "sgd lr=0.1"), 6)).unwrap();
    let plan = planned(&graph, Precision::F32);
    let name = |value: &Option<_>| graph.node(value.unwrap()).op.name();
    let averages = plan.values.iter().filter(|value| name(value) == "running_moment").count();
    assert_eq!((graph.updates.len(), averages), (14, 1));
    assert!(!plan.commands.iter().any(|command| matches!(command, Command::Copy { .. })));
    // Gradients of scale and shift lie in one matrix and are read where they lie.
    assert!(plan.values.iter().all(|value| name(value) != "slice"));
}

#[test]
fn a_weight_is_converted_once_for_all_its_readers() {
    let layers = "conv2d 8 3x3 -> relu; conv2d 8 3x3 -> relu; flatten -> linear 10";
    let graph = optimize(training(&experiment(layers, "sgd lr=0.1"), 64)).unwrap();
    let mixed = planned(&graph, Precision::Bf16);
    // The images and two weights, what the convolution leaves for the linear layer and what comes back from it; the gradients
    // of two filters, which cuDNN gives as bf16, and the weights of the linear layer.
    let grads = ["conv2d_grad_input", "conv2d_grad_weight", "conv2d_grad_weight"];
    let expected = [&["conv2d"; 4][..], &grads, &["matmul"]].concat();
    assert_eq!(converted(&mixed), expected);
    let [full, mixed] = [planned(&graph, Precision::F32).transient, mixed.transient];
    // Own kernels read the images as f32.
    assert!(mixed * 8 < full * 7, "{mixed} of {full}");
}
