//! Batch norm in parts: sums merged from tiles of unequal size, moments beside a large mean, and what is fused
//! and folded where.

use dslc::graph::attrs::Attrs;
use dslc::graph::builder::Builder;
use dslc::graph::op::Op;
use dslc::graph::{Graph, Value};
use dslc::kernels::cpu::team::Team;
use dslc::kernels::cpu::{self, Call, Prepared};
use dslc::ops::OPS;
use dslc::passes::{PASSES, optimize};
use dslc::run::{Backend, Cpu};
use dslc::shape::Shape;
use dslc::train::program::inference_graph;

use crate::support::Numbers::Between;
use crate::support::{check, distance, experiment, run, training};

fn op(name: &str) -> &'static dyn Op {
    OPS.iter().copied().find(|op| op.name() == name).unwrap()
}

/// The kernel of `name` for the images of one tile; operands with as many rows as the batch are cut.
fn prepare(name: &str, attrs: &Attrs, shapes: &[Shape], batch: usize, images: usize) -> Prepared {
    let cut = |shape: &Shape| match shape.dims().first() {
        Some(&first) if first == batch => Shape::new([&[images], &shape.dims()[1..]].concat()),
        _ => shape.clone(),
    };
    let shapes: Vec<Shape> = shapes.iter().map(cut).collect();
    let shapes: Vec<&Shape> = shapes.iter().collect();
    let output = op(name).shape(attrs, &shapes).unwrap();
    cpu::find(name).unwrap()(attrs, &shapes, &output).unwrap()
}

/// Runs a kernel on tiles of these many images, as the plan does: each tile belongs to a part (a partial sum).
fn in_tiles(
    name: &str,
    attrs: &Attrs,
    shapes: &[Shape],
    inputs: &[Vec<f32>],
    tiles: &[(usize, usize)],
) -> Vec<f32> {
    let batch: usize = tiles.iter().map(|(images, _)| images).sum();
    let whole: Vec<&Shape> = shapes.iter().collect();
    let mut output = vec![f32::NAN; op(name).shape(attrs, &whole).unwrap().elements()];
    let n_parts = tiles.iter().map(|(_, part)| part + 1).max().unwrap();
    let mut partials: Vec<f32> = Vec::new();
    let mut first = 0;
    for &(images, part) in tiles {
        let kernel = prepare(name, attrs, shapes, batch, images);
        let rows = |numbers: &[f32]| {
            let row = numbers.len() / batch;
            first * row..(first + images) * row
        };
        let cut = inputs.iter().zip(shapes).map(|(numbers, shape)| match shape.dims()[0] == batch {
            true => &numbers[rows(numbers)],
            false => numbers.as_slice(),
        });
        let cut: Vec<&[f32]> = cut.collect();
        let mut scratch = vec![f32::NAN; kernel.scratch];
        let target = match &kernel.sum {
            Some(sum) => {
                partials.resize(n_parts * sum.len, 0.0);
                &mut partials[part * sum.len..][..sum.len]
            }
            None => {
                let range = rows(&output);
                &mut output[range]
            }
        };
        (kernel.run)(Call {
            inputs: &cut,
            output: target,
            scratch: &mut scratch,
            packed: &[],
            first,
            team: &Team::ALONE,
        });
        first += images;
    }
    if let Some(sum) = prepare(name, attrs, shapes, batch, 1).sum {
        (sum.finish)(&partials, &mut output);
    }
    output
}

#[test]
fn tiles_of_unequal_size_give_what_the_whole_batch_gives() {
    for image in [&[5, 7, 3][..], &[3, 1, 1], &[4], &[3, 8, 8], &[1, 65, 64]] {
        let shape = Shape::new([&[11], image].concat());
        let (channels, pair) = (Shape::from([image[0]]), Shape::from([2, image[0]]));
        let attrs = Attrs::new().float("epsilon", 1e-5).text("statistics", "batch");
        let masked = attrs.clone().text("activation", "relu6");
        let count = (shape.elements() / image[0]) as i64;
        let cases: [(&str, Attrs, Vec<&Shape>); 5] = [
            ("moments", Attrs::new(), vec![&shape]),
            ("batch_norm", masked.clone(), vec![&shape, &pair, &channels, &channels, &shape]),
            ("batch_norm_grad_sums", masked.clone(), vec![&shape, &shape, &pair, &shape]),
            (
                "batch_norm_grad_input",
                masked.int("count", count),
                vec![&shape, &shape, &pair, &channels, &pair, &shape],
            ),
            ("standardize", Attrs::new().int("parts", 1).float("epsilon", 1e-5), vec![&shape]),
        ];
        for (name, attrs, shapes) in cases {
            let shapes: Vec<Shape> = shapes.into_iter().cloned().collect();
            let draw = |(i, shape): (usize, &Shape)| {
                Between(0.1, 7.0).draw(&format!("{name} {i}"), shape.elements())
            };
            let inputs: Vec<Vec<f32>> = shapes.iter().enumerate().map(draw).collect();
            let whole = in_tiles(name, &attrs, &shapes, &inputs, &[(11, 0)]);
            let tiled = in_tiles(name, &attrs, &shapes, &inputs, &[(3, 0), (1, 0), (4, 1), (2, 2), (1, 2)]);
            let gap = distance(&whole, &tiled);
            assert!(gap < 2e-6, "{name} of {shape}: {gap}");
        }
    }
}

/// Against sums in f64. Numbers near 1000 have steps of 6e-5 in f32, so no mean can be nearer than 3e-5.
#[test]
fn moments_beside_a_large_mean_are_exact() {
    for dims in [[64, 2, 32, 32], [64, 2, 1, 1], [7, 2, 7, 7], [3, 2, 150, 150]] {
        let shape = Shape::from(dims);
        let x: Vec<f32> = Between(-3f32.sqrt(), 3f32.sqrt()).draw("x", shape.elements());
        let x: Vec<f32> = x.iter().map(|x| 1000.0 + x).collect();
        let tiles: Vec<(usize, usize)> = (0..dims[0]).map(|image| (1, image / 5)).collect();
        let moments = in_tiles("moments", &Attrs::new(), &[shape], std::slice::from_ref(&x), &tiles);
        for channel in 0..2 {
            let plane = dims[2] * dims[3];
            let planes = x.chunks(plane).skip(channel).step_by(2);
            let own: Vec<f64> = planes.flatten().map(|&x| f64::from(x)).collect();
            let n = own.len() as f64;
            let mean = own.iter().sum::<f64>() / n;
            let variance = own.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
            let [mean_gap, variance_gap] =
                [f64::from(moments[channel]) - mean, f64::from(moments[2 + channel]) / variance - 1.0];
            assert!(mean_gap.abs() < 4e-5, "{dims:?}: mean {mean_gap}");
            assert!(variance_gap.abs() < 2e-6, "{dims:?}: variance {variance_gap}");
        }
    }
}

/// A graph as it is before element-wise ops are joined.
fn before_joining(graph: Graph) -> Graph {
    let passes = PASSES.iter().take_while(|pass| pass.name() != "fuse_pointwise");
    passes.fold(graph, |graph, pass| pass.run(&graph).unwrap())
}

/// How often each op occurs.
fn count(graph: &Graph, name: &str) -> usize {
    graph.values().filter(|&value| graph.node(value).op.name() == name).count()
}

#[test]
fn a_residual_network_keeps_one_pass_for_each_batch_norm() {
    let layers = "conv2d 4 3x3 bias=false -> batch_norm -> relu; basic_block 4; basic_block 8 stride=2; \
                  global_avg_pool -> linear 10";
    let graph = before_joining(training(&experiment(layers, "sgd lr=0.1"), 4));
    assert_eq!(count(&graph, "batch_norm"), 6);
    assert_eq!((count(&graph, "relu"), count(&graph, "variance")), (0, 0));
    // Behind each block the masked gradient goes to the residual as well, so it is stored.
    assert_eq!(count(&graph, "relu_grad"), 2);
    assert_eq!(count(&graph, "batch_norm_grad_sums"), 6);
    let masked = graph.values().map(|value| graph.node(value)).filter(|node| {
        node.op.name() == "batch_norm_grad_input" && node.attrs.get_text("activation") == "relu"
    });
    assert_eq!(masked.count(), 3);
    let residuals = graph.values().map(|value| graph.node(value)).filter(|node| node.inputs.len() == 5);
    assert_eq!(residuals.filter(|node| node.op.name() == "batch_norm").count(), 2);
}

#[test]
fn inference_folds_batch_norms_into_what_stands_before_them() {
    for (layers, left) in [
        ("conv2d 4 3x3 -> batch_norm -> relu; flatten -> linear 6 bias=false -> batch_norm", 0),
        ("conv2d 4 3x3 bias=false groups=1 -> batch_norm; depthwise_conv2d 3x3 -> batch_norm", 0),
        ("conv_transpose2d 5 3x3 stride=2 -> batch_norm; conv2d 4 1x1 -> batch_norm", 0),
        ("conv_transpose2d 6 3x3 groups=3 -> batch_norm", 1),
        ("max_pool2d 2 -> batch_norm -> relu", 1),
        ("conv2d 3 3x3 padding=1 -> relu -> batch_norm", 1),
        // The convolution is read twice.
        ("conv2d 3 3x3 -> residual { batch_norm }", 1),
    ] {
        let (experiment, found) = check(&format!("model T {{ input 3x12x12; {layers} }}"));
        assert!(!dslc::diag::has_errors(&found), "{layers}: {found:#?}");
        let graph = inference_graph(experiment.model.as_ref().unwrap(), 3).unwrap();
        let folded = optimize(graph.clone()).unwrap();
        assert_eq!(count(&folded, "batch_norm"), left, "{layers}");
        let results = [graph, folded].map(|graph| {
            let mut session = Cpu.compile(vec![graph]).unwrap().start(7).unwrap();
            for state in session.states().to_vec() {
                let numbers = Between(0.1, 2.0).draw(&state.name, state.shape.elements());
                session.write_state(&state.name, &numbers).unwrap();
            }
            let images = Between(-1.0, 1.0);
            session.write(0, "images", |out| out.copy_from_slice(&images.draw("images", out.len()))).unwrap();
            session.step(0).unwrap();
            session.read(0, "scores").unwrap()
        });
        let gap = distance(&results[0], &results[1]);
        assert!(gap < 2e-6, "{layers}: {gap}");
    }
}

#[test]
fn a_bias_in_front_of_a_batch_norm_has_no_gradient_to_sum() {
    let sums = |layers: &str| {
        let layers = format!("conv2d 4 3x3 {layers} -> relu; flatten -> linear 10 bias=false");
        let graph = training(&experiment(&layers, "sgd lr=0.1"), 4);
        let is_of_channels = |graph: &Graph| {
            let nodes = graph.values().map(|value| graph.node(value));
            nodes.filter(|node| node.attrs.get_ints("axes") == [0, 2, 3]).count()
        };
        [is_of_channels(&graph), is_of_channels(&optimize(graph.clone()).unwrap())]
    };
    assert_eq!(sums("-> batch_norm"), [1, 0]);
    assert_eq!(sums("bias=false -> batch_norm"), [0, 0]);
    assert_eq!(sums("-> group_norm 2")[1], sums("-> group_norm 2")[0], "a group mixes channels");
}

/// What is left of a batch norm, sums and relus in front of the outputs: `build` takes the batch norm, its input
/// and a value of another shape.
fn left(build: impl Fn(&mut Builder, [Value; 3]) -> Vec<Value>) -> [usize; 3] {
    let mut builder = Builder::new();
    let x = builder.input("x", &Shape::from([3, 2, 4]));
    let wide = builder.input("wide", &Shape::from([2, 1]));
    let moments = builder.input("moments", &Shape::from([2, 2]));
    let scale = builder.input("scale", &Shape::from([2]));
    let attrs = Attrs::new().float("epsilon", 1e-5).text("statistics", "batch");
    let norm = builder.apply(op("batch_norm"), attrs, &[x, moments, scale, scale]).unwrap();
    for (i, value) in build(&mut builder, [norm, x, wide]).into_iter().enumerate() {
        builder.output(&i.to_string(), value);
    }
    let graph = builder.finish();
    let fused = optimize(graph.clone()).unwrap();
    let [expected, actual] = [graph.clone(), fused].map(|graph| run(graph, &Cpu, 1));
    for ((_, expected), (_, actual)) in expected.iter().zip(&actual) {
        assert!(distance(expected, actual) < 1e-6);
    }
    let before = before_joining(graph);
    ["batch_norm", "add", "relu"].map(|name| count(&before, name))
}

#[test]
fn what_others_read_is_not_swallowed() {
    let apply = |builder: &mut Builder, name: &str, inputs: &[Value]| {
        builder.apply(op(name), Attrs::new(), inputs).unwrap()
    };
    let left_of_sum = |operands: fn([Value; 3]) -> [Value; 2]| {
        left(|builder, values| {
            let sum = apply(builder, "add", &operands(values));
            vec![apply(builder, "relu", &[sum])]
        })
    };
    assert_eq!(left_of_sum(|[norm, x, _]| [norm, x]), [1, 0, 0]);
    assert_eq!(left_of_sum(|[norm, x, _]| [x, norm]), [1, 0, 0]);
    assert_eq!(left_of_sum(|[norm, ..]| [norm, norm]), [1, 1, 1], "read twice by one node");
    assert_eq!(left_of_sum(|[norm, _, wide]| [norm, wide]), [1, 1, 1], "repeated along an axis");
    let output = left(|builder, [norm, ..]| vec![norm, apply(builder, "relu", &[norm])]);
    assert_eq!(output, [1, 0, 1], "an output");
    let read_twice =
        left(|builder, [norm, ..]| ["relu", "tanh"].map(|name| apply(builder, name, &[norm])).into());
    assert_eq!(read_twice, [1, 0, 1], "read by two nodes");
    let sum_read_twice = left(|builder, [norm, x, _]| {
        let sum = apply(builder, "add", &[norm, x]);
        ["relu", "tanh"].map(|name| apply(builder, name, &[sum])).into()
    });
    assert_eq!(sum_read_twice, [1, 0, 1], "the sum is fused, its activation is not");
}
