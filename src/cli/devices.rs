//! `dslc devices`: what networks can run on here; and the devices that `--device` names.

use serde_json::json;

use crate::cli::Stop;
use crate::cli::out::{err, out};
use crate::cli::table::{bytes, table};
use crate::kernels::cuda;
use crate::tensor::Device;
use crate::tensor::device::{self, Choice, Found};

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
    let (found, versions) = (device::list()?, cuda::versions());
    let compiled = BACKENDS.iter().filter(|(_, there)| *there).map(|(name, _)| *name);
    let compiled: Vec<&str> = compiled.collect();
    if options.json {
        let devices: Vec<_> = found.iter().map(object).collect();
        let versions: serde_json::Map<_, _> =
            versions.into_iter().map(|(what, version)| (what.to_owned(), json!(version))).collect();
        return out(&json!({ "devices": devices, "backends": compiled, "versions": versions }).to_string());
    }
    let mut text =
        table(&["device", "name", "memory", "free", "capability"], 2, found.iter().map(row).collect());
    text.push_str(&format!("\n\nbackends in this build: {}", list(&compiled)));
    for (what, version) in versions {
        text.push_str(&format!("\n{what}: {version}"));
    }
    out(&text)
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

fn object(found: &Found) -> serde_json::Value {
    json!({
        "device": found.choice.to_string(),
        "name": found.name,
        "total_bytes": found.total_bytes,
        "free_bytes": found.free_bytes,
        "compute_capability": found.capability.map(|(major, minor)| format!("{major}.{minor}")),
    })
}

/// Opens what a command was asked to run on; gives and says which device `auto` came to.
pub fn open(choice: Choice) -> Result<(Device, Choice), Stop> {
    let (device, taken) = device::open(choice)?;
    if choice == Choice::Auto {
        err(&format!("device {taken}"));
    }
    Ok((device, taken))
}
