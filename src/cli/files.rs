//! Files and folders as they were named on the command line → the network files that are meant.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cli::Stop;
use crate::experiment::disk;

/// Every file named, and of every folder named the `.net` and `.model` files below it, in the order of the arguments
/// and sorted within a folder; each file once.
///
/// Hidden folders, folders called `target`, the folders of runs and links to folders are passed over, unless they are named. A folder
/// without such files is passed over too, where another argument has some. Files that are named are not looked at.
pub fn expand(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, Stop> {
    let mut files = Vec::new();
    let mut seen = BTreeSet::new();
    for argument in arguments {
        let found = match argument.is_dir() {
            true => below(argument)?,
            false => vec![argument.clone()],
        };
        files.extend(found.into_iter().filter(|file| seen.insert(file.clone())));
    }
    if files.is_empty() {
        let named: Vec<String> = arguments.iter().map(|path| path.display().to_string()).collect();
        return Err(Stop::Environment(format!(
            "error: there is no `.net` or `.model` file in {}\n  try: `dslc new` writes a first one",
            named.join(", ")
        )));
    }
    Ok(files)
}

fn below(folder: &Path) -> Result<Vec<PathBuf>, Stop> {
    let found = disk::networks(folder).map_err(|reason| Stop::Environment(format!("error: {reason}")))?;
    // `.` names the place, and no part of the path: hosts match paths as a repository has them.
    let place = folder.strip_prefix(".").unwrap_or(folder);
    Ok(found.into_iter().map(|path| place.join(path)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path, arguments: &[&str]) -> Result<Vec<String>, String> {
        let arguments: Vec<PathBuf> = arguments.iter().map(|name| folder.join(name)).collect();
        match expand(&arguments) {
            Ok(files) => Ok(files
                .iter()
                .map(|file| file.strip_prefix(folder).unwrap().display().to_string())
                .collect()),
            Err(Stop::Environment(message)) => Err(message),
            Err(_) => panic!("another stop"),
        }
    }

    #[test]
    fn folders_mean_the_network_files_below_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["a/z.net", "a/b/c.model", "a/b/notes.txt", "a/.git/x.net", "a/target/y.net", "d/n.csv"] {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), "").unwrap();
        }
        std::fs::create_dir(root.join("a/folder.net")).unwrap();
        assert_eq!(names(root, &["a"]).unwrap(), ["a/b/c.model", "a/z.net"]);
        assert_eq!(names(root, &["a/z.net", "a", "d"]).unwrap(), ["a/z.net", "a/b/c.model"]);
        assert_eq!(names(root, &["a/target"]).unwrap(), ["a/target/y.net"]);
        assert_eq!(names(root, &["nowhere.net"]).unwrap(), ["nowhere.net"]);
        assert!(names(root, &["d"]).unwrap_err().contains("there is no `.net` or `.model` file in "));
    }

    #[cfg(unix)]
    #[test]
    fn links_to_folders_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/x.net"), "").unwrap();
        std::os::unix::fs::symlink("..", folder.path().join("a/up")).unwrap();
        std::os::unix::fs::symlink("x.net", folder.path().join("a/y.net")).unwrap();
        assert_eq!(names(folder.path(), &["a"]).unwrap(), ["a/x.net", "a/y.net"]);
    }
}
