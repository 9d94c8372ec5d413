//! The disks of the machine that dslc runs on: the room that one has, and the folder for what can be made again.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Bytes that a user may still write on the disk of a folder, which need not exist yet.
#[cfg(unix)]
pub fn free_bytes(place: &Path) -> Result<u64, String> {
    let here = Path::new(".");
    let found = place.ancestors().find(|folder| folder.is_dir()).unwrap_or(here);
    let disk = rustix::fs::statvfs(found).map_err(|e| std::io::Error::from(e).to_string())?;
    match disk.f_blocks {
        // Some file systems have no number.
        0 => Err("its file system does not say".to_owned()),
        _ => Ok(disk.f_bavail.saturating_mul(disk.f_frsize)),
    }
}

#[cfg(not(unix))]
pub fn free_bytes(_place: &Path) -> Result<u64, String> {
    Err("dslc does not know how on this system".to_owned())
}

/// The folder for what can be made again: `DSLC_CACHE`, else `$XDG_CACHE_HOME/dslc`, else `~/.cache/dslc`. None where
/// `DSLC_CACHE` is `off`.
pub fn cache_folder() -> Option<PathBuf> {
    among(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
}

fn among(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let own = variable("DSLC_CACHE");
    if own.as_ref().is_some_and(|own| own == "off") {
        return None;
    }
    let shared = || variable("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".cache"));
    own.map(PathBuf::from).or_else(|| Some(shared().or_else(home)?.join("dslc")))
}

#[cfg(test)]
mod tests {
    use super::among;

    #[test]
    fn the_folder_is_the_first_that_is_named() {
        let folder = |set: &[(&str, &str)]| {
            let found = among(|name| set.iter().find(|(own, _)| *own == name).map(|(_, value)| value.into()));
            found.map(|path| path.display().to_string())
        };
        let home = ("HOME", "/home/me");
        let shared = ("XDG_CACHE_HOME", "/cache");
        assert_eq!(folder(&[home]).as_deref(), Some("/home/me/.cache/dslc"));
        assert_eq!(folder(&[home, shared]).as_deref(), Some("/cache/dslc"));
        assert_eq!(folder(&[home, shared, ("DSLC_CACHE", "/own")]).as_deref(), Some("/own"));
        assert_eq!(folder(&[home, shared, ("DSLC_CACHE", "off")]), None);
        assert_eq!(folder(&[]), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_disk_is_asked_before_the_folder_exists() {
        let place = tempfile::tempdir().unwrap();
        let asked = [place.path().to_owned(), place.path().join("a/b"), "not/there".into()];
        assert!(asked.iter().all(|path| super::free_bytes(path).unwrap() > 0));
    }
}
