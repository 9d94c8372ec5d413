//! Network files on the disk → their texts, or why there is none: the same words for the command line and the editor.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::syntax::guard::MAX_TEXT;

/// Whether a file is a network's by its name.
pub fn is_network(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "net" || ending == "model")
}

/// The text of a file, a pipe or a device, of at most [`MAX_TEXT`] bytes. `path` is seen from the folder `root`, and
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

/// The text behind a reader that is called `shown`, of at most [`MAX_TEXT`] bytes.
pub fn text(reader: &mut dyn Read, shown: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = reader.take(MAX_TEXT as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|e| format!("{shown} cannot be read: {e}"))?;
    if bytes.len() > MAX_TEXT {
        return Err(format!(
            "{shown} is too large: a network file has at most {} MiB\n  weights and data are named in it, not written into it",
            MAX_TEXT >> 20
        ));
    }
    String::from_utf8(bytes).map_err(|e| {
        format!("{shown} is not UTF-8 text (byte {}); save it as UTF-8", e.utf8_error().valid_up_to())
    })
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
    if shown.is_empty() { String::new() } else { format!("\n  there are: {}", shown.join(", ")) }
}
