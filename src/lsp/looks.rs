//! Looks at the data that open texts name, each in a thread of its own: an answer never waits for the disk. What was found is kept,
//! and looked at again after a while.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::data::Facts;
use crate::data::section::DataSection;
use crate::diag::Fault;

/// What was found is looked at again when it is asked for after this time.
const STALE: Duration = Duration::from_secs(5);
/// More data sets than this are not kept.
const MOST: usize = 64;

/// What a look found: facts, nothing there, or a fault.
pub type Found = Result<Option<Facts>, Fault>;

/// A source, its arguments, and the folder that its paths are relative to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    source: &'static str,
    arguments: String,
    base: PathBuf,
}

struct Known {
    found: Option<Found>,
    columns: Vec<String>,
    /// Since when a look is under way, or when it ended.
    at: Instant,
    is_open: bool,
}

type Answer = (Key, Found, Vec<String>);

pub struct Looks {
    known: BTreeMap<Key, Known>,
    sender: Sender<Answer>,
    receiver: Receiver<Answer>,
}

impl Default for Looks {
    fn default() -> Looks {
        let (sender, receiver) = channel();
        Looks { known: BTreeMap::new(), sender, receiver }
    }
}

fn key(section: &DataSection, base: &Path) -> Key {
    let arguments = section.args.iter().map(|given| format!("{}={} ", given.name, given.arg)).collect();
    Key { source: section.source.spec().name, arguments, base: base.to_owned() }
}

impl Looks {
    /// What is known of a section's data, if anything is.
    pub fn known(&self, section: &DataSection, base: &Path) -> Option<Found> {
        self.known.get(&key(section, base)).and_then(|known| known.found.clone())
    }

    /// The columns of a data set, as far as any look told.
    pub fn columns(&self, source: &str, path: &str, base: &Path) -> Vec<String> {
        let begin = format!("path=\"{path}\" ");
        let own = self.known.iter().filter(|(key, _)| key.source == source && key.base == base);
        let mut own = own.filter(|(key, _)| key.arguments.starts_with(&begin));
        own.find_map(|(_, known)| Some(known.columns.clone()).filter(|own| !own.is_empty()))
            .unwrap_or_default()
    }

    /// Sees to it that the data are looked at, unless that was done a moment ago.
    pub fn ask(&mut self, section: &DataSection, base: &Path) {
        let key = key(section, base);
        if self.known.get(&key).is_some_and(|known| known.is_open || known.at.elapsed() < STALE) {
            return;
        }
        if self.known.len() >= MOST {
            self.known.retain(|_, known| known.is_open);
        }
        let before = self.known.remove(&key);
        let (found, columns) = before.map_or((None, Vec::new()), |known| (known.found, known.columns));
        self.known.insert(key.clone(), Known { found, columns, at: Instant::now(), is_open: true });
        let (sender, source, args, base) =
            (self.sender.clone(), section.source, section.args.clone(), base.to_owned());
        std::thread::spawn(move || {
            let look = || (source.look(&args, &base), source.columns(&args, &base));
            let fault = || Fault::internal("a look at the data failed");
            let (found, columns) =
                catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|_| (Err(fault()), Vec::new()));
            let _ = sender.send((key, found, columns));
        });
    }

    /// Whether a look is under way.
    pub fn is_open(&self) -> bool {
        self.known.values().any(|known| known.is_open)
    }

    /// Takes what looks have found since the last time, and gives the data sets of which something else is known now.
    pub fn gather(&mut self) -> Changed {
        let mut changed = Vec::new();
        for (key, found, columns) in self.receiver.try_iter() {
            let now = format!("{found:?}");
            let new = Known { found: Some(found), columns, at: Instant::now(), is_open: false };
            let before = self.known.insert(key.clone(), new).and_then(|known| known.found);
            if before.map(|found| format!("{found:?}")) != Some(now) {
                changed.push(key);
            }
        }
        Changed(changed)
    }
}

/// Data sets of which something else is known than before.
pub struct Changed(Vec<Key>);

impl Changed {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a section's data are among them.
    pub fn has(&self, section: &DataSection, base: &Path) -> bool {
        self.0.contains(&key(section, base))
    }
}
