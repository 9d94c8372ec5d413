//! A checked file that is about to be trained → the folder of its run, with what was asked for in it.

use std::path::Path;

use crate::data::Dataset;
use crate::data::folds::Fold;
use crate::data::section::DataSection;
use crate::diag::Fault;
use crate::experiment::loaded::Loaded;
use crate::experiment::resolved::Settled;
use crate::runs::folder::Folder;
use crate::runs::record::{Machine, Record};
use crate::train::auto_batch::Batch;

/// Claims a folder, `out` or the next free one, and writes the record and the file with every default into it. What it has
/// claimed is given back where that fails.
pub fn begin(
    loaded: &Loaded,
    (data, dataset): (&DataSection, &Dataset),
    batch: Batch,
    machine: Machine,
    (out, fold): (Option<&Path>, Option<Fold>),
) -> Result<(Folder, Record), Fault> {
    let settled = Settled { batch: Some(batch), data: Some(data) };
    let record = Record {
        file: loaded.path.display().to_string(),
        base: std::fs::canonicalize(loaded.base()).unwrap_or(loaded.base()),
        settings: loaded.settings.clone(),
        source: loaded.resolved(settled),
        machine,
        data: data.fingerprint(dataset),
        fold,
    };
    let folder = Folder::claim(out, &loaded.stem())?;
    let text = loaded.resolved_in(folder.path(), &record.base, settled);
    match record.write_with_file(folder.path(), &text) {
        Ok(()) => Ok((folder, record)),
        Err(fault) => {
            folder.abandon();
            Err(fault)
        }
    }
}
