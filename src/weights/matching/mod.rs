//! The states of a model + the tensors of a file → which tensor each state takes, or why none; every tensor that is left,
//! and why. Nothing is guessed: where two ways would fit, the candidates are told.
//!
//! Names decide where all are the same. Else whole layers are paired, in their order, by the shapes of all their tensors: of
//! single tensors only few have a shape of their own, while the sequence of a network's layers hardly ever fits twice.

mod pairing;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use crate::diag::{Fault, codes};
use crate::graph::StateKind;
use crate::model::{Instance, Model};
use crate::weights::fitting::{fitting, flattened, is_kernel};
use crate::weights::map::{Map, Pattern};
use crate::weights::names;
use crate::weights::tensors::{Branches, File, Sequence, Tensor, fault, shown};

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
    /// The layers that each layer of the model takes, by place.
    pub wires: Rc<Vec<Vec<usize>>>,
    /// Whether it is of the last layer that learns anything: that which a change of the classes changes.
    pub is_head: bool,
    /// Whether it is of an auxiliary head.
    pub is_auxiliary: bool,
    /// Channels, height and width of the image whose pixels its layer takes one after the other.
    pub flattened: Option<[usize; 3]>,
}

/// Those of a model, in its order.
pub fn targets(model: &Model) -> Vec<Target> {
    let learns = |at: &usize| model.layers[*at].n_parameters() > 0 && !model.is_auxiliary(*at);
    let head = (0..model.layers.len()).rev().find(learns);
    let inputs = |instance: &Instance| instance.inputs.iter().filter_map(|wire| wire.layer()).collect();
    let wires = Rc::new(model.layers.iter().map(inputs).collect::<Vec<Vec<usize>>>());
    let own = model.layers.iter().enumerate().flat_map(|(layer, instance)| {
        let wires = Rc::clone(&wires);
        let flattened = flattened(model, instance);
        let parameters = instance.inferred.iter().flat_map(|inferred| &inferred.parameters);
        parameters.map(move |p| Target {
            name: format!("{}.{}", instance.name, p.name),
            stream: format!("{}.{}", instance.stream, p.name),
            shape: p.shape.dims().to_vec(),
            kind: p.kind,
            layer,
            wires: Rc::clone(&wires),
            is_head: Some(layer) == head,
            is_auxiliary: model.is_auxiliary(layer),
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
    let has_auxiliary = targets.iter().any(|target| target.is_auxiliary);
    for (i, tensor) in file.tensors.iter().enumerate() {
        let auxiliary = || names::of_auxiliary(&tensor.name).filter(|_| !has_auxiliary);
        if let Some(what) = names::no_weight(&tensor.name).or_else(auxiliary) {
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
#[derive(Clone)]
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
            let Some(from) = self.named(&theirs) else {
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

    /// The tensor of a name that a map gives, where its last part may be what we call it.
    fn named(&self, name: &str) -> Option<usize> {
        let tensors = &self.file.tensors;
        tensors.iter().position(|tensor| tensor.name == name).or_else(|| {
            let (layer, part) = names::parted(name);
            tensors.iter().position(|tensor| {
                let (own, called) = names::parted(&tensor.name);
                own == layer && (names::canonical(called) == part || is_kernel(called, part))
            })
        })
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
        let pairs = match (self.file.sequence, &self.file.branches) {
            (Sequence::Kept, Branches::Orders(orders)) => self.any_order(&ours, &theirs, orders)?,
            (Sequence::Kept, Branches::Apart | Branches::Mixed) => self.sequence(&ours, &theirs)?,
            (Sequence::Lost, _) => self.by_shape(&ours, &theirs)?,
        };
        if self.file.branches == Branches::Mixed {
            self.in_one_branch(&ours, &theirs, &pairs)?;
        }
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
