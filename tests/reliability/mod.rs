//! What a run must survive: being killed at any moment, a disk without room, damaged files, another process in its folder.
//! What it learns is the same to the bit.

pub mod files;
#[cfg(unix)]
pub mod kills;
#[cfg(unix)]
mod runs;
mod sources;
