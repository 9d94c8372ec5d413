//! `dslc sweep FILE --try …`: trains a file with many settings and lists which did best; `dslc sweep DIR` continues a sweep.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::out::{err, out};
use crate::cli::progress::Progress;
use crate::cli::table::{duration, loss, percent, plural, table};
use crate::cli::{Stop, devices, load, processes, signals};
use crate::runs::train::Signals;
use crate::search::place;
use crate::search::record::{Measured, Method, PAGE, Record, State, Trial};
use crate::search::sweep::{self, Asked, Ended, Watch, Way};
use crate::tensor::device::Choice;

#[derive(clap::Args)]
pub struct Options {
    /// A `.net` file with `model`, `data` and `train`, or the folder of a sweep to continue
    file: PathBuf,
    /// A setting and its values, such as train.batch=16,32 or train.optimizer.lr=1e-4..1e-1
    #[arg(long = "try", value_name = "PATH=VALUES")]
    tries: Vec<String>,
    /// Override a setting of every trial by its path, such as `train.epochs=5`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// How many trials (default: all of a grid, otherwise 20)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: Option<u32>,
    /// How trials are chosen
    #[arg(long, value_enum)]
    method: Option<By>,
    /// Stop after this time, such as 10min; the sweep can be continued later
    #[arg(long, value_name = "TIME", value_parser = time)]
    budget: Option<Duration>,
    /// The seed of the random values
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The folder for the trials, instead of sweeps/NAME-N
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where to run: cpu, cuda, cuda:N, metal, or auto for the best available (default: cpu, or where the sweep ran before)
    #[arg(long, value_name = "DEVICE")]
    device: Option<Choice>,
    /// End with one JSON line on standard output, and print nothing else there
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum By {
    /// Every combination
    Grid,
    /// Random combinations
    Random,
    /// Random combinations, the best third of which is trained on each time, three times as long
    Halving,
}

impl From<By> for Method {
    fn from(way: By) -> Method {
        match way {
            By::Grid => Method::Grid,
            By::Random => Method::Random,
            By::Halving => Method::Halving,
        }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let units = [("min", 60.0), ("h", 3600.0), ("s", 1.0)];
    let found = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let seconds = found.and_then(|(number, seconds)| Some(number.trim().parse::<f64>().ok()? * seconds));
    match seconds.filter(|seconds| (1.0..=1e8).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
        None => Err("a time is written like 90s, 10min or 2h".to_owned()),
    }
}

pub fn run(options: &Options) -> Result<(), Stop> {
    processes::refuse_several("sweep")?;
    let device = options.device.unwrap_or_else(|| place::device(&Record::place(&options.file, 0)));
    devices::open(device)?;
    let (place, mut record) = match options.file.is_dir() {
        true => {
            if !options.tries.is_empty() || !options.settings.is_empty() || options.method.is_some() {
                let message =
                    "error: a continued sweep keeps its settings: leave out --try, --set and --method";
                return Err(Stop::Environment(message.to_owned()));
            }
            sweep::reopen(&options.file)?
        }
        false => {
            let loaded = load::load_whole(&options.file, &options.settings, &["model", "data", "train"])?;
            let asked = Asked {
                file: options.file.clone(),
                settings: options.settings.clone(),
                tries: options.tries.clone(),
                method: options.method.map(Method::from),
                runs: options.runs.map(|runs| runs as usize),
                seed: options.seed,
                out: options.out.clone(),
            };
            sweep::begin(&asked, &loaded)?
        }
    };
    let folder = place.folder.as_path();
    let method = record.method.words();
    let trials = plural(record.trials.len() as u64, "trial", "trials");
    let epochs = plural(record.epochs as u64, "epoch", "epochs");
    err(&format!("{trials} of {epochs}: {method}\nfolder {}\n", folder.display()));
    let signals = Arc::new(Signals::default());
    signals::listen(&signals, &Progress::new(1).screen())?;
    let way = Way { device, budget: options.budget, signals: &signals };
    let ended = sweep::carry_out(&place, &mut record, &way, &mut Lines)?;
    match options.json {
        true => out(&serde_json::to_string(&record).map_err(|e| Stop::Environment(e.to_string()))?)?,
        false => out(&text(&record, folder))?,
    }
    match ended {
        Ended::Complete => Ok(()),
        Ended::Budget => {
            err(&format!("the time is up; `dslc sweep {} --budget 10min` continues it", folder.display()));
            Ok(())
        }
        Ended::Interrupted => {
            err(&format!("`dslc sweep {}` continues from here", folder.display()));
            Err(Stop::Interrupted)
        }
    }
}

/// A line a trial on standard error.
struct Lines;

impl Watch for Lines {
    fn ends(&mut self, record: &Record, number: usize) {
        let trial = &record.trials[number];
        let of = record.trials.len();
        let epochs = plural(trial.epochs.len() as u64, "epoch", "epochs");
        let what = match (&trial.failure, trial.best()) {
            (Some(failure), _) => format!("failed: {failure}"),
            (None, Some(best)) => format!("{} after {epochs}", shown(best)),
            (None, None) => "stopped in its first epoch".to_owned(),
        };
        err(&format!("trial {}/{of}  {}  {what}", number + 1, trial.settings.join(" ")));
    }

    fn say(&mut self, text: &str) {
        err(text);
    }
}

fn shown(measured: Measured) -> String {
    match measured.accuracy {
        Some(accuracy) => format!("validation accuracy {}", percent(accuracy)),
        None => format!("validation loss {}", loss(measured.loss)),
    }
}

/// The trials, the best first, and what to do with the best.
fn text(record: &Record, folder: &Path) -> String {
    let ranking = record.ranking();
    let rows = ranking.iter().map(|&number| row(number, &record.trials[number])).collect();
    let head = ["trial", "settings", "epochs", "validation", "test", "time", ""];
    let mut out = table(&head, 2, rows);
    let best = ranking.first().map(|&number| (number, &record.trials[number]));
    if let Some((number, trial)) = best.filter(|(_, trial)| trial.best().is_some()) {
        let settings: Vec<String> =
            record.settings.iter().chain(&trial.settings).map(|setting| format!("--set {setting}")).collect();
        out.push_str(&format!(
            "\n\nbest: trial {}, in {}\n      dslc run {} {}\npage: {}",
            number + 1,
            Record::place(folder, number).display(),
            record.file.display(),
            settings.join(" "),
            folder.join(PAGE).display(),
        ));
    }
    out
}

fn row(number: usize, trial: &Trial) -> Vec<String> {
    let measure = |measured: Option<Measured>| match measured {
        Some(Measured { accuracy: Some(accuracy), .. }) => percent(accuracy),
        Some(Measured { loss: own, .. }) => loss(own),
        None => String::new(),
    };
    let state = match trial.state {
        State::Waiting => "waiting",
        State::Stopped => "stopped",
        State::Done => "",
        State::Failed => "failed",
    };
    vec![
        (number + 1).to_string(),
        trial.settings.join(" "),
        trial.epochs.len().to_string(),
        measure(trial.best()),
        measure(trial.test),
        if trial.seconds > 0.0 { duration(trial.seconds) } else { String::new() },
        state.to_owned(),
    ]
}
