//! `dslc resume RUN`: continues a run where it stopped.

use std::path::PathBuf;

use crate::cli::out::err;
use crate::cli::processes::{self, Processes};
use crate::cli::run::{Place, Training};
use crate::cli::table::thousands;
use crate::cli::{Stop, devices, folds, load, memory};
use crate::diag::{Fault, codes};
use crate::experiment::loaded::load_text;
use crate::experiment::resolved::Settled;
use crate::runs::record::{Machine, Record};
use crate::runs::resume::{Stopped, beside, stopped};
use crate::runs::train::machine;
use crate::search::folds::FOLDS;
use crate::tensor::device::Choice;
use crate::train::progress::Progress;

#[derive(clap::Args)]
pub struct Options {
    /// The folder of a stopped run, or of the folds of `dslc run --folds`
    run: PathBuf,
    /// Change a setting of `train` for the rest of the run, such as `train.epochs=20` for a longer one
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// Where to save instead while the run's own disk is full or cannot be written to
    #[arg(long, value_name = "DIR")]
    spare: Option<PathBuf>,
    /// Where to run; by default, where it ran before, or on the first of its `--devices`
    #[arg(long, value_name = "DEVICE")]
    device: Option<Choice>,
    /// Run on several devices, such as cuda:0,cuda:1: one process for each, with its part of every batch
    #[arg(long, value_name = "DEVICES", value_delimiter = ',', conflicts_with = "device")]
    devices: Vec<Choice>,
    /// End with one JSON line on standard output, and print nothing else there
    #[arg(long)]
    json: bool,
}

/// Settings that may change in the middle of a training; the words after `train.`.
const FREE: [&str; 6] = ["epochs", "schedule", "optimizer", "early_stop", "checkpoint", "logs"];
/// One that may change between two epochs.
const BETWEEN: &str = "batch";

pub fn run(options: &Options) -> Result<(), Stop> {
    if options.run.join(FOLDS).is_file() {
        processes::refuse_several("resume")?;
        return match options.settings.is_empty() && options.spare.is_none() && options.devices.is_empty() {
            true => folds::resume(&options.run, options.device, options.json),
            false => Err(Stop::Environment(
                "error: folds that continue keep their settings: leave out --set, --spare and --devices"
                    .to_owned(),
            )),
        };
    }
    processes::together(&options.devices, |processes| resume(options, processes))
}

fn resume(options: &Options, processes: Option<&Processes>) -> Result<(), Stop> {
    let run = match processes {
        Some(processes) if !processes.leads() => beside(&options.run)?,
        Some(_) | None => stopped(&options.run)?,
    };
    run.told.iter().for_each(|line| err(line));
    let progress = run.progress();
    options.settings.iter().try_for_each(|setting| may_change(setting, &progress))?;
    let record = &run.record;
    let loaded = load_text(&run.file(), record.source.clone(), &options.settings);
    load::report_errors(&loaded)?;
    let experiment = &loaded.experiment;
    let Some(train) = &experiment.train else { return Err(Stop::Findings) };
    run.refuse_complete(train)?;
    let recorded = match record.machine.choice() {
        Choice::Cuda(_) if processes.is_some() => Choice::OwnCuda,
        recorded => recorded,
    };
    let (device, taken) = {
        let asked = options.devices.first().copied().or(options.device);
        devices::open_for(asked.unwrap_or(recorded), processes)?
    };
    let ((data, mut dataset), measured) = memory::reading(|| loaded.open(&record.base))?;
    if let Some(fold) = record.fold {
        fold.take(&mut dataset, train.seed)?;
    }
    record.refuse_other_data(&data, &dataset)?;
    run.refuse_other_classes(&dataset)?;
    load::tell_skipped(&data);
    differences(&record.machine, &machine(&taken.to_string())?);
    tell(&run, &progress);
    let changed = (!options.settings.is_empty()).then(|| {
        Box::new(Record {
            settings: [record.settings.clone(), options.settings.clone()].concat(),
            source: loaded.resolved(Settled::default()),
            ..record.clone()
        })
    });
    let training = Training {
        loaded: &loaded,
        data: &data,
        dataset: &dataset,
        measured,
        device: &device,
        spare: options.spare.as_deref(),
        json: options.json,
        processes,
    };
    training.go(&Place::Stopped { run: &run, changed })
}

fn may_change(setting: &str, progress: &Progress) -> Result<(), Fault> {
    let path = setting.split('=').next().unwrap_or_default().trim();
    let word = path.strip_prefix("train.").and_then(|rest| rest.split('.').next()).unwrap_or_default();
    if FREE.contains(&word) || word == BETWEEN && progress.begun.is_none() {
        return Ok(());
    }
    let free = FREE.map(|word| format!("`train.{word}`")).join(", ");
    let fault = Fault::new(codes::RUN, format!("`{path}` cannot change in the middle of a run"));
    Err(match word == BETWEEN {
        true => fault.note("the run stopped inside an epoch; the batch may change only between two epochs"),
        false => fault.note(format!("these may change: {free}, and between two epochs `train.{BETWEEN}`")),
    }
    .advise("a new run"))
}

/// Says what makes the results differ from those of an undisturbed run.
fn differences(was: &Machine, is: &Machine) {
    let mut all = vec![("on", &was.device, &is.device, "--device ")];
    if is.device == Choice::Cpu.to_string() {
        all.push(("with", &was.instructions, &is.instructions, "DSLC_SIMD="));
    }
    for (how, was, is, switch) in all.into_iter().filter(|(_, was, is, _)| was != is) {
        err(&format!(
            "the run began {how} `{was}` and continues {how} `{is}`: results will differ in their last digits\n  \
             try: {switch}{was}, if this machine has it"
        ));
    }
}

fn tell(run: &Stopped, progress: &Progress) {
    let at = match &progress.begun {
        Some(begun) => {
            format!("in epoch {}, after image {}", progress.epochs + 1, thousands(begun.images as u64))
        }
        None if progress.step == 0 => "from the beginning: no state was saved yet".to_owned(),
        None => format!("after epoch {}", progress.epochs),
    };
    err(&format!("resuming {} {at} (step {})", run.folder.path().display(), thousands(progress.step)));
}
