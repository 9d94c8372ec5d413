//! Many trainings of one file → which settings do best, and how much of that is chance: sweeps over settings, and
//! cross-validation.

pub mod folds;
pub mod page;
pub mod place;
pub mod record;
pub mod space;
pub mod sweep;
