//! Merges nodes with the same op, attributes and inputs. Every op is a pure function, random masks included:
//! their stream is an attribute.

use std::collections::BTreeMap;

use crate::diag::Fault;
use crate::graph::attrs::Attrs;
use crate::graph::{Graph, Value};
use crate::passes::{Pass, rebuild};

pub struct CommonSubexpressions;

impl Pass for CommonSubexpressions {
    fn name(&self) -> &'static str {
        "cse"
    }

    fn run(&self, graph: &Graph) -> Result<Graph, Fault> {
        let mut seen: BTreeMap<(&'static str, Attrs, Vec<Value>), Value> = BTreeMap::new();
        rebuild(graph, |builder, value, node, inputs| {
            if node.name.is_some() {
                return Ok(Some(builder.copy(graph, value, inputs)));
            }
            let key = (node.op.name(), node.attrs.clone(), inputs.to_vec());
            Ok(Some(*seen.entry(key).or_insert_with(|| builder.copy(graph, value, inputs))))
        })
    }
}
