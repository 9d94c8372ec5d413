//! Following a run: a bar on a terminal, plain lines elsewhere, JSON lines in the run's folder.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::folder::{self, BEST, LAST, METRICS};
use crate::cli::table::percent;
use crate::diag::{Fault, codes};
use crate::run::Session;
use crate::train::checkpoint;
use crate::train::trainer::{Epoch, Observer, StepDone};

/// Without a terminal a line is printed this often within a long epoch.
const QUIET: Duration = Duration::from_secs(30);

pub struct Follower {
    folder: PathBuf,
    metrics: File,
    model: String,
    source: String,
    epochs: usize,
    /// `Some` on a terminal.
    bar: Option<ProgressBar>,
    /// Whether progress is printed at all.
    shown: bool,
    last_line: Instant,
}

impl Follower {
    pub fn new(
        folder: &Path,
        model: &str,
        source: &str,
        epochs: usize,
        shown: bool,
    ) -> Result<Follower, Fault> {
        let path = folder.join(METRICS);
        let metrics = File::create(&path).map_err(|e| cannot_write(&path, &e))?;
        let terminal = shown && std::io::stderr().is_terminal();
        let style = "{prefix} {wide_bar:.cyan/blue} {percent:>3} %  {msg}  {eta} left";
        let bar = terminal.then(|| {
            let bar = ProgressBar::new(0);
            bar.set_style(
                ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        Ok(Follower {
            folder: folder.to_owned(),
            metrics,
            model: model.to_owned(),
            source: source.to_owned(),
            epochs,
            bar,
            shown,
            last_line: Instant::now(),
        })
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None if self.shown => eprintln!("{text}"),
            None => {}
        }
    }

    /// Takes the bar off the screen.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    pub fn record(&mut self, event: &serde_json::Value) -> Result<(), Fault> {
        let written = writeln!(self.metrics, "{event}").and_then(|()| self.metrics.flush());
        written.map_err(|e| cannot_write(&self.folder.join(METRICS), &e))
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(codes::DATA_FILE, format!("{} cannot be written: {error}", path.display()))
}

impl Observer for Follower {
    fn step(&mut self, done: &StepDone) {
        let figures = format!(
            "loss {:.4}  accuracy {}  {:.0} images/s",
            done.loss,
            percent(done.accuracy),
            done.images_per_second
        );
        match &self.bar {
            Some(bar) => {
                bar.set_length(done.epoch_images as u64 * self.epochs as u64);
                bar.set_prefix(format!("epoch {}/{}", done.epoch, self.epochs));
                bar.set_message(figures);
                bar.set_position((done.epoch - 1) as u64 * done.epoch_images as u64 + done.images as u64);
            }
            None if self.shown && self.last_line.elapsed() >= QUIET => {
                self.last_line = Instant::now();
                eprintln!(
                    "epoch {}/{}  image {}/{}  {figures}",
                    done.epoch, self.epochs, done.images, done.epoch_images
                );
            }
            None => {}
        }
    }

    fn epoch(&mut self, epoch: &Epoch, session: &Session, step: u64) -> Result<(), Fault> {
        let card = folder::card(&self.model, &self.source, step, epoch.number);
        checkpoint::save(&self.folder.join(LAST), session, &card)?;
        if epoch.best {
            checkpoint::save(&self.folder.join(BEST), session, &card)?;
        }
        let validation = epoch.validation.as_ref().map_or_else(String::new, |v| {
            let best = if epoch.best { "  best so far" } else { "" };
            format!("  validation loss {:.4}  accuracy {}{best}", v.loss, percent(v.accuracy))
        });
        self.line(&format!(
            "epoch {}/{}  loss {:.4}  accuracy {}{validation}  {:.0} images/s",
            epoch.number,
            self.epochs,
            epoch.train_loss,
            percent(epoch.train_accuracy),
            epoch.images_per_second
        ));
        self.last_line = Instant::now();
        let validation = epoch.validation.as_ref();
        self.record(&json!({
            "event": "epoch",
            "epoch": epoch.number,
            "step": step,
            "train.loss": epoch.train_loss,
            "train.accuracy": epoch.train_accuracy,
            "validation.loss": validation.map(|v| v.loss),
            "validation.accuracy": validation.map(|v| v.accuracy),
            "learning_rate": epoch.learning_rate,
            "seconds": epoch.seconds,
            "images_per_second": epoch.images_per_second,
            "best": epoch.best,
        }))
    }
}
