//! A session for a few steps keeps nothing that is worked out of weights: its numbers have the same bits, in less memory.

use dslc::graph::Graph;
use dslc::run::{Backend, Cpu, FewSteps};
use dslc::train::program::{inference_graph, optimized};

use crate::support::{bits, check, run};

fn graph(text: &str, batch: usize) -> Graph {
    let (experiment, found) = check(text);
    assert!(!dslc::diag::has_errors(&found), "{found:#?}");
    optimized(inference_graph(experiment.model.as_ref().unwrap(), batch).unwrap()).unwrap()
}

/// Convolutions with norms, of the sizes that kernels of all kinds are for, on one image and on several.
const TEXT: &str = "model M {
    input 3x16x16
    conv2d 32 3x3 padding=1 bias=false -> batch_norm -> relu
    residual {
        conv2d 32 3x3 padding=1 bias=false -> batch_norm -> relu
        depthwise_conv2d 3x3 padding=1 bias=false -> batch_norm
        conv2d 32 1x1 bias=false -> batch_norm
    } shortcut { conv2d 32 1x1 -> batch_norm }
    relu -> max_pool2d 2
    conv2d 64 3x3 padding=1 bias=false -> batch_norm -> relu
    conv2d 64 3x3 padding=1 bias=false -> batch_norm -> relu
    flatten -> linear 128 -> batch_norm -> relu -> linear 10
}
";

#[test]
fn what_is_not_kept_changes_no_bit() {
    for batch in [1, 3] {
        let kept = run(graph(TEXT, batch), &Cpu, 2);
        let dropped = run(graph(TEXT, batch), &FewSteps, 2);
        assert_eq!(bits(&kept), bits(&dropped), "batch {batch}");
    }
}

#[test]
fn what_is_not_kept_takes_no_memory() {
    let block = "conv2d 256 3x3 padding=1 bias=false -> batch_norm -> relu; ".repeat(4);
    let text = format!("model M {{ input 256x8x8; {block} }}");
    let bytes = |backend: &dyn Backend| backend.compile(vec![graph(&text, 1)]).unwrap().bytes();
    let (kept, dropped) = (bytes(&Cpu), bytes(&FewSteps));
    let states = 4 * 4 * (256 * 256 * 9 + 4 * 256);
    // Beside the weights there is one layer's with its norm, and in the order of its kernel, which may be four times as large.
    assert!(kept > 3 * states && dropped < 5 * states / 2, "{kept} {dropped} {states}");
}
