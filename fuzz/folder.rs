//! A folder of this process, for targets that read files.

use std::path::PathBuf;

pub fn own() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("dslc-fuzz-{}", std::process::id()));
    // Where there is none, nothing can be written, and nothing is found.
    let _ = std::fs::create_dir_all(&folder);
    folder
}
