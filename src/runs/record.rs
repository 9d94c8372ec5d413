//! `run.json`: what was asked for, and what the numbers of a run depend on besides its file.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::data::folds::Fold;
use crate::data::section::DataSection;
use crate::diag::{Fault, codes};
use crate::experiment::disk::RECORD;
use crate::runs::folder::short;
use crate::tensor::device::Choice;
use crate::train::checkpoint::write_atomically;

/// No record is longer.
const MAX_RECORD: u64 = 1 << 25;
/// The message about data other than those that a run began with.
pub const OTHER_DATA: &str = "the data have changed since the run began";

/// What later commands need to know of a run. What an older dslc did not write is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The file that was run.
    pub file: String,
    /// The folder that its paths are relative to.
    pub base: PathBuf,
    /// Overrides by `--set`, those of later resumes after the first ones.
    pub settings: Vec<String>,
    /// The file with every default filled in: what is trained.
    #[serde(default)]
    pub source: String,
    #[serde(default)]
    pub machine: Machine,
    /// A fingerprint of the images and labels.
    #[serde(default)]
    pub data: String,
    /// The part of the training images that it is measured on, in cross-validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
}

/// What computes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub dslc: String,
    /// The operating system and the kind of CPU.
    #[serde(default)]
    pub system: String,
    pub device: String,
    /// The instructions of the CPU's kernels: others round otherwise.
    pub instructions: String,
    /// Has no influence on the numbers.
    pub threads: usize,
}

impl Machine {
    /// The device, as one asks for it; the CPU if an older dslc did not write it.
    pub fn choice(&self) -> Choice {
        self.device.parse().unwrap_or_default()
    }
}

impl Record {
    /// Refuses data other than those that the run began with.
    pub fn refuse_other_data(&self, data: &DataSection, dataset: &Dataset) -> Result<(), Fault> {
        let (was, is) = (&self.data, data.fingerprint(dataset));
        if *was == is {
            return Ok(());
        }
        let fault = Fault::new(codes::RUN, OTHER_DATA);
        let fault = fault.note(format!("then: {was}")).note(format!("now:  {is}"));
        Err(fault.advise(format!("the same files in {}, or a new run", self.base.display())))
    }

    /// The name of the file with every default.
    pub fn own_file(&self) -> String {
        let stem = Path::new(&self.file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        format!("{}.net", short(stem.as_deref().unwrap_or("run")))
    }

    /// Writes the record, and beside it the file with every default, whose paths are relative to the folder.
    pub fn write_with_file(&self, folder: &Path, text: &str) -> Result<(), Fault> {
        let head = format!(
            "# {} with every setting and default, by dslc {}. Paths in it are relative to this folder.\n\n",
            self.file,
            env!("CARGO_PKG_VERSION"),
        );
        self.write(folder)?;
        write_atomically(&folder.join(self.own_file()), (head + text).as_bytes())
    }

    pub fn write(&self, folder: &Path) -> Result<(), Fault> {
        let path = folder.join(RECORD);
        let mut bytes = serde_json::to_vec_pretty(self).map_err(Fault::internal)?;
        bytes.push(b'\n');
        write_atomically(&path, &bytes)
    }

    /// `None` where a folder has none, as beside weights that were taken out of theirs.
    pub fn read(folder: &Path) -> Result<Option<Record>, Fault> {
        let path = folder.join(RECORD);
        let refuse = |e: &dyn std::fmt::Display| {
            let fault = Fault::new(codes::RUN, format!("{} cannot be read: {e}", path.display()));
            fault.advise("the run.json that the run wrote")
        };
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(refuse(&"it is not a file")),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(e) => return Err(refuse(&e)),
        }
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_RECORD).read_to_end(&mut bytes));
        read.map_err(|e| refuse(&e))?;
        serde_json::from_slice(&bytes).map(Some).map_err(|e| refuse(&e))
    }
}
