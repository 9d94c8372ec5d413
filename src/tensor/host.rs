//! The memory that this process may have: the machine's, or what a container (a control group) leaves of it. Linux
//! tells both in text files; elsewhere nobody is asked.

/// Bytes; `None` where nobody tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostMemory {
    pub total: Option<u64>,
    /// What can still be had without swapping.
    pub free: Option<u64>,
}

pub fn memory() -> HostMemory {
    told(&|path| std::fs::read_to_string(path).ok())
}

/// Where a version of control groups keeps what, in files of one number and one file of named ones.
struct Files {
    root: &'static str,
    limit: &'static str,
    used: &'static str,
    /// In `memory.stat`: pages of files that are given up when somebody wants memory.
    cache: &'static str,
}

const VERSION_1: Files = Files {
    root: "/sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cache: "total_inactive_file",
};

const VERSION_2: Files =
    Files { root: "/sys/fs/cgroup", limit: "memory.max", used: "memory.current", cache: "inactive_file" };

type Read<'a> = &'a dyn Fn(&str) -> Option<String>;

fn told(read: Read<'_>) -> HostMemory {
    let machine = read("/proc/meminfo").unwrap_or_default();
    let kilobytes = |what| named(&machine, what).and_then(|n: u64| n.checked_mul(1024));
    let mut memory = HostMemory { total: kilobytes("MemTotal:"), free: kilobytes("MemAvailable:") };
    let least = |a: Option<u64>, b: u64| Some(a.map_or(b, |a| a.min(b)));
    for (files, folder) in groups(&read("/proc/self/cgroup").unwrap_or_default()) {
        let text = |name: &str| read(&format!("{folder}/{name}"));
        let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
        // Where there is no limit the second version says `max`, the first a number beyond any memory.
        let Some(limit) = number(files.limit) else { continue };
        let cache = text("memory.stat").and_then(|stat| named(&stat, files.cache)).unwrap_or(0);
        let used = number(files.used).unwrap_or(0).saturating_sub(cache);
        memory.total = least(memory.total, limit);
        memory.free = least(memory.free, limit.saturating_sub(used));
    }
    memory
}

/// The number behind a name at a line's start.
fn named(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        if words.next() == Some(name) { words.next()?.parse().ok() } else { None }
    })
}

/// The folders of the groups that this process is in, each with those around it, whose limits hold, too. A
/// container sees its own group as the root, under whatever name.
fn groups(text: &str) -> Vec<(&'static Files, String)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(number), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let files = match (number, controllers) {
            ("0", "") => &VERSION_2,
            _ if controllers.split(',').any(|own| own == "memory") => &VERSION_1,
            _ => continue,
        };
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        let inside = if names.contains(&"..") { 0 } else { names.len() };
        for depth in (0..=inside).rev() {
            let folder = [&[files.root], &names[..depth]].concat().join("/");
            found.push((files, folder));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{HostMemory, told};

    const MACHINE: (&str, &str) = (
        "/proc/meminfo",
        "MemTotal:       24000000 kB\nMemFree:         1000000 kB\nMemAvailable:   20000000 kB\n",
    );

    fn memory(files: &[(&str, &str)]) -> (Option<u64>, Option<u64>) {
        let read = |path: &str| {
            let found = files.iter().chain([&MACHINE]).find(|(own, _)| *own == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        let HostMemory { total, free } = told(&read);
        (total, free)
    }

    const WHOLE: (Option<u64>, Option<u64>) = (Some(24_576_000_000), Some(20_480_000_000));

    #[test]
    fn without_control_groups_it_is_the_machines() {
        assert_eq!(memory(&[]), WHOLE);
        assert_eq!(memory(&[("/proc/self/cgroup", "0::/\n")]), WHOLE);
        assert_eq!(memory(&[("/proc/self/cgroup", "nonsense\n3\n::\n")]), WHOLE);
        let elsewhere = told(&|_| None);
        assert_eq!(elsewhere, HostMemory::default());
    }

    #[test]
    fn the_second_versions_limit_counts_what_is_used_but_not_the_cache_of_files() {
        let files = [
            ("/proc/self/cgroup", "0::/\n"),
            ("/sys/fs/cgroup/memory.max", "2000000000\n"),
            ("/sys/fs/cgroup/memory.current", "900000000\n"),
            ("/sys/fs/cgroup/memory.stat", "anon 300000000\nfile 600000000\ninactive_file 500000000\n"),
        ];
        assert_eq!(memory(&files), (Some(2_000_000_000), Some(1_600_000_000)));
        assert_eq!(memory(&files[..2]), (Some(2_000_000_000), Some(2_000_000_000)));
        let full = [files[0], files[1], ("/sys/fs/cgroup/memory.current", "2100000000")];
        assert_eq!(memory(&full), (Some(2_000_000_000), Some(0)));
    }

    #[test]
    fn a_limit_beyond_the_machine_or_none_changes_nothing() {
        for text in ["max\n", "99000000000000\n", "", "-1", "1e9"] {
            let files = [("/proc/self/cgroup", "0::/\n"), ("/sys/fs/cgroup/memory.max", text)];
            assert_eq!(memory(&files), WHOLE, "{text}");
        }
    }

    #[test]
    fn limits_of_the_groups_around_hold_too() {
        let files = [
            ("/proc/self/cgroup", "0::/user.slice/run-1.scope\n"),
            ("/sys/fs/cgroup/user.slice/run-1.scope/memory.max", "max\n"),
            ("/sys/fs/cgroup/user.slice/memory.max", "4000000000\n"),
            ("/sys/fs/cgroup/user.slice/memory.current", "1000000000\n"),
        ];
        assert_eq!(memory(&files), (Some(4_000_000_000), Some(3_000_000_000)));
    }

    #[test]
    fn the_first_version_is_read_inside_a_container_and_outside() {
        let own = "9:cpu,cpuacct:/\n12:memory:/docker/abc\n1:name=systemd:/docker/abc\n0::/system.slice\n";
        let inside = [
            ("/proc/self/cgroup", own),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "73741824\n"),
            ("/sys/fs/cgroup/memory/memory.stat", "cache 9\ninactive_file 1\ntotal_inactive_file 3741824\n"),
        ];
        assert_eq!(memory(&inside), (Some(1_073_741_824), Some(1_003_741_824)));
        let outside = [
            ("/proc/self/cgroup", own),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "1073741824\n"),
        ];
        assert_eq!(memory(&outside), (Some(1_073_741_824), Some(1_073_741_824)));
    }

    #[test]
    fn a_group_outside_the_containers_root_leaves_the_root() {
        let files = [("/proc/self/cgroup", "0::/../other\n"), ("/sys/fs/cgroup/memory.max", "5000000000\n")];
        assert_eq!(memory(&files), (Some(5_000_000_000), Some(5_000_000_000)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_tells() {
        let memory = super::memory();
        assert!(memory.total > Some(1 << 20) && memory.free <= memory.total, "{memory:?}");
    }
}
