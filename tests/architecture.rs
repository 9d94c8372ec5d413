//! The house's rules, held against the source: what may use what, who may name which crate, how files begin.

use std::path::{Path, PathBuf};

/// Modules from the ground up. A module may use what stands on a lower line, and itself.
const FLOORS: &[&[&str]] = &[
    &["source", "shape", "numbers", "protobuf", "pickle"],
    &["diag"],
    &["diagram"],
    &["syntax", "tensor"],
    &["format", "spec", "graph"],
    &["ops"],
    &["layers", "passes", "kernels", "plan"],
    &["model"],
    &["data"],
    &["run"],
    &["train"],
    &["experiment"],
    &["report"],
    &["runs"],
    &["weights"],
    &["predict"],
    &["exchange"],
    &["door"],
    &["search"],
    &["reference"],
    &["editor"],
    &["lsp"],
    &["cli"],
];

/// Crates that one module keeps to itself.
const DOORS: &[(&str, &[&str])] = &[
    ("candle_core", &["tensor"]),
    ("candle_nn", &["tensor"]),
    ("mpi", &["kernels"]),
    ("cudarc", &["tensor", "kernels"]),
    ("pest", &["syntax"]),
    ("rustix", &["tensor"]),
    ("petgraph", &["graph"]),
    ("miette", &["diag"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("comfy_table", &["cli"]),
    ("ctrlc", &["cli"]),
    ("signal_hook", &["cli"]),
    ("lsp_server", &["lsp"]),
    ("gen_lsp_types", &["lsp"]),
    ("line_index", &["lsp"]),
];

/// A file with more lines than this is two things.
const MOST_LINES: usize = 600;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        match path.is_dir() {
            true => files(&path, found),
            false if path.extension().is_some_and(|e| e == "rs") => found.push(path),
            false => {}
        }
    }
}

/// Every source file with its module at the top and its text without the unit tests at its end.
fn sources() -> Vec<(PathBuf, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&root, &mut found);
    assert!(found.len() > 50, "the source is not where it was");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let own = path.strip_prefix(&root).unwrap();
        let module = own.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        (path, module, text)
    };
    found.into_iter().map(read).collect()
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

/// The modules named behind `crate::` in a text.
fn used(text: &str) -> Vec<String> {
    let name =
        |rest: &str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned();
    without_tests(text).split("crate::").skip(1).map(name).collect()
}

#[test]
fn every_module_uses_only_lower_floors() {
    let mut wrong = Vec::new();
    for (path, module, text) in sources().iter().filter(|(_, module, _)| module != "lib" && module != "main")
    {
        let own = floor(module).unwrap_or_else(|| panic!("{module} has no floor"));
        for other in used(text) {
            let theirs =
                floor(&other).unwrap_or_else(|| panic!("{}: crate::{other} has no floor", path.display()));
            if theirs > own || (theirs == own && other != *module) {
                wrong.push(format!("{} uses {other}", path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn crates_stay_behind_their_doors() {
    let mut wrong = Vec::new();
    for (path, module, text) in sources() {
        for (name, doors) in DOORS {
            let named = without_tests(&text).contains(&format!("{name}::"));
            let own_module = text.contains(&format!("cpu::{name}::"));
            if named && !own_module && !doors.contains(&module.as_str()) {
                wrong.push(format!("{} names {name}", path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn files_say_what_they_are_and_are_one_thing() {
    for (path, module, text) in sources() {
        let path = path.display();
        assert!(text.starts_with("//! "), "{path} does not begin with what it is");
        assert!(text.lines().count() <= MOST_LINES, "{path} has more than {MOST_LINES} lines");
        assert!(!text.contains("prelude::*"), "{path} uses a prelude");
        let prints =
            ["println!(", "eprintln!(", "process::exit"].iter().any(|p| without_tests(&text).contains(p));
        assert!(!prints || module == "cli", "{path} prints or exits");
        let unsafe_code = text.contains("unsafe {") || text.contains("unsafe fn");
        assert!(!unsafe_code || module == "kernels", "{path} has unsafe code");
    }
}

/// What runs on which device is decided in one place.
#[test]
fn devices_are_told_apart_by_backends_alone() {
    let elsewhere = |(_, module, text): &&(PathBuf, String, String)| {
        let tells =
            ["Device::Cuda", "Device::Metal"].iter().any(|device| without_tests(text).contains(device));
        tells && !["tensor", "run"].contains(&module.as_str())
    };
    let all = sources();
    let wrong: Vec<_> = all.iter().filter(elsewhere).map(|(path, ..)| path.display().to_string()).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

/// A layer, op, pass or the like is a file; a file in such a folder must be in the folder's list.
#[test]
fn no_file_is_forgotten() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for folder in [
        "layers",
        "layers/joins",
        "ops",
        "passes",
        "train/losses",
        "train/metrics",
        "train/optimizers",
        "train/schedules",
    ] {
        let list = std::fs::read_to_string(source.join(folder).join("mod.rs")).unwrap();
        for entry in std::fs::read_dir(source.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && path.extension().is_none_or(|e| e != "rs") {
                continue;
            }
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let listed = name == "mod" || list.contains(&format!("mod {name};"));
            assert!(listed, "src/{folder}/{name} is in no list");
        }
    }
}
