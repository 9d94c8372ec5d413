//! Names of tensors as other programs give them: what wraps them, what of them is no weight, and which of two comes first.

use std::cmp::Ordering;

/// Keys under which checkpoints keep their weights.
pub const WRAPPERS: [&str; 12] = [
    "state_dict",
    "model",
    "model_state_dict",
    "state_dict_ema",
    "model_ema",
    "ema",
    "ema_state_dict",
    "net",
    "network",
    "module",
    "weights",
    "params",
];

/// What stands before every name where a model was wrapped in another: by `DataParallel`, `torch.compile`, Lightning.
const PREFIXES: [&str; 9] =
    ["module", "_orig_mod", "model", "net", "network", "backbone", "encoder", "trunk", "base_model"];

/// What files hold beside weights, by the last part of its name; and what it is.
const NO_WEIGHTS: [(&str, &str); 4] = [
    ("num_batches_tracked", "a counter"),
    ("n_averaged", "a counter"),
    ("total_ops", "a figure of thop"),
    ("total_params", "a figure of thop"),
];

/// What a tensor is that is no weight; `None` of a weight.
pub fn no_weight(name: &str) -> Option<&'static str> {
    let last = name.rsplit('.').next().unwrap_or(name);
    NO_WEIGHTS.iter().find(|(own, _)| *own == last).map(|(_, what)| *what)
}

/// What a tensor of an auxiliary head is to a model that has none; `None` of any other.
pub fn of_auxiliary(name: &str) -> Option<&'static str> {
    let auxiliary = name.split('.').any(|part| matches!(part, "aux1" | "aux2" | "AuxLogits" | "aux_head"));
    auxiliary.then_some("of an auxiliary head, which only training uses")
}

/// Names that cannot be taken over, and why: what they stand for is not one tensor of a layer.
pub fn refused(name: &str) -> Option<&'static str> {
    let parametrized =
        name.contains("parametrizations.") || name.ends_with(".weight_g") || name.ends_with(".weight_v");
    parametrized.then_some("is a part of a weight (weight norm): remove the parametrization in Python first")
}

/// How many bytes at the front of all these names are wrappers, `module.model.`.
pub fn wrapped<'a>(names: impl Iterator<Item = &'a str> + Clone) -> usize {
    let mut length = 0;
    let Some(first) = names.clone().next() else { return 0 };
    while let Some((part, _)) = first[length..].split_once('.') {
        let whole = &first[..length + part.len() + 1];
        if !PREFIXES.contains(&part) || !names.clone().all(|name| name.starts_with(whole)) {
            break;
        }
        length = whole.len();
    }
    length
}

/// The layer and the last part of a tensor's name.
pub fn parted(name: &str) -> (&str, &str) {
    let name = name.strip_suffix(":0").unwrap_or(name);
    name.rsplit_once(['.', '/']).unwrap_or(("", name))
}

/// What others call the numbers of a layer.
pub fn canonical(part: &str) -> &str {
    match part {
        "gamma" => "weight",
        "beta" => "bias",
        "moving_mean" => "running_mean",
        "moving_variance" => "running_var",
        own => own,
    }
}

/// Which of two layers comes first, by their names; `None` where names do not tell.
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    // Keras counts layers of a kind: `conv2d`, `conv2d_1`.
    let ((stem, own), (other, their)) = (counted(a), counted(b));
    if stem == other {
        return Some(own.cmp(&their));
    }
    let (mut left, mut right) = (parts(a).into_iter(), parts(b).into_iter());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Some(Ordering::Equal),
            (None, Some(_)) | (Some(_), None) => return None,
            (Some(own), Some(other)) if own == other => {}
            (Some(own), Some(other)) => return differing(own, other),
        }
    }
}

/// A name and the number behind its last `_`, which is 0 where there is none.
fn counted(name: &str) -> (&str, u64) {
    let counted = name.rsplit_once('_').and_then(|(stem, n)| Some((stem, n.parse().ok()?)));
    counted.unwrap_or((name, 0))
}

/// A word and the number behind it, either of which may be missing: `layer1`, `0`, `fc`.
type Part<'a> = (&'a str, Option<u64>);

fn parts(name: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = name.trim_start_matches(['.', '/', '_']);
    while !rest.is_empty() {
        let word = rest.find(|c: char| c.is_ascii_digit() || c == '.' || c == '/').unwrap_or(rest.len());
        let number = rest[word..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| word + n);
        parts.push((&rest[..word], rest[word..number].parse().ok()));
        rest = rest[number..].trim_start_matches(['.', '/', '_']);
    }
    parts
}

/// What stages of networks are called.
const STAGES: [&str; 9] =
    ["layer", "denseblock", "transition", "inception", "stage", "stages", "block", "blocks", "features"];
/// What layers of a stage, and of a block, are called.
const LAYERS: [&str; 4] = ["conv", "bn", "norm", "linear"];
/// What a block has beside its layers, and behind them.
const BESIDE: [&str; 4] = ["downsample", "shortcut", "skip", "proj"];
const FIRST: [&str; 3] = ["stem", "conv_stem", "patch_embed"];
const LAST: [&str; 4] = ["fc", "classifier", "head", "conv_head"];

fn differing((word, number): Part<'_>, (other, theirs): Part<'_>) -> Option<Ordering> {
    if word == other {
        return Some(number?.cmp(&theirs?));
    }
    let (first, last) = (FIRST.contains(&word), LAST.contains(&word));
    if first != FIRST.contains(&other) {
        return Some(if first { Ordering::Less } else { Ordering::Greater });
    }
    if last != LAST.contains(&other) {
        return Some(if last { Ordering::Greater } else { Ordering::Less });
    }
    // `inception3a`, `inception3b`
    if let (&[own], &[their]) = (word.as_bytes(), other.as_bytes())
        && (number, theirs) == (None, None)
    {
        return Some(own.cmp(&their));
    }
    let rank = |word: &str| {
        let tables: [&[&str]; 3] = [&LAYERS, &STAGES, &BESIDE];
        tables.iter().position(|table| table.contains(&word))
    };
    match (rank(word)?, rank(other)?) {
        // A block's shortcut comes behind its layers.
        (own, their) if own != their && (own == 2 || their == 2) => Some(own.cmp(&their)),
        // `norm0`, `denseblock1`, `transition1`, …, `norm5`: numbers count over layers and stages.
        (own, their) if own != their || own == 1 => Some((number?, own, word).cmp(&(theirs?, their, other))),
        _ => None,
    }
}

/// `a, b, c and 7 more`
pub fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<&str> = names.collect();
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_the_order_and_unknown_words_do_not() {
        for (first, second) in [
            ("features.2", "features.10"),
            ("bn1", "layer1.0.bn1"),
            ("layer1.0.bn3", "layer1.0.downsample.1"),
            ("layer1.0.downsample.1", "layer1.1.bn3"),
            ("conv3.bn", "inception3a.branch4.1.bn"),
            ("features.norm0", "features.denseblock1.denselayer1.norm1"),
            ("features.denseblock4.denselayer9.norm1", "features.norm5"),
            ("features.denseblock1.denselayer2.norm1", "features.transition1.norm"),
            ("blocks.0.0.conv", "conv_head"),
            ("conv_stem", "blocks.0"),
            ("inception3a.branch4.1.bn", "inception3b.branch1.bn"),
            ("conv2d", "conv2d_1"),
            ("conv2d_2", "conv2d_10"),
        ] {
            assert_eq!(compare(first, second), Some(Ordering::Less), "{first} {second}");
            assert_eq!(compare(second, first), Some(Ordering::Greater), "{first} {second}");
        }
        for (a, b) in [("alpha.1", "beta.1"), ("left", "right"), ("a.0", "a.0.b")] {
            assert_eq!(compare(a, b), None, "{a} {b}");
        }
    }

    #[test]
    fn wrappers_are_seen_through_where_all_names_have_them() {
        let length = |names: &[&str]| wrapped(names.iter().copied());
        assert_eq!(length(&["module.model.conv1.weight", "module.model.fc.bias"]), "module.model.".len());
        assert_eq!(length(&["module.conv1.weight", "fc.bias"]), 0);
        assert_eq!(length(&["features.0.weight", "features.1.weight"]), 0);
    }
}
