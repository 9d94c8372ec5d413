//! The states of a model + the tensors of a file → which tensor each state takes, or why none; every tensor that is left,
//! and why. Nothing is guessed: where two ways would fit, the candidates are told.
//!
//! Names decide where all are the same. Else whole layers are paired, in their order, by the shapes of all their tensors: of
//! single tensors only few have a shape of their own, while the sequence of a network's layers hardly ever fits twice.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::diag::{Fault, codes};
use crate::graph::StateKind;
use crate::model::Model;
use crate::weights::fitting::{fitting, flattened, is_kernel};
use crate::weights::map::{Map, Pattern};
use crate::weights::names;
use crate::weights::tensors::{File, Sequence, Tensor, fault, shown};

/// A parameter or statistic of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub name: String,
    /// Its name in files of before layers had names of their own.
    pub stream: String,
    pub shape: Vec<usize>,
    pub kind: StateKind,
    /// The place of its layer in the model.
    pub layer: usize,
    /// Whether it is of the last layer that learns anything: that which a change of the classes changes.
    pub is_head: bool,
    /// Channels, height and width of the image whose pixels its layer takes one after the other.
    pub flattened: Option<[usize; 3]>,
}

/// Those of a model, in its order.
pub fn targets(model: &Model) -> Vec<Target> {
    let head = model.layers.iter().rposition(|instance| instance.n_parameters() > 0);
    let own = model.layers.iter().enumerate().flat_map(|(layer, instance)| {
        let flattened = flattened(model, instance);
        let parameters = instance.inferred.iter().flat_map(|inferred| &inferred.parameters);
        parameters.map(move |p| Target {
            name: format!("{}.{}", instance.name, p.name),
            stream: format!("{}.{}", instance.stream, p.name),
            shape: p.shape.dims().to_vec(),
            kind: p.kind,
            layer,
            is_head: Some(layer) == head,
            flattened,
        })
    });
    own.collect()
}

/// How a state found its tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// They are called the same.
    Name,
    /// Layers in their order have the same shapes.
    Order,
    /// The user says so.
    Map,
}

/// What is done with the numbers on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Nothing,
    /// The same numbers in other extents: a fully connected layer as a convolution or the other way round.
    Reshaped,
    /// Axes change places, as Keras has them: the tensor's axis of each of ours.
    Turned(Vec<usize>),
    /// The same of a tensor in these extents: pixels that Keras flattens with their channels last.
    Unflattened {
        extents: Vec<usize>,
        axes: Vec<usize>,
    },
}

/// What becomes of a state.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    Taken {
        from: usize,
        way: Way,
        change: Change,
    },
    /// It begins as in a new model; and why.
    Fresh(String),
}

/// What becomes of every state of a model and of every tensor of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Of each target.
    pub fates: Vec<Fate>,
    /// Tensors that nothing takes, and why.
    pub left: Vec<(usize, String)>,
}

/// What must have been found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Everything.
    All,
    /// Everything but the head, which a change of the classes changes.
    Trunk,
}

/// What the user says of it.
#[derive(Clone, Debug)]
pub struct Wishes {
    pub map: Map,
    /// Layers that begin anew.
    pub fresh: Vec<Pattern>,
    pub need: Need,
}

impl Wishes {
    pub fn new(need: Need) -> Wishes {
        Wishes { map: Map::default(), fresh: Vec::new(), need }
    }
}

/// Pairs a model's states with a file's tensors.
pub fn plan(targets: &[Target], file: &File, wishes: &Wishes) -> Result<Plan, Fault> {
    let mut matching = Matching {
        targets,
        file,
        need: wishes.need,
        fates: vec![None; targets.len()],
        taken: HashSet::new(),
        left: BTreeMap::new(),
    };
    for (i, tensor) in file.tensors.iter().enumerate() {
        if let Some(what) = names::no_weight(&tensor.name) {
            matching.left.insert(i, what.to_owned());
        }
    }
    matching.as_mapped(&wishes.map)?;
    matching.fresh(&wishes.fresh)?;
    matching.by_name()?;
    matching.by_order()?;
    let unused = |i: &usize| !matching.taken.contains(i) && !matching.left.contains_key(i);
    let rest: Vec<usize> = (0..file.tensors.len()).filter(unused).collect();
    matching.left.extend(rest.into_iter().map(|i| (i, "of a layer that the model does not have".to_owned())));
    let lost = || Fault::internal("a state without a fate");
    let fates = matching.fates.into_iter().map(|fate| fate.ok_or_else(lost)).collect::<Result<_, _>>()?;
    Ok(Plan { fates, left: matching.left.into_iter().collect() })
}

struct Matching<'a> {
    targets: &'a [Target],
    file: &'a File,
    need: Need,
    fates: Vec<Option<Fate>>,
    taken: HashSet<usize>,
    left: BTreeMap<usize, String>,
}

/// A layer on either side: its numbers by what they are called in it.
struct Layer<'a> {
    name: &'a str,
    /// What each is called, and its place among the targets or tensors.
    parts: Vec<(&'a str, usize)>,
}

impl<'a> Matching<'a> {
    fn fault(&self, message: impl std::fmt::Display) -> Fault {
        fault(&self.file.path, message)
    }

    fn tensor(&self, at: usize) -> &'a Tensor {
        &self.file.tensors[at]
    }

    fn take(&mut self, target: usize, from: usize, way: Way, change: Change) {
        self.fates[target] = Some(Fate::Taken { from, way, change });
        self.taken.insert(from);
    }

    fn as_mapped(&mut self, map: &Map) -> Result<(), Fault> {
        let pairs = map.pairs(self.targets.iter().map(|target| target.name.as_str()));
        let pairs = pairs.map_err(|what| {
            Fault::new(codes::DATA_FILE, format!("the map says in {what}"))
                .advise("names as `dslc summary` has them")
        })?;
        for (target, theirs, line) in pairs {
            let Some(from) = self.file.tensors.iter().position(|tensor| tensor.name == theirs) else {
                let known = self.file.tensors.iter().map(|tensor| tensor.name.as_str());
                let fault = self.fault(format!("has no `{theirs}`, which line {line} of the map names"));
                return Err(match crate::diag::nearest(&theirs, known.clone()) {
                    Some(near) => fault.advise(format!("`{}`", near.word)),
                    None => fault.note(format!("it has {}", names::listed(known))),
                });
            };
            let own = &self.targets[target];
            let Some(change) = fitting(own, self.tensor(from)) else {
                let found = shown(&self.tensor(from).shape);
                let message = format!(
                    "has `{theirs}` as {found}, but `{}` is {} (line {line} of the map)",
                    own.name,
                    shown(&own.shape)
                );
                return Err(self.fault(message).advise("another tensor"));
            };
            self.take(target, from, Way::Map, change);
        }
        Ok(())
    }

    fn fresh(&mut self, patterns: &[Pattern]) -> Result<(), Fault> {
        for pattern in patterns {
            let own: Vec<usize> =
                (0..self.targets.len()).filter(|&at| pattern.names(&self.targets[at].name)).collect();
            if own.is_empty() {
                let message = format!("no layer is called `{}`, so it cannot start afresh", pattern.text);
                return Err(Fault::new(codes::DATA_FILE, message).advise("names as `dslc summary` has them"));
            }
            for at in own {
                self.fates[at].get_or_insert_with(|| Fate::Fresh("as you asked".to_owned()));
            }
        }
        Ok(())
    }

    /// Takes what is called the same: all of it, or in a file of dslc's what there is.
    fn by_name(&mut self) -> Result<(), Fault> {
        let open: Vec<usize> = (0..self.targets.len()).filter(|&at| self.fates[at].is_none()).collect();
        let offers: Vec<usize> = self.offers();
        let prefix = names::wrapped(offers.iter().map(|&i| self.tensor(i).name.as_str()));
        let known: HashMap<&str, usize> =
            offers.iter().map(|&i| (&self.tensor(i).name[prefix..], i)).collect();
        let is_own = self.file.card.is_some();
        let found: Vec<(usize, usize)> =
            open.iter().filter_map(|&at| Some((at, *known.get(self.targets[at].name.as_str())?))).collect();
        let missed = open.iter().filter(|&&at| !found.iter().any(|(own, _)| *own == at));
        let all = missed.clone().all(|&at| self.targets[at].is_head);
        if !is_own && (!all || found.is_empty()) {
            return Ok(());
        }
        for (at, from) in found {
            let (own, tensor) = (&self.targets[at], self.tensor(from));
            match fitting(own, tensor) {
                Some(change) => self.take(at, from, Way::Name, change),
                None if own.is_head && self.need == Need::Trunk => {
                    let why = format!("the file has it as {}", shown(&tensor.shape));
                    self.fates[at] = Some(Fate::Fresh(why));
                    self.left.insert(from, format!("here it is {}", shown(&own.shape)));
                }
                None => {
                    let [is, was] = [&own.shape, &tensor.shape].map(|shape| shown(shape));
                    let fault = self.fault(format!("has `{}` as {was}, but here it is {is}", own.name));
                    return Err(self.with_remedies(fault, own));
                }
            }
        }
        Ok(())
    }

    /// The ways out for a state that finds nothing.
    fn with_remedies(&self, fault: Fault, target: &Target) -> Fault {
        let layer = names::parted(&target.name).0;
        let fault = fault.advise(format!(
            "weights of the same model, or a map: `--map FILE` with a line `{} THEIRS`",
            target.name
        ));
        match self.need {
            Need::Trunk => fault.advise(format!(
                "`fresh=\"{layer}\"` after `weights`, or `--fresh {layer}`: it starts afresh"
            )),
            Need::All => fault,
        }
    }

    /// Tensors that nothing has taken and that are weights.
    fn offers(&self) -> Vec<usize> {
        let free = |i: &usize| !self.taken.contains(i) && !self.left.contains_key(i);
        (0..self.file.tensors.len()).filter(free).collect()
    }

    /// Pairs what is left on both sides, layer by layer.
    fn by_order(&mut self) -> Result<(), Fault> {
        let open: Vec<usize> = (0..self.targets.len()).filter(|&at| self.fates[at].is_none()).collect();
        if open.is_empty() {
            return Ok(());
        }
        let offers = self.offers();
        if let Some((name, why)) =
            offers.iter().find_map(|&i| Some((&self.tensor(i).name, names::refused(&self.tensor(i).name)?)))
        {
            return Err(self
                .fault(format!("has `{name}`, which {why}"))
                .advise("save the model again without it"));
        }
        let ours = layers(open.iter().map(|&at| (self.targets[at].name.as_str(), at)));
        let theirs = layers(offers.iter().map(|&i| (self.tensor(i).name.as_str(), i)));
        let pairs = match self.file.sequence {
            Sequence::Kept => self.sequence(&ours, &theirs)?,
            Sequence::Lost => self.by_shape(&ours, &theirs)?,
        };
        for (own, their) in pairs.into_iter().enumerate() {
            match their {
                Some(their) => {
                    for (at, from, change) in self.pair(&ours[own], &theirs[their]).unwrap_or_default() {
                        self.take(at, from, Way::Order, change);
                    }
                }
                None => {
                    for &(_, at) in &ours[own].parts {
                        let why = match theirs.last() {
                            Some(last) => {
                                format!("the file's last layer is `{}`, {}", last.name, self.shapes(last))
                            }
                            None => "the file has no other layer".to_owned(),
                        };
                        self.fates[at] = Some(Fate::Fresh(why));
                    }
                }
            }
        }
        Ok(())
    }

    /// How the numbers of two layers pair, where all do: targets, tensors, and what is done with them.
    fn pair(&self, ours: &Layer<'_>, theirs: &Layer<'_>) -> Option<Vec<(usize, usize, Change)>> {
        if ours.parts.len() != theirs.parts.len() {
            return None;
        }
        let own = ours.parts.iter().map(|&(part, at)| {
            let called = |name: &str| name == part || names::canonical(name) == part || is_kernel(name, part);
            let &(_, from) = theirs.parts.iter().find(|(name, _)| called(name))?;
            let target = &self.targets[at];
            Some((at, from, fitting(target, self.tensor(from))?))
        });
        own.collect()
    }

    /// `weight 64x3x7x7, bias 64` of a layer in the file.
    fn shapes(&self, layer: &Layer<'_>) -> String {
        let own = layer.parts.iter().map(|(part, i)| format!("{part} {}", shown(&self.tensor(*i).shape)));
        own.collect::<Vec<_>>().join(", ")
    }

    fn own_shapes(&self, layer: &Layer<'_>) -> String {
        let own = layer.parts.iter().map(|(part, at)| format!("{part} {}", shown(&self.targets[*at].shape)));
        own.collect::<Vec<_>>().join(", ")
    }

    fn is_head(&self, layer: &Layer<'_>) -> bool {
        layer.parts.iter().all(|&(_, at)| self.targets[at].is_head)
    }

    /// The one way in which our layers stand in the file in their order, others between them or not. Where only the head finds
    /// no place, it has none.
    fn sequence(&self, ours: &[Layer<'_>], theirs: &[Layer<'_>]) -> Result<Vec<Option<usize>>, Fault> {
        let first = self.first_way(ours, theirs);
        let (n, first) = match first {
            Ok(first) => (ours.len(), first),
            Err(stuck) => {
                let n = ours.len() - usize::from(ours.last().is_some_and(|last| self.is_head(last)));
                let without_head = self.first_way(&ours[..n], theirs);
                match without_head {
                    Ok(first) if self.need == Need::Trunk && n < ours.len() => (n, first),
                    _ => return Err(self.stuck(ours, theirs, stuck)),
                }
            }
        };
        let last = self.last_way(&ours[..n], theirs);
        if let Some(at) = (0..n).find(|&at| last.get(at) != Some(&first[at])) {
            let fits = |their: &&Layer<'_>| self.pair(&ours[at], their).is_some();
            let candidates: Vec<&Layer<'_>> = theirs.iter().filter(fits).collect();
            let message = format!(
                "fits in more than one way: `{}` ({}) could be {}",
                ours[at].name,
                self.own_shapes(&ours[at]),
                names::listed(candidates.iter().map(|layer| layer.name))
            );
            let example = candidates.first().map_or("THEIRS", |layer| layer.name);
            let fault = self.fault(message);
            return Err(
                fault.advise(format!("`--map FILE` with a line such as `{}.* {example}.*`", ours[at].name))
            );
        }
        let mut ways: Vec<Option<usize>> = first.into_iter().map(Some).collect();
        ways.resize(ours.len(), None);
        Ok(ways)
    }

    /// Each of our layers on the first of theirs behind the last that it fits; or the place where there is none.
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

    /// The same from behind.
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
            let behind = match agree {
                0 => "at the beginning".to_owned(),
                n => format!("after `{}`, which is `{}`", theirs[n - 1].name, ours[n - 1].name),
            };
            fault = fault.note(format!(
                "{behind}, the file has `{}` ({}), the model `{}` ({})",
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
        match own.parts.first() {
            Some(&(_, target)) => self.with_remedies(fault, &self.targets[target]),
            None => fault,
        }
    }

    /// For files that keep no order: layers of the same shapes are paired in the order of the numbers in their names.
    fn by_shape(&self, ours: &[Layer<'_>], theirs: &[Layer<'_>]) -> Result<Vec<Option<usize>>, Fault> {
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
                let example = format!(
                    "`--map FILE` with a line such as `{}.* {}.*`",
                    ours[at].name, theirs[fits[0]].name
                );
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

/// Layers in the order in which the first of their numbers comes.
fn layers<'a>(names: impl Iterator<Item = (&'a str, usize)>) -> Vec<Layer<'a>> {
    let mut layers: Vec<Layer<'a>> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (name, at) in names {
        let (layer, part) = names::parted(name);
        let place = *known.entry(layer).or_insert_with(|| {
            layers.push(Layer { name: layer, parts: Vec::new() });
            layers.len() - 1
        });
        layers[place].parts.push((part, at));
    }
    layers
}
