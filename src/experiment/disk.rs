//! Network files on the disk → their texts, or why there is none: the same words for the command line and the editor.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::numbers::plural;
use crate::syntax::guard::MAX_TEXT;

/// Folders below this depth are not looked into.
const MAX_DEPTH: usize = 32;
/// More files than this are not what anybody means.
const MAX_FILES: usize = 10_000;
/// The file that tells a run's folder from others.
pub const RECORD: &str = "run.json";

/// Whether a file is a network's by its name.
pub fn is_network(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "net" || ending == "model")
}

/// The text of a file that was named by its user, a pipe or a device, of at most [`MAX_TEXT`] bytes. `path` is seen from the folder `root`, and
/// is what the words of a refusal call it.
pub fn read(root: &Path, path: &Path) -> Result<String, String> {
    let (shown, place) = (path.display().to_string(), root.join(path));
    if place.is_dir() {
        let near = near_files(root, &path.join("x"));
        return Err(format!("{shown} is a folder; name a `.net` or `.model` file{near}"));
    }
    let unreadable = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound => format!("{shown} does not exist{}", near_files(root, path)),
        _ => format!("{shown} cannot be read: {e}"),
    };
    text(&mut File::open(&place).map_err(unreadable)?, &shown)
}

/// The text of a file that another one uses: a regular file, which lies in the folder `project` whatever symbolic links
/// its path has. `path` is seen from the folder `root`.
pub fn import(root: &Path, project: &Path, path: &Path) -> Result<String, String> {
    let shown = path.display();
    // What does not exist is told as it is of any file.
    let Ok(place) = std::fs::canonicalize(root.join(path)) else { return read(root, path) };
    let project = if project.as_os_str().is_empty() { Path::new(".") } else { project };
    let inside = std::fs::canonicalize(project).is_ok_and(|project| place.starts_with(project));
    if !inside {
        return Err(format!(
            "{shown} is a link that leads out of the project\n  only files inside it are read: copy the file into the project"
        ));
    }
    // Opening a pipe would wait for its writer. A folder has an answer of its own.
    if !place.is_file() && !place.is_dir() {
        return Err(format!("{shown} is not a regular file"));
    }
    read(root, path)
}

/// The text behind a reader that is called `shown`, of at most [`MAX_TEXT`] bytes.
pub fn text(reader: &mut dyn Read, shown: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = reader.take(MAX_TEXT as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|e| format!("{shown} cannot be read: {e}"))?;
    if bytes.len() > MAX_TEXT {
        return Err(format!(
            "{shown} is too large: a network file has at most {} MiB\n  it names weights and data, and does not contain them",
            MAX_TEXT >> 20
        ));
    }
    String::from_utf8(bytes).map_err(|e| {
        format!("{shown} is not UTF-8 text (byte {}); save it as UTF-8", e.utf8_error().valid_up_to())
    })
}

/// The `.net` and `.model` files below a folder, sorted, as they are called there. Hidden folders, folders called
/// `target`, the folders of runs and links to folders are passed over.
pub fn networks(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut open = vec![(PathBuf::new(), 0)];
    while let Some((inner, depth)) = open.pop() {
        let place = folder.join(&inner);
        let unreadable = |e: std::io::Error| format!("the folder {} cannot be read: {e}", place.display());
        for entry in std::fs::read_dir(&place).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            // The entry's own kind: a link to a folder is none, so that no circle can arise.
            let kind = entry.file_type().map_err(unreadable)?;
            let (path, name) = (entry.path(), entry.file_name());
            let passed_over =
                name.to_string_lossy().starts_with('.') || name == "target" || path.join(RECORD).exists();
            if kind.is_dir() && !passed_over && depth < MAX_DEPTH {
                open.push((inner.join(name), depth + 1));
            } else if is_network(&path) && path.is_file() {
                found.push(inner.join(name));
            }
        }
        if found.len() > MAX_FILES {
            return Err(format!(
                "there are more than {} below {}\n  try: name a smaller folder",
                plural(MAX_FILES as u64, "network file", "network files"),
                folder.display()
            ));
        }
    }
    found.sort();
    Ok(found)
}

/// The network files beside a path that does not exist.
fn near_files(root: &Path, path: &Path) -> String {
    let folder = path.parent().unwrap_or(Path::new(""));
    let place = root.join(folder);
    let place = if place.as_os_str().is_empty() { Path::new(".") } else { &place };
    let Ok(entries) = std::fs::read_dir(place) else { return String::new() };
    let found = entries.flatten().map(|entry| folder.join(entry.file_name()));
    let mut networks: Vec<PathBuf> = found.filter(|path| is_network(path)).collect();
    networks.sort();
    let shown: Vec<String> = networks.iter().take(8).map(|path| path.display().to_string()).collect();
    if shown.is_empty() { String::new() } else { format!("\n  available: {}", shown.join(", ")) }
}
