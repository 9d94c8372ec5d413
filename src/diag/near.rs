//! A misspelt word → the known one that was meant, and whether that is a slip of the fingers or a guess.

use crate::diag::Applicability;

/// A known word that is near to a written one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near<'a> {
    pub word: &'a str,
    /// [`Applicability::Sure`] for a slip of spelling, else [`Applicability::Asked`].
    pub applicability: Applicability,
}

/// The known word nearest to a misspelt one, when one is near enough to be meant; of several as near, the first.
///
/// It counts as a slip of spelling if nothing differs but capitals and underscores, or else a single letter that is
/// missing, extra, wrong or swapped with its neighbour: not the first one and no digit, in a word of four letters or
/// more, and with no second word as near. `rleu` is `relu`; but `min_pool2d` is not `max_pool2d`, `nadam` not `adam`,
/// and `conv3d` not `conv2d`.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<Near<'a>> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let folded = fold(word);
    let (mut best, mut rival): (Option<(usize, &str)>, bool) = (None, false);
    for candidate in known {
        let distance = edit_distance(&folded, &fold(candidate));
        match best {
            _ if distance > limit => {}
            Some((least, _)) if distance > least => {}
            Some((least, other)) if distance == least => rival |= other != candidate,
            Some(_) | None => (best, rival) = (Some((distance, candidate)), false),
        }
    }
    let (distance, near) = best?;
    let slip = distance == 0 || distance == 1 && !rival && is_slip(&folded, &fold(near));
    let applicability = if slip { Applicability::Sure } else { Applicability::Asked };
    Some(Near { word: near, applicability })
}

/// Whether two words that differ in one letter are likely one word.
fn is_slip(written: &[char], meant: &[char]) -> bool {
    let swapped = || {
        let apart = written.iter().zip(meant).take_while(|(a, b)| a == b).count();
        written.len() == meant.len()
            && written.get(apart) == meant.get(apart + 1)
            && written.get(apart + 1) == meant.get(apart)
    };
    let digits = |word: &[char]| word.iter().copied().filter(char::is_ascii_digit).collect::<String>();
    written.len().min(meant.len()) >= 4
        && digits(written) == digits(meant)
        && (written[0] == meant[0] || swapped())
}

/// Whether two words differ in nothing but capitals and underscores.
pub fn same_but_case(a: &str, b: &str) -> bool {
    fold(a) == fold(b)
}

fn fold(word: &str) -> Vec<char> {
    word.chars().take(64).filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            rows[i][j] = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if swap {
                rows[i][j] = rows[i][j].min(rows[i - 2][j - 2] + 1);
            }
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 16] = [
        "conv1d",
        "conv2d",
        "linear",
        "relu",
        "elu",
        "prelu",
        "gelu",
        "max_pool2d",
        "avg_pool2d",
        "adam",
        "sgd",
        "pixel_shuffle",
        "dropout",
        "dropout2d",
        "test.loss",
        "tanh",
    ];

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let word = |word| nearest(word, KNOWN).map(|near| near.word);
        assert_eq!(word("covn2d"), Some("conv2d"));
        assert_eq!(word("MaxPool2d"), Some("max_pool2d"));
        assert_eq!(word("rleu"), Some("relu"));
        assert_eq!(word("transformer"), None);
    }

    #[test]
    fn a_slip_is_told_from_another_operation() {
        let slip = |word| nearest(word, KNOWN).is_some_and(|near| near.applicability == Applicability::Sure);
        for word in [
            "covn2d",
            "MaxPool2d",
            "rleu",
            "ReLU",
            "liner",
            "linearr",
            "max_pol2d",
            "drpout",
            "ocnv2d",
            "LINEAR",
        ] {
            assert!(slip(word), "{word}");
        }
        let others = [
            "min_pool2d",
            "pixel_unshuffle",
            "conv3d",
            "conv",
            "celu",
            "rrelu",
            "crelu",
            "nadam",
            "radam",
            "asgd",
            "deconv2d",
            "dropout3d",
            "bilinear",
            "max_unpool2d",
            "test.top5",
            "glu",
            "adamax",
            "relu2",
            "tan",
        ];
        for word in others {
            assert!(!slip(word), "{word}");
        }
    }
}
