//! `dslc bench FILE`: how fast a network runs on this machine, and where the time goes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cli::out::out;
use crate::cli::table::{bytes, percent, speed, table};
use crate::cli::{Stop, batch, bench_data, devices, load};
use crate::diag::{Fault, codes};
use crate::experiment::loaded::load_text;
use crate::graph::Value;
use crate::kernels::cpu::simd::peak;
use crate::kernels::cpu::{N_TILES, threads};
use crate::model::Model;
use crate::run::cpu::traffic::{Deed, traffic};
use crate::run::{Precision, on};
use crate::tensor::device::Choice;
use crate::tensor::host;
use crate::train::measure::{Measured, measure};

#[derive(clap::Args)]
pub struct Options {
    /// A `.net` or `.model` file
    pub(super) file: PathBuf,
    /// Measure training steps (forward, backward and update) instead of inference
    #[arg(long)]
    train: bool,
    /// Measure how fast training batches are read and augmented, without the network
    #[arg(long, conflicts_with_all = ["train", "device", "precision"])]
    data: bool,
    /// Images per batch; by default that of the file, else 64
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(super) batch: Option<u32>,
    /// Threads; by default one per core
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// How long to measure
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    pub(super) seconds: f64,
    /// Override a setting by its path, such as `train.optimizer.lr=0.01`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(super) settings: Vec<String>,
    /// Where to run: cpu, cuda, cuda:N, metal, or auto for the best available
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Choice,
    /// Precision on a CUDA device; by default that of the file, else f32
    #[arg(long, value_parser = Precision::ALL.map(Precision::name))]
    precision: Option<String>,
    /// Also show what this many processes would exchange in a step
    #[arg(long, value_name = "N", conflicts_with = "data", value_parser = clap::value_parser!(u8).range(2..=N_TILES as i64))]
    processes: Option<u8>,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// How a file without `train` is trained here, if its model gives a number for each class,
const CLASSES: &str = "train { loss cross_entropy; optimizer sgd lr=0.01 momentum=0.9; batch 64 }";
/// and if it gives images like those that it takes.
const IMAGES: &str = "train { loss mse target=input; optimizer sgd lr=0.01 momentum=0.9; batch 64 }";

/// Rows of the table of parts.
const MOST_ROWS: usize = 24;

#[derive(Serialize)]
struct Figures {
    file: String,
    what: &'static str,
    batch: usize,
    threads: usize,
    device: String,
    /// What the device has of the one that was asked for.
    precision: &'static str,
    /// By the median step.
    images_per_second: f64,
    milliseconds: f64,
    fastest_milliseconds: f64,
    steps: usize,
    first_step_milliseconds: f64,
    /// Planned.
    peak_bytes: u64,
    /// The most that the whole process had of the machine's memory, where the system tells (Linux).
    process_bytes: Option<u64>,
    flops: u64,
    /// Of all threads together, by a loop of multiply-adds on registers; of the CPU alone.
    peak_flops_per_second: Option<f64>,
    parts: Vec<Part>,
    /// Where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<Shared>,
}

/// A step that several processes share.
#[derive(Serialize)]
struct Shared {
    processes: usize,
    /// What a process does, one after another.
    deeds: Vec<Did>,
}

/// One thing that a process does.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Did {
    /// Milliseconds of work that the processes divide,
    Divided(f64),
    /// and that each of them does whole.
    Whole(f64),
    /// The bytes that each process sends to each other one: waited for,
    Exchange(Vec<usize>),
    /// or begun,
    Begin(Vec<usize>),
    /// until the oldest that were begun are waited for.
    Complete,
}

/// What one op of one source line takes.
#[derive(Serialize)]
struct Part {
    op: String,
    layer: String,
    line: usize,
    milliseconds: f64,
    /// Of the time of all parts.
    share: f64,
    flops: u64,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0 to 3600".to_owned()),
    }
}

pub fn run(options: &Options) -> Result<(), Stop> {
    if options.data {
        return bench_data::run(options);
    }
    let loaded = load::load_whole(&options.file, &options.settings, &["model"])?;
    let experiment = &loaded.experiment;
    let Some(model) = &experiment.model else { return Err(Stop::Findings) };
    let (device, taken) = devices::open(options.device)?;
    let said = match (&experiment.train, options.train) {
        (None, true) => Some(stand_in(model)?),
        (Some(_), _) | (None, false) => None,
    };
    let stands_in = said.map(|text| load_text(Path::new("bench"), text.to_owned(), &[]).experiment);
    let train = experiment.train.as_ref().or(stands_in.as_ref().and_then(|file| file.train.as_ref()));
    let batch = match options.batch {
        Some(batch) => batch as usize,
        None => batch::of(&loaded, &device)?.map_or(64, |batch| batch.images),
    };
    let (threads, pool) = pool(options)?;
    let asked = options.precision.as_deref().map(Precision::of);
    let asked = asked.or(experiment.train.as_ref().map(|train| train.precision)).unwrap_or_default();
    let train = train.filter(|_| options.train);
    let peak = || (taken == Choice::Cpu).then(peak_flops);
    let (measured, peak) =
        pool.install(|| (measure(model, train, asked, batch, options.seconds, &device), peak()));
    let measured = measured?;
    let layer = |origin: u32| {
        let instance = model.layers.get(origin as usize)?;
        Some((instance.name.clone(), loaded.sources.line(instance.span)))
    };
    let figures = Figures {
        file: options.file.display().to_string(),
        what: if options.train { "training" } else { "inference" },
        batch,
        threads,
        device: taken.to_string(),
        precision: on(&device, asked).precision().name(),
        images_per_second: measured.images_per_second(),
        milliseconds: milliseconds(measured.median()),
        fastest_milliseconds: milliseconds(measured.steps[0]),
        steps: measured.steps.len(),
        first_step_milliseconds: milliseconds(measured.first_step),
        peak_bytes: measured.bytes,
        process_bytes: host::resident().map(|process| process.most),
        flops: measured.flops(),
        peak_flops_per_second: peak,
        parts: parts(&measured, &layer),
        shared: options.processes.map(|n| shared(&measured, usize::from(n))).transpose()?,
    };
    match options.json {
        true => out(&serde_json::to_string(&figures).map_err(|e| Stop::Environment(e.to_string()))?),
        false => out(&text(&figures, said)),
    }
}

/// The threads that are asked for.
pub(super) fn pool(options: &Options) -> Result<(usize, rayon::ThreadPool), Stop> {
    let threads = options.threads.map_or_else(threads::start, |threads| Ok(usize::from(threads)))?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| Stop::Environment(format!("error: {threads} threads cannot start: {e}")))?;
    Ok((threads, pool))
}

/// A `train` section for a file that has none.
fn stand_in(model: &Model) -> Result<&'static str, Fault> {
    match &model.output_shape {
        Some(output) if output.rank() == 1 => Ok(CLASSES),
        output if *output == model.input => Ok(IMAGES),
        output => {
            let output = output.clone().unwrap_or_default();
            Err(Fault::new(
                codes::LOSS,
                format!("the file does not say how to train, and no default loss fits an output of {output}"),
            )
            .advise("add `train { loss …; optimizer sgd lr=0.01 }`, or omit `--train`"))
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Multiply-adds a second, times two, of all threads of the pool together.
fn peak_flops() -> f64 {
    const STEPS: usize = 4_000_000;
    let rates = rayon::broadcast(|_| {
        peak::peak_flops(STEPS, |run| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
    });
    rates.iter().sum()
}

fn shared(measured: &Measured, processes: usize) -> Result<Shared, Fault> {
    let mut times: BTreeMap<Option<Value>, Duration> = BTreeMap::new();
    measured.parts.iter().for_each(|&(value, time)| *times.entry(value).or_default() += time);
    let time = |values: &[Value]| {
        milliseconds(values.iter().filter_map(|value| times.get(&Some(*value))).sum::<Duration>())
    };
    let sent = |numbers: Vec<usize>| numbers.into_iter().map(|n| n * size_of::<f32>()).collect();
    let did = |deed| match deed {
        Deed::Compute { values, divided: true } => Did::Divided(time(&values)),
        Deed::Compute { values, divided: false } => Did::Whole(time(&values)),
        Deed::Exchange(numbers) => Did::Exchange(sent(numbers)),
        Deed::Begin(numbers) => Did::Begin(sent(numbers)),
        Deed::Complete => Did::Complete,
    };
    // Each process brings the weights into order.
    let packs = times.get(&None).copied().unwrap_or_default();
    let deeds = traffic(&measured.graph, processes)?.into_iter().map(did);
    Ok(Shared { processes, deeds: [Did::Whole(milliseconds(packs))].into_iter().chain(deeds).collect() })
}

/// The parts by op and layer, the slowest first.
fn parts(measured: &Measured, layer: &dyn Fn(u32) -> Option<(String, usize)>) -> Vec<Part> {
    let total: Duration = measured.parts.iter().map(|(_, time)| *time).sum();
    let mut sums: BTreeMap<(String, Option<u32>), (Duration, u64)> = BTreeMap::new();
    for (value, time) in &measured.parts {
        let (key, flops) = match value {
            None => (("pack weights".to_owned(), None), 0),
            Some(value) => {
                let node = measured.graph.node(*value);
                let inputs: Vec<_> = node.inputs.iter().map(|&input| measured.graph.shape(input)).collect();
                let flops = node.op.cost(&node.attrs, &inputs, &node.shape).flops;
                ((node.op.name().to_owned(), node.origin), flops)
            }
        };
        let sum = sums.entry(key).or_default();
        sum.0 += *time;
        sum.1 += flops;
    }
    let mut parts: Vec<Part> = sums
        .into_iter()
        .map(|((op, origin), (time, flops))| {
            let (layer, line) = origin.and_then(layer).unwrap_or_default();
            let share = time.as_secs_f64() / total.as_secs_f64().max(f64::MIN_POSITIVE);
            Part { op, layer, line, milliseconds: milliseconds(time), share, flops }
        })
        .collect();
    parts.sort_by(|a, b| b.milliseconds.total_cmp(&a.milliseconds));
    parts
}

/// `said` is how training was done where the file does not say it.
fn text(figures: &Figures, said: Option<&str>) -> String {
    let each_thread = figures.peak_flops_per_second.map(|peak| peak / figures.threads as f64);
    let rows = figures.parts.iter().take(MOST_ROWS).map(|part| {
        let rate = part.flops as f64 / (part.milliseconds / 1e3);
        vec![
            if part.line == 0 { String::new() } else { part.line.to_string() },
            part.layer.clone(),
            part.op.clone(),
            format!("{:.3}", part.milliseconds),
            percent(part.share),
            each_thread.filter(|_| part.flops > 0).map_or(String::new(), |peak| percent(rate / peak)),
        ]
    });
    let mut text = table(&["line", "layer", "op", "ms", "time", "of FMA peak"], 3, rows.collect());
    let rest = figures.parts.len().saturating_sub(MOST_ROWS);
    if rest > 0 {
        let share: f64 = figures.parts[MOST_ROWS..].iter().map(|part| part.share).sum();
        text.push_str(&format!("\n… and {rest} more parts, with {} of the time", percent(share)));
    }
    text.push_str(match figures.peak_flops_per_second {
        Some(_) => "\n\nThe times of parts are summed over the threads.\n",
        None => "\n\nEach part was timed on its own, so their sum is not the time of a step.\n",
    });
    if let Some(Shared { processes, deeds }) = &figures.shared {
        let (mut n, mut begun, mut most, mut divided, mut whole) = (0, 0, 0, 0.0, 0.0);
        for did in deeds {
            match did {
                Did::Divided(time) => divided += time,
                Did::Whole(time) => whole += time,
                Did::Exchange(sent) | Did::Begin(sent) => {
                    (n, most) = (n + 1, most + sent.iter().max().unwrap_or(&0));
                    begun += usize::from(matches!(did, Did::Begin(_)));
                }
                Did::Complete => {}
            }
        }
        let share = whole / (divided + whole).max(f64::MIN_POSITIVE);
        text.push_str(&format!(
            "{processes} processes would exchange data {n} times in a step, {begun} of them while computing;\n\
             each would send up to {} to each of the others, and compute {} of the parts' time whole\n",
            bytes(most as u64),
            percent(share)
        ));
    }
    if let Some(said) = said {
        text.push_str(&format!("The file does not say how to train; this was `{said}`.\n"));
    }
    let rate = figures.flops as f64 / (figures.milliseconds / 1e3);
    let place = match figures.peak_flops_per_second {
        Some(_) => format!("{} threads", figures.threads),
        None => figures.device.clone(),
    };
    let of_peak = figures.peak_flops_per_second.map_or(String::new(), |peak| {
        format!(", {} of the measured peak of {:.0} GFLOP/s", percent(rate / peak), peak / 1e9)
    });
    text.push_str(&format!(
        "{} of {} in {}: {} in batches of {} on {place}\n",
        figures.what,
        figures.file,
        figures.precision,
        speed(figures.images_per_second),
        figures.batch,
    ));
    text.push_str(&format!(
        "a step takes {:.2} ms (median of {}, fastest {:.2}), the first one {:.0} ms with planning\n",
        figures.milliseconds, figures.steps, figures.fastest_milliseconds, figures.first_step_milliseconds
    ));
    let process = figures.process_bytes.map_or(String::new(), |process| {
        format!(", {} with everything that the process took", bytes(process))
    });
    text.push_str(&format!(
        "{:.1} GFLOP/s{of_peak}; {} of memory planned{process}",
        rate / 1e9,
        bytes(figures.peak_bytes)
    ));
    text
}
