//! A training as people see it: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use crate::cli::out::err;
use crate::cli::table::{figure, loss, percent, speed, thousands};
use crate::runs::recorder::Viewer;
use crate::train::trainer::{Epoch, StepDone};
use indicatif::{ProgressBar, ProgressStyle};

/// Without a terminal a line is printed this often within a long epoch.
const QUIET: Duration = Duration::from_secs(30);

/// With one the bar moves this often, where steps have to be waited for.
const BAR_PAUSE: Duration = Duration::from_millis(100);

/// Fits into 80 columns.
const BAR: &str = "{prefix} {wide_bar:.cyan/blue} {msg}  {eta} left";

/// Standard error, with or without a bar on it; clones share the bar.
#[derive(Clone, Default)]
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

/// Shows a training on standard error.
pub struct Progress {
    epochs: usize,
    screen: Screen,
    last_line: Instant,
}

impl Progress {
    pub fn new(epochs: usize) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            bar.set_style(ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Progress { epochs, screen: Screen { bar }, last_line: Instant::now() }
    }

    pub fn screen(&self) -> Screen {
        self.screen.clone()
    }
}

impl Viewer for Progress {
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

    fn epoch(&mut self, epoch: &Epoch) {
        let accuracy = |share: Option<f64>| {
            share.map_or_else(String::new, |share| format!(" accuracy {}", percent(share)))
        };
        let validation = epoch.validation.as_ref().map_or_else(String::new, |found| {
            let best = if epoch.best { " (best)" } else { "" };
            let first = found
                .figures
                .iter()
                .find(|figure| found.accuracy.is_none() || figure.metric.spec.name == "accuracy");
            let shown = match (found.accuracy, first) {
                (None, Some(first)) => format!(" {} {}", first.metric.spec.name, figure(first)),
                (share, _) => accuracy(share),
            };
            let further = found.outputs.iter().filter_map(|(name, own)| {
                let first = own.figures.first()?;
                Some(format!("  {name} {} {}", first.metric.spec.name, figure(first)))
            });
            format!("  validation loss {}{shown}{}{best}", loss(found.loss), further.collect::<String>())
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
    }

    fn say(&mut self, text: &str) {
        self.screen.line(text);
    }
}
