//! A network in a file of another program → a text in our language, checked by our own front end, and its numbers under our
//! names.

pub mod building;
pub mod fold;
pub mod line;
mod names;
pub mod outline;
pub mod text;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::diag::{Fault, Severity, codes};
use crate::exchange::import::line::{Found, Pixels, Weight};
use crate::exchange::onnx::file::{self, Beside, MAX_FILE};
use crate::exchange::onnx::read;
use crate::exchange::onnx::skim::skim;
use crate::experiment::loaded::{Loaded, load_text};
use crate::model::Model;
use crate::model::lower::IMAGES;
use crate::run::{Session, StateInfo};
use crate::shape::Shape;
use crate::train::budget;
use crate::train::checkpoint::{self, Card, States};
use crate::train::program::{SCORES, inference_graph, optimized};

/// A network that was read.
pub struct Imported<'a> {
    /// The file in our language, checked.
    pub loaded: Loaded,
    pub text: String,
    pub classes: Vec<String>,
    /// What should be known of how it was read.
    pub remarks: Vec<String>,
    /// How images lie in arrays of the other program.
    pub pixels: Pixels,
    /// The same of images that the network gives.
    pub given: Pixels,
    states: Vec<StateInfo>,
    weights: HashMap<String, Weight<'a>>,
    beside: &'a Beside,
}

/// A file that is open, and how many bytes it has.
pub fn open(path: &Path) -> Result<(File, u64), Fault> {
    // Opening a pipe would wait for its writer.
    let facts = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
    if !facts.is_file() {
        return Err(unreadable(path, &"it is not a regular file"));
    }
    let file = File::open(path).map_err(|e| unreadable(path, &e))?;
    let length = file.metadata().map_err(|e| unreadable(path, &e))?.len();
    if length > MAX_FILE {
        return Err(unreadable(path, &format!("it has {length} bytes; at most {MAX_FILE} are read")));
    }
    Ok((file, length))
}

/// The bytes of a file, whose size is looked at first.
pub fn bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    let (file, length) = open(path)?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(|e| unreadable(path, &e))?;
    Ok(bytes)
}

pub(super) fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> Fault {
    Fault::new(codes::EXCHANGE_IN, format!("{} cannot be read: {why}", path.display()))
}

/// Reads an ONNX model as a network of ours. `path` is what the text's own file is called; `input` is the shape of one image, where the
/// model leaves it open.
pub fn imported<'a>(
    model: &'a file::Model<'a>,
    beside: &'a Beside,
    path: &Path,
    input: Option<&Shape>,
) -> Result<Imported<'a>, Fault> {
    written(read::found(model, beside, input)?, beside, path)
}

/// Writes what was found as a text, checks it, and gives its layers their numbers. `path` is what the text's own file is called.
pub fn written<'a>(found: Found<'a>, beside: &'a Beside, path: &Path) -> Result<Imported<'a>, Fault> {
    let mut items = outline::outline(&found)?;
    fold::set_apart(&found, &mut items);
    let order = outline::order(&items);
    let folded = fold::fold(&found, items);
    let mut head = vec![format!("{}, as `dslc import` read it", found.origin)];
    // Names out of the file must not end the comment.
    head.extend(found.remarks.iter().map(|remark| format!("- {}", remark.replace(char::is_control, " "))));
    let text = text::text(&found, &folded, &head);
    let loaded = load_text(path, text.clone(), &[]);
    if let Some(first) = loaded.diagnostics.iter().find(|d| d.severity == Severity::Error) {
        let line = loaded.sources.line(first.primary.span);
        let own = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
        return Err(Fault::new(
            codes::EXCHANGE_IN,
            format!("the network would be a text with an error in it: {}", first.message),
        )
        .note(format!("line {line}: {own}")));
    }
    let Found { classes, remarks, lines, pixels, given, .. } = found;
    let own = loaded
        .experiment
        .model
        .as_ref()
        .ok_or_else(|| Fault::internal("an imported text without a model"))?;
    let places: Vec<Option<&line::Line<'a>>> = order.iter().map(|place| place.map(|at| &lines[at])).collect();
    let (states, weights) = named(own, &places, &text)?;
    Ok(Imported { text, classes, remarks, pixels, given, states, weights, beside, loaded })
}

type Named<'a> = (Vec<StateInfo>, HashMap<String, Weight<'a>>);

/// The numbers of each line under the name of its layer in the text.
fn named<'a>(model: &Model, places: &[Option<&line::Line<'a>>], text: &str) -> Result<Named<'a>, Fault> {
    let differs =
        || Fault::internal("an imported text has other layers than its network").note(text.to_owned());
    if model.layers.len() != places.len() {
        return Err(differs());
    }
    let (mut states, mut weights) = (Vec::new(), HashMap::new());
    for (layer, place) in model.layers.iter().zip(places) {
        let word = place.map_or("identity", |line| line.word);
        if layer.unit.spec().name != word {
            return Err(differs());
        }
        let parameters = layer.inferred.iter().flat_map(|inferred| &inferred.parameters);
        for parameter in parameters {
            let own = place.and_then(|line| line.weights.iter().find(|(name, _)| *name == parameter.name));
            let (_, weight) = own.ok_or_else(differs)?;
            let name = format!("{}.{}", layer.name, parameter.name);
            states.push(StateInfo {
                name: name.clone(),
                stream: name.clone(),
                kind: parameter.kind,
                shape: parameter.shape.clone(),
                init: parameter.init.clone(),
            });
            weights.insert(name, weight.clone());
        }
    }
    Ok((states, weights))
}

impl States for Imported<'_> {
    fn states(&self) -> &[StateInfo] {
        &self.states
    }

    fn read_state(&self, name: &str) -> Result<Vec<f32>, Fault> {
        let state = self.states.iter().find(|state| state.name == name);
        let (Some(state), Some(weight)) = (state, self.weights.get(name)) else {
            return Err(Fault::internal(format!("an imported network without `{name}`")));
        };
        let numbers = weight.numbers(self.beside)?;
        match numbers.len() == state.shape.elements() {
            true => Ok(numbers),
            false => Err(Fault::new(
                codes::EXCHANGE_IN,
                format!(
                    "`{name}` has {} numbers in the file, but {} is {}",
                    numbers.len(),
                    state.shape,
                    state.shape.elements()
                ),
            )),
        }
    }
}

impl Imported<'_> {
    pub fn model(&self) -> Result<&Model, Fault> {
        self.loaded
            .experiment
            .model
            .as_ref()
            .ok_or_else(|| Fault::internal("an imported text without a model"))
    }

    /// The network with its numbers, ready to run for one image.
    pub fn session(&self) -> Result<Session, Fault> {
        let graph = optimized(inference_graph(self.model()?, 1)?)?;
        let mut session = budget::few_steps(graph)?;
        for state in &self.states {
            session.write_state(&state.name, &self.read_state(&state.name)?)?;
        }
        Ok(session)
    }

    /// Writes the numbers as weights of the text, which they explain.
    pub fn save(&self, place: &Path) -> Result<(), Fault> {
        let card = Card {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            model: self.model()?.name.clone(),
            source: self.loaded.resolved(Default::default()),
            classes: self.classes.clone(),
            ..Card::default()
        };
        checkpoint::save(place, self, &card)
    }
}

/// What a network makes of one image.
pub fn run(session: &mut Session, image: &[f32]) -> Result<Vec<f32>, Fault> {
    session.put(0, IMAGES, image)?;
    session.step(0)?;
    session.read(0, SCORES)
}

/// An image and the output that belongs to it.
pub type Case = (Vec<f32>, Vec<f32>);

/// How far two outputs are apart, or why that is too far.
pub type Judge<'j> = &'j dyn Fn(&[f32], &[f32]) -> Result<f32, Fault>;

/// Reads an ONNX file back and holds what it computes against these outputs; the largest distance that `judge` gives.
pub fn verify(path: &Path, cases: &[Case], judge: Judge<'_>) -> Result<f32, Fault> {
    let (messages, beside) = skim(path)?;
    let model = file::model(&messages)?;
    let back =
        |fault: Fault| fault.note("this is what our own importer says of the file that was just written");
    let imported = imported(&model, &beside, Path::new("verified.model"), None).map_err(back)?;
    let mut session = imported.session()?;
    let mut worst = 0.0f32;
    for (image, expected) in cases {
        worst = worst.max(judge(expected, &run(&mut session, image)?)?);
    }
    Ok(worst)
}
