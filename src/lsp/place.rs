//! URIs ↔ places in a project: the folder that imports stay in, and the path that findings call a file by.

use std::path::{Path, PathBuf};

use gen_lsp_types::Uri;

use crate::experiment::imports::normal;

/// Where a file lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The project's folder: that of the editor's which holds the file, else the file's own.
    pub root: PathBuf,
    /// The file, seen from there.
    pub path: PathBuf,
    /// Whether there can be such a file on the disk; a text without a name is in none.
    pub on_disk: bool,
}

impl Place {
    pub fn of(uri: &Uri, folders: &[PathBuf]) -> Place {
        let Some(file) = path_of(uri) else {
            let name = uri.path().rsplit('/').find(|name| !name.is_empty()).unwrap_or("untitled");
            let root = folders.first().cloned().unwrap_or_default();
            return Place { root, path: PathBuf::from(name), on_disk: false };
        };
        let holding = folders.iter().filter(|folder| file.starts_with(folder));
        let longest = holding.max_by_key(|folder| folder.components().count());
        let own = || file.parent().unwrap_or(Path::new("")).to_owned();
        let root = longest.cloned().unwrap_or_else(own);
        let path = file.strip_prefix(&root).unwrap_or(&file).to_owned();
        Place { root, path, on_disk: true }
    }

    /// The whole path, where there can be a file.
    pub fn file(&self) -> Option<PathBuf> {
        self.on_disk.then(|| normal(&self.root.join(&self.path)))
    }
}

/// The path of a `file:` URI.
pub fn path_of(uri: &Uri) -> Option<PathBuf> {
    if uri.scheme() != "file" {
        return None;
    }
    uri.to_file_path().ok().map(|path| normal(&path))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn place(uri: &str, folders: &[&str]) -> (String, String) {
        let folders: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
        let place = Place::of(&uri.parse().unwrap(), &folders);
        (place.root.display().to_string(), place.path.display().to_string())
    }

    #[test]
    fn the_longest_folder_that_holds_a_file_is_its_project() {
        let own = |root: &str, path: &str| (root.to_owned(), path.to_owned());
        assert_eq!(place("file:///a/b/c.net", &["/a", "/a/b", "/x"]), own("/a/b", "c.net"));
        assert_eq!(place("file:///a/b/c.net", &["/a"]), own("/a", "b/c.net"));
        assert_eq!(place("file:///a/b%20b/%C3%A9.net", &[]), own("/a/b b", "é.net"));
        assert_eq!(place("untitled:Untitled-1", &["/a"]), own("/a", "Untitled-1"));
        assert_eq!(place("untitled:", &[]), own("", "untitled"));
    }
}
