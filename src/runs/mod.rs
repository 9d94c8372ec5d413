//! Runs on disk: the folder that a training leaves, what it records there while it goes on, and how it is resumed.
//!
//! ```text
//! runs/mnist-1/
//!   run.json               what was asked for, and on what machine and data: `record`
//!   mnist.net              the file with every default filled in
//!   last.safetensors       the newest state: weights, optimizer, and where the training stands
//!   best.safetensors       the weights that are tested
//!   checkpoints/           states before the last one, and the best weights that they know of
//!   metrics.jsonl          a line an epoch, and one at the end
//!   summary.txt            what was printed
//!   report.html            all of it to look at, with what stands in details.json: `views`
//!   metrics.csv            the epochs as a table
//!   tensorboard/           the same for TensorBoard, with `logs tensorboard`
//!   failure.json           where the loss became no number, if it did: the step, the layer, the images
//! ```

pub mod begin;
pub mod compare;
pub mod folder;
pub mod follow;
pub mod keeper;
pub mod list;
pub mod metrics;
pub mod record;
pub mod recorder;
pub mod report;
pub mod resume;
pub mod room;
pub mod series;
pub mod sight;
pub mod spare;
pub mod story;
pub mod tensorboard;
pub mod train;
pub mod views;
