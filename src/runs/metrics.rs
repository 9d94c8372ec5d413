//! `metrics.jsonl`: a line an epoch, and one at the end. A line is written by one call, and one that was written in part
//! is taken back before the next.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::diag::{Fault, codes};
use crate::runs::folder::METRICS;
use crate::train::metrics::{self as measured, Figure, Metric, Score};
use crate::train::trainer::Epoch;

/// A file of more bytes is not one that dslc wrote.
pub const MAX_METRICS: u64 = 1 << 30;

pub struct Log {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    len: u64,
    /// Lines that could not be written yet.
    waiting: String,
}

impl Log {
    pub fn create(folder: &Path) -> Result<Log, Fault> {
        let path = folder.join(METRICS);
        let file = File::create_new(&path).map_err(|e| unwritten(&path, &e))?;
        Ok(Log { path, file, len: 0, waiting: String::new() })
    }

    /// The log of a run that continues after `n_epochs`: gives them back, and removes the lines after them. An epoch that the
    /// log does not have is missing.
    pub fn reopen(folder: &Path, n_epochs: usize) -> Result<(Log, Vec<Epoch>), Fault> {
        let path = folder.join(METRICS);
        let unreadable =
            |e: std::io::Error| Fault::new(codes::RUN, format!("{} cannot be read: {e}", path.display()));
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = file.map_err(|e| unwritten(&path, &e))?;
        let mut bytes = Vec::new();
        (&mut file).take(MAX_METRICS).read_to_end(&mut bytes).map_err(unreadable)?;
        let (mut end, mut len, mut epochs) = (0, 0, Vec::new());
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            end += line.len() as u64;
            let event: Option<Value> = serde_json::from_slice(line).ok().filter(|_| line.ends_with(b"\n"));
            // A damaged line stays where it is.
            if let Some(epoch) = event.as_ref().and_then(read).filter(|epoch| epoch.number <= n_epochs) {
                len = end;
                epochs.push(epoch);
            }
        }
        let mut log = Log { path, file, len, waiting: String::new() };
        log.write(&[]).map_err(|e| unwritten(&log.path, &e))?;
        Ok((log, epochs))
    }

    /// Appends an event, after those that could not be written before. What fails waits for the next time.
    pub fn append(&mut self, event: &Value) -> Result<(), Fault> {
        self.waiting.push_str(&format!("{event}\n"));
        let lines = std::mem::take(&mut self.waiting);
        self.write(lines.as_bytes()).map_err(|e| {
            self.waiting = lines;
            unwritten(&self.path, &e)
        })
    }

    /// All lines, also those that could not be written yet. What can no longer be read is missing.
    pub fn whole(&self) -> Vec<u8> {
        let mut bytes = std::fs::read(&self.path).unwrap_or_default();
        bytes.truncate(usize::try_from(self.len).unwrap_or(usize::MAX));
        bytes.extend(self.waiting.as_bytes());
        bytes
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.set_len(self.len)?;
        self.file.seek(SeekFrom::Start(self.len))?;
        self.file.write_all(bytes)?;
        self.file.sync_data()?;
        self.len += bytes.len() as u64;
        Ok(())
    }
}

fn unwritten(path: &Path, e: &std::io::Error) -> Fault {
    Fault::new(codes::UNWRITTEN, format!("{} cannot be written: {e}", path.display()))
}

/// An epoch as an event; `step` is the number of steps up to its end.
pub fn event(epoch: &Epoch, step: u64) -> Value {
    let mut event = json!({
        "event": "epoch",
        "epoch": epoch.number,
        "step": step,
        "train.loss": epoch.train_loss,
        "train.accuracy": epoch.train_accuracy,
        "validation.loss": epoch.validation.as_ref().map(|found| found.loss),
        "validation.accuracy": epoch.validation.as_ref().and_then(|found| found.accuracy),
        "learning_rate": epoch.learning_rate,
        "seconds": epoch.seconds,
        "images_per_second": epoch.images_per_second,
        "best": epoch.best,
    });
    if let Some(found) = &epoch.validation {
        add(&mut event, VALIDATION, found);
    }
    event
}

/// What stands before the names of what was measured on the validation images.
const VALIDATION: &str = "validation.";

/// Adds what the metrics came to, and of each further output its loss, too.
fn add(event: &mut Value, before: &str, score: &Score) {
    for Figure { metric, value } in &score.figures {
        event[format!("{before}{}", metric.spec.name)] = json!(value);
    }
    for (name, own) in &score.outputs {
        event[format!("{before}{name}.loss")] = json!(own.loss);
        add(event, &format!("{before}{name}."), own);
    }
}

/// The other way; `None` for another event.
fn read(event: &Value) -> Option<Epoch> {
    let number = |key: &str| event[key].as_f64();
    (event["event"] == "epoch").then_some(())?;
    Some(Epoch {
        number: usize::try_from(event["epoch"].as_u64()?).ok()?,
        train_loss: number("train.loss")?,
        train_accuracy: number("train.accuracy"),
        validation: score(event, VALIDATION),
        learning_rate: number("learning_rate")?,
        seconds: number("seconds")?,
        images_per_second: number("images_per_second")?,
        best: event["best"].as_bool()?,
    })
}

/// What was measured under names that begin so.
fn score(event: &Value, before: &str) -> Option<Score> {
    let number = |name: &str| event[format!("{before}{name}")].as_f64();
    let figure = |&metric: &&'static Metric| Some(Figure { metric, value: number(metric.spec.name)? });
    let losses = event.as_object()?.keys().filter_map(|key| key.strip_prefix(before)?.strip_suffix(".loss"));
    let of_output = |name: &str| Some((name.to_owned(), score(event, &format!("{before}{name}."))?));
    Some(Score {
        loss: number("loss")?,
        accuracy: number("accuracy"),
        figures: measured::METRICS.iter().filter_map(figure).collect(),
        outputs: losses.filter_map(of_output).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Log, event, read};
    use crate::runs::folder::METRICS;
    use crate::train::metrics::Score;
    use crate::train::trainer::Epoch;

    fn epoch(number: usize) -> Epoch {
        Epoch {
            number,
            train_loss: 0.1 + 0.2 / number as f64,
            train_accuracy: (number > 1).then_some(1.0 / 3.0),
            validation: (number > 2).then_some(Score {
                loss: 0.7 / 3.0,
                accuracy: None,
                figures: Vec::new(),
                outputs: vec![(
                    "age".to_owned(),
                    Score { loss: 0.25, accuracy: None, figures: Vec::new(), outputs: Vec::new() },
                )],
            }),
            learning_rate: 1e-3 / 7.0,
            seconds: 1.5,
            images_per_second: 1e5 / 3.0,
            best: number == 2,
        }
    }

    #[test]
    fn an_epoch_is_read_as_it_was_written() {
        for number in 1..4 {
            let text = event(&epoch(number), 7).to_string();
            let again = read(&serde_json::from_str(&text).unwrap()).unwrap();
            assert_eq!(format!("{again:?}"), format!("{:?}", epoch(number)));
        }
    }

    #[test]
    fn what_came_after_the_state_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::create(folder.path()).unwrap();
        for number in 1..4 {
            log.append(&event(&epoch(number), number as u64)).unwrap();
        }
        let path = folder.path().join(METRICS);
        let whole = std::fs::read_to_string(&path).unwrap();
        let first: usize = whole.lines().take(2).map(|line| line.len() + 1).sum();
        let end = "{\"event\":\"end\"}\n";
        let damaged = "{damaged\n".to_owned();
        let one_behind = damaged.clone() + &whole[..whole.find('\n').unwrap() + 1];
        for (text, epochs, left) in [
            (whole.clone(), 2, &whole[..first]),
            (whole.clone() + end, 3, &whole[..]),
            (whole.clone() + "{\"event\":\"ep", 9, &whole[..]),
            (whole.trim_end().to_owned(), 3, &whole[..first]),
            (String::new(), 3, ""),
            ("\0\0\0".to_owned(), 1, ""),
            (damaged.clone() + &whole, 1, &one_behind),
        ] {
            std::fs::write(&path, &text).unwrap();
            let (_, found) = Log::reopen(folder.path(), epochs).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), left, "{text}");
            assert_eq!(found.len(), left.lines().filter(|line| line.starts_with("{\"")).count());
        }
        let (mut log, _) = Log::reopen(folder.path(), 0).unwrap();
        log.append(&event(&epoch(1), 1)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole[..whole.find('\n').unwrap() + 1]);
    }
}
