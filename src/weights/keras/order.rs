//! A description's layers with their wires → the orders in which the layers with arrays may stand in a text that has branches one
//! after another. Keras lists layers by their distance from the input, so that parallel branches take turns.
//!
//! Branches that are concatenated stand in the order of the join. A sum is the same in any order: there the longest
//! branch comes first, or they come as they are given, or turned around, and each of these with one sum the other way round.

use std::collections::HashSet;

/// Sums beyond these are not looked at one by one.
const MAX_SUMS: usize = 500;
/// The most layers and wires that are walked along for all orders together; a larger description has fewer orders.
const MAX_STEPS: usize = 10_000_000;

/// A network's layers, and the one that it gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wiring {
    pub nodes: Vec<Node>,
    pub output: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The nodes that it takes, in the order of the call.
    pub inputs: Vec<usize>,
    pub content: Content,
    /// Its number among all joins whose operands may change places.
    pub sum: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// No arrays.
    Nothing,
    /// The entry of this number.
    Entry(usize),
    Network(Wiring),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    LongestFirst,
    AsGiven,
    TurnedAround,
}

/// How the operands of sums are ordered.
#[derive(Clone, Copy, Debug)]
struct Way {
    rule: Rule,
    /// The sum that is the other way round.
    odd: Option<usize>,
}

/// Every order of the entries' numbers.
pub fn orders(wiring: &Wiring, n_sums: usize) -> Vec<Vec<usize>> {
    let (mut found, mut known) = (Vec::new(), HashSet::new());
    let rules = [Rule::LongestFirst, Rule::AsGiven, Rule::TurnedAround];
    let most = MAX_STEPS / (rules.len() * size(wiring).max(1));
    for odd in std::iter::once(None).chain((0..n_sums.min(MAX_SUMS).min(most)).map(Some)) {
        for rule in rules {
            let mut order = Vec::new();
            walk(wiring, Way { rule, odd }, &mut order);
            if known.insert(order.clone()) {
                found.push(order);
            }
        }
    }
    found
}

/// How many layers and wires there are, inside of networks too.
fn size(wiring: &Wiring) -> usize {
    let of = |node: &Node| match &node.content {
        Content::Network(inner) => 1 + node.inputs.len() + size(inner),
        Content::Nothing | Content::Entry(_) => 1 + node.inputs.len(),
    };
    wiring.nodes.iter().map(of).sum()
}

/// How many entries there are on the longest way to each node, its own among them.
fn lengths(wiring: &Wiring) -> Vec<usize> {
    let mut lengths = vec![0; wiring.nodes.len()];
    for at in visited(wiring, &|node| node.inputs.clone()) {
        let Some(node) = wiring.nodes.get(at) else { continue };
        let before = node.inputs.iter().filter_map(|&input| lengths.get(input)).max();
        let own = match &node.content {
            Content::Nothing => 0,
            Content::Entry(_) => 1,
            Content::Network(inner) => {
                let mut order = Vec::new();
                walk(inner, Way { rule: Rule::AsGiven, odd: None }, &mut order);
                order.len()
            }
        };
        lengths[at] = before.copied().unwrap_or(0) + own;
    }
    lengths
}

fn walk(wiring: &Wiring, way: Way, order: &mut Vec<usize>) {
    let lengths = match way.rule {
        Rule::LongestFirst => lengths(wiring),
        Rule::AsGiven | Rule::TurnedAround => Vec::new(),
    };
    let operands = |node: &Node| {
        let mut inputs = node.inputs.clone();
        let Some(sum) = node.sum else { return inputs };
        match way.rule {
            // Sorting keeps the order of what is as long.
            Rule::LongestFirst => {
                inputs.sort_by_key(|&input| std::cmp::Reverse(lengths.get(input).copied().unwrap_or(0)))
            }
            Rule::AsGiven => {}
            Rule::TurnedAround => inputs.reverse(),
        }
        if way.odd == Some(sum) {
            inputs.reverse();
        }
        inputs
    };
    for at in visited(wiring, &operands) {
        match wiring.nodes.get(at).map(|node| &node.content) {
            Some(Content::Entry(entry)) => order.push(*entry),
            Some(Content::Network(inner)) => walk(inner, way, order),
            Some(Content::Nothing) | None => {}
        }
    }
}

/// The nodes, each after those that it takes; those that the output does not need come last.
fn visited(wiring: &Wiring, operands: &dyn Fn(&Node) -> Vec<usize>) -> Vec<usize> {
    let n = wiring.nodes.len();
    let (mut seen, mut done) = (vec![false; n], Vec::with_capacity(n));
    for root in wiring.output.into_iter().chain(0..n) {
        let mut open: Vec<(usize, Option<std::vec::IntoIter<usize>>)> = vec![(root, None)];
        while let Some((at, rest)) = open.last_mut() {
            let at = *at;
            let rest = match rest {
                Some(rest) => rest,
                None => {
                    if seen.get(at).copied().unwrap_or(true) {
                        open.pop();
                        continue;
                    }
                    seen[at] = true;
                    rest.insert(operands(&wiring.nodes[at]).into_iter())
                }
            };
            match rest.next() {
                Some(input) => open.push((input, None)),
                None => {
                    done.push(at);
                    open.pop();
                }
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::{Content, Node, Wiring, orders};

    fn node(inputs: &[usize], content: Content, sum: Option<usize>) -> Node {
        Node { inputs: inputs.to_vec(), content, sum }
    }

    /// A block as Keras' ResNet lists it: the shortcut's layer stands before the last one of the main branch.
    #[test]
    fn branches_come_one_after_another() {
        let entry = |inputs: &[usize], n| node(inputs, Content::Entry(n), None);
        let mut wiring = Wiring {
            nodes: vec![
                node(&[], Content::Nothing, None),
                entry(&[0], 0),
                entry(&[1], 1),
                entry(&[1], 2),
                entry(&[2], 3),
                node(&[3, 4], Content::Nothing, Some(0)),
                entry(&[5], 4),
            ],
            output: Some(6),
        };
        assert_eq!(orders(&wiring, 1), [[0, 1, 3, 2, 4], [0, 2, 1, 3, 4]]);
        // Concatenated, they keep their order.
        wiring.nodes[5].sum = None;
        assert_eq!(orders(&wiring, 0), [[0, 2, 1, 3, 4]]);
        // A node that takes one that is not there, or itself, takes nothing; no node is lost.
        wiring.nodes[1].inputs = vec![6, 99];
        let mut all = orders(&wiring, 0).remove(0);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4]);
    }
}
