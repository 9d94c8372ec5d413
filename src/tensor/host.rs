//! The memory of the machine that dslc runs on, and of the container that it may be in, where the system tells (Linux).

use std::fs::read_to_string;
use std::path::Path;

/// Bytes that there are: the machine's, or fewer where a container has a limit.
pub fn total_bytes() -> Option<u64> {
    least(meminfo("MemTotal:"), limits().map(|limit| limit.most).min())
}

/// Bytes that a new program can have without swapping.
pub fn free_bytes() -> Option<u64> {
    least(meminfo("MemAvailable:"), limits().map(|limit| limit.most.saturating_sub(limit.used)).min())
}

/// Bytes of memory that this process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resident {
    pub now: u64,
    /// The most that it has had.
    pub most: u64,
}

/// What this process has of the machine's memory.
pub fn resident() -> Option<Resident> {
    let text = read_to_string("/proc/self/status").ok()?;
    let now = kilobytes(&text, "VmRSS:")?;
    Some(Resident { now, most: kilobytes(&text, "VmHWM:")?.max(now) })
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    [a, b].into_iter().flatten().min()
}

fn meminfo(what: &str) -> Option<u64> {
    kilobytes(&read_to_string("/proc/meminfo").ok()?, what)
}

/// The bytes of a line `WHAT N kB`.
fn kilobytes(text: &str, what: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(what))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim_end().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// What a group of processes may have, and what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit {
    most: u64,
    /// Without files that are only kept in case somebody reads them again.
    used: u64,
}

/// The limits of the groups that this process is in; none where there are no groups.
fn limits() -> impl Iterator<Item = Limit> {
    let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    limits_of(Path::new("/sys/fs/cgroup"), &groups).into_iter()
}

/// The limits of groups (`/proc/self/cgroup`: of version 2 in a line `0::PATH`, of version 1 in one `N:memory:PATH`) under
/// the folder where they are shown, from the own one up to the root.
fn limits_of(root: &Path, groups: &str) -> Vec<Limit> {
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (folder, names) = match kinds {
            "" => (root.to_owned(), ["memory.max", "memory.current", "inactive_file"]),
            _ if kinds.split(',').any(|kind| kind == "memory") => (
                root.join("memory"),
                ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"],
            ),
            _ => continue,
        };
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            limits.extend(limit(&folder.join(group), names));
        }
    }
    limits
}

fn limit(folder: &Path, [most, used, kept]: [&str; 3]) -> Option<Limit> {
    let number = |name: &str| read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    // Without a limit there stands `max`.
    let most = number(most)?;
    let stat = read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let kept = stat.lines().find_map(|line| line.strip_prefix(kept)?.trim().parse::<u64>().ok());
    Some(Limit { most, used: number(used)?.saturating_sub(kept.unwrap_or(0)) })
}

/// Lets the system end this process when the one that has started it ends, on Linux.
#[cfg(target_os = "linux")]
pub fn end_with_parent() -> std::io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Elsewhere it ends when it next hears of the other one.
#[cfg(not(target_os = "linux"))]
pub fn end_with_parent() -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Limit, free_bytes, limits_of, resident, total_bytes};

    #[test]
    fn a_group_is_held_to_its_own_limit_and_those_above() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("a/memory.max", "5000\n");
        write("a/memory.current", "4000\n");
        write("a/memory.stat", "anon 100\ninactive_file 1500\n");
        write("a/b/memory.max", "max\n");
        write("a/b/memory.current", "17\n");
        write("memory/c/memory.limit_in_bytes", "900\n");
        write("memory/c/memory.usage_in_bytes", "300\n");
        let of = |groups: &str| limits_of(root.path(), groups);
        let above = Limit { most: 5000, used: 2500 };
        assert_eq!(of("0::/a\n"), [above]);
        assert_eq!(of("0::/a/b\n"), [above]);
        assert_eq!(of("4:cpu,memory:/c\n3:freezer:/a\n"), [Limit { most: 900, used: 300 }]);
        for none in ["", "0::/\n", "0::/elsewhere\n", "nonsense\n0:\n"] {
            assert_eq!(of(none), []);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_is_written_is_resident() {
        // Other tests of this process give memory back at the same time, and the kernel counts in batches.
        let is_seen = || {
            let before = resident().unwrap();
            let written = std::hint::black_box(vec![1u8; 64 << 20]);
            let after = resident().unwrap();
            drop(written);
            let grown = before.now + (48 << 20);
            after.now > grown && resident().unwrap().most > grown
        };
        assert!((0..50).any(|_| is_seen()));
    }

    #[test]
    fn what_is_free_is_not_more_than_there_is() {
        if let (Some(free), Some(total)) = (free_bytes(), total_bytes()) {
            assert!(free <= total, "{free} of {total}");
        }
    }
}
