//! Graph + precision → how each value is stored on a device with kernels of its own.
//!
//! With bf16, what follows from the images and has a row of numbers for each of them is stored as bf16, forward and
//! backward, from the first convolution or matrix product on. What sums over images (gradients of weights, statistics),
//! what is one number an image (losses), the states with their updates, and what leaves the graph is f32. Kernels
//! compute in f32 whatever they load.
//!
//! Products give bf16, softmax and logarithms of it f32, and an op of both gives f32, as in PyTorch's autocast ("Autocast
//! Op Reference" of `torch.amp`). That also gives sums, powers, exponentials and the results of layer and group norm as
//! f32; here they are stored as what they read.

use std::collections::BTreeMap;

use crate::graph::op::Op;
use crate::graph::{Graph, Node, Value, leaf};
use crate::kernels::cuda::precision::Precision;
use crate::kernels::cuda::storage::Storage;
use crate::plan::lives::owners;
use crate::plan::rows::Rows;

/// The storage of every value; a view's is that of what it views.
pub fn storages(graph: &Graph, precision: Precision) -> BTreeMap<Value, Storage> {
    match precision {
        Precision::F32 | Precision::Tf32 => graph.values().map(|value| (value, Storage::F32)).collect(),
        Precision::Bf16 => mixed(graph),
    }
}

fn mixed(graph: &Graph) -> BTreeMap<Value, Storage> {
    let owner = owners(graph);
    let rows = Rows::new(graph);
    // Values without one follow from no image: masks, labels, parameters. They are f32, and decide about nothing.
    let mut found: BTreeMap<Value, Storage> = BTreeMap::new();
    let roots: Vec<Value> = graph.roots().iter().map(|root| owner[root]).collect();
    for value in graph.values().filter(|value| owner[value] == *value) {
        let node = graph.node(value);
        if !rows.has(value) || node.shape.rank() < 2 {
            continue;
        }
        let operands = node.inputs.iter().filter_map(|input| found.get(&owner[input]).copied());
        let own = match roots.contains(&value) {
            true => Some(Storage::F32),
            false => storage(node, operands),
        };
        if let Some(own) = own {
            found.insert(value, own);
        }
    }
    let of = |value: Value| found.get(&owner[&value]).copied().unwrap_or_default();
    graph.values().map(|value| (value, of(value))).collect()
}

/// The storage of a value with a row an image, whose operands of that kind are stored so.
fn storage(node: &Node, operands: impl Iterator<Item = Storage>) -> Option<Storage> {
    let name = node.op.name();
    match name {
        "conv2d" | "conv2d_grad_input" | "matmul" => Some(Storage::Bf16),
        "softmax" | "log_softmax" | "one_hot" => Some(Storage::F32),
        _ if name == leaf::INPUT.name() => Some(Storage::F32),
        _ => operands.max(),
    }
}
