//! Training: the checked `train { … }` section, the graphs it needs, the loop, its measurements and what it
//! leaves on disk.

pub mod auto_batch;
pub mod beginning;
pub mod average;
pub mod budget;
pub mod checkpoint;
pub mod clip;
pub mod evaluate;
pub mod feed;
pub mod further;
pub mod groups;
pub mod hunt;
pub mod initial;
pub mod kept;
pub mod losses;
pub mod measure;
pub mod metrics;
pub mod mixes;
pub mod numbers;
pub mod optimizers;
mod pass;
pub mod prepared;
pub mod program;
pub mod probe;
pub mod programs;
pub mod progress;
pub mod range;
pub mod replay;
pub mod schedules;
pub mod section;
pub mod settings;
pub mod trainer;
pub mod warnings;
pub mod watched;
pub mod window;
pub mod worst;
