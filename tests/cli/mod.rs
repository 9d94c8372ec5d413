//! The binary as a user has it: every command over small data, its output, its exit codes, and what it says to
//! input that is wrong.
#![allow(clippy::unwrap_used)]

mod bench;
mod beside;
mod check;
mod data;
mod drawn;
mod machine;
mod mend;
mod mixing;
mod new;
mod photographs;
mod predict;
mod run;
mod settings;
mod several;
mod targets;
mod weights;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const NET: &str = "model Small {
    input 1x28x28
    conv2d 4 6x6 stride=2 -> relu
    max_pool2d 2
    flatten
    linear 10
}
data {
    source mnist \"data\"
    validation 50
    normalize mean=0.1307 std=0.3081
}
train {
    loss cross_entropy
    optimizer adam lr=0.01
    epochs 2
    batch 32
    seed 3
}
";

/// A folder with `small.net` and a data set that is easily learnt: digit `k` is a bright block at a place of its own.
pub struct Desk {
    folder: TempDir,
}

/// What a command came to.
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub fn idx(dims: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|dim| out.extend(dim.to_be_bytes()));
    out.extend(bytes);
    out
}

pub fn digit(class: u32, i: u32) -> Vec<u8> {
    let (left, top) = (class % 5 * 5 + 1 + i % 3, class / 5 * 13 + 2 + i / 3 % 4);
    let noise = |at: u32| (at.wrapping_add(i * 7919).wrapping_mul(2_654_435_761) >> 27) as u8;
    let inside = |x: u32, y: u32| (left..left + 4).contains(&x) && (top..top + 6).contains(&y);
    (0..784).map(|at| if inside(at % 28, at / 28) { 230 } else { noise(at) }).collect()
}

impl Desk {
    pub fn new() -> Desk {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(desk.path("data")).unwrap();
        for (stem, n, from) in [("train", 350u32, 0), ("t10k", 100, 1000)] {
            let labels: Vec<u8> = (0..n).map(|i| (i * 7 % 10) as u8).collect();
            let pixels: Vec<u8> =
                (0..n).flat_map(|i| digit(u32::from(labels[i as usize]), from + i)).collect();
            desk.write(&format!("data/{stem}-images-idx3-ubyte"), idx(&[n, 28, 28], &pixels));
            desk.write(&format!("data/{stem}-labels-idx1-ubyte"), idx(&[n], &labels));
        }
        desk.write("small.net", NET);
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dslc"));
        command.args(line.split_whitespace()).current_dir(self.folder.path());
        command
    }

    pub fn run(&self, line: &str) -> Done {
        done(self.command(line).output().unwrap())
    }

    /// The command must fail with this code and say all of these; nothing may panic.
    pub fn refused(&self, line: &str, code: i32, said: &[&str]) -> Done {
        let done = self.run(line);
        let text = format!("{}{}", done.out, done.err);
        assert_eq!(done.code, Some(code), "{line}: {text}");
        assert!(!text.contains("panicked"), "{line}: {text}");
        let flat = text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        for phrase in said {
            assert!(flat.contains(phrase), "{line} does not say `{phrase}`: {text}");
        }
        done
    }

    /// The command must succeed; its last line on standard output as JSON.
    pub fn json(&self, line: &str) -> Value {
        let done = self.run(line);
        assert_eq!(done.code, Some(0), "{line}: {}", done.err);
        serde_json::from_str(done.out.lines().last().unwrap()).unwrap()
    }
}

fn done(output: Output) -> Done {
    Done {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn png(path: &Path, pixels: Vec<u8>) {
    image::GrayImage::from_raw(28, 28, pixels).unwrap().save(path).unwrap();
}
