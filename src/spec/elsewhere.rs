//! Words and arguments of other tools (PyTorch, Keras, Caffe, Darknet) → what is written here instead.

use crate::diag::{Applicability, Diagnostic, Fix, codes, nearest, same_but_case};
use crate::source::Span;
use crate::spec::Spec;
use crate::syntax::ast::{Argument, Value, ValueKind, Word};

/// How an argument of another tool is said here.
enum Said {
    /// Under this name, with the same value.
    As(&'static str),
    /// The values of its list one by one, under these names.
    Each(&'static [&'static str]),
    /// Perhaps this, though the other tool means something else by it: the difference in words, for a person to decide.
    Near(&'static str, &'static str),
    /// As a layer after this one, which the value names.
    Behind,
    /// It goes without saying, for this reason.
    Needless(&'static str),
    /// It cannot be said, for this reason.
    Not(&'static str),
}

use Said::{As, Behind, Each, Near, Needless, Not};

/// What other tools call arguments. Of several entries for a word, the first holds that the declaration has.
static ARGUMENTS: &[(Said, &[&str])] = &[
    (
        As("channels"),
        &["filters", "out_channels", "num_output", "num_filter", "num_filters", "nb_filter", "out_ch"],
    ),
    (
        As("features"),
        &["units", "out_features", "num_output", "num_units", "num_hidden", "output", "output_dim"],
    ),
    (As("patch"), &["patch_size"]),
    (As("kernel"), &["kernel_size", "pool_size", "filter_size", "kernel_shape", "ksize", "window", "size"]),
    (As("stride"), &["strides", "step", "subsample"]),
    (As("padding"), &["pad", "pads", "pad_size"]),
    (As("dilation"), &["dilation_rate", "dilations", "atrous_rate"]),
    (As("groups"), &["group", "num_groups", "num_group", "n_groups"]),
    (As("bias"), &["use_bias", "bias_term", "has_bias"]),
    (As("in"), &["in_channels", "in_features", "input_channels", "input_dim", "in_ch"]),
    (As("epsilon"), &["eps"]),
    (As("heads"), &["num_heads", "n_heads", "n_head", "nhead", "num_attention_heads"]),
    (As("least"), &["min", "min_value", "min_val", "low"]),
    (As("most"), &["max", "max_value", "max_val", "high"]),
    (As("ceil"), &["ceil_mode"]),
    (As("count_padding"), &["count_include_pad"]),
    (As("alpha"), &["negative_slope", "slope", "init"]),
    (As("scale"), &["scale_factor", "upscale", "factor"]),
    (Near("scale", "`scale` is how many times larger the image becomes, not its size"), &["size"]),
    (As("factor"), &["upscale_factor", "block_size", "scale"]),
    (As("size"), &["output_size", "local_size"]),
    (
        As("p"),
        &["rate", "prob", "probability", "drop_prob", "drop_rate", "dropout_rate", "dropout_ratio", "ratio"],
    ),
    (As("affine"), &["elementwise_affine"]),
    (As("mode"), &["interpolation"]),
    (As("multiplier"), &["depth_multiplier", "channel_multiplier"]),
    (As("shape"), &["target_shape", "new_shape", "unflattened_size"]),
    (As("lr"), &["learning_rate", "base_lr", "learningrate"]),
    (As("weight_decay"), &["decay", "wd"]),
    (As("beta1"), &["beta_1", "b1"]),
    (As("beta2"), &["beta_2", "b2"]),
    (Each(&["beta1", "beta2"]), &["betas"]),
    (As("smoothing"), &["label_smoothing"]),
    (As("every"), &["step_size", "stepsize"]),
    (As("gamma"), &["decay_rate", "drop"]),
    (As("std"), &["stddev", "sigma"]),
    (As("path"), &["root", "dir", "data_dir", "folder"]),
    (Behind, &["activation"]),
    (
        Needless("it is inferred from the input"),
        &[
            "in_channels",
            "in_features",
            "num_features",
            "num_channels",
            "normalized_shape",
            "input_shape",
            "input_dim",
            "embed_dim",
            "d_model",
        ],
    ),
    (Needless("memory is planned"), &["inplace", "in_place"]),
    (Needless("images are channels x height x width"), &["data_format"]),
    (Needless("`--device` on the command line sets it"), &["device"]),
    (Near("over", "axes are named here, not numbered"), &["dim", "axis", "dims", "axes"]),
    (
        Near("axis", "an axis is called by its name: `channels`, `depth`, `height`, `width` or `length`"),
        &["dim"],
    ),
    (Needless("the axis stays, with an extent of 1"), &["keepdim", "keepdims", "keep_dims"]),
    (Not("this word has no choice of axes"), &["dim", "axis"]),
    (Not("a value is named with `as NAME` after the layer"), &["name"]),
    (
        Not("initial weights follow from the layer's kind and the seed"),
        &["kernel_initializer", "bias_initializer", "weight_filler", "bias_filler"],
    ),
    (
        Not("the optimizer's `weight_decay` does this"),
        &["kernel_regularizer", "bias_regularizer", "activity_regularizer"],
    ),
    (Not("`pad … mode=reflect` or `mode=replicate` before it does this"), &["padding_mode"]),
    (Not("`precision` in `train` sets it"), &["dtype"]),
    (Not("all weights are trained"), &["trainable"]),
];

/// Operations that the language does not have, which no word of the language is like, with a way to the same where there
/// is one.
static ABSENT: &[(&[&str], &str)] = &[
    (
        &["min_pool2d", "min_pool1d", "MinPooling2D"],
        "`scale -1 -> max_pool2d KERNEL -> scale -1` gives the minimum",
    ),
    (
        &["pixel_unshuffle", "space_to_depth"],
        "a `conv2d` whose kernel and stride are the factor reads the same pixels",
    ),
    (&["lp_pool2d", "fractional_max_pool2d", "max_unpool2d", "sum_pool2d"], ""),
    (&["transformer", "transformer_encoder"], "`encoder_layer HEADS` is one layer of it"),
    (&["einsum"], "`matmul`, `transpose` and `sum channels` say most of them"),
    (&["rms_norm", "weight_norm", "spectral_norm", "batch_renorm"], ""),
    (&["celu", "rrelu", "crelu", "hardshrink", "softshrink", "softsign", "tanhshrink", "softmin"], ""),
    (&["logsigmoid", "log_sigmoid", "glu", "swiglu", "geglu", "threshold", "bilinear"], ""),
    (
        &["cosine_similarity"],
        "`l2_normalize` on both sides, `multiply` and `sum channels` give the cosine of their angle",
    ),
    (&["alpha_dropout", "dropout1d", "dropout3d", "drop_block", "zoneout"], ""),
    (&["lstm", "gru", "rnn", "embedding"], ""),
    (
        &[
            "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "radam", "adan", "asgd", "lamb", "lars",
            "lion",
        ],
        "",
    ),
    (&["lbfgs", "rprop"], ""),
    (&["nll_loss", "bce", "bce_with_logits", "hinge", "huber", "smooth_l1", "kl_div", "ctc", "focal"], ""),
    (&["exponential", "plateau", "reduce_on_plateau", "one_cycle", "cyclic", "polynomial"], ""),
    (&["color_jitter", "random_erasing", "random_affine", "mixup", "cutmix", "cutout", "rand_augment"], ""),
];

/// Whether a word is what another tool calls this: as in the declaration, or the same in other capitals or behind the
/// name of a module (`torch.nn.Conv2d`, `layers.conv2d`).
pub fn is_called(spec: &Spec, word: &str) -> bool {
    if spec.name.contains('.') {
        // `validation.loss` is another quantity than `loss`.
        return spec.elsewhere.iter().any(|theirs| same_but_case(theirs, word));
    }
    let last = tail(word);
    let same = |theirs: &str| same_but_case(tail(theirs), last);
    spec.elsewhere.iter().copied().any(same) || last.len() < word.len() && same(spec.name)
}

fn tail(word: &str) -> &str {
    word.rsplit('.').next().unwrap_or(word)
}

/// The declaration that another tool's word stands for; one that lists it as it is written goes first.
pub fn translated<'s>(word: &str, known: impl Iterator<Item = &'s Spec> + Clone) -> Option<&'s Spec> {
    known
        .clone()
        .find(|spec| spec.elsewhere.contains(&word))
        .or_else(|| known.clone().find(|spec| is_called(spec, word)))
}

/// The error for a word that stands for an operation which the language does not have, so that no other operation is
/// offered for it; `None` for any other word.
pub fn absent(d: &Diagnostic, word: &str) -> Option<Diagnostic> {
    let named = |(words, _): &&(&[&str], &str)| words.iter().any(|own| same_but_case(own, tail(word)));
    let (_, instead) = ABSENT.iter().find(named)?;
    let d = d.clone().label("dslc does not have this operation");
    Some(if instead.is_empty() { d } else { d.advise(*instead) })
}

/// The name here of an argument that another tool calls `name`, with the same value.
pub fn argument(spec: &Spec, name: &str) -> Option<&'static str> {
    said(spec, name).and_then(|said| match said {
        As(own) => Some(*own),
        Near(..) | Each(_) | Behind | Needless(_) | Not(_) => None,
    })
}

/// The arguments here that another tool calls `name`.
pub fn arguments(name: &str) -> impl Iterator<Item = &'static str> {
    let listed = move |names: &[&str]| names.iter().any(|theirs| same_but_case(theirs, name));
    ARGUMENTS.iter().filter_map(move |(said, names)| match said {
        As(own) | Near(own, _) => listed(names).then_some(*own),
        Each(_) | Behind | Needless(_) | Not(_) => None,
    })
}

fn said(spec: &Spec, name: &str) -> Option<&'static Said> {
    let has = |own: &str| spec.params.iter().any(|param| param.name == own);
    let can = |said: &Said| match said {
        As(own) | Near(own, _) => has(own),
        Each(own) => own.iter().all(|own| has(own)),
        Behind | Needless(_) | Not(_) => true,
    };
    let listed = |names: &[&str]| names.iter().any(|theirs| same_but_case(theirs, name));
    ARGUMENTS.iter().find(|(said, names)| listed(names) && can(said)).map(|(said, _)| said)
}

/// The error for an argument that a word does not have; `all` are the arguments of the statement of `word`.
pub fn unknown_argument(
    spec: &Spec,
    word: &Word,
    (key, value): (&Word, &Value),
    all: &[Argument],
) -> Diagnostic {
    let known: Vec<&str> = spec.params.iter().map(|param| param.name).collect();
    let message = format!("`{}` has no argument `{}`", spec.name, key.text);
    let d = Diagnostic::error(codes::UNKNOWN_ARGUMENT, key.span, message);
    let whole = key.span.to(value.span);
    let gone = with_blank(word, all, whole);
    match said(spec, &key.text) {
        Some(As(own)) => {
            return d.label(format!("it is called `{own}` here")).translate(
                format!("write `{own}`"),
                key.span,
                *own,
            );
        }
        Some(Near(own, difference)) => {
            let fix = Fix::new(format!("write `{own}`"), vec![(key.span, (*own).to_owned())]);
            return d.label(*difference).fix(fix.when(Applicability::Asked));
        }
        Some(Each(own)) => {
            let d = d.label(format!("they are called {} here", quoted(own)));
            return match each(own, value) {
                Some(text) => d.translate(format!("write `{text}`"), whole, text),
                None => d,
            };
        }
        Some(Behind) => {
            let d = d.label("it is a layer of its own, after this one");
            return match (&value.kind, all.last().map(Argument::span)) {
                (ValueKind::Word(name) | ValueKind::Text(name), Some(last)) if is_name(name) => {
                    d.fix(Fix::new(format!("write `-> {name}` after it"), moved(gone, whole, last, name)))
                }
                _ => d,
            };
        }
        Some(Needless(reason)) => {
            let d = d.label(format!("it is not needed: {reason}"));
            return d.replace("remove it", gone, "");
        }
        Some(Not(reason)) => return d.label(*reason).drop("remove it", gone),
        None => {}
    }
    match nearest(&key.text, known.iter().copied()) {
        Some(near) => d.meant(key.span, near),
        None if known.is_empty() => d.label("it takes none").drop("remove it", gone),
        None => d.label(format!("it has: {}", known.join(", "))),
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}

/// `beta1=0.9 beta2=0.99` of a list of numbers.
fn each(names: &[&str], value: &Value) -> Option<String> {
    let ValueKind::List(values) = &value.kind else { return None };
    let number = |(name, value): (&&str, &Value)| match &value.kind {
        ValueKind::Number(number) => Some(format!("{name}={number}")),
        _ => None,
    };
    let said: Option<Vec<String>> = names.iter().zip(values).map(number).collect();
    said.filter(|_| names.len() == values.len()).map(|said| said.join(" "))
}

/// Whether a text may be a layer's name. `linear` is another tool's word for no activation at all.
fn is_name(word: &str) -> bool {
    !["linear", "None", "none"].contains(&word)
        && word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Edits that take an argument away and put a layer behind the last one.
fn moved(gone: Span, whole: Span, last: Span, name: &str) -> Vec<(Span, String)> {
    match last.end == whole.end {
        true => vec![(gone, format!(" -> {name}"))],
        false => vec![(gone, String::new()), (last.after(), format!(" -> {name}"))],
    }
}

/// An argument with what separates it from the one in front of it, or from the statement's word.
pub(super) fn with_blank(word: &Word, all: &[Argument], whole: Span) -> Span {
    let in_front = std::iter::once(word.span).chain(all.iter().map(Argument::span));
    let in_front = in_front.filter(|span| span.file == whole.file && span.end <= whole.start);
    Span { start: in_front.map(|span| span.end).max().unwrap_or(whole.start), ..whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_listed_twice_and_every_argument_can_be_said() {
        let mut words: Vec<&str> = ABSENT.iter().flat_map(|(words, _)| words.iter().copied()).collect();
        let n_words = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), n_words);
        for (said, names) in ARGUMENTS {
            assert!(!names.is_empty());
            if let As(own) = said {
                assert!(!names.contains(own), "{own} is another word for itself");
            }
        }
    }
}
