//! What a network learns does not depend on the compiler: the graph as it was differentiated, on the reference, and
//! the optimised one, on the kernels, follow the same course.

use dslc::graph::Graph;
use dslc::passes::optimize;
use dslc::run::{Backend, Cpu, Interpreter};
use dslc::tensor::Device;
use dslc::train::optimizers::Optimizer;
use dslc::train::section::Chosen;

use crate::support::Numbers::{Ties, Whole};
use crate::support::{experiment, training};

const STEPS: usize = 100;

/// The loss of every step on four batches in turn.
fn losses(graph: Graph, target: &dyn Backend, optimizer: &Chosen<dyn Optimizer>, rate: f64) -> Vec<f32> {
    let settings: Vec<String> = graph.inputs.iter().map(|&v| graph.node(v).name.clone().unwrap()).collect();
    let mut session = target.compile(vec![graph]).unwrap().start(3).unwrap();
    let losses = (1..=STEPS as u64).map(|step| {
        let scalars = optimizer.what.scalars(&optimizer.args, rate, step).unwrap();
        for input in &settings {
            let stream = format!("{input} {}", step % 4);
            let write = |out: &mut [f32]| match input.as_str() {
                "labels" => out.copy_from_slice(&Whole(10).draw(&stream, out.len())),
                "images" => out.copy_from_slice(&Ties.draw(&stream, out.len())),
                name => {
                    let scalar = scalars.iter().find(|(scalar, _)| *scalar == name);
                    out.fill(scalar.map_or(step as f32, |(_, value)| *value as f32));
                }
            };
            session.write(0, input, write).unwrap();
        }
        session.step(0).unwrap();
        session.read(0, "loss").unwrap()[0]
    });
    losses.collect()
}

/// One network a row: layers, optimizer, learning rate. What they are made of is in the seeds, in residual networks and
/// in MobileNet.
const NETWORKS: &[(&str, &str, f64)] = &[
    (
        "conv2d 8 3x3 -> relu -> max_pool2d 2; conv2d 12 3x3 padding=1 -> relu; flatten -> linear 16 -> relu -> linear 10",
        "adam",
        2e-3,
    ),
    (
        "conv2d 6 3x3 -> batch_norm -> relu; basic_block 6; basic_block 8 stride=2; \
         conv2d 8 1x1 bias=false -> batch_norm -> relu6; global_avg_pool -> linear 10",
        "sgd lr=0.1 momentum=0.9",
        0.005,
    ),
    (
        "conv2d 8 3x3 padding=1 bias=false -> batch_norm -> relu; separable_conv 12; separable_conv 16 stride=2; \
         global_avg_pool -> dropout 0.1 -> linear 10",
        "sgd lr=0.1 momentum=0.9 weight_decay=1e-4 nesterov=true",
        0.005,
    ),
];

#[test]
fn a_hundred_steps_end_where_the_unoptimised_graph_ends() {
    for (layers, optimizer, rate) in NETWORKS {
        let experiment = experiment(layers, optimizer);
        let optimizer = &experiment.train.as_ref().unwrap().optimizer;
        let plain = training(&experiment, 16);
        let fused = losses(optimize(plain.clone()).unwrap(), &Cpu, optimizer, *rate);
        let plain = losses(plain, &Interpreter(Device::Cpu), optimizer, *rate);
        let [before, after] = [&plain[..4], &plain[STEPS - 4..]].map(|losses| losses.iter().sum::<f32>());
        assert!(after < 0.98 * before, "it learns: {layers}: {plain:?}");
        for (step, (plain, fused)) in plain.iter().zip(&fused).enumerate() {
            assert!((plain - fused).abs() < 1e-3, "{layers}: step {step}: {plain} and {fused}");
        }
    }
}
