//! A path with wildcards → the files of that name, sorted: `shards/*.tar`, `photos/**/*.jpg`, `shard-{000..012}.tar`; and whether
//! a name is like a pattern, for every other place where patterns are written.

use std::path::{Component, Path, PathBuf};

use crate::diag::{Fault, codes};

/// Folders below this depth are not looked into by `**`.
const MAX_DEPTH: usize = 16;
/// More files than this are not what anybody means.
const MAX_FILES: usize = 10_000_000;
/// More names than these are not what anybody means by `{0..9}`.
const MAX_NAMES: usize = 1_000_000;

/// Whether a path has wildcards: `*` and `?` for any characters and any one of a name, `**` for any folders, `{0..9}` for numbers.
pub fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '{'])
}

/// The paths that a pattern stands for, sorted; a path that lies there stands for itself. Names that begin with a dot are passed
/// over, unless the pattern's begins with one.
///
/// Errors: folders that cannot be read.
pub fn matching(pattern: &Path) -> Result<Vec<PathBuf>, Fault> {
    if !is_pattern(pattern) || pattern.exists() {
        return Ok(if pattern.exists() { vec![pattern.to_owned()] } else { Vec::new() });
    }
    let mut found = Vec::new();
    for pattern in numbered(&pattern.to_string_lossy())? {
        let mut parts: Vec<String> = Path::new(&pattern)
            .components()
            .map(|part| match part {
                Component::Normal(name) => name.to_string_lossy().into_owned(),
                Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
                    part.as_os_str().to_string_lossy().into_owned()
                }
            })
            .collect();
        parts.dedup_by(|a, b| *a == "**" && a == b);
        below(PathBuf::new(), &parts, 0, &mut found)?;
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Follows the rest of a pattern from a path on.
fn below(at: PathBuf, rest: &[String], depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Fault> {
    let Some((name, rest)) = rest.split_first() else {
        if found.len() == MAX_FILES {
            return Err(refuse(&at, &format!("is one of more than {MAX_FILES} files of this name")));
        }
        if at.exists() {
            found.push(at);
        }
        return Ok(());
    };
    if !name.contains(['*', '?']) {
        return below(at.join(name), rest, depth, found);
    }
    let folder = if at.as_os_str().is_empty() { Path::new(".") } else { &at };
    if !folder.is_dir() {
        return Ok(());
    }
    let is_any = name == "**";
    if is_any {
        below(at.clone(), rest, depth, found)?;
    }
    let unreadable = |e: std::io::Error| refuse(folder, &format!("cannot be read: {e}"));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let own = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        if !own.starts_with('.') || name.starts_with('.') {
            names.push(own);
        }
    }
    for own in names {
        let path = at.join(&own);
        if is_any && depth < MAX_DEPTH && path.is_dir() && !path.is_symlink() {
            let again: Vec<String> = std::iter::once(name).chain(rest).cloned().collect();
            below(path, &again, depth + 1, found)?;
        } else if !is_any && is_like(name, &own) {
            below(path, rest, depth, found)?;
        }
    }
    Ok(())
}

fn refuse(path: &Path, what: &str) -> Fault {
    Fault::new(codes::DATA_FILE, format!("{} {what}", path.display())).at("path").advise("a narrower pattern")
}

/// Whether a name is like a pattern in which `*` stands for any characters and `?` for one, in time that grows with the product of
/// their lengths.
pub fn is_like(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // The place of the last `*`, and how far into the name it reaches.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(own) if *own == '?' || *own == name[n] => (p, n) = (p + 1, n + 1),
            Some(_) | None => match star {
                Some((at, reached)) => {
                    star = Some((at, reached + 1));
                    (p, n) = (at + 1, reached + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|own| *own == '*')
}

/// The patterns that one with `{000..012}` stands for.
fn numbered(pattern: &str) -> Result<Vec<String>, Fault> {
    let Some((before, rest)) = pattern.split_once('{') else { return Ok(vec![pattern.to_owned()]) };
    let Some((inside, behind)) = rest.split_once('}') else { return Ok(vec![pattern.to_owned()]) };
    let ends = inside.split_once("..");
    let numbers = ends.and_then(|(a, b)| Some((a.parse::<u32>().ok()?, b.parse::<u32>().ok()?, a.len())));
    let Some((first, last, width)) = numbers else { return Ok(vec![pattern.to_owned()]) };
    let rests = numbered(behind)?;
    let n_numbers = (last.saturating_sub(first) as usize).saturating_add(1);
    if n_numbers.saturating_mul(rests.len()) > MAX_NAMES {
        return Err(refuse(Path::new(pattern), "stands for more than a million names"));
    }
    let each = |number: u32| rests.iter().map(move |rest| format!("{before}{number:0width$}{rest}"));
    Ok((first..=last).flat_map(each).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_like_patterns() {
        for (pattern, name, is) in [
            ("*.tar", "a.tar", true),
            ("*.tar", "a.tar.gz", false),
            ("train-*-of-*.parquet", "train-00-of-02.parquet", true),
            ("?.png", "ab.png", false),
            ("**", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbY", false),
            ("*", "", true),
            ("*.bias", "a.b.bias", true),
            ("*.bias", "bias", false),
            ("block_?.conv*", "block_3.conv2d_1", true),
            ("linear_1", "linear_1", true),
            ("conv", "conv2d", false),
            ("", "a", false),
            ("?", "", false),
            ("*a*a*a*", "aaa", true),
            ("*a*a*a*", "aa", false),
        ] {
            assert_eq!(is_like(pattern, name), is, "{pattern} {name}");
        }
        // No pattern takes long.
        assert!(!is_like(&"*a".repeat(2000), &"a".repeat(1500)));
    }

    #[test]
    fn files_come_sorted_and_hidden_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/2.png", "a/1.png", "a/.x.png", "c.png", "a/in/3.png", "s-09.tar", "s-10.tar"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = |pattern: &str| {
            let found = matching(&folder.path().join(pattern)).unwrap();
            found
                .iter()
                .map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(found("*/*.png"), ["a/1.png", "b/2.png"]);
        assert_eq!(found("**/*.png"), ["a/1.png", "a/in/3.png", "b/2.png", "c.png"]);
        assert_eq!(found("s-{08..10}.tar"), ["s-09.tar", "s-10.tar"]);
        assert_eq!(found("c.png"), ["c.png"]);
        assert!(found("none*").is_empty());
        // Each range alone is short enough.
        for many in ["s-{0..9999999}.tar", "s-{0..9999}-{0..9999}.tar"] {
            let fault = matching(&folder.path().join(many)).unwrap_err();
            assert!(fault.message.ends_with("stands for more than a million names"), "{fault}");
        }
    }
}
