//! Layers of ours and of a file → which belong to each other: in their order, in one of several orders, or by the numbers in their
//! names; or the fault that shows who could be who.

use std::collections::{HashMap, HashSet};

use crate::diag::Fault;
use crate::weights::matching::{Layer, Matching, Need};
use crate::weights::names;

impl Matching<'_> {
    /// The one way that the layers of a file go in the orders that they may have.
    pub(super) fn any_order(
        &self,
        ours: &[Layer<'_>],
        theirs: &[Layer<'_>],
        orders: &[Vec<usize>],
    ) -> Result<Vec<Option<usize>>, Fault> {
        let mut found: Vec<Vec<Option<usize>>> = Vec::new();
        let mut stuck = None;
        for order in orders {
            let ranks: HashMap<usize, usize> = order.iter().enumerate().map(|(rank, &i)| (i, rank)).collect();
            let rank = |layer: &Layer<'_>| layer.parts.first().and_then(|(_, i)| ranks.get(i).copied());
            let mut sorted: Vec<usize> = (0..theirs.len()).collect();
            sorted.sort_by_key(|&their| rank(&theirs[their]).unwrap_or(usize::MAX));
            let arranged: Vec<Layer<'_>> = sorted.iter().map(|&their| theirs[their].clone()).collect();
            match self.one_way(ours, &arranged) {
                Ok(way) => {
                    let way = way.into_iter().map(|their| their.map(|their| sorted[their])).collect();
                    if !found.contains(&way) {
                        found.push(way);
                    }
                }
                Err(Misfit::Nowhere(fault)) => {
                    stuck.get_or_insert(fault);
                }
                Err(Misfit::Unclear(fault)) => return Err(fault),
            }
        }
        match (found.as_slice(), stuck) {
            ([_], _) => Ok(found.remove(0)),
            ([], Some(fault)) => Err(fault),
            ([], None) => self.sequence(ours, theirs),
            ([first, rest @ ..], _) => {
                let differs = |at: &usize| rest.iter().any(|other| other[*at] != first[*at]);
                let at = (0..ours.len()).find(differs).unwrap_or(0);
                let mut candidates: Vec<usize> = found.iter().filter_map(|way| way[at]).collect();
                candidates.sort_unstable();
                candidates.dedup();
                Err(self.unclear(&ours[at], candidates.iter().map(|&their| &theirs[their])))
            }
        }
    }

    /// Refuses pairs that could as well be others: parallel layers of ours with the same shapes, in a file that does not keep
    /// branches apart.
    pub(super) fn in_one_branch(
        &self,
        ours: &[Layer<'_>],
        theirs: &[Layer<'_>],
        pairs: &[Option<usize>],
    ) -> Result<(), Fault> {
        let place = |own: &Layer<'_>| own.parts.first().map(|&(_, at)| &self.targets[at]);
        for (at, own) in ours.iter().enumerate() {
            let (Some(their), Some(target)) = (pairs[at], place(own)) else { continue };
            for (other, second) in ours.iter().enumerate().skip(at + 1) {
                let (Some(theirs_of_other), Some(second)) = (pairs[other], place(second)) else { continue };
                let alike =
                    target.shape == second.shape && self.pair(own, &theirs[theirs_of_other]).is_some();
                if alike && !reaches(&target.wires, target.layer, second.layer) {
                    return Err(self
                        .unclear(own, [their, theirs_of_other].into_iter().map(|their| &theirs[their]))
                        .note("the file does not say which layer is in which branch")
                        .advise("a `.keras` file (`model.save(\"model.keras\")`), which says it"));
                }
            }
        }
        Ok(())
    }

    /// The fault of a layer that several of theirs fit.
    fn unclear<'l>(&self, own: &Layer<'_>, candidates: impl Iterator<Item = &'l Layer<'l>> + Clone) -> Fault {
        let message = format!(
            "fits in more than one way: `{}` ({}) could be {}",
            own.name,
            self.own_shapes(own),
            names::listed(candidates.clone().map(|layer| layer.name))
        );
        let lines = candidates.map(|their| self.line(own, their));
        lines.take(1).fold(self.fault(message), |fault, line| {
            fault.advise(format!("`--map FILE` with a line such as {line}"))
        })
    }

    /// The line of a map that gives one of our layers the numbers of one of theirs.
    fn line(&self, own: &Layer<'_>, their: &Layer<'_>) -> String {
        let whole = their.parts.first().map_or("", |&(_, i)| self.tensor(i).name.as_str());
        let joint = whole.get(their.name.len()..).and_then(|rest| rest.chars().next()).unwrap_or('.');
        format!("`{}.* {}{joint}*`", own.name, their.name)
    }

    pub(super) fn sequence(
        &self,
        ours: &[Layer<'_>],
        theirs: &[Layer<'_>],
    ) -> Result<Vec<Option<usize>>, Fault> {
        self.one_way(ours, theirs).map_err(|misfit| match misfit {
            Misfit::Nowhere(fault) | Misfit::Unclear(fault) => fault,
        })
    }

    /// The one way in which our layers stand in the file in their order, others between them or not. Where only the head finds
    /// no place, it has none.
    fn one_way(&self, ours: &[Layer<'_>], theirs: &[Layer<'_>]) -> Result<Vec<Option<usize>>, Misfit> {
        let first = self.first_way(ours, theirs);
        let (n, first) = match first {
            Ok(first) => (ours.len(), first),
            Err(stuck) => {
                let n = ours.len() - usize::from(ours.last().is_some_and(|last| self.is_head(last)));
                let without_head = self.first_way(&ours[..n], theirs);
                match without_head {
                    Ok(first) if self.need == Need::Trunk && n < ours.len() => (n, first),
                    _ => return Err(Misfit::Nowhere(self.stuck(ours, theirs, stuck))),
                }
            }
        };
        let last = self.last_way(&ours[..n], theirs);
        if let Some(at) = (0..n).find(|&at| last.get(at) != Some(&first[at])) {
            let fits = |their: &&Layer<'_>| self.pair(&ours[at], their).is_some();
            return Err(Misfit::Unclear(self.unclear(&ours[at], theirs.iter().filter(fits))));
        }
        let mut ways: Vec<Option<usize>> = first.into_iter().map(Some).collect();
        ways.resize(ours.len(), None);
        Ok(ways)
    }

    /// Each of our layers on the first of theirs that it fits, after the one before it; or the place where there is none.
    fn first_way(&self, ours: &[Layer<'_>], theirs: &[Layer<'_>]) -> Result<Vec<usize>, usize> {
        let mut next = 0;
        let mut way = Vec::with_capacity(ours.len());
        for (at, own) in ours.iter().enumerate() {
            let found = (next..theirs.len()).find(|&their| self.pair(own, &theirs[their]).is_some());
            let found = found.ok_or(at)?;
            way.push(found);
            next = found + 1;
        }
        Ok(way)
    }

    /// The same from the end.
    fn last_way(&self, ours: &[Layer<'_>], theirs: &[Layer<'_>]) -> Vec<usize> {
        let mut end = theirs.len();
        let mut way = Vec::with_capacity(ours.len());
        for own in ours.iter().rev() {
            let Some(found) = (0..end).rev().find(|&their| self.pair(own, &theirs[their]).is_some()) else {
                break;
            };
            way.push(found);
            end = found;
        }
        way.reverse();
        way
    }

    /// What is told where a layer finds no place in the order.
    fn stuck(&self, ours: &[Layer<'_>], theirs: &[Layer<'_>], at: usize) -> Fault {
        let own = &ours[at];
        let mut fault = self.fault(format!("has no place for `{}` ({})", own.name, self.own_shapes(own)));
        // As far as both sides agree, one by one.
        let agree =
            ours.iter().zip(theirs).take_while(|(own, their)| self.pair(own, their).is_some()).count();
        if let (Some(first), Some(their)) = (ours.get(agree), theirs.get(agree)) {
            let place = match agree {
                0 => "at the beginning".to_owned(),
                n => format!("after `{}`, which is `{}`", theirs[n - 1].name, ours[n - 1].name),
            };
            fault = fault.note(format!(
                "{place}, the file has `{}` ({}), the model `{}` ({})",
                their.name,
                self.shapes(their),
                first.name,
                self.own_shapes(first)
            ));
        }
        fault = fault.note(format!(
            "the model has {} layers with weights, the file {}",
            ours.len(),
            theirs.len()
        ));
        // Layers that fit it, but not in this order.
        let fits: Vec<&Layer<'_>> = theirs.iter().filter(|their| self.pair(own, their).is_some()).collect();
        if let Some(first) = fits.first() {
            let names = names::listed(fits.iter().map(|layer| layer.name));
            fault = fault
                .note(format!("of its shapes, the file has {names}"))
                .advise(format!("`--map FILE` with a line such as {}", self.line(own, first)));
        }
        match own.parts.first() {
            Some(&(_, target)) => self.with_remedies(fault, &self.targets[target]),
            None => fault,
        }
    }

    /// For files that keep no order: layers of the same shapes are paired in the order of the numbers in their names.
    pub(super) fn by_shape(
        &self,
        ours: &[Layer<'_>],
        theirs: &[Layer<'_>],
    ) -> Result<Vec<Option<usize>>, Fault> {
        let mut ways = vec![None; ours.len()];
        let mut free: Vec<usize> = (0..theirs.len()).collect();
        for at in 0..ours.len() {
            if ways[at].is_some() {
                continue;
            }
            let fits: Vec<usize> = free
                .iter()
                .copied()
                .filter(|&their| self.pair(&ours[at], &theirs[their]).is_some())
                .collect();
            let alike: Vec<usize> = match fits.first() {
                Some(&one) => (at..ours.len())
                    .filter(|&own| ways[own].is_none() && self.pair(&ours[own], &theirs[one]).is_some())
                    .collect(),
                None => vec![at],
            };
            if fits.is_empty() && self.is_head(&ours[at]) && self.need == Need::Trunk {
                continue;
            }
            if fits.is_empty() {
                return Err(self.stuck_unordered(&ours[at]));
            }
            let (fits, unknown) = sorted(fits, theirs);
            let why = match (unknown, fits.len() == alike.len()) {
                (None, true) => None,
                (Some((a, b)), _) => Some(format!(
                    "names do not tell whether `{}` or `{}` is first",
                    theirs[a].name, theirs[b].name
                )),
                (None, false) => {
                    Some(format!("the file has {} such layers, the model {}", fits.len(), alike.len()))
                }
            };
            if let Some(why) = why {
                let message = format!(
                    "keeps no order, and more than one layer has the shapes of `{}` ({}): {}",
                    ours[at].name,
                    self.own_shapes(&ours[at]),
                    names::listed(fits.iter().map(|&their| theirs[their].name))
                );
                let line = self.line(&ours[at], &theirs[fits[0]]);
                let example = format!("`--map FILE` with a line such as {line}");
                return Err(self
                    .fault(message)
                    .note(why)
                    .advise(example)
                    .advise("the PyTorch file (.pth), which keeps the order"));
            }
            for (own, their) in alike.into_iter().zip(fits) {
                ways[own] = Some(their);
                free.retain(|&left| left != their);
            }
        }
        Ok(ways)
    }

    fn stuck_unordered(&self, own: &Layer<'_>) -> Fault {
        let fault =
            self.fault(format!("has no layer of the shapes of `{}` ({})", own.name, self.own_shapes(own)));
        let unclear = self.offers().into_iter().find_map(|i| Some((i, self.tensor(i).trouble.as_ref()?)));
        let fault = match unclear {
            Some((i, why)) => fault.note(format!("the file has `{}`, which {why}", self.tensor(i).name)),
            None => fault,
        };
        match own.parts.first() {
            Some(&(_, target)) => self.with_remedies(fault, &self.targets[target]),
            None => fault,
        }
    }
}

/// Why layers find no one way.
enum Misfit {
    /// There is none.
    Nowhere(Fault),
    /// There are several.
    Unclear(Fault),
}

/// Whether what the layer at `from` gives is needed for what the one at `to` gives.
fn reaches(wires: &[Vec<usize>], from: usize, to: usize) -> bool {
    let (mut open, mut seen) = (vec![to], HashSet::new());
    while let Some(at) = open.pop() {
        if at == from {
            return true;
        }
        // A layer takes only what stands before it.
        if at > from && seen.insert(at) {
            open.extend(wires.get(at).into_iter().flatten());
        }
    }
    false
}

/// Layers by the numbers in their names, and two of which the names do not tell which is first. Put in one by one: names need
/// not be in a total order, without which sorting may panic.
fn sorted(layers: Vec<usize>, theirs: &[Layer<'_>]) -> (Vec<usize>, Option<(usize, usize)>) {
    let (mut sorted, mut unknown) = (Vec::with_capacity(layers.len()), None);
    for layer in layers {
        let at = sorted.partition_point(|&other: &usize| {
            match names::compare(theirs[other].name, theirs[layer].name) {
                Some(order) => order.is_le(),
                None => {
                    unknown.get_or_insert((other, layer));
                    true
                }
            }
        });
        sorted.insert(at, layer);
    }
    (sorted, unknown)
}
