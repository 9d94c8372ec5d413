//! `dslc import NETWORK`: another program's network as a text of ours, with its weights beside it.

use std::path::Path;

use crate::cli::out::out;
use crate::cli::table::plural;
use crate::cli::{Stop, load};
use crate::data::sources::npy::{Numbers, Store};
use crate::diag::{Fault, codes};
use crate::exchange::compare;
use crate::exchange::import::line::Pixels;
use crate::exchange::import::{self, Imported};
use crate::exchange::{Arriving, Incoming};
use crate::shape::Shape;
use crate::train::checkpoint::write_atomically;

/// What is imported, and how.
pub struct Network<'a> {
    pub kind: &'static dyn Incoming,
    pub file: &'a Path,
    /// The file of its weights, where they are in another.
    pub weights: Option<&'a Path>,
    /// The `.model` file to write; its weights lie beside it.
    pub to: Option<&'a Path>,
    /// The shape of one image, where the file leaves it open.
    pub input: Option<&'a str>,
    /// Arrays that the network's outputs are held against.
    pub verify: Option<&'a Path>,
    pub force: bool,
}

pub fn run(options: &Network<'_>) -> Result<(), Stop> {
    let path = options.file;
    if options.weights.is_some() && options.kind.weights_ending().is_none() {
        let message = format!(
            "error: the weights of {} are in that file itself, as {} has them\n  try: no `--weights`",
            path.display(),
            options.kind.kind()
        );
        return Err(Stop::Environment(message));
    }
    let place = options.to.map_or_else(|| path.with_extension("model"), Path::to_owned);
    let weights = place.with_extension("safetensors");
    let taken = [&place, &weights].into_iter().find(|place| place.exists());
    if let Some(taken) = taken.filter(|_| !options.force) {
        let message = format!(
            "error: {} is already there\n  try: `--force`, or another place with `-o`",
            taken.display()
        );
        return Err(Stop::Environment(message));
    }
    let input = options.input.map(shape).transpose()?;
    let arriving = Arriving { path, weights: options.weights, input: input.as_ref() };
    let mut told = Vec::new();
    options.kind.read(&arriving, &mut |found, beside| {
        let named =
            |fault: Fault| Fault { message: format!("{}: {}", path.display(), fault.message), ..fault };
        let imported = import::written(found, beside, &place).map_err(named)?;
        load::print(&imported.loaded.sources, &imported.loaded.diagnostics);
        let verified = options.verify.map(|arrays| verify(&imported, arrays)).transpose()?;
        imported.save(&weights)?;
        write_atomically(&place, imported.text.as_bytes())?;
        let model = imported.model()?;
        told.extend(imported.remarks.iter().cloned());
        told.extend(verified);
        let n_lines = imported.text.lines().count() as u64;
        told.push(format!(
            "{}: {} in {} of {}",
            model.name,
            plural(model.n_parameters() as u64, "parameter", "parameters"),
            plural(model.layers.len() as u64, "layer", "layers"),
            plural(n_lines, "line", "lines"),
        ));
        Ok(())
    })?;
    for line in &told {
        out(line)?;
    }
    out(&format!("written to {} and {}", place.display(), weights.display()))
}

fn shape(text: &str) -> Result<Shape, Stop> {
    let dims: Option<Vec<usize>> = text.split('x').map(|part| part.parse().ok().filter(|&n| n > 0)).collect();
    dims.filter(|dims| !dims.is_empty() && dims.len() <= 3).map(Shape::new).ok_or_else(|| {
        Stop::Environment(format!(
            "error: {text:?} is no shape\n  try: `--input 3x224x224`: channels, height and width"
        ))
    })
}

/// Runs the network on a batch of inputs and holds the outputs against those that are given.
fn verify(imported: &Imported<'_>, arrays: &Path) -> Result<String, Fault> {
    let mut store = Store::open(arrays)?;
    let names = store.names().to_vec();
    let [first, second] = names.as_slice() else {
        let message =
            format!("{} has {} arrays; two are needed: inputs and outputs", arrays.display(), names.len());
        return Err(
            Fault::new(codes::EXCHANGE_IN, message).advise("`numpy.savez(\"inputs.npz\", inputs, outputs)`")
        );
    };
    let mut floats = |name: &str| -> Result<(Vec<usize>, Vec<f32>), Fault> {
        let array = store.array(name)?;
        Ok((
            array.shape,
            match array.values {
                Numbers::Floats(numbers) => numbers,
                Numbers::Bytes(bytes) => bytes.iter().map(|&byte| f32::from(byte)).collect(),
                Numbers::Whole(numbers) => numbers.iter().map(|&number| number as f32).collect(),
            },
        ))
    };
    let ((shape, inputs), (_, outputs)) = (floats(first)?, floats(second)?);
    let model = imported.model()?;
    let (own, n) = (model.input.clone().unwrap_or_default(), shape.first().copied().unwrap_or(0));
    let fits = |len: usize, each: usize| n > 0 && n.checked_mul(each) == Some(len);
    let n_inputs = own.elements();
    let n_outputs = model.output().map_or(0, Shape::elements);
    if !fits(inputs.len(), n_inputs) || !fits(outputs.len(), n_outputs) {
        let message = format!(
            "{}: `{first}` and `{second}` are not a batch of inputs of {own} and one of outputs of {n_outputs} numbers",
            arrays.display()
        );
        return Err(Fault::new(codes::EXCHANGE_IN, message));
    }
    let mut session = imported.session()?;
    let mut worst = 0.0f32;
    let (own, result) = (own.dims(), model.output().map_or([].as_slice(), Shape::dims));
    for (input, output) in inputs.chunks_exact(n_inputs).zip(outputs.chunks_exact(n_outputs)) {
        let (input, output) = (ours(input, own, imported.pixels), ours(output, result, imported.given));
        let (input, output) = (input.as_slice(), output.as_slice());
        let found = import::run(&mut session, input)?;
        worst = worst.max(compare::same(output, &found, "the network computes something else here")?);
    }
    let worst = if worst == 0.0 { "0".to_owned() } else { format!("{worst:.0e}") };
    Ok(format!("verified on {}: the outputs differ by {worst} at most", plural(n as u64, "image", "images")))
}

/// The numbers of an image as the other program has them, in our order.
fn ours(numbers: &[f32], shape: &[usize], pixels: Pixels) -> Vec<f32> {
    match (pixels, shape) {
        (Pixels::ChannelsLast, [channels, places @ ..]) => {
            let n: usize = places.iter().product();
            (0..numbers.len()).map(|i| numbers[i % n * channels + i / n]).collect()
        }
        (Pixels::ChannelsFirst | Pixels::ChannelsLast, _) => numbers.to_vec(),
    }
}
