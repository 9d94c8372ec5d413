//! Groups of samples that belong together, such as the pictures of one patient → parts of which no two share a group.

use std::collections::BTreeMap;
use std::path::Path;

use crate::data::glob::is_like;
use crate::data::parts::{Dataset, drawn};
use crate::data::sample::Task;
use crate::data::section::{DataSection, Split};
use crate::diag::{Fault, codes};

/// The group of each sample, where the section's `split` asks for groups.
pub fn of(section: &DataSection, base: &Path, dataset: &Dataset) -> Result<Option<Vec<String>>, Fault> {
    let Some(by) = &section.by else { return Ok(None) };
    if !by.contains('*') {
        return section.source.groups(&section.args, base, by, &dataset.samples).map(Some);
    }
    let group = |index: u32| {
        let name = dataset.samples.key(index);
        first_star(by, &name).ok_or_else(|| {
            let message = format!("`by` is \"{by}\", which `{name}` is not like");
            Fault::new(codes::BAD_VALUE, message).advise("a pattern that every name is like, such as \"*_*\"")
        })
    };
    (0..dataset.samples.len() as u32).map(group).collect::<Result<_, _>>().map(Some)
}

/// What the first `*` of a pattern stands for in a path's end, of as many names as the pattern has; as little as can be.
fn first_star(pattern: &str, path: &str) -> Option<String> {
    let n_folders = pattern.matches('/').count();
    let path = path.replace('\\', "/");
    let from = path.rmatch_indices('/').nth(n_folders).map_or(0, |(at, _)| at + 1);
    let name = &path[from..];
    let (before, behind) = pattern.split_once('*')?;
    // `?` in front of the star stands for a character.
    let start = before.chars().count();
    let places: Vec<usize> = name.char_indices().map(|(at, _)| at).chain([name.len()]).collect();
    let begin = *places.get(start)?;
    let is_begin = is_like(before, &name[..begin]);
    let end = places[start..].iter().find(|end| {
        is_like(behind, &name[**end..]) && name[**end..].matches('/').count() == behind.matches('/').count()
    });
    end.filter(|_| is_begin).map(|end| name[begin..*end].to_owned())
}

/// Takes whole groups out of the training part, in an order that the seed and their names decide, each where it brings the number of
/// images of every class nearer to its share.
pub fn split(dataset: &mut Dataset, split: Split, seed: u64, groups: &[String]) -> Result<(), Fault> {
    let is_class = dataset.samples.targets.task() == Task::Classes;
    let n_classes = if is_class { dataset.classes().len().max(1) } else { 1 };
    let mut by_name: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    let mut totals = vec![0usize; n_classes];
    for &index in &dataset.parts.train {
        let group = groups.get(index as usize).ok_or_else(|| Fault::internal("a sample without a group"))?;
        by_name.entry(group).or_default().push(index);
        totals[dataset.samples.class(index) as usize] += 1;
    }
    let n_groups = by_name.len();
    let mut order: Vec<(u64, &str, Vec<u32>)> =
        by_name.into_iter().map(|(name, own)| (drawn(seed, name), name, own)).collect();
    order.sort();
    let (mut test, mut validation) = (Vec::new(), Vec::new());
    for (share, part) in [(split.test, &mut test), (split.validation, &mut validation)] {
        if share == 0.0 {
            continue;
        }
        let mut wanted: Vec<f64> = totals.iter().map(|&n| n as f64 * share).collect();
        order.retain(|(_, _, own)| {
            let mut counts = vec![0.0; n_classes];
            own.iter().for_each(|&index| counts[dataset.samples.class(index) as usize] += 1.0);
            // What is missing of a class is squared: where a group has less than twice of it, the group brings it nearer.
            let change: f64 = counts.iter().zip(&wanted).map(|(own, left)| own * (own - 2.0 * left)).sum();
            if change >= 0.0 {
                return true;
            }
            wanted.iter_mut().zip(&counts).for_each(|(left, own)| *left -= own);
            part.extend_from_slice(own);
            false
        });
        if part.is_empty() && order.len() > 1 {
            // The smallest group is nearest to too small a share.
            let least = order.iter().enumerate().min_by_key(|(at, (_, _, own))| (own.len(), *at));
            let at = least.map_or(0, |(at, _)| at);
            part.extend(order.remove(at).2);
        }
        if part.is_empty() {
            let message = format!("`split` cannot divide {n_groups} groups into the parts that it asks for");
            return Err(Fault::new(codes::DATA_FILE, message).advise("more groups, or fewer parts"));
        }
    }
    let mut train: Vec<u32> = order.into_iter().flat_map(|(_, _, own)| own).collect();
    let mut left = vec![0usize; n_classes];
    train.iter().for_each(|&index| left[dataset.samples.class(index) as usize] += 1);
    if let Some(class) = (0..n_classes).find(|&class| totals[class] > 0 && left[class] == 0) {
        let of = dataset.classes().get(class).filter(|_| is_class).map(|name| format!(" of `{name}`"));
        let of = of.unwrap_or_default();
        let message = format!("`split` would leave no image{of} to train on: its groups are too large");
        return Err(Fault::new(codes::DATA_FILE, message).advise("smaller shares, or more groups of it"));
    }
    let parts = &mut dataset.parts;
    [&mut train, &mut validation, &mut test].into_iter().for_each(|part| part.sort_unstable());
    parts.train = train;
    for (own, more) in [(&mut parts.validation, validation), (&mut parts.test, test)] {
        own.extend(more);
        own.sort_unstable();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::data::samples::Samples;
    use crate::data::sources::Wanted;
    use crate::data::testing::section;

    #[test]
    fn the_first_star_is_the_group() {
        for (pattern, path, group) in [
            ("*_*", "train/a/anna_01_x.jpg", Some("anna")),
            ("*/*", "a/p3/x.png", Some("p3")),
            ("img_*_*.png", "a/img_7_2.png", Some("7")),
            ("*_*", "a/none.jpg", None),
            ("?-*.png", "ä-b.png", Some("b")),
        ] {
            assert_eq!(first_star(pattern, path).as_deref(), group, "{pattern} {path}");
        }
    }

    #[test]
    fn no_group_stands_in_two_parts_and_shares_are_met() {
        let n = 200u32;
        let samples = Samples::of_bytes(
            [1, 1, 1],
            vec![0; n as usize],
            (0..n).map(|i| i % 2).collect(),
            vec!["a".to_owned(), "b".to_owned()],
        );
        let groups: Vec<String> = (0..n).map(|i| format!("p{}", i / 5)).collect();
        let divided = |seed: u64, lines: &str, groups: &[String]| {
            let section = section(&format!("source mnist \"m\"\n{lines}")).unwrap();
            let mut dataset = Dataset::tested(samples.clone()).unwrap();
            dataset.parts.train = std::mem::take(&mut dataset.parts.test);
            Ok::<_, Fault>(dataset.divided_by(&section, seed, Wanted::All, Some(groups))?.parts)
        };
        let lines = "split test=20% validation=10% by=patient";
        let parts = divided(1, lines, &groups).unwrap();
        let own = |part: &[u32]| part.iter().map(|&i| groups[i as usize].clone()).collect::<BTreeSet<_>>();
        let [train, validation, test] = [&parts.train, &parts.validation, &parts.test].map(|part| own(part));
        assert!(train.is_disjoint(&test) && train.is_disjoint(&validation) && test.is_disjoint(&validation));
        assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (140, 20, 40));
        assert_eq!(divided(1, lines, &groups).unwrap(), parts);
        assert_ne!(divided(2, lines, &groups).unwrap(), parts);
        let one = vec!["x".to_owned(); n as usize];
        assert!(divided(1, lines, &one).unwrap_err().message.contains("cannot divide 1 groups"));
        let halves: Vec<String> = (0..n).map(|i| format!("{}", i % 2)).collect();
        assert!(divided(1, "split test=20% by=x", &halves).unwrap_err().message.contains("no image of"));
    }
}
