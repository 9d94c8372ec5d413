//! Moves the gradient of a relu into the gradient of the max pooling behind it: the pooling reads the relu's
//! result anyway, and so the larger of both gradients is written once.

use crate::diag::Fault;
use crate::graph::Graph;
use crate::ops::max_pool2d::MAX_POOL2D_GRAD;
use crate::passes::{Pass, rebuild};

pub struct FusePool;

impl Pass for FusePool {
    fn name(&self) -> &'static str {
        "fuse_pool"
    }

    fn run(&self, graph: &Graph) -> Result<Graph, Fault> {
        let roots = graph.roots();
        rebuild(graph, |builder, value, node, inputs| {
            if let ("relu_grad", [result, grad]) = (node.op.name(), node.inputs.as_slice()) {
                let pool = graph.node(*grad);
                let read_once = !roots.contains(grad) && graph.users(*grad).len() == 1;
                let of_result = pool.op.name() == "max_pool2d_grad" && pool.inputs[0] == *result;
                if read_once && of_result && pool.attrs.get_int("relu") == 0 {
                    let operands = builder.graph().node(inputs[1]).inputs.clone();
                    let attrs = pool.attrs.clone().int("relu", 1);
                    return builder.apply(&MAX_POOL2D_GRAD, attrs, &operands).map(Some);
                }
            }
            Ok(Some(builder.copy(graph, value, inputs)))
        })
    }
}
