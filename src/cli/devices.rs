//! `dslc devices`: what networks can run on here; and the devices that `--device` names.

use serde_json::json;

use crate::cli::Stop;
use crate::cli::out::{err, out};
use crate::cli::processes::Processes;
use crate::cli::table::{bytes, table};
use crate::kernels::cuda;
use crate::tensor::Device;
use crate::tensor::device::{self, Choice, Failure, Found, Opened};

#[derive(clap::Args)]
pub struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The backends that a build may have, and whether this one does.
const BACKENDS: [(&str, bool); 6] = [
    ("cuda", cfg!(feature = "cuda")),
    ("cudnn", cfg!(feature = "cudnn")),
    ("nccl", cfg!(feature = "nccl")),
    ("metal", cfg!(feature = "metal")),
    ("accelerate", cfg!(feature = "accelerate")),
    ("mkl", cfg!(feature = "mkl")),
];

pub fn run(options: &Options) -> Result<(), Stop> {
    let (listed, versions) = (device::list(), cuda::versions());
    let compiled = BACKENDS.iter().filter(|(_, there)| *there).map(|(name, _)| *name);
    let compiled: Vec<&str> = compiled.collect();
    if options.json {
        let devices: Vec<_> = listed.iter().map(object).collect();
        let versions: serde_json::Map<_, _> =
            versions.into_iter().map(|(what, version)| (what.to_owned(), json!(version))).collect();
        return out(&json!({ "devices": devices, "backends": compiled, "versions": versions }).to_string());
    }
    let mut text = text(&listed);
    text.push_str(&format!("\n\nbackends in this build: {}", list(&compiled)));
    for (what, version) in versions {
        text.push_str(&format!("\n{what}: {version}"));
    }
    out(&text)
}

/// A table of the devices, and below it those that do not answer.
fn text(listed: &[Result<Found, Failure>]) -> String {
    let rows = listed.iter().flatten().map(row).collect();
    let mut text = table(&["device", "name", "memory", "free", "capability"], 2, rows);
    let failures: Vec<String> = listed.iter().filter_map(|found| found.as_ref().err()).map(failure).collect();
    if !failures.is_empty() {
        text.push_str(&format!("\n\n{}", failures.join("\n")));
    }
    text
}

fn failure(failure: &Failure) -> String {
    format!("{} does not answer: {}", failure.device, first_line(&failure.reason))
}

/// Behind it libraries may tell where in their code it was.
fn first_line(reason: &str) -> &str {
    reason.lines().next().unwrap_or_default()
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none but the CPU".to_owned() } else { names.join(", ") }
}

fn row(found: &Found) -> Vec<String> {
    let size = |size: Option<u64>| size.map_or("·".to_owned(), bytes);
    let capability = found.capability.map_or("·".to_owned(), |(major, minor)| format!("{major}.{minor}"));
    let name = if found.name.is_empty() { "·".to_owned() } else { found.name.clone() };
    vec![found.choice.to_string(), name, size(found.total_bytes), size(found.free_bytes), capability]
}

fn object(listed: &Result<Found, Failure>) -> serde_json::Value {
    match listed {
        Ok(found) => json!({
            "device": found.choice.to_string(),
            "name": found.name,
            "total_bytes": found.total_bytes,
            "free_bytes": found.free_bytes,
            "compute_capability": found.capability.map(|(major, minor)| format!("{major}.{minor}")),
        }),
        Err(failure) => json!({ "device": failure.device, "error": failure.reason }),
    }
}

/// Opens what a command was asked to run on; gives and says which device `auto` came to, and why to no better one where one
/// is there and fails.
pub fn open(choice: Choice) -> Result<(Device, Choice), Stop> {
    open_for(choice, None)
}

/// The same for a process that may be one of several, each of which has a GPU of its own.
pub fn open_for(choice: Choice, processes: Option<&Processes>) -> Result<(Device, Choice), Stop> {
    let (choice, own) = processes.map_or(Ok((choice, 0)), |processes| processes.device(choice))?;
    let Opened { device, choice: taken, failed } = device::open_own(choice, own)?;
    if choice == Choice::Auto {
        err(&taken_line(taken, &failed));
    }
    Ok((device, taken))
}

/// `device cpu: the CUDA driver does not answer: …`
fn taken_line(taken: Choice, failed: &[String]) -> String {
    let reasons: Vec<&str> = failed.iter().map(|reason| first_line(reason)).collect();
    let colon = if reasons.is_empty() { "" } else { ": " };
    format!("device {taken}{colon}{}", reasons.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{object, taken_line, text};
    use crate::tensor::device::{Choice, Failure, Found};

    #[test]
    fn a_device_that_does_not_answer_stands_below_those_that_do() {
        let found = |choice| Found {
            choice,
            name: "H100".to_owned(),
            total_bytes: Some(80_000_000_000),
            free_bytes: None,
            capability: Some((9, 0)),
        };
        let reason =
            "DriverError(CUDA_ERROR_ECC_UNCORRECTABLE, \"uncorrectable ECC error\")\n  0: a place in code";
        let failure = Failure { device: "cuda:1".to_owned(), reason: reason.to_owned() };
        let listed = [Ok(found(Choice::Cuda(0))), Err(failure), Ok(found(Choice::Cuda(2)))];
        let text = text(&listed);
        let lines: Vec<&str> = text.lines().collect();
        let begins: Vec<&str> =
            lines.iter().map(|line| line.split_whitespace().next().unwrap_or_default()).collect();
        assert_eq!(begins, ["device", "cuda:0", "cuda:2", "", "cuda:1"], "{text}");
        let said =
            "cuda:1 does not answer: DriverError(CUDA_ERROR_ECC_UNCORRECTABLE, \"uncorrectable ECC error\")";
        assert_eq!(lines.last(), Some(&said));
        assert!(!super::text(&listed[..1]).contains("answer"));
        assert_eq!(object(&listed[1]), json!({ "device": "cuda:1", "error": reason }));
        assert_eq!(object(&listed[2])["compute_capability"], "9.0");
    }

    #[test]
    fn auto_says_in_one_line_what_it_took_and_what_failed() {
        assert_eq!(taken_line(Choice::Cpu, &[]), "device cpu");
        let failed =
            ["the CUDA driver does not answer: DriverError(…)\nplace".to_owned(), "metal too".to_owned()];
        assert_eq!(
            taken_line(Choice::Cpu, &failed),
            "device cpu: the CUDA driver does not answer: DriverError(…); metal too"
        );
    }
}
