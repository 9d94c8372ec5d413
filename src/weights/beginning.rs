//! `weights "FILE"` of a file → what its model begins with.

use std::path::Path;

use crate::diag::Fault;
use crate::model::Model;
use crate::train::beginning::Beginning;
use crate::weights::carry::{Carried, carry};
use crate::weights::map::{Map, Pattern};
use crate::weights::matching::{Need, Wishes};
use crate::weights::open::open;

/// Finds and reads it; paths are relative to `base`.
pub fn begin(model: &Model, beginning: &Beginning, base: &Path) -> Result<Carried, Fault> {
    let map = beginning.map.as_ref().map(|map| Map::open(&base.join(map))).transpose()?;
    let wishes = Wishes {
        map: map.unwrap_or_default(),
        fresh: beginning.fresh.iter().map(|pattern| Pattern::of(pattern)).collect(),
        need: Need::Trunk,
    };
    let mut file = open(&base.join(&beginning.path), beginning.key.as_deref())?;
    carry(model, &mut file, &wishes)
}
