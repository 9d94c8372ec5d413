//! Following a run: a bar on a terminal, plain lines elsewhere, JSON lines in the run's folder.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::folder::{self, BEST, LAST, METRICS};
use crate::cli::out::err;
use crate::cli::table::{loss, percent, speed, thousands};
use crate::diag::{Fault, codes};
use crate::run::Session;
use crate::train::checkpoint;
use crate::train::metrics::Evaluation;
use crate::train::trainer::{Epoch, Observer, StepDone};

/// Without a terminal a line is printed this often within a long epoch.
const QUIET: Duration = Duration::from_secs(30);

/// With one the bar moves this often, where steps have to be waited for.
const BAR_PAUSE: Duration = Duration::from_millis(100);

/// Fits into 80 columns.
const BAR: &str = "{prefix} {wide_bar:.cyan/blue} {msg}  {eta} left";

/// Standard error, with or without a bar on it; clones share the bar.
#[derive(Clone)]
pub struct Screen {
    bar: Option<ProgressBar>,
}

impl Screen {
    /// A line above the bar.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| err(text)),
            None => err(text),
        }
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

pub struct Follower {
    folder: PathBuf,
    metrics: File,
    model: String,
    source: String,
    classes: Vec<String>,
    epochs: usize,
    screen: Screen,
    last_line: Instant,
}

impl Follower {
    pub fn new(
        folder: &Path,
        model: &str,
        source: &str,
        classes: &[String],
        epochs: usize,
    ) -> Result<Follower, Fault> {
        let path = folder.join(METRICS);
        let metrics = File::create(&path).map_err(|e| cannot_write(&path, &e))?;
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            bar.set_style(ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Ok(Follower {
            folder: folder.to_owned(),
            metrics,
            model: model.to_owned(),
            source: source.to_owned(),
            classes: classes.to_vec(),
            epochs,
            screen: Screen { bar },
            last_line: Instant::now(),
        })
    }

    pub fn screen(&self) -> Screen {
        self.screen.clone()
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
    fn is_due(&self) -> bool {
        self.last_line.elapsed() >= if self.screen.bar.is_some() { BAR_PAUSE } else { QUIET }
    }

    fn step(&mut self, done: &StepDone) {
        let Screen { bar } = &self.screen;
        if bar.is_none() && self.last_line.elapsed() < QUIET {
            return;
        }
        let accuracy =
            done.accuracy.map_or_else(String::new, |share| format!("  accuracy {}", percent(share)));
        let figures = format!("loss {}{accuracy}  {}", loss(done.loss), speed(done.images_per_second));
        let epoch = format!("epoch {}/{}", done.epoch, self.epochs);
        match bar {
            Some(bar) => {
                self.last_line = Instant::now();
                let all = (done.epoch_images as u64).saturating_mul(self.epochs as u64);
                bar.set_length(all);
                bar.set_prefix(epoch);
                bar.set_message(figures);
                bar.set_position((done.epoch - 1) as u64 * done.epoch_images as u64 + done.images as u64);
            }
            None => {
                self.last_line = Instant::now();
                let (images, all) = (thousands(done.images as u64), thousands(done.epoch_images as u64));
                err(&format!("{epoch}  image {images}/{all}  {figures}"));
            }
        }
    }

    fn epoch(&mut self, epoch: &Epoch, session: &Session, step: u64) -> Result<(), Fault> {
        let card = folder::card(&self.model, &self.source, &self.classes, step, epoch.number);
        checkpoint::save(&self.folder.join(LAST), session, &card)?;
        if epoch.best {
            checkpoint::save(&self.folder.join(BEST), session, &card)?;
        }
        let accuracy = |share: Option<f64>| {
            share.map_or_else(String::new, |share| format!(" accuracy {}", percent(share)))
        };
        let validation = epoch.validation.as_ref().map_or_else(String::new, |v| {
            let best = if epoch.best { " (best)" } else { "" };
            format!("  validation loss {}{}{best}", loss(v.loss), accuracy(v.accuracy()))
        });
        self.screen.line(&format!(
            "epoch {}/{}  loss {}{}{validation}  {}",
            epoch.number,
            self.epochs,
            loss(epoch.train_loss),
            accuracy(epoch.train_accuracy),
            speed(epoch.images_per_second)
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
            "validation.accuracy": validation.and_then(Evaluation::accuracy),
            "learning_rate": epoch.learning_rate,
            "seconds": epoch.seconds,
            "images_per_second": epoch.images_per_second,
            "best": epoch.best,
        }))
    }
}
