//! Lines `group "PATTERN" …`: what holds for the layers and parameters of some names alone.

use crate::data::glob::is_like;
use crate::graph::StateKind;
use crate::model::{Instance, Model};
use crate::source::Span;
use crate::spec::section::{Lines, Registry};
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub static REGISTRY: Registry = Registry {
    title: "Groups",
    intro: "Settings for some of the layers. The line may appear more than once.",
    one: "group",
    specs: || vec![&SPEC],
};

static SPEC: Spec = Spec {
    name: "group",
    summary: "settings for the layers whose names match a pattern",
    docs: "The pattern is matched against the names of layers as `dslc summary` shows them, such as `conv1` or `backbone.conv1`, \
           and of their parameters, such as `conv1.bias`. `*` stands for any characters, `?` for one. A pattern that matches \
           nothing is an error. If several lines match, a later line overrides the settings that it gives.\n\n\
           The schedule and its warm-up scale every `lr` by the same factor.\n\n\
           Frozen parameters stay as they are, bit for bit, and cost no backward pass. A frozen `batch_norm` normalises with its \
           running statistics, as in evaluation, and does not update them. With `statistics=batch` it normalises with those of \
           the batch and updates the running ones.",
    params: &[
        positional("pattern", Kind::Text, Preset::Required, "names of layers or parameters"),
        keyword("lr", Kind::Number { min: 0.0, max: 1e3 }, Preset::Absent, "their learning rate"),
        keyword(
            "weight_decay",
            Kind::Number { min: 0.0, max: 10.0 },
            Preset::Absent,
            "pulls their weights towards 0",
        ),
        keyword("freeze", Kind::Bool, Preset::Absent, "whether to leave them unchanged"),
        keyword(
            "statistics",
            Kind::Choice(&["running", "batch"]),
            Preset::Absent,
            "what a frozen `batch_norm` normalises with; `running` by default",
        ),
    ],
    example: "group \"backbone.*\" lr=1e-4",
    elsewhere: &["param_groups", "parameter_groups", "freeze", "trainable", "requires_grad", "lr_mult"],
};

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub pattern: String,
    /// Where the pattern stands.
    pub span: Span,
    terms: Given,
}

/// What a line gives.
#[derive(Clone, Debug, Default, PartialEq)]
struct Given {
    lr: Option<f64>,
    weight_decay: Option<f64>,
    freeze: Option<bool>,
    statistics: Option<Statistics>,
}

/// What a frozen batch norm normalises with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statistics {
    #[default]
    Running,
    Batch,
}

/// What holds for a parameter, or for a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms {
    /// Where they are others than the optimizer's.
    pub lr: Option<f64>,
    pub weight_decay: Option<f64>,
    pub freeze: bool,
    pub statistics: Statistics,
}

/// The groups of a section, in the order of the text; `None` where one is wrong, which has been reported.
pub fn of(lines: &Lines<'_>) -> Option<Vec<Group>> {
    let own = lines.lines.iter().filter(|line| line.spec.name == SPEC.name);
    own.map(|line| group(&line.found.as_ref()?.args)).collect()
}

fn group(args: &Args) -> Option<Group> {
    let statistics = |word: &str| if word == "batch" { Statistics::Batch } else { Statistics::Running };
    let terms = Given {
        lr: args.number_if_given("lr").ok()?,
        weight_decay: args.number_if_given("weight_decay").ok()?,
        freeze: args.get("freeze").map(|_| args.bool("freeze")).transpose().ok()?,
        statistics: args
            .get("statistics")
            .map(|_| args.word("statistics").map(statistics))
            .transpose()
            .ok()?,
    };
    Some(Group { pattern: args.word("pattern").ok()?.to_owned(), span: args.span("pattern")?, terms })
}

impl Group {
    /// Whether it is about a parameter, such as `block.conv1.weight`: by its whole name or by that of its layer.
    pub fn fits(&self, parameter: &str) -> bool {
        is_like(&self.pattern, parameter) || self.fits_layer(layer_of(parameter))
    }

    /// Whether it is about all of a layer: by its name, or as all that is in it.
    pub fn fits_layer(&self, layer: &str) -> bool {
        let inside = self.pattern.strip_suffix(".*");
        is_like(&self.pattern, layer) || inside.is_some_and(|outer| is_like(outer, layer))
    }
}

/// What the groups say of a parameter.
pub fn terms(groups: &[Group], parameter: &str) -> Terms {
    joined(groups.iter().filter(|group| group.fits(parameter)))
}

/// What the groups say of a layer as a whole.
pub fn terms_of_layer(groups: &[Group], layer: &str) -> Terms {
    joined(groups.iter().filter(|group| group.fits_layer(layer)))
}

fn joined<'a>(groups: impl Iterator<Item = &'a Group>) -> Terms {
    groups.fold(Terms::default(), |before, Group { terms, .. }| Terms {
        lr: terms.lr.or(before.lr),
        weight_decay: terms.weight_decay.or(before.weight_decay),
        freeze: terms.freeze.unwrap_or(before.freeze),
        statistics: terms.statistics.unwrap_or(before.statistics),
    })
}

/// Whether a layer does in training what it does in evaluation: it has statistics, and is frozen with them.
pub fn is_settled(groups: &[Group], layer: &Instance) -> bool {
    let mut parameters = layer.inferred.iter().flat_map(|inferred| &inferred.parameters);
    let terms = terms_of_layer(groups, &layer.name);
    parameters.any(|own| own.kind == StateKind::Buffer)
        && terms.freeze
        && terms.statistics == Statistics::Running
}

/// The layer of a parameter.
pub fn layer_of(parameter: &str) -> &str {
    parameter.rsplit_once('.').map_or(parameter, |(layer, _)| layer)
}

/// Everything that a model can learn, by names such as `block.conv1.weight`.
pub fn parameters(model: &Model) -> impl Iterator<Item = String> + '_ {
    model.layers.iter().flat_map(|instance| {
        let own = instance.inferred.iter().flat_map(|inferred| &inferred.parameters);
        own.filter(|own| own.kind == StateKind::Parameter)
            .map(move |own| format!("{}.{}", instance.name, own.name))
    })
}
