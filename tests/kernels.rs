//! Every CPU kernel against its op's reference evaluation, over shapes and attributes that a kernel may get
//! wrong; and that a training step gives the same bits on any number of threads.

use std::collections::{BTreeMap, BTreeSet};

use dslc::diag::Fault;
use dslc::graph::Value;
use dslc::graph::op::Op;
use dslc::kernels::cpu::team::Team;
use dslc::kernels::cpu::{self, Prepared};
use dslc::ops::OPS;
use dslc::ops::pointwise::{self, POINTWISE};
use dslc::run::{Cpu, Interpreter};
use dslc::shape::Shape;
use dslc::tensor::{self, Device, Tensor};
use dslc::train::program::inference_graph;

use crate::op_cases::{POSITIVE, cases, graph, numbers_of, programs};
use crate::support::{Case, MODELS, bits, distance, experiment, run, training};

#[test]
fn a_program_may_be_written_over_an_input_and_split_between_threads() {
    for (program, dims) in programs() {
        let shapes: Vec<Shape> = dims.iter().map(|dims| Shape::new(*dims)).collect();
        let shapes: Vec<&Shape> = shapes.iter().collect();
        let attrs = pointwise::attrs(program);
        let output = POINTWISE.shape(&attrs, &shapes).unwrap();
        let operands: Vec<Vec<f32>> =
            shapes.iter().enumerate().map(|(i, s)| POSITIVE.draw(&i.to_string(), s.elements())).collect();
        let operands: Vec<&[f32]> = operands.iter().map(Vec::as_slice).collect();
        let run = |kernel: Prepared, operands: &[&[f32]], begin: &[f32]| {
            let mut out = begin.to_vec();
            kernel.call(operands, &[], &mut out, &mut vec![f32::NAN; kernel.memory()], &Team::ALONE);
            out.iter().map(|x| x.to_bits()).collect::<Vec<u32>>()
        };
        let nothing = vec![f32::NAN; output.elements()];
        let plain = run(cpu::program::pointwise(&attrs, &shapes, &output).unwrap(), &operands, &nothing);
        let parallel = run(cpu::program::parallel(&attrs, &shapes, &output).unwrap(), &operands, &nothing);
        assert_eq!(plain, parallel, "{attrs} of {output}");
        for place in 0..operands.len() {
            let kernels = [
                cpu::program::in_place(&attrs, &shapes, &output, place),
                cpu::program::parallel_in_place(&attrs, &shapes, &output, place),
            ];
            for kernel in kernels {
                if operands[place].len() != output.elements() {
                    assert!(kernel.is_err(), "{attrs} over input {place}");
                    continue;
                }
                let mut others = operands.clone();
                others[place] = &[];
                let over = run(kernel.unwrap(), &others, operands[place]);
                assert_eq!(plain, over, "{attrs} over input {place}");
            }
        }
    }
}

/// Evaluates a case node by node, and for each node with a kernel tells how far the kernel is from it.
fn compare(case: &Case, mut tell: impl FnMut(&'static str, f32)) -> Result<(), Fault> {
    let (graph, inputs, grad) = graph(case)?;
    let mut tensors: BTreeMap<Value, Tensor> = BTreeMap::new();
    for value in graph.values() {
        let node = graph.node(value);
        let reference = match numbers_of(case, &inputs, grad, value, &node.shape) {
            Some(numbers) => tensor::from_slice(&numbers, &node.shape, &Device::Cpu)?,
            None => {
                let operands: Vec<Tensor> = node.inputs.iter().map(|input| tensors[input].clone()).collect();
                node.op.eval(&node.attrs, &operands, &node.shape)?
            }
        };
        tensors.insert(value, reference);
        let shapes: Vec<&Shape> = node.inputs.iter().map(|&input| graph.shape(input)).collect();
        let operands = node.inputs.iter().map(|input| tensor::to_vec(&tensors[input]));
        let operands: Vec<Vec<f32>> = operands.collect::<Result<_, _>>()?;
        let operands: Vec<&[f32]> = operands.iter().map(Vec::as_slice).collect();
        let name = node.op.name();
        for prepare in [cpu::find(name), cpu::find_parallel(name)].into_iter().flatten() {
            let kernel = prepare(&node.attrs, &shapes, &node.shape)?;
            // Whatever memory held before must not matter.
            let mut output = vec![f32::NAN; node.shape.elements()];
            let mut memory = vec![f32::NAN; kernel.memory()];
            let mut packed = Vec::new();
            if let Some(pack) = &kernel.pack {
                packed.resize(pack.len, f32::NAN);
                (pack.run)(operands[pack.operand], &mut packed);
            }
            kernel.call(&operands, &packed, &mut output, &mut memory, &Team::ALONE);
            tell(name, distance(&tensor::to_vec(&tensors[&value])?, &output));
        }
    }
    Ok(())
}

#[test]
fn every_kernel_computes_what_its_op_means() {
    for case in cases() {
        let tell = |op: &str, gap: f32| assert!(gap < 5e-5, "{op} within {}: {gap}", case.title());
        compare(&case, tell).unwrap_or_else(|fault| panic!("{}: {fault}", case.title()));
    }
}

#[test]
fn every_kernel_has_a_case_and_every_op_a_kernel() {
    let mut compared: BTreeSet<&str> = BTreeSet::new();
    for case in cases() {
        compare(&case, |op, _| {
            compared.insert(op);
        })
        .unwrap();
    }
    let kernels: BTreeSet<&str> = cpu::kernels().map(|(name, _)| name).collect();
    assert_eq!((compared, kernels.len()), (kernels.clone(), cpu::kernels().count()));
    let leaves = ["input", "state", "constant"];
    let needed = OPS.iter().filter(|op| !op.is_view() && !leaves.contains(&op.name()));
    assert_eq!(needed.map(|op| op.name()).collect::<BTreeSet<&str>>(), kernels);
}

/// One image is shared by tile rows, by rows, by pixels, and by channels of any and of depthwise convolutions; and not
/// at all.
#[test]
fn one_image_gives_the_same_on_any_number_of_threads() {
    for layers in [
        "conv2d 24 3x3 padding=1 -> relu; conv2d 40 3x3 padding=1 -> relu; conv2d 104 1x1; \
         depthwise_conv2d 3x3 padding=1 -> relu; conv2d 16 5x5 stride=2 -> max_pool2d 2; \
         conv2d 256 2x2 -> conv2d 256 3x3 padding=1 -> flatten -> linear 600 -> linear 10",
        "conv2d 7 4x4 dilation=2 padding=1 -> relu; depthwise_conv2d 3x3 padding=2; conv2d 13 1x1 -> relu; \
         depthwise_conv2d 3x3 stride=2 -> conv2d 8 1x1; conv2d 12 3x3 groups=4 stride=2 padding=2; \
         depthwise_conv2d 3x3 padding=1; depthwise_conv2d 5x5 padding=2 -> flatten -> linear 10",
    ] {
        let experiment = experiment(layers, "sgd lr=0.1");
        let graph = inference_graph(experiment.model.as_ref().unwrap(), 1).unwrap();
        let expected = run(graph.clone(), &Interpreter(Device::Cpu), 2);
        let results = [1, 2, 3, 5].map(|n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| run(graph.clone(), &Cpu, 2))
        });
        for ((name, expected), (_, actual)) in expected.iter().zip(&results[0]) {
            assert!(distance(expected, actual) < 1e-4, "{name}");
        }
        for result in &results[1..] {
            assert_eq!(bits(&results[0]), bits(result), "{layers}");
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for (layers, optimizer) in MODELS {
        let graph = training(&experiment(layers, optimizer), 37);
        let results = [1, 2, 5].map(|n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| run(graph.clone(), &Cpu, 3))
        });
        assert!(results[0].iter().flat_map(|(_, numbers)| numbers).all(|x| x.is_finite()), "{layers}");
        assert_eq!(bits(&results[0]), bits(&results[1]), "{layers}");
        assert_eq!(bits(&results[0]), bits(&results[2]), "{layers}");
    }
}
