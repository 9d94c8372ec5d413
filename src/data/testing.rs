//! Makes small data sets and sections for the tests of this folder.

use std::io::Write;
use std::path::Path;

use tempfile::TempDir;

use crate::data::sample::{Form, Image, Sample, Target, Task};
use crate::data::section::{DataSection, resolve};
use crate::data::{Dataset, Facts, Source, Wanted};
use crate::diag::{Diagnostics, Fault};
use crate::source::Sources;
use crate::spec::{Args, NoNames, Spec};
use crate::syntax::parse;

/// A source of 3x8x6 images, which no text can name.
pub struct Colours;

static COLOURS: Spec =
    Spec { name: "colours", summary: "", docs: "", params: &[], example: "", elsewhere: &[] };

impl Source for Colours {
    fn spec(&self) -> &'static Spec {
        &COLOURS
    }

    fn facts(&self, _args: &Args) -> Result<Facts, Fault> {
        Ok(Facts {
            form: Form::of([3, 8, 6]),
            task: Task::Classes,
            classes: Some(4),
            parts: Some([100, 0, 10]),
            watched: Some(false),
        })
    }

    fn load(&self, _args: &Args, _base: &Path, _wanted: Wanted) -> Result<Dataset, Fault> {
        Err(Fault::internal("not for loading"))
    }
}

/// A sample of the first class with this image.
pub fn bytes(extents: [usize; 3], bytes: &[u8]) -> Sample {
    Sample::of(Image::of_bytes(extents, bytes.to_vec()), Target::Class(0))
}

/// The same in numbers.
pub fn numbers(extents: [usize; 3], numbers: &[f32]) -> Sample {
    Sample::of(Image::of_numbers(extents, numbers.to_vec()), Target::Class(0))
}

/// The section of these lines, with all that was said about it.
pub fn check(lines: &str) -> (Option<DataSection>, Diagnostics) {
    let text = format!("data {{\n{lines}\n}}\n");
    let mut sources = Sources::default();
    let file = sources.add("test.net", text);
    let (ast, mut diagnostics) = parse(&sources, file);
    assert_eq!(diagnostics, [], "{lines}");
    let section = resolve(&ast.chains[0].links[0].statement, &NoNames, &mut diagnostics);
    (section, diagnostics)
}

/// The section of these lines, or what was said about it.
pub fn section(lines: &str) -> Result<DataSection, Vec<String>> {
    let (section, diagnostics) = check(lines);
    match section {
        Some(section) if diagnostics.is_empty() => Ok(section),
        _ => Err(diagnostics.into_iter().map(|d| format!("{} {}", d.code, d.message)).collect()),
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn idx(dims: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|dim| out.extend(dim.to_be_bytes()));
    out.extend(bytes);
    out
}

/// A folder of plain files; image `i` of a split has label `i % 10`.
pub fn mnist_folder(n_train: u32, n_test: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (stem, n, salt) in [("train", n_train, 1), ("t10k", n_test, 2)] {
        let pixels: Vec<u8> =
            (0..n * 784).map(|i| (i.wrapping_mul(2_654_435_761 + salt) >> 24) as u8).collect();
        let labels: Vec<u8> = (0..n).map(|i| (i % 10) as u8).collect();
        std::fs::write(folder.path().join(format!("{stem}-images-idx3-ubyte")), idx(&[n, 28, 28], &pixels))
            .unwrap();
        std::fs::write(folder.path().join(format!("{stem}-labels-idx1-ubyte")), idx(&[n], &labels)).unwrap();
    }
    folder
}
